"""Children of a job: what they say when they fail, that they end when the job is asked to stop."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dermagui.errors import ServiceError, Stopped, UserError
from dermagui.jobs.report import STOP_NAME, Report
from dermagui.training import home
from dermagui.training.base_model import BaseModel
from dermagui.training.children import run_native, run_program

PATIENCE_SECONDS = 60
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(600)
"""


@pytest.fixture
def report(tmp_path: Path) -> Iterator[Report]:
    """The report of a job in a folder of this test."""
    (tmp_path / "job").mkdir()
    report = Report(tmp_path / "job")
    yield report
    report.close()


class _StopsThen(Report):
    """A job that is asked to stop as soon as a file is there."""

    wanted: Path

    def stop_if_asked(self) -> None:
        if self.wanted.exists() and self.wanted.read_text():
            (self.folder / STOP_NAME).touch()
        super().stop_if_asked()


def end_at_once(code: int) -> None:
    """What a crash of native code looks like from outside."""
    os._exit(code)


def wait_for_ever(path: Path) -> None:
    """Tells its number and never comes back."""
    path.write_text(str(os.getpid()))
    time.sleep(600)


def test_a_program_that_fails_is_told_by_its_last_words(tmp_path: Path, report: Report) -> None:
    script = tmp_path / "broken.py"
    script.write_text("print('first'); raise SystemExit('no such tensor: blk.0')")
    log = tmp_path / "output.log"
    log.write_text("words of a step before\n")
    with pytest.raises(ServiceError) as raised:
        run_program([sys.executable, script], log, report)
    assert raised.value.code == "train.step_failed"
    assert raised.value.values == {"step": "broken", "detail": "first no such tensor: blk.0"}


def test_a_job_that_is_stopped_ends_a_program_and_its_children(tmp_path: Path) -> None:
    script, told = tmp_path / "parent.py", tmp_path / "pid"
    script.write_text(PARENT)
    (tmp_path / "job").mkdir()
    report = _StopsThen(tmp_path / "job")
    report.wanted = told
    with pytest.raises(Stopped):
        run_program([sys.executable, script, told], tmp_path / "output.log", report)
    report.close()
    assert _ends(int(told.read_text()))


def test_a_crash_of_native_code_is_an_error_of_its_step(tmp_path: Path, report: Report) -> None:
    with pytest.raises(ServiceError) as raised:
        run_native(end_at_once, (7,), tmp_path / "out.json", report)
    assert raised.value.values == {"step": "end_at_once", "detail": "exit code 7"}


def test_native_work_is_ended_when_the_job_is_stopped(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    (tmp_path / "job").mkdir()
    report = _StopsThen(tmp_path / "job")
    report.wanted = told
    with pytest.raises(Stopped):
        run_native(wait_for_ever, (told,), tmp_path / "out.json", report)
    report.close()
    assert _ends(int(told.read_text()))
    assert not (tmp_path / "out.json").exists()


def test_a_disk_with_too_little_room_is_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.safetensors").write_bytes(bytes(1000))
    base = BaseModel(tmp_path, "gemma3", 896, 14)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3_999))
    with pytest.raises(UserError) as raised:
        home._refuse(base, "mine", tmp_path)
    assert raised.value.code == "train.no_room_home"
    assert raised.value.values["bytes"] == 4_000
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=4_000))
    home._refuse(base, "mine", tmp_path)


def _ends(pid: int) -> bool:
    """Whether a process that was killed is gone soon; nobody may be there to bury it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False
