"""Walks through what a window shows: its texts, and its tree as a screen reader is told of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from PySide6.QtCore import Qt, QTranslator
from PySide6.QtGui import QAccessible, QAccessibleInterface
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QComboBox,
    QGroupBox,
    QLabel,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QTabBar,
    QTableView,
    QTextEdit,
    QTreeView,
    QWidget,
)

OPEN, CLOSE = "⟦", "⟧"


class Brackets(QTranslator):
    """A language in which every text stands in brackets: what is shown without them passed by ``tr``."""

    def translate(self, context: str, text: str, disambiguation: str | None = None, n: int = -1) -> str:
        return f"{OPEN}{text}{CLOSE}"

    def isEmpty(self) -> bool:
        return False


def shown_texts(top: QWidget) -> Iterator[tuple[str, str]]:
    """Whose text, and the text, of every widget in view, hints and tool tips too; not what users typed."""
    for widget in [top, *top.findChildren(QWidget)]:
        if not (widget.isVisible() or isinstance(widget, QMenu)):
            continue
        for text in {*_texts_of(widget), widget.toolTip(), widget.statusTip(), widget.accessibleName()}:
            if re.search(r"[^\W\d_]", text):
                yield f"{type(widget).__name__} {widget.objectName()}", text


def _texts_of(widget: QWidget) -> Iterator[str]:
    if isinstance(widget, (QLabel, QAbstractButton)):
        yield widget.text()
    elif isinstance(widget, QGroupBox):
        yield widget.title()
    elif isinstance(widget, QComboBox):
        yield from (widget.itemText(n) for n in range(widget.count()))
    elif isinstance(widget, QTabBar):
        yield from (widget.tabText(n) for n in range(widget.count()))
    elif isinstance(widget, QMenu):
        yield from (action.text() for action in widget.actions())
    elif isinstance(widget, (QTableView, QTreeView)):
        yield from _headers_of(widget)
    if isinstance(widget, (QLineEdit, QPlainTextEdit, QTextEdit)):
        yield widget.placeholderText()
    if widget.isWindow():
        yield widget.windowTitle()


def _headers_of(view: QTableView | QTreeView) -> Iterator[str]:
    model = view.model()
    for column in range(
        model.columnCount(view.rootIndex()) if model is not None and not view.isHidden() else 0
    ):
        found = model.headerData(column, Qt.Orientation.Horizontal, Qt.ItemDataRole.DisplayRole)
        # A model without titles has numbers in their place.
        yield found if isinstance(found, str) else ""


def in_brackets(text: str) -> bool:
    """Whether a text was made of translated ones: outside of their brackets there are no words."""
    kept, depth = [], 0
    for letter in text.replace("&", ""):
        depth += (letter == OPEN) - (letter == CLOSE)
        if not depth and letter != CLOSE:
            kept.append(letter)
    return not re.search(r"[^\W\d_]{2}", "".join(kept)) and OPEN in text


def accessible_faults(top: QWidget) -> list[str]:
    """What a screen reader would stumble over: focusable things without a name, with a bad one, or alike."""
    faults, names = [], Counter()
    for thing in focusable_things(top):
        name, widget = thing.text(QAccessible.Text.Name), thing.object()
        who = f"{type(widget).__name__} in {type(widget.parent()).__name__}" if widget else str(thing.role())
        if not name.strip():
            faults.append(f"{who} has no name")
        elif re.fullmatch(r"Q[A-Z]\w+|[A-Z][a-z]+([A-Z][a-z]+)+", name):
            faults.append(f"{who} is called {name}, like a class")
        # Text that may be copied is content, and says what it says as often as there is reason to.
        names[name] += thing.role() is not QAccessible.Role.StaticText
    return faults + [f"{count} things are called {name}" for name, count in names.items() if count > 1]


def focusable_things(top: QWidget) -> Iterator[QAccessibleInterface]:
    """All that can have the focus, from a window or a page down; not the parts of lists and tables."""
    return _focusable(QAccessible.queryAccessibleInterface(top))


def _focusable(thing: QAccessibleInterface | None) -> Iterator[QAccessibleInterface]:
    if thing is None or not thing.isValid():
        return
    widget = thing.object()
    if isinstance(widget, QWidget) and not widget.isVisible():
        return
    # What a window itself is called is its title; the parts of a view are told by the view.
    if thing.state().focusable and not (isinstance(widget, QWidget) and widget.isWindow()):
        yield thing
    if isinstance(widget, (QAbstractItemView, QComboBox)):
        return
    for n in range(thing.childCount()):
        yield from _focusable(thing.child(n))
