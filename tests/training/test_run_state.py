"""What is told of a training: by its events, and by whether its process lives."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from dermagui.training.run_state import RunState, read_run

IMPORTS = {"event": "imports", "backend": "plain", "reason": "no unsloth", "versions": {"torch": "2"}}
DONE = {"event": "done", "stopped": False, "step": 3, "total": 3, "loss": 1.0}


def started(pid: int, created: float) -> dict[str, Any]:
    return {"event": "start", "pid": pid, "process_started": created, "python": "3"}


def alive() -> dict[str, Any]:
    return started(os.getpid(), psutil.Process().create_time())


def ready(resumed: int | None = None) -> dict[str, Any]:
    return {"event": "ready", "trainable": 1, "total": 9, "device": "cpu", "resumed": resumed}


def step(number: int, loss: float, at: float = 0.0) -> dict[str, Any]:
    return {"event": "step", "step": number, "total": 8, "loss": loss, "at": at}


def tell(folder: Path, *events: dict[str, Any]) -> Path:
    lines = [json.dumps({"at": 0.0, **event}) + "\n" for event in events]
    (folder / "events.jsonl").write_text("".join(lines))
    return folder


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (DONE, RunState.DONE),
        (DONE | {"stopped": True}, RunState.STOPPED),
        ({"event": "failed", "kind": "ValueError", "detail": "no"}, RunState.FAILED),
        ({"event": "oom", "final": True, "batch": 1}, RunState.OUT_OF_MEMORY),
        ({"event": "oom", "final": False, "batch": 4}, RunState.DIED),
        ({"event": "heartbeat"}, RunState.DIED),
    ],
)
def test_how_it_ended_is_what_it_said_last(tmp_path: Path, end: dict[str, Any], state: RunState) -> None:
    gone = started(os.getpid(), 1.0)  # the number of a living process that started at another time
    assert read_run(tell(tmp_path, gone, IMPORTS, ready(), end)).state is state


def test_those_that_lose_one_that_ran_out_of_memory_fail_for_no_other_reason(tmp_path: Path) -> None:
    short = {"event": "oom", "final": True, "batch": 4}
    lost = {"event": "failed", "kind": "RuntimeError", "detail": "Connection closed by peer"}
    tell(tmp_path, started(1, 1.0), IMPORTS, ready(), short, lost)
    assert read_run(tmp_path).state is RunState.OUT_OF_MEMORY
    with (tmp_path / "events.jsonl").open("a") as file:
        for event in (started(1, 2.0), IMPORTS, ready(), DONE):
            file.write(json.dumps({"at": 0.0, **event}) + "\n")
    assert read_run(tmp_path).state is RunState.DONE


def test_a_living_process_runs_until_it_is_asked_to_stop(tmp_path: Path) -> None:
    assert read_run(tmp_path).state is RunState.PREPARED
    tell(tmp_path, alive(), IMPORTS, ready(), step(1, 3.0, 10.0), step(2, 2.0, 14.0))
    view = read_run(tmp_path)
    assert view.state is RunState.RUNNING
    assert view.seconds_left == pytest.approx(24.0)
    (tmp_path / "STOP").touch()
    assert read_run(tmp_path).state is RunState.STOPPING


def test_a_failure_is_forgotten_by_a_later_start(tmp_path: Path) -> None:
    failed = {"event": "failed", "kind": "OSError", "detail": "disk"}
    view = read_run(tell(tmp_path, started(1, 1.0), failed, alive(), IMPORTS, ready()))
    assert (view.state, view.failure) == (RunState.RUNNING, "")


def test_of_a_step_that_was_done_twice_the_later_one_holds(tmp_path: Path) -> None:
    first = [started(1, 1.0), ready(), *(step(n, 10.0 - n) for n in range(1, 8))]
    view = read_run(tell(tmp_path, *first, alive(), ready(resumed=4), step(5, 0.5)))
    assert {n: told["loss"] for n, told in view.steps.items()} == {1: 9.0, 2: 8.0, 3: 7.0, 4: 6.0, 5: 0.5}
    assert view.step == 5


def test_a_line_that_was_cut_off_costs_itself_only(tmp_path: Path) -> None:
    tell(tmp_path, alive(), ready(), step(1, 3.0))
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"event": "step", "st')
    assert read_run(tmp_path).step == 1
