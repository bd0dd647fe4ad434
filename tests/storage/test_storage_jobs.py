"""The list of jobs: at most one of a kind runs, and a job that is over is not taken over."""

from __future__ import annotations

import pytest

from dermagui.errors import UserError
from dermagui.records import JobState
from dermagui.storage import jobs
from dermagui.storage.database import Store
from dermagui.storage.moments import new_uid


def add(store: Store, kind: str = "add") -> str:
    uid = new_uid()
    jobs.add_job(store, uid, kind, {"name": "Ä"}, 100, 1.5)
    return uid


def test_one_running_job_of_a_kind(store: Store) -> None:
    first = add(store)
    with pytest.raises(UserError) as raised:
        add(store)
    assert (raised.value.code, raised.value.values) == ("job.already_running", {"kind": "add"})
    other = add(store, "export")
    jobs.finish_job(store, first, JobState.DONE, figures={"new": 3})
    again = add(store)
    assert [row["id"] for row in jobs.list_jobs(store)] == [again, other, first]
    assert {row["id"] for row in jobs.list_jobs(store, state=JobState.RUNNING)} == {again, other}


@pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.RUNNING])
def test_how_a_job_ended_is_kept_and_makes_room(store: Store, state: JobState) -> None:
    error = {"code": "disk.full", "values": {"path": "x"}}
    uid = add(store)
    jobs.finish_job(store, uid, state, figures={"n": 1}, error=error, not_before="2026-03-01T09:30:00.123Z")
    (row,) = jobs.list_jobs(store, state=state)
    assert (row["figures"], row["error"], row["not_before"]) == ({"n": 1}, error, "2026-03-01T09:30:00.123Z")
    assert (row["parameters"], row["pid"], row["process_started"]) == ({"name": "Ä"}, 100, 1.5)
    add(store)


def test_a_job_is_taken_over_only_while_it_runs(store: Store) -> None:
    uid = add(store)
    jobs.set_process(store, uid, 200, 2.5)
    assert (jobs.list_jobs(store)[0]["pid"], jobs.list_jobs(store)[0]["process_started"]) == (200, 2.5)
    jobs.finish_job(store, uid, JobState.DIED)
    with pytest.raises(UserError) as raised:
        jobs.set_process(store, uid, 300, 3.5)
    assert raised.value.code == "job.died"
    assert jobs.list_jobs(store)[0]["pid"] == 200
