"""What the tour is made of: commands that were really run, claims that hold or do not, and stages of both."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from dermagui import paths
from dermagui.jobs.launch import program

KEY_VARIABLE = "GEMINI_API_KEY"


class Nature(StrEnum):
    """How much of a stage is the real thing."""

    REAL = "real"
    REHEARSED = "rehearsed"
    NOT_RUN = "not run here"


@dataclass(frozen=True, slots=True)
class Claim:
    """One line of the table: what is claimed, what was counted, and whether it holds."""

    text: str
    found: str
    holds: bool | None
    """None where the question does not arise, as with faults that nobody planted."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of the report with its caption; ``path`` lies within the report's folder."""

    path: Path
    caption: str
    lines: tuple[tuple[str, str], ...] = ()
    """What stands beside it: label and text, such as question and answer."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended."""

    line: str
    code: int
    seconds: float
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one object that ``--json`` printed."""
        return json.loads(self.stdout)


@dataclass(slots=True)
class Stage:
    """One stage of the tour, as the report tells it."""

    title: str
    story: str
    nature: Nature
    runs: list[Ran] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)
    """Numbers that were read back, by name."""
    claims: list[Claim] = field(default_factory=list)
    pictures: list[Shown] = field(default_factory=list)
    quote: str = ""
    """Text as it was printed, such as a prompt."""

    def claim(self, text: str, found: object, holds: bool | None) -> None:
        """Adds a line to the table."""
        self.claims.append(Claim(text, str(found), holds))


class UnexpectedEnd(Exception):
    """A command ended otherwise than the tour needs in order to go on."""

    def __init__(self, ran: Ran, expected: int) -> None:
        super().__init__(f"{ran.line} ended with {ran.code} and not with {expected}: {ran.stderr[-2000:]}")


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs the real command line, in a folder and with a data folder and a key of the tour's own."""

    folder: Path
    home: Path
    key: str = field(repr=False)

    def run(self, stage: Stage, *arguments: str, expect: int = 0) -> Ran:
        """Runs a command to its end and notes it. Raises ``UnexpectedEnd``."""
        return self.finish(stage, arguments, self.start(*arguments), expect=expect)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts a command whose end somebody else waits for with ``finish``."""
        return subprocess.Popen(
            [*program(), *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )

    def finish(
        self, stage: Stage, arguments: Sequence[str], child: subprocess.Popen[str], *, expect: int = 0
    ) -> Ran:
        """Waits for a command and notes it. Raises ``UnexpectedEnd``."""
        started = time.monotonic()
        stdout, stderr = child.communicate()
        line = f"dermagui {shlex.join(arguments)}"
        ran = Ran(line, child.returncode, time.monotonic() - started, stdout, stderr)
        stage.runs.append(ran)
        tell(f"    {line}")
        if ran.code != expect:
            raise UnexpectedEnd(ran, expect)
        return ran

    @property
    def environment(self) -> dict[str, str]:
        """What the children see: the user's own settings, ledger and key are out of their reach."""
        package = str(Path(paths.__file__).parent.parent)
        known = os.environ.get("PYTHONPATH")
        return os.environ | {
            "DERMAGUI_HOME": str(self.home),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "PYTHONPATH": os.pathsep.join([package, known] if known else [package]),
            "PYTHONUTF8": "1",
            KEY_VARIABLE: self.key,
        }


def tell(text: str) -> None:
    """A line for whoever watches."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
