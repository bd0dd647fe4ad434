"""What the tour is made of: commands that were really run, claims that hold or do not, and stages of both."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from dermagui import paths
from dermagui.demo.phantoms import PhantomSet
from dermagui.jobs.launch import program

KEY_VARIABLE = "GEMINI_API_KEY"
PROJECT = "project"
"""The folder of the tour's project, as its commands name it."""


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
    headline: tuple[str, str] | None = None
    """A label and a number for the top of the report, where this is one of the claims that matter most."""


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
    def json(self) -> dict[str, Any]:
        """The one object that ``--json`` printed."""
        found: dict[str, Any] = json.loads(self.stdout)
        return found


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

    def claim(
        self, text: str, found: str, holds: bool | None, headline: tuple[str, str] | None = None
    ) -> None:
        """Adds a line to the table."""
        self.claims.append(Claim(text, found, holds, headline))


class UnexpectedEnd(Exception):
    """A command ended otherwise than the tour needs in order to go on."""

    def __init__(self, ran: Ran, expected: int) -> None:
        super().__init__(f"{ran.line} ended with {ran.code} and not with {expected}: {ran.stderr[-2000:]}")


@dataclass(frozen=True, slots=True)
class Running:
    """A command on its way; ``started`` is a moment of the monotonic clock in seconds."""

    line: str
    child: subprocess.Popen[str]
    started: float


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs the real command line, in a folder and with a data folder and a key of the tour's own."""

    folder: Path
    home: Path
    key: str = field(repr=False)

    def run(self, stage: Stage, *arguments: str, expect: int = 0) -> Ran:
        """Runs a command to its end and notes it. Raises ``UnexpectedEnd``."""
        return self.finish(stage, self.start(*arguments), expect=expect)

    def start(self, *arguments: str) -> Running:
        """Starts a command whose end somebody waits for with ``finish``."""
        child = subprocess.Popen(
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
        line = paths.display_path(f"dermagui {shlex.join(arguments)}")
        return Running(line, child, time.monotonic())

    def finish(self, stage: Stage, running: Running, *, expect: int = 0) -> Ran:
        """Waits for a command and notes it. Raises ``UnexpectedEnd``."""
        stdout, stderr = running.child.communicate()
        seconds = time.monotonic() - running.started
        ran = Ran(running.line, running.child.returncode, seconds, stdout, stderr)
        stage.runs.append(ran)
        tell(f"    {ran.seconds:4.1f} s  {ran.line}")
        if ran.code != expect:
            raise UnexpectedEnd(ran, expect)
        return ran

    @property
    def environment(self) -> dict[str, str]:
        """What the children see: the user's own settings, ledger and key are out of their reach."""
        package = str(Path(paths.__file__).parent.parent)
        known = os.environ.get("PYTHONPATH")
        own = {
            name: value for name, value in os.environ.items() if not name.startswith(("GEMINI_", "GOOGLE_"))
        }
        return own | {
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


@dataclass(slots=True)
class Tour:
    """What the stages share. Commands run in ``work``, so that their paths are short and our own."""

    out: Path
    images: Path
    phantoms: PhantomSet | None
    """None on the user's own pictures: then nothing is planted in them."""
    shell: Shell
    originals: dict[str, tuple[str, int, int]]
    """The files of ``images`` before anything was done, by ``audit.fingerprint_files``."""
    stages: list[Stage] = field(default_factory=list)

    @property
    def work(self) -> Path:
        """Where project, exports and log of the tour lie; it stays, to be looked at."""
        return self.shell.folder

    @property
    def project(self) -> Path:
        """The project of the tour."""
        return self.work / PROJECT

    def stage(self, title: str, story: str, nature: Nature = Nature.REAL) -> Stage:
        """Opens the next stage."""
        stage = Stage(title, story, nature)
        self.stages.append(stage)
        tell(f"{len(self.stages)}. {title}")
        return stage

    def keep_picture(self, source: Path, name: str) -> Path:
        """Copies a picture into the report and returns its path there."""
        target = self.out / "pictures" / name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, target)
        return target

    def rows(self, stage: Stage) -> list[dict[str, Any]]:
        """The files of the project as ``images --json`` lists them."""
        return list(self.shell.run(stage, "images", PROJECT, "--json").json["images"])

    def pairs(self, stage: Stage) -> list[dict[str, Any]]:
        """The pairs of the project as ``review list --json`` prints them."""
        return list(self.shell.run(stage, "review", PROJECT, "list", "--json").json["pairs"])
