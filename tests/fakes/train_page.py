"""The page Train with a copied project before it, and trainings as their folders tell of them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from dermagui.storage.database import Store
from dermagui.storage.trainings import add_training
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.train.page import TrainPage

Wait = Callable[[Callable[[], object]], None]


@contextmanager
def train_page(desk: Desk, jobs: Jobs) -> Iterator[TrainPage]:
    """The page in view, without a project."""
    made = TrainPage(desk, jobs)
    made.resize(1100, 760)
    made.show()
    made.activateWindow()
    yield made
    made.close()
    made.deleteLater()


def open_page(page: TrainPage, project: Path, wait_until: Wait) -> None:
    """Opens a project, and lets the page look at all of it."""
    page.desk.open_project(project)
    wait_until(lambda: page.desk.project is not None)
    page.show_project()
    wait_until(lambda: page.desk.is_idle)


def make_base(folder: Path) -> Path:
    """A base whose config alone is there."""
    folder.mkdir()
    config = {"model_type": "qwen3_vl", "vision_config": {"patch_size": 16}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def accept(project: Path, *, rehearsed: bool = True) -> int:
    """Accepts all pairs; returns how many. Without ``rehearsed`` they count as a service's own."""
    with Store(project) as store, store.writing() as conn:
        if not rehearsed:
            conn.execute("UPDATE pairs SET simulated = 0")
        return conn.execute("UPDATE pairs SET state = 'accepted'").rowcount


def click(widget: QWidget) -> None:
    """A press of the mouse."""
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


def probe(n: int) -> dict[str, Any]:
    """A line of the probes."""
    asked = [{"type": "image", "text": None}, {"type": "text", "text": f"Question {n}?"}]
    told = [{"type": "text", "text": f"Accepted {n}."}]
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": told}]
    return {"id": str(n), "images": [f"images/{n}.png"], "messages": messages}


def run_events(*end: dict[str, Any], alive: bool, at: float) -> list[dict[str, Any]]:
    """What the trainer tells in two steps and one evaluation."""
    born = psutil.Process().create_time() if alive else 1.0
    step = {"event": "step", "total": 4, "learning_rate": 1e-3, "memory_bytes": 3_000_000_000}
    return [
        {"event": "start", "pid": os.getpid(), "process_started": born, "python": "3"},
        {"event": "imports", "backend": "plain", "reason": "no GPU", "versions": {"torch": "2.14"}},
        {"event": "ready", "trainable": 40, "total": 900, "device": "cpu", "resumed": None},
        {"event": "probes", "step": 0, "answers": [{"answer": "A bare guess.", "reference": "x"}]},
        {**step, "step": 1, "loss": 4.0, "at": at - 60},
        {**step, "step": 2, "loss": 2.0, "at": at},
        {"event": "eval", "step": 2, "loss": 2.5},
        {"event": "probes", "step": 2, "answers": [{"answer": "A better one.", "reference": "x"}]},
        {"event": "saved", "step": 2},
        *end,
    ]


def tell(folder: Path, events: list[dict[str, Any]], at: float) -> None:
    """Writes the story of a training."""
    text = "".join(json.dumps({"at": at, **event}) + "\n" for event in events)
    (folder / "events.jsonl").write_text(text, encoding="utf-8")


def make_run(
    project: Path, uid: str, *end: dict[str, Any], alive: bool = False, at: float | None = None
) -> Path:
    """The folder and the row of a training as the job makes them."""
    moment = time.time() if at is None else at
    folder = project / "training" / uid
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", (300, 200), (200, 150, 120)).save(folder / "images" / "1.png")
    (folder / "probes.jsonl").write_text(json.dumps(probe(1)) + "\n", encoding="utf-8")
    tell(folder, run_events(*end, alive=alive, at=moment), moment)
    with Store(project) as store:
        add_training(
            store,
            uid=uid,
            name=f"run-{uid}",
            dataset_uid=None,
            base="/models/base",
            recipe={"name": "small-gpu"},
            seed=0,
            simulated=True,
        )
    return folder


DONE = {"event": "done", "stopped": False, "step": 4, "total": 4, "loss": 1.0}
