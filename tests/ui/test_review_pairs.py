"""What the page Review shows and lets be edited: every kind of pair, drafts, impressions, searches."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from dermagui.records import (
    Pair,
    PairImage,
    PairKind,
    Role,
    Turn,
    VerdictKind,
)
from dermagui.storage import pairs
from dermagui.storage.database import Store
from dermagui.ui.desk import Desk
from dermagui.ui.review.page import ReviewPage
from tests.fakes.projects import open_pair
from tests.fakes.review_page import (
    PAIRS,
    Wait,
    decided,
    is_elsewhere,
    press,
    review_page,
    review_project,
    said_in,
    stepped,
    texts_of,
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


# -- editing --------------------------------------------------------------------------------------


def test_an_edit_is_saved_as_turns_and_shown_as_a_difference(
    reviewing: ReviewPage, folder: Path, wait_until: Wait
) -> None:
    page = reviewing

    def edit() -> None:
        press(page, Qt.Key.Key_E)
        press(page, Qt.Key.Key_End, Qt.KeyboardModifier.ControlModifier)
        QTest.keyClicks(page.focusWidget(), " And more.")
        press(page, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)

    uid = decided(page, wait_until, edit)
    (event,) = said_in(folder)
    assert event.kind is VerdictKind.EDIT
    assert event.turns[1].text.endswith(" about it. And more.")
    press(page, Qt.Key.Key_K)
    wait_until(lambda: uid_in_view(page) == uid)
    texts = texts_of(page.parts.pair)
    assert any("<u> And more</u>" in text or "<u> And more.</u>" in text for text in texts), texts


def test_a_draft_outlives_the_page_and_the_project(
    reviewing: ReviewPage, desk: Desk, folder: Path, wait_until: Wait
) -> None:
    page, uid = reviewing, uid_in_view(reviewing)
    press(page, Qt.Key.Key_E)
    QTest.keyClicks(page.focusWidget(), "Begun ")
    begun = page.parts.pair.edited
    press(page, Qt.Key.Key_Escape)
    assert said_in(folder) == []
    press(page, Qt.Key.Key_E)
    assert page.parts.pair.edited == begun
    QTest.keyClicks(page.focusWidget(), "again ")
    begun = page.parts.pair.edited
    page.leave()
    desk.close_project()
    desk.open_project(folder)
    wait_until(lambda: uid_in_view(page) == uid)
    press(page, Qt.Key.Key_E)
    assert page.parts.pair.edited == begun


# -- one's own impression -------------------------------------------------------------------------


def test_the_answer_waits_for_an_impression_which_becomes_the_note(
    reviewing: ReviewPage, folder: Path, wait_until: Wait
) -> None:
    page = reviewing
    press(page, Qt.Key.Key_M)
    before = uid_in_view(page)
    press(page, Qt.Key.Key_J)
    wait_until(lambda: uid_in_view(page) != before)
    assert not any("Answer number" in text for text in texts_of(page.parts.pair))
    press(page, Qt.Key.Key_Return)
    assert not any("Answer number" in text for text in texts_of(page.parts.pair)), "an empty line is none"
    page.action("review.accept").trigger()
    assert not page.deciding.busy
    QTest.keyClicks(page.focusWidget(), "looks benign")
    press(page, Qt.Key.Key_Return)
    assert any("Answer number" in text for text in texts_of(page.parts.pair))
    decided(page, wait_until, lambda: press(page, Qt.Key.Key_A))
    (event,) = said_in(folder)
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
        wait_until(lambda: uid_in_view(page) == pair.uid)
        return texts_of(page)

    several, choice, dialogue, caption, text_only = made
    assert "Picture 1 of 2" in show(several)
    press(page, Qt.Key.Key_I)
    assert "Picture 2 of 2" in texts_of(page)
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
    decided(page, wait_until, lambda: press(page, Qt.Key.Key_A))
    (event,) = said_in(folder)
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
    wait_until(lambda: uid_in_view(page) == long.uid)
    bar = page.parts._scroll.verticalScrollBar()
    wait_until(lambda: bar.maximum() > 3 * bar.pageStep())
    press(page, Qt.Key.Key_PageDown)
    assert bar.value() == bar.pageStep()
    for _ in range(bar.maximum() // bar.pageStep() + 1):
        press(page, Qt.Key.Key_PageDown)
    assert bar.value() == bar.maximum()
    press(page, Qt.Key.Key_PageUp)
    assert bar.value() < bar.maximum()


def test_flags_are_said_in_plain_words_with_their_evidence(reviewing: ReviewPage, wait_until: Wait) -> None:
    page = reviewing
    for _ in range(PAIRS):
        if page.walk.reading and page.walk.reading.pair.flags:
            break
        stepped(page, wait_until, Qt.Key.Key_J)
    assert "Repeats the hidden diagnosis: melanoma" in texts_of(page.parts.pair)


# -- which pairs ----------------------------------------------------------------------------------


def test_a_search_finds_pairs_of_any_state_and_its_end_brings_the_queue_back(
    reviewing: ReviewPage, folder: Path, wait_until: Wait
) -> None:
    page = reviewing
    accepted = decided(page, wait_until, lambda: press(page, Qt.Key.Key_A))
    place = uid_in_view(page)
    with Store(folder, read_only=True) as store:
        found = pairs.pair(store, accepted)
        assert found is not None
        words = found.turns[1].text
    page.focus_search()
    QTest.keyClicks(page.focusWidget(), words.split(" about")[0])
    press(page, Qt.Key.Key_Return)
    wait_until(lambda: uid_in_view(page) == accepted)
    press(page, Qt.Key.Key_Escape)
    wait_until(lambda: uid_in_view(page) == place)


def test_flagged_first_and_the_end_of_the_queue(reviewing: ReviewPage, wait_until: Wait) -> None:
    page = reviewing
    box = page.parts.strip._order
    box.setCurrentIndex(1)
    box.activated.emit(1)
    wait_until(lambda: page.walk.queue and page.walk.queue.order == "flagged" and uid_in_view(page))
    assert page.walk.reading
    assert page.walk.reading.pair.flags
    for _ in range(PAIRS):
        before = uid_in_view(page)
        press(page, Qt.Key.Key_J)
        wait_until(partial(is_elsewhere, page, before))
    wait_until(lambda: page.parts.empty.isVisible())
    assert "last pair" in page.parts.empty.text
    press(page, Qt.Key.Key_Home, Qt.KeyboardModifier.ControlModifier)
    wait_until(lambda: page.walk.reading and page.walk.reading.pair.flags)
