"""What comes back of a training that was done elsewhere is there as a whole, or not at all."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dermagui.errors import DermaError
from dermagui.project import create_project
from dermagui.storage.database import Store
from dermagui.storage.trainings import add_training
from dermagui.training import elsewhere
from dermagui.training.folder import runs_folder, weights_of
from dermagui.training.recipe import find_recipe

EVENTS = [
    {"event": "start", "pid": 1, "process_started": 1.0},
    {"event": "ready", "trainable": 10, "total": 100, "device": "cpu", "resumed": None},
    {"event": "step", "step": 1, "total": 1, "loss": 0.5},
    {"event": "done", "stopped": False, "step": 1, "total": 1, "loss": 0.5, "weights": "adapter"},
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project with a training that was given away."""
    create_project(tmp_path / "study")
    with Store(tmp_path / "study") as store:
        recipe = {"name": "try-out", **find_recipe("try-out").settings}
        add_training(
            store,
            uid="away",
            name="away",
            dataset_uid=None,
            base="/models/mine",
            recipe=recipe,
            seed=1,
            simulated=False,
        )
        place = runs_folder(store.folder) / "away"
        place.mkdir(parents=True)
        (place / "job.json").write_text('{"id": "away"}')
        yield store


@pytest.fixture
def back(store: Store, tmp_path: Path) -> Path:
    """Its folder, as it came back."""
    folder = Path(shutil.copytree(runs_folder(store.folder) / "away", tmp_path / "back"))
    (folder / "events.jsonl").write_text("".join(json.dumps({"at": 0.0, **one}) + "\n" for one in EVENTS))
    (folder / "adapter").mkdir()
    for n in range(3):
        (folder / "adapter" / f"{n}.safetensors").write_bytes(bytes([n]) * 100)
    return folder


def test_half_of_the_weights_is_none(store: Store, back: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = runs_folder(store.folder) / "away"
    real, copied = shutil.copy2, []

    def copy(source: str, target: str) -> object:
        if len(copied) == 2:
            raise OSError(errno.ENOSPC, "No space left on device", target)
        copied.append(target)
        return real(source, target)

    whole = shutil.copytree
    monkeypatch.setattr(shutil, "copytree", lambda a, b: whole(a, b, copy_function=copy))
    with pytest.raises(DermaError):
        elsewhere.import_job(store, back)
    assert copied
    assert not (place / "adapter").exists()
    monkeypatch.undo()
    training = elsewhere.import_job(store, back)
    assert (training["outcome"], training["figures"]["steps"]) == ("done", 1)
    assert {path.name for path in weights_of(place).iterdir()} == {f"{n}.safetensors" for n in range(3)}
    assert not (place / "adapter.part").exists()


def test_weights_that_come_back_once_more_take_the_place_of_the_first(store: Store, back: Path) -> None:
    elsewhere.import_job(store, back)
    (back / "adapter" / "0.safetensors").write_bytes(b"better")
    (back / "adapter" / "1.safetensors").unlink()
    elsewhere.import_job(store, back)
    found = weights_of(runs_folder(store.folder) / "away")
    assert {path.name for path in found.iterdir()} == {"0.safetensors", "2.safetensors"}
    assert (found / "0.safetensors").read_bytes() == b"better"
