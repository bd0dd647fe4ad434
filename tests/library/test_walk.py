"""Walking folders as people leave them: links in circles, junk, odd names, closed doors."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from dermagui.errors import UserError
from dermagui.library import walk
from dermagui.library.walk import DATABASE_NAME, FoundFile, FoundKind, walk_folder


def touch(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def paths(root: Path, kind: FoundKind = FoundKind.PICTURE) -> list[bytes]:
    return [found.path for found in walk_folder(root) if found.kind == kind]


def errors(root: Path) -> dict[bytes, str]:
    return {found.path: found.error.code for found in walk_folder(root) if found.error}


def test_files_come_in_order_with_what_stat_says(tmp_path: Path) -> None:
    for name in ("b.jpg", "a/z.PNG", "a/b/c.dcm", "c.tiff", "B.jpg"):
        touch(tmp_path / name, b"12345")
    found = list(walk_folder(tmp_path))
    assert [one.path for one in found] == [b"B.jpg", b"b.jpg", b"c.tiff", b"a/z.PNG", b"a/b/c.dcm"]
    status = (tmp_path / "b.jpg").stat()
    assert found[1] == FoundFile(b"b.jpg", FoundKind.PICTURE, 5, status.st_mtime_ns, status.st_ino)
    assert list(walk_folder(str(tmp_path))) == found


def test_other_suffixes_are_unsupported_and_junk_is_passed_over(tmp_path: Path) -> None:
    for name in ("a.jpg", "notes.txt", "README", "b.jpg.part", "raw.cr2"):
        touch(tmp_path / name)
    for name in (
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        "._a.jpg",
        "__MACOSX/a.jpg",
        "@eaDir/a.jpg",
        ".git/a.png",
    ):
        touch(tmp_path / name)
    assert paths(tmp_path) == [b"a.jpg"]
    assert paths(tmp_path, FoundKind.UNSUPPORTED) == [b"README", b"b.jpg.part", b"notes.txt", b"raw.cr2"]


def test_links_in_circles_end_and_every_real_folder_is_walked_once(tmp_path: Path) -> None:
    root = tmp_path / "root"
    touch(root / "a" / "one.jpg")
    touch(root / "b" / "two.jpg")
    (root / "a" / "up").symlink_to("..")
    (root / "a" / "self").symlink_to(".")
    (root / "A-link-to-b").symlink_to("b")
    (root / "above").symlink_to(tmp_path)
    (root / "b" / "a").symlink_to(root / "a")
    assert paths(root) == [b"a/one.jpg", b"b/two.jpg"]


def test_a_linked_folder_elsewhere_is_followed_once(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    touch(root / "z.jpg")
    touch(elsewhere / "deep" / "far.jpg")
    (elsewhere / "back").symlink_to(root)
    (elsewhere / "again").symlink_to(elsewhere)
    (root / "first").symlink_to(elsewhere)
    (root / "second").symlink_to(elsewhere)
    (root / "third").symlink_to(elsewhere / "deep")
    assert paths(root) == [b"z.jpg", b"first/deep/far.jpg"]


def test_a_root_that_is_itself_a_link(tmp_path: Path) -> None:
    touch(tmp_path / "real" / "a.jpg")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "loop").symlink_to(tmp_path / "link")
    assert paths(tmp_path / "link") == [b"a.jpg"]


def test_links_to_files_and_to_nothing(tmp_path: Path) -> None:
    touch(tmp_path / "outside.jpg")
    root = tmp_path / "root"
    root.mkdir()
    (root / "good.jpg").symlink_to("../outside.jpg")
    (root / "dangling.jpg").symlink_to("nowhere.jpg")
    (root / "self.jpg").symlink_to("self.jpg")
    (root / "dangling.txt").symlink_to("nowhere.txt")
    assert paths(root) == [b"good.jpg"]
    assert errors(root) == {b"dangling.jpg": "image.vanished", b"self.jpg": "image.vanished"}
    assert paths(root, FoundKind.UNSUPPORTED) == [b"dangling.txt"]


def test_a_pipe_is_no_picture(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert errors(tmp_path) == {b"pipe.jpg": "image.not_regular"}


def test_names_of_every_kind(tmp_path: Path) -> None:
    names = [
        b"caf\xe9.jpg",
        b"a" * 251 + b".jpg",
        b'it\'s "quoted".jpg',
        b"line\nbreak.jpg",
        "größe 皮膚.jpg".encode(),
        b" .jpg",
        b"-rf.jpg",
    ]
    for name in names:
        with open(os.fsencode(tmp_path) + b"/" + name, "wb") as file:
            file.write(b"x")
    assert paths(tmp_path) == sorted(names)


def test_the_same_name_in_two_folders(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "x.jpg")
    touch(tmp_path / "b" / "x.jpg")
    assert paths(tmp_path) == [b"a/x.jpg", b"b/x.jpg"]


def test_projects_of_ours_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg")
    touch(tmp_path / "project" / DATABASE_NAME)
    touch(tmp_path / "project" / "thumbnails" / "t.jpg")
    assert paths(tmp_path) == [b"a.jpg"]
    with pytest.raises(UserError) as caught:
        list(walk_folder(tmp_path / "project"))
    assert caught.value.code == "folder.is_project"


def test_a_closed_folder_is_reported_and_the_rest_is_walked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "a.jpg")
    touch(tmp_path / "closed" / "b.jpg")
    touch(tmp_path / "open" / "c.jpg")
    scandir = os.scandir

    def refuse(folder: str) -> object:
        if str(folder).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(walk.os, "scandir", refuse)
    assert paths(tmp_path) == [b"a.jpg", b"open/c.jpg"]
    assert errors(tmp_path) == {b"closed": "image.permission"}


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_bytes(b"x")])
def test_a_root_that_is_no_folder(tmp_path: Path, make: object) -> None:
    make(tmp_path / "root")
    with pytest.raises(UserError) as caught:
        list(walk_folder(tmp_path / "root"))
    assert caught.value.code == "folder.unreadable"


def test_a_path_longer_than_the_system_takes_is_reported(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        parent = here
        for _ in range(20):
            os.mkdir("d" * 250, dir_fd=parent)
            parent = os.open("d" * 250, os.O_RDONLY, dir_fd=parent)
        assert list(errors(tmp_path).values()) == ["image.read_failed"]
    finally:
        shutil.rmtree("d" * 250, dir_fd=here)


def test_a_folder_that_vanishes_meanwhile(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "one.jpg")
    touch(tmp_path / "b" / "two.jpg")
    walked = walk_folder(tmp_path)
    assert next(walked).path == b"a/one.jpg"
    shutil.rmtree(tmp_path / "b")
    assert [(found.path, found.error.code) for found in walked if found.error] == [(b"b", "image.vanished")]
