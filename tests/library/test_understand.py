"""What a drop means is said without doing anything, and every refusal has its reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from dermagui.library.columns import guess_mapping, parse_mapping
from dermagui.library.understand import look_at_table, mapping_texts, understand

TABLE = "img_id,dx,sex,note\na,nv,male,x\nb,mel,female,y\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures, an empty one, a table about them, another table, and a text."""
    made = tmp_path / "clinic"
    (made / "deep").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(made / "a.png")
    Image.new("RGB", (4, 4)).save(made / "deep" / "b.png")
    (made / "empty.jpg").write_bytes(b"")
    (made / "about.csv").write_text(TABLE)
    (made / "prices.csv").write_text("euro;cent\n1;2\n")
    (made / "broken.xlsx").write_text("no workbook")
    (made / "read me.txt").write_text("hello")
    return made


def test_a_folder_is_counted_and_its_table_is_found(folder: Path, tmp_path: Path) -> None:
    found = understand([folder], tmp_path / "project")
    [clinic], [table] = found.folders, found.tables
    assert (clinic.pictures, clinic.unreadable, clinic.other) == (3, 1, 4)
    assert (table.path.name, table.row_count, table.mapping["diagnosis"]) == ("about.csv", 2, ("dx",))
    assert table.preview[1]["dx"] == "mel"
    assert found.refused == ()


def test_pictures_stand_for_their_folder_and_tables_for_themselves(folder: Path, tmp_path: Path) -> None:
    dropped = [folder / "a.png", folder / "empty.jpg", folder / "prices.csv"]
    found = understand(dropped, tmp_path / "project")
    assert [one.path for one in found.folders] == [folder]
    assert {one.path.name for one in found.tables} == {"about.csv", "prices.csv"}


def test_what_is_refused_says_why(folder: Path, tmp_path: Path) -> None:
    (folder / "movie.mp4").write_bytes(b"x")
    found = understand(
        [folder / "movie.mp4", folder / "broken.xlsx", tmp_path / "nowhere.csv", folder], folder
    )
    assert [error.code for error in found.refused] == [
        "table.format_unknown",
        "table.damaged",
        "table.unreadable",
        "folder.is_project",
    ]
    assert found.folders == ()


@pytest.mark.parametrize(
    ("chosen", "meaning"),
    [
        ({}, {}),
        ({"dx": "diagnosis", "note": ""}, {}),
        ({"note": "site"}, {"site": ("note",)}),
        ({"dx": ""}, {"diagnosis": ()}),
        ({"dx": "", "note": "diagnosis"}, {"diagnosis": ("note",)}),
        ({"note": "diagnosis"}, {"diagnosis": ("dx", "note")}),
        ({"img_id": "", "note": "image"}, {"image": ("note",)}),
    ],
)
def test_only_what_differs_from_the_guess_is_said(
    folder: Path, chosen: dict[str, str], meaning: dict[str, tuple[str, ...]]
) -> None:
    table = look_at_table(folder / "about.csv")
    said = mapping_texts(table.mapping, chosen)
    assert parse_mapping(said, table.columns) == meaning


def test_a_column_that_serves_two_fields_goes_on_doing_so() -> None:
    columns = ("img_id", "diagnosis_1", "diagnosis_2")
    rows = [{"img_id": "a", "diagnosis_1": "Malignant", "diagnosis_2": "Melanoma"}]
    guessed = guess_mapping(columns, rows)
    assert sum("diagnosis_1" in found for found in guessed.values()) == 2, guessed
    assert mapping_texts(guessed, {"img_id": "image", "diagnosis_1": "diagnosis"}) == []
