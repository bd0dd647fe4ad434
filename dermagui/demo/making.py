"""The first half of the tour: from a folder to pairs, through faults, a budget and a kill; and the audit."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from dermagui.datasets.duplicates import near_duplicate_clusters
from dermagui.demo.audit import Books, audit_books, audit_money, audit_slips, audit_states
from dermagui.demo.phantoms import PERSON_IN_EXIF, PhantomSet
from dermagui.demo.rehearsal import Rehearsal, kill, wait_for_flight
from dermagui.demo.steps import PROJECT, Nature, Shown, Stage, Tour
from dermagui.errors import UserError
from dermagui.library.thumbnails import thumbnail_path
from dermagui.paths import display_path
from dermagui.records import FileState, JobState, Price, RequestState
from dermagui.storage import requests, runs
from dermagui.storage.database import Store
from dermagui.storage.datasets import image_origins

REQUESTS = 60
CONCURRENCY = 8
SMALL_BUDGET_USD, LARGE_BUDGET_USD = 0.022, 5.0
ANSWERS_BEFORE_KILL = 8
MODEL = "practice"
_MOST_ON_SHEET, _MOST_ABREAST = 30, 10
_CELL_PIXELS = 148

Rows = list[dict[str, Any]]


def add_folder(tour: Tour) -> Rows:
    """Makes a project and adds the folder, twice. Raises ``UserError`` ``demo.no_pictures``."""
    stage = tour.stage(
        "A folder becomes a library",
        "A project is made, the folder is added, and added again. Every file is hashed and measured; "
        "the originals are only read. What cannot be read is listed with its reason.",
    )
    folder = "phantoms" if tour.phantoms else str(tour.images)
    table = ["--metadata", f"{folder}/metadata.csv"] if (tour.images / "metadata.csv").is_file() else []
    licence = ["--licence", "CC-BY-4.0"] if tour.phantoms else []
    tour.shell.run(stage, "new", PROJECT)
    first = tour.shell.run(stage, "add", PROJECT, folder, *table, *licence, "--may-leave", "--json").json
    before = tour.rows(stage)
    readable = [row for row in before if row["state"] == FileState.READY]
    if not readable:
        raise UserError("demo.no_pictures", path=display_path(tour.images))
    again = tour.shell.run(stage, "add", PROJECT, folder, *table, "--json").json
    after = tour.rows(stage)
    stage.figures = {
        "files in the folder": len(tour.originals),
        "files with pictures": len(readable),
        "different pictures": len({row["sha256"] for row in readable}),
        "unreadable": first["unreadable"],
        "not pictures by their name": first["unsupported"],
        "values of metadata": first["metadata"]["values"] if table else 0,
    }
    doubled = len(after) - len(before)
    found = f"{len(before)} files, then {len(after)}; {again['new']} new, {again['changed']} changed"
    stage.claim(
        "Adding a folder twice doubles nothing", found, doubled == again["new"] == again["changed"] == 0
    )
    if tour.phantoms:
        _claim_planted_files(tour, stage, tour.phantoms, before, first["metadata"])
    stage.pictures.append(_contact_sheet(tour, readable))
    return readable


def _claim_planted_files(
    tour: Tour, stage: Stage, phantoms: PhantomSet, rows: Rows, metadata: dict[str, Any]
) -> None:
    by_name = {row["path"]: row for row in rows}

    def row(path: Path) -> dict[str, Any]:
        return by_name[path.relative_to(phantoms.folder).as_posix()]

    planted = phantoms.planted
    reasons = [row(path)["error"] for path in (planted.truncated, planted.not_an_image)]
    told_apart = all(reasons) and reasons[0] != reasons[1]
    stage.claim(
        "Planted and found: a file cut off, and words that are named .jpg",
        " ".join(map(str, reasons)),
        told_apart,
    )
    one, copy = map(row, planted.same_bytes)
    found = "one image, two files" if one["image"] == copy["image"] else "two images"
    stage.claim("Planted and found: the same file under two names", found, one["image"] == copy["image"])
    upright, turned = map(row, planted.exif_rotated)
    twins = [row(path)["image"] for path in planted.near_duplicate_across_patients]
    same_size = [turned[side] == upright[side] for side in ("width", "height")]
    alike = _look_alike(tour, [upright["image"], turned["image"]])
    found = f"orientation {turned['orientation']}, shown as {turned['width']} × {turned['height']} pixels"
    stage.claim("Planted and found: one picture upright and turned by EXIF", found, alike and all(same_size))
    alike = _look_alike(tour, twins)
    stage.claim(
        "Planted and found: one picture, retouched, under another patient",
        "they look alike" if alike else "not found",
        alike,
    )
    tags = sorted({finding["place"] for finding in turned["personal"]})
    named = any(PERSON_IN_EXIF in finding["value"] for finding in turned["personal"])
    stage.claim("Planted and found: a name and a place in EXIF", ", ".join(tags), named and "gps" in tags)
    found = f"{metadata['matched']} of {metadata['rows']} rows, {metadata['ambiguous']} ambiguous"
    matched = metadata["matched"] == metadata["rows"] == len(phantoms.images)
    stage.claim("Every row of the table found its picture", found, matched)


def _look_alike(tour: Tour, images: list[int]) -> bool:
    """Whether the project's own hashes put these images into one cluster."""
    with Store(tour.project, read_only=True) as store:
        hashes = [origin.perceptual_hash for origin in image_origins(store, images).values()]
    return [len(images)] == [len(cluster) for cluster in near_duplicate_clusters(hashes)]


def _contact_sheet(tour: Tour, readable: Rows) -> Shown:
    """The project's own thumbnails, side by side."""
    hashes = list(dict.fromkeys(row["sha256"] for row in readable))[:_MOST_ON_SHEET]
    columns = min(len(hashes), min(range(_MOST_ABREAST, 4, -1), key=lambda width: -len(hashes) % width))
    size = (columns * _CELL_PIXELS, math.ceil(len(hashes) / columns) * _CELL_PIXELS)
    sheet = Image.new("RGB", size, (128, 128, 128))
    for n, sha256 in enumerate(hashes):
        with Image.open(thumbnail_path(tour.project, sha256, 0)) as thumbnail:
            cell = ImageOps.fit(thumbnail.convert("RGB"), (_CELL_PIXELS, _CELL_PIXELS))
        sheet.paste(cell, (n % columns * _CELL_PIXELS, n // columns * _CELL_PIXELS))
    path = tour.out / "pictures" / "contact-sheet.jpg"
    path.parent.mkdir(exist_ok=True)
    sheet.save(path, quality=88)
    what = "drawn by this program: they show no patient" if tour.phantoms else "your own pictures"
    return Shown(path, f"{len(hashes)} of {len({row['sha256'] for row in readable})} pictures, {what}.")


def plan_options(readable: Rows) -> list[str]:
    """A plan of about as many requests for any folder: many questions about few pictures, or the reverse."""
    images = len({row["sha256"] for row in readable})
    return ["--provider", MODEL, "--questions", str(math.ceil(REQUESTS / images))]


def preview(tour: Tour, plan: list[str]) -> set[str]:
    """Shows what would be sent; returns the hashes of the very bytes."""
    stage = tour.stage(
        "Before anything is sent: a preview",
        "The exact prompt and the exact bytes, written to a folder. The picture is rebuilt from its pixels, "
        "turned upright, at most 1024 pixels long: nothing of the file but what you see goes along.",
    )
    tour.shell.run(stage, "generate", PROJECT, *plan, "--preview", "preview")
    sent = sorted((tour.work / "preview").glob("*.jpg"))
    carried = [name for path in sent for name in _metadata_in(path)]
    stage.figures = {
        "requests shown": len(sent),
        "bytes of their pictures": sum(p.stat().st_size for p in sent),
    }
    found = f"{len(sent)} pictures; {', '.join(carried) or 'none of EXIF, ICC, XMP, comment'}"
    stage.claim("What would be sent carries pixels and nothing else", found, bool(sent) and not carried)
    prompt = (tour.work / "preview" / "1.txt").read_text(encoding="utf-8")
    picture = tour.keep_picture(sent[0], "preview.jpg")
    stage.pictures.append(Shown(picture, "The picture of the first request, byte for byte."))
    stage.quote = prompt
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in sent}


def _metadata_in(path: Path) -> list[str]:
    """What a JPEG carries besides pixels."""
    with Image.open(path) as picture:
        known = {"exif", "icc_profile", "xmp", "comment", "photoshop", "mp"} & picture.info.keys()
        return sorted(known | ({"exif"} if picture.getexif() else set()))


def generate(tour: Tour, server: Rehearsal, plan: list[str], previewed: set[str]) -> None:
    """Reaches a budget, is killed in mid-flight, resumes, asks, and then has nothing left; then the audit."""
    bounds = ["--limit", str(REQUESTS), "--concurrency", str(CONCURRENCY)]
    command = ["generate", PROJECT, *plan, "--base-url", server.base_url, *bounds, "--yes", "--json"]
    _reach_budget(tour, command)
    command += ["--budget", f"{LARGE_BUDGET_USD:g}"]
    answered_before = _kill_in_flight(tour, command)
    unknown = _resume(tour, command)
    _resend(tour, server, command, unknown)
    _audit(tour, server, answered_before, previewed)


def _reach_budget(tour: Tour, command: list[str]) -> None:
    stage = tour.stage(
        "Question-answer pairs, until the budget is reached",
        "The unmodified Google client talks to a rehearsal server on this computer, which answers by looking "
        "at the picture, and misbehaves on purpose: overload, a minute quota, blocked, cut short, bad JSON, "
        "wrong answers. The code is the one that talks to Gemini; nothing leaves the computer.",
        Nature.REHEARSED,
    )
    small = [*command, "--budget", f"{SMALL_BUDGET_USD:g}"]
    figures = tour.shell.run(stage, *small, expect=4).json
    money = _status(tour, stage)["money"]
    stage.figures = {"sent": figures["sent"], "left": figures["left"], **_counts(figures["counts"])}
    stage.claim(
        "The run stops within its budget and can go on (exit code 4)",
        f"{money['spent']:.6f} of {SMALL_BUDGET_USD:g} USD spent, {figures['left']} requests left",
        0 < money["spent"] <= SMALL_BUDGET_USD and figures["left"] > 0 and not money["reserved"],
    )


def _kill_in_flight(tour: Tour, command: list[str]) -> set[str]:
    """Kills the job's process with -9; returns the ids of the answers that were committed before."""
    stage = tour.stage(
        "Killed in mid-flight",
        "With a larger budget the job goes on, and its process is killed (kill -9) while requests are in the "
        "air. Their rows were written before they were sent: it is known which ones may have been paid.",
        Nature.REHEARSED,
    )
    answers = len(_answers(tour))
    running = tour.shell.start(*command)
    pid = wait_for_flight(tour.project, answers + ANSWERS_BEFORE_KILL, running)
    kill(pid)
    tour.shell.finish(stage, running, expect=4)
    found = _status(tour, stage)
    job = found["jobs"][0]
    in_flight = found["requests"].get(RequestState.UNKNOWN, 0)
    stage.figures = {**_counts(found["requests"]), "at risk, USD": found["money"]["at_risk"]}
    stage.claim(
        "The kill hit in mid-flight, and the list of jobs says so",
        f"process {pid}: {job['state']}; {in_flight} requests that were in the air are called unknown",
        job["pid"] == pid and job["state"] == JobState.DIED and in_flight > 0,
    )
    return _answers(tour)


def _resume(tour: Tour, command: list[str]) -> set[str]:
    """Runs the same command; returns the fingerprints of the unknown requests."""
    stage = tour.stage(
        "Resumed: nothing is paid twice in silence",
        "The same command again. It sends what is left, and not what may have been paid already: that is "
        "shown with the sum at risk, and waits for a person's word.",
        Nature.REHEARSED,
    )
    open_before = {row["uid"] for row in _attempts(tour) if row["state"] in ("sending", "unknown")}
    figures = tour.shell.run(stage, *command).json
    found = _status(tour, stage)
    rows = _attempts(tour)
    unknown = {row["fingerprint"] for row in rows if row["state"] == RequestState.UNKNOWN}
    resent = sum(row["fingerprint"] in unknown and row["uid"] not in open_before for row in rows)
    at_risk = found["money"]["at_risk"]
    stage.figures = {"sent": figures["sent"], **_counts(found["requests"]), "at risk, USD": at_risk}
    stage.claim(
        "What was in the air is called unknown, with the sum at risk, and is not sent again",
        f"{len(unknown)} unknown, {at_risk:.6f} USD at risk, {resent} sent again",
        len(unknown) == len(open_before) > 0 and at_risk > 0 and resent == 0,
    )
    return unknown


def _resend(tour: Tour, server: Rehearsal, command: list[str], unknown: set[str]) -> None:
    stage = tour.stage(
        "A person says yes; then nothing is left",
        "With --resend-unknown the open ones are sent again. The same command once more finds every request "
        "by its fingerprint and sends nothing.",
        Nature.REHEARSED,
    )
    resent = tour.shell.run(stage, *command, "--resend-unknown").json
    settled = {row["fingerprint"] for row in _attempts(tour) if row["state"] != RequestState.UNKNOWN}
    still_open = len(unknown - settled)
    found = f"{len(unknown)} were open, {resent['sent']} sent, {still_open} still open"
    stage.claim("Unknown requests are sent again only when a person says so", found, not still_open)
    posts = server.log.posts
    again = tour.shell.run(stage, *command).json
    found = f"{again['sent']} sent, {server.log.posts - posts} POSTs at the server, {again['left']} left"
    nothing = again["sent"] == again["left"] == server.log.posts - posts == 0
    stage.claim("An unchanged run sends nothing", found, nothing)
    stage.figures = _counts(_status(tour, stage)["requests"])


def _audit(tour: Tour, server: Rehearsal, answered_before: set[str], previewed: set[str]) -> None:
    stage = tour.stage(
        "Two books compared",
        "The server keeps its own book, in its own process. Here it lies beside our database.",
        Nature.REHEARSED,
    )
    log = server.log
    posts = tuple(post for post in log.attempts if post.model == MODEL)
    rows = _attempts(tour)
    books = Books(posts, rows, tour.pairs(stage))
    stage.figures = {
        "POSTs that the server counted": len(posts),
        "attempts in our database": len(rows),
        "requests behind them": len({row["fingerprint"] for row in rows}),
        "pairs": len(books.pairs),
        "most in flight at once, by the server's count": log.max_in_flight,
    }
    stage.claims += audit_books(books, CONCURRENCY, answered_before)
    stage.claims.append(audit_money(books, _price(tour, rows[0]["run_uid"])))
    answered = sum(row["state"] == RequestState.ANSWERED for row in rows)
    found = f"{answered} answers, {len(books.pairs)} pairs"
    stage.claim("Every answer became one pair", found, answered == len(books.pairs))
    seen = {sha256 for post in posts for sha256 in post.image_hashes}
    found = f"{len(previewed & seen)} of {len(previewed)} previewed pictures arrived byte for byte"
    stage.claim("What was previewed is what was sent", found, previewed <= seen)
    stage.claims += audit_states(books)
    stage.claims += audit_slips(books)


def _status(tour: Tour, stage: Stage) -> dict[str, Any]:
    return tour.shell.run(stage, "status", PROJECT, "--json").json


def _counts(counts: dict[str, int]) -> dict[str, object]:
    return {state.replace("_", " "): count for state, count in counts.items()}


def _attempts(tour: Tour) -> Rows:
    with Store(tour.project, read_only=True) as store:
        return requests.list_attempts(store, MODEL)


def _answers(tour: Tour) -> set[str]:
    """The ids of the answers that are committed now."""
    return {row["response_id"] for row in _attempts(tour) if row["state"] == RequestState.ANSWERED}


def _price(tour: Tour, run_uid: str) -> Price:
    with Store(tour.project, read_only=True) as store:
        run = runs.run(store, run_uid)
    assert run is not None
    return Price(**json.loads(run["price"]))
