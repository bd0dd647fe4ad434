"""Bringing back what was trained elsewhere, as a job: weights may be large."""

from __future__ import annotations

import os
from pathlib import Path

from dermagui.jobs.report import Report
from dermagui.jobs.work import Parameters
from dermagui.records import Changes
from dermagui.storage.database import Store
from dermagui.training.elsewhere import import_job


def import_parameters(folder: Path) -> Parameters:
    """What the job is started with."""
    return {"folder": os.fsencode(folder).hex()}


def run(store: Store, parameters: Parameters, report: Report) -> Changes:
    """Takes weights and story of the training whose folder came back. Raises like ``import_job``."""
    training = import_job(store, Path(os.fsdecode(bytes.fromhex(parameters["folder"]))))
    return Changes(("trainings",), {"name": training["name"], "uid": training["uid"], **training["figures"]})
