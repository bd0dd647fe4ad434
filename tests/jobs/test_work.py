"""How a job ends is written down, whatever its function does; the dead are found and buried."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from dermagui.errors import DataError, Stopped, UserError
from dermagui.jobs.report import Report, read_events
from dermagui.jobs.work import Parameters, bury_dead, claim, do_job, is_alive, job_folder, take_over
from dermagui.records import Changes, JobState
from dermagui.storage import jobs
from dermagui.storage.database import Store
from tests.fakes import disks
from tests.fakes.projects import new_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with new_store(tmp_path / "project") as store:
        yield store


def do(store: Store, function: Callable[[Report], Changes], kind: str = "add") -> tuple[Any, Any]:
    """Does a job; returns its row and the last event of its story."""
    job_id = claim(store, kind, {"n": 1})

    def run(store: Store, parameters: Parameters, report: Report) -> Changes:
        assert parameters == {"n": 1}
        return function(report)

    do_job(store, job_id, kind, {"n": 1}, run)
    (row,) = (row for row in jobs.list_jobs(store) if row["id"] == job_id)
    return row, read_events(job_folder(store.folder, job_id))[0][-1]


def raising(error: BaseException) -> Callable[[Report], Changes]:
    def function(report: Report) -> Changes:
        raise error

    return function


NO_ROOM = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/pictures/x")
LATER = "2026-03-01T09:30:00.123Z"
ENDS = {
    "done": (lambda report: Changes(("files",), {"new": 3}), "done", None, {"new": 3}),
    "stopped": (raising(Stopped("job.stopped", figures={"n": 2})), "stopped", "job.stopped", {"n": 2}),
    "parked": (raising(Stopped("quota.day", not_before=LATER)), "waiting", "quota.day", {}),
    "without its key": (raising(Stopped("job.waiting_for_key")), "waiting", "job.waiting_for_key", {}),
    "the user's fault": (raising(UserError("folder.not_found", path="x")), "failed", "folder.not_found", {}),
    "the file's fault": (raising(DataError("table.empty", path="x")), "failed", "table.empty", {}),
    "the disk's fault": (raising(NO_ROOM), "failed", "disk.full", {}),
    "our fault": (raising(ZeroDivisionError("we")), "crashed", "job.crashed", {}),
}


@pytest.mark.parametrize("how", ENDS)
def test_every_end_is_written_and_told(store: Store, how: str, caplog: pytest.LogCaptureFixture) -> None:
    function, state, code, figures = ENDS[how]
    row, event = do(store, function)
    assert row["state"] == event["state"] == state
    assert row["figures"] == event["figures"] == figures
    assert (row["error"] or {"code": None})["code"] == (event["error"] or {"code": None})["code"] == code
    assert row["not_before"] == event["not_before"] == (LATER if how == "parked" else None)
    assert row["finished_at"]
    assert ("ZeroDivisionError: we" in caplog.text) == (how == "our fault"), (
        "the trace of what is our own bug"
    )


def test_a_job_leaves_its_description(store: Store) -> None:
    row, _ = do(store, lambda report: Changes())
    folder = job_folder(store.folder, row["id"])
    assert json.loads((folder / "job.json").read_text(encoding="utf-8")) == {
        "id": row["id"],
        "kind": "add",
        "parameters": {"n": 1},
    }
    assert (row["pid"], is_alive(row["pid"], row["process_started"])) == (os.getpid(), True)


def test_a_termination_signal_asks_to_stop_and_then_means_again_what_it_meant(store: Store) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def work(report: Report) -> Changes:
        signal.raise_signal(signal.SIGTERM)
        report.stop_if_asked()
        raise AssertionError("it did not stop")

    row, _ = do(store, work)
    assert row["state"] == "stopped"
    assert signal.getsignal(signal.SIGTERM) is before


def test_one_job_of_a_kind(store: Store) -> None:
    first = claim(store, "add", {})
    with pytest.raises(UserError) as raised:
        claim(store, "add", {})
    assert raised.value.code == "job.already_running"
    assert [path.name for path in (store.folder / "jobs").iterdir()] == [first]
    claim(store, "export", {})
    jobs.finish_job(store, first, JobState.DONE)
    claim(store, "add", {})


def dead_process() -> int:
    """The number of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_dead_job_is_buried_and_makes_room(store: Store) -> None:
    dead = claim(store, "add", {})
    jobs.set_process(store, dead, dead_process(), psutil.Process().create_time())
    alive = claim(store, "export", {})
    second = claim(store, "add", {})
    states = {row["id"]: (row["state"], row["error"]) for row in jobs.list_jobs(store)}
    assert states == {
        dead: ("died", {"code": "job.died", "values": {}}),
        alive: ("running", None),
        second: ("running", None),
    }


def test_a_process_that_got_the_number_of_a_dead_one_is_another(store: Store) -> None:
    me = psutil.Process()
    assert is_alive(me.pid, me.create_time())
    assert not is_alive(me.pid, me.create_time() - 3600)
    assert not is_alive(None, None)
    job = claim(store, "add", {})
    jobs.set_process(store, job, me.pid, me.create_time() - 3600)
    bury_dead(store)
    assert jobs.list_jobs(store)[0]["state"] == "died"


def test_a_process_that_nobody_waited_for_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = psutil.Process(child.pid).create_time()
    assert is_alive(child.pid, started)
    child.kill()
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert not is_alive(child.pid, started)
    child.communicate()


def test_a_job_that_was_taken_for_dead_does_not_begin(store: Store) -> None:
    """Its starter was killed and another job began; two of them must not work at once."""
    job = claim(store, "add", {})
    jobs.finish_job(store, job, JobState.DIED)
    with pytest.raises(UserError) as raised:
        take_over(store, job)
    assert raised.value.code == "job.died"


def test_a_claim_that_finds_no_room_for_its_folder_does_not_run(tmp_path: Path) -> None:
    with new_store(tmp_path / "store") as store:
        (store.folder / "jobs").rmdir()
        (store.folder / "jobs").write_text("no folder")
        with pytest.raises(UserError) as raised:
            claim(store, "add", {})
        assert raised.value.code.startswith("disk.")
        assert [row["state"] for row in jobs.list_jobs(store)] == ["failed"]


def test_a_disk_that_fills_up_during_a_job_ends_it_without_a_trace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with disks.small_disk(tmp_path / "disk", 4_000) as disk, new_store(disk / "project") as store:
        job = claim(store, "add", {})

        def run(store: Store, parameters: Parameters, report: Report) -> Changes:
            store.set_fact("text", "x" * 100_000)
            return Changes()

        with disks.full(disk):
            do_job(store, job, "add", {}, run)
        assert caplog.records == []
        bury_dead(store)
        assert [row["state"] for row in jobs.list_jobs(store)] in (["running"], ["failed"])


def test_a_crash_tells_no_secret(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    from dermagui.logs import RedactingFormatter, hide

    secret = "canary-that-stands-in-a-trace"
    hide(secret)
    caplog.handler.setFormatter(RedactingFormatter())
    with caplog.at_level(logging.ERROR):
        row, event = do(store, raising(RuntimeError(f"header: {secret}")))
    assert secret not in caplog.text
    assert "RuntimeError: header: [key]" in caplog.text
    assert secret not in json.dumps([row, event])
