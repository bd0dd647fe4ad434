"""The manifest: what it counts, and every change of a folder that it notices."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from dermagui.datasets.manifest import (
    NOTICE,
    DatasetFacts,
    Generator,
    Problem,
    Tally,
    build_manifest,
    describe_file,
    manifest_text,
    verify_manifest,
)
from dermagui.datasets.splits import Leak
from dermagui.records import ExportFormat, Source, Split
from tests.datasets.golden_rows import ROWS, provenance


def tally_of_all() -> Tally:
    tally = Tally()
    assert list(tally.counted(ROWS)) == list(ROWS)
    return tally


def facts(**changed: object) -> DatasetFacts:
    told: dict[str, object] = {
        "name": "Naevi | 2026",
        "format": ExportFormat.MESSAGES,
        "created": "2026-05-01T10:00:00.000Z",
        "app_version": "0.1.0",
        "seed": 7,
        "ratios": (0.8, 0.1, 0.1),
        "tally": tally_of_all(),
        "sources": [
            Source(1, "Atlas", "", "CC BY-NC 4.0", "A. Author"),
            Source(2, "Clinic", "", "CC BY 4.0"),
        ],
        "generators": [Generator("gemini", "gemini-3-flash", "2026-04-01", "paid", "No competing models.")],
        "leaks": [Leak("cluster", "cluster:k", (Split.TRAIN, Split.TEST), ("a", "b"))],
        "refused": {"row.dialogue": 3},
        "versions": {"bank": "general 3"},
    }
    return DatasetFacts(**{**told, **changed})  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset with one file of rows and one image, and its manifest."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "äb.jpg").write_bytes(b"\xff\xd8picture")
    (tmp_path / "train.jsonl").write_bytes(b"{}\n" * 12)
    files = [
        describe_file(tmp_path, "train.jsonl", Split.TRAIN, 12),
        describe_file(tmp_path, "images/äb.jpg"),
    ]
    text = manifest_text(build_manifest(facts(), files))
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    return tmp_path


def read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def test_counts_are_those_of_the_rows() -> None:
    tally = Tally()
    rows = [
        *ROWS,
        replace(ROWS[1], provenance=provenance(read_by_person=False, simulated=True, patient="")),
        replace(ROWS[1], provenance=provenance(flags="leak")),
        replace(ROWS[1], provenance=provenance(flags="leak; length", state="edited")),
    ]
    for row in rows:
        tally.add(row)
    counts = tally.as_counts()
    assert counts["pairs"] == 15
    assert counts["images"] == 2
    assert counts["read_by_person"] == 14
    assert counts["simulated"] == 1
    assert counts["flagged"] == 1, "who rewrites a pair answers its flags"
    assert counts["without_patient"] == 1, "a text without pictures has no patient to lack"
    assert counts["by"]["split"] == {"train": 13, "test": 1, "validation": 1}  # type: ignore[index]
    assert counts["by"]["kind"]["choice"] == 3  # type: ignore[index]
    assert counts["by"]["state"] == {"accepted": 13, "edited": 2}  # type: ignore[index]
    assert counts["by"]["source"] == {"2024-03-12": 14, "Lehrbuch, 2. Auflage": 1}  # type: ignore[index]


def test_the_manifest_tells_it_all(folder: Path) -> None:
    told = read(folder)
    assert told["schema_version"] == 1
    assert told["notice"] == NOTICE
    assert told["splits"]["ratios"] == {"train": 0.8, "validation": 0.1, "test": 0.1}
    assert told["splits"]["near_duplicates"][0]["rows"] == ["a", "b"]
    assert told["licences"]["strictest"]["sources"] == ["Atlas"]
    assert told["generators"][0]["terms_date"] == "2026-04-01"
    assert told["counts"]["refused"] == {"row.dialogue": 3}
    assert told["files"][0] == {
        "path": "train.jsonl",
        "size_bytes": 36,
        "sha256": sha256(b"{}\n" * 12).hexdigest(),
        "split": "train",
        "pairs": 12,
    }


def test_an_untouched_folder_has_no_problems(folder: Path) -> None:
    assert verify_manifest(folder) == []


def test_every_change_is_noticed(folder: Path) -> None:
    (folder / "train.jsonl").write_bytes(b"{}\n" * 11 + b"[]\n")
    (folder / "images" / "äb.jpg").unlink()
    (folder / "images" / "new.jpg").write_bytes(b"")
    assert verify_manifest(folder) == [
        Problem("manifest.file_changed", "train.jsonl"),
        Problem("manifest.file_missing", "images/äb.jpg"),
        Problem("manifest.file_unlisted", "images/new.jpg"),
    ]


def test_a_manifest_that_points_outside_its_folder_is_told(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret"
    secret.write_text("x")
    told = read(folder)
    told["files"] = [{"path": path} for path in (str(secret), f"../{secret.parent.name}/secret")]
    (folder / "manifest.json").write_text(json.dumps(told))
    assert {problem.code for problem in verify_manifest(folder)[:2]} == {"manifest.path_outside"}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 3, "schema_version": 1}', '{"files": []}', "\0"])
def test_a_broken_manifest_is_told(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    assert verify_manifest(folder) == [Problem("manifest.unreadable", "manifest.json")]


def test_no_manifest_and_one_of_the_future(folder: Path) -> None:
    told = read(folder) | {"schema_version": 2}
    (folder / "manifest.json").write_text(json.dumps(told))
    assert verify_manifest(folder) == [Problem("manifest.newer", "manifest.json")]
    (folder / "manifest.json").unlink()
    assert verify_manifest(folder) == [Problem("manifest.missing", "manifest.json")]
