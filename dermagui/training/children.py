"""Children of a job that can be stopped: programs of the training environment, and native code of our own."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil

from dermagui.errors import ServiceError
from dermagui.jobs.launch import NEW_GROUP_WITHOUT_CONSOLE
from dermagui.jobs.report import Report
from dermagui.records import Progress
from dermagui.training.environment import trainer_environment

_LOOK_SECONDS = 0.1
_LAST_LINES = 3


def run_program(command: Sequence[str | Path], log: Path, report: Report) -> None:
    """Runs a program of the training environment. Raises ``ServiceError`` ``train.step_failed`` with its last
    words; ends it and raises ``Stopped`` where the job is asked to stop.
    """
    environment = trainer_environment()
    with log.open("ab") as output:
        start = output.tell()
        child = subprocess.Popen(
            [os.fspath(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            creationflags=NEW_GROUP_WITHOUT_CONSOLE,
        )
    try:
        while child.poll() is None:
            report.stop_if_asked()
            time.sleep(_LOOK_SECONDS)
    finally:
        end_family(child.pid)
        child.wait()
    if child.returncode:
        with log.open("rb") as file:
            file.seek(start)
            words = file.read().decode("utf-8", "replace").split("\n")
        detail = " ".join([line.strip() for line in words if line.strip()][-_LAST_LINES:])
        raise ServiceError("train.step_failed", step=Path(command[1]).stem, detail=detail[-400:])


def run_native(
    function: Callable[..., Any],
    arguments: Sequence[object],
    out: Path,
    report: Report,
    told: Path | None = None,
) -> Any:  # noqa: ANN401
    """Runs a function that may end its process, in a process of its own; returns what it returned, by way of
    JSON in ``out``. ``told`` is a file in which it counts tensors. Raises like ``run_program``.
    """
    child = get_context("spawn").Process(target=_call, args=(function, arguments, out), daemon=True)
    child.start()
    try:
        while child.is_alive():
            report.stop_if_asked()
            if told:
                _pass_on(told, report)
            child.join(_LOOK_SECONDS)
    finally:
        if child.is_alive():
            child.kill()
        child.join()
    if child.exitcode or not out.exists():
        name = function.__name__
        raise ServiceError("train.step_failed", step=name, detail=f"exit code {child.exitcode}")
    return json.loads(out.read_text(encoding="utf-8"))


def _pass_on(told: Path, report: Report) -> None:
    with suppress(OSError, ValueError):  # not there yet, or just being written
        done, total = map(int, told.read_text(encoding="utf-8").split())
        report.progress(Progress(done, total, "tensors"))


def _call(function: Callable[..., Any], arguments: Sequence[object], out: Path) -> None:
    result = function(*arguments)
    part = out.with_name(out.name + ".part")
    part.write_text(json.dumps(result), encoding="utf-8")
    part.replace(out)


def end_family(pid: int) -> None:
    """Ends a process and all that it started, if there still is one."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
