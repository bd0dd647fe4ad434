"""The installation of the training environment as a job: followed, stopped, and started again to go on."""

from __future__ import annotations

import os
from pathlib import Path

from dermagui.jobs.report import Report
from dermagui.jobs.work import Parameters
from dermagui.records import Changes, Progress
from dermagui.storage.database import Store
from dermagui.training.install import install, make_plan

_STAGES = 2
"""Making the environment, filling it."""


def install_parameters(*, cpu: bool, offline: Path | None = None) -> Parameters:
    """What the job is started with. ``offline`` is a folder that was made on another computer."""
    return {"cpu": cpu, "offline": os.fsencode(offline).hex() if offline else ""}


def run(store: Store, parameters: Parameters, report: Report) -> Changes:
    """Makes the environment; raises what ``install`` raises, and ``Stopped``. What was fetched is kept."""
    offline = parameters["offline"]
    plan = make_plan(
        parameters["cpu"], offline=Path(os.fsdecode(bytes.fromhex(offline))) if offline else None
    )
    stage = 0

    def say(text: str) -> None:
        nonlocal stage
        report.tell("stage", stage=("make", "fetch")[stage], text=text)
        report.progress(Progress(stage, _STAGES, "stages"))
        stage += 1

    made = install(plan, say, report.stop_if_asked)
    return Changes((), {"python": made.python, "versions": made.versions, "verified": made.verified})
