"""The rehearsal server: a stand-in for the Gemini API on loopback, which counts every POST.

The unmodified google-genai client talks to it. It runs in a thread of the same process::

    with RehearsalServer(Script(), log_path=path) as server:
        client = genai.Client(http_options=HttpOptions(base_url=server.base_url), ...)

or in a process of its own, which prints its port as one JSON line::

    python -m dermagui.demo.server --port 0 --script FILE --log FILE --until-stdin-ends

What it saw stays in memory (``server.log``) and in the log file (``read_log``), so that a client that was
killed can be audited afterwards. A POST is settled a moment after its answer has left: count when
``log.in_flight`` is 0 or the server has ended. Nothing but loopback is listened to.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from .answers import Asked, read_request, write_answer
from .faults import (
    Fault,
    Script,
    choose_fault,
    choose_slip,
    count_tokens,
    drops_unread,
    error_body,
    error_reply,
    generate_reply,
    part_of,
)
from .post_log import Post, PostLog, read_log
from .readings import Reading, read_picture

__all__ = ["Post", "PostLog", "RehearsalServer", "Script", "read_log"]

HEAD_LIMIT_BYTES = 64 * 1024
BODY_LIMIT_BYTES = 100 * 1024 * 1024
BACKLOG_CONNECTIONS = 512
FAULT_HEADER = "x-rehearsal-fault"
"""A request header that names a Fault (or ``none``) and overrules the script for this request."""
_POST_PATH = re.compile(r"/(?:v1|v1beta)/models/([^/:]+):(\w+)")
_GET_PATH = re.compile(r"/(?:v1|v1beta)/models(?:/([^/:]+))?")

Json = dict[str, Any]


class _Dropped(Exception):
    """The script says that this connection breaks now."""


@dataclass(frozen=True, slots=True)
class _Head:
    method: str
    path: str
    headers: dict[str, str]

    @property
    def body_size_bytes(self) -> int | None:
        """The announced length; None where it is missing, unreadable or beyond the limit."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isdecimal() and int(text) <= BODY_LIMIT_BYTES else None

    @property
    def key(self) -> str:
        query = parse_qs(urlsplit(self.path).query)
        return self.headers.get("x-goog-api-key") or query.get("key", [""])[0]


class RehearsalServer:
    """A scripted server in a thread; a context manager. Counters live until the object does."""

    def __init__(self, script: Script | None = None, *, port: int = 0, log_path: Path | None = None) -> None:
        self.script = script or Script()
        self.port = port
        self.log = PostLog(log_path)
        self._readings: dict[str, Reading] = {}
        self._numbers: dict[str, tuple[int, ...]] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], object] = lambda: None

    @property
    def base_url(self) -> str:
        """The address for ``HttpOptions(base_url=...)``."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def posts(self) -> int:
        """POSTs to generateContent: what a service would count as attempts."""
        return self.log.posts

    @property
    def answered(self) -> int:
        """Attempts whose whole and usable answer was handed to the operating system."""
        return self.log.answered

    @property
    def by_fingerprint(self) -> dict[str, int]:
        """How often each request came, by the fingerprint of its body."""
        return self.log.by_fingerprint

    @property
    def max_in_flight(self) -> int:
        """The largest number of POSTs that were open at the same time."""
        return self.log.max_in_flight

    def __enter__(self) -> Self:
        started = threading.Event()
        failures: list[BaseException] = []

        def work() -> None:
            try:
                asyncio.run(self.serve(started.set))
            except OSError as error:
                failures.append(error)
                started.set()

        self._thread = threading.Thread(target=work, name="rehearsal-server")
        self._thread.start()
        started.wait()
        if failures:
            self._thread.join()
            raise failures[0]
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()
        if self._thread:
            self._thread.join()

    def stop(self) -> None:
        """Ask the server to end, from any thread; open connections break."""
        with suppress(RuntimeError):  # the loop is gone already
            self._stop()

    async def serve(self, on_start: Callable[[], object]) -> None:
        """Listen until ``stop``; calls ``on_start`` when the port is known. OSError: it is taken."""
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(
            self._serve_connection,
            "127.0.0.1",
            self.port,
            limit=HEAD_LIMIT_BYTES,
            backlog=BACKLOG_CONNECTIONS,
        )
        self.port = server.sockets[0].getsockname()[1]
        self._stop = lambda: loop.call_soon_threadsafe(stopped.set)
        on_start()
        await stopped.wait()
        server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self.log.close()

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while head := await _read_head(reader):
                if head.method == "POST":
                    await self._serve_post(head, reader, writer)
                else:
                    await _send(reader, writer, *self._describe_models(head))
                if head.headers.get("connection", "").lower() == "close":
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, _Dropped):
            writer.transport.abort()
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve_post(
        self, head: _Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        path = _POST_PATH.fullmatch(urlsplit(head.path).path)
        model, call = path.groups() if path else ("", "")
        with self._logged(model, call, head.key) as post:
            forced = head.headers.get(FAULT_HEADER)
            if forced == Fault.DROP_BEFORE_BODY or drops_unread(self.script, post.number):
                post.fault = Fault.DROP_BEFORE_BODY
                raise _Dropped
            if head.body_size_bytes is None:
                await _send(reader, writer, 411, error_body(411, "INVALID_ARGUMENT", "No usable length."))
                raise _Dropped
            raw = await reader.readexactly(head.body_size_bytes)
            post.status, reply = await self._answer(post, raw, forced, reader)
            await _send(reader, writer, post.status, reply, midway=post.fault == Fault.DROP_MIDWAY)
            post.complete = True

    @contextmanager
    def _logged(self, model: str, call: str, key: str) -> Iterator[Post]:
        post = self.log.receive(model, call, key[-4:])
        try:
            yield post
        finally:
            self.log.finish(post)

    async def _answer(
        self, post: Post, raw: bytes, forced: str | None, reader: asyncio.StreamReader
    ) -> tuple[int, Json | bytes]:
        """Work out the HTTP status and body for a POST whose body is there."""
        try:
            asked = read_request(raw)
            post.fingerprint, post.image_hashes = asked.fingerprint, asked.image_hashes
            self.log.identify(post)
            fault = self._choose_fault(post, asked, forced)
        except (ValueError, TypeError, AttributeError) as error:  # a body of any shape may come
            return 400, error_body(400, "INVALID_ARGUMENT", str(error))
        if post.call == "countTokens":
            return 200, count_tokens(asked)
        if refusal := self._refuse(post):
            return refusal
        await self._wait(asked, fault, reader)
        if fault and (failure := error_reply(fault, post.model, self.script.retry_delay_seconds)):
            return failure
        if fault is Fault.NOT_JSON:
            return 200, b"<html><body>Service notice</body></html>"
        return self._write_reply(post, asked, fault)

    def _choose_fault(self, post: Post, asked: Asked, forced: str | None) -> Fault | None:
        """Choose the fault of a generateContent call; ValueError where the header names none that exists."""
        if post.call != "generateContent":
            return None
        earlier = self._numbers.get(asked.key, ())
        self._numbers[asked.key] = (*earlier, post.number)
        if forced:
            fault = None if forced == "none" else Fault(forced)
        else:
            fault = choose_fault(self.script, asked.key, post.number, earlier)
        post.fault = fault or ""
        return fault

    def _refuse(self, post: Post) -> tuple[int, Json] | None:
        if post.call != "generateContent" or post.model not in self.script.models:
            return 404, error_body(404, "NOT_FOUND", f"models/{post.model}:{post.call} is not found")
        if not post.key_tail:
            return 403, error_body(403, "PERMISSION_DENIED", "The request has no API key.")
        return None

    async def _wait(self, asked: Asked, fault: Fault | None, reader: asyncio.StreamReader) -> None:
        """Take the scripted time, or break or hold the connection where the script says so."""
        if fault is Fault.DROP_AFTER_BODY:
            raise _Dropped
        if fault is Fault.HANG:
            await reader.read()  # ends when the client gives up
            raise _Dropped
        low, high = self.script.latency_seconds
        seconds = low + (high - low) * part_of(self.script.seed, "latency", asked.key)
        seconds += self.script.delay_seconds if fault is Fault.DELAY else 0
        if seconds:
            await asyncio.sleep(seconds)

    def _write_reply(self, post: Post, asked: Asked, fault: Fault | None) -> tuple[int, Json]:
        try:
            readings = tuple(map(self._read, asked.image_hashes, asked.pictures))
        except OSError:
            return 400, error_body(400, "INVALID_ARGUMENT", "Unable to process input image.")
        slip = choose_slip(self.script, asked)
        post.slip = slip or ""
        text = write_answer(asked, readings, slip)
        model = self.script.other_model if fault is Fault.OTHER_MODEL else post.model
        post.response_id = uuid.uuid4().hex
        reply = generate_reply(asked, text, model, post.response_id, fault)
        post.prompt_tokens = reply["usageMetadata"]["promptTokenCount"]
        post.answer_tokens = reply["usageMetadata"]["candidatesTokenCount"]
        return 200, reply

    def _read(self, sha256: str, encoded: bytes) -> Reading:
        """Measure a picture, once for all requests about it."""
        if sha256 not in self._readings:
            self._readings[sha256] = read_picture(encoded)
        return self._readings[sha256]

    def _describe_models(self, head: _Head) -> tuple[int, Json]:
        path = _GET_PATH.fullmatch(urlsplit(head.path).path) if head.method == "GET" else None
        if path is None or (path[1] and path[1] not in self.script.models):
            return 404, error_body(404, "NOT_FOUND", "The requested URL was not found on this server.")
        if path[1]:
            return 200, _describe_model(path[1])
        return 200, {"models": [_describe_model(model) for model in self.script.models]}


def _describe_model(model: str) -> Json:
    return {
        "name": f"models/{model}",
        "displayName": f"{model} (rehearsal)",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }


async def _read_head(reader: asyncio.StreamReader) -> _Head | None:
    """Read a request line and headers; None where the client has left or does not speak HTTP."""
    try:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        return None
    pairs = (line.partition(":") for line in lines[1:] if line)
    return _Head(method, path, {name.lower(): value.strip() for name, _, value in pairs})


async def _send(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    status: int,
    reply: Json | bytes,
    midway: bool = False,
) -> None:
    """Hand a whole response to the operating system; break off if the client has left or ``midway``."""
    body = reply if isinstance(reply, bytes) else json.dumps(reply, ensure_ascii=False).encode()
    kind = "text/html" if isinstance(reply, bytes) else "application/json; charset=UTF-8"
    head = f"HTTP/1.1 {status} Rehearsal\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    if reader.at_eof():
        raise _Dropped
    writer.write(head.encode() + (body[: len(body) // 2] if midway else body))
    await writer.drain()
    if midway:
        raise _Dropped


def main(arguments: list[str] | None = None) -> None:
    """Run the server in a process of its own until it is interrupted or, if so asked, its input ends."""
    parser = argparse.ArgumentParser(prog="python -m dermagui.demo.server", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", type=Path)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--until-stdin-ends", action="store_true", help="end with the program that starts it")
    options = parser.parse_args(arguments)
    script = Script.from_json(options.script.read_text("utf-8")) if options.script else Script()
    with RehearsalServer(script, port=options.port, log_path=options.log) as server:
        sys.stdout.write(json.dumps({"port": server.port, "base_url": server.base_url}) + "\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            if options.until_stdin_ends:
                sys.stdin.buffer.read()
            else:
                threading.Event().wait()


if __name__ == "__main__":
    main()
