"""The rehearsal server in a process of its own, and the kill in mid-flight."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from dermagui.demo.faults import Fault, Rule, Script
from dermagui.demo.post_log import PostLog, read_log
from dermagui.demo.steps import Running, Shell
from dermagui.jobs.launch import program
from dermagui.records import JobState, RequestState
from dermagui.storage import jobs, requests
from dermagui.storage.database import Store

PATIENCE_SECONDS = 120
"""How long the tour waits for something that must happen, before it says that it did not."""

SCRIPT = Script(
    rules=(
        Rule(Fault.UNAVAILABLE, posts=(3, 19, 31)),
        Rule(Fault.QUOTA_MINUTE, posts=(5, 6)),
        Rule(Fault.BLOCKED, posts=(8, 26)),
        Rule(Fault.MAX_TOKENS, posts=(9, 24)),
        Rule(Fault.WRONG_SCHEMA, posts=(10,)),
        Rule(Fault.NOT_JSON, posts=(12,)),
        Rule(Fault.FENCED_JSON, posts=(14, 28)),
        Rule(Fault.OTHER_MODEL, posts=(16,)),
    ),
    latency_seconds=(0.3, 0.7),
    leak_every=7,
    wrong_every=7,
    duplicate_every=4,
    refuse_every=12,
)
"""What goes wrong on purpose. Faults come by running number; slips by a seeded hash of the request."""


class Rehearsal:
    """The server's process; a context manager. ``log`` is its own book, read from its file."""

    def __init__(self, shell: Shell, folder: Path) -> None:
        self._shell = shell
        self._log_path = folder / "server-log.jsonl"
        self._script_path = folder / "server-script.json"
        self._process: subprocess.Popen[str] | None = None
        self.base_url = ""

    def __enter__(self) -> Self:
        self._script_path.write_text(SCRIPT.to_json(), encoding="utf-8")
        files = ["--script", str(self._script_path), "--log", str(self._log_path)]
        self._process = subprocess.Popen(
            [*program(), "rehearsal-server", *files],
            env=self._shell.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.base_url = str(json.loads(self._process.stdout.readline())["base_url"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the server; its log stays."""
        if self._process is not None:
            self._process.communicate()  # closes its input, which ends it
            self._process = None

    @property
    def log(self) -> PostLog:
        """What the server has seen so far."""
        return read_log(self._log_path)

    def is_listening(self) -> bool:
        """Whether somebody still answers at the server's port."""
        address = urlsplit(self.base_url)
        with socket.socket() as probe:
            probe.settimeout(2)
            return probe.connect_ex((address.hostname or "", address.port or 0)) == 0


def wait_until(happened: Callable[[], bool], what: str) -> None:
    """Looks again and again. Raises ``TimeoutError`` naming what did not happen."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {PATIENCE_SECONDS} s")
        time.sleep(0.02)


def wait_for_flight(project: Path, answered: int, running: Running) -> int:
    """Waits until requests are in flight and so many are answered; returns the number of the job's process.

    It looks into the database itself, read-only: a command would take longer to look than a request flies.
    Raises ``TimeoutError``, also when the command ends before.
    """
    found: list[int] = []

    def is_flying() -> bool:
        if running.child.poll() is not None:
            raise TimeoutError(f"{running.line} ended before it could be killed")
        with Store(project, read_only=True) as store:
            states = requests.count_requests(store)
            found[:] = [job["pid"] for job in jobs.list_jobs(store, state=JobState.RUNNING)]
        enough = states.get(RequestState.ANSWERED, 0) >= answered
        return enough and states.get(RequestState.SENDING, 0) > 1 and bool(found)

    wait_until(is_flying, "a request in flight")
    return found[0]


def kill(pid: int) -> None:
    """Ends a process at once, without a chance to tidy up."""
    os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
