"""Filters find what they say, in an order that stays; cards tell of images and of what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from dermagui.errors import DataError
from dermagui.records import FileState, Origin, PairState
from dermagui.storage import images, pairs, sources
from dermagui.storage.database import Store
from dermagui.storage.filters import (
    Filter,
    PairFilter,
    cards_of,
    count_listed,
    fields_said,
    find_images,
    save_filter,
    saved_filters,
)
from dermagui.storage.forget import remove_files
from dermagui.storage.images import ScannedFile, known_files, mark_files
from dermagui.storage.metadata import FileStatements, Statement, save_statements
from tests.fakes.projects import add_files, add_images, add_many_pairs, open_pair


def _file_id(store: Store, path: str) -> int:
    return int(store.value("SELECT id FROM files WHERE path = ?", (path,)))


def _paths(store: Store, wanted: Filter) -> list[str]:
    found = find_images(store, wanted)
    cards = cards_of(store, found)
    return [cards[number].path for number in found]


@pytest.fixture
def shelf(store: Store) -> Store:
    """Two sources; one picture in both; one unreadable, one missing; pairs and metadata."""
    clinic = sources.add_source(store, Path("/clinic"), may_leave=True)
    atlas = sources.add_source(store, Path("/atlas"))
    add_files(store, clinic, {"b.png": "b", "a.png": "a", "both.png": "both", "gone.png": "gone"})
    add_files(store, atlas, {"again.png": "both", "c_50%.png": "c"})
    broken = ScannedFile(b"broken.jpg", 3, 1, DataError("image.truncated"))
    images.save_scanned(store, clinic.id, [broken])
    mark_files(store, [_file_id(store, "gone.png")], FileState.MISSING)
    said = [
        FileStatements(_file_id(store, "a.png"), (Statement("diagnosis", "melanoma"),)),
        FileStatements(_file_id(store, "b.png"), (Statement("diagnosis", "naevus"),), patient="7"),
    ]
    save_statements(store, clinic.id, said, Origin.FILE, "table.csv")
    guess = [FileStatements(_file_id(store, "c_50%.png"), (Statement("diagnosis", "melanoma"),))]
    save_statements(store, atlas.id, guess, Origin.MODEL, "model")
    image = int(store.value("SELECT images.id FROM images JOIN files USING (sha256) WHERE path = 'a.png'"))
    pairs.add_pairs(store, [open_pair(image), open_pair(image, state=PairState.REJECTED)])
    add_many_pairs(store, [image], 1, flagged_every=1)
    return store


ALL = ["a.png", "b.png", "both.png", "broken.jpg", "gone.png", "c_50%.png"]


@pytest.mark.parametrize(
    ("wanted", "paths"),
    [
        (Filter(), ALL),
        (Filter(source_id=2), ["both.png", "c_50%.png"]),
        (Filter(state=FileState.UNREADABLE), ["broken.jpg"]),
        (Filter(state=FileState.MISSING), ["gone.png"]),
        (Filter(state=FileState.READY), ["a.png", "b.png", "both.png", "c_50%.png"]),
        (Filter(may_leave=True), ["a.png", "b.png", "gone.png"]),
        (Filter(may_leave=False), ["both.png", "broken.jpg", "c_50%.png"]),
        (Filter(copied=True), ["both.png"]),
        (Filter(described=True), ["a.png", "b.png"]),
        (Filter(described=False), ["both.png", "broken.jpg", "gone.png", "c_50%.png"]),
        (Filter(pairs=PairFilter.NONE), ["b.png", "both.png", "gone.png", "c_50%.png"]),
        (Filter(pairs=PairFilter.SOME), ["a.png"]),
        (Filter(pairs=PairFilter.FLAGGED), ["a.png"]),
        (Filter(pairs=PairFilter.REJECTED), ["a.png"]),
        (Filter(pairs=PairFilter.ACCEPTED), []),
        (Filter(fields=(("diagnosis", "melanoma"),)), ["a.png"]),
        (Filter(fields=(("diagnosis", ""),), state=FileState.READY), ["both.png", "c_50%.png"]),
        (Filter(text="%"), ["c_50%.png"]),
        (Filter(text="_"), ["c_50%.png"]),
        (Filter(text="B"), ["b.png", "both.png", "broken.jpg"]),
        (Filter(text="B", pairs=PairFilter.NONE, source_id=1), ["b.png", "both.png"]),
    ],
)
def test_a_filter_finds_what_it_says(shelf: Store, wanted: Filter, paths: list[str]) -> None:
    assert _paths(shelf, wanted) == paths


def test_a_case_speaks_for_its_files(shelf: Store) -> None:
    with shelf.writing() as conn:
        conn.execute(
            """INSERT INTO metadata (case_id, field, value, vocabulary, origin, at)
               SELECT id, 'site', 'back', 'as written', 'person', '' FROM cases"""
        )
    assert _paths(shelf, Filter(fields=(("site", "back"),))) == ["b.png"]
    assert cards_of(shelf, find_images(shelf, Filter(text="b.png")))[2 - 1].fields["site"] == "back"


def test_cards_tell_what_a_list_shows(shelf: Store) -> None:
    a, _, both, broken, gone, _ = (
        cards_of(shelf, find_images(shelf, Filter()))[n] for n in find_images(shelf, Filter())
    )
    assert a.pairs == {PairState.PENDING: 2, PairState.REJECTED: 1}
    assert (a.flagged, a.may_leave, a.fields["diagnosis"]) == (1, True, "melanoma")
    assert (both.copies, both.may_leave, both.source) == (2, False, "clinic")
    assert (broken.id, broken.state) == (-_file_id(shelf, "broken.jpg"), FileState.UNREADABLE)
    assert broken.error == {"code": "image.truncated", "values": {}}
    assert gone.state is FileState.MISSING


def test_an_image_whose_file_was_changed_is_missing_and_not_lost(shelf: Store) -> None:
    source = sources.list_sources(shelf)[0]
    add_files(shelf, source, {"a.png": "something else"})
    [lost] = [n for n in find_images(shelf, Filter(state=FileState.MISSING)) if n == 2]
    card = cards_of(shelf, [lost])[lost]
    assert (card.state, card.path, sum(card.pairs.values())) == (FileState.MISSING, "", 3)


def test_every_frame_is_listed_in_order(store: Store) -> None:
    source = sources.add_source(store, Path("/frames"))
    add_files(store, source, {"many.tif": "many"}, frames=3)
    cards = cards_of(store, find_images(store, Filter()))
    assert [(card.frame, card.frames) for card in cards.values()] == [(0, 3), (1, 3), (2, 3)]


def test_numbers_of_which_nothing_is_left_have_no_card(store: Store) -> None:
    add_images(store, 3)
    assert list(cards_of(store, [2, 99, -99])) == [2]
    assert known_files(store, 99) == {}


def test_fields_that_only_a_model_names_are_no_fields(shelf: Store) -> None:
    with shelf.writing() as conn:
        conn.execute(
            """INSERT INTO metadata (file_id, field, value, vocabulary, origin, at)
               VALUES (1, 'score', '0.9', 'as written', 'model', ''), (1, 'age', '9', '', 'person', '')"""
        )
    assert fields_said(shelf) == ["age", "diagnosis"]


def test_a_project_without_metadata_has_no_fields(store: Store) -> None:
    assert fields_said(store) == []


def test_saved_filters_come_back_as_they_were(store: Store) -> None:
    wanted = Filter(3, FileState.MISSING, PairFilter.FLAGGED, False, (("diagnosis", "naevus"),), "x")
    save_filter(store, "späte", wanted)
    save_filter(store, "Alle", Filter())
    assert list(saved_filters(store).items()) == [("Alle", Filter()), ("späte", wanted)]
    save_filter(store, "Alle", None)
    save_filter(store, "späte", Filter(text="y"))
    assert saved_filters(store) == {"späte": Filter(text="y")}


def test_a_saved_filter_goes_with_what_was_forgotten(shelf: Store) -> None:
    save_filter(shelf, "one patient", Filter(fields=(("diagnosis", "naevus"),)))
    save_filter(shelf, "one file", Filter(text="b.png"))
    save_filter(shelf, "others", Filter(fields=(("diagnosis", "melanoma"), ("age", ""))))
    file_id = _file_id(shelf, "b.png")
    sha256 = str(shelf.value("SELECT sha256 FROM files WHERE id = ?", (file_id,)))
    remove_files(shelf, [file_id], [sha256], [])
    assert list(saved_filters(shelf)) == ["others"]


def test_forgetting_the_last_patient_leaves_what_is_said_of_other_files(shelf: Store) -> None:
    file_id = _file_id(shelf, "b.png")
    sha256 = str(shelf.value("SELECT sha256 FROM files WHERE id = ?", (file_id,)))
    remove_files(shelf, [file_id], [sha256], [])
    assert _paths(shelf, Filter(fields=(("diagnosis", "melanoma"),))) == ["a.png"]


def test_counts_are_those_of_the_lists(shelf: Store) -> None:
    total, by_source = count_listed(shelf)
    assert total == len(find_images(shelf, Filter()))
    assert by_source == {source: len(find_images(shelf, Filter(source_id=source))) for source in (1, 2)}
