"""A project folder: made once, shared by the processes of one computer, read-only for every other."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dermagui import paths
from dermagui.errors import UserError
from dermagui.project import LOCK_NAME, Project, copy_project, create_project

OPEN = """
import json, platform, sys
from pathlib import Path
from dermagui.errors import DermaError
from dermagui.project import Project
if sys.argv[2]:
    platform.node = lambda: sys.argv[2]
sys.stdin.readline()
with Project(Path(sys.argv[1])) as project:
    told = {"read_only": project.store.read_only, "held_by": project.held_by}
    try:
        project.store.set_fact("last", sys.argv[2])
    except DermaError as error:
        told["error"] = error.code
    print(json.dumps(told), flush=True)
    sys.stdin.readline()
"""
Child = subprocess.Popen[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A new project."""
    create_project(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def child(folder: Path) -> Iterator[Callable[..., Child]]:
    """Makes processes that wait for a line, open the project, and wait for a second line."""
    made: list[Child] = []

    def make(computer: str = "") -> Child:
        command = [sys.executable, "-c", OPEN, str(folder), computer]
        made.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return made[-1]

    yield make
    for one in made:
        one.kill()
        one.communicate()


def say(child: Child) -> None:
    assert child.stdin is not None
    child.stdin.write("go\n")
    child.stdin.flush()


def told(child: Child) -> dict[str, Any]:
    assert child.stdout is not None
    return dict(json.loads(child.stdout.readline()))


def opened(child: Child) -> dict[str, Any]:
    """Lets a child open the project; what it found."""
    say(child)
    return told(child)


def test_a_new_project_holds_its_parts(tmp_path: Path) -> None:
    create_project(tmp_path / "a" / "b" / "Projekt Ü 'x'")
    made = tmp_path / "a" / "b" / "Projekt Ü 'x'"
    assert sorted(path.name for path in made.iterdir()) == ["cache", paths.DATABASE_NAME, "jobs"]
    with Project(made) as project:
        assert not project.store.read_only
        assert project.held_by is None


def test_an_empty_folder_becomes_a_project_and_a_project_is_not_made_twice(tmp_path: Path) -> None:
    create_project(tmp_path)
    with Project(tmp_path) as project:
        uid = project.store.fact("uid")
    with pytest.raises(UserError) as raised:
        create_project(tmp_path)
    assert raised.value.code == "project.exists"
    with Project(tmp_path) as project:
        assert project.store.fact("uid") == uid


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError) as raised:
        create_project(tmp_path)
    assert raised.value.code == "project.folder_not_empty"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_folder_for_a_project(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError) as raised:
            create_project(place)
        assert raised.value.code.startswith(("disk.", "project."))
    assert (tmp_path / "file").read_text() == "mine"


def test_opening_what_is_no_project_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        Project(tmp_path)
    assert raised.value.code == "project.not_found"
    assert list(tmp_path.iterdir()) == []


def test_the_lock_names_computer_and_user(folder: Path) -> None:
    with Project(folder):
        assert set(json.loads((folder / LOCK_NAME).read_text(encoding="utf-8"))) == {"computer", "user"}


def test_processes_of_one_computer_share_a_project(folder: Path, child: Callable[..., Child]) -> None:
    with Project(folder) as project, Project(folder) as again:
        assert opened(child()) == {"read_only": False, "held_by": None}
        again.store.set_fact("mark", "x")
        assert project.store.fact("mark") == "x"


def test_processes_that_open_it_at_the_same_moment_all_share_it(child: Callable[..., Child]) -> None:
    children = [child() for _ in range(6)]
    for one in children:
        say(one)
    assert [told(one) for one in children] == [{"read_only": False, "held_by": None}] * 6


def test_a_second_computer_reads_and_is_told_who_has_it(folder: Path, child: Callable[..., Child]) -> None:
    with Project(folder) as project:
        project.store.set_fact("last", "ours")
        found = opened(child("another-computer"))
        assert project.store.fact("last") == "ours"
    holder = found.pop("held_by")
    assert found == {"read_only": True, "error": "project.read_only"}
    assert holder["computer"] not in ("", "another-computer")


def test_we_are_the_second_computer(folder: Path, child: Callable[..., Child]) -> None:
    assert opened(child("another-computer"))["read_only"] is False
    with Project(folder) as project:
        assert project.held_by is not None
        assert project.held_by["computer"] == "another-computer"
        assert project.store.fact("last") == "another-computer"
        with pytest.raises(UserError, match=r"project\.read_only"):
            project.store.set_fact("last", "ours")


@pytest.mark.parametrize("end", [say, subprocess.Popen.kill])
def test_a_lock_ends_with_its_process_however_that_ends(
    folder: Path, child: Callable[..., Child], end: Callable[[Child], None]
) -> None:
    holder = child("another-computer")
    assert opened(holder)["read_only"] is False
    end(holder)
    holder.wait()
    with Project(folder) as project:
        assert project.held_by is None
        project.store.set_fact("last", "ours")
    assert opened(child("a-third-computer"))["read_only"] is False


def test_a_lock_that_somebody_left_empty_or_broken_holds_nobody_off(folder: Path) -> None:
    for content in (b"", b"\xff\xfe{", b'["list"]'):
        (folder / LOCK_NAME).write_bytes(content)
        with Project(folder) as project:
            assert not project.store.read_only


def test_a_project_that_cannot_be_opened_gives_its_lock_back(
    folder: Path, child: Callable[..., Child]
) -> None:
    database = (folder / paths.DATABASE_NAME).read_bytes()
    (folder / paths.DATABASE_NAME).write_bytes(b"no database")
    with pytest.raises(Exception, match=r"project\.damaged"):
        Project(folder)
    (folder / paths.DATABASE_NAME).write_bytes(database)
    assert opened(child("another-computer"))["read_only"] is False


@contextmanager
def mounted_from_a_server(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[None]:
    """The mount table says that the folder lies on a server."""
    table = f"/dev/sda1 / ext4 rw 0 0\nserver:/x {folder} nfs4 rw 0 0\n"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", lambda path, **how: table)
        yield


def test_on_a_network_folder_there_is_no_write_ahead_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mounted_from_a_server(monkeypatch, tmp_path):
        create_project(tmp_path / "project")
        with Project(tmp_path / "project") as project:
            assert project.store.on_network
            assert project.store.value("PRAGMA journal_mode") == "delete"
    with Project(tmp_path / "project") as project:
        assert project.store.value("PRAGMA journal_mode") == "wal", "copied to a disk of its own"


def test_a_copy_holds_what_is_in_the_log_too_and_leaves_the_original_open(tmp_path: Path) -> None:
    create_project(tmp_path / "study")
    with Project(tmp_path / "study") as project:
        project.store.set_fact("colour", "blue")
        copy_project(tmp_path / "study", tmp_path / "copy")
        project.store.set_fact("colour", "red")
    with Project(tmp_path / "copy") as copied:
        assert copied.store.fact("colour") == "blue"
        assert not copied.store.read_only


def test_a_copy_goes_neither_into_the_project_nor_over_something_else(tmp_path: Path) -> None:
    create_project(tmp_path / "study")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match=r"project\.copy_inside"):
        copy_project(tmp_path / "study", tmp_path / "study" / "copy")
    with pytest.raises(UserError, match=r"project\.folder_not_empty"):
        copy_project(tmp_path / "study", tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]
