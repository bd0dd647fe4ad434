"""What a screen reader is told of every page, sheet and dialog: names, roles, states, as Qt hands them out.

The tree is read through ``QAccessible`` from the window down, never through calls of ours; what it says is
compared with what can be seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from PySide6.QtGui import QAccessible, QAccessibleInterface
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QTextEdit,
    QToolButton,
    QWidget,
)

from dermagui.ui import scenes
from dermagui.ui.window import Window
from tests.fakes.walking import accessible_faults, focusable_things

ROLES = QAccessible.Role
SPEAKING_ROLES = {
    ROLES.Button,
    ROLES.ButtonMenu,
    ROLES.ButtonDropDown,
    ROLES.CheckBox,
    ROLES.RadioButton,
    ROLES.ComboBox,
    ROLES.EditableText,
    ROLES.StaticText,
    ROLES.SpinBox,
    ROLES.Slider,
    ROLES.List,
    ROLES.Table,
    ROLES.Tree,
    ROLES.PageTab,
    ROLES.PageTabList,
    ROLES.Link,
    ROLES.Graphic,
}
"""What tells somebody who cannot see it what can be done with it."""


def name_of(thing: QAccessibleInterface) -> str:
    """How it is called."""
    return thing.text(QAccessible.Text.Name)


def plain(text: str) -> str:
    """Text as it is seen: without marks of keys, and without the dots that promise a question."""
    return re.sub(r"&(.)", r"\1", text).strip().removesuffix("…")


def faults_of(top: QWidget) -> list[str]:
    """Where what is heard is not what is seen."""
    buddies = {label.buddy(): plain(label.text()) for label in top.findChildren(QLabel) if label.buddy()}
    faults = accessible_faults(top)
    for thing in focusable_things(top):
        widget = thing.object()
        if isinstance(widget, QWidget):
            who = f"{type(widget).__name__} {name_of(thing)!r}"
            faults += [f"{who} {fault}" for fault in _faults_of(widget, thing, buddies.get(widget, ""))]
    return faults


def _faults_of(widget: QWidget, thing: QAccessibleInterface, label: str) -> Iterator[str]:
    seen = plain(widget.text()) if isinstance(widget, QAbstractButton) else label
    # A box of choices is called by what was chosen, and says who labels it.
    labels = [name_of(other) for other, _ in thing.relations(QAccessible.RelationFlag.Label)]
    if seen and not any(seen.casefold() in plain(name).casefold() for name in [name_of(thing), *labels]):
        yield f"is labelled {seen!r}"
    # Of an area that scrolls Qt says nothing but its name.
    if thing.role() not in SPEAKING_ROLES and not isinstance(widget, QScrollArea):
        yield f"is a {thing.role().name}"
    state = thing.state()
    if state.disabled == widget.isEnabled():
        yield "is heard as enabled or disabled, and is not"
    if isinstance(widget, QAbstractButton) and widget.isCheckable() and state.checked != widget.isChecked():
        yield "is heard as ticked or not, and is not"
    if isinstance(widget, (QPushButton, QToolButton)) and bool(widget.menu()) != bool(state.hasPopup):
        yield "says nothing of its menu"
    if isinstance(widget, (QLineEdit, QPlainTextEdit, QTextEdit)) and widget.isReadOnly() != state.readOnly:
        yield "is heard as writable or not, and is not"
    if state.focused != (widget is QApplication.focusWidget()):
        yield "is heard as having the focus or not, and does not"


def test_what_is_heard_is_what_is_seen(window: Window, application: QApplication, own_demo: Path) -> None:
    found = {name: faults_of(view) for name, view in scenes.all_views(window, application)}
    window.desk.open_project(own_demo)
    scenes.settle(application, window)
    for views in (scenes.all_views, scenes.working_views):
        for name, view in views(window, application):
            found[f"{name} of a project"] = faults_of(view)
    wrong = sorted({f"{fault} ({name})" for name, faults in found.items() for fault in faults})
    assert not wrong, "\n".join(wrong)
