"""``manifest.json``: what a dataset holds, how it came about, and the hashes that prove it unchanged."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import file_digest
from pathlib import Path
from typing import Any

from dermagui.datasets.licences import licence_summary
from dermagui.datasets.splits import Leak, Ratios
from dermagui.records import ExportFormat, ExportRow, PairState, Source, Split

MANIFEST_NAME = "manifest.json"
SCHEMA_VERSION = 1
NOTICE = "Research use only. Not a medical device. Do not use for diagnosis."

_COUNTED = ("state", "origin", "question_type", "source", "licence", "model_version")
"""Provenance columns that are counted by value."""


@dataclass(frozen=True, slots=True)
class Generator:
    """A provider whose model wrote pairs, and the terms under which it did."""

    provider: str
    model: str
    terms_date: str
    tier: str
    note: str = ""
    """What the terms forbid to do with the answers: building competing models, clinical use."""


@dataclass(slots=True)
class Tally:
    """Counts of rows, taken while they pass on their way to the file."""

    pairs: int = 0
    read_by_person: int = 0
    simulated: int = 0
    flagged: int = 0
    """A check found something in what the model wrote, and the text still is the model's."""
    without_patient: int = 0
    images: set[str] = field(default_factory=set)
    by: dict[str, Counter[str]] = field(default_factory=dict)

    def counted(self, rows: Iterable[ExportRow]) -> Iterator[ExportRow]:
        """The same rows, each counted as it passes."""
        for row in rows:
            self.add(row)
            yield row

    def add(self, row: ExportRow) -> None:
        """Count one row. A row without pictures is not counted as lacking a patient."""
        told = row.provenance
        self.pairs += 1
        self.read_by_person += bool(told.get("read_by_person"))
        self.simulated += bool(told.get("simulated"))
        self.flagged += bool(told.get("flags")) and told.get("state") != PairState.EDITED
        self.without_patient += bool(row.images) and not told.get("patient")
        self.images.update(row.images)
        values = {"split": row.split.value, "kind": row.kind.value}
        values |= {name: str(told[name]) for name in _COUNTED if name in told}
        for name, value in values.items():
            self.by.setdefault(name, Counter())[value] += 1

    def as_counts(self) -> dict[str, object]:
        """The counts as the manifest holds them, the most frequent value first."""
        return {
            "pairs": self.pairs,
            "images": len(self.images),
            "read_by_person": self.read_by_person,
            "simulated": self.simulated,
            "flagged": self.flagged,
            "without_patient": self.without_patient,
            "by": {name: dict(counter.most_common()) for name, counter in self.by.items()},
        }


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """All that the manifest says but the files."""

    name: str
    format: ExportFormat
    created: str
    app_version: str
    seed: int
    ratios: Ratios
    tally: Tally
    sources: Sequence[Source]
    """Every source that holds one of the pictures: the terms are the union."""
    generators: Sequence[Generator] = ()
    leaks: Sequence[Leak] = ()
    """Near-duplicates that lie in several splits."""
    refused: Mapping[str, int] = field(default_factory=dict)
    """Rows that the format cannot carry, by reason."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of banks, prompts, pixel recipe and libraries."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a dataset's folder that is not as its manifest says: a code and the file."""

    code: str
    path: str


def build_manifest(facts: DatasetFacts, files: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """The manifest of a dataset; ``files`` come from ``describe_file``."""
    return {
        "schema": "dermagui-dataset",
        "schema_version": SCHEMA_VERSION,
        "name": facts.name,
        "notice": NOTICE,
        "format": facts.format.value,
        "created": facts.created,
        "app": {"name": "dermagui", "version": facts.app_version},
        "splits": {
            "seed": facts.seed,
            "ratios": {split.value: ratio for split, ratio in zip(Split, facts.ratios, strict=True)},
            "near_duplicates": [asdict(leak) for leak in facts.leaks],
        },
        "counts": {**facts.tally.as_counts(), "refused": dict(facts.refused)},
        "licences": licence_summary(facts.sources),
        "generators": [asdict(generator) for generator in facts.generators],
        "versions": dict(facts.versions),
        "files": list(files),
    }


def manifest_text(manifest: Mapping[str, object]) -> str:
    """The manifest as the text of its file."""
    return json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"


def describe_file(
    folder: Path, path: str, split: Split | None = None, pairs: int | None = None
) -> dict[str, object]:
    """A file's line in the manifest; a file of rows names its split and how many rows it has."""
    found: dict[str, object] = {"path": path, "size_bytes": (folder / path).stat().st_size}
    found["sha256"] = _sha256(folder / path)
    if split is not None:
        found |= {"split": split.value, "pairs": pairs}
    return found


def verify_manifest(folder: Path) -> list[Problem]:
    """Compare a dataset's folder with its manifest; no problems is an empty list.

    Codes: ``manifest.missing``, ``manifest.unreadable``, ``manifest.newer``, ``manifest.path_outside``,
    ``manifest.file_missing``, ``manifest.file_changed``, ``manifest.file_unlisted``.
    """
    try:
        manifest = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        listed = {str(line["path"]): line for line in manifest["files"]}
        version = int(manifest["schema_version"])
    except FileNotFoundError:
        return [Problem("manifest.missing", MANIFEST_NAME)]
    except (OSError, ValueError, KeyError, TypeError):
        return [Problem("manifest.unreadable", MANIFEST_NAME)]
    if version > SCHEMA_VERSION:
        return [Problem("manifest.newer", MANIFEST_NAME)]
    wrong = [Problem(code, path) for path, line in listed.items() if (code := _file_problem(folder, line))]
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return wrong + [
        Problem("manifest.file_unlisted", path) for path in sorted(present - listed.keys() - {MANIFEST_NAME})
    ]


def _file_problem(folder: Path, line: Mapping[str, Any]) -> str | None:
    path = folder / line["path"]
    if not path.resolve().is_relative_to(folder.resolve()):
        return "manifest.path_outside"
    if not path.is_file():
        return "manifest.file_missing"
    is_same = path.stat().st_size == line.get("size_bytes") and _sha256(path) == line.get("sha256")
    return None if is_same else "manifest.file_changed"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
