"""Starts a job in a process of its own, which lives on when whoever started it is gone; and stops it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from dermagui import api_key, paths
from dermagui.jobs.report import STOP_NAME
from dermagui.jobs.work import is_alive, job_folder
from dermagui.storage.database import Row

NEW_GROUP_WITHOUT_CONSOLE = 0
"""Flags for a child process on Windows."""
if sys.platform == "win32":
    NEW_GROUP_WITHOUT_CONSOLE = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW


def program() -> list[str]:
    """The command that starts this same program: an interpreter with the module, or the frozen one.

    Frozen, children are the console program, which lies beside the windowed one.
    """
    if getattr(sys, "frozen", False):
        name = "dermagui-console" + (".exe" if os.name == "nt" else "")
        return [str(Path(sys.executable).with_name(name))]
    return [sys.executable, "-m", "dermagui"]


def start_child(project: Path, job_id: str, secret: str | None = None) -> subprocess.Popen[bytes]:
    """Starts the process of a claimed job, detached, its output going to ``output.log``.

    A secret is the first line of its standard input, which then closes: it stands in no argument,
    no environment and no file.
    """
    command = [*program(), "job", os.fspath(project), job_id]
    with (job_folder(project, job_id) / "output.log").open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=child_environment(),
            start_new_session=True,
            creationflags=NEW_GROUP_WITHOUT_CONSOLE,
        )
    assert child.stdin is not None
    with suppress(BrokenPipeError), child.stdin:  # it may die at once; whoever follows its story finds out
        child.stdin.write(f"{secret or ''}\n".encode())
    return child


def stop_job(project: Path, row: Row, *, grace_seconds: float = 15) -> None:
    """Asks a job to stop, waits, and after the grace time ends its process and all that it started."""
    if not is_alive(row["pid"], row["process_started"]):
        return
    (job_folder(project, row["id"]) / STOP_NAME).touch()
    if row["pid"] == os.getpid():
        return  # its own process has not taken it over yet, and finds the file when it does
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(row["pid"])
        if process not in psutil.wait_procs([process], timeout=grace_seconds)[1]:
            return
        family = [process, *process.children(recursive=True)]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(family, timeout=5)


def child_environment() -> dict[str, str]:
    """The environment of this process without its keys, in which a child finds this very package."""
    secrets = {name for names in api_key.VARIABLES.values() for name in names}
    environment = {name: value for name, value in os.environ.items() if name not in secrets}
    package = str(Path(paths.__file__).parent.parent)
    known = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = os.pathsep.join([package, known] if known else [package])
    environment["PYTHONUNBUFFERED"] = "1"
    return environment
