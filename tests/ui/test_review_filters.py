"""The filters of the page Review: chosen by keys, never cut, and always those of the open project."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QStyle, QStyleOptionComboBox

from dermagui.records import FlagKind
from dermagui.review.queue import Order, Place, keep_place
from dermagui.storage import pairs
from dermagui.storage.database import Store
from dermagui.storage.queues import QueueFilter
from dermagui.ui.desk import Desk
from dermagui.ui.review.desk_work import open_review
from dermagui.ui.review.page import ReviewPage
from tests.fakes.projects import new_store, open_pair
from tests.fakes.review_page import PAIRS, Wait, review_page, review_project


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with five pairs."""
    return review_project(tmp_path)


@pytest.fixture
def reviewing(desk: Desk, folder: Path, wait_until: Wait) -> Iterator[ReviewPage]:
    """The page with the first pair in view."""
    with review_page(desk) as page:
        desk.open_project(folder)
        wait_until(lambda: page.walk.reading)
        yield page


def test_arrow_keys_in_a_filter_stay_in_it(reviewing: ReviewPage, wait_until: Wait) -> None:
    page = reviewing
    box = page.parts.strip._flag
    box.setFocus()
    for chosen, flagged in (("Flagged", True), ("Not flagged", False)):
        QTest.keyClick(box, Qt.Key.Key_Down)
        wait_until(partial(_shows, page, flagged))
        assert box.currentText() == chosen
        assert box.hasFocus()


def _shows(page: ReviewPage, flagged: bool) -> bool:
    queue, reading = page.walk.queue, page._shown
    return queue is not None and queue.wanted.flagged is flagged and reading is not None


@pytest.mark.parametrize("kind", FlagKind)
def test_no_filter_is_cut_when_it_is_closed(reviewing: ReviewPage, kind: FlagKind) -> None:
    reviewing.resize(1180, 700)
    strip = reviewing.parts.strip
    strip.show_filter(QueueFilter(flag=kind), Order.FLAGGED, "")
    QApplication.processEvents()
    for box in strip._boxes:
        option = QStyleOptionComboBox()
        box.initStyleOption(option)
        field = box.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, box
        )
        assert field.width() >= box.fontMetrics().horizontalAdvance(box.currentText()), box.currentText()


def test_another_project_begins_with_a_filter_of_its_own(
    reviewing: ReviewPage, desk: Desk, tmp_path: Path, wait_until: Wait
) -> None:
    page, strip = reviewing, reviewing.parts.strip
    strip.search.setFocus()
    QTest.keyClicks(strip.search, "nothing is like this")
    QTest.keyClick(strip.search, Qt.Key.Key_Return)
    wait_until(lambda: page.walk.is_empty and page.walk.is_search)
    with new_store(tmp_path / "other") as store:
        pairs.add_pairs(store, [open_pair(None, "An answer.")])
    desk.open_project(tmp_path / "other")
    wait_until(lambda: page.walk.reading and desk.folder == tmp_path / "other")
    assert strip.search.text() == ""
    assert strip.wanted == QueueFilter()
    assert all(box.isEnabled() and box.currentText() for box in strip._boxes)


def test_a_source_that_is_gone_is_not_filtered_by_any_more(folder: Path) -> None:
    with Store(folder) as store:
        first = open_review(store, "Ada")
        keep_place(store, first.person.uid, Place(QueueFilter(source_id=99, question_key="gone")))
        opened = open_review(store, "Ada")
    assert opened.place.wanted == opened.queue.wanted == QueueFilter()
    assert len(opened.spots) == PAIRS
