"""What only a GPU can show. Not yet run: until it was, README and the recipes say so.

``DERMAGUI_GPU_PYTHON``  a Python with the packages of ``train-linux.txt``
``DERMAGUI_GPU_BASE``    a folder with the base of the recipe Small GPU, or one of random weights in its shape
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from dermagui.training.environment import worker_script
from dermagui.training.recipe import find_recipe
from dermagui.training.run_state import RunState, RunView, read_run
from tests.training.conftest import FAKES, clean_environment, copy_job, make_job_folder

pytestmark = [pytest.mark.gpu, pytest.mark.slow]

CAPPED_BYTES = 11_200_000_000
WARM_UP = 5
REPEATS = 3
CAP = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "trl":
            sys.meta_path.remove(self)
            import torch
            whole = torch.cuda.get_device_properties(0).total_memory
            torch.cuda.set_per_process_memory_fraction({bytes} / whole)
        return None
sys.meta_path.insert(0, Finder())
"""


@pytest.fixture(scope="session")
def gpu_python() -> str:
    """A Python whose torch sees a GPU."""
    python = os.environ.get("DERMAGUI_GPU_PYTHON")
    if not python:
        pytest.skip("no GPU here: DERMAGUI_GPU_PYTHON names no Python that has one")
    subprocess.run(
        [python, "-c", "import sys, torch; sys.exit(not torch.cuda.is_available())"],
        check=True,
        env=clean_environment(),
    )
    return python


def train(python: str, folder: Path, hook: Path | None = None) -> RunView:
    environment = clean_environment() | ({"PYTHONPATH": str(hook)} if hook else {})
    command = [python, str(worker_script("trainer")), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    view = read_run(folder)
    assert view.state is RunState.DONE
    return view


def set_backend(folder: Path, backend: str) -> Path:
    job = json.loads((folder / "job.json").read_bytes())
    (folder / "job.json").write_text(json.dumps(job | {"backend": backend}))
    return folder


def test_unsloth_learns_what_plain_learns(gpu_python: str, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("What is shown in this picture?\nThe lesion is red, blue, green or white.")
    base = tmp_path / "base"
    command = [gpu_python, str(FAKES / "tiny_gemma.py"), str(base), str(words)]
    subprocess.run(command, check=True, env=clean_environment())
    made = make_job_folder(tmp_path / "plain", base, steps=20, train=32, save_steps=1000)
    other = copy_job(made, "unsloth")
    plain = train(gpu_python, set_backend(made, "plain"))
    unsloth = train(gpu_python, set_backend(other, "unsloth"))
    assert (plain.backend, unsloth.backend) == ("plain", "unsloth")
    # Adapters begin at nothing: the first loss is the base's own. Later ones depend on their random halves.
    assert unsloth.steps[1]["loss"] == pytest.approx(plain.steps[1]["loss"], rel=0.02)
    assert unsloth.steps[20]["loss"] == pytest.approx(plain.steps[20]["loss"], rel=0.25)


@pytest.fixture
def small_base() -> Path:
    """A base in the shape of the recipe Small GPU."""
    base = os.environ.get("DERMAGUI_GPU_BASE")
    if not base:
        pytest.skip("DERMAGUI_GPU_BASE names no base in the shape of the recipe Small GPU")
    return Path(base)


def seconds_a_step(moments: list[float]) -> float:
    """The median of the steps behind the first few, in which kernels are compiled."""
    behind = moments[WARM_UP:]
    return statistics.median(later - sooner for sooner, later in pairwise(behind))


def ask_notebook(python: str, folder: Path) -> tuple[float, int]:
    """Seconds a step and the most memory of unsloth's own loop over the pairs of a job."""
    out = folder / "notebook.json"
    command = [python, str(FAKES / "unsloth_notebook.py"), str(folder), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(out.read_bytes())
    return seconds_a_step(told["moments"]), told["memory_bytes"]


def test_unsloth_is_as_fast_and_as_small_as_in_its_own_loop(
    gpu_python: str, small_base: Path, tmp_path: Path
) -> None:
    """Interleaved, so that whatever else the card does meets both; the ratio of the medians counts."""
    settings = find_recipe("small-gpu").settings | {"save_steps": 1000, "probes": 0, "patience": 0}
    made = make_job_folder(tmp_path / "made", small_base, steps=30, train=64, side=512, **settings)
    (made / "probes.jsonl").write_text("")
    set_backend(made, "unsloth")
    ours, theirs = [], []
    for turn in range(REPEATS):
        view = train(gpu_python, copy_job(made, f"ours-{turn}"))
        steps = [view.steps[number] for number in sorted(view.steps)]
        ours.append((seconds_a_step([step["at"] for step in steps]), steps[-1]["memory_bytes"]))
        theirs.append(ask_notebook(gpu_python, copy_job(made, f"theirs-{turn}")))
    (our_seconds, our_bytes), (their_seconds, their_bytes) = (
        (statistics.median(found) for found in zip(*told, strict=True)) for told in (ours, theirs)
    )
    assert their_seconds / our_seconds >= 0.97, (ours, theirs)
    assert our_bytes / their_bytes <= 1.03, (ours, theirs)


@pytest.mark.parametrize("backend", ["plain", "unsloth"])
def test_a_small_card_is_enough_for_its_recipe(
    gpu_python: str, small_base: Path, tmp_path: Path, backend: str
) -> None:
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(CAP.format(bytes=CAPPED_BYTES))
    settings = find_recipe("small-gpu").settings | {"save_steps": 1000, "probes": 0}
    folder = make_job_folder(tmp_path / "small", small_base, steps=20, train=32, side=512, **settings)
    view = train(gpu_python, set_backend(folder, backend), hook)
    assert view.step == 20
    assert view.memory_faults == []
    assert max(step["memory_bytes"] for step in view.steps.values()) <= CAPPED_BYTES
