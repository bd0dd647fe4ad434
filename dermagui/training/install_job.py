"""The installation of the training environment as a job: followed, stopped, and started again to go on."""

from __future__ import annotations

import os
from pathlib import Path

from dermagui.jobs.report import Report
from dermagui.jobs.work import Parameters
from dermagui.records import Changes, Progress
from dermagui.storage.database import Store
from dermagui.training.install import install, make_plan, repair, take_python

_STAGES = 2
"""Making the environment, filling it."""


def install_parameters(
    *, cpu: bool, offline: Path | None = None, anew: bool = False, python: Path | None = None
) -> Parameters:
    """What the job is started with.

    ``offline`` is a folder that was made on another computer; ``anew`` repairs: what is there is removed
    first; ``python`` is an interpreter of the user's own, which is taken instead of installing one.
    """
    return {"cpu": cpu, "offline": _as_text(offline), "anew": anew, "python": _as_text(python)}


def run(store: Store, parameters: Parameters, report: Report) -> Changes:
    """Makes the environment; raises what ``install`` raises, and ``Stopped``. What was fetched is kept."""
    plan = make_plan(parameters["cpu"], offline=_as_path(parameters["offline"]))
    own = _as_path(parameters["python"])
    stage = 0

    def say(text: str) -> None:
        nonlocal stage
        report.tell("stage", stage=("make", "fetch")[stage], text=text)
        report.progress(Progress(stage, _STAGES, "stages"))
        stage += 1

    if own is not None:
        made = take_python(own, say)
    else:
        made = (repair if parameters["anew"] else install)(plan, say, report.stop_if_asked)
    return Changes((), {"python": made.python, "versions": made.versions, "verified": made.verified})


def _as_text(path: Path | None) -> str:
    return os.fsencode(path).hex() if path else ""


def _as_path(text: str) -> Path | None:
    return Path(os.fsdecode(bytes.fromhex(text))) if text else None
