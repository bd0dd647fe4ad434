"""Scanning: no file is lost between the walk and the database, whatever lies beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from dermagui.jobs.report import Report
from dermagui.library import scan
from dermagui.library.forget import forget
from dermagui.library.metadata import import_table
from dermagui.project import create_project
from dermagui.storage.database import Store
from dermagui.storage.metadata import fields_of_images


@pytest.fixture
def store(tmp_path: Path) -> Store:
    create_project(tmp_path / "study")
    return Store(tmp_path / "study")


def add(store: Store, folder: Path) -> dict[str, object]:
    (store.folder / "jobs" / "test").mkdir(parents=True, exist_ok=True)
    report = Report(store.folder / "jobs" / "test")
    figures = scan.run(store, scan.parameters_for(folder), report).figures
    report.close()
    return figures


def draw(path: Path, colour: str = "brown") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), colour).save(path)


def test_a_run_of_names_that_lead_nowhere_does_not_end_the_scan(tmp_path: Path, store: Store) -> None:
    draw(tmp_path / "pictures" / "z.png")
    for number in range(70):
        (tmp_path / "pictures" / f"a{number:02}.png").symlink_to(tmp_path / "nowhere")
    figures = add(store, tmp_path / "pictures")
    assert (figures["new"], figures["unreadable"]) == (71, 70)
    assert store.value("SELECT count(*) FROM images") == 1
    store.close()


def test_two_tables_of_one_name_say_their_own(tmp_path: Path, store: Store) -> None:
    draw(tmp_path / "pictures" / "a.png")
    source = add(store, tmp_path / "pictures")["source"]
    assert isinstance(source, int)
    report = Report(store.folder / "jobs" / "test")
    tables = [tmp_path / name / "metadata.csv" for name in ("one", "two")]
    for table, text in zip(tables, ("file,diagnosis\na.png,naevus\n", "file,age\na.png,40\n"), strict=True):
        table.parent.mkdir()
        table.write_text(text, encoding="utf-8")
        import_table(store, source, table, [], report)
    assert set(fields_of_images(store, [1])[1]) == {"diagnosis", "age"}
    tables[0].write_text("file,diagnosis\nother.png,melanoma\n", encoding="utf-8")
    import_table(store, source, tables[0], [], report)
    assert set(fields_of_images(store, [1])[1]) == {"age"}
    report.close()
    store.close()


def test_a_patient_is_forgotten_with_what_a_file_held_before(tmp_path: Path, store: Store) -> None:
    picture = tmp_path / "pictures" / "a.png"
    draw(picture)
    source = add(store, tmp_path / "pictures")["source"]
    assert isinstance(source, int)
    table = tmp_path / "m.csv"
    table.write_text("file,patient\na.png,P-1\n", encoding="utf-8")
    report = Report(store.folder / "jobs" / "test")
    import_table(store, source, table, [], report)
    report.close()
    draw(picture, "red")
    add(store, tmp_path / "pictures")
    hashes = [row["sha256"] for row in store.rows("SELECT sha256 FROM images")]
    assert len(hashes) == 2
    forget(store, "patient:P-1")
    assert store.value("SELECT count(*) FROM images") == 0
    left = [path for path in store.folder.rglob("*") if any(hash_ in path.name for hash_ in hashes)]
    assert left == []
    store.close()


def test_an_image_that_no_file_holds_any_more_can_be_forgotten(tmp_path: Path, store: Store) -> None:
    picture = tmp_path / "pictures" / "a.png"
    draw(picture)
    add(store, tmp_path / "pictures")
    draw(picture, "red")
    add(store, tmp_path / "pictures")
    forget(store, "image:1")
    assert [row["id"] for row in store.rows("SELECT id FROM images")] == [2]
    store.close()
