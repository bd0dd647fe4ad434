"""The end of the tour: the door and its ledger, forgetting, and what must not be left behind."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from dermagui.demo.audit import changed_files, files_with, fingerprint_files
from dermagui.demo.deciding import PERSON
from dermagui.demo.rehearsal import Rehearsal, wait_until
from dermagui.demo.steps import KEY_VARIABLE, PROJECT, Nature, Stage, Tour
from dermagui.jobs.workers import processes_with
from dermagui.paths import DATABASE_NAME
from dermagui.records import FileState
from dermagui.storage import requests
from dermagui.storage.database import Store

GEMINI_MODEL = "gemini-3.5-flash-lite"
NOWHERE = "https://service.invalid"
"""An address that cannot exist: were the door open, there would still be nobody behind it."""

Rows = list[dict[str, Any]]


def pass_the_door(tour: Tour, server: Rehearsal) -> None:
    """One request as Gemini would get it, with a key, and its line in the ledger; none in airplane mode."""
    stage = tour.stage(
        "The door, the ledger, airplane mode",
        "One request goes the way of a real one: provider gemini, terms accepted, a key from the "
        "environment; only the address is this computer. In airplane mode nothing is sent.",
        Nature.REHEARSED,
    )
    gemini = ["generate", PROJECT, "--provider", "gemini", "--model", GEMINI_MODEL, "--tier", "paid"]
    yes = ["--accept-terms", PERSON, "--limit", "1", "--yes", "--json"]
    tour.shell.run(stage, *gemini, "--base-url", server.base_url, *yes)
    posts = [post for post in server.log.attempts if post.model == GEMINI_MODEL]
    endings = {post.key_tail for post in posts}
    found = f"{len(posts)} POSTs with a key that ends in {', '.join(endings)}"
    stage.claim("The key travels only in the request itself", found, endings == {tour.shell.key[-4:]})
    ledger = tour.shell.run(stage, "ledger", "--json").json["ledger"]
    sent = [line for line in ledger if line.get("bytes") and line.get("image_sha256")]
    found = f"{len(posts)} POSTs, {len(sent)} lines with time, host, bytes and the image's hash"
    stage.claim("Everything that was sent stands in the ledger", found, len(sent) == len(posts) > 0)
    stage.figures = {"bytes sent, as the ledger tells": sum(line["bytes"] for line in sent)}
    _try_in_airplane_mode(tour, server, stage, [*gemini, "--base-url", NOWHERE, "--seed", "1", *yes])


def _try_in_airplane_mode(tour: Tour, server: Rehearsal, stage: Stage, command: list[str]) -> None:
    posts, attempts = server.log.posts, _count_attempts(tour)
    tour.shell.run(stage, "airplane", "on")
    refused = tour.shell.run(stage, *command, expect=3)
    tour.shell.run(stage, "airplane", "off")
    more = _count_attempts(tour) - attempts + server.log.posts - posts
    found = f"exit code {refused.code}, {more} attempts"
    named = "irplane" in refused.stderr
    stage.claim("In airplane mode nothing is sent, and the sentence says why", found, more == 0 and named)


def _count_attempts(tour: Tour) -> int:
    with Store(tour.project, read_only=True) as store:
        return sum(requests.count_requests(store).values())


def forget(tour: Tour, pairs: Rows) -> None:
    """Forgets one image and, where there is one, a patient; then searches every file for them."""
    stage = tour.stage(
        "Forgetting",
        "One image and one patient are forgotten: rows, thumbnails, prepared pixels, pairs, job stories. "
        "Then every file of the project and of the program's own data is searched, to the free pages of the "
        "database.",
    )
    rows = [row for row in tour.rows(stage) if row["state"] == FileState.READY]
    image = rows[0]
    _forget(tour, stage, f"image:{image['path']}", [r for r in rows if r["sha256"] == image["sha256"]], pairs)
    # Every copy of the image is gone by now, whoever it was said to be of.
    still = [row for row in rows if row["sha256"] != image["sha256"]]
    others = [row for row in still if row["patient"] and row["patient"] != image["patient"]]
    if not others:
        stage.claim("A forgotten patient leaves no trace", "not applicable: no patient is named", None)
        return
    patient = others[0]["patient"]
    hashes = {row["sha256"] for row in still if row["patient"] == patient}
    of_patient = [row for row in still if row["sha256"] in hashes]  # with the copies that name nobody
    _forget(tour, stage, f"patient:{patient}", of_patient, pairs, [patient])
    left = tour.rows(stage)
    stage.figures = {
        "files before": len(rows),
        "files after": sum(r["state"] == FileState.READY for r in left),
    }


def _forget(tour: Tour, stage: Stage, what: str, rows: Rows, pairs: Rows, names: Iterable[str] = ()) -> None:
    folders = [tour.project, tour.shell.home]
    traces, hashes = _traces(rows, pairs, names), {row["sha256"].encode() for row in rows}
    before = files_with(traces, folders)
    removed = tour.shell.run(stage, "forget", PROJECT, what, "--json").json["removed"]
    after = files_with(traces, folders)
    # The hash of a forgotten file stays in the database on purpose: it keeps the file from coming back.
    caches = files_with(hashes, folders).keys() - {tour.project / DATABASE_NAME}
    kind, _, name = what.partition(":")
    found = (
        f"{removed['files']} files, {removed['pairs']} pairs; {len(traces)} traces in {len(before)} files "
        f"before, in {len(after)} after; {len(caches)} files of its hash"
    )
    held = bool(before) and not after and not caches and removed["files"] == len(rows)
    stage.claim(f"The forgotten {kind} {name} leaves no trace", found, held)


def _traces(rows: Rows, pairs: Rows, names: Iterable[str]) -> set[bytes]:
    """What would betray that something was here: names, paths, pixel hashes, uids and answers of pairs."""
    images = {row["image"] for row in rows}
    gone = [pair for pair in pairs if images & {image["image_id"] for image in pair["images"]}]
    kept = {pair["turns"][-1]["text"] for pair in pairs if pair not in gone}
    words = {*names, *({pair["turns"][-1]["text"] for pair in gone} - kept), *(pair["uid"] for pair in gone)}
    for row in rows:
        words |= {row["path"].rpartition("/")[2], row["pixel_hash"]}
    raw = {bytes.fromhex(row["path_bytes"]).rpartition(b"/")[2] for row in rows if "path_bytes" in row}
    return raw | {form for word in words for form in (os.fsencode(word), json.dumps(word)[1:-1].encode())}


def check_nothing_is_left(tour: Tour, server: Rehearsal) -> None:
    """Originals, key, port and processes; then says what this tour did not run."""
    stage = tour.stage(
        "What is left behind",
        "The server has ended. The originals are hashed again, and every file that the tour wrote is "
        "searched for the key that it was given.",
    )
    server.stop()
    after = fingerprint_files(tour.images)
    changed = changed_files(tour.originals, after)
    found = f"{len(changed)} of {len(tour.originals)} files: sha256, size and time of change compared"
    stage.claim("Originals changed: 0", found, not changed, ("originals changed", f"{len(changed)}"))
    leaks = files_with([tour.shell.key.encode()], [tour.out])
    told = [ran for part in tour.stages for ran in part.runs if tour.shell.key in repr(ran)]
    count = sum(path.is_file() for path in tour.out.rglob("*"))
    found = f"{len(leaks)} of {count} files, {len(told)} of {_runs(tour)} commands' words"
    headline = ("places where the key was found", f"{len(leaks) + len(told)}")
    text = f"The key of the tour ({KEY_VARIABLE}) stands nowhere"
    stage.claim(text, found, not leaks and not told, headline)
    listening = server.is_listening()
    stage.claim("No port is listening", "open" if listening else "closed", not listening)
    left = _processes_left(tour)
    stage.claim("No process is left, not even of the killed job", f"{len(left)} processes", not left)


def _runs(tour: Tour) -> int:
    return sum(len(stage.runs) for stage in tour.stages)


def _processes_left(tour: Tour) -> list[int]:
    """The processes that still have the tour's data folder, once they had time to end."""

    def left() -> list[int]:
        return processes_with("DERMAGUI_HOME", str(tour.shell.home))

    try:
        wait_until(lambda: not left(), "the end of every process")
    except TimeoutError:
        return left()
    return []


def say_what_was_not_run(tour: Tour) -> None:
    """So that nobody takes this report for more than it is."""
    for title, story in (
        (
            "Gemini itself",
            "Not asked: it needs a key and money. The code that asks it ran against the rehearsal server.",
        ),
        (
            "Training",
            "Not part of this tour: it has an environment of its own, of 2 GB. The phantom model came of it.",
        ),
    ):
        tour.stages.append(Stage(title, story, Nature.NOT_RUN))
