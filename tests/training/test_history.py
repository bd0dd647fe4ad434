"""The history of a project's trainings, and the card of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dermagui.chat.bundle import About, Bundle
from dermagui.chat.bundle_files import BundleFile
from dermagui.project import create_project
from dermagui.storage.database import Store
from dermagui.storage.trainings import add_training, end_training
from dermagui.training import history
from dermagui.training.base_model import Origin, hub_folder, origin_of
from dermagui.training.card import run_card
from dermagui.training.clinical import untested
from dermagui.training.folder import runs_folder
from dermagui.training.home import _about
from dermagui.training.recipe import find_recipe
from tests.fakes.command_line import run

EVENTS: list[dict[str, Any]] = [
    {"event": "start", "pid": 1, "process_started": 1.0},
    {
        "event": "imports",
        "backend": "plain",
        "reason": "unsloth is not installed",
        "versions": {"torch": "2"},
    },
    {"event": "ready", "trainable": 10, "total": 100, "device": "cpu", "resumed": None},
    {"event": "step", "step": 4, "total": 8, "loss": 0.5},
    {"event": "eval", "step": 4, "loss": 0.75},
    {"event": "step", "step": 8, "total": 8, "loss": 0.25},
    {"event": "eval", "step": 8, "loss": 0.875},
    {"event": "done", "stopped": False, "step": 8, "total": 8, "loss": 0.4},
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project with a training that ended, and one that was only prepared."""
    create_project(tmp_path / "study")
    with Store(tmp_path / "study") as store:
        for name in ("first", "second"):
            add(store, name)
        folder = runs_folder(store.folder) / "uid-first"
        folder.mkdir(parents=True)
        lines = [json.dumps({"at": 0.0, **event}) + "\n" for event in EVENTS]
        (folder / "events.jsonl").write_text("".join(lines))
        end_training(store, "uid-first", "done", {"steps": 8})
        yield store


def add(store: Store, name: str, base: str = "/models/mine", recipe: str = "try-out") -> None:
    settings = find_recipe("try-out").settings
    add_training(
        store,
        uid=f"uid-{name}",
        name=name,
        dataset_uid=None,
        base=base,
        recipe={"name": recipe, **settings},
        seed=3,
        simulated=name == "second",
    )


def bundle_of(name: str, training: str | None, faults: list[str], clinical: dict[str, object]) -> Bundle:
    """A model at home, of some training or of none."""
    gates = {"parity": [{"faults": []}, {"faults": faults}], "clinical": clinical}
    about = About(training_run=training, gates=gates)
    files = {"model": BundleFile("c0ffee", 1234)}
    return Bundle(Path("/bundles") / name, "now", "0", "gemma3", "x", "Q8_0", 1, 1, files, None, about)


def test_the_history_tells_of_each_training_what_became_of_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        bundle_of("a", "uid-first", [], {"state": "passed", "passed": True}),
        bundle_of("b", "uid-first", ["difference"], {"state": "fell", "passed": False}),
        bundle_of("c", None, [], {}),
        bundle_of("d", "uid-of-another-project", [], {}),
    ]
    monkeypatch.setattr(history, "list_bundles", lambda: found)
    second, first = history.list_runs(store)
    assert (second.row["name"], second.models, second.best_eval_loss) == ("second", (), None)
    assert second.as_json()["simulated"] is True
    told = first.as_json()
    assert [
        (model["name"], model["parity"], model["clinical"], model["ready"]) for model in told["models"]
    ] == [
        ("a", True, "passed", True),
        ("b", False, "fell", False),
    ]
    assert (told["state"], told["step"], told["total"], told["loss"]) == ("done", 8, 8, 0.25)
    assert (told["best_eval_loss"], told["evals"]) == (0.75, {4: 0.75, 8: 0.875})
    assert (told["recipe"], told["seed"], told["origin"]["name"]) == ("try-out", 3, "mine")
    assert told["settings"] == find_recipe("try-out").settings
    card = run_card(first)
    for said in (
        *("# first: a training", "| Backend | plain: unsloth is not installed |", "| Seed | 3 |"),
        *("| a | Q8\\_0 | yes | passed | yes |", "| b | Q8\\_0 | no | fell | no |", "done, step 8 of 8"),
        *("0.7500 nats a token", "no pairs of a rehearsal", "| rank |"),
    ):
        assert said in card, said
    card = run_card(second)
    assert "It was not brought home yet." in card
    assert "not chosen yet" in card
    assert "with pairs of a rehearsal" in card


def test_the_command_tells_the_history_and_a_card(store: Store) -> None:
    told = run("train-status", store.folder, "--json").json["trainings"]
    assert [(one["name"], one["state"], one["models"]) for one in told] == [
        ("first", "done", []),
        ("second", "prepared", []),
    ]
    said = run("train-status", store.folder).err
    assert said.index("first: done, step 8 of 8, loss 0.250") < said.index("second: prepared")
    assert "# first: a training" in run("train-status", store.folder, "first").out
    assert "There is no training" in run("train-status", store.folder, "third", code=3).err


def test_where_a_base_came_from_is_what_its_folder_tells(tmp_path: Path) -> None:
    folder = hub_folder("Qwen/Qwen3-VL-8B-Instruct")
    folder.mkdir(parents=True)
    (folder / "origin.json").write_text(
        '{"name": "Qwen/Qwen3-VL-8B-Instruct", "commit": "c0ffee", "licence": "apache-2.0", "gated": false}'
    )
    assert origin_of(folder) == Origin("Qwen/Qwen3-VL-8B-Instruct", "c0ffee", "apache-2.0", known=True)
    cached = tmp_path / "models--some--one--more" / "snapshots" / "beef"
    assert origin_of(cached) == Origin("some/one--more", "beef", known=True)
    assert origin_of(tmp_path / "mine") == Origin("mine")
    (tmp_path / "origin.json").write_text("[]")
    assert origin_of(tmp_path) == Origin(tmp_path.name)


def test_a_model_is_said_to_be_of_the_base_that_it_really_has(store: Store, tmp_path: Path) -> None:
    folder = hub_folder("google/medgemma-4b-it")
    folder.mkdir(parents=True)
    (folder / "origin.json").write_text(
        '{"name": "google/medgemma-4b-it", "commit": "c0ffee", "licence": "health-ai", "gated": true}'
    )
    medical = find_recipe("medical")
    add(store, "gated", str(folder), "default")
    about = _about(row_of(store, "gated"), [], untested())
    assert (about.base, about.licence) == ("google/medgemma-4b-it, c0ffee", medical.licence)
    assert about.terms == medical.terms != ""
    add(store, "own", str(tmp_path / "mine"), "medical")
    about = _about(row_of(store, "own"), [], untested())
    assert about.base == "mine"
    assert about.licence.startswith("not stated; that of google/medgemma-4b-it")
    assert about.terms == medical.terms, "rather too strict than too free"
    cached = tmp_path / "models--some--one" / "snapshots" / "beef"
    add(store, "cached", str(cached), "default")
    about = _about(row_of(store, "cached"), [], untested())
    assert (about.base, about.licence, about.terms) == ("some/one, beef", "", "")


def row_of(store: Store, name: str) -> dict[str, Any]:
    return next(run.row for run in history.list_runs(store) if run.row["name"] == name)
