"""The export job: pairs become a dataset, a folder with splits, pictures, manifest and card.

It is written beside its place and renamed into it when all of it is there and reads back equal.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from glob import escape
from pathlib import Path
from typing import Any

from dermagui import __version__
from dermagui.datasets.card import dataset_card
from dermagui.datasets.formats import FORMATS, read_rows, same, write_rows
from dermagui.datasets.gathering import (
    Gathered,
    assign,
    gather,
    generators,
    group_name,
    rows_of,
    sources_with_licences,
)
from dermagui.datasets.manifest import (
    MANIFEST_NAME,
    DatasetFacts,
    Tally,
    build_manifest,
    describe_file,
    manifest_text,
)
from dermagui.datasets.splits import Assignment, Ratios, parse_ratios
from dermagui.errors import DataError, Stopped, UserError, from_os_error
from dermagui.jobs.report import Report
from dermagui.jobs.work import Parameters
from dermagui.jobs.workers import worker_pool
from dermagui.library.pixels import cached_pixels, prepared_pixels
from dermagui.paths import display_path
from dermagui.records import (
    Changes,
    ExportFormat,
    ExportRow,
    Picture,
    PixelRecipe,
    Progress,
    Region,
    Split,
)
from dermagui.storage import images, sources
from dermagui.storage.database import Store
from dermagui.storage.datasets import (
    remove_dataset,
    save_dataset,
)
from dermagui.storage.moments import new_uid, now

_NAMED_AT_MOST = 10
_MARK = 12
"""Letters that tell the unfinished folders of an export apart."""


def export_parameters(
    out: Path,
    export_format: ExportFormat,
    *,
    state: str = "accepted",
    simulated: bool = False,
    unflagged: bool = False,
    split: str = "80/10/10",
    seed: int = 0,
    longest_side: int = 1024,
    keep_names: bool = False,
    images: bool = True,
) -> Parameters:
    """What the job is started with. ``state`` is ``accepted`` or ``all``, ``split`` shares in percent;
    ``unflagged`` leaves out what a check flagged and nobody has rewritten.
    """
    return {
        "out": os.fsencode(out.resolve()).hex(),
        "format": export_format.value,
        "state": state,
        "simulated": simulated,
        "unflagged": unflagged,
        "split": split,
        "seed": seed,
        "longest_side": longest_side,
        "keep_names": keep_names,
        "images": images,
    }


def run(store: Store, parameters: Parameters, report: Report) -> Changes:
    """Writes a dataset. Raises ``UserError``: ``export.exists``, ``export.nothing``, ``split.leakage``, what
    the disk refuses. Pairs whose pictures are gone or missing are left out and counted.
    """
    check(store, parameters)
    return write_dataset(store, parameters, report)


def check(store: Store, parameters: Parameters) -> None:
    """Raises what can be known of an export before it begins: where it shall lie, and its shares."""
    parse_ratios(parameters["split"])
    _refuse_place(store, _place_of(parameters))


def write_dataset(store: Store, parameters: Parameters, report: Report) -> Changes:
    """The same wherever it is: a training keeps its own in the project."""
    out = _place_of(parameters)
    ratios = parse_ratios(parameters["split"])
    seed = int(parameters["seed"])
    gathered = gather(store, parameters)
    recipe = PixelRecipe(longest_side=parameters["longest_side"])
    if parameters["images"]:
        gathered.unavailable = {
            image for image in gathered.origins if _picture_of(gathered, image, recipe) is None
        }
    rows = rows_of(gathered)
    if not rows and not gathered.refused and not parameters["simulated"]:
        _refuse_only_simulated(store, parameters)
    if not rows:
        raise UserError("export.nothing", refused=sum(gathered.refused.values()))
    assignment = assign(gathered, seed, ratios)
    rows = [replace(row, split=assignment.splits[row.uid]) for row in rows]
    _remove_unfinished(out)
    beside = out.with_name(f"{out.name}.{new_uid()[-_MARK:]}.part")
    try:
        beside.mkdir(parents=True)
        tally = Tally()
        files = _write_splits(gathered, beside, rows, tally)
        if parameters["images"]:
            files += _write_images(gathered, beside, _images_of(gathered, rows), recipe, report)
        facts = _facts(gathered, out, seed, ratios, tally, assignment)
        manifest = _write_words(beside, facts, files)
        _keep(gathered, out, beside, seed, manifest, assignment, rows)
    except OSError as error:
        raise from_os_error(error, beside) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    _tell(gathered, assignment, tally, report)
    split_counts = {split.value: sum(row.split is split for row in rows) for split in Split}
    return Changes(("datasets",), {"pairs": len(rows), "images": len(tally.images), **split_counts})


def _place_of(parameters: Parameters) -> Path:
    return Path(os.fsdecode(bytes.fromhex(parameters["out"])))


def _refuse_only_simulated(store: Store, parameters: Parameters) -> None:
    rehearsed = gather(store, {**parameters, "simulated": True}).pairs
    if rehearsed:
        raise UserError("export.only_simulated", count=len(rehearsed))


def _refuse_place(store: Store, out: Path) -> None:
    """An export among pictures would be added as pictures; one in the project would be lost with it."""
    place = out.resolve()
    if store.folder.resolve() in (place, *place.parents):
        raise UserError("export.inside_project", path=display_path(out))
    for source in sources.list_sources(store):
        if Path(source.root).resolve() in (place, *place.parents):
            raise UserError("export.inside_source", path=display_path(out))
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UserError("export.exists", path=display_path(out))
    except OSError as error:
        raise from_os_error(error, out) from error


def _remove_unfinished(out: Path) -> None:
    """What a killed export left beside its place: pictures and answers that nobody would look for there."""
    for path in out.parent.glob(f"{escape(out.name)}.{'[0-9a-f]' * _MARK}.part"):
        shutil.rmtree(path, ignore_errors=True)


def _write_splits(
    gathered: Gathered, folder: Path, rows: list[ExportRow], tally: Tally
) -> list[dict[str, object]]:
    files = []
    for split in Split:
        part = [row for row in rows if row.split is split]
        if not part:
            continue
        name = f"{split}{FORMATS[gathered.format].suffix}"
        with (folder / name).open("wb") as file:
            write_rows(tally.counted(part), file, gathered.format)
            file.flush()
            os.fsync(file.fileno())
        _compare(folder / name, part, gathered.format)
        files.append(describe_file(folder, name, split, len(part)))
    return files


def _compare(path: Path, rows: list[ExportRow], export_format: ExportFormat) -> None:
    """Reads the file back: what was written must be what was meant, row by row."""
    expected = {row.uid: row for row in rows}
    with path.open("rb") as file:
        for read in read_rows(file, export_format):
            row = expected.pop(read.uid, None)
            if row is None or not same(row, read, export_format):
                raise DataError("export.differs", path=path.name, pair=read.uid)
    if expected:
        raise DataError("export.differs", path=path.name, pair=next(iter(expected)))


def _images_of(gathered: Gathered, rows: list[ExportRow]) -> dict[str, int]:
    """The images of the exported rows: path in the export → image."""
    wanted = {path for row in rows for path in row.images}
    return {name: image for image in gathered.origins if (name := gathered.image_name(image)) in wanted}


def _write_images(
    gathered: Gathered, folder: Path, names: Mapping[str, int], recipe: PixelRecipe, report: Report
) -> list[dict[str, object]]:
    """Renders the pictures from their pixels alone: no byte of the original file goes along."""
    (folder / "images").mkdir()
    cache = gathered.store.folder / "cache" / "pixels"
    jobs = []
    for name, image in names.items():
        picture = _picture_of(gathered, image, recipe)
        if picture is None:  # it went after the rows were written: no dataset names what it has not
            raise UserError("image.originals_missing", image=image)
        redactions = images.redactions_of(gathered.store, image)
        jobs.append((folder / name, gathered.origins[image].sha256, picture, redactions))
    files = []
    try:
        with worker_pool(min(os.cpu_count() or 1, max(1, len(jobs)))) as pool:
            for done, path in enumerate(pool.map(partial(write_image, cache, recipe), jobs, chunksize=4), 1):
                report.progress(Progress(done, len(jobs), "pictures"))
                if report.stop_asked():
                    pool.shutdown(cancel_futures=True)
                    report.stop_if_asked()
                files.append(describe_file(folder, path.relative_to(folder).as_posix()))
    except BrokenProcessPool as error:  # where memory runs out, the system kills whoever has most
        raise Stopped("job.died") from error
    return files


def _picture_of(gathered: Gathered, image_id: int, recipe: PixelRecipe) -> Picture | None:
    """Where the picture is to be had: its file or, where that is missing, what was prepared of it before."""
    try:
        return images.picture_of(gathered.store, image_id)
    except UserError:
        origin = gathered.origins[image_id]
        redactions = images.redactions_of(gathered.store, image_id)
        cache = gathered.store.folder / "cache" / "pixels"
        kept = prepared_pixels(cache, origin.sha256, origin.frame, recipe, redactions)
        return Picture(origin.path, origin.frame) if kept else None


def write_image(
    cache: Path, recipe: PixelRecipe, work: tuple[Path, str, Picture, tuple[Region, ...]]
) -> Path:
    """What a worker does: one picture of the export."""
    path, sha256, picture, redactions = work
    path.write_bytes(cached_pixels(cache, sha256, picture, recipe, redactions).encoded)
    return path


def _facts(
    gathered: Gathered,
    out: Path,
    seed: int,
    ratios: Ratios,
    tally: Tally,
    assignment: Assignment,
) -> DatasetFacts:
    looks_alike = [
        replace(leak, key=gathered.name("cluster", leak.key)) for leak in assignment.leaks if not leak.refused
    ]
    versions = {
        f"bank {f.origin['bank']}": f.origin["bank_version"] for f in gathered.pairs if f.origin["bank"]
    }
    return DatasetFacts(
        name=display_path(out.name),
        format=gathered.format,
        created=now(),
        app_version=__version__,
        seed=seed,
        ratios=ratios,
        tally=tally,
        sources=sources_with_licences(gathered),
        generators=generators(gathered),
        leaks=looks_alike,
        refused=dict(gathered.refused),
        versions=versions,
    )


def _write_words(folder: Path, facts: DatasetFacts, files: list[dict[str, object]]) -> dict[str, Any]:
    """The card, which is told from the manifest, and the manifest, which holds the card's hash."""
    card = dataset_card(build_manifest(facts, files))
    (folder / "README.md").write_text(card, encoding="utf-8")
    manifest = build_manifest(facts, [*files, describe_file(folder, "README.md")])
    (folder / MANIFEST_NAME).write_text(manifest_text(manifest), encoding="utf-8")
    return manifest


def _keep(
    gathered: Gathered,
    out: Path,
    beside: Path,
    seed: int,
    manifest: dict[str, Any],
    assignment: Assignment,
    rows: list[ExportRow],
) -> None:
    """Keeps the dataset in the project, then puts the folder into its place."""
    uid = new_uid()
    save_dataset(
        gathered.store,
        uid=uid,
        name=display_path(out.name),
        path=display_path(out),
        export_format=gathered.format,
        seed=seed,
        manifest=manifest,
        splits={group_name(gathered, key): split for key, split in assignment.new.items()},
        pairs=[(row.uid, _text_hash(row), row.split) for row in rows],
    )
    try:
        if out.exists():
            out.rmdir()  # it was empty; Windows renames onto nothing
        beside.rename(out)
    except OSError:
        remove_dataset(gathered.store, uid)
        raise


def _text_hash(row: ExportRow) -> str:
    return hashlib.sha256("\n".join(f"{turn.role}: {turn.text}" for turn in row.turns).encode()).hexdigest()


def _tell(gathered: Gathered, assignment: Assignment, tally: Tally, report: Report) -> None:
    if tally.without_patient:
        report.warn("export.without_patient", count=tally.without_patient)
    looks_alike = [leak for leak in assignment.leaks if not leak.refused]
    if looks_alike:
        pairs = sorted({uid for leak in looks_alike for uid in leak.rows})[:_NAMED_AT_MOST]
        report.warn("export.near_duplicates", count=len(looks_alike), pairs=pairs)
    for reason, count in gathered.refused.items():
        report.warn("export.refused_rows", count=count, reason=reason)
