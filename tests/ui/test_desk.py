"""The desk: a project's database in one thread, results in the window's own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication

from dermagui.errors import DermaError, UserError
from dermagui.project import Project, create_project
from dermagui.records import Person
from dermagui.storage import people
from dermagui.storage.database import Store
from dermagui.ui.desk import Desk

Wait = Callable[[Callable[[], object]], None]


@pytest.fixture
def opened(desk: Desk, tmp_path: Path, wait_until: Wait) -> Desk:
    """A desk with a project open."""
    create_project(tmp_path / "study")
    desk.open_project(tmp_path / "study")
    wait_until(lambda: desk.project)
    return desk


def test_results_come_back_in_order_and_in_this_thread(opened: Desk, wait_until: Wait) -> None:
    seen: list[tuple[int, threading.Thread]] = []
    for n in range(200):
        opened.ask(lambda store, n=n: n, lambda n: seen.append((n, threading.current_thread())), owner=opened)
    wait_until(lambda: len(seen) == 200)
    assert seen == [(n, threading.main_thread()) for n in range(200)]


def test_an_expected_error_goes_where_it_was_asked_to(opened: Desk, wait_until: Wait) -> None:
    def fail(store: Store) -> None:
        raise UserError("settings.unknown", key="x")

    mine: list[DermaError] = []
    everybody: list[DermaError] = []
    opened.failed.connect(everybody.append)
    opened.ask(fail, owner=opened, failed=mine.append)
    opened.ask(fail, owner=opened)
    wait_until(lambda: mine and everybody)
    assert [error.code for error in (*mine, *everybody)] == ["settings.unknown"] * 2


def test_the_result_for_somebody_who_is_gone_is_dropped(opened: Desk, wait_until: Wait) -> None:
    import shiboken6

    gone, came, last = QObject(), [], []
    opened.ask(lambda store: 1, came.append, owner=gone)
    shiboken6.delete(gone)
    opened.ask(lambda store: 2, last.append, owner=opened)
    wait_until(lambda: last)
    assert came == []


def test_a_project_that_cannot_be_opened_leaves_the_open_one(
    opened: Desk, tmp_path: Path, wait_until: Wait
) -> None:
    before, errors = opened.project, []
    opened.open_project(tmp_path / "nowhere", errors.append)
    wait_until(lambda: errors)
    assert opened.project is before
    answers: list[int] = []
    opened.ask(lambda store: 7, answers.append, owner=opened)
    wait_until(lambda: answers)


def test_what_another_process_writes_is_told(opened: Desk, tmp_path: Path, wait_until: Wait) -> None:
    told: list[frozenset[str]] = []
    seen: list[int] = []
    opened.rows_changed.connect(told.append)
    opened._on_look_timeout()
    opened.ask(lambda store: 0, seen.append, owner=opened)
    wait_until(lambda: seen)
    with Project(tmp_path / "study") as other:
        people.person(other.store, "Ada")
    wait_until(lambda: told)
    assert "pairs" in told[0]


def test_a_written_row_is_told_to_the_pages(opened: Desk, wait_until: Wait) -> None:
    told: list[frozenset[str]] = []
    found: list[Person] = []
    opened.rows_changed.connect(told.append)
    opened.ask(
        lambda store: people.person(store, "Ada"),
        found.append,
        owner=opened,
        changes=frozenset({"verdicts"}),
    )
    wait_until(lambda: told)
    assert (told[0], found[0].name) == (frozenset({"verdicts"}), "Ada")


def test_closing_waits_for_what_was_asked(opened: Desk, tmp_path: Path) -> None:
    opened.ask(lambda store: people.person(store, "Grace"), owner=opened)
    opened.close_project()
    with Project(tmp_path / "study") as project:
        assert [row["name"] for row in project.store.rows("SELECT name FROM people")] == ["Grace"]


@pytest.mark.parametrize("folders", [1, 2])
def test_a_project_that_was_being_opened_is_let_go(
    application: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folders: int
) -> None:
    """Closed before it was there, it must not be kept from others."""
    made: list[Project] = []
    kept = Project.close
    monkeypatch.setattr(Project, "close", lambda project: (made.append(project), kept(project)))
    desk = Desk()
    for n in range(folders):
        create_project(tmp_path / str(n))
        desk.open_project(tmp_path / str(n))
    desk.close()
    assert sorted(project.folder.name for project in made) == [str(n) for n in range(folders)]
    application.processEvents()
    assert desk.project is None
    desk.open_project(tmp_path / "0")
    application.processEvents()
    assert desk.is_idle
    desk.deleteLater()


def test_whoever_asks_after_the_end_gets_no_answer(application: QApplication) -> None:
    desk, came = Desk(), []
    desk.close()
    desk.work(lambda: 1, came.append, owner=desk)
    desk.ask(lambda store: 1, came.append, owner=desk)
    application.processEvents()
    assert came == []
    desk.deleteLater()
