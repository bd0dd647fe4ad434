"""The trainings of a project with all that is known of each: how it went, on what, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dermagui.chat.bundle import Bundle, list_bundles
from dermagui.storage.database import Row, Store
from dermagui.storage.trainings import list_trainings
from dermagui.training.base_model import Origin, origin_of
from dermagui.training.folder import runs_folder
from dermagui.training.run_state import RunView, read_run


@dataclass(frozen=True, slots=True)
class Model:
    """A bundle that a training became, and how it passed the gates."""

    name: str
    quantization: str
    size_bytes: int
    parity: bool
    """Whether its files answer like the trained model."""
    clinical: str
    """What the clinical gate says, a state of ``clinical.Clinical``; empty where it was never asked."""
    ready: bool


@dataclass(frozen=True, slots=True)
class PastRun:
    """A training, whether or not it ended."""

    row: Row
    """As the database has it: name, uid, recipe with its settings, dataset, seed, outcome."""
    view: RunView
    """As its own folder tells it now."""
    origin: Origin
    """Which base it started from."""
    models: tuple[Model, ...]

    def as_json(self) -> dict[str, Any]:
        """For people and programs. Losses are nats a token."""
        row, view = self.row, self.view
        return {
            **{key: row[key] for key in ("name", "uid", "created_at", "ended_at", "outcome", "seed", "base")},
            "recipe": row["recipe"]["name"],
            "settings": {name: value for name, value in row["recipe"].items() if name != "name"},
            "origin": asdict(self.origin),
            "dataset": row["dataset_uid"],
            "simulated": bool(row["simulated"]),
            "state": view.state.value,
            "step": view.step,
            "total": view.total,
            "loss": view.steps[view.step]["loss"] if view.steps else None,
            "evals": view.evals,
            "best_eval_loss": self.best_eval_loss,
            "saved": view.saved,
            "seconds_left": view.seconds_left,
            "backend": view.backend,
            "why": view.reason,
            "device": view.device,
            "versions": view.versions,
            "failure": view.failure,
            "models": [asdict(model) for model in self.models],
        }

    @property
    def best_eval_loss(self) -> float | None:
        """The lowest loss on pairs that were held out; None where nothing was."""
        return min(self.view.evals.values(), default=None)


def list_runs(store: Store) -> list[PastRun]:
    """All trainings of a project, the newest first."""
    models: dict[str, list[Model]] = {}
    for bundle in list_bundles():
        if bundle.about.training_run:
            models.setdefault(bundle.about.training_run, []).append(_model_of(bundle))
    return [_past_run(store, row, models.get(row["uid"], [])) for row in reversed(list_trainings(store))]


def _past_run(store: Store, row: Row, models: list[Model]) -> PastRun:
    view = read_run(runs_folder(store.folder) / row["uid"])
    return PastRun(row, view, origin_of(Path(row["base"])), tuple(models))


def _model_of(bundle: Bundle) -> Model:
    parity, clinical = (bundle.about.gates.get(name) for name in ("parity", "clinical"))
    return Model(
        bundle.name,
        bundle.quantization,
        bundle.size_bytes,
        parity=isinstance(parity, list) and bool(parity) and not any(one["faults"] for one in parity),
        clinical=str(clinical.get("state", "")) if isinstance(clinical, Mapping) else "",
        ready=bundle.about.ready,
    )
