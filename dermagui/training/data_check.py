"""The job that looks at the pairs before anything is trained on them, and keeps nothing but what it found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from dermagui.datasets.gathering import Gathered, assign, gather, generators, rows_of, sources_with_licences
from dermagui.datasets.licences import licence_summary
from dermagui.datasets.splits import parse_ratios
from dermagui.errors import UserError
from dermagui.jobs.report import Report
from dermagui.jobs.work import Parameters
from dermagui.records import Changes, ExportFormat, ExportRow, Progress
from dermagui.storage import images, verdicts
from dermagui.storage.database import Store
from dermagui.training.folder import FEWEST_PAIRS, lint

_LOOK_EVERY = 50
"""So many images are looked for between two words about it."""


def check_parameters(
    *, state: str = "accepted", simulated: bool = False, split: str, seed: int
) -> Parameters:
    """What the job is started with, named as ``launch.training_parameters`` names it."""
    return {"state": state, "simulated": simulated, "split": split, "seed": seed}


def run(store: Store, parameters: Parameters, report: Report) -> Changes:
    """Tells by its figures what a training with these parameters would learn from.

    ``findings`` are code and values of what is dubious; ``verdict`` is the newest one that was looked at.
    Raises ``UserError``: ``train.too_few``, ``split.leakage``, what ``parse_ratios`` raises; ``Stopped``.
    """
    ratios = parse_ratios(parameters["split"])
    newest = verdicts.newest_uid(store)
    wanted = {"state": parameters["state"], "simulated": parameters["simulated"]}
    gathered = gather(store, {**wanted, "format": ExportFormat.MESSAGES.value, "keep_names": False})
    gathered.unavailable = _missing(gathered, report)
    rows = rows_of(gathered)
    if not rows:
        raise UserError("train.too_few", count=0, least=FEWEST_PAIRS)
    assignment = assign(gathered, parameters["seed"], ratios)
    rows = [replace(row, split=assignment.splits[row.uid]) for row in rows]
    findings: list[dict[str, object]] = []

    def find(code: str, **values: object) -> None:
        findings.append({"code": code, "values": values})

    for reason, count in gathered.refused.items():
        find("export.refused_rows", count=count, reason=reason)
    if alike := [leak for leak in assignment.leaks if not leak.refused]:
        find("export.near_duplicates", count=len(alike), pairs=sorted(alike[0].rows)[:10])
    lint(rows, find)
    return Changes((), _figures(gathered, rows) | {"findings": findings, "verdict": newest})


def _missing(gathered: Gathered, report: Report) -> set[int]:
    """The images of which no file can be found now."""
    missing = set()
    for done, image in enumerate(gathered.origins, 1):
        try:
            images.picture_of(gathered.store, image)
        except UserError:
            missing.add(image)
        if done % _LOOK_EVERY == 0 or done == len(gathered.origins):
            report.progress(Progress(done, len(gathered.origins), "pictures"))
            report.stop_if_asked()
    return missing


def _figures(gathered: Gathered, rows: Sequence[ExportRow]) -> dict[str, object]:
    return {
        "pairs": len(rows),
        "simulated": sum(bool(row.provenance.get("simulated")) for row in rows),
        "images": len({name for row in rows for name in row.images}),
        "missing": len(gathered.unavailable),
        "splits": Counter(row.split.value for row in rows),
        "classes": Counter(str(said) for row in rows if (said := row.provenance.get("diagnosis"))),
        "licence": licence_summary(sources_with_licences(gathered))["strictest"],
        "notes": sorted({maker.note for maker in generators(gathered) if maker.note}),
    }
