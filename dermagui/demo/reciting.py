"""A chat's child that has no model: over the real protocol it recites the words that it is given.

For pictures of the window and for its tests. What it says is never kept where an answer of a model could be:
``write_empty_model`` makes the bundle's files, which hold no weights and could not answer anybody.
"""

from __future__ import annotations

import re
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from dermagui.chat import session
from dermagui.chat.child import Child, ChildGone
from dermagui.chat.protocol import Message, receive, send

CONTEXT_TOKENS = 4096
IMAGE_TOKENS = 16
PROMPT_TOKENS = 100
"""What it says of every question."""
_WHAT_STARTS = "Child"
"""By this name ``session`` makes its child."""


class Died(Exception):
    """Raised by ``words``: the child is gone, as after a fault in native code."""


@dataclass
class Recital:
    """What is recited, how fast, and what the children were asked."""

    go: threading.Event = field(default_factory=threading.Event)
    """What is held back comes when this is set."""
    asked: list[Message] = field(default_factory=list)
    children: list[Reciter] = field(default_factory=list)
    seconds_between: float = 0.0
    """Between two words, by the clock: what is late is caught up."""
    most_turns: int = 1000
    """Questions of more turns than this are too long."""
    slow_load: bool = False
    image_tokens: int = IMAGE_TOKENS
    prompt_tokens: int = PROMPT_TOKENS

    def words(self, question: str, stopped: threading.Event) -> Iterator[str]:
        """The answer to a question. It may wait for ``go``, ends early where ``stopped``; raises ``Died``."""
        yield from re.findall(r"\S+\s*", question)

    def wait(self, stopped: threading.Event) -> None:
        """Holds an answer back."""
        while not self.go.is_set() and not stopped.is_set():
            stopped.wait(0.01)


@contextmanager
def reciting(script: Recital) -> Iterator[Recital]:
    """Lets every chat of this process start reciters instead of real children."""
    real = getattr(session, _WHAT_STARTS)
    setattr(session, _WHAT_STARTS, lambda give_up: Reciter(script))
    try:
        yield script
    finally:
        setattr(session, _WHAT_STARTS, real)


class Reciter(Child):
    """Stands where a ``Child`` stands; a thread takes the place of the process."""

    def __init__(self, script: Recital) -> None:
        self._ours, theirs = Pipe()
        self._stopped = threading.Event()
        self._gone = threading.Event()
        self._script = script
        self._thread = threading.Thread(target=self._serve, args=(theirs,), daemon=True)
        script.children.append(self)
        self._thread.start()

    @property
    def is_gone(self) -> bool:
        return self._gone.is_set()

    def send(self, message: Message, blobs: Sequence[bytes] = ()) -> None:
        if message["do"] == "stop":
            self._stopped.set()
            return
        try:
            send(self._ours, message, blobs)
        except OSError as error:
            raise ChildGone from error

    def receive(self, timeout_seconds: float) -> Message | None:
        try:
            return receive(self._ours)[0] if self._ours.poll(timeout_seconds) else None
        except (EOFError, OSError) as error:
            raise ChildGone from error

    def end(self, patience_seconds: float = 5.0) -> str:
        self._stopped.set()
        self._gone.set()
        self._ours.close()
        self._thread.join()
        return "SIGSEGV"

    def last_words(self) -> str:
        return ""

    def _serve(self, connection: Connection) -> None:
        try:
            while True:
                message, _ = receive(connection)
                self._stopped.clear()
                self._script.asked.append(message)
                self._answer(connection, message)
        except (EOFError, OSError):
            pass
        except Died:
            self._gone.set()
        finally:
            connection.close()

    def _answer(self, connection: Connection, message: Message) -> None:
        number = message["number"]

        def tell(event: str, **more: object) -> None:
            send(connection, {"event": event, "number": number, **more})

        if message["do"] == "load":
            self._load(tell)
        elif len(message["turns"]) > self._script.most_turns:
            values = {"tokens": CONTEXT_TOKENS + 1, "most": CONTEXT_TOKENS}
            tell("error", kind="UserError", code="chat.too_long", values=values)
        elif "labels" in message:
            numbers = [-0.5 - place for place in range(len(message["labels"]))]
            tell("done", ended="end", labels=numbers, tokens=[1], images=self._seen(message))
        else:
            self._say(tell, message)

    def _load(self, tell: Callable[..., None]) -> None:
        tell("progress", doing="load", done=0.3, total=1.0)
        if self._script.slow_load:
            self._script.wait(self._stopped)
        if self._stopped.is_set():
            tell("done", ended="stopped")
        else:
            loaded = {"context_tokens": CONTEXT_TOKENS, "gpu_layers": 0, "has_template": True}
            tell("done", **loaded, device="", threads=1, sees=True)

    def _say(self, tell: Callable[..., None], message: Message) -> None:
        start, words = time.monotonic(), self._script.words(message["turns"][-1]["text"], self._stopped)
        for said, word in enumerate(words):
            due = start + (said + 1) * self._script.seconds_between
            if self._stopped.wait(max(0.0, due - time.monotonic())):
                break
            tell("tokens", tokens=[[said % 7 + 1, word]])
        ended = "stopped" if self._stopped.is_set() else "end"
        figures = {"prompt_tokens": self._script.prompt_tokens, "reused_tokens": 0}
        seconds = {"encode": 0.0, "prompt": 0.5, "generate": 1.0}
        tell("done", ended=ended, seconds=seconds, images=self._seen(message), **figures)

    def _seen(self, message: Message) -> list[Message]:
        return [{**told, "tokens": self._script.image_tokens} for told in message["images"]]


LICENCE = "none needed: it holds no weights"
"""What the bundle says of its terms."""

_WIDTH = 64
_IMAGE_SIDE, _PATCH_SIDE = 448, 28
_MODEL: Mapping[str, str | int] = {
    "general.architecture": "llama",
    "general.name": "rehearsal",
    "general.file_type": 0,
    "general.license": LICENCE,
    "llama.context_length": CONTEXT_TOKENS,
    "llama.embedding_length": _WIDTH,
    "llama.block_count": 1,
    "llama.feed_forward_length": _WIDTH,
    "llama.attention.head_count": 1,
    "llama.vocab_size": 1,
    "tokenizer.ggml.model": "llama",
}
_PROJECTOR: Mapping[str, str | int] = {
    "general.architecture": "clip",
    "general.type": "mmproj",
    "clip.has_vision_encoder": True,
    "clip.projector_type": "mlp",
    "clip.vision.image_size": _IMAGE_SIDE,
    "clip.vision.patch_size": _PATCH_SIDE,
    "clip.vision.embedding_length": _WIDTH,
    "clip.vision.feed_forward_length": _WIDTH,
}
PICTURE_TOKENS = (_IMAGE_SIDE // _PATCH_SIDE) ** 2
"""How many of them such a projector would make of a picture."""


def write_empty_model(folder: Path) -> tuple[Path, Path]:
    """A model and its projector of nothing but headers, so that a chat can be begun; returns their paths."""
    model, projector = folder / "rehearsal.gguf", folder / "rehearsal-mmproj.gguf"
    model.write_bytes(_gguf(_MODEL, "token_embd.weight", (_WIDTH, 1)))
    projector.write_bytes(_gguf(_PROJECTOR, "mm.2.weight", (_WIDTH, _WIDTH)))
    return model, projector


def _gguf(fields: Mapping[str, str | int], tensor: str, shape: tuple[int, int]) -> bytes:
    """A file as ``chat.gguf_header`` describes it: one tensor of zeros."""
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(fields))
    head += b"".join(_text(name) + _value(value) for name, value in fields.items())
    head += _text(tensor) + struct.pack("<IQQIQ", 2, *shape, 0, 0)
    return head + bytes(-len(head) % 32) + bytes(4 * shape[0] * shape[1])


def _value(value: str | int) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    return struct.pack("<I?", 7, value) if isinstance(value, bool) else struct.pack("<II", 4, value)


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()
