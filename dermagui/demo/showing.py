"""The window's own pictures for the report: this same program draws them, once for each size of the screen.

The window is another room and needs the system's graphics libraries, so it is started as a child. Where it
cannot be drawn the report says why in a line, and holds without it.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from dermagui.demo.steps import KEY_VARIABLE, PROJECT, Ran, Running, Stage, Tour, tell
from dermagui.jobs.launch import program

SCALES = (100, 200)
"""Per cent."""
_ALL_PAGES = "The window draws all its pages"
_NOT_HERE = ("ImportError", "ModuleNotFoundError", "could not load the Qt platform plugin")
"""How it sounds where the machine lacks what a window needs; anything else is a fault of ours."""


@dataclass(frozen=True, slots=True)
class WindowPicture:
    """One picture; the paths lie within the report's folder."""

    path: Path
    small: Path
    view: str
    look: str
    state: str
    scale: int
    job: int | None
    """The process of the run that went on then."""


def show_window(tour: Tour) -> list[WindowPicture]:
    """Takes the pictures and claims what can be said of them; where there is no window, one line says why."""
    stage = tour.stage(
        "The window",
        "The same program draws its own window: every page and dialog, light and dark, for a screen of 100 % "
        "and one of 200 %, without a project, with an empty one, and with a copy of this one, in which a "
        "rehearsed run goes on. Nobody clicks here; tests do that.",
    )
    folders = [tour.out / "window" / str(scale) for scale in SCALES]
    children = [_start(tour, scale, folder) for scale, folder in zip(SCALES, folders, strict=True)]
    failed = [ran for ran in [_finish(stage, child) for child in children] if ran.code]
    if failed:
        stage.claim(_ALL_PAGES, *_why_not(failed[0].stderr))
        return []
    pictures = [picture for folder in folders for picture in _read(folder)]
    _claim(stage, pictures)
    stage.figures = {"pictures": len(pictures)}
    return pictures


def _why_not(said: str) -> tuple[str, bool | None]:
    """The words of a child that failed; a machine that lacks what a window needs makes no line untrue."""
    lines = said.strip().splitlines() or ["it said nothing"]
    signs = [line for line in lines if any(sign in line for sign in _NOT_HERE)]
    return (signs[0], None) if signs else (lines[-1], False)


def _start(tour: Tour, scale: int, folder: Path) -> Running:
    """Two at once; they write beside the project, and into copies of their own."""
    environment = {name: value for name, value in tour.shell.environment.items() if name != KEY_VARIABLE}
    arguments = ["window", "--pictures", os.path.relpath(folder, tour.work), PROJECT]
    child = subprocess.Popen(
        [*program(), *arguments],
        cwd=tour.work,
        env=environment | {"QT_QPA_PLATFORM": "offscreen", "QT_SCALE_FACTOR": f"{scale / 100:g}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    return Running(f"QT_SCALE_FACTOR={scale / 100:g} dermagui {' '.join(arguments)}", child, time.monotonic())


def _finish(stage: Stage, running: Running) -> Ran:
    said = running.child.communicate()[1]
    seconds = time.monotonic() - running.started
    # Of what Qt says of the offscreen platform nothing is news, as long as it ends well.
    ran = Ran(running.line, running.child.returncode, seconds, "", said if running.child.returncode else "")
    stage.runs.append(ran)
    tell(f"    {ran.seconds:4.1f} s  {ran.line}")
    return ran


def _read(folder: Path) -> list[WindowPicture]:
    rows = json.loads((folder / "pictures.json").read_text(encoding="utf-8"))
    return [
        WindowPicture(
            folder / row["file"],
            folder / "small" / row["file"],
            row["view"],
            row["look"],
            row["state"],
            row["scale"],
            row["job"],
        )
        for row in rows
    ]


def _claim(stage: Stage, pictures: list[WindowPicture]) -> None:
    views = {picture.view for picture in pictures}
    kinds = {(picture.look, picture.scale) for picture in pictures}
    complete = all({p.view for p in pictures if (p.look, p.scale) == kind} == views for kind in kinds)
    found = f"{len(views)} pages and dialogs, each in {len(kinds)} looks and sizes"
    stage.claim(_ALL_PAGES, found, complete and len(kinds) == 2 * len(SCALES))
    living = [picture for picture in pictures if picture.job is not None]
    runs = {picture.job for picture in living}
    bytes_seen = {picture.path.read_bytes() for picture in living}
    found = f"{len(living)} pictures of {len(runs)} runs, {len(bytes_seen)} of them different"
    stage.claim(
        "Some were taken while a job's process lived, and its counters moved",
        found,
        len(runs) == len(kinds) and len(bytes_seen) == len(living) > len(runs),
    )
