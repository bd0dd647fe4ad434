"""The export job: pairs become a dataset, a folder with splits, pictures, manifest and card.

It is written beside its place and renamed into it when all of it is there and reads back equal.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from dermagui import __version__
from dermagui.datasets.card import dataset_card
from dermagui.datasets.duplicates import cluster_names
from dermagui.datasets.formats import FORMATS, can_carry, read_rows, same, write_rows
from dermagui.datasets.manifest import (
    MANIFEST_NAME,
    DatasetFacts,
    Generator,
    Tally,
    build_manifest,
    describe_file,
    manifest_text,
)
from dermagui.datasets.pseudonyms import pseudonym
from dermagui.datasets.splits import Assignment, assign_splits, parse_ratios
from dermagui.errors import DataError, UserError, from_os_error
from dermagui.jobs.report import Report
from dermagui.jobs.work import Parameters
from dermagui.jobs.workers import worker_pool
from dermagui.library.pixels import cached_pixels
from dermagui.paths import display_path
from dermagui.records import (
    ACCEPTED_STATES,
    Changes,
    ExportFormat,
    ExportRow,
    PairState,
    Picture,
    PixelRecipe,
    Progress,
    Region,
    Source,
    Split,
)
from dermagui.storage import images, metadata, sources
from dermagui.storage.database import Row, Store
from dermagui.storage.datasets import (
    Exportable,
    ImageOrigin,
    exportable_pairs,
    image_origins,
    remove_dataset,
    save_dataset,
    stored_splits,
)
from dermagui.storage.moments import new_uid, now

_CLINICAL = ("modality", "diagnosis", "malignancy", "age", "sex", "body_site", "fitzpatrick", "monk")
_NAMED_AT_MOST = 10
_COMPETING = "The service's terms forbid using its answers to build models that compete with it."


@dataclass(slots=True)
class _Export:
    """All that the parts of an export need to know of each other."""

    store: Store
    format: ExportFormat
    secret: bytes
    keep_names: bool
    pairs: list[Exportable] = field(default_factory=list)
    origins: dict[int, ImageOrigin] = field(default_factory=dict)
    fields: dict[int, dict[str, tuple[Row, ...]]] = field(default_factory=dict)
    sources: dict[int, Source] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    def name(self, kind: str, value: str) -> str:
        """A name as it stands in the export: a pseudonym, unless names are kept."""
        if not value:
            return ""
        return value if self.keep_names else pseudonym(self.secret, kind, value)

    def image_name(self, image_id: int) -> str:
        """The path of an image in the export."""
        origin = self.origins[image_id]
        name = pseudonym(self.secret, "image", f"{origin.sha256}:{origin.frame}")
        return f"images/{name}.jpg"


def run(store: Store, parameters: Parameters, report: Report) -> Changes:
    """Writes a dataset. Raises ``UserError``: ``export.exists``, ``export.nothing``, ``split.leakage``, what
    the disk refuses, or ``image.originals_missing``.
    """
    out = Path(os.fsdecode(bytes.fromhex(parameters["out"])))
    ratios = parse_ratios(parameters["split"])
    seed = int(parameters["seed"])
    _refuse_existing(out)
    export = _gather(store, parameters)
    assignment = _assign(export, seed, ratios)
    rows = list(_rows(export, assignment))
    if not rows:
        raise UserError("export.nothing", refused=sum(export.refused.values()))
    beside = out.with_name(f"{out.name}.{new_uid()[-12:]}.part")
    try:
        beside.mkdir(parents=True)
        tally = Tally()
        files = _write_splits(export, beside, rows, tally)
        if parameters["images"]:
            recipe = PixelRecipe(longest_side=parameters["longest_side"])
            files += _write_images(export, beside, _images_of(export, rows), recipe, report)
        facts = _facts(export, out, seed, ratios, tally, assignment)
        manifest = _write_words(beside, facts, files)
        _keep(export, out, beside, seed, manifest, assignment, rows)
    except OSError as error:
        raise from_os_error(error, beside) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    _tell(export, assignment, tally, report)
    split_counts = {split.value: sum(row.split is split for row in rows) for split in Split}
    return Changes(("datasets",), {"pairs": len(rows), "images": len(tally.images), **split_counts})


def _refuse_existing(out: Path) -> None:
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UserError("export.exists", path=display_path(out))
    except OSError as error:
        raise from_os_error(error, out) from error


def _gather(store: Store, parameters: Parameters) -> _Export:
    states = tuple(PairState) if parameters["state"] == "all" else ACCEPTED_STATES
    export = _Export(
        store,
        ExportFormat(parameters["format"]),
        bytes.fromhex(store.fact("secret")),
        bool(parameters["keep_names"]),
    )
    export.pairs = list(exportable_pairs(store, states=states, simulated=bool(parameters["simulated"])))
    image_ids = sorted({image.image_id for found in export.pairs for image in found.pair.images})
    export.origins = image_origins(store, image_ids)
    export.fields = metadata.fields_of_images(store, image_ids)
    export.sources = {source.id: source for source in sources.list_sources(store)}
    return export


def _assign(export: _Export, seed: int, ratios: tuple[float, float, float]) -> Assignment:
    """Splits by group. Stored keys are pseudonyms: the table of splits must not keep patients' names."""
    clusters = cluster_names(
        {origin.pixel_hash: origin.perceptual_hash for origin in export.origins.values()}
    )
    keys = {found.pair.uid: _keys(export, found, clusters) for found in export.pairs}
    kept = stored_splits(export.store, seed)
    known = {key for row in keys.values() for key in row}
    stored = {key: kept[name] for key in known if (name := _group_name(export, key)) in kept}
    assignment = assign_splits(keys, stored, seed, ratios)
    torn = [leak for leak in assignment.leaks if leak.refused]
    if torn:
        named = [f"{leak.kind} {leak.key.partition(':')[2]}" for leak in torn[:_NAMED_AT_MOST]]
        raise UserError("split.leakage", count=len(torn), named=named, seed=seed)
    return assignment


def _keys(export: _Export, found: Exportable, clusters: Mapping[str, str]) -> list[str]:
    keys: list[str] = []
    for image in found.pair.images:
        origin = export.origins.get(image.image_id)
        if origin is not None:
            keys += [f"patient:{patient}" for patient in origin.patients]
            keys += [f"lesion:{lesion}" for lesion in origin.lesions]
            if origin.pixel_hash in clusters:
                keys.append(f"cluster:{clusters[origin.pixel_hash]}")
            keys.append(f"image:{origin.pixel_hash}")
    return keys


def _group_name(export: _Export, key: str) -> str:
    return pseudonym(export.secret, "group", key)


def _rows(export: _Export, assignment: Assignment) -> Iterator[ExportRow]:
    for found in export.pairs:
        row = _row(export, found, assignment.splits[found.pair.uid])
        reason = can_carry(row, export.format)
        if reason:
            export.refused[reason] += 1
        else:
            yield row


def _row(export: _Export, found: Exportable, split: Split) -> ExportRow:
    pair = found.pair
    known = [image.image_id for image in pair.images if image.image_id in export.origins]
    return ExportRow(
        uid=pair.uid,
        kind=pair.kind,
        split=split,
        turns=found.turns,
        generated_turns=pair.turns,
        images=tuple(export.image_name(image) for image in known),
        payload=_payload(found),
        provenance=_provenance(export, found, [export.origins[image] for image in known], known),
    )


def _payload(found: Exportable) -> dict[str, object]:
    """What the kind needs besides turns, and the regions that the pair speaks of."""
    regions = [_box(image.region) for image in found.pair.images]
    return found.pair.payload | ({"regions": regions} if any(regions) else {})


def _box(region: Region | None) -> list[int] | None:
    return [region.x, region.y, region.width, region.height] if region else None


def _provenance(
    export: _Export, found: Exportable, origins: list[ImageOrigin], image_ids: list[int]
) -> dict[str, object]:
    """Flat columns, of the same types in every row. Patients and people bear pseudonyms."""
    held_by = [export.sources[source] for source in sorted({s for origin in origins for s in origin.sources})]
    said = export.fields.get(image_ids[0], {}) if image_ids else {}
    told: dict[str, object] = {
        "source": "; ".join(source.name for source in held_by),
        "licence": "; ".join(sorted(_licences(export, image_ids, held_by))),
        "patient": "; ".join(export.name("patient", p) for origin in origins for p in origin.patients),
        "lesion": "; ".join(export.name("lesion", p) for origin in origins for p in origin.lesions),
        "state": found.pair.state.value,
        "origin": "edited"
        if found.turns != found.pair.turns
        else ("model" if found.pair.request_uid else "person"),
        "read_by_person": bool(found.readers),
        "readers": len(found.readers),
        "people": "; ".join(export.name("person", person) for person in found.people),
        "simulated": found.pair.simulated,
        "flags": "; ".join(sorted({flag.kind.value for flag in found.pair.flags})),
        "created_at": found.pair.created_at,
        "run": found.pair.run_uid or "",
        "question_key": found.pair.question_key or "",
        **found.origin,
        **{name: said[name][0]["value"] if name in said else "" for name in _CLINICAL},
    }
    if export.keep_names:
        told["file"] = "; ".join(origin.path for origin in origins)
        told["image_sha256"] = "; ".join(origin.sha256 for origin in origins)
    return told


def _licences(export: _Export, image_ids: Iterable[int], held_by: Iterable[Source]) -> set[str]:
    """The licences of the sources, and what the metadata says of these very images."""
    own = {row["value"] for image in image_ids for row in export.fields.get(image, {}).get("licence", ())}
    return own | {source.licence for source in held_by if source.licence}


def _write_splits(
    export: _Export, folder: Path, rows: list[ExportRow], tally: Tally
) -> list[dict[str, object]]:
    files = []
    for split in Split:
        part = [row for row in rows if row.split is split]
        if not part:
            continue
        name = f"{split}{FORMATS[export.format].suffix}"
        with (folder / name).open("wb") as file:
            write_rows(tally.counted(part), file, export.format)
            file.flush()
            os.fsync(file.fileno())
        _compare(folder / name, part, export.format)
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


def _images_of(export: _Export, rows: list[ExportRow]) -> dict[str, int]:
    """The images of the exported rows: path in the export → image."""
    wanted = {path for row in rows for path in row.images}
    return {name: image for image in export.origins if (name := export.image_name(image)) in wanted}


def _write_images(
    export: _Export, folder: Path, names: Mapping[str, int], recipe: PixelRecipe, report: Report
) -> list[dict[str, object]]:
    """Renders the pictures from their pixels alone: no byte of the original file goes along."""
    (folder / "images").mkdir()
    cache = export.store.folder / "cache" / "pixels"
    work = [
        (folder / name, export.origins[image].sha256, images.picture_of(export.store, image), image)
        for name, image in names.items()
    ]
    redactions = {image: images.redactions_of(export.store, image) for image in names.values()}
    jobs = [(path, sha256, picture, redactions[image]) for path, sha256, picture, image in work]
    files = []
    with worker_pool(min(os.cpu_count() or 1, max(1, len(jobs)))) as pool:
        for done, path in enumerate(pool.map(partial(write_image, cache, recipe), jobs, chunksize=4), 1):
            report.progress(Progress(done, len(jobs), "pictures"))
            if report.stop_asked():
                pool.shutdown(cancel_futures=True)
                report.stop_if_asked()
            files.append(describe_file(folder, path.relative_to(folder).as_posix()))
    return files


def write_image(
    cache: Path, recipe: PixelRecipe, work: tuple[Path, str, Picture, tuple[Region, ...]]
) -> Path:
    """What a worker does: one picture of the export."""
    path, sha256, picture, redactions = work
    path.write_bytes(cached_pixels(cache, sha256, picture, recipe, redactions).encoded)
    return path


def _facts(
    export: _Export,
    out: Path,
    seed: int,
    ratios: tuple[float, float, float],
    tally: Tally,
    assignment: Assignment,
) -> DatasetFacts:
    looks_alike = [
        replace(leak, key=export.name("cluster", leak.key)) for leak in assignment.leaks if not leak.refused
    ]
    versions = {
        f"bank {f.origin['bank']}": f.origin["bank_version"] for f in export.pairs if f.origin["bank"]
    }
    return DatasetFacts(
        name=display_path(out.name),
        format=export.format,
        created=now(),
        app_version=__version__,
        seed=seed,
        ratios=ratios,
        tally=tally,
        sources=_sources_with_licences(export),
        generators=_generators(export),
        leaks=looks_alike,
        refused=dict(export.refused),
        versions=versions,
    )


def _sources_with_licences(export: _Export) -> list[Source]:
    """Each source that holds a picture, once for every licence that its pictures are said to have."""
    found: set[Source] = set()
    for image, origin in export.origins.items():
        own = [row["value"] for row in export.fields.get(image, {}).get("licence", ())]
        for source in (export.sources[source] for source in origin.sources):
            found.update(replace(source, licence=licence) for licence in own or [source.licence])
    return sorted(found, key=lambda source: (source.id, source.licence))


def _generators(export: _Export) -> list[Generator]:
    origins = (found.origin for found in export.pairs if found.origin["provider"])
    distinct = {
        (o["provider"], o["model_version"] or o["model"], o["terms_date"], o["tier"]) for o in origins
    }
    return [Generator(*told, note=_COMPETING if told[0] == "gemini" else "") for told in sorted(distinct)]


def _write_words(folder: Path, facts: DatasetFacts, files: list[dict[str, object]]) -> dict[str, Any]:
    """The card, which is told from the manifest, and the manifest, which holds the card's hash."""
    card = dataset_card(build_manifest(facts, files))
    (folder / "README.md").write_text(card, encoding="utf-8")
    manifest = build_manifest(facts, [*files, describe_file(folder, "README.md")])
    (folder / MANIFEST_NAME).write_text(manifest_text(manifest), encoding="utf-8")
    return manifest


def _keep(
    export: _Export,
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
        export.store,
        uid=uid,
        name=display_path(out.name),
        path=display_path(out),
        export_format=export.format,
        seed=seed,
        manifest=manifest,
        splits={_group_name(export, key): split for key, split in assignment.new.items()},
        pairs=[(row.uid, _text_hash(row), row.split) for row in rows],
    )
    try:
        if out.exists():
            out.rmdir()  # it was empty; Windows renames onto nothing
        beside.rename(out)
    except OSError:
        remove_dataset(export.store, uid)
        raise


def _text_hash(row: ExportRow) -> str:
    return hashlib.sha256("\n".join(f"{turn.role}: {turn.text}" for turn in row.turns).encode()).hexdigest()


def _tell(export: _Export, assignment: Assignment, tally: Tally, report: Report) -> None:
    if tally.without_patient:
        report.warn("export.without_patient", count=tally.without_patient)
    looks_alike = [leak for leak in assignment.leaks if not leak.refused]
    if looks_alike:
        pairs = sorted({uid for leak in looks_alike for uid in leak.rows})[:_NAMED_AT_MOST]
        report.warn("export.near_duplicates", count=len(looks_alike), pairs=pairs)
    for reason, count in export.refused.items():
        report.warn("export.refused_rows", count=count, reason=reason)
