"""The page Review with a small project before it, and the keys and questions of its tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QWidget

from dermagui import settings
from dermagui.records import Flag, FlagKind, Origin, PairState, Verdict
from dermagui.storage import pairs, sources, verdicts
from dermagui.storage.database import Store
from dermagui.storage.metadata import FileStatements, Statement, save_statements
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.review.page import ReviewPage
from tests.fakes.projects import add_images, new_store, open_pair

Wait = Callable[[Callable[[], object]], None]
PAIRS = 5
LEAK = Flag(FlagKind.LEAK, "melanoma", "diagnosis")


def review_project(tmp_path: Path) -> Path:
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


@contextmanager
def review_page(desk: Desk) -> Iterator[ReviewPage]:
    """The page in a window of its own, with Ada before it."""
    settings.set_value("person.name", "Ada")
    made = ReviewPage(desk, Jobs(desk))
    desk.project_changed.connect(made.show_project)
    made.resize(1100, 700)
    made.show()
    made.activateWindow()
    assert QTest.qWaitForWindowActive(made)
    yield made
    desk.close_project()
    made.close()
    made.deleteLater()


def press(
    page: ReviewPage, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
) -> None:
    """Presses a key where the focus is, or in the menu that is open."""
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


def uid_in_view(page: ReviewPage) -> str:
    """The uid of the pair in view, or an empty text."""
    return page.walk.reading.pair.uid if page.walk.reading else ""


def said_in(folder: Path) -> list[Verdict]:
    """All events, oldest first."""
    with Store(folder, read_only=True) as store:
        uids = [row[0] for row in store.tuples("SELECT uid FROM verdicts ORDER BY uid")]
        return [event for uid in uids if (event := verdicts.verdict(store, uid))]


def state_of(folder: Path, uid: str) -> PairState:
    """The state of a pair, from the database."""
    with Store(folder, read_only=True) as store:
        found = pairs.pair(store, uid)
        assert found is not None
        return found.state


def decided(page: ReviewPage, wait_until: Wait, act: Callable[[], None]) -> str:
    """Does something that decides about the pair in view; returns its uid when the next one is there."""
    before = uid_in_view(page)
    act()
    wait_until(lambda: page.walk.settled and uid_in_view(page) != before and not page.deciding.busy)
    return before


def stepped(page: ReviewPage, wait_until: Wait, key: Qt.Key) -> str:
    """Presses a key that leads to another pair; returns its uid."""
    before = uid_in_view(page)
    press(page, key)
    wait_until(lambda: uid_in_view(page) not in ("", before))
    return uid_in_view(page)


def texts_of(widget: QWidget) -> list[str]:
    """What can be read in a widget now."""
    return [label.text() for label in widget.findChildren(QLabel) if label.isVisible()]


def is_elsewhere(page: ReviewPage, uid: str) -> bool:
    """Whether another pair, or the end, is in view."""
    return page.walk.settled and uid_in_view(page) != uid
