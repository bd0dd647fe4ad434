"""The trainer's script by itself: killed, stopped, out of memory, and what its folder then tells."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from dermagui.training.environment import worker_script
from dermagui.training.run_state import RunState, read_run
from tests.training.conftest import MakeJob, clean_environment, copy_job

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 300


def start(folder: Path, python: str, *, hook: Path | None = None) -> subprocess.Popen[bytes]:
    environment = clean_environment() | ({"PYTHONPATH": str(hook)} if hook else {})
    with (folder / "output.log").open("ab") as output:
        return subprocess.Popen(
            [python, str(worker_script("trainer")), str(folder)],
            stdout=output,
            stderr=output,
            env=environment,
        )


def finish(child: subprocess.Popen[bytes], folder: Path, code: int = 0) -> None:
    found = child.wait(timeout=PATIENCE_SECONDS)
    assert found == code, (folder / "output.log").read_text()[-2000:]


def wait_for_step(folder: Path, child: subprocess.Popen[bytes], step: int) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while read_run(folder).step < step:
        assert child.poll() is None, (folder / "output.log").read_text()[-2000:]
        assert time.monotonic() < end
        time.sleep(0.02)


def losses(folder: Path) -> list[float]:
    steps = read_run(folder).steps
    return [steps[number]["loss"] for number in sorted(steps)]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_killed_training_is_dead_and_goes_on_as_if_nothing_had_been(
    make_job: MakeJob, python: str, method: str
) -> None:
    changes = {"method": method, "dropout": 0.1, "scheduler": "linear", "learning_rate": 1e-3}
    whole = make_job("whole", steps=12, save_steps=4, **changes)
    torn = copy_job(whole, "torn")
    child = start(whole, python)
    finish(child, whole)
    assert read_run(whole).state is RunState.DONE

    at = random.Random(os.getpid()).randint(5, 10)
    child = start(torn, python)
    wait_for_step(torn, child, at)
    assert read_run(torn).state is RunState.RUNNING
    child.send_signal(signal.SIGKILL)
    child.wait()
    view = read_run(torn)
    assert view.state is RunState.DIED, f"killed at step {at}"
    assert view.saved in (4, 8)

    finish(start(torn, python), torn)
    view = read_run(torn)
    assert (view.state, view.step, view.total) == (RunState.DONE, 12, 12)
    assert losses(torn) == pytest.approx(losses(whole), abs=1e-4), f"killed at step {at}"
    events = [json.loads(line) for line in (torn / "events.jsonl").read_text().splitlines()]
    resumed = [event["resumed"] for event in events if event["event"] == "ready"]
    assert resumed[0] is None
    assert resumed[1] in (4, 8)


def test_stop_saves_and_ends_well(make_job: MakeJob, python: str) -> None:
    folder = make_job("stopped", steps=10_000, save_steps=9_000)
    child = start(folder, python)
    wait_for_step(folder, child, 2)
    (folder / "STOP").touch()
    assert read_run(folder).state is RunState.STOPPING
    finish(child, folder)
    view = read_run(folder)
    assert view.state is RunState.STOPPED
    assert view.saved == view.step == view.figures["step"]
    assert (folder / "adapter" / "adapter_model.safetensors").exists()
    assert (folder / "checkpoints" / f"checkpoint-{view.step}" / "optimizer.pt").exists()


OUT_OF_MEMORY = """
import sys, threading

def arm():
    import torch
    real = torch.nn.Module.__call__
    def call(self, *given, **named):
        ids = named.get("input_ids")
        if type(self).__name__.startswith("PeftModel") and ids is not None and self.training:
            if ids.shape[0] > {largest}:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return real(self, *given, **named)
    torch.nn.Module.__call__ = call

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "trl":
            sys.meta_path.remove(self)
            arm()
        return None

sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize(("largest", "state"), [(1, RunState.DONE), (0, RunState.OUT_OF_MEMORY)])
def test_out_of_memory_is_tried_once_more_with_single_pairs(
    make_job: MakeJob, python: str, tmp_path: Path, largest: int, state: RunState
) -> None:
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(OUT_OF_MEMORY.format(largest=largest), encoding="utf-8")
    folder = make_job("short", steps=2, batch=4, probes=0)
    finish(start(folder, python, hook=hook), folder, 0 if state is RunState.DONE else 5)
    view = read_run(folder)
    assert view.state is state
    told = [(fault["batch"], fault["accumulation"], fault["final"]) for fault in view.memory_faults]
    assert told == [(4, 1, False), (1, 4, True)][: 1 if state is RunState.DONE else 2]


def test_only_answers_are_learnt(make_job: MakeJob, python: str) -> None:
    folder = make_job("masked", steps=1, train=8)
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "from trainer import Collator, load_processor, read_rows\n"
        "folder = Path(sys.argv[2]); job = json.loads((folder / 'job.json').read_text())\n"
        "collator = Collator(load_processor(job['base']), folder)\n"
        "row = read_rows(folder / 'train.jsonl')[0]\n"
        "more = [{'role': 'user', 'content': [{'type': 'text', 'text': 'Sure?'}]},\n"
        "        {'role': 'assistant', 'content': [{'type': 'text', 'text': 'The lesion is blue.'}]}]\n"
        "row['messages'] += more\n"
        "found = collator([row]); tokenizer = collator.processor.tokenizer\n"
        "labels = found['labels'][0]; ids = found['input_ids'][0]\n"
        "learnt = tokenizer.decode(labels[labels >= 0])\n"
        "print(json.dumps([learnt, bool((ids[labels >= 0] == labels[labels >= 0]).all()),\n"
        "                  {k: list(v.shape) for k, v in found.items()}, len(ids)]))"
    )
    script = str(worker_script("trainer").parent)
    told = subprocess.run(
        [python, "-c", code, script, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(),
    )
    learnt, equal, shapes, length = json.loads(told.stdout.splitlines()[-1])
    assert learnt == "The lesion is red.<end_of_turn>The lesion is blue.<end_of_turn>"
    assert equal
    assert shapes["pixel_values"] == [1, 3, 112, 112]
    assert shapes["token_type_ids"] == shapes["attention_mask"] == [1, length]
