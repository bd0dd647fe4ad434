"""The page Review by real keys alone; what they did is read from the database afterwards."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget

from dermagui import settings
from dermagui.records import (
    PairState,
    RejectReason,
    VerdictKind,
    VerdictMethod,
)
from dermagui.review.verdicts import decide
from dermagui.storage import people, verdicts
from dermagui.storage.database import Store
from dermagui.ui.desk import Desk
from dermagui.ui.review.layout import Parts
from dermagui.ui.review.page import ReviewPage
from tests.fakes.review_page import (
    PAIRS,
    Wait,
    decided,
    press,
    review_page,
    review_project,
    said_in,
    state_of,
    stepped,
    uid_in_view,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with five pairs."""
    return review_project(tmp_path)


@pytest.fixture
def page(desk: Desk) -> Iterator[ReviewPage]:
    """The page, with no project yet."""
    with review_page(desk) as made:
        yield made


@pytest.fixture
def reviewing(page: ReviewPage, desk: Desk, folder: Path, wait_until: Wait) -> ReviewPage:
    """The page with the first pair and its picture in view."""
    desk.open_project(folder)
    wait_until(lambda: page.walk.reading and page.parts.pane.image_seen)
    return page


# -- the keyboard alone ---------------------------------------------------------------------------


def test_three_pairs_by_keys_alone(reviewing: ReviewPage, folder: Path, wait_until: Wait) -> None:
    page = reviewing

    def accept() -> None:
        press(page, Qt.Key.Key_1)
        press(page, Qt.Key.Key_2)
        press(page, Qt.Key.Key_2)
        press(page, Qt.Key.Key_A)

    def reject() -> None:
        press(page, Qt.Key.Key_H)
        press(page, Qt.Key.Key_R)
        press(page, Qt.Key.Key_3)

    accepted = decided(page, wait_until, accept)
    assert re.fullmatch(r"Accepted, saved \d\d:\d\d:\d\d", page.parts.verdict.status)
    rejected = decided(page, wait_until, reject)
    wait_until(lambda: page.parts.pane.image_seen)
    unsure = decided(page, wait_until, lambda: press(page, Qt.Key.Key_U))
    first, second, third = said_in(folder)
    assert [first.pair_uid, second.pair_uid, third.pair_uid] == [accepted, rejected, unsure]
    assert [first.kind, second.kind, third.kind] == [
        VerdictKind.ACCEPT,
        VerdictKind.REJECT,
        VerdictKind.UNSURE,
    ]
    assert {event.method for event in (first, second, third)} == {VerdictMethod.READ}
    assert first.rubric == {"visible": "yes", "conclusion": "partly"}
    assert second.rubric == {}
    assert second.reason is RejectReason.LEAKS_METADATA
    assert "metadata" not in first.visible
    assert {"image", "answer", "metadata"} <= set(second.visible)
    assert all(0 <= event.seconds < 60 for event in (first, second, third))
    wait_until(lambda: page.parts.verdict.progress == "Decided by you: 3 of 5")


def test_flags_are_said_to_have_been_seen_where_there_were_any(
    reviewing: ReviewPage, folder: Path, wait_until: Wait
) -> None:
    page = reviewing
    for _ in range(PAIRS):
        decided(page, wait_until, lambda: press(page, Qt.Key.Key_A))
    wait_until(lambda: page.parts.empty.isVisible())
    with Store(folder, read_only=True) as store:
        flagged = {row[0] for row in store.tuples("SELECT uid FROM pairs WHERE flag_count > 0")}
    assert {event.pair_uid for event in said_in(folder) if "flags" in event.visible} == flagged


def test_forth_and_back_decides_nothing_and_finds_the_same_pairs(
    reviewing: ReviewPage, folder: Path, wait_until: Wait
) -> None:
    page, seen = reviewing, [uid_in_view(reviewing)]
    for key in (Qt.Key.Key_J, Qt.Key.Key_Right, Qt.Key.Key_S):
        seen.append(stepped(page, wait_until, key))
    for key in (Qt.Key.Key_K, Qt.Key.Key_Left):
        stepped(page, wait_until, key)
    assert uid_in_view(page) == seen[1]
    assert said_in(folder) == []


def test_zoom_and_metadata_by_key(reviewing: ReviewPage) -> None:
    pane = reviewing.parts.pane
    assert not pane.metadata_seen
    press(reviewing, Qt.Key.Key_Z)
    assert not pane.view.fits
    press(reviewing, Qt.Key.Key_Z)
    assert pane.view.fits
    press(reviewing, Qt.Key.Key_H)
    assert pane.metadata_seen


def test_letters_that_are_typed_trigger_nothing(
    reviewing: ReviewPage, folder: Path, wait_until: Wait
) -> None:
    page, uid = reviewing, uid_in_view(reviewing)
    press(page, Qt.Key.Key_N)
    QTest.keyClicks(page.focusWidget(), "arusjkez1234h?")
    assert page.parts.verdict.note.text() == "arusjkez1234h?"
    press(page, Qt.Key.Key_Return)
    press(page, Qt.Key.Key_E)
    field = page.focusWidget()
    QTest.keyClicks(field, "arusjkez1234h?")
    assert "arusjkez1234h?" in page.parts.pair.edited[1].text
    assert (uid_in_view(page), page.parts.verdict.rubric.answers) == (uid, {})
    press(page, Qt.Key.Key_Escape)
    press(page, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    page.focus_search()
    QTest.keyClicks(page.focusWidget(), "aru")
    assert uid_in_view(page) == uid
    assert said_in(folder) == []


def _column_of(parts: Parts, widget: QWidget) -> int:
    """The head is read first, then the picture's side, then the text's."""
    return next(
        n for n, part in enumerate((parts.head, parts.pane, parts.middle)) if part.isAncestorOf(widget)
    )


def _place(page: ReviewPage, widget: QWidget) -> tuple[int, int]:
    """Line by line; what stands in one line may differ in height."""
    middle = widget.mapTo(page, widget.rect().center())
    return middle.y() // 4, middle.x()


def test_everything_that_takes_the_focus_has_a_name_of_its_own(reviewing: ReviewPage) -> None:
    press(reviewing, Qt.Key.Key_E)
    for widget in (reviewing.parts.middle, reviewing.parts.head):
        assert widget.isVisible()
    focusable = [
        widget
        for widget in reviewing.findChildren(QWidget)
        if widget.isVisible() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus
    ]
    names = [QAccessible.queryAccessibleInterface(widget).text(QAccessible.Text.Name) for widget in focusable]
    chain: list[QWidget] = []
    at = reviewing.nextInFocusChain()
    while at is not None and at is not reviewing:
        chain += [at] if at in focusable else []
        at = at.nextInFocusChain()
    parts = reviewing.parts
    places = [(_column_of(parts, widget), *_place(reviewing, widget)) for widget in chain]
    assert places == sorted(places), "focus order is reading order"
    assert len(names) > 15
    assert "" not in names
    assert len(set(names)) == len(names), names
    assert not {type(widget).__name__ for widget in focusable} & set(names)


# -- taking back ----------------------------------------------------------------------------------


def test_undo_and_redo_go_to_their_pair_even_after_a_restart(
    reviewing: ReviewPage, desk: Desk, folder: Path, wait_until: Wait
) -> None:
    page, control = reviewing, Qt.KeyboardModifier.ControlModifier
    first = decided(page, wait_until, lambda: press(page, Qt.Key.Key_A))
    second = decided(page, wait_until, lambda: press(page, Qt.Key.Key_U))
    third = uid_in_view(page)
    page.leave()
    desk.close_project()
    assert page.walk.reading is None
    desk.open_project(folder)
    wait_until(lambda: uid_in_view(page) == third)
    press(page, Qt.Key.Key_Z, control)
    wait_until(lambda: uid_in_view(page) == second and not page.deciding.busy)
    press(page, Qt.Key.Key_Z, control)
    wait_until(lambda: uid_in_view(page) == first and not page.deciding.busy)
    assert (state_of(folder, first), state_of(folder, second)) == (PairState.PENDING, PairState.PENDING)
    press(page, Qt.Key.Key_Z, control)
    wait_until(lambda: page.parts.verdict.status == "Nothing to take back")
    press(page, Qt.Key.Key_Z, control | Qt.KeyboardModifier.ShiftModifier)
    wait_until(lambda: page.parts.verdict.status == "Restored: accepted")
    assert state_of(folder, first) is PairState.ACCEPTED
    assert state_of(folder, second) is PairState.PENDING


# -- what fails -----------------------------------------------------------------------------------


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """A function that makes every write fail as on a full disk, or lets it succeed again."""
    real = verdicts.append_verdicts

    def fill(full: bool) -> None:
        def refuse(store: Store, events: object) -> int:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorname = "SQLITE_FULL"
            raise error

        monkeypatch.setattr(verdicts, "append_verdicts", refuse if full else real)

    return fill


def test_a_save_that_fails_keeps_everything_on_the_screen_and_in_a_copy(
    reviewing: ReviewPage,
    folder: Path,
    wait_until: Wait,
    full_disk: Callable[[bool], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    page, uid = reviewing, uid_in_view(reviewing)
    copy = tmp_path / "copy.json"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(copy), ""))
    full_disk(True)
    press(page, Qt.Key.Key_N)
    QTest.keyClicks(page.focusWidget(), "odd network")
    press(page, Qt.Key.Key_Return)
    press(page, Qt.Key.Key_E)
    QTest.keyClicks(page.focusWidget(), "Better: ")
    press(page, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    wait_until(lambda: page.parts.bar.isVisible())
    assert "full" in page.parts.bar.text
    assert page.parts.verdict.status == "Not saved"
    assert (uid_in_view(page), page.parts.verdict.note.text()) == (uid, "odd network")
    written = page.parts.pair.edited
    assert "Better: " in written[1].text
    QTest.mouseClick(page.parts.bar._button, Qt.MouseButton.LeftButton)
    wait_until(lambda: "copy" in page.parts.bar.text)
    kept = json.loads(copy.read_text(encoding="utf-8"))
    assert (kept["person"], kept["pair_uid"], kept["note"]) == ("Ada", uid, "odd network")
    assert kept["turns"][1]["text"] == written[1].text
    assert said_in(folder) == []
    full_disk(False)
    decided(page, wait_until, lambda: press(page, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier))
    (event,) = said_in(folder)
    assert (event.kind, event.turns, event.note) == (VerdictKind.EDIT, written, "odd network")
    assert not page.parts.bar.isVisible() or "copy" in page.parts.bar.text


def test_even_a_fault_of_our_own_loses_no_verdict(
    reviewing: ReviewPage, folder: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, uid = reviewing, uid_in_view(reviewing)
    real = verdicts.append_verdicts

    def break_down(store: Store, events: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(verdicts, "append_verdicts", break_down)
    press(page, Qt.Key.Key_1)
    press(page, Qt.Key.Key_A)
    wait_until(lambda: page.parts.bar.isVisible())
    assert (uid_in_view(page), page.parts.verdict.rubric.answers) == (uid, {"visible": "yes"})
    monkeypatch.setattr(verdicts, "append_verdicts", real)
    decided(page, wait_until, lambda: press(page, Qt.Key.Key_A))
    assert [(event.pair_uid, event.rubric) for event in said_in(folder)] == [(uid, {"visible": "yes"})]


def test_a_project_that_can_only_be_read_offers_no_verdict(
    page: ReviewPage, desk: Desk, folder: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Desk, "read_only", property(lambda _: True))
    desk.open_project(folder)
    wait_until(lambda: page.walk.reading)
    uid = uid_in_view(page)
    for key in (Qt.Key.Key_A, Qt.Key.Key_U, Qt.Key.Key_R, Qt.Key.Key_E):
        press(page, key)
    assert uid_in_view(page) == uid
    assert not page.deciding.busy
    assert QApplication.activePopupWidget() is None


# -- people ---------------------------------------------------------------------------------------


def test_the_name_is_asked_once(page: ReviewPage, desk: Desk, folder: Path, wait_until: Wait) -> None:
    settings.set_value("person.name", "")
    desk.open_project(folder)
    wait_until(lambda: page.parts.names.isVisible())
    QTest.keyClicks(page.focusWidget(), "  Grace  Hopper ")
    press(page, Qt.Key.Key_Return)
    wait_until(lambda: uid_in_view(page))
    assert settings.text("person.name") == "Grace Hopper"
    decided(page, wait_until, lambda: press(page, Qt.Key.Key_A))
    (event,) = said_in(folder)
    with Store(folder, read_only=True) as store:
        assert store.value("SELECT name FROM people WHERE uid = ?", (event.person_uid,)) == "Grace Hopper"


def test_two_reviewers_have_their_own_order_place_and_undo(
    reviewing: ReviewPage, folder: Path, wait_until: Wait
) -> None:
    page = reviewing
    ada_at = decided(page, wait_until, lambda: press(page, Qt.Key.Key_A))
    ada_next = uid_in_view(page)
    with Store(folder) as store:
        grace = people.person(store, "Grace")
        query = "SELECT max(uid) FROM pairs WHERE uid NOT IN (?, ?)"
        uid = store.value(query, (ada_at, ada_next))
        decide(store, grace, [uid], VerdictKind.ACCEPT, method=VerdictMethod.READ)
    page._on_names_named("Grace")
    wait_until(lambda: page.person and page.person.name == "Grace" and uid_in_view(page))
    press(page, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    wait_until(lambda: not page.deciding.busy and state_of(folder, uid) is PairState.PENDING)
    assert state_of(folder, ada_at) is PairState.ACCEPTED
    page._on_names_named("Ada")
    wait_until(lambda: page.person and page.person.name == "Ada" and uid_in_view(page) == ada_next)
    wait_until(lambda: page.parts.verdict.progress == "Decided by you: 1 of 5")
