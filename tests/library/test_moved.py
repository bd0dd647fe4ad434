"""A folder is the one that is looked for if it holds one of the images; the database then follows."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from dermagui.errors import UserError
from dermagui.library.moved import check_same_images
from dermagui.records import FileState
from dermagui.storage.database import Store
from dermagui.storage.images import KnownFile
from dermagui.storage.sources import add_source, change_source, list_sources, move_source
from tests.fakes.projects import new_store


def _known(content: bytes) -> KnownFile:
    return KnownFile(1, b"a.png", len(content), 1, FileState.READY, hashlib.sha256(content).hexdigest())


def test_one_of_the_images_is_enough_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "other.png").write_bytes(b"same length")
    (tmp_path / "deep" / "renamed.jpg").write_bytes(b"what we had")
    check_same_images(tmp_path, [_known(b"what we had")])


def test_another_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"same length")
    unreadable = KnownFile(2, b"b.png", 11, 1, FileState.UNREADABLE, None)
    with pytest.raises(UserError, match=r"source\.other_images"):
        check_same_images(tmp_path, [_known(b"what we had"), unreadable])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An open database."""
    with new_store(tmp_path / "project"):
        pass
    return Store(tmp_path / "project")


def test_a_source_moves_but_never_onto_another(store: Store) -> None:
    with store:
        first = add_source(store, Path("/here"), licence="CC0-1.0", may_leave=True)
        add_source(store, Path("/taken"))
        move_source(store, first.id, Path("/there"))
        with pytest.raises(UserError, match=r"source\.folder_taken"):
            move_source(store, first.id, Path("/taken"))
        assert [source.root for source in list_sources(store)] == ["/there", "/taken"]
        assert add_source(store, Path("/there")).licence == "CC0-1.0"


def test_what_is_not_said_of_a_source_stays(store: Store) -> None:
    with store:
        source = add_source(store, Path("/here"), licence="CC0-1.0")
        changed = change_source(store, source.id, name="Atlas", non_commercial=True)
        assert (changed.name, changed.licence, changed.non_commercial) == ("Atlas", "CC0-1.0", True)
        assert list_sources(store) == [changed]
