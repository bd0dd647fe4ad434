"""Children of a job: what they say when they fail, that they end when the job is asked to stop."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import psutil
import pytest

from dermagui.chat.gguf_header import read_header
from dermagui.errors import ServiceError, Stopped, UserError
from dermagui.jobs.report import STOP_NAME, Report
from dermagui.records import Progress
from dermagui.training import home
from dermagui.training.base_model import BaseModel
from dermagui.training.children import run_native, run_program
from dermagui.training.scoring import quantize
from tests.fakes import tiny_models

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


def count(told: Path, seen: Path) -> int:
    """Says how far it is, and goes on once that was heard."""
    told.write_text("3 10")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not seen.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return 10


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


class _Listens(Report):
    """A job that notes what it is told, and leaves a file once it heard something."""

    heard: list[Progress]
    seen: Path

    def progress(self, progress: Progress) -> None:
        self.heard.append(progress)
        self.seen.touch()


def test_native_work_tells_how_far_it_is(tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    report = _Listens(tmp_path / "job")
    report.heard, report.seen = [], tmp_path / "seen"
    told = tmp_path / "told"
    assert run_native(count, (told, report.seen), tmp_path / "out.json", report, told) == 10
    report.close()
    assert set(report.heard) == {Progress(3, 10, "tensors")}


class _StopsAt(Report):
    """A job that is asked to stop as soon as a file is there, whatever is in it."""

    wanted: Path

    def stop_if_asked(self) -> None:
        if self.wanted.exists():
            (self.folder / STOP_NAME).touch()
        super().stop_if_asked()


@pytest.fixture
def model(tmp_path: Path, engine: None) -> Path:
    """A model in 16 bits or more, and nothing else in its folder."""
    (tmp_path / "made").mkdir()
    return tiny_models.gemma_pair(tmp_path / "made").model


def test_a_smaller_file_is_made_tensor_by_tensor(model: Path, report: Report) -> None:
    target, told = model.with_name("small.gguf"), model.with_name("told")
    arguments = (model, target, "Q8_0", told)
    size = run_native(quantize, arguments, model.with_name("out.json"), report, told)
    header = read_header(target)
    assert size == target.stat().st_size < model.stat().st_size
    done, total = map(int, told.read_text().split())
    assert done == total == len(header.tensors) == len(read_header(model).tensors)
    assert not model.with_name("small.gguf.part").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe with a name holds llama.cpp in the middle")
def test_a_smaller_file_that_was_stopped_or_killed_is_not_there(model: Path, tmp_path: Path) -> None:
    target, held = model.with_name("small.gguf"), tmp_path / "held"
    part = target.with_name("small.gguf.part")
    os.mkfifo(held)  # whoever tells of the first tensor waits for a reader that never comes
    (tmp_path / "job").mkdir()
    report = _StopsAt(tmp_path / "job")
    report.wanted = part
    with pytest.raises(Stopped):
        run_native(quantize, (model, target, "Q8_0", held), tmp_path / "out.json", report)
    report.close()
    assert part.exists()
    assert not target.exists()
    part.unlink()

    child = get_context("spawn").Process(target=quantize, args=(model, target, "Q8_0", held))
    child.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not part.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    child.close()
    assert part.exists()
    assert not target.exists()
    assert quantize_anew(model, target) == target.stat().st_size
    assert read_header(target).tensors


def quantize_anew(model: Path, target: Path) -> int:
    """The same again in a process of its own: llama.cpp may be loaded in a test's own only once."""
    code = "import sys; from pathlib import Path; from dermagui.training.scoring import quantize\n"
    code += "print(quantize(Path(sys.argv[1]), Path(sys.argv[2]), 'Q8_0'))"
    command = [sys.executable, "-c", code, str(model), str(target)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout)


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
