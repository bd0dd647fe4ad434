"""The process of a chat, from the caller's side: starts it, holds the connection, says how it ended."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection
from pathlib import Path
from threading import Lock
from typing import IO

from dermagui import paths
from dermagui.chat.protocol import Message, receive, send
from dermagui.errors import from_os_error
from dermagui.jobs.launch import NEW_GROUP_WITHOUT_CONSOLE, child_environment, program

LOG_NAME = "chat.log"
END_SECONDS = 5.0
"""How long a child whose caller hung up may take to end before it is killed."""

_LOG_BYTES = 1 << 20
_TAIL_BYTES = 4096
_LONGEST_ADDRESS = 100
_POLL_SECONDS = 0.01


class ChildGone(Exception):
    """The child ended, or its connection did: how, and what it said last, where that is known already."""

    def __init__(self, reason: str = "", detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


class Child:
    """A running child. Its connection is a socket in a folder of our own, or a named pipe; no port."""

    def __init__(self, give_up: Callable[[], bool]) -> None:
        """Starts it and waits for its first word. Raises ``ChildGone``, also where ``give_up`` said so;
        ``UserError`` where the disk refuses.
        """
        self._sending = Lock()
        self._connection: Connection | None = None
        self._log_path = paths.log_folder() / LOG_NAME
        self._log_start = 0
        key = secrets.token_bytes(32)
        with _address() as address, self._log() as log:
            self.process = subprocess.Popen(
                [*program(), "chat-worker", address],
                stdin=subprocess.PIPE,
                stdout=log or subprocess.DEVNULL,
                stderr=log or subprocess.DEVNULL,
                env=child_environment(),
                start_new_session=True,
                creationflags=NEW_GROUP_WITHOUT_CONSOLE,
            )
            try:
                self._hand_over(key)
                self._connection = self._connect(address, key, give_up)
            except ChildGone as gone:
                raise ChildGone(self.end(), self.last_words()) from gone
            except BaseException:
                self.end()
                raise

    @contextmanager
    def _log(self) -> Iterator[IO[bytes] | None]:
        """The log of all chats, begun anew where it is long; None where the disk takes none."""
        log: IO[bytes] | None = None
        with suppress(OSError):
            is_long = self._log_path.exists() and self._log_path.stat().st_size > _LOG_BYTES
            log = self._log_path.open("wb" if is_long else "ab")
            self._log_start = log.tell()
        try:
            yield log
        finally:
            if log is not None:
                log.close()

    def _hand_over(self, key: bytes) -> None:
        assert self.process.stdin is not None
        with suppress(OSError):  # it may be gone already, which shows when we look for it
            self.process.stdin.write(f"{key.hex()}\n".encode("ascii"))
            self.process.stdin.flush()

    def _connect(self, address: str, key: bytes, give_up: Callable[[], bool]) -> Connection:
        while self.process.poll() is None and not give_up():
            try:
                return Client(address, authkey=key)
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(_POLL_SECONDS)
            except (EOFError, OSError, AuthenticationError):
                break
        raise ChildGone

    @property
    def is_gone(self) -> bool:
        """Whether it ended while nobody asked it anything."""
        return self.process.poll() is not None

    def send(self, message: Message, blobs: Sequence[bytes] = ()) -> None:
        """Sends a message; any thread may. Raises ``ChildGone``."""
        try:
            with self._sending:
                send(self._connected(), message, blobs)
        except OSError as error:
            raise ChildGone from error

    def receive(self, timeout_seconds: float) -> Message | None:
        """The next message, or None where none came in time. Raises ``ChildGone``."""
        try:
            connection = self._connected()
            return receive(connection)[0] if connection.poll(timeout_seconds) else None
        except (EOFError, OSError) as error:
            raise ChildGone from error

    def _connected(self) -> Connection:
        if self._connection is None:
            raise ChildGone
        return self._connection

    def end(self, patience_seconds: float = END_SECONDS) -> str:
        """Ends it if it still runs, and takes its leave of it; returns how it ended.

        ``SIGSEGV`` or another signal, ``exit 1`` or another code, or nothing where it ended as it should.
        It hears that its caller hangs up at once, whatever native code is doing; may be called again.
        """
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.close()
        try:
            return _outcome(self.process.wait(patience_seconds))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return ""

    def last_words(self) -> str:
        """The last line that it wrote into its log, such as the assertion that failed; or nothing."""
        with suppress(OSError), self._log_path.open("rb") as log:
            log.seek(max(self._log_start, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = log.read().decode("utf-8", "replace").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "")[:300]
        return ""


def _outcome(code: int) -> str:
    if code < 0:
        with suppress(ValueError):
            return signal.Signals(-code).name
    if sys.platform == "win32" and code & 0x80000000:
        return f"0x{code & 0xFFFFFFFF:08X}"
    return f"exit {code}" if code else ""


@contextmanager
def _address() -> Iterator[str]:
    """A name for the connection, in a folder that only this user can open."""
    if sys.platform == "win32":
        yield rf"\\.\pipe\dermagui-{secrets.token_hex(16)}"
        return
    try:
        folder = tempfile.mkdtemp(prefix="dermagui-")
        if len(os.fsencode(folder)) > _LONGEST_ADDRESS:  # sockets have short names, some users long folders
            Path(folder).rmdir()
            folder = tempfile.mkdtemp(prefix="dermagui-", dir="/tmp")
    except OSError as error:
        raise from_os_error(error, tempfile.gettempdir()) from error
    try:
        yield os.path.join(folder, "s")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
