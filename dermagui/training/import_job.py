"""Bringing back what was trained elsewhere, as a job: a folder that was given away, or bare weights."""

from __future__ import annotations

import os
from pathlib import Path

from dermagui.jobs.report import Report
from dermagui.jobs.work import Parameters
from dermagui.records import Changes
from dermagui.storage.database import Store
from dermagui.training.adopt import adopt, has_weights
from dermagui.training.elsewhere import import_job


def import_parameters(folder: Path, base: Path | None = None, name: str = "") -> Parameters:
    """What the job is started with; ``base`` and ``name`` are for bare weights, which know neither."""
    return {"folder": _coded(folder), "base": _coded(base.resolve()) if base else "", "name": name}


def _coded(path: Path) -> str:
    return os.fsencode(path).hex()


def _decoded(text: str) -> Path:
    return Path(os.fsdecode(bytes.fromhex(text)))


def run(store: Store, parameters: Parameters, report: Report) -> Changes:
    """Takes weights and story of the training whose folder came back, or adopts weights that never were of
    this project. Raises like ``import_job`` and ``adopt``.
    """
    folder = _decoded(parameters["folder"])
    if has_weights(folder):
        base = _decoded(parameters["base"]) if parameters.get("base") else None
        training = adopt(store, folder, base, parameters.get("name", ""), report)
    else:
        training = import_job(store, folder)
    told = {"name": training["name"], "uid": training["uid"], **training["figures"]}
    return Changes(("trainings", "datasets"), told)
