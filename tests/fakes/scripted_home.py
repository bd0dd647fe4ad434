"""Stands in for this program as the child of a job: a way home that waits for words, and ends with a model.

``python -m tests.fakes.scripted_home job PROJECT ID`` keeps to the mechanism of jobs. It tells its first
stage and waits until a file ``go`` lies in the project, hearing a stop meanwhile; then it tells both gates,
waits for ``go on``, and makes a bundle of random weights with what they say.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from dermagui.chat.bundle import About, add_model
from dermagui.jobs.report import Report
from dermagui.jobs.work import Parameters, do_job, job_folder, take_over
from dermagui.project import Project
from dermagui.records import Changes, Progress
from dermagui.storage.database import Store
from dermagui.storage.trainings import find_training
from tests.fakes.tiny_models import llama_pair

PATIENCE_SECONDS = 120
PARITY = {
    "quantization": "Q8_0",
    "difference": 0.0123,
    "limit": 0.05,
    "first_tokens_equal": 16,
    "probes": 16,
    "true_score": -0.21,
    "shuffled_score": -3.0,
    "faults": [],
}
_RATE = {"value": 0.9, "low": 0.8, "high": 0.96, "n": 60}
_SIDE = dict.fromkeys(("accuracy", "balanced_accuracy", "malignant_sensitivity", "refusals"), _RATE)
CLINICAL: dict[str, Any] = {"state": "passed", "passed": True, "base": _SIDE, "tuned": _SIDE}


def run(store: Store, parameters: Parameters, report: Report) -> Changes:
    """The job ``bundle`` as the page knows it."""
    training = find_training(store, parameters["training"])
    assert training is not None
    report.tell("stage", stage="merge")
    report.progress(Progress(0, 6, "stages"))
    _wait_for(store.folder / "go", report)
    report.tell("stage", stage="compare")
    report.progress(Progress(3, 6, "stages"))
    report.tell("parity", **PARITY)
    report.tell("stage", stage="clinical")
    report.progress(Progress(7, 60, "pictures"))
    report.tell("clinical", **CLINICAL)
    _wait_for(store.folder / "go on", report)
    pair = llama_pair(store.folder)
    gates = {"parity": [PARITY], "clinical": CLINICAL}
    about = About(training_run=training["uid"], base=training["base"], gates=gates, licence="a licence")
    bundle = add_model(pair.model, pair.projector, parameters["name"] or training["name"], report, about)
    return Changes(("bundles",), {"bundle": bundle.name, "ready": bundle.about.ready})


def _wait_for(path: Path, report: Report) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not path.exists():
        report.stop_if_asked()
        if time.monotonic() > end:
            raise TimeoutError(path)
        time.sleep(0.05)


def main() -> None:
    """What ``dermagui job PROJECT ID`` does, with ``run`` for every kind."""
    project, job_id = Path(sys.argv[2]), sys.argv[3]
    told = json.loads((job_folder(project, job_id) / "job.json").read_text(encoding="utf-8"))
    with Project(project) as opened:
        take_over(opened.store, job_id)
        do_job(opened.store, job_id, told["kind"], told["parameters"], run)


if __name__ == "__main__":
    main()
