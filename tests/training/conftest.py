"""The training environment of this machine, a tiny base, and projects whose pictures can be learnt."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import runpy
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from dermagui.jobs.report import Report
from dermagui.library import scan
from dermagui.project import create_project
from dermagui.records import Pair, PairImage, PairKind, PairState, Role, Turn
from dermagui.storage.database import Store
from dermagui.storage.moments import new_uid, now
from dermagui.storage.pairs import add_pairs
from dermagui.training import environment

ROOT = Path(__file__).parents[2]
FAKES = ROOT / "tests" / "fakes"
COLOURS = {"red": (180, 40, 40), "blue": (60, 80, 170), "green": (50, 150, 70), "white": (250, 250, 250)}
QUESTION = "What is shown in this picture?"
SETTINGS = {
    "method": "lora",
    "rank": 16,
    "alpha": 16,
    "dropout": 0.0,
    "train_vision": True,
    "load_in_4bit": False,
    "dtype": "bfloat16",
    "epochs": 1.0,
    "batch": 8,
    "accumulation": 1,
    "learning_rate": 5e-3,
    "scheduler": "constant",
    "warmup": 0.0,
    "weight_decay": 0.0,
    "optimizer": "adamw_torch",
    "gradient_checkpointing": False,
    "save_steps": 40,
    "patience": 0,
    "image_side": 112,
    "probes": 4,
    "most_pairs": 0,
}


def answer(colour: str) -> str:
    """What is to be learnt of a spot of this colour."""
    return f"The lesion is {colour}."


@pytest.fixture(scope="session")
def engine() -> None:
    """llama-cpp-python; skipped until it is compiled, failed where it must be."""
    if importlib.util.find_spec("llama_cpp") is None:
        if os.environ.get("CI") or (ROOT / ".venv" / "llama.stamp").exists():
            pytest.fail("llama-cpp-python is missing: make .venv/llama.stamp")
        pytest.skip("llama-cpp-python is not compiled yet: make .venv/llama.stamp")


@pytest.fixture(scope="session")
def training_home() -> Path:
    """Where ``packaging/build_training.py`` put the environment; skipped where it could not be made."""
    home: Path = runpy.run_path(str(ROOT / "packaging" / "build_training.py"))["home_folder"]()
    if not (home / "data" / "training" / "environment.json").exists():
        if (ROOT / ".venv" / "training.stamp").exists():
            pytest.fail("the training environment is missing: make .venv/training.stamp")
        pytest.skip("the training environment is not made yet: make .venv/training.stamp")
    return home / "data" / "training"


@pytest.fixture(scope="session")
def python(training_home: Path) -> str:
    """The interpreter that has torch."""
    told: str = json.loads((training_home / "environment.json").read_bytes())["python"]
    return told


@pytest.fixture
def ready(training_home: Path, dermagui_home: Path) -> Path:
    """This test's data folder with the training environment set up in it."""
    return set_up(training_home)


def set_up(training_home: Path) -> Path:
    """Puts the training environment into the data folder that holds now."""
    folder = environment.training_folder()
    for name in ("environment.json", "converter"):
        (folder / name).symlink_to(training_home / name)
    return folder


@pytest.fixture(scope="session")
def tiny_base(python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Gemma 3 of random weights."""
    folder = tmp_path_factory.mktemp("base")
    words = "\n".join([QUESTION, *map(answer, COLOURS)])
    (folder / "words.txt").write_text(words, encoding="utf-8")
    command = [python, str(FAKES / "tiny_gemma.py"), str(folder / "base"), str(folder / "words.txt")]
    subprocess.run(command, check=True, capture_output=True, env=clean_environment())
    return folder / "base"


@pytest.fixture(scope="session")
def tiny_llava(python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaVA of random weights, which learns to look soonest."""
    folder = tmp_path_factory.mktemp("llava")
    words = "\n".join([QUESTION, *map(answer, COLOURS)])
    (folder / "words.txt").write_text(words, encoding="utf-8")
    command = [python, str(FAKES / "tiny_llava.py"), str(folder / "base"), str(folder / "words.txt")]
    subprocess.run(command, check=True, capture_output=True, env=clean_environment())
    return folder / "base"


def clean_environment() -> dict[str, str]:
    """What the app starts its trainer with, one thread."""
    return environment.trainer_environment() | {"OMP_NUM_THREADS": "1"}


def draw_spot(path: Path, colour: str, chance: random.Random, side: int = 112) -> None:
    """A spot of a colour somewhere on skin."""
    picture = Image.new("RGB", (side, side), (225, 190, 170))
    radius = chance.randint(side // 5, side // 3)
    x, y = (chance.randint(radius, side - radius) for _ in "xy")
    ImageDraw.Draw(picture).ellipse((x - radius, y - radius, x + radius, y + radius), fill=COLOURS[colour])
    picture.save(path)


def line(name: str, colour: str) -> dict[str, Any]:
    """A row of a job's file."""
    question = [{"type": "image", "text": None}, {"type": "text", "text": QUESTION}]
    told = [{"type": "text", "text": answer(colour)}]
    return {
        "id": name,
        "images": [name],
        "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": told}],
    }


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    """A file of rows."""
    path.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")


def make_job_folder(
    folder: Path,
    base: Path,
    *,
    steps: int,
    train: int = 24,
    held_out: int = 0,
    side: int = 112,
    **settings: object,
) -> Path:
    """A folder for the trainer: so many spots to learn, some held out, settings changed at will."""
    (folder / "images").mkdir(parents=True)
    chance, lines = random.Random(1), []
    for n in range(train + held_out):
        colour = list(COLOURS)[n % len(COLOURS)]
        draw_spot(folder / "images" / f"{n}.png", colour, chance, side)
        lines.append(line(f"images/{n}.png", colour))
    write_lines(folder / "train.jsonl", lines[:train])
    write_lines(folder / "eval.jsonl", lines[train:])
    write_lines(folder / "probes.jsonl", lines[train : train + 4])
    job = {"recipe": SETTINGS | settings, "base": str(base), "backend": "auto", "seed": 1}
    (folder / "job.json").write_text(json.dumps(job | {"max_steps": steps, "threads": 1}))
    return folder


MakeJob = Callable[..., Path]


@pytest.fixture
def make_job(tmp_path: Path, tiny_base: Path) -> MakeJob:
    """``make_job_folder`` of a name, in this test's folder."""
    return lambda name, **wanted: make_job_folder(tmp_path / name, tiny_base, **wanted)


@pytest.fixture
def spots(tmp_path: Path) -> Path:
    """A project with an accepted pair about each of 40 spots."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    chance = random.Random(7)
    colours = [list(COLOURS)[n % len(COLOURS)] for n in range(40)]
    for n, colour in enumerate(colours):
        draw_spot(pictures / f"{n:02}.png", colour, chance, side=150)
    create_project(tmp_path / "study")
    with Store(tmp_path / "study") as store:
        (store.folder / "jobs" / "scan").mkdir(parents=True)
        report = Report(store.folder / "jobs" / "scan")
        scan.run(store, scan.parameters_for(pictures, licence="CC0-1.0"), report)
        report.close()
        query = "SELECT images.id, path FROM images JOIN files USING (sha256) ORDER BY path"
        add_pairs(store, [_pair(image, colours[int(Path(path).stem)]) for image, path in store.tuples(query)])
    return tmp_path / "study"


def _pair(image: int, colour: str) -> Pair:
    turns = (Turn(Role.USER, QUESTION), Turn(Role.ASSISTANT, answer(colour)))
    return Pair(
        new_uid(), PairKind.OPEN, turns, (PairImage(image),), state=PairState.ACCEPTED, created_at=now()
    )


def copy_job(folder: Path, name: str) -> Path:
    """The same job again, untouched."""
    return Path(shutil.copytree(folder, folder.with_name(name)))
