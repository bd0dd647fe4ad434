"""The page Review by real keys alone; what they did is read from the database afterwards."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QColor, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget

from dermagui import settings
from dermagui.records import (
    Flag,
    FlagKind,
    Origin,
    Pair,
    PairImage,
    PairKind,
    PairState,
    RejectReason,
    Role,
    Turn,
    Verdict,
    VerdictKind,
    VerdictMethod,
)
from dermagui.review.verdicts import decide
from dermagui.storage import pairs, people, sources, verdicts
from dermagui.storage.database import Store
from dermagui.storage.metadata import FileStatements, Statement, save_statements
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.review.layout import Parts
from dermagui.ui.review.page import ReviewPage
from tests.fakes.projects import add_images, new_store, open_pair

Wait = Callable[[Callable[[], object]], None]
PAIRS = 5
LEAK = Flag(FlagKind.LEAK, "melanoma", "diagnosis")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with five pairs about two pictures that lie on the disk; one of the pairs is flagged."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for n in range(2):
        image = QImage(60, 40, QImage.Format.Format_RGB32)
        image.fill(QColor("tan"))
        assert image.save(str(pictures / f"{n:06}.png"))
    with new_store(tmp_path / "study") as store:
        ids = add_images(store, 2, root=pictures)
        file = store.value("SELECT min(id) FROM files")
        said = [FileStatements(file, (Statement("diagnosis", "melanoma"),))]
        save_statements(store, sources.list_sources(store)[0].id, said, Origin.FILE, "table.csv")
        made = [open_pair(ids[0], f"Answer number {n} about it.") for n in range(PAIRS)]
        pairs.add_pairs(store, [replace(made[0], flags=(LEAK,)), *made[1:]])
    return tmp_path / "study"


@pytest.fixture
def page(desk: Desk, application: QApplication, wait_until: Wait) -> Iterator[ReviewPage]:
    """The page in a window of its own, with Ada before it."""
    settings.set_value("person.name", "Ada")
    made = ReviewPage(desk, Jobs(desk))
    desk.project_changed.connect(made.show_project)
    made.resize(1100, 700)
    made.show()
    made.activateWindow()
    yield made
    desk.close_project()
    made.close()
    made.deleteLater()


@pytest.fixture
def reviewing(page: ReviewPage, desk: Desk, folder: Path, wait_until: Wait) -> ReviewPage:
    """The page with the first pair and its picture in view."""
    desk.open_project(folder)
    wait_until(lambda: page.walk.reading and page.parts.pane.image_seen)
    return page


def _press(
    page: ReviewPage, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
) -> None:
    popup = QApplication.activePopupWidget()
    if popup is None and not page.isActiveWindow():
        # Without a screen, a menu that was closed does not give the window back what it took from it.
        page.activateWindow()
        assert QTest.qWaitForWindowActive(page)
        for _ in range(1000):
            QApplication.processEvents()
            if QApplication.activeWindow() is page:
                break
    QTest.keyClick(popup or page.focusWidget() or page, key, modifier)


def _uid(page: ReviewPage) -> str:
    return page.walk.reading.pair.uid if page.walk.reading else ""


def _said(folder: Path) -> list[Verdict]:
    """All events, oldest first."""
    with Store(folder, read_only=True) as store:
        uids = [row[0] for row in store.tuples("SELECT uid FROM verdicts ORDER BY uid")]
        return [event for uid in uids if (event := verdicts.verdict(store, uid))]


def _state(folder: Path, uid: str) -> PairState:
    with Store(folder, read_only=True) as store:
        found = pairs.pair(store, uid)
        assert found is not None
        return found.state


def _decided(page: ReviewPage, wait_until: Wait, act: Callable[[], None]) -> str:
    """Does something that decides about the pair in view; returns its uid when the next one is there."""
    before = _uid(page)
    act()
    wait_until(lambda: page.walk.settled and _uid(page) != before and not page.deciding.busy)
    return before


# -- the keyboard alone ---------------------------------------------------------------------------


def test_three_pairs_by_keys_alone(reviewing: ReviewPage, folder: Path, wait_until: Wait) -> None:
    page = reviewing

    def accept() -> None:
        _press(page, Qt.Key.Key_1)
        _press(page, Qt.Key.Key_2)
        _press(page, Qt.Key.Key_2)
        _press(page, Qt.Key.Key_A)

    def reject() -> None:
        _press(page, Qt.Key.Key_H)
        _press(page, Qt.Key.Key_R)
        _press(page, Qt.Key.Key_3)

    accepted = _decided(page, wait_until, accept)
    assert page.parts.verdict.status.startswith("Saved ")
    rejected = _decided(page, wait_until, reject)
    wait_until(lambda: page.parts.pane.image_seen)
    unsure = _decided(page, wait_until, lambda: _press(page, Qt.Key.Key_U))
    first, second, third = _said(folder)
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
    wait_until(lambda: page.parts.verdict.progress == "3 of 5")


def test_flags_are_said_to_have_been_seen_where_there_were_any(
    reviewing: ReviewPage, folder: Path, wait_until: Wait
) -> None:
    page = reviewing
    for _ in range(PAIRS):
        _decided(page, wait_until, lambda: _press(page, Qt.Key.Key_A))
    wait_until(lambda: page.parts.empty.isVisible())
    with Store(folder, read_only=True) as store:
        flagged = {row[0] for row in store.tuples("SELECT uid FROM pairs WHERE flag_count > 0")}
    assert {event.pair_uid for event in _said(folder) if "flags" in event.visible} == flagged


def test_forth_and_back_decides_nothing_and_finds_the_same_pairs(
    reviewing: ReviewPage, folder: Path, wait_until: Wait
) -> None:
    page, seen = reviewing, [_uid(reviewing)]
    for key in (Qt.Key.Key_J, Qt.Key.Key_Right, Qt.Key.Key_S):
        seen.append(_decided_nothing(page, wait_until, key))
    for key in (Qt.Key.Key_K, Qt.Key.Key_Left):
        _decided_nothing(page, wait_until, key)
    assert _uid(page) == seen[1]
    assert _said(folder) == []


def _decided_nothing(page: ReviewPage, wait_until: Wait, key: Qt.Key) -> str:
    before = _uid(page)
    _press(page, key)
    wait_until(lambda: _uid(page) not in ("", before))
    return _uid(page)


def test_zoom_and_metadata_by_key(reviewing: ReviewPage) -> None:
    pane = reviewing.parts.pane
    assert not pane.metadata_seen
    _press(reviewing, Qt.Key.Key_Z)
    assert not pane.view.fits
    _press(reviewing, Qt.Key.Key_Z)
    assert pane.view.fits
    _press(reviewing, Qt.Key.Key_H)
    assert pane.metadata_seen


def test_letters_that_are_typed_trigger_nothing(
    reviewing: ReviewPage, folder: Path, wait_until: Wait
) -> None:
    page, uid = reviewing, _uid(reviewing)
    _press(page, Qt.Key.Key_N)
    QTest.keyClicks(page.focusWidget(), "arusjkez1234h?")
    assert page.parts.verdict.note.text() == "arusjkez1234h?"
    _press(page, Qt.Key.Key_Return)
    _press(page, Qt.Key.Key_E)
    field = page.focusWidget()
    QTest.keyClicks(field, "arusjkez1234h?")
    assert "arusjkez1234h?" in page.parts.pair.edited[1].text
    assert (_uid(page), page.parts.verdict.rubric.answers) == (uid, {})
    _press(page, Qt.Key.Key_Escape)
    _press(page, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    page.focus_search()
    QTest.keyClicks(page.focusWidget(), "aru")
    assert _uid(page) == uid
    assert _said(folder) == []


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
    _press(reviewing, Qt.Key.Key_E)
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
    first = _decided(page, wait_until, lambda: _press(page, Qt.Key.Key_A))
    second = _decided(page, wait_until, lambda: _press(page, Qt.Key.Key_U))
    third = _uid(page)
    page.leave()
    desk.close_project()
    assert page.walk.reading is None
    desk.open_project(folder)
    wait_until(lambda: _uid(page) == third)
    _press(page, Qt.Key.Key_Z, control)
    wait_until(lambda: _uid(page) == second and not page.deciding.busy)
    _press(page, Qt.Key.Key_Z, control)
    wait_until(lambda: _uid(page) == first and not page.deciding.busy)
    assert (_state(folder, first), _state(folder, second)) == (PairState.PENDING, PairState.PENDING)
    _press(page, Qt.Key.Key_Z, control)
    wait_until(lambda: page.parts.verdict.status == "Nothing to take back")
    _press(page, Qt.Key.Key_Z, control | Qt.KeyboardModifier.ShiftModifier)
    wait_until(lambda: page.parts.verdict.status == "Restored: accepted")
    assert _state(folder, first) is PairState.ACCEPTED
    assert _state(folder, second) is PairState.PENDING


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
    page, uid = reviewing, _uid(reviewing)
    copy = tmp_path / "copy.json"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(copy), ""))
    full_disk(True)
    _press(page, Qt.Key.Key_N)
    QTest.keyClicks(page.focusWidget(), "odd network")
    _press(page, Qt.Key.Key_Return)
    _press(page, Qt.Key.Key_E)
    QTest.keyClicks(page.focusWidget(), "Better: ")
    _press(page, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    wait_until(lambda: page.parts.bar.isVisible())
    assert "full" in page.parts.bar.text
    assert page.parts.verdict.status == "Not saved"
    assert (_uid(page), page.parts.verdict.note.text()) == (uid, "odd network")
    written = page.parts.pair.edited
    assert "Better: " in written[1].text
    QTest.mouseClick(page.parts.bar._button, Qt.MouseButton.LeftButton)
    wait_until(lambda: "copy" in page.parts.bar.text)
    kept = json.loads(copy.read_text(encoding="utf-8"))
    assert (kept["person"], kept["pair_uid"], kept["note"]) == ("Ada", uid, "odd network")
    assert kept["turns"][1]["text"] == written[1].text
    assert _said(folder) == []
    full_disk(False)
    _decided(page, wait_until, lambda: _press(page, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier))
    (event,) = _said(folder)
    assert (event.kind, event.turns, event.note) == (VerdictKind.EDIT, written, "odd network")
    assert not page.parts.bar.isVisible() or "copy" in page.parts.bar.text


def test_even_a_fault_of_our_own_loses_no_verdict(
    reviewing: ReviewPage, folder: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, uid = reviewing, _uid(reviewing)
    real = verdicts.append_verdicts

    def break_down(store: Store, events: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(verdicts, "append_verdicts", break_down)
    _press(page, Qt.Key.Key_1)
    _press(page, Qt.Key.Key_A)
    wait_until(lambda: page.parts.bar.isVisible())
    assert (_uid(page), page.parts.verdict.rubric.answers) == (uid, {"visible": "yes"})
    monkeypatch.setattr(verdicts, "append_verdicts", real)
    _decided(page, wait_until, lambda: _press(page, Qt.Key.Key_A))
    assert [(event.pair_uid, event.rubric) for event in _said(folder)] == [(uid, {"visible": "yes"})]


def test_a_project_that_can_only_be_read_offers_no_verdict(
    page: ReviewPage, desk: Desk, folder: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Desk, "read_only", property(lambda _: True))
    desk.open_project(folder)
    wait_until(lambda: page.walk.reading)
    uid = _uid(page)
    for key in (Qt.Key.Key_A, Qt.Key.Key_U, Qt.Key.Key_R, Qt.Key.Key_E):
        _press(page, key)
    assert _uid(page) == uid
    assert not page.deciding.busy
    assert QApplication.activePopupWidget() is None


# -- people ---------------------------------------------------------------------------------------


def test_the_name_is_asked_once(page: ReviewPage, desk: Desk, folder: Path, wait_until: Wait) -> None:
    settings.set_value("person.name", "")
    desk.open_project(folder)
    wait_until(lambda: page.parts.names.isVisible())
    QTest.keyClicks(page.focusWidget(), "  Grace  Hopper ")
    _press(page, Qt.Key.Key_Return)
    wait_until(lambda: _uid(page))
    assert settings.text("person.name") == "Grace Hopper"
    _decided(page, wait_until, lambda: _press(page, Qt.Key.Key_A))
    (event,) = _said(folder)
    with Store(folder, read_only=True) as store:
        assert store.value("SELECT name FROM people WHERE uid = ?", (event.person_uid,)) == "Grace Hopper"


def test_two_reviewers_have_their_own_order_place_and_undo(
    reviewing: ReviewPage, folder: Path, wait_until: Wait
) -> None:
    page = reviewing
    with Store(folder) as store:
        grace = people.person(store, "Grace")
        uid = store.value("SELECT max(uid) FROM pairs")
        decide(store, grace, [uid], VerdictKind.ACCEPT, method=VerdictMethod.READ)
    ada_at = _decided(page, wait_until, lambda: _press(page, Qt.Key.Key_A))
    ada_next = _uid(page)
    page._on_names_named("Grace")
    wait_until(lambda: page.person and page.person.name == "Grace" and _uid(page))
    _press(page, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    wait_until(lambda: not page.deciding.busy and _state(folder, uid) is PairState.PENDING)
    assert _state(folder, ada_at) is PairState.ACCEPTED
    page._on_names_named("Ada")
    wait_until(lambda: page.person and page.person.name == "Ada" and _uid(page) == ada_next)
    wait_until(lambda: page.parts.verdict.progress == "1 of 5")


# -- editing --------------------------------------------------------------------------------------


def test_an_edit_is_saved_as_turns_and_shown_as_a_difference(
    reviewing: ReviewPage, folder: Path, wait_until: Wait
) -> None:
    page = reviewing

    def edit() -> None:
        _press(page, Qt.Key.Key_E)
        _press(page, Qt.Key.Key_End, Qt.KeyboardModifier.ControlModifier)
        QTest.keyClicks(page.focusWidget(), " And more.")
        _press(page, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)

    uid = _decided(page, wait_until, edit)
    (event,) = _said(folder)
    assert event.kind is VerdictKind.EDIT
    assert event.turns[1].text.endswith(" about it. And more.")
    _press(page, Qt.Key.Key_K)
    wait_until(lambda: _uid(page) == uid)
    texts = _texts(page.parts.pair)
    assert any("<u> And more</u>" in text or "<u> And more.</u>" in text for text in texts), texts


def _texts(widget: QWidget) -> list[str]:
    from PySide6.QtWidgets import QLabel

    return [label.text() for label in widget.findChildren(QLabel) if label.isVisible()]


def test_a_draft_outlives_the_page_and_the_project(
    reviewing: ReviewPage, desk: Desk, folder: Path, wait_until: Wait
) -> None:
    page, uid = reviewing, _uid(reviewing)
    _press(page, Qt.Key.Key_E)
    QTest.keyClicks(page.focusWidget(), "Begun ")
    begun = page.parts.pair.edited
    _press(page, Qt.Key.Key_Escape)
    assert _said(folder) == []
    _press(page, Qt.Key.Key_E)
    assert page.parts.pair.edited == begun
    QTest.keyClicks(page.focusWidget(), "again ")
    begun = page.parts.pair.edited
    page.leave()
    desk.close_project()
    desk.open_project(folder)
    wait_until(lambda: _uid(page) == uid)
    _press(page, Qt.Key.Key_E)
    assert page.parts.pair.edited == begun


# -- one's own impression -------------------------------------------------------------------------


def test_the_answer_waits_for_an_impression_which_becomes_the_note(
    reviewing: ReviewPage, folder: Path, wait_until: Wait
) -> None:
    page = reviewing
    _press(page, Qt.Key.Key_M)
    before = _uid(page)
    _press(page, Qt.Key.Key_J)
    wait_until(lambda: _uid(page) != before)
    assert not any("Answer number" in text for text in _texts(page.parts.pair))
    _press(page, Qt.Key.Key_Return)
    assert not any("Answer number" in text for text in _texts(page.parts.pair)), "an empty line is none"
    page.action("review.accept").trigger()
    assert not page.deciding.busy
    QTest.keyClicks(page.focusWidget(), "looks benign")
    _press(page, Qt.Key.Key_Return)
    assert any("Answer number" in text for text in _texts(page.parts.pair))
    _decided(page, wait_until, lambda: _press(page, Qt.Key.Key_A))
    (event,) = _said(folder)
    assert (event.note, "answer" in event.visible) == ("looks benign", True)


# -- kinds of pairs -------------------------------------------------------------------------------


def _kinds(images: list[int]) -> list[Pair]:
    several = open_pair(images=tuple(PairImage(image) for image in images))
    choice = open_pair(
        images[0], kind=PairKind.CHOICE, payload={"options": ["naevus", "melanoma"], "key": "B"}
    )
    turns = tuple(Turn(role, f"{role} {n}") for n in range(2) for role in (Role.USER, Role.ASSISTANT))
    dialogue = open_pair(images[0], kind=PairKind.DIALOGUE, turns=turns)
    caption = open_pair(images[0], kind=PairKind.CAPTION, turns=(Turn(Role.ASSISTANT, "A caption."),))
    return [several, choice, dialogue, caption, open_pair()]


def test_every_kind_of_pair_is_shown_whole(
    page: ReviewPage, desk: Desk, folder: Path, wait_until: Wait
) -> None:
    with Store(folder) as store:
        images = [row[0] for row in store.tuples("SELECT id FROM images ORDER BY id")]
        made = _kinds(images)
        pairs.add_pairs(store, made)
        ids = {pair.uid: store.value("SELECT id FROM pairs WHERE uid = ?", (pair.uid,)) for pair in made}
    desk.open_project(folder)
    wait_until(lambda: page.walk.reading)

    def show(pair: Pair) -> list[str]:
        page.walk.go_to(ids[pair.uid])
        wait_until(lambda: _uid(page) == pair.uid)
        return _texts(page)

    several, choice, dialogue, caption, text_only = made
    assert "Picture 1 of 2" in show(several)
    _press(page, Qt.Key.Key_I)
    assert "Picture 2 of 2" in _texts(page)
    shown = show(choice)
    assert "A. naevus" in shown
    assert "<b>B. melanoma</b> (the right one)" in shown
    shown = show(dialogue)
    assert [text for text in shown if text[:5] in ("user ", "assis", "Perso", "Model")] == [
        *("Person 1", "user 0", "Model 1", "assistant 0", "Person 2", "user 1", "Model 2", "assistant 1")
    ]
    assert "Caption" in show(caption)
    show(text_only)
    assert not page.parts.pane.image_seen
    _decided(page, wait_until, lambda: _press(page, Qt.Key.Key_A))
    (event,) = _said(folder)
    assert "image" not in event.visible


def test_a_long_answer_is_read_to_its_end_by_the_keyboard(
    page: ReviewPage, desk: Desk, folder: Path, wait_until: Wait
) -> None:
    with Store(folder) as store:
        long = open_pair(answer="Very long. " * 2_000)
        pairs.add_pairs(store, [long])
        pair_id = store.value("SELECT id FROM pairs WHERE uid = ?", (long.uid,))
    desk.open_project(folder)
    wait_until(lambda: page.walk.reading)
    page.walk.go_to(pair_id)
    wait_until(lambda: _uid(page) == long.uid)
    bar = page.parts._scroll.verticalScrollBar()
    wait_until(lambda: bar.maximum() > 3 * bar.pageStep())
    _press(page, Qt.Key.Key_PageDown)
    assert bar.value() == bar.pageStep()
    for _ in range(bar.maximum() // bar.pageStep() + 1):
        _press(page, Qt.Key.Key_PageDown)
    assert bar.value() == bar.maximum()
    _press(page, Qt.Key.Key_PageUp)
    assert bar.value() < bar.maximum()


def test_flags_are_said_in_plain_words_with_their_evidence(reviewing: ReviewPage, wait_until: Wait) -> None:
    page = reviewing
    for _ in range(PAIRS):
        if page.walk.reading and page.walk.reading.pair.flags:
            break
        _decided_nothing(page, wait_until, Qt.Key.Key_J)
    assert "Repeats the hidden diagnosis: melanoma" in _texts(page.parts.pair)


# -- which pairs ----------------------------------------------------------------------------------


def test_a_search_finds_pairs_of_any_state_and_its_end_brings_the_queue_back(
    reviewing: ReviewPage, folder: Path, wait_until: Wait
) -> None:
    page = reviewing
    decided = _decided(page, wait_until, lambda: _press(page, Qt.Key.Key_A))
    place = _uid(page)
    with Store(folder, read_only=True) as store:
        found = pairs.pair(store, decided)
        assert found is not None
        words = found.turns[1].text
    page.focus_search()
    QTest.keyClicks(page.focusWidget(), words.split(" about")[0])
    _press(page, Qt.Key.Key_Return)
    wait_until(lambda: _uid(page) == decided)
    _press(page, Qt.Key.Key_Escape)
    wait_until(lambda: _uid(page) == place)


def _is_elsewhere(page: ReviewPage, uid: str) -> bool:
    return page.walk.settled and _uid(page) != uid


def test_flagged_first_and_the_end_of_the_queue(reviewing: ReviewPage, wait_until: Wait) -> None:
    page = reviewing
    box = page.parts.strip._order
    box.setCurrentIndex(1)
    box.activated.emit(1)
    wait_until(lambda: page.walk.queue and page.walk.queue.order == "flagged" and _uid(page))
    assert page.walk.reading
    assert page.walk.reading.pair.flags
    for _ in range(PAIRS):
        before = _uid(page)
        _press(page, Qt.Key.Key_J)
        wait_until(partial(_is_elsewhere, page, before))
    wait_until(lambda: page.parts.empty.isVisible())
    assert "last pair" in page.parts.empty.text
    _press(page, Qt.Key.Key_Home, Qt.KeyboardModifier.ControlModifier)
    wait_until(lambda: page.walk.reading and page.walk.reading.pair.flags)
