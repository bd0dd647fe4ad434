"""What a source holds, and what tables say of its licence."""

from __future__ import annotations

from pathlib import Path

from dermagui.errors import DataError
from dermagui.records import FileState, Origin
from dermagui.storage import images, sources
from dermagui.storage.database import Store
from dermagui.storage.images import ScannedFile, mark_files
from dermagui.storage.metadata import FileStatements, Statement, save_statements
from dermagui.storage.sources import Holdings, holdings_of
from tests.fakes.projects import add_files


def test_a_source_knows_its_copies_its_faults_and_the_licences_that_tables_name(store: Store) -> None:
    clinic = sources.add_source(store, Path("/clinic"))
    atlas = sources.add_source(store, Path("/atlas"))
    add_files(store, clinic, {"a.png": "a", "again.png": "a", "b.png": "b", "c.png": "c", "gone.png": "gone"})
    add_files(store, atlas, {"a.png": "a"})
    images.save_scanned(store, clinic.id, [ScannedFile(b"x.jpg", 3, 1, DataError("image.truncated"))])
    ids = dict(store.tuples("SELECT path, id FROM files WHERE source_id = ?", (clinic.id,)))
    mark_files(store, [ids["gone.png"]], FileState.MISSING)
    said = {"a.png": "CC0", "b.png": "CC BY-NC 4.0", "c.png": "CC BY-NC 4.0"}
    rows = [FileStatements(ids[path], (Statement("licence", value),)) for path, value in said.items()]
    rows.append(FileStatements(ids["again.png"], (Statement("attribution", "Clinic in Graz"),)))
    save_statements(store, clinic.id, rows, Origin.FILE, "table.csv")
    guess = [FileStatements(ids["b.png"], (Statement("licence", "CC BY"),))]
    save_statements(store, clinic.id, guess, Origin.MODEL, "model")
    assert holdings_of(store, clinic.id) == Holdings(
        images=3,
        ready=4,
        contents=3,
        unreadable=1,
        missing=1,
        licences={"CC BY-NC 4.0": 2, "CC0": 1},
        attributions={"Clinic in Graz": 1},
    )
    assert list(holdings_of(store, clinic.id).licences) == ["CC BY-NC 4.0", "CC0"]
    assert holdings_of(store, atlas.id) == Holdings(images=1, ready=1, contents=1)
