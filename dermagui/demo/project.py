"""A small project to look around in: drawn lesions, their metadata, rehearsed pairs, some of them wrong."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from dermagui import paths
from dermagui.demo.faults import Script
from dermagui.demo.phantoms import draw_phantoms
from dermagui.demo.server import RehearsalServer
from dermagui.errors import from_os_error
from dermagui.generation import run as generation
from dermagui.generation.plan import Plan
from dermagui.jobs.work import Parameters, Run, claim, do_job
from dermagui.library import scan
from dermagui.project import Project, create_project
from dermagui.records import MetadataMode, PixelRecipe
from dermagui.storage.database import Store

PICTURES = "Drawn lesions"
"""The name of the source."""
_IMAGES = 18
_QUESTIONS = 2
_SCRIPT = Script(leak_every=7, wrong_every=7, duplicate_every=4, refuse_every=12)
"""What slips into the answers on purpose, for reviewers to find."""


def make_demo_project(folder: Path, images: int = _IMAGES) -> Path:
    """Makes the project below ``folder`` with its pictures beside it; one that is there already stays.

    Returns the project's own folder. Raises what the disk refuses; half a demo is made anew next time.
    """
    project, pictures = folder / "Demo", folder / PICTURES
    if (project / paths.DATABASE_NAME).is_file():
        return project
    half = folder / "making"
    try:
        shutil.rmtree(half, ignore_errors=True)
        shutil.rmtree(pictures, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise from_os_error(error, folder) from error
    drawn = draw_phantoms(pictures, images)
    create_project(half)
    with Project(half) as opened:
        _do(opened.store, "add", _adding(drawn.folder), scan.run)
        with RehearsalServer(_SCRIPT) as server:
            _do(opened.store, "generate", _generating(server.base_url), generation.run)
    half.rename(project)
    return project


def _do(store: Store, kind: str, parameters: Parameters, run: Run) -> None:
    do_job(store, claim(store, kind, parameters), kind, parameters, run)


def _adding(pictures: Path) -> Parameters:
    return scan.parameters_for(
        pictures,
        licence="CC-BY-4.0",
        attribution="dermagui",
        non_commercial=None,
        may_leave=True,  # they are drawings, and generating can be tried on them
        metadata=os.fsencode(pictures / "metadata.csv").hex(),
        map=[],
    )


def _generating(base_url: str) -> Parameters:
    plan = Plan(
        provider="practice",
        model="practice",
        base_url=base_url,
        api_version="v1",
        service_tier="standard",
        key_tier="undeclared",
        bank="general-en",
        questions=_QUESTIONS,
        metadata=MetadataMode.HIDDEN,
        language="en",
        seed=0,
        max_output_tokens=2048,
        recipe=PixelRecipe(longest_side=512),
        limit=None,
        concurrency=8,
        budget_micro_usd=None,
        timeout_seconds=60,
    )
    flags = {"resend_unknown": False, "retry_refused": False, "free_tier_yes": False}
    return {"plan": plan.as_json(), **flags}
