"""What an export is made of: the pairs, where their images lie, which split each belongs to, and its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from dermagui.datasets.duplicates import cluster_names
from dermagui.datasets.formats import can_carry
from dermagui.datasets.manifest import Generator
from dermagui.datasets.pseudonyms import pseudonym
from dermagui.datasets.splits import Assignment, Ratios, assign_splits
from dermagui.errors import UserError
from dermagui.jobs.work import Parameters
from dermagui.records import ACCEPTED_STATES, ExportFormat, ExportRow, PairState, Region, Source, Split
from dermagui.storage import metadata, sources
from dermagui.storage.database import Row, Store
from dermagui.storage.datasets import (
    Exportable,
    ImageOrigin,
    exportable_pairs,
    exportable_preferences,
    image_origins,
    stored_splits,
)

_CLINICAL = ("modality", "diagnosis", "malignancy", "age", "sex", "body_site", "fitzpatrick", "monk")
_NAMED_AT_MOST = 10
_COMPETING = "The service's terms forbid using its answers to build models that compete with it."


@dataclass(slots=True)
class Gathered:
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
    unavailable: set[int] = field(default_factory=set)
    """Images of which neither a file nor prepared pixels can be found: their pairs are left out."""

    def name(self, kind: str, value: str) -> str:
        """A name as it stands in the export: a pseudonym, unless names are kept."""
        if not value:
            return ""
        return value if self.keep_names else pseudonym(self.secret, kind, value)

    def source_name(self, source: Source) -> str:
        """The same for a source: two folders of one name are two sources."""
        return source.name if self.keep_names else pseudonym(self.secret, "source", str(source.id))

    def image_name(self, image_id: int) -> str:
        """The path of an image in the export."""
        origin = self.origins[image_id]
        name = pseudonym(self.secret, "image", f"{origin.sha256}:{origin.frame}")
        return f"images/{name}.jpg"


def gather(store: Store, parameters: Parameters) -> Gathered:
    """The pairs that the parameters of an export ask for, with their images."""
    states = tuple(PairState) if parameters["state"] == "all" else ACCEPTED_STATES
    gathered = Gathered(
        store,
        ExportFormat(parameters["format"]),
        bytes.fromhex(store.fact("secret")),
        bool(parameters["keep_names"]),
    )
    gathered.pairs = list(
        exportable_pairs(
            store,
            states=states,
            simulated=bool(parameters["simulated"]),
            unflagged=bool(parameters.get("unflagged")),
        )
    )
    if gathered.format is ExportFormat.PREFERENCE:
        gathered.pairs += exportable_preferences(store)
    image_ids = sorted({image.image_id for found in gathered.pairs for image in found.pair.images})
    gathered.origins = image_origins(store, image_ids)
    gathered.fields = metadata.fields_of_images(store, image_ids)
    gathered.sources = {source.id: source for source in sources.list_sources(store)}
    return gathered


def assign(gathered: Gathered, seed: int, ratios: Ratios) -> Assignment:
    """Splits by group. Stored keys are pseudonyms: the table of splits must not keep patients' names."""
    clusters = cluster_names(
        {origin.pixel_hash: origin.perceptual_hash for origin in gathered.origins.values()}
    )
    keys = {found.pair.uid: _keys(gathered, found, clusters) for found in gathered.pairs}
    kept = stored_splits(gathered.store, seed)
    known = {key for row in keys.values() for key in row}
    stored = {key: kept[name] for key in known if (name := group_name(gathered, key)) in kept}
    assignment = assign_splits(keys, stored, seed, ratios)
    torn = [leak for leak in assignment.leaks if leak.refused]
    if torn:
        named = [f"{leak.kind} {leak.key.partition(':')[2]}" for leak in torn[:_NAMED_AT_MOST]]
        raise UserError("split.leakage", count=len(torn), named=named, seed=seed)
    return assignment


def _keys(gathered: Gathered, found: Exportable, clusters: Mapping[str, str]) -> list[str]:
    keys: list[str] = []
    for image in found.pair.images:
        origin = gathered.origins.get(image.image_id)
        if origin is not None:
            keys += [f"patient:{patient}" for patient in origin.patients]
            keys += [f"lesion:{lesion}" for lesion in origin.lesions]
            if origin.pixel_hash in clusters:
                keys.append(f"cluster:{clusters[origin.pixel_hash]}")
            keys.append(f"image:{origin.pixel_hash}")
    return keys


def group_name(gathered: Gathered, key: str) -> str:
    """The name under which a group's split is kept."""
    return pseudonym(gathered.secret, "group", key)


def rows_of(gathered: Gathered) -> list[ExportRow]:
    """The rows of an export, all for training until ``assign`` says which split each belongs to.

    Pairs that the format cannot carry, or whose pictures are gone, are counted and leave ``gathered``.
    """
    kept: list[Exportable] = []
    rows: list[ExportRow] = []
    for found in gathered.pairs:
        row = _row(gathered, found)
        reason = _image_refusal(gathered, found) or can_carry(row, gathered.format)
        if reason:
            gathered.refused[reason] += 1
        else:
            kept.append(found)
            rows.append(row)
    gathered.pairs = kept
    return rows


def _image_refusal(gathered: Gathered, found: Exportable) -> str | None:
    image_ids = {image.image_id for image in found.pair.images}
    if image_ids - gathered.origins.keys():
        return "row.image_gone"
    return "row.original_missing" if image_ids & gathered.unavailable else None


def _row(gathered: Gathered, found: Exportable) -> ExportRow:
    pair = found.pair
    known = [image.image_id for image in pair.images if image.image_id in gathered.origins]
    return ExportRow(
        uid=pair.uid,
        kind=pair.kind,
        split=Split.TRAIN,
        turns=found.turns,
        generated_turns=pair.turns,
        images=tuple(gathered.image_name(image) for image in known),
        payload=_payload(found),
        provenance=_provenance(gathered, found, [gathered.origins[image] for image in known], known),
    )


def _payload(found: Exportable) -> dict[str, object]:
    """What the kind needs besides turns, and the regions that the pair speaks of."""
    regions = [_box(image.region) for image in found.pair.images]
    return found.pair.payload | ({"regions": regions} if any(regions) else {})


def _box(region: Region | None) -> list[int] | None:
    return [region.x, region.y, region.width, region.height] if region else None


def _provenance(
    gathered: Gathered, found: Exportable, origins: list[ImageOrigin], image_ids: list[int]
) -> dict[str, object]:
    """Flat columns, of the same types in every row. Patients and people bear pseudonyms."""
    held_by = [
        gathered.sources[source] for source in sorted({s for origin in origins for s in origin.sources})
    ]
    said = gathered.fields.get(image_ids[0], {}) if image_ids else {}
    told: dict[str, object] = {
        "source": "; ".join(gathered.source_name(source) for source in held_by),
        "licence": "; ".join(sorted(_licences(gathered, image_ids, held_by))),
        "patient": "; ".join(gathered.name("patient", p) for origin in origins for p in origin.patients),
        "lesion": "; ".join(gathered.name("lesion", p) for origin in origins for p in origin.lesions),
        "state": found.pair.state.value,
        "origin": _written_by(found),
        "read_by_person": bool(found.readers),
        "readers": len(found.readers),
        "people": "; ".join(gathered.name("person", person) for person in found.people),
        "simulated": found.pair.simulated,
        "flags": "; ".join(sorted({flag.kind.value for flag in found.pair.flags})),
        "created_at": found.pair.created_at,
        "run": found.pair.run_uid or "",
        "question_key": found.pair.question_key or "",
        **found.origin,
        **{name: said[name][0]["value"] if name in said else "" for name in _CLINICAL},
    }
    if gathered.keep_names:
        told["file"] = "; ".join(origin.path for origin in origins)
        told["image_sha256"] = "; ".join(origin.sha256 for origin in origins)
    return told


def _written_by(found: Exportable) -> str:
    """Whose words these are: a person who edited, a model whose answer was preferred, a model, a person."""
    if "preference" in found.pair.payload:
        return "preferred"
    if found.turns != found.pair.turns:
        return "edited"
    return "model" if found.pair.request_uid or "chat" in found.pair.payload else "person"


def _licences(gathered: Gathered, image_ids: Iterable[int], held_by: Iterable[Source]) -> set[str]:
    """The licences of the sources, and what the metadata says of these very images."""
    own = {row["value"] for image in image_ids for row in gathered.fields.get(image, {}).get("licence", ())}
    return own | {source.licence for source in held_by if source.licence}


def sources_with_licences(gathered: Gathered) -> list[Source]:
    """Each source that holds a picture, once for every licence that its pictures are said to have."""
    found: set[Source] = set()
    for image, origin in gathered.origins.items():
        own = [row["value"] for row in gathered.fields.get(image, {}).get("licence", ())]
        for source in (gathered.sources[source] for source in origin.sources):
            # The folder of a hospital, or of a patient, is a name as well.
            named = replace(source, name=gathered.source_name(source))
            found.update(replace(named, licence=licence) for licence in own or [source.licence])
    return sorted(found, key=lambda source: (source.id, source.licence))


def generators(gathered: Gathered) -> list[Generator]:
    """The providers and models that wrote pairs, with the terms under which they did."""
    origins = (found.origin for found in gathered.pairs if found.origin["provider"])
    distinct = {
        (o["provider"], o["model_version"] or o["model"], o["terms_date"], o["tier"]) for o in origins
    }
    return [Generator(*told, note=_COMPETING if told[0] == "gemini" else "") for told in sorted(distinct)]
