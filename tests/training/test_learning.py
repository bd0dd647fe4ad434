"""What a tiny model learns: to look, not to learn too long, from words too, and the same by two processes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dermagui.training.environment import worker_script
from dermagui.training.run_state import RunState, RunView, read_run
from tests.training.conftest import answer, clean_environment, copy_job, make_job_folder, write_lines

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 300
SAME_WEIGHTS = """
import sys; from safetensors.torch import load_file
one, other = (load_file(path + "/adapter_model.safetensors") for path in sys.argv[1:])
print(max(float((one[name] - other[name]).abs().max()) for name in one))
"""

OUT_OF_MEMORY = """
import os, sys

def arm():
    import torch
    real = torch.nn.Module.__call__
    def call(self, *given, **named):
        ids = named.get("input_ids")
        if type(self).__name__.startswith("PeftModel") and ids is not None and ids.shape[0] > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return real(self, *given, **named)
    torch.nn.Module.__call__ = call

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "trl":
            sys.meta_path.remove(self)
            arm()
        return None

if os.environ.get("RANK") == "1":
    sys.meta_path.insert(0, Finder())
"""
"""The second of several processes has no room for more than one pair."""


def train(python: str, folder: Path) -> RunView:
    done = subprocess.run(
        [python, str(worker_script("trainer")), str(folder)],
        capture_output=True,
        text=True,
        env=clean_environment(),
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    view = read_run(folder)
    assert view.state is RunState.DONE
    return view


def launch_two(python: str, folder: Path, hook: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Trains with two processes, as the README of a job folder says."""
    # Without GPUs these words make `accelerate launch` start processes.
    launch = [
        "-m",
        "accelerate.commands.launch",
        "--multi_gpu",
        "--num_processes",
        "2",
        "--num_machines",
        "1",
    ]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    return subprocess.run(
        [python, *launch, str(worker_script("trainer")), str(folder)],
        capture_output=True,
        text=True,
        env=clean_environment() | ({"PYTHONPATH": str(hook)} if hook else {}),
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def difference(python: str, one: Path, other: Path) -> float:
    """The largest difference between the weights of two adapters."""
    command = [python, "-c", SAME_WEIGHTS, str(one), str(other)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=clean_environment())
    return float(told.stdout)


def answers_of(lines: list[dict[str, Any]]) -> list[str]:
    return [line["messages"][1]["content"][0]["text"] for line in lines]


def test_a_tiny_model_learns_to_look(tmp_path: Path, tiny_llava: Path, python: str) -> None:
    wanted = {"learning_rate": 1e-2, "scheduler": "linear", "save_steps": 1000}
    folder = make_job_folder(tmp_path / "looking", tiny_llava, steps=100, train=40, held_out=8, **wanted)
    held_out = [json.loads(line) for line in (folder / "eval.jsonl").read_text().splitlines()]
    right = held_out[:4]
    # Each question once more, with the picture of the next one: whoever looks cannot give the old answer.
    pictures = [line["images"] for line in (*right[1:], right[0])]
    shuffled = [line | {"images": images} for line, images in zip(right, pictures, strict=True)]
    write_lines(folder / "probes.jsonl", right + shuffled)
    view = train(python, folder)
    first, last = view.steps[1]["loss"], view.steps[100]["loss"]
    assert last < first / 10
    truths = answers_of(right)
    assert len(set(truths)) == 4
    assert view.probes[100][:4] == truths
    assert [said == truth for said, truth in zip(view.probes[100][4:], truths, strict=True)] == [False] * 4
    assert not set(view.probes[0]) & set(truths), "the base does not know it"


def test_a_training_that_gets_worse_ends_early_with_the_best_it_had(
    tmp_path: Path, tiny_llava: Path, python: str
) -> None:
    wanted = {"learning_rate": 0.5, "save_steps": 2, "patience": 2, "probes": 0}
    folder = make_job_folder(tmp_path / "worse", tiny_llava, steps=200, train=16, held_out=4, **wanted)
    (folder / "probes.jsonl").write_text("")
    view = train(python, folder)
    best = view.figures["best_step"]
    assert view.figures["ended_early"]
    assert view.step == best + 2 * 2 < 200
    assert min(view.evals, key=lambda step: view.evals[step]) == best
    assert difference(python, folder / "adapter", folder / "checkpoints" / f"checkpoint-{best}") == 0


def test_two_processes_learn_what_one_does(tmp_path: Path, tiny_llava: Path, python: str) -> None:
    wanted = {"learning_rate": 1e-2, "save_steps": 2, "batch": 2, "accumulation": 4}
    alone = make_job_folder(tmp_path / "alone", tiny_llava, steps=4, train=32, **wanted)
    shared = copy_job(alone, "shared")
    steps = train(python, alone).steps
    done = launch_two(python, shared)
    assert done.returncode == 0, done.stderr[-2000:]
    view = read_run(shared)
    assert view.state is RunState.DONE
    assert view.step == 4
    for number, told in view.steps.items():
        assert told["loss"] == pytest.approx(steps[number]["loss"], abs=1e-4)
    assert difference(python, alone / "adapter", shared / "adapter") < 1e-3
    events = [json.loads(line) for line in (shared / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events].count("start") == 1, "one of them speaks"
    ready = [
        (one["processes"], one["batch"], one["accumulation"]) for one in events if one["event"] == "ready"
    ]
    assert ready == [(2, 2, 2)]


def test_one_of_two_processes_runs_out_of_memory_and_nobody_waits_for_it(
    tmp_path: Path, tiny_llava: Path, python: str
) -> None:
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(OUT_OF_MEMORY, encoding="utf-8")
    wanted = {"save_steps": 1000, "batch": 2, "accumulation": 4, "probes": 0}
    folder = make_job_folder(tmp_path / "shared", tiny_llava, steps=2, train=32, **wanted)
    (folder / "probes.jsonl").write_text("")
    first = launch_two(python, folder, hook)
    assert first.returncode != 0
    view = read_run(folder)
    assert view.state is RunState.OUT_OF_MEMORY
    assert (view.step, view.memory_faults[0]["batch"], view.memory_faults[0]["final"]) == (0, 2, True)
    assert "Start the same command again" in first.stderr
    assert launch_two(python, folder, hook).returncode == 0, "single pairs fit"
    view = read_run(folder)
    assert (view.state, view.step) == (RunState.DONE, 2)
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    ready = [(one["batch"], one["accumulation"]) for one in events if one["event"] == "ready"]
    assert ready == [(2, 2), (1, 4)]


def test_one_of_two_processes_fails_and_the_training_is_told_to_have_failed(
    tmp_path: Path, tiny_llava: Path, python: str
) -> None:
    hook = tmp_path / "hook"
    hook.mkdir()
    broken = OUT_OF_MEMORY.replace("torch.OutOfMemoryError", "ValueError")
    (hook / "sitecustomize.py").write_text(broken, encoding="utf-8")
    folder = make_job_folder(tmp_path / "shared", tiny_llava, steps=2, train=32, batch=2, probes=0)
    (folder / "probes.jsonl").write_text("")
    assert launch_two(python, folder, hook).returncode != 0
    view = read_run(folder)
    assert view.state is RunState.FAILED
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert "ValueError" in [one["kind"] for one in events if one["event"] == "failed"]


@pytest.mark.parametrize("base", ["tiny_llava", "tiny_base"])
def test_pairs_without_a_picture_are_learnt_beside_those_with_one(
    tmp_path: Path, base: str, python: str, request: pytest.FixtureRequest
) -> None:
    wanted = {"learning_rate": 5e-3, "save_steps": 1000, "batch": 4}
    folder = make_job_folder(tmp_path / "mixed", request.getfixturevalue(base), steps=4, train=8, **wanted)
    lines = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    said = [{"type": "text", "text": answer("red")}]
    asked = [{"type": "text", "text": "What is shown?"}]
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    # Of eleven pairs, batches of four have pictures, some and none.
    texts = [{"id": f"t{n}", "images": [], "messages": messages} for n in range(11)]
    write_lines(folder / "train.jsonl", lines[:3] + texts)
    view = train(python, folder)
    assert view.step == 4
    assert view.steps[4]["loss"] < view.steps[1]["loss"]
