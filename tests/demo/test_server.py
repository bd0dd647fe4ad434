"""The rehearsal server as the unmodified google-genai client meets it, and its own count of what it saw."""

from __future__ import annotations

import asyncio
import base64
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types
from PIL import Image, ImageDraw

from dermagui.demo.faults import IMAGE_TOKENS, Fault, Rule
from dermagui.demo.server import FAULT_HEADER, Post, RehearsalServer, Script, read_log

KEY = "a-canary-key-that-nobody-may-find-7Q9Z"
MODEL = Script().models[0]
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
TIMEOUT_SECONDS = 120
QUESTION = "<question>\nDescribe what you can see, variant {}.\n</question>"


def picture(colour: str = "saddlebrown") -> bytes:
    drawn = Image.new("RGB", (160, 120), (230, 190, 165))
    ImageDraw.Draw(drawn).circle((80, 60), 30, fill=colour)
    buffer = io.BytesIO()
    drawn.save(buffer, "JPEG")
    return buffer.getvalue()


PICTURE = picture()


def options(base_url: str, fault: str = "", timeout_seconds: float = TIMEOUT_SECONDS) -> types.HttpOptions:
    """The settings of a call: one attempt only, and a fault if this call is to meet one."""
    return types.HttpOptions(
        base_url=base_url,
        api_version="v1beta",
        timeout=int(timeout_seconds * 1000),
        headers={FAULT_HEADER: fault} if fault else {},
        retry_options=types.HttpRetryOptions(attempts=1),
        async_client_args={"limits": httpx2.Limits(max_connections=64, max_keepalive_connections=64)},
    )


@pytest.fixture(scope="module")
def client() -> Iterator[genai.Client]:
    """One client for all servers of this file: making one is dear, and each call names its server."""
    client = genai.Client(api_key=KEY, vertexai=False, http_options=options("http://127.0.0.1:9"))
    yield client
    client.close()


@pytest.fixture(scope="module")
def loop(client: genai.Client) -> Iterator[asyncio.Runner]:
    """The one loop of all asynchronous calls: a client that was closed once stays closed."""
    with asyncio.Runner() as loop:
        yield loop
        loop.run(client.aio.aclose())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RehearsalServer]:
    script = Script(delay_seconds=0.01)
    with RehearsalServer(script, log_path=tmp_path / "posts.jsonl") as server:
        yield server


def config(
    server: RehearsalServer, fault: str = "", timeout_seconds: float = TIMEOUT_SECONDS
) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(
        response_mime_type="application/json",
        response_json_schema=SCHEMA,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        automatic_continuation=False,
        http_options=options(server.base_url, fault, timeout_seconds),
    )


def contents(question: object = 0, image: bytes = PICTURE) -> list[Any]:
    return [types.Part.from_bytes(data=image, mime_type="image/jpeg"), QUESTION.format(question)]


def ask(
    client: genai.Client,
    server: RehearsalServer,
    question: object = 0,
    fault: str = "",
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> types.GenerateContentResponse:
    return client.models.generate_content(
        model=MODEL, contents=contents(question), config=config(server, fault, timeout_seconds)
    )


async def ask_async(
    client: genai.Client, server: RehearsalServer, question: object = 0, fault: str = ""
) -> types.GenerateContentResponse:
    return await client.aio.models.generate_content(
        model=MODEL, contents=contents(question), config=config(server, fault)
    )


@pytest.fixture(params=["sync", "async"])
def ask_either_way(
    request: pytest.FixtureRequest, client: genai.Client, loop: asyncio.Runner
) -> Callable[[RehearsalServer, str], types.GenerateContentResponse]:
    if request.param == "sync":
        return lambda server, fault: ask(client, server, fault=fault)
    return lambda server, fault: loop.run(ask_async(client, server, fault=fault))


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.005)


def last_post(server: RehearsalServer) -> Post:
    wait_for(lambda: server.log.in_flight == 0)
    return server.log.seen[-1]


def post_raw(server: RehearsalServer, path: str, body: bytes, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def raw_body(question: str = "Describe this.") -> dict[str, Any]:
    data = base64.urlsafe_b64encode(PICTURE).decode()
    return {"contents": [{"parts": [{"inlineData": {"data": data}}, {"text": question}]}]}


def test_an_answer_says_what_it_cost_and_is_logged(client: genai.Client, server: RehearsalServer) -> None:
    reply = ask(client, server)
    answer = json.loads(reply.text)
    assert set(answer) == {"answer"}
    assert "brown" in answer["answer"] or "middle" in answer["answer"] or "symmetrical" in answer["answer"]
    usage = reply.usage_metadata
    text_tokens = len(QUESTION.format(0)) // 4
    assert usage.prompt_token_count == IMAGE_TOKENS + text_tokens
    assert usage.candidates_token_count == len(reply.text) // 4
    assert usage.thoughts_token_count == 0
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count
    assert {d.modality.value: d.token_count for d in usage.prompt_tokens_details} == {
        "TEXT": text_tokens,
        "IMAGE": IMAGE_TOKENS,
    }
    assert reply.model_version == MODEL
    assert reply.response_id != ask(client, server).response_id
    post = last_post(server)
    assert (post.number, post.call, post.model, post.key_tail) == (2, "generateContent", MODEL, KEY[-4:])
    assert (post.status, post.complete, post.fault) == (200, True, "")
    assert len(post.image_hashes) == 1
    assert (server.posts, server.answered) == (2, 2)
    assert server.by_fingerprint == {post.fingerprint: 2}


ERRORS = {
    Fault.INTERNAL: (errors.ServerError, 500, "INTERNAL"),
    Fault.UNAVAILABLE: (errors.ServerError, 503, "UNAVAILABLE"),
    Fault.QUOTA_MINUTE: (errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
    Fault.QUOTA_DAY: (errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
    Fault.QUOTA_FREE_TIER: (errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
    Fault.KEY_INVALID: (errors.ClientError, 400, "INVALID_ARGUMENT"),
    Fault.PAYMENT: (errors.ClientError, 402, "RESOURCE_EXHAUSTED"),
    Fault.FORBIDDEN: (errors.ClientError, 403, "PERMISSION_DENIED"),
    Fault.GONE: (errors.ClientError, 404, "NOT_FOUND"),
}


@pytest.mark.parametrize("fault", ERRORS)
def test_an_error_reaches_the_caller(
    ask_either_way: Callable[[RehearsalServer, str], Any], server: RehearsalServer, fault: Fault
) -> None:
    kind, code, status = ERRORS[fault]
    with pytest.raises(errors.APIError) as caught:
        ask_either_way(server, fault)
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.status) == (code, status)
    post = last_post(server)
    assert (post.fault, post.status, post.complete, server.answered) == (fault, code, True, 0)


def test_quotas_tell_which_one_and_how_long(client: genai.Client, server: RehearsalServer) -> None:
    told = {}
    for fault in (Fault.QUOTA_MINUTE, Fault.QUOTA_DAY, Fault.QUOTA_FREE_TIER):
        with pytest.raises(errors.ClientError) as caught:
            ask(client, server, fault=fault)
        quota, retry = caught.value.details["error"]["details"]
        told[fault] = quota["violations"][0]["quotaId"]
        assert retry["retryDelay"] == "0.2s"
    assert told[Fault.QUOTA_MINUTE] == "GenerateRequestsPerMinutePerProjectPerModel"
    assert "PerDay" in told[Fault.QUOTA_DAY]
    assert "FreeTier" in told[Fault.QUOTA_FREE_TIER]


def test_a_bad_key_is_named_as_such(client: genai.Client, server: RehearsalServer) -> None:
    with pytest.raises(errors.ClientError) as caught:
        ask(client, server, fault=Fault.KEY_INVALID)
    assert caught.value.details["error"]["details"][0]["reason"] == "API_KEY_INVALID"


def test_silent_answers_have_no_text(client: genai.Client, server: RehearsalServer) -> None:
    blocked, safety, none = (
        ask(client, server, fault=fault) for fault in (Fault.BLOCKED, Fault.SAFETY, Fault.NO_CANDIDATES)
    )
    assert blocked.prompt_feedback.block_reason is types.BlockedReason.PROHIBITED_CONTENT
    assert not blocked.candidates
    assert safety.candidates[0].finish_reason is types.FinishReason.SAFETY
    assert not none.candidates
    assert none.prompt_feedback is None
    assert {reply.text for reply in (blocked, safety, none)} == {None}
    assert all(reply.usage_metadata.prompt_token_count > IMAGE_TOKENS for reply in (blocked, safety, none))
    assert server.answered == 0


def test_spoilt_answers_are_spoilt_each_in_its_way(client: genai.Client, server: RehearsalServer) -> None:
    whole = ask(client, server).text
    cut, fenced, trailing, wrong = (
        ask(client, server, fault=fault)
        for fault in (Fault.MAX_TOKENS, Fault.FENCED_JSON, Fault.TRAILING_TEXT, Fault.WRONG_SCHEMA)
    )
    assert cut.candidates[0].finish_reason is types.FinishReason.MAX_TOKENS
    assert whole.startswith(cut.text)
    assert len(cut.text) < len(whole)
    assert fenced.text == f"```json\n{whole}\n```"
    assert trailing.text.startswith(whole)
    for reply in (cut, fenced, trailing):
        with pytest.raises(json.JSONDecodeError):
            json.loads(reply.text)
    assert "answer" not in json.loads(wrong.text)
    assert last_post(server).complete
    assert (server.posts, server.answered) == (5, 1)


def test_a_page_instead_of_json_is_no_answer(client: genai.Client, server: RehearsalServer) -> None:
    with pytest.raises(json.JSONDecodeError):
        ask(client, server, fault=Fault.NOT_JSON)
    assert last_post(server).status == 200
    assert server.answered == 0


def test_harmless_faults_still_answer(client: genai.Client, server: RehearsalServer) -> None:
    assert ask(client, server, fault=Fault.OTHER_MODEL).model_version == server.script.other_model != MODEL
    assert ask(client, server, fault=Fault.DELAY).text
    assert last_post(server).fault == Fault.DELAY
    assert server.answered == 2


@pytest.mark.parametrize("fault", [Fault.DROP_BEFORE_BODY, Fault.DROP_AFTER_BODY, Fault.DROP_MIDWAY])
def test_a_broken_connection_is_one_post_and_no_answer(
    ask_either_way: Callable[[RehearsalServer, str], Any], server: RehearsalServer, fault: Fault
) -> None:
    with pytest.raises(httpx2.TransportError):
        ask_either_way(server, fault)
    post = last_post(server)
    assert (post.fault, post.complete, server.posts, server.answered) == (fault, False, 1, 0)
    assert bool(post.fingerprint) is (fault is not Fault.DROP_BEFORE_BODY)


def test_a_server_that_hangs_is_left_by_the_client(client: genai.Client, server: RehearsalServer) -> None:
    with pytest.raises(httpx2.ReadTimeout):
        ask(client, server, fault=Fault.HANG, timeout_seconds=0.2)
    post = last_post(server)
    assert (post.fault, post.status, post.complete, post.finished) == (Fault.HANG, 0, False, True)


def test_a_server_stops_though_requests_hang(client: genai.Client) -> None:
    def call() -> None:
        with pytest.raises(httpx2.TransportError):
            ask(client, server, fault=Fault.HANG)

    caller = threading.Thread(target=call)
    with RehearsalServer() as server:
        caller.start()
        wait_for(lambda: server.log.in_flight == 1)
    caller.join()
    assert server.log.in_flight == 0
    assert not server.log.seen[0].complete


def test_an_answer_to_a_client_that_left_does_not_count(server: RehearsalServer) -> None:
    body = json.dumps(raw_body()).encode()
    head = f"POST /v1/models/{MODEL}:generateContent HTTP/1.1\r\nx-goog-api-key: {KEY}\r\n"
    head += f"{FAULT_HEADER}: delay\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode() + body)
    wait_for(lambda: server.posts == 1)
    post = last_post(server)
    assert (post.complete, server.answered) == (False, 0)
    assert post.fingerprint


def test_thirty_two_coroutines_count_as_the_server_counts(
    client: genai.Client, loop: asyncio.Runner, tmp_path: Path
) -> None:
    rules = (
        Rule(Fault.UNAVAILABLE, rate=0.2),
        Rule(Fault.QUOTA_MINUTE, rate=0.1, times=2),
        Rule(Fault.DROP_AFTER_BODY, rate=0.1),
        Rule(Fault.GONE, rate=0.1, times=None),
    )
    script = Script(rules=rules, latency_seconds=(0.0, 0.02))
    attempts: Counter[str] = Counter()

    async def call(server: RehearsalServer, gate: asyncio.Semaphore, question: int) -> bool:
        for _ in range(4):
            try:
                async with gate:
                    attempts["posts"] += 1
                    await ask_async(client, server, question)
                attempts["answered"] += 1
                return True
            except errors.APIError as error:
                attempts[str(error.code)] += 1
            except httpx2.TransportError:
                attempts["dropped"] += 1
        return False

    async def call_all(server: RehearsalServer) -> list[bool]:
        gate = asyncio.Semaphore(32)
        return await asyncio.gather(*(call(server, gate, question) for question in range(80)))

    with RehearsalServer(script, log_path=tmp_path / "posts.jsonl") as server:
        succeeded = loop.run(call_all(server))
    for log in (server.log, read_log(tmp_path / "posts.jsonl")):
        assert (log.posts, log.answered) == (attempts["posts"], attempts["answered"])
        assert log.by_fault == Counter(
            {
                "unavailable": attempts["503"],
                "quota_minute": attempts["429"],
                "drop_after_body": attempts["dropped"],
                "gone": attempts["404"],
            }
        )
        assert len(log.by_fingerprint) == 80
        assert log.max_in_flight <= 32
        assert log.in_flight == 0
    gone = {post.fingerprint for post in server.log.seen if post.fault == Fault.GONE}
    assert min(attempts.values()) > 0
    assert succeeded.count(False) == len(gone) > 0
    assert attempts["404"] == 4 * len(gone)
    assert attempts["429"] % 2 == 0


def test_thirty_two_threads_count_as_the_server_counts(client: genai.Client) -> None:
    with RehearsalServer(Script(latency_seconds=(0.01, 0.02))) as server, ThreadPoolExecutor(32) as pool:
        texts = list(pool.map(lambda question: ask(client, server, question % 40).text, range(80)))
    assert (server.posts, server.answered) == (80, 80)
    assert set(server.by_fingerprint.values()) == {2}
    assert texts[:40] == texts[40:]
    assert len(set(texts)) > 30


def test_as_many_requests_are_in_flight_as_hang(client: genai.Client, loop: asyncio.Runner) -> None:
    async def call_all(server: RehearsalServer) -> None:
        calls = [asyncio.create_task(ask_async(client, server, n, Fault.HANG)) for n in range(64)]
        while server.log.in_flight < 64:
            await asyncio.sleep(0.005)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    with RehearsalServer() as server:
        loop.run(asyncio.wait_for(call_all(server), TIMEOUT_SECONDS))
        wait_for(lambda: server.log.in_flight == 0)
    assert (server.posts, server.answered, server.max_in_flight) == (64, 0, 64)


def test_the_key_is_in_no_log_and_a_torn_last_line_is_skipped(
    client: genai.Client, server: RehearsalServer, tmp_path: Path
) -> None:
    ask(client, server)
    last_post(server)
    path = tmp_path / "posts.jsonl"
    text = path.read_text("utf-8")
    assert KEY not in text
    assert KEY[-4:] in text
    assert KEY[-5:] not in text
    path.write_text(text + '{"event": "received", "numb', "utf-8")
    assert read_log(path).seen == server.log.seen


def test_what_a_script_plants_is_noted(client: genai.Client) -> None:
    with RehearsalServer(Script(refuse_every=1)) as server:
        assert "answer" in json.loads(ask(client, server).text)
        ask(client, server, fault=Fault.DELAY)
        last_post(server)
    assert server.log.by_slip == {"refusal": 2}


def test_models_are_listed_and_found(client: genai.Client, server: RehearsalServer) -> None:
    address = options(server.base_url)
    listed = client.models.list(config={"http_options": address, "query_base": True})
    assert [model.name for model in listed] == [f"models/{name}" for name in server.script.models]
    found = client.models.get(model=MODEL, config={"http_options": address})
    assert found.supported_actions == ["generateContent", "countTokens"]
    with pytest.raises(errors.ClientError) as caught:
        client.models.get(model="unheard-of", config={"http_options": address})
    assert caught.value.code == 404
    assert server.log.seen == ()


def test_counting_tokens_is_a_post_but_no_attempt(client: genai.Client, server: RehearsalServer) -> None:
    counted = client.models.count_tokens(
        model=MODEL,
        contents=contents(),
        config={"http_options": options(server.base_url)},
    )
    assert counted.total_tokens == ask(client, server).usage_metadata.prompt_token_count
    assert [post.call for post in server.log.seen] == ["countTokens", "generateContent"]
    assert server.posts == 1


@pytest.mark.parametrize(
    ("path", "body", "headers", "code"),
    [
        (f"/v1/models/{MODEL}:generateContent", b"{", {"x-goog-api-key": KEY}, 400),
        (f"/v1/models/{MODEL}:generateContent", b'{"contents": [3]}', {"x-goog-api-key": KEY}, 400),
        (f"/v1/models/{MODEL}:generateContent", None, {"x-goog-api-key": KEY, FAULT_HEADER: "quake"}, 400),
        (f"/v1/models/{MODEL}:generateContent", None, {}, 403),
        (f"/v1/models/{MODEL}:generateContent", None, {"x-goog-api-key": KEY}, 200),
        (f"/v1/models/{MODEL}:generateContent?key={KEY}", None, {}, 200),
        ("/v1/models/unheard-of:generateContent", None, {"x-goog-api-key": KEY}, 404),
        (f"/v1/models/{MODEL}:embedContent", None, {"x-goog-api-key": KEY}, 404),
        ("/v3/elsewhere", None, {"x-goog-api-key": KEY}, 404),
    ],
)
def test_raw_requests_get_what_the_service_would_say(
    server: RehearsalServer, path: str, body: bytes | None, headers: dict[str, str], code: int
) -> None:
    status, reply = post_raw(server, path, body or json.dumps(raw_body()).encode(), **headers)
    assert status == code
    if code != 200:
        assert reply["error"]["code"] == code
        assert reply["error"]["status"]
    assert last_post(server).status == code


def test_a_picture_that_is_none_is_refused(server: RehearsalServer) -> None:
    body = raw_body()
    body["contents"][0]["parts"][0]["inlineData"]["data"] = base64.b64encode(b"no picture").decode()
    path = f"/v1/models/{MODEL}:generateContent"
    status, reply = post_raw(server, path, json.dumps(body).encode(), **{"x-goog-api-key": KEY})
    assert status == 400
    assert "image" in reply["error"]["message"]


def test_a_connection_is_kept_for_the_next_request(server: RehearsalServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_SECONDS)
    for method, path, code in (
        ("GET", "/v1/models", 200),
        ("GET", "/nowhere", 404),
        ("DELETE", "/v1/x", 404),
    ):
        connection.request(method, path)
        socket_used = connection.sock
        response = connection.getresponse()
        assert response.status == code
        response.read()
        assert connection.sock is socket_used
    connection.request("GET", "/v1/models", headers={"Connection": "close"})
    response = connection.getresponse()
    response.read()
    connection.close()
    with socket.create_connection(("127.0.0.1", server.port)) as other:
        other.sendall(b"GET /v1/models HTTP/1.1\r\nConnection: close\r\n\r\n")
        chunks = iter(lambda: other.recv(65536), b"")
        assert b"".join(chunks).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("length", ["", "Content-Length: many\r\n", f"Content-Length: {10**12}\r\n"])
def test_a_body_without_a_usable_length_is_refused(server: RehearsalServer, length: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f"POST /v1/models/{MODEL}:generateContent HTTP/1.1\r\n{length}\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 411")


@pytest.mark.parametrize("noise", [b"hello\r\n\r\n", b"\x16\x03\x01\r\n\r\n", b"x" * 200_000])
def test_what_is_no_http_is_left(server: RehearsalServer, noise: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        try:
            connection.sendall(noise)
            assert connection.recv(10) == b""
        except ConnectionError:
            pass
    assert server.log.seen == ()


def test_a_taken_port_is_an_error_at_once(server: RehearsalServer) -> None:
    with pytest.raises(OSError, match="in use"), RehearsalServer(port=server.port):
        pass


def start_process(tmp_path: Path, *options: str) -> tuple[subprocess.Popen[str], RehearsalServer]:
    """Start a server in a process of its own; what comes back beside it only knows the address."""
    script = tmp_path / "script.json"
    script.write_text(Script(rules=(Rule(Fault.UNAVAILABLE, posts=(1,)),)).to_json(), "utf-8")
    command = [sys.executable, "-m", "dermagui.demo.server", "--port", "0", "--script", str(script)]
    process = subprocess.Popen(
        [*command, "--log", str(tmp_path / "posts.jsonl"), *options],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    address = RehearsalServer(port=told["port"])
    assert told["base_url"] == address.base_url
    return process, address


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a matter of POSIX")
def test_the_log_of_a_killed_server_is_whole(client: genai.Client, tmp_path: Path) -> None:
    process, address = start_process(tmp_path)
    with process:
        with pytest.raises(errors.ServerError):
            ask(client, address)
        reply = ask(client, address)
        wait_for(lambda: read_log(tmp_path / "posts.jsonl").in_flight == 0)
        process.send_signal(signal.SIGKILL)
    assert reply.text
    log = read_log(tmp_path / "posts.jsonl")
    assert (log.posts, log.answered, list(log.by_fingerprint.values())) == (2, 1, [2])
    assert [post.fault for post in log.seen] == ["unavailable", ""]


def test_a_server_process_ends_with_its_input_if_so_asked(tmp_path: Path) -> None:
    process, _ = start_process(tmp_path, "--until-stdin-ends")
    process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0
