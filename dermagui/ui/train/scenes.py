"""The page Train at work, for pictures and tests: trainings whose stories are made up, and say so by name.

They are written as the job and the trainer write them, into the folder and the database of the open project,
with pictures of it, and are gone when the last view was shown.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QWidget

from dermagui.jobs.report import EVENTS_NAME
from dermagui.records import PixelRecipe
from dermagui.storage.moments import now
from dermagui.ui.train.page import TrainPage

if TYPE_CHECKING:
    from dermagui.storage.database import Store
    from dermagui.ui.window import Window

Views = Iterator[tuple[str, QWidget]]
Event = dict[str, Any]

_BASE = "made-up-base"
_QUESTION = "What does this picture show? (a made-up question)"
_REFERENCE = "A drawn shape with an even border. (a made-up reference)"
_GUESS = "A picture. (what a base might say; made up)"
_BETTER = "A drawn shape, and its border is even. (what a tuned model might say; made up)"
_NOTE = "Made up for a picture: there is no such model."
_VERSIONS = {"torch": "0.0", "transformers": "0.0", "peft": "0.0", "trl": "0.0"}
_NAMES = ("made-up-running", "made-up-memory", "made-up-done", "made-up-stopped")
_MODELS = ("made-up-ready-model", "made-up-fell-model")
MADE_UP = (
    _QUESTION,
    _REFERENCE,
    _GUESS,
    _BETTER,
    _NOTE,
    _BASE,
    *_NAMES,
    *_VERSIONS,
    *_MODELS,
    "made up",
    "made-up",
    "cpu",
)
"""Every text that these views show and that is data, in no language of the window."""

_STEPS = 120
_SECONDS_A_STEP = 9.0
_EVALUATE_EVERY = 20
_LEARNT = 2e-4


@dataclass(frozen=True, slots=True)
class _Run:
    """A training to be shown: so many steps, then what its trainer told last."""

    name: str
    steps: int
    end: Event | None
    outcome: str | None

    @property
    def uid(self) -> str:
        """Its folder."""
        return f"scene-{_NAMES.index(self.name)}"


_RUNS = (
    _Run("made-up-running", 85, None, None),
    _Run("made-up-memory", 0, {"event": "oom", "final": True, "batch": 1}, "out_of_memory"),
    _Run("made-up-done", _STEPS, {"event": "done", "stopped": False, "best_step": 100}, "done"),
    _Run("made-up-stopped", 60, {"event": "done", "stopped": True}, "stopped"),
)


def train_views(window: Window, calm: Callable[[], None]) -> Views:
    """Every station with nothing begun; then runs under way and ended, and models with their gates."""
    window.show_page("train")
    page = window.pages["train"]
    assert isinstance(page, TrainPage)
    for n, name in enumerate(("data", "computer", "recipe", "run", "model")):
        page.show_station(n)
        calm()
        yield f"train-{name}", window
    yield from _checked(window, page, calm)
    page.show_station(2)
    page.recipe.fold.click()
    calm()
    yield "train-settings", window
    page.recipe.fold.click()
    page.recipe.of_recipe.click()
    calm()
    page.bring_up(page.recipe.download)
    yield "train-base", window
    page.recipe.base.clear()
    calm()
    with _made_up(window, page, calm):
        page.show_station(3)
        for run in _RUNS[:3]:
            page.run.look_at(run.uid)
            calm()
            yield f"train-{run.name.removeprefix('made-up-')}", window
        page.bring_up(page.run.probes)
        yield "train-probes", window
        page.show_station(4)
        calm()
        yield "train-models", window
        card = page.model.cards[0].card
        card.fold.click()
        calm()
        page.bring_up(card)
        yield "train-card", window
    page.show_station(0)


def _checked(window: Window, page: TrainPage, calm: Callable[[], None]) -> Views:
    """The look at the data, where there is enough of it; rehearsed pairs count here."""
    page.show_station(0)
    page.data.simulated.setChecked(True)
    calm()
    if page.data.look_button.isEnabled():
        ended: list[object] = []
        page.data.look_button.ended.connect(ended.append)
        page.check()
        while not ended:
            calm()
        calm()
        yield "train-checked", window
    page.data.simulated.setChecked(False)
    calm()


@contextmanager
def _made_up(window: Window, page: TrainPage, calm: Callable[[], None]) -> Iterator[None]:
    from dermagui.chat.bundle import bundles_folder

    places = [bundles_folder() / name for name in _MODELS]
    window.desk.ask(_add, lambda _: None, owner=page)
    _write_bundle(places[0], _gates(0.93, "passed"))
    _write_bundle(places[1], _gates(0.41, "fell"))
    calm()
    page.show_changes(frozenset({"jobs"}))
    calm()
    yield
    for place in places:
        shutil.rmtree(place)
    window.desk.ask(_remove, lambda _: None, owner=page)
    calm()
    page.show_project()
    calm()


def _add(store: Store) -> None:
    from dermagui.storage.trainings import add_training, end_training
    from dermagui.training.folder import runs_folder

    for run in reversed(_RUNS):
        folder = runs_folder(store.folder) / run.uid
        _write_probes(store, folder)
        events = [json.dumps(event) for event in _story(run)]
        (folder / EVENTS_NAME).write_text("\n".join([*events, ""]), encoding="utf-8")
        told: dict[str, Any] = {"dataset_uid": None, "base": _BASE, "recipe": {"name": "made up"}}
        add_training(store, uid=run.uid, name=run.name, seed=0, simulated=True, **told)
        if run.outcome:
            end_training(store, run.uid, run.outcome, {})


def _remove(store: Store) -> None:
    from dermagui.training.folder import runs_folder

    with store.writing() as conn:
        conn.executemany("DELETE FROM trainings WHERE uid = ?", [(run.uid,) for run in _RUNS])
    for run in _RUNS:
        shutil.rmtree(runs_folder(store.folder) / run.uid)


def _write_probes(store: Store, folder: Path) -> None:
    """Pictures of the project, as a training keeps them."""
    from dermagui.storage.images import picture_of
    from dermagui.training.folder import write_image

    (folder / "images").mkdir(parents=True)
    lines = []
    for (image,) in store.tuples("SELECT id FROM images ORDER BY id LIMIT 3"):
        place = folder / "images" / f"{image}.png"
        write_image(PixelRecipe(320), True, (place, picture_of(store, image), ()))
        lines.append(_probe(place.name))
    (folder / "probes.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")


def _probe(name: str) -> Event:
    said = (("user", _QUESTION), ("assistant", _REFERENCE))
    messages = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in said]
    return {"id": name, "images": [f"images/{name}"], "messages": messages}


def _story(run: _Run) -> Iterator[Event]:
    """What a trainer tells; one that runs is this very process, so that it lives as long as the view."""
    from dermagui.jobs.work import this_process

    pid, started = this_process() if run.end is None else (os.getpid(), 1.0)
    begun = time.time() - run.steps * _SECONDS_A_STEP
    yield {"event": "start", "at": begun, "pid": pid, "process_started": started, "python": "0"}
    yield {"event": "imports", "at": begun, "backend": "plain", "reason": "made up", "versions": _VERSIONS}
    told = {"trainable": 33_030_144, "total": 4_437_815_808, "device": "cpu", "resumed": None}
    yield {"event": "ready", "at": begun, **told}
    yield {"event": "probes", "at": begun, "step": 0, "answers": [{"answer": _GUESS}] * 3}
    for step in range(1, run.steps + 1):
        yield from _steps(step, begun + step * _SECONDS_A_STEP)
    if run.end is not None:
        yield {"at": time.time(), **run.end}


def _steps(step: int, at: float) -> Iterator[Event]:
    fallen = 2.4 * math.exp(-step / 35) + 0.6
    rate = _LEARNT * min(1.0, step / 6) * (1 + math.cos(math.pi * step / _STEPS)) / 2
    told = {
        "loss": fallen + 0.12 * math.sin(2.7 * step),
        "learning_rate": rate,
        "memory_bytes": 9_700_000_000,
    }
    yield {"event": "step", "at": at, "step": step, "total": _STEPS, **told}
    if step % _EVALUATE_EVERY == 0:
        yield {"event": "eval", "at": at, "step": step, "loss": fallen + 0.15 + max(0, step - 100) / 200}
        yield {"event": "probes", "at": at, "step": step, "answers": [{"answer": _BETTER}] * 3}
        yield {"event": "saved", "at": at, "step": step}


def _gates(found: float, state: str) -> dict[str, object]:
    """Both gates as a manifest holds them."""
    names = ("accuracy", "balanced_accuracy", "malignant_sensitivity")
    rates = {
        "base": {"value": 0.8, "low": 0.68, "high": 0.88, "n": 60},
        "tuned": {"value": found, "low": found - 0.1, "high": min(1.0, found + 0.06), "n": 60},
    }
    parity = {
        "quantization": "Q4_K_M",
        "difference": 0.0412,
        "limit": 0.25,
        "first_tokens_equal": 15,
        "probes": 16,
        "true_score": -0.31,
        "shuffled_score": -2.84,
        "faults": [],
    }
    refused = {"value": 0.0, "low": 0.0, "high": 0.06, "n": 60}
    sides = {side: dict.fromkeys(names, rate) | {"refusals": refused} for side, rate in rates.items()}
    return {"parity": [parity], "clinical": {"state": state, "passed": state == "passed", **sides}}


def _write_bundle(folder: Path, gates: dict[str, object]) -> None:
    """A manifest alone: nothing could be chatted with."""
    from dermagui import __version__
    from dermagui.chat.bundle import MANIFEST_NAME, SCHEMA_VERSION, About, Bundle
    from dermagui.chat.bundle_files import BundleFile
    from dermagui.training.card import CARD_NAME

    uid = next(run.uid for run in _RUNS if run.outcome == "done")
    about = About(base=_BASE, intended_use=_NOTE, training_run=uid, gates=gates, notice="")
    files = {"model": BundleFile("0" * 64, 2_500_000_000)}
    bundle = Bundle(
        folder, now(), __version__, "made up", folder.name, "Q4_K_M", 4_437_815_808, 4096, files, None, about
    )
    told = {"schema": SCHEMA_VERSION, **asdict(bundle)}
    folder.mkdir()
    (folder / CARD_NAME).write_text(f"# {folder.name}\n\n{_NOTE}\n", encoding="utf-8")
    (folder / MANIFEST_NAME).write_text(json.dumps(told | {"folder": None}), encoding="utf-8")
