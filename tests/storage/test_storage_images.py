"""Files and images: one image in many files, and which of them may leave the computer."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from dermagui.errors import DataError, UserError
from dermagui.records import FileState, PersonalData, Region, Source
from dermagui.storage import images, people, sources
from dermagui.storage.database import Store
from dermagui.storage.images import ScannedFile
from dermagui.storage.moments import new_uid, now
from tests.fakes.projects import add_files, file_facts


def two_sources(store: Store, first: bool, second: bool) -> tuple[Source, Source]:
    """Two sources that both hold the picture ``shared``, and one more each."""
    found = []
    for name, may_leave in (("first", first), ("second", second)):
        source = sources.add_source(store, Path("/pictures") / name, may_leave=may_leave)
        add_files(store, source, {"shared copy.png": "shared", "own.png": name})
        found.append(source)
    return found[0], found[1]


def image_of(store: Store, content: str) -> int:
    return int(store.value("SELECT id FROM images WHERE sha256 = ?", (file_facts(content).sha256,)))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_an_image_leaves_only_if_every_source_that_holds_it_may(
    store: Store, first: bool, second: bool
) -> None:
    two_sources(store, first, second)
    expected = {"shared": first and second, "first": first, "second": second}
    ids = {content: image_of(store, content) for content in expected}
    assert images.count_images(store) == 3
    assert {content: images.may_leave(store, ids[content]) for content in expected} == expected
    sendable = {row["id"] for row in images.sendable_images(store)}
    assert sendable == {ids[content] for content, may in expected.items() if may}


def test_the_copy_in_the_private_source_counts_even_when_it_is_missing(store: Store) -> None:
    _, private = two_sources(store, True, False)
    known = images.known_files(store, private.id).values()
    images.mark_files(store, [file.id for file in known], FileState.MISSING)
    shared = image_of(store, "shared")
    assert not images.may_leave(store, shared)
    assert shared not in {row["id"] for row in images.sendable_images(store)}


def test_an_image_of_which_no_file_is_left_is_not_sent(store: Store) -> None:
    source = sources.add_source(store, Path("/pictures"), may_leave=True)
    add_files(store, source, {"a.png": "a"})
    images.mark_files(store, [1], FileState.MISSING)
    assert list(images.sendable_images(store)) == []
    with pytest.raises(UserError) as raised:
        images.picture_of(store, 1)
    assert raised.value.code == "image.originals_missing"


def test_a_new_source_stays_here_and_what_was_said_of_it_is_kept(store: Store) -> None:
    root = Path("/pictures/a")
    assert not sources.add_source(store, root).may_leave
    said = sources.add_source(
        store, root, licence="CC0", attribution="A", non_commercial=True, may_leave=True
    )
    assert sources.add_source(store, root) == said == sources.list_sources(store)[0]
    assert (said.licence, said.non_commercial, said.may_leave) == ("CC0", True, True)
    assert not sources.add_source(store, root, may_leave=False).may_leave


def test_names_that_are_no_utf8_are_kept_as_their_bytes(store: Store, tmp_path: Path) -> None:
    root = Path(os.fsdecode(bytes(tmp_path) + b"/f\xff"))
    root.mkdir()
    name = b"\xe4 'quoted' \xff.png"
    (root / os.fsdecode(name)).write_bytes(b"x")
    source = sources.add_source(store, root)
    images.save_scanned(store, source.id, [ScannedFile(name, 1, 1, file_facts("x"))])
    assert list(images.known_files(store, source.id)) == [name]
    assert bytes(images.picture_of(store, 1).path) == bytes(root) + b"/" + name
    assert sources.root_of(store, source.id) == root
    (row,) = images.list_files(store)
    assert row["path_bytes"] == name.hex()
    assert row["path"] == "\\xe4 'quoted' \\xff.png"
    json.dumps(row).encode("utf-8")


def test_a_file_that_changed_gets_its_new_facts_in_the_same_row(store: Store) -> None:
    source = sources.add_source(store, Path("/pictures"))
    add_files(store, source, {"a.png": "before"})
    broken = ScannedFile(b"a.png", 5, 2, DataError("image.truncated", path="a.png"))
    images.save_scanned(store, source.id, [broken])
    (row,) = images.list_files(store)
    assert (row["state"], row["sha256"], row["image"]) == ("unreadable", None, None)
    assert row["error"] == {"code": "image.truncated", "values": {"path": "a.png"}}
    add_files(store, source, {"a.png": "after"}, frames=3)
    (row,) = images.list_files(store)
    assert (row["id"], row["state"], row["error"], row["frames"]) == (1, "ready", None, 3)
    assert images.count_images(store) == 4
    assert images.count_files(store) == {"ready": 1}


def test_personal_data_of_a_file_is_kept(store: Store) -> None:
    source = sources.add_source(store, Path("/pictures"))
    facts = file_facts("a")
    found = (PersonalData("gps", "GPSLatitude", "48.1"), PersonalData("comment", "", "für Ärztin"))
    images.save_scanned(store, source.id, [ScannedFile(b"a.png", 1, 1, replace(facts, personal=found))])
    (row,) = images.list_files(store)
    assert [PersonalData(**finding) for finding in row["personal"]] == list(found)


def test_a_moved_file_keeps_all_that_was_said_of_it(store: Store) -> None:
    source = sources.add_source(store, Path("/pictures"))
    add_files(store, source, {"a.png": "a"})
    images.mark_files(store, [1], FileState.MISSING)
    images.move_file(store, 1, b"b/c.png", 9)
    (known,) = images.known_files(store, source.id).values()
    assert (known.id, known.path_bytes, known.mtime_ns, known.state) == (1, b"b/c.png", 9, FileState.READY)


def test_redactions_are_told_in_the_order_in_which_they_were_made(store: Store) -> None:
    source = sources.add_source(store, Path("/pictures"))
    add_files(store, source, {"a.png": "a", "b.png": "b"})
    regions = [Region(n, n + 1, n + 2, n + 3) for n in range(5)]
    who = people.person(store, "Ada")
    with store.writing() as conn:
        conn.executemany(
            "INSERT INTO redactions VALUES (?, 1, ?, ?, ?, ?, ?, ?)",
            [(new_uid(), r.x, r.y, r.width, r.height, who.uid, now()) for r in regions],
        )
    assert images.redactions_of(store, 1) == tuple(regions)
    assert images.redactions_of(store, 2) == ()
