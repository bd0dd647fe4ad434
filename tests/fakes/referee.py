"""A stand-in for the Gemini API that counts. It knows nothing of dermagui, and answers as a test tells it.

It is written from the wire format alone, so that a fault in our own rehearsal server cannot hide one in the
client::

    with Referee(lambda post: Reply.error(503) if post.nth == 1 else Reply.good(post)) as referee:
        ... --base-url referee.url ...
    assert len(referee.posts) == ...
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import io
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from types import TracebackType
from typing import Any, NamedTuple, Self

from PIL import Image

Json = dict[str, Any]
QUOTA = "type.googleapis.com/google.rpc.QuotaFailure"
RETRY = "type.googleapis.com/google.rpc.RetryInfo"
INFO = "type.googleapis.com/google.rpc.ErrorInfo"
STATUS_WORDS = {
    400: "INVALID_ARGUMENT",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class Question(NamedTuple):
    """What makes two requests ask the same: the picture by its RGB8 rows, and the texts."""

    pixels: str
    system: str
    user: str


@dataclass(slots=True)
class Post:
    """One POST. What stands in its body is empty where the connection broke before it was read."""

    number: int
    path: str
    headers: dict[str, str]
    body: Json = field(default_factory=dict)
    images: tuple[bytes, ...] = ()
    system: str = ""
    user: str = ""
    max_output_tokens: int = 0
    nth: int = 0
    """How often this question has been asked, this time included."""
    nth_at_this_limit: int = 0
    """The same, of the same length of the answer."""
    reply: Json = field(default_factory=dict)
    delivered: bool = False
    """The whole reply was handed to the operating system while the client was there."""
    finished: bool = False

    @property
    def model(self) -> str:
        """The model that is asked."""
        return self.path.rpartition("/")[2].partition(":")[0]

    @property
    def question(self) -> Question:
        """What is asked."""
        return Question(pixel_sha256(self.images[0]), self.system, self.user)

    @property
    def picture(self) -> int:
        """The number that ``numbered_picture`` drew into the picture."""
        return picture_number(self.images[0])


@dataclass(frozen=True, slots=True)
class Reply:
    """What the referee does with a POST. ``cut``: break off ``before`` the reply or ``midway`` in it."""

    body: Json | bytes = field(default_factory=dict)
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    delay_seconds: float = 0
    cut: str = ""
    hang: bool = False

    @property
    def text(self) -> str:
        """What the model says."""
        assert isinstance(self.body, dict)
        return "".join(part["text"] for part in self.body["candidates"][0]["content"]["parts"])

    @classmethod
    def good(cls, post: Post, text: str = "", model: str = "", delay_seconds: float = 0) -> Reply:
        """A whole answer in the schema that was asked for, told apart by the number of the POST."""
        text = text or f"Answer {post.number}. A brown spot on lighter skin, with an even border all around."
        keys = post.body["generationConfig"]["responseJsonSchema"]["properties"]
        texts = {key: text if key == "answer" else f"What does picture {post.number} show?" for key in keys}
        return cls.says(post, json.dumps(texts), model=model, delay_seconds=delay_seconds)

    @classmethod
    def says(
        cls, post: Post, text: str, finish: str = "STOP", model: str = "", delay_seconds: float = 0
    ) -> Reply:
        """An answer of these very words."""
        candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": finish}
        return cls(_whole(post, [candidate], model), delay_seconds=delay_seconds)

    @classmethod
    def nothing(cls, post: Post, block_reason: str = "") -> Reply:
        """A 200 without any candidate, perhaps because the prompt was blocked."""
        feedback = {"promptFeedback": {"blockReason": block_reason}} if block_reason else {}
        return cls(_whole(post, []) | feedback)

    @classmethod
    def stopped(cls, post: Post, finish: str) -> Reply:
        """A candidate without content, as a filter leaves it."""
        return cls(_whole(post, [{"finishReason": finish, "index": 0}]))

    @classmethod
    def error(
        cls, status: int, message: str = "It failed.", *, word: str = "", details: Iterable[Json] = ()
    ) -> Reply:
        """An error as the service words it."""
        error = {"code": status, "message": message, "status": word or STATUS_WORDS[status]}
        return cls({"error": error | {"details": list(details)}}, status)

    @classmethod
    def quota(cls, quota_id: str, retry_seconds: float | None = None) -> Reply:
        """A 429 about this quota."""
        details = [{"@type": QUOTA, "violations": [{"quotaId": quota_id, "quotaValue": "10"}]}]
        if retry_seconds is not None:
            details.append({"@type": RETRY, "retryDelay": f"{retry_seconds}s"})
        return cls.error(429, "You exceeded your current quota.", details=details)


def _whole(post: Post, candidates: list[Json], model: str = "") -> Json:
    usage = {"promptTokenCount": 1200 + len(post.user), "candidatesTokenCount": 90 + post.number % 7}
    return {
        "candidates": candidates,
        "usageMetadata": {**usage, "thoughtsTokenCount": 11, "totalTokenCount": sum(usage.values()) + 11},
        "modelVersion": model or post.model,
        "responseId": f"response-{post.number}",
    }


class Referee:
    """The server, in a thread; a context manager. What it saw stays when it has stopped."""

    def __init__(self, script: Callable[[Post], Reply] = Reply.good, *, unread: Iterable[int] = ()) -> None:
        """``unread``: numbers of the POSTs, from 1, whose connection breaks before their body is read."""
        self.script = script
        self.posts: list[Post] = []
        self.port = 0
        self.most_in_flight = 0
        self.models = ["gemini-3.5-flash-lite"]
        """What its list of models tells."""
        self.on_post: Callable[[Post], object] = lambda post: None
        """Called, in the referee's thread, when a POST has been read and before it is answered."""
        self._unread = frozenset(unread)
        self._asked: Counter[object] = Counter()
        self._open = threading.Event()
        self._open.set()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The address for ``--base-url``."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def read_posts(self) -> list[Post]:
        """The POSTs whose body came."""
        return [post for post in self.posts if post.images]

    @property
    def in_flight(self) -> int:
        """How many POSTs wait for their end."""
        return sum(not post.finished for post in self.posts)

    def hold(self) -> None:
        """From now on no reply leaves."""
        self._open.clear()

    def release(self) -> None:
        """Replies leave again."""
        self._open.set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listens: at any port, or again at the one that it had."""
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), name="referee")
        self._thread.start()
        assert started.wait(30), "the referee did not start"

    def stop(self) -> None:
        """Stops listening, and breaks every connection."""
        if self._thread is None:
            return
        assert self._loop is not None
        assert self._stopped is not None
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()
        self._thread = None

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self._stopped.wait()
        server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while True:
                await self._serve_one(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        if method == "GET":
            await self._tell_models(writer)
            return
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
        }
        post = Post(len(self.posts) + 1, path, headers)
        self.posts.append(post)
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if post.number in self._unread:
                raise ConnectionAbortedError
            self._read(post, await reader.readexactly(int(headers["content-length"])))
            self.on_post(post)
            await self._reply(post, self.script(post), reader, writer)
        finally:
            post.finished = True

    def _read(self, post: Post, raw: bytes) -> None:
        post.body = json.loads(raw)
        parts = [part for content in post.body["contents"] for part in content["parts"]]
        blobs = [part.get("inlineData") or part.get("inline_data") for part in parts]
        post.images = tuple(base64.urlsafe_b64decode(blob["data"]) for blob in blobs if blob)
        post.user = "".join(part.get("text", "") for part in parts)
        post.system = "".join(part["text"] for part in post.body["systemInstruction"]["parts"])
        post.max_output_tokens = post.body["generationConfig"]["maxOutputTokens"]
        for key in (post.question, (post.question, post.max_output_tokens)):
            self._asked[key] += 1
        post.nth = self._asked[post.question]
        post.nth_at_this_limit = self._asked[(post.question, post.max_output_tokens)]

    async def _tell_models(self, writer: asyncio.StreamWriter) -> None:
        listed = [
            {"name": f"models/{model}", "supportedGenerationMethods": ["generateContent"]}
            for model in self.models
        ]
        await self._write(writer, Reply({"models": listed}))

    async def _reply(
        self, post: Post, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while not self._open.is_set():
            await asyncio.sleep(0.02)
        await asyncio.sleep(reply.delay_seconds)
        if reply.hang:
            await reader.read()  # ends when the client gives up
        if reply.hang or reply.cut == "before":
            raise ConnectionAbortedError
        post.reply = reply.body if isinstance(reply.body, dict) else {}
        if reader.at_eof():
            raise EOFError
        await self._write(writer, reply)
        post.delivered = True

    async def _write(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        headers = dict((("Content-Type", "application/json; charset=UTF-8"), *reply.headers))
        lines = [f"HTTP/1.1 {reply.status} Said", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        sent = body[: len(body) // 2] if reply.cut == "midway" else body
        writer.write("\r\n".join([*lines, "", ""]).encode() + sent)
        await writer.drain()
        if reply.cut == "midway":
            raise ConnectionAbortedError


@lru_cache(maxsize=4096)
def pixel_sha256(encoded: bytes) -> str:
    """The hash of a picture's RGB8 rows."""
    with Image.open(io.BytesIO(encoded)) as image:
        return hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()


_BITS, _SIDE = 12, 8


def numbered_picture(number: int) -> Image.Image:
    """A small picture that is unlike all others, and whose number survives JPEG: a row of black and white."""
    image = Image.new("RGB", (_BITS * _SIDE, 3 * _SIDE), (200, 150, 120))
    for bit in range(_BITS):
        colour = (255, 255, 255) if number >> bit & 1 else (0, 0, 0)
        image.paste(colour, (bit * _SIDE, _SIDE, (bit + 1) * _SIDE, 2 * _SIDE))
    return image


@lru_cache(maxsize=4096)
def picture_number(encoded: bytes) -> int:
    """The number of a ``numbered_picture`` that was encoded at its full size."""
    with Image.open(io.BytesIO(encoded)) as image, contextlib.closing(image.convert("L")) as grey:
        middles = [
            grey.getpixel((bit * _SIDE + _SIDE // 2, _SIDE + _SIDE // 2)) > 127 for bit in range(_BITS)
        ]
    return sum(white << bit for bit, white in enumerate(middles))
