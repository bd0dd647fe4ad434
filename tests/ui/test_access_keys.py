"""With the keyboard alone: Tab walks through everything in the order of reading; every action is found."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QScrollArea, QSplitter, QWidget

from dermagui.ui import scenes
from dermagui.ui.pages import PAGES
from dermagui.ui.shell.palette import ActionPalette, keys, plain
from dermagui.ui.window import Window

Wait = Callable[[Callable[[], object]], None]

_ROW_PIXELS = 14
"""Widgets whose middles are no further apart than this stand in one row."""
_STOPS_AT_MOST = 200


def walk(top: QWidget, wait_until: Wait) -> list[QWidget]:
    """What gets the focus, by real presses of Tab from the place that is read first, until it comes back."""
    wait_until(lambda: _bring_up(top))
    first = min(left_behind([], top), key=lambda widget: (middle(widget, top).y(), middle(widget, top).x()))
    first.setFocus(Qt.FocusReason.TabFocusReason)
    stops = [first]
    while len(stops) < _STOPS_AT_MOST:
        QTest.keyClick(stops[-1], Qt.Key.Key_Tab)
        at = QApplication.focusWidget()
        assert at is not None, f"after {stops[-1]} nothing has the focus"
        if at in stops:
            told = " → ".join(map(called, [*stops, at]))
            assert at is first, f"the focus is kept, or given back too early: {told}"
            return stops
        stops.append(at)
    raise AssertionError(f"Tab goes on and on: {stops}")


def _bring_up(top: QWidget) -> bool:
    """Whether the keys go there now: what stood in front of it may have gone only just now."""
    top.activateWindow()
    return QApplication.activeWindow() is top


def pane_of(widget: QWidget, top: QWidget) -> QWidget:
    """The part of the window in which it is read: half of a split, an area that scrolls, else the whole."""
    while widget is not top and not isinstance(widget.parent(), (QSplitter, QScrollArea)):
        widget = widget.parentWidget()
    return widget


def middle(widget: QWidget, top: QWidget) -> QPoint:
    """Where it is, as seen from the window."""
    return widget.mapTo(top, widget.rect().center())


def called(widget: QWidget) -> str:
    """What it is, for whoever reads that something is wrong with it."""
    words = widget.accessibleName() or getattr(widget, "text", str)()
    return f"{type(widget).__name__} {words!r}"


def jumps(stops: list[QWidget], top: QWidget) -> list[str]:
    """Where the focus goes up, or to the left in its row, without leaving its pane.

    To the right of all that was there so far another column begins; what is in a list comes after the list.
    """
    found, right = [], 0
    for before, after in pairwise(stops):
        step = middle(after, top) - middle(before, top)
        right = max(right, before.mapTo(top, before.rect().bottomRight()).x())
        begins = after.mapTo(top, QPoint()).x() > right
        if pane_of(before, top) is not pane_of(after, top) or before.isAncestorOf(after) or begins:
            right = 0
        elif step.y() < -_ROW_PIXELS or (abs(step.y()) <= _ROW_PIXELS and step.x() < 0):
            found.append(f"{called(before)} → {called(after)}")
    return found


def left_behind(stops: list[QWidget], top: QWidget) -> list[QWidget]:
    """What Tab should reach and does not."""
    return [
        widget
        for widget in top.findChildren(QWidget)
        if widget.window() is top
        and widget.isVisible()
        and widget.isEnabled()
        and bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus)
        and widget.focusProxy() is None
        and not widget.visibleRegion().isEmpty()
        and widget not in stops
    ]


def test_tab_walks_through_every_page_in_the_order_of_reading(
    window: Window, application: QApplication, own_demo: Path, wait_until: Wait
) -> None:
    wrong = []
    for state in ("no project", "demo"):
        views = [scenes.all_views] if state == "no project" else [scenes.all_views, scenes.working_views]
        for some in views:
            for name, view in some(window, application):
                stops = walk(view, wait_until)
                wrong += [f"{state}, {name}: {jump}" for jump in jumps(stops, view)]
                wrong += [
                    f"{state}, {name}: {called(lost)} is passed over" for lost in left_behind(stops, view)
                ]
        window.desk.open_project(own_demo)
        scenes.settle(application, window)
    assert not wrong, "\n".join(wrong)


def test_every_action_that_can_be_done_stands_in_the_palette(
    window: Window, application: QApplication, demo: Path
) -> None:
    window.desk.open_project(demo)
    for page in PAGES:
        window.show_page(page)
        scenes.settle(application, window)
        window.show_palette()
        palette = window.findChildren(ActionPalette)[-1]
        rows = [palette.found.topLevelItem(n) for n in range(palette.found.topLevelItemCount())]
        listed = {(row.text(0), row.text(1)) for row in rows if row}
        there = [*window.actions(), *window.pages[page].actions()]
        assert listed == {(plain(action), keys(action)) for action in there if action.isEnabled()}, page
        palette.reject()


def test_the_walk_sees_a_jump_a_trap_and_what_is_passed_over(
    application: QApplication, wait_until: Wait
) -> None:
    from PySide6.QtWidgets import QPlainTextEdit, QPushButton, QVBoxLayout

    top = QDialog()
    column = QVBoxLayout(top)
    buttons = [QPushButton(text) for text in ("one", "two", "three")]
    for button in buttons:
        column.addWidget(button)
    top.show()
    stops = walk(top, wait_until)
    assert (stops, jumps(stops, top)) == (buttons, [])
    QWidget.setTabOrder(buttons[0], buttons[2])
    assert len(jumps(walk(top, wait_until), top)) == 1
    assert left_behind(buttons[:2], top) == [buttons[2]]
    trap = QPlainTextEdit()
    column.addWidget(trap)
    trap.show()
    with pytest.raises(AssertionError, match="the focus is kept"):
        walk(top, wait_until)
    top.close()
    top.deleteLater()
