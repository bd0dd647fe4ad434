"""Forgets an image or a patient: rows, search index, thumbnails, upload pixels, job stories, backups, and the
pictures and pairs of trainings. What these learnt cannot be taken out of them: they are named like exports.

The user's own files are never touched, and what was exported before is named, not changed.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dermagui import paths
from dermagui.errors import UserError
from dermagui.jobs.work import bury_dead, job_folder
from dermagui.library.pixels import forget_pixels
from dermagui.library.thumbnails import forget_thumbnails
from dermagui.records import JobState
from dermagui.storage import chats, jobs
from dermagui.storage import forget as rows
from dermagui.storage.database import Row, Store


@dataclass(frozen=True, slots=True)
class Meant:
    """What there is to forget of an image or a patient."""

    patient: str
    """The patient's id, or nothing where an image is meant."""
    hashes: tuple[str, ...]
    files: tuple[Row, ...]
    exports: tuple[str, ...]
    """Where earlier exports lie that hold it: they are named, not changed."""
    pairs: int


def find_meant(store: Store, what: str) -> Meant:
    """What ``forget`` would forget. Raises ``UserError``: ``forget.not_found``, ``forget.ambiguous``."""
    patient, named, meant = _find(store, what)
    # Every copy goes, whatever it is called and wherever it lies, and what a file held before it was changed.
    hashes = sorted(meant | rows.hashes_of(store, named))
    files = {file["id"]: file for file in named}
    for hash_ in hashes:
        files |= {file["id"]: file for file in rows.files_with_hash(store, hash_)}
    exports, pairs = rows.exports_with(store, hashes), rows.count_pairs_about(store, hashes)
    return Meant(patient, tuple(hashes), tuple(files.values()), tuple(exports), pairs)


def forget(store: Store, what: str) -> dict[str, Any]:
    """Forgets an image (its number, sha256 or path) or a patient (an id); what is both must be told apart
    as ``image:12`` or ``patient:12``.

    Returns counts of what was ``removed``, the ``exports`` that still hold it, and the ``originals``.
    Raises ``UserError``: ``forget.job_running`` and what ``find_meant`` raises.
    """
    bury_dead(store)
    if running := jobs.list_jobs(store, state=JobState.RUNNING):
        raise UserError("forget.job_running", kind=running[0]["kind"])
    meant = find_meant(store, what)
    tombstones = [(hash_, "image") for hash_ in meant.hashes]
    if meant.patient:
        secret = store.fact("secret")
        tombstones.append((hashlib.sha256(f"{secret}:{meant.patient}".encode()).hexdigest(), "patient"))
    removed = rows.remove_files(store, [file["id"] for file in meant.files], meant.hashes, tombstones)
    for hash_ in meant.hashes:
        removed["cached"] = removed.get("cached", 0) + forget_thumbnails(store.folder, hash_)
        removed["cached"] += forget_pixels(store.folder / "cache" / "pixels", hash_)
    removed["job_folders"] = _remove_stories(store)
    removed["backups"] = _remove_backups(store)
    removed["trainings_emptied"] = _empty_trainings(store, meant.exports)
    removed["pasted"] = _remove_pasted(store)
    wiped = rows.wipe_free_space(store)
    removed["notebook_chats"] = _forget_in_notebook(store, meant.hashes)
    return {
        "removed": removed,
        "exports": list(meant.exports),
        "originals": [f"{file['root']}/{file['path']}" for file in meant.files],
        "wiped": wiped,
    }


def _find(store: Store, what: str) -> tuple[str, list[Row], set[str]]:
    """The patient's id, or nothing; the files that are meant; the images that are meant by themselves."""
    kind, _, rest = what.partition(":")
    name = rest if kind in ("image", "patient") else what
    hashes = rows.hashes_of_image(store, name) if kind != "patient" else set()
    with_path = rows.files_with_path(store, name) if kind != "patient" and not hashes else []
    of_patient = rows.files_of_patient(store, name) if kind != "image" else []
    if len(hashes) > 1 or (of_patient and (hashes or with_path)):
        raise UserError("forget.ambiguous", what=what)
    if not (hashes or with_path or of_patient):
        raise UserError("forget.not_found", what=what)
    return (name if of_patient else ""), with_path or of_patient, hashes


def _remove_stories(store: Store) -> int:
    """Stories of ended jobs name files: all of them go."""
    removed = 0
    for row in jobs.list_jobs(store):
        folder = job_folder(store.folder, row["id"])
        if folder.exists():
            shutil.rmtree(folder)
            removed += 1
    return removed


_KEPT_OF_TRAININGS = ("adapter", "model", "job.json", "events.jsonl")


def _empty_trainings(store: Store, exports: Iterable[str]) -> int:
    """Takes pictures and pairs out of the trainings that learnt from it; weights and curves stay."""
    place = store.folder.resolve() / "training"
    folders = [Path(path).parent for path in exports if Path(path).is_relative_to(place)]
    for folder in folders:
        for path in folder.iterdir() if folder.exists() else ():
            if path.name not in _KEPT_OF_TRAININGS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        story = folder / "events.jsonl"
        if story.exists():  # what a model said about a picture goes with the picture
            lines = story.read_text(encoding="utf-8").splitlines(keepends=True)
            story.write_text("".join(x for x in lines if '"event": "probes"' not in x), encoding="utf-8")
    return len(folders)


def _remove_pasted(store: Store) -> int:
    """A chat that was forgotten may have shown pictures from the clipboard besides."""
    found = chats.unused_pasted(store)
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def _forget_in_notebook(store: Store, hashes: Sequence[str]) -> int:
    """Removes the chats about these files that were held outside of any project."""
    folder = paths.data_folder()
    if not (folder / paths.DATABASE_NAME).is_file() or folder.resolve() == store.folder.resolve():
        return 0
    with Store(folder) as notebook:
        uids = chats.chats_with(notebook, hashes)
        if uids:
            chats.remove_chats(notebook, uids)
            _remove_pasted(notebook)
            rows.wipe_free_space(notebook)
    return len(uids)


def _remove_backups(store: Store) -> int:
    """Backups of the database from before an upgrade still hold what is forgotten."""
    found = list((store.folder / "backups").glob("*.db"))
    for path in found:
        path.unlink()
    return len(found)
