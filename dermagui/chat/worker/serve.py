"""The life of the child: waits for its caller, does what it is asked, ends when the caller is gone.

The first line on standard input is the key for the connection. Standard input then stays open and tells,
by its end, that the caller is gone, also while native code is at work. Descriptors 1 and 2 are a log file:
llama.cpp writes there, and nothing of ours is sent over them.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection, Listener
from typing import TYPE_CHECKING, Any

from dermagui.chat.protocol import (
    Adapter,
    Load,
    Message,
    Sampling,
    error_to_json,
    images_from_json,
    receive,
    send,
    turns_from_json,
)
from dermagui.chat.worker.processor import check_processor
from dermagui.errors import DermaError, Stopped

if TYPE_CHECKING:
    from dermagui.chat.worker.engine import Engine, Result
    from dermagui.chat.worker.native import NativeLog


def serve(address: str) -> int:
    """Answers the one caller that knows the key, until it is gone."""
    _be_discreet()
    key = bytes.fromhex(_first_line().decode("ascii"))
    _start(_end_with_caller)
    listener = Listener(address, authkey=key)
    connection = listener.accept()
    with suppress(OSError):  # the caller may have removed its folder already
        listener.close()
    inbox = Inbox(connection)
    _start(inbox.listen)
    try:
        check_processor()
        Worker(connection, inbox).work()
    except DermaError as error:
        send(connection, {"number": 0, **error_to_json(error)})
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # an orderly end would wait for threads of native code
    return 0


def _first_line() -> bytes:
    """Read byte by byte and past Python's buffer: a thread that waits in it keeps a process from ending."""
    line = b""
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return line


def _start(run: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=run, args=arguments, name=run.__name__, daemon=True).start()


def _be_discreet() -> None:
    """No debugger is started and no picture of the memory is written when native code fails."""
    os.environ["GGML_NO_BACKTRACE"] = "1"
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_with_caller() -> None:
    with suppress(OSError):
        while os.read(0, 1):
            pass
    os._exit(0)


TOGETHER_SECONDS = 1 / 30
"""Tokens that come faster than anybody reads are told together: each message wakes the caller up."""


class Inbox:
    """Reads what the caller sends while native code is at work: a stop is heard at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._requests: queue.SimpleQueue[tuple[Message, list[bytes]]] = queue.SimpleQueue()
        self._stopped = 0
        self.current = 0
        """The number of the request that is being worked on."""

    def listen(self) -> None:
        """Puts requests into their queue; ends the process where the caller is gone."""
        with suppress(EOFError, OSError):
            while True:
                message, blobs = receive(self._connection)
                if message["do"] == "stop":
                    self._stopped = message["number"]
                else:
                    self._requests.put((message, blobs))
        os._exit(0)

    def next(self) -> tuple[Message, list[bytes]]:
        """The next request, as soon as there is one."""
        message, blobs = self._requests.get()
        self.current = message["number"]
        return message, blobs

    def stopped(self) -> bool:
        """Whether the caller wants no more of the present request."""
        return self._stopped >= self.current


class Worker:
    """Does one request after the other."""

    def __init__(self, connection: Connection, inbox: Inbox) -> None:
        from dermagui.chat.worker.engine import started  # loads llama.cpp: only after the processor was asked

        self._connection = connection
        self._inbox = inbox
        self._log: NativeLog = started()
        self._engine: Engine | None = None
        self._spoken: list[tuple[int | None, str]] = []
        self._told_at = 0.0

    def work(self) -> None:
        """Answers requests for ever."""
        self._tell("ready")
        while True:
            message, blobs = self._inbox.next()
            try:
                result = self._do(message, blobs)
            except Stopped:
                self._tell("done", ended="stopped")
            except DermaError as error:
                self._send(**error_to_json(error))
            else:
                self._tell("done", **result)

    def _tell(self, event: str, **values: Any) -> None:  # noqa: ANN401, what JSON has
        if event != "token":
            self._send(event=event, **values)
            return
        self._spoken.append((values["id"], values["text"]))
        if time.monotonic() - self._told_at >= TOGETHER_SECONDS:
            self._send_spoken()

    def _send(self, **message: object) -> None:
        self._send_spoken()
        send(self._connection, {"number": self._inbox.current, **message})

    def _send_spoken(self) -> None:
        if self._spoken:
            message = {"event": "tokens", "number": self._inbox.current, "tokens": self._spoken}
            send(self._connection, message)
            self._spoken, self._told_at = [], time.monotonic()

    def _do(self, message: Message, blobs: list[bytes]) -> dict[str, Any]:
        if message["do"] == "load":
            return self._load(Load(**message["load"]))
        assert self._engine is not None, "a session loads before it asks"
        return asdict(self._answer(self._engine, message, blobs))

    def _load(self, wanted: Load) -> dict[str, object]:
        from dermagui.chat.worker.engine import Engine

        if self._engine is not None:
            self._engine.close()
            self._engine = None
        self._engine = Engine(wanted, self._log, self._inbox.stopped, self._tell)
        return self._engine.model.description

    def _answer(self, engine: Engine, message: Message, blobs: list[bytes]) -> Result:
        engine.model.error()  # what was wrong before is no news
        if message["do"] == "encode":
            (image,) = images_from_json(message, blobs)
            return engine.encode(image)
        turns = turns_from_json(message, blobs)
        adapters = [Adapter(**told) for told in message["adapters"]]
        if message["do"] == "classify":
            return engine.classify(turns, message["labels"], adapters)
        return engine.ask(turns, Sampling(**message["sampling"]), adapters, message["schema"])
