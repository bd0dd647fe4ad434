"""What the ``datasets`` library makes of our files, offline."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from dermagui.datasets.formats import write_rows
from dermagui.records import ExportFormat, ExportRow, Split
from tests.datasets.golden_rows import ROWS, carried, turns

if TYPE_CHECKING:
    import datasets

Load = Callable[[dict[str, Path]], "datasets.DatasetDict"]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads JSON files with a cache of this test's own."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    import datasets

    def load_files(files: dict[str, Path]) -> datasets.DatasetDict:
        names = {split: str(path) for split, path in files.items()}
        return datasets.load_dataset("json", data_files=names, cache_dir=str(tmp_path / "cache"))

    return load_files


def write(path: Path, rows: Iterable[ExportRow], export_format: ExportFormat = ExportFormat.MESSAGES) -> Path:
    with path.open("wb") as file:
        write_rows(rows, file, export_format)
    return path


def test_messages_of_every_kind_load_with_whole_types(tmp_path: Path, load: Load) -> None:
    rows = {row.uid: row for row in ROWS}
    files = {
        split.value: write(tmp_path / f"{split}.jsonl", [row for row in ROWS if row.split is split])
        for split in Split
    }
    loaded = load(files)
    features = loaded["train"].features
    part = features["messages"].feature["content"].feature
    assert {name: value.dtype for name, value in part.items()} == {"type": "string", "text": "string"}
    assert features["images"].feature.dtype == "string"
    assert features["source"].dtype == "string"
    assert features["cost_usd"].dtype == "float64"
    assert features["read_by_person"].dtype == "bool"
    assert loaded["test"].features == loaded["validation"].features == features
    seen = {row["id"]: row for split in loaded.values() for row in split}
    assert seen.keys() == rows.keys()
    for uid, row in seen.items():
        shown = [
            part for message in row["messages"] for part in message["content"] if part["type"] == "image"
        ]
        assert len(shown) == len(row["images"]) == len(rows[uid].images)
    assert seen["dialogue"]["messages"][-1]["content"] == [{"type": "text", "text": "No, but watch it."}]


def test_images_resolve_from_the_folder_of_the_dataset(tmp_path: Path, load: Load) -> None:
    import datasets

    (tmp_path / "images").mkdir()
    for n, name in enumerate(("ab", "cd")):
        Image.new("RGB", (8, 6 + n), "peru").save(tmp_path / "images" / f"{name}.jpg")
    train = load({"train": write(tmp_path / "train.jsonl", ROWS)})["train"]

    def absolute(row: dict[str, Any]) -> dict[str, Any]:
        return {"images": [str(tmp_path / path) for path in row["images"]]}

    shown = train.map(absolute).cast_column("images", datasets.List(datasets.Image()))
    sizes = {row["id"]: [image.size for image in row["images"]] for row in shown}
    assert sizes["several"] == [(8, 6), (8, 7)]
    assert sizes["text-only"] == []


def test_preferences_load_in_the_shape_of_trl(tmp_path: Path, load: Load) -> None:
    rows = carried(ExportFormat.PREFERENCE)
    path = write(tmp_path / "train.jsonl", rows, ExportFormat.PREFERENCE)
    train = load({"train": path})["train"]
    assert {"prompt", "chosen", "rejected", "images"} <= set(train.column_names)
    first = train[0]
    assert first["chosen"] == [
        {"role": "assistant", "content": [{"type": "text", "text": rows[0].turns[1].text}]}
    ]
    assert first["rejected"][0]["content"][0]["text"] == "Yes, it is benign."
    assert [part["type"] for part in first["prompt"][0]["content"]] == ["image", "text"]
    assert train.features["chosen"] == train.features["rejected"] == train.features["prompt"]


@pytest.mark.slow
def test_types_hold_where_the_first_ten_megabytes_have_no_image(tmp_path: Path, load: Load) -> None:
    """``datasets`` settles the types with the first block, and fails at what does not fit in later ones."""
    long = replace(ROWS[0], turns=turns("Tell all.", "x" * (1 << 20)), generated_turns=())
    dated = [replace(long, uid=str(n), provenance=ROWS[1].provenance) for n in range(14)]
    pictured = replace(ROWS[1], uid="pictured")
    undated = replace(ROWS[1], provenance=ROWS[1].provenance | {"source": "Clinic"})
    rows = [*dated, pictured, undated, *dated]
    assert ROWS[1].provenance["source"] == "2024-03-12"
    train = load({"train": write(tmp_path / "train.jsonl", rows)})["train"]
    assert train.num_rows == 30
    assert train.features["images"].feature.dtype == "string"
    assert train.features["source"].dtype == "string"
