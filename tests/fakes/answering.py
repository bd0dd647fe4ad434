"""A chat's child that needs no model: slow, endless, crashing answers, told by what the question says.

``start_scripted`` takes the place of ``session.Child``: it speaks the protocol in a thread of the test, over
a real connection. A question that says ``endless`` is answered until it is stopped, ``crash`` ends the child
after three words, ``wait`` holds the answer back until ``go`` is set, ``N words`` are that many tokens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import pytest

from dermagui.chat import session
from dermagui.chat.child import ChildGone
from dermagui.chat.protocol import Message, receive, send

CONTEXT_TOKENS = 4096
IMAGE_TOKENS = 16


@dataclass
class Script:
    """What scripted children were asked, and what holds them back."""

    go: threading.Event = field(default_factory=threading.Event)
    asked: list[Message] = field(default_factory=list)
    children: list[ScriptedChild] = field(default_factory=list)
    seconds_between: float = 0.0
    most_turns: int = 1000
    """Questions of more turns than this are too long."""
    slow_load: bool = False


class ScriptedChild:
    """Stands where a ``Child`` stands."""

    def __init__(self, give_up: Callable[[], bool], script: Script) -> None:
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
        finally:
            connection.close()

    def _answer(self, connection: Connection, message: Message) -> None:
        number = message["number"]

        def tell(event: str, **more: object) -> None:
            send(connection, {"event": event, "number": number, **more})

        if message["do"] == "load":
            self._load(tell)
            return
        turns = message["turns"]
        if len(turns) > self._script.most_turns:
            values = {"tokens": 5000, "most": CONTEXT_TOKENS}
            tell("error", kind="UserError", code="chat.too_long", values=values)
            return
        if "labels" in message:
            numbers = [-0.5 - place for place in range(len(message["labels"]))]
            tell("done", ended="end", labels=numbers, tokens=[1], images=_seen(message))
            return
        self._say(connection, tell, message, turns[-1]["text"])

    def _load(self, tell: Callable[..., None]) -> None:
        tell("progress", doing="load", done=0.3, total=1.0)
        while self._script.slow_load and not (self._script.go.is_set() or self._stopped.is_set()):
            self._stopped.wait(0.01)
        if self._stopped.is_set():
            tell("done", ended="stopped")
        else:
            loaded = {"context_tokens": CONTEXT_TOKENS, "gpu_layers": 0, "has_template": True}
            tell("done", **loaded, device="", threads=1, sees=True)

    def _say(self, connection: Connection, tell: Callable[..., None], message: Message, text: str) -> None:
        if "wait" in text:
            while not self._script.go.is_set() and not self._stopped.is_set():
                self._stopped.wait(0.01)
        words = iter(text.split())
        first = next(words, "")
        most = int(first) if first.isdecimal() else 10**9 if "endless" in text else 5
        said = 0
        while said < most and not self._stopped.wait(self._script.seconds_between):
            tell("tokens", tokens=[[said % 7 + 1, _word(said)]])
            said += 1
            if "crash" in text and said == 3:
                connection.close()
                self._gone.set()
                raise EOFError
        ended = "stopped" if self._stopped.is_set() else "end"
        seconds = {"encode": 0.0, "prompt": 0.5, "generate": 1.0}
        tell("done", ended=ended, seconds=seconds, prompt_tokens=100, reused_tokens=0, images=_seen(message))


def _word(place: int) -> str:
    return f"word{place}. " if place % 5 == 4 else f"word{place} "


def _seen(message: Message) -> list[Message]:
    return [{**told, "tokens": IMAGE_TOKENS} for told in message["images"]]


def start_scripted(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Lets every chat of this process start scripted children."""
    script = Script()
    monkeypatch.setattr(session, "Child", lambda give_up: ScriptedChild(give_up, script))
    return script
