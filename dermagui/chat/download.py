"""Downloads a suggested model as a job: resumed after a kill, checked by its hash, made into a bundle."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeVar

from dermagui import paths
from dermagui.chat import hub
from dermagui.chat.bundle import About, Bundle, add_model, scan_bundles
from dermagui.chat.bundle_files import Counter, hash_file
from dermagui.chat.catalogue import MMPROJ, MODEL, CatalogueModel, HubFile, model_from
from dermagui.chat.hub import Hub, RemoteFile
from dermagui.errors import DataError, ServiceError, UserError
from dermagui.network import host_of
from dermagui.records import Changes, Progress
from dermagui.storage import people

if TYPE_CHECKING:
    from dermagui.jobs.report import Report
    from dermagui.jobs.work import Parameters
    from dermagui.storage.database import Row, Store

WAITS_SECONDS: tuple[float, ...] = (1, 2, 4, 8, 16)
"""Before each further attempt, for as long as not a single byte more arrives."""

_LONGEST_WAIT_SECONDS = 300
_RESERVE_BYTES = 64 << 20

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that is wanted, and where it is kept: there once it is checked."""

    remote: RemoteFile
    kept: Path

    @property
    def part(self) -> Path:
        """What has arrived so far."""
        return self.kept.with_name(f"{self.kept.name}.part")

    @property
    def have_bytes(self) -> int:
        """How much of it is here."""
        for path in (self.kept, self.part):
            with suppress(FileNotFoundError):
                return path.stat().st_size
        return 0


@dataclass(frozen=True, slots=True)
class _Quiet:
    """A report that tells no progress: what has arrived was told, and is not counted again to be hashed."""

    report: Report

    def progress(self, progress: Progress) -> None:
        """Nothing."""

    def warn(self, code: str, **values: object) -> None:
        """Passes it on."""
        self.report.warn(code, **values)

    def stop_if_asked(self) -> None:
        """Passes it on."""
        self.report.stop_if_asked()


def parameters_for(model: CatalogueModel) -> Parameters:
    """The parameters of a download. Raises ``UserError`` ``bundle.exists``."""
    _refuse_known(model.name)
    return {"model": model.as_json()}


def accepted_terms(store: Store, model: CatalogueModel) -> Row | None:
    """The acceptance of a model's terms in their present words: name, at; None where there is none."""
    return people.acceptance(store, _terms_name(model), model.terms_sha256)


def accept_terms(store: Store, model: CatalogueModel, name: str) -> None:
    """Keeps that a person accepted the terms of a model. Raises ``UserError`` ``person.no_name``."""
    who = people.person(store, name)
    people.accept_terms(store, who, _terms_name(model), model.terms_date, model.terms_sha256)


def arrived_bytes(model: CatalogueModel) -> int:
    """How much of a download that was not finished is kept, for the next time."""
    return sum(path.stat().st_size for path in _folder_of(model).rglob("*") if path.is_file())


def run(store: Store, parameters: Parameters, report: Report) -> Changes:
    """Downloads the files of a model and makes a bundle of them. The secret is the user's token of the hub.

    Run again, it goes on where it was, whatever ended it. Raises what ``hub.ask`` and ``add_model`` raise;
    ``UserError``: ``bundle.exists``, ``hub.terms_not_accepted``, ``hub.no_room``; ``DataError``:
    ``hub.other_file``, ``hub.wrong_hash``.
    """
    model = model_from(parameters["model"])
    _refuse_known(model.name)
    if model.terms and accepted_terms(store, model) is None:
        raise UserError("hub.terms_not_accepted", name=model.name, link=model.terms_link)
    folder = _folder_of(model)
    with hub.connect(report.secret) as opened:
        wanted = {role: _want(opened, model, file, folder, report) for role, file in model.files.items()}
        fetch_all(opened, list(wanted.values()), folder, report)
    bundle = _make_bundle(model, wanted, report)
    shutil.rmtree(folder, ignore_errors=True)
    return Changes(("bundles",), {"name": bundle.name, "bytes": bundle.size_bytes})


def _folder_of(model: CatalogueModel) -> Path:
    return paths.data_folder() / "downloads" / model.name


def _terms_name(model: CatalogueModel) -> str:
    return f"model {model.name}"


def _refuse_known(name: str) -> None:
    if name.casefold() in (known.casefold() for known in scan_bundles()):
        raise UserError("bundle.exists", name=name)


def _want(opened: Hub, model: CatalogueModel, file: HubFile, folder: Path, report: Report) -> Wanted:
    """What the hub offers now. Raises ``DataError`` ``hub.other_file`` where the catalogue knows better."""
    waits = WAITS_SECONDS[:2]  # where there is no network at all, the user wants to know it
    remote = patiently(report, waits, lambda: hub.ask(opened, model.repo, model.revision, file.path))
    if file.sha256 and not file.unverified and file.sha256 != remote.sha256:
        raise DataError("hub.other_file", path=file.path, repo=model.repo)
    return Wanted(remote, folder / remote.digest[:16] / PurePosixPath(file.path).name)


def fetch_all(opened: Hub, wanted: list[Wanted], folder: Path, report: Report) -> None:
    """Brings files into folders below ``folder``, from where they were left; what else lies there goes.

    Raises ``UserError`` ``hub.no_room`` before anything is fetched, ``DataError`` ``hub.wrong_hash``, what
    ``hub.ask`` raises; ``Stopped``.
    """
    _make_room(folder, wanted)
    for file in wanted:
        _fetch(opened, file, wanted, report)


def _make_room(folder: Path, wanted: Iterable[Wanted]) -> None:
    """Makes the folders, removes what belongs to older versions of the files, and looks for room."""
    kept = {file.kept.parent for file in wanted}
    for place in kept:
        place.mkdir(parents=True, exist_ok=True)
    for place in set(folder.iterdir()) - kept:
        shutil.rmtree(place)
    needed = sum(max(file.remote.size_bytes - file.have_bytes, 0) for file in wanted)
    free = shutil.disk_usage(folder).free
    if needed and needed + _RESERVE_BYTES > free:
        path = paths.display_path(folder)
        raise UserError("hub.no_room", path=path, needed_bytes=needed + _RESERVE_BYTES, free_bytes=free)


def _fetch(opened: Hub, file: Wanted, wanted: list[Wanted], report: Report) -> None:
    """Brings one file here, from where it was left. Raises ``DataError`` ``hub.wrong_hash``, and then
    nothing of it is kept.
    """
    if file.kept.exists():
        return

    def tell() -> None:
        report.stop_if_asked()
        done, total = sum(one.have_bytes for one in wanted), sum(one.remote.size_bytes for one in wanted)
        report.progress(Progress(done, total, "bytes"))

    patiently(report, WAITS_SECONDS, lambda: _append(opened, file, tell), lambda: file.have_bytes)
    found, expected = _hash(file, report), file.remote.digest
    if found != expected:
        file.part.unlink()
        raise DataError("hub.wrong_hash", path=file.remote.path, expected=expected, found=found)
    file.part.rename(file.kept)


def _hash(file: Wanted, report: Report) -> str:
    """The SHA-256 of what arrived, or what git calls it where the hub knows no other name."""
    if file.remote.sha256:
        return hash_file(file.part, Counter(file.remote.size_bytes, _Quiet(report)))[0]
    head = f"blob {file.part.stat().st_size}\0".encode()
    with file.part.open("rb") as part:
        return hashlib.file_digest(part, lambda: hashlib.sha1(head, usedforsecurity=False)).hexdigest()


def _append(opened: Hub, file: Wanted, tell: Callable[[], None]) -> None:
    """Appends what is missing to the part. Raises ``ServiceError`` ``hub.unreachable`` if it ends early."""
    size_bytes = file.remote.size_bytes
    with file.part.open("ab") as part:
        if part.tell() > size_bytes:
            part.truncate(0)
        if file.have_bytes < size_bytes:
            with hub.open_from(opened, file.remote, file.have_bytes) as (start, chunks):
                part.truncate(start)
                for chunk in chunks:
                    part.write(chunk)
                    part.flush()
                    tell()
        os.fsync(part.fileno())  # what counts as checked must outlive a power cut
    if file.have_bytes < size_bytes:
        raise ServiceError("hub.unreachable", host=host_of(opened.endpoint), detail="it ended too early")


def patiently(
    report: Report,
    patience: Iterable[float],
    action: Callable[[], _Result],
    progress: Callable[[], int] = lambda: 0,
) -> _Result:
    """Does something again where the failure may pass; every byte of progress renews the patience."""
    waits, before = list(patience), progress()
    while True:
        try:
            return action()
        except ServiceError as error:
            if progress() > before:
                waits, before = list(patience), progress()
            if error.code not in hub.PASSING or not waits:
                raise
            report.warn("hub.trying_again", reason=error.code, **error.values)
            asked = error.values.get("wait_seconds")
            asked_seconds = min(asked, _LONGEST_WAIT_SECONDS) if isinstance(asked, int) else 0
            _wait(report, max(waits.pop(0), asked_seconds))


def _wait(report: Report, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        report.stop_if_asked()
        time.sleep(min(left, 0.1))


def _make_bundle(model: CatalogueModel, wanted: dict[str, Wanted], report: Report) -> Bundle:
    about = About(
        licence=model.licence,
        terms=" ".join(filter(None, (model.terms, model.terms_link))),
        base=model.base,
        intended_use=model.purpose,
        source=f"{model.repo}@{wanted[MODEL].remote.commit}",
    )
    mmproj = wanted[MMPROJ].kept if MMPROJ in wanted else None
    return add_model(wanted[MODEL].kept, mmproj, model.name, _Quiet(report), about)
