"""The command line at a terminal: a person who reads what is shown, and answers when asked."""

from __future__ import annotations

import errno
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.fakes.command_line import CANARY_KEY, PATIENCE_SECONDS


class Terminal:
    """``dermagui ARGUMENTS`` with a terminal for its input and output; a context manager.

    ``shown`` holds all that has been on the screen so far, with the line ends of a terminal made plain.
    """

    def __init__(self, *arguments: str | os.PathLike[str]) -> None:
        self._screen, theirs = os.openpty()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dermagui", *map(os.fspath, arguments)],
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                env={**os.environ, "GEMINI_API_KEY": CANARY_KEY},
                start_new_session=True,
                cwd=Path.cwd(),
            )
        finally:
            os.close(theirs)
        self.shown = ""
        self._raw = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._screen)

    def wait_for(self, text: str) -> None:
        """Reads until the text has been shown after all that was read before; fails where it never is."""
        begin, end = len(self.shown), time.monotonic() + PATIENCE_SECONDS
        while text not in self.shown[begin:]:
            assert self._read(end), f"waited in vain for {text!r}:\n{self.shown}"

    def say(self, text: str) -> None:
        """Types a line."""
        os.write(self._screen, f"{text}\n".encode())

    def finish(self) -> int:
        """Reads to the end, and returns the exit code."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self._read(end):
            pass
        code = self.process.wait(PATIENCE_SECONDS)
        assert "Traceback" not in self.shown, self.shown
        return code

    def _read(self, end: float) -> bool:
        """One piece of what is shown; false where nothing more will come, or not in time."""
        if not select.select([self._screen], [], [], max(0.0, end - time.monotonic()))[0]:
            return False
        try:
            piece = os.read(self._screen, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # how Linux tells that nobody has the other end any more
                raise
            piece = b""
        self._raw += piece
        self.shown = self._raw.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(piece)
