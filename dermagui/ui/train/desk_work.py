"""What the page asks of database, files and hardware; run in the desk's threads, never in the window's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage, QImageReader

from dermagui.errors import DermaError

if TYPE_CHECKING:
    from dermagui.chat.bundle import Bundle
    from dermagui.chat.hub import Listing
    from dermagui.jobs.work import Parameters
    from dermagui.storage.database import Row, Store
    from dermagui.training.environment import Environment
    from dermagui.training.hardware import Hardware
    from dermagui.training.run_state import RunView

PROBE_SIDE = 160
"""Pixels of a probe's picture on the page."""


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What the project holds to learn from."""

    accepted: int
    rehearsed: int
    """Of the accepted ones, those that a rehearsal made."""
    images: int
    waiting: int
    """Pairs that nobody has decided about."""
    newest_verdict: str
    check: Row | None
    """The newest look at the data, a row of the list of jobs."""


@dataclass(frozen=True, slots=True)
class ComputerFacts:
    """What this computer has, and its training environment or what is wrong with that."""

    hardware: Hardware
    environment: Environment | None
    problem: DermaError | None


@dataclass(frozen=True, slots=True)
class Run:
    """A training: its row, how it goes by its folder."""

    row: Row
    folder: Path
    view: RunView

    @property
    def is_adopted(self) -> bool:
        """Whether its weights alone came here, from elsewhere."""
        from dermagui.training.launch import ADOPTED

        return bool(self.row["outcome"] == ADOPTED)

    @property
    def has_weights(self) -> bool:
        """Whether a model can be made of it."""
        from dermagui.training.run_state import RunState

        return self.is_adopted or self.view.state in (RunState.DONE, RunState.STOPPED)


@dataclass(frozen=True, slots=True)
class Probe:
    """A picture with its question, the answer of a person or of the service, and those of the models."""

    image: QImage | None
    question: str
    reference: str
    base: str
    tuned: str


@dataclass(slots=True)
class RunReader:
    """Reads the folders of trainings; those that ended are not read again before they change."""

    _known: dict[str, tuple[tuple[int, int], RunView]] = field(default_factory=dict)

    def read(self, project: Path, rows: Sequence[Row]) -> list[Run]:
        """All trainings, the newest first. One thread at a time."""
        from dermagui.training.folder import runs_folder

        places = [(row, runs_folder(project) / row["uid"]) for row in reversed(rows)]
        return [Run(row, folder, self._view(row["uid"], folder)) for row, folder in places]

    def _view(self, uid: str, folder: Path) -> RunView:
        from dermagui.jobs.report import EVENTS_NAME
        from dermagui.training.run_state import RunState, read_run

        try:
            status = (folder / EVENTS_NAME).stat()
            stamp = (status.st_mtime_ns, status.st_size)
        except OSError:
            stamp = (0, 0)
        known = self._known.get(uid)
        if known is None or known[0] != stamp or known[1].state in (RunState.RUNNING, RunState.STOPPING):
            self._known[uid] = known = (stamp, read_run(folder))
        return known[1]


def data_facts(store: Store) -> DataFacts:
    """Counts by the database's own indexes, and what the newest check found."""
    from dermagui.records import ACCEPTED_STATES, PairState
    from dermagui.storage import jobs, pairs, verdicts

    counts = pairs.count_pairs(store)
    marks = ",".join("?" * len(ACCEPTED_STATES))
    states = tuple(state.value for state in ACCEPTED_STATES)
    rehearsed = f"SELECT count(*) FROM pairs WHERE state IN ({marks}) AND simulated"
    images = f"""SELECT count(DISTINCT image_id) FROM pair_images
        WHERE pair_id IN (SELECT id FROM pairs WHERE state IN ({marks}))"""
    checks = (row for row in jobs.list_jobs(store) if row["kind"] == "train_check" and row["finished_at"])
    return DataFacts(
        accepted=sum(counts.get(state, 0) for state in states),
        rehearsed=int(store.value(rehearsed, states)),
        images=int(store.value(images, states)),
        waiting=counts.get(PairState.PENDING.value, 0),
        newest_verdict=verdicts.newest_uid(store),
        check=next(checks, None),
    )


def computer_facts() -> ComputerFacts:
    """Asks driver, system and the file of the environment."""
    from dermagui.training.environment import find_environment, training_folder
    from dermagui.training.hardware import look

    hardware = look(training_folder())
    try:
        return ComputerFacts(hardware, find_environment(), None)
    except DermaError as error:
        return ComputerFacts(hardware, None, error)


def probes_of(run: Run, ratio: float) -> list[Probe]:
    """The fixed probes of a training with what base and tuned model answer, as far as they did. ``ratio`` are
    the screen's pixels for each of the page's.
    """
    from dermagui.training.folder import answer_of

    lines = _lines(run.folder / "probes.jsonl")
    base = run.view.probes.get(0, [])
    last = max(run.view.probes, default=0)
    tuned = run.view.probes.get(last, []) if last else []
    return [
        Probe(
            _picture(run.folder / line["images"][0], ratio) if line["images"] else None,
            _question_of(line),
            answer_of(line),
            base[n] if n < len(base) else "",
            tuned[n] if n < len(tuned) else "",
        )
        for n, line in enumerate(lines)
    ]


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        return []


def _question_of(line: dict[str, Any]) -> str:
    said = line["messages"][0]["content"]
    return " ".join(part["text"] for part in said if part["type"] == "text")


def _picture(path: Path, ratio: float) -> QImage | None:
    reader = QImageReader(str(path))
    size = reader.size()
    side = round(PROBE_SIDE * ratio)
    if size.isValid():
        reader.setScaledSize(size.scaled(QSize(side, side), Qt.AspectRatioMode.KeepAspectRatio))
    image = reader.read()
    image.setDevicePixelRatio(ratio)
    return None if image.isNull() else image


def tuned_bundles() -> list[Bundle]:
    """The models in the chat that a training of any project made."""
    from dermagui.chat.bundle import list_bundles

    return [bundle for bundle in list_bundles() if bundle.about.training_run]


def model_card(folder: Path) -> str:
    """The card of a bundle; empty where it has none."""
    from dermagui.training.card import CARD_NAME

    path = folder / CARD_NAME
    return path.read_text(encoding="utf-8") if path.exists() else ""


def run_card_of(store: Store, uid: str) -> str:
    """The card of a training; empty where it is gone."""
    from dermagui.training.card import run_card
    from dermagui.training.history import list_runs

    return next((run_card(run) for run in list_runs(store) if run.row["uid"] == uid), "")


@dataclass(frozen=True, slots=True)
class BaseFacts:
    """A base on this computer, and what tuning it takes of a card by an estimate."""

    folder: Path
    kind: str
    becomes_gguf: bool
    needed_bytes: int | None
    """None where its weights are not in the form that can be looked into."""
    light: str
    """``green``, ``amber`` or ``red``; empty where there is no card."""
    free_bytes: int
    """Of the emptiest card."""


def base_facts(wanted: str, settings: dict[str, Any], hardware: Hardware | None) -> BaseFacts:
    """A base by its folder or its name on the hub. Raises like ``find_base`` and ``read_base``."""
    from dermagui.training.base_model import find_base, read_base
    from dermagui.training.fitting import estimate, fit_light

    base = read_base(find_base(Path(wanted)))
    cards = hardware.cards if hardware is not None else ()
    free = max((card.free_bytes for card in cards), default=0)
    try:
        fit = estimate(base, settings)
    except DermaError:
        return BaseFacts(base.folder, base.kind, base.becomes_gguf, None, "", free)
    light = fit_light(fit, hardware) if hardware is not None and cards else ""
    return BaseFacts(base.folder, base.kind, base.becomes_gguf, fit.total, light, free)


def look_up_base(name: str) -> Listing:
    """What would be downloaded of a base. Raises like ``base_download.look_up``."""
    from dermagui.training.base_download import look_up

    return look_up(name, _hub_token())


def prepare_base(name: str) -> tuple[Parameters, str | None, Path]:
    """What the download of a base is started with, its secret, and the folder that the job is in."""
    from dermagui.project import home_project
    from dermagui.training.base_download import download_parameters

    return download_parameters(name), _hub_token(), home_project()


def terms_of_base(name: str) -> list[str]:
    """The terms that recipes know of a base."""
    from dermagui.training.recipe import list_recipes

    return sorted({recipe.terms for recipe in list_recipes() if recipe.base == name and recipe.terms})


def _hub_token() -> str | None:
    from dermagui.api_key import HUGGINGFACE, find_key
    from dermagui.logs import hide

    key = find_key(HUGGINGFACE)
    if key is None:
        return None
    hide(key.value)
    return key.value
