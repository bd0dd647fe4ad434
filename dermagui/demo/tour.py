"""The tour: the main job from folder to export, through the real command line, and a report that is audited.

It runs on drawn phantoms or, read-only, on the user's own pictures. The service is rehearsed on this
computer; settings, ledger and key are the tour's own and lie in the report's work folder.
"""

from __future__ import annotations

import secrets
import shutil
import sys
import time
from pathlib import Path

from dermagui.demo import asking, deciding, leaving, making
from dermagui.demo.audit import fingerprint_files
from dermagui.demo.phantoms import PhantomSet, draw_phantoms
from dermagui.demo.rehearsal import Rehearsal, kill
from dermagui.demo.report import write_report
from dermagui.demo.showing import show_window
from dermagui.demo.steps import Shell, Tour, UnexpectedEnd, tell
from dermagui.errors import UserError, from_os_error
from dermagui.jobs.workers import processes_with
from dermagui.paths import DATABASE_NAME, display_path

PHANTOMS = 18
MARK = ".dermagui-demo"
"""The file that tells a report of ours, which may be replaced, from anything else."""


def run_tour(out: Path, images: Path | None) -> int:
    """Runs the tour and writes ``out/index.html``; 0 only if every line of its table holds.

    Raises ``UserError``: ``demo.out_not_ours``, ``demo.folders_overlap``, ``demo.no_pictures``,
    ``folder.not_found``, or what the disk refuses.
    """
    started = time.monotonic()
    out = out.resolve()
    if images is not None:
        images = images.resolve()
        _check_images(images, out)
    try:
        _make_folder(out)
        tour = _prepare(out, images)
    except OSError as error:
        raise from_os_error(error, out) from error
    try:
        _walk(tour)
    except (UnexpectedEnd, TimeoutError) as error:
        tour.stages[-1].claim("The stage came to its end", f"{error}", False)
    finally:
        for process in processes_with("DERMAGUI_HOME", str(tour.shell.home)):
            kill(process)  # none, unless the tour broke off
    seconds = time.monotonic() - started
    pictures = show_window(tour) if (tour.project / DATABASE_NAME).is_file() else []
    leaving.say_what_was_not_run(tour)
    write_report(tour, seconds, pictures)
    return _tell_table(tour, seconds)


def _check_images(images: Path, out: Path) -> None:
    if not images.is_dir():
        raise UserError("folder.not_found", path=display_path(images))
    if out.is_relative_to(images) or images.is_relative_to(out):
        raise UserError("demo.folders_overlap", path=display_path(out), images=display_path(images))


def _make_folder(out: Path) -> None:
    """An empty folder of ours; an earlier report in its place is replaced, and nothing else."""
    if out.exists():
        ours = out.is_dir() and (not any(out.iterdir()) or (out / MARK).is_file())
        if not ours:
            raise UserError("demo.out_not_ours", path=display_path(out))
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / MARK).write_text("A report of `dermagui demo`: the next one may replace it.\n", encoding="utf-8")


def _prepare(out: Path, images: Path | None) -> Tour:
    work = out / "work"
    work.mkdir()
    shell = Shell(work, work / "home", f"canary-{secrets.token_hex(20)}")
    phantoms: PhantomSet | None = None
    if images is None:
        tell(f"Drawing {PHANTOMS} phantom lesions")
        phantoms = draw_phantoms(work / "phantoms", PHANTOMS)
        images = phantoms.folder
    return Tour(out, images, phantoms, shell, fingerprint_files(images))


def _walk(tour: Tour) -> None:
    readable = making.add_folder(tour)
    plan = making.plan_options(readable)
    previewed = making.preview(tour, plan)
    with Rehearsal(tour.shell, tour.work) as server:
        making.generate(tour, server, plan, previewed)
        pairs = deciding.review(tour, {row["image"]: row["sha256"] for row in readable})
        deciding.export(tour, pairs)
        asking.ask_phantom(tour)
        leaving.pass_the_door(tour, server)
        leaving.forget(tour, pairs)
        leaving.check_nothing_is_left(tour, server)


def _tell_table(tour: Tour, seconds: float) -> int:
    """Prints every claim; 0 if all hold."""
    claims = [claim for stage in tour.stages for claim in stage.claims]
    width = max(len(claim.text) for claim in claims)
    for claim in claims:
        word = {True: "true ", False: "FALSE", None: "  -  "}[claim.holds]
        sys.stdout.write(f"{word}  {claim.text:<{width}}  {claim.found}\n")
    wrong = sum(claim.holds is False for claim in claims)
    page = display_path(tour.out / "index.html")
    sys.stdout.write(f"{len(claims)} lines, {wrong} untrue, {seconds:.0f} s. {page}\n")
    return 1 if wrong else 0
