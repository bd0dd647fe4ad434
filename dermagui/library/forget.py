"""Forgets an image or a patient: rows, search index, thumbnails, upload pixels, job stories, backups.

The user's own files are never touched, and what was exported before is named, not changed.
"""

from __future__ import annotations

import hashlib
import shutil
from typing import Any

from dermagui.errors import UserError
from dermagui.jobs.work import bury_dead, job_folder
from dermagui.library.pixels import forget_pixels
from dermagui.library.thumbnails import forget_thumbnails
from dermagui.records import JobState
from dermagui.storage import forget as rows
from dermagui.storage import jobs
from dermagui.storage.database import Row, Store


def forget(store: Store, what: str) -> dict[str, Any]:
    """Forgets an image (its number, sha256 or path) or a patient (an id); what is both must be told apart
    as ``image:12`` or ``patient:12``.

    Returns counts of what was ``removed``, the ``exports`` that still hold it, and the ``originals``.
    Raises ``UserError``: ``forget.not_found``, ``forget.ambiguous``, ``forget.job_running``.
    """
    bury_dead(store)
    if running := jobs.list_jobs(store, state=JobState.RUNNING):
        raise UserError("forget.job_running", kind=running[0]["kind"])
    patient, named = _find(store, what)
    hashes = sorted({file["sha256"] for file in named if file["sha256"]})
    # Every copy goes, whatever it is called and wherever it lies.
    files = {file["id"]: file for file in named}
    for hash_ in hashes:
        files |= {file["id"]: file for file in rows.files_with_hash(store, hash_)}
    exports = rows.exports_with(store, hashes)
    tombstones = [(hash_, "image") for hash_ in hashes]
    if patient:
        secret = store.fact("secret")
        tombstones.append((hashlib.sha256(f"{secret}:{patient}".encode()).hexdigest(), "patient"))
    removed = rows.remove_files(store, list(files), hashes, tombstones)
    for hash_ in hashes:
        removed["cached"] = removed.get("cached", 0) + forget_thumbnails(store.folder, hash_)
        removed["cached"] += forget_pixels(store.folder / "cache" / "pixels", hash_)
    removed["job_folders"] = _remove_stories(store)
    removed["backups"] = _remove_backups(store)
    return {
        "removed": removed,
        "exports": exports,
        "originals": [f"{file['root']}/{file['path']}" for file in files.values()],
        "wiped": rows.wipe_free_space(store),
    }


def _find(store: Store, what: str) -> tuple[str, list[Row]]:
    """The patient's id, or nothing, and the files that are meant."""
    kind, _, rest = what.partition(":")
    images: list[Row] = []
    if kind != "patient":
        name = rest if kind == "image" else what
        images = _files_of_image(store, name)
    patient = rest if kind == "patient" else what
    of_patient = rows.files_of_patient(store, patient) if kind != "image" else []
    if images and of_patient:
        raise UserError("forget.ambiguous", what=what)
    if not images and not of_patient:
        raise UserError("forget.not_found", what=what)
    return (patient if of_patient else ""), images or of_patient


def _files_of_image(store: Store, name: str) -> list[Row]:
    if name.isascii() and name.isdecimal() and len(name) < 16:
        found = rows.files_of_image(store, int(name))
        if found:
            return found
    if len(name) >= 8 and set(name) <= set("0123456789abcdef"):
        found = rows.files_with_hash(store, name)
        if len({file["sha256"] for file in found}) > 1:
            raise UserError("forget.ambiguous", what=name)
        if found:
            return found
    return rows.files_with_path(store, name)


def _remove_stories(store: Store) -> int:
    """Stories of ended jobs name files: all of them go."""
    removed = 0
    for row in jobs.list_jobs(store):
        folder = job_folder(store.folder, row["id"])
        if folder.exists():
            shutil.rmtree(folder)
            removed += 1
    return removed


def _remove_backups(store: Store) -> int:
    """Backups of the database from before an upgrade still hold what is forgotten."""
    found = list((store.folder / "backups").glob("*.db"))
    for path in found:
        path.unlink()
    return len(found)
