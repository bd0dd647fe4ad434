"""Settings: a form that is made from what ``dermagui.settings`` declares, and the key."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette, QShowEvent
from PySide6.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from dermagui import api_key, paths, settings
from dermagui.errors import DermaError
from dermagui.settings import SETTINGS, Value
from dermagui.ui import theme
from dermagui.ui.desk import Desk
from dermagui.ui.icons import Sign
from dermagui.ui.jobs import Jobs
from dermagui.ui.page import Page
from dermagui.ui.settings.fields import make_field, show_value
from dermagui.ui.settings.key_box import KeyBox
from dermagui.ui.settings.labels import GROUPS, LABELS, words
from dermagui.ui.widgets.bar import Bar

_WIDEST = 110 * theme.GRID
_LABELS = 32 * theme.GRID


class SettingsPage(Page):
    """What is chosen is kept at once; what a machine policy fixes says so."""

    name: ClassVar[str] = "settings"

    def __init__(self, desk: Desk, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(desk, jobs, parent)
        self._bar = Bar()
        self._values: dict[str, Value] = {}
        self.fields = {key: make_field(setting, partial(self._set, key)) for key, setting in SETTINGS.items()}
        self._locks = {key: self._build_lock() for key in SETTINGS}
        self.key_box = KeyBox(desk, self._bar)
        self.token_box = KeyBox(desk, self._bar, api_key.HUGGINGFACE)
        self._build()

    def _build_lock(self) -> QWidget:
        lock = QWidget()
        row = QHBoxLayout(lock)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(Sign("lock", 2 * theme.GRID))
        told = self.tr("Fixed by this machine's policy: {path}").format(path=paths.policy_file())
        row.addWidget(QLabel(told), 1)
        lock.hide()
        return lock

    def _build(self) -> None:
        form = QWidget()
        form.setMaximumWidth(_WIDEST)
        column = QVBoxLayout(form)
        column.setContentsMargins(*[3 * theme.GRID] * 4)
        column.setSpacing(theme.GRID)
        for heading, keys in GROUPS.items():
            title = QLabel(words(heading))
            title.setFont(theme.heading_font(title.font()))
            column.addWidget(title)
            if "gemini.model" in keys:
                column.addWidget(self.key_box)
            if "hub.endpoint" in keys:
                column.addWidget(self.token_box)
            column.addLayout(self._build_group(keys))
            column.addSpacing(2 * theme.GRID)
        kept = self.tr("Kept in {path}").format(path=settings.settings_file())
        column.addWidget(QLabel(kept))
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(form)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self._bar)
        whole.addWidget(scroll, 1)

    def _build_group(self, keys: tuple[str, ...]) -> QFormLayout:
        form = QFormLayout()
        form.setHorizontalSpacing(2 * theme.GRID)
        form.setVerticalSpacing(theme.GRID)
        for key in keys:
            field = self.fields[key]
            name = words(LABELS[key].text)
            label = QLabel(name)
            label.setBuddy(field)
            label.setWordWrap(True)
            label.setFixedWidth(_LABELS)
            field.setAccessibleName(name)
            cell = QVBoxLayout()
            cell.setSpacing(theme.GRID // 4)
            cell.addWidget(field, 0, Qt.AlignmentFlag.AlignLeft)
            cell.addWidget(self._locks[key])
            if LABELS[key].hint:
                hint = QLabel(words(LABELS[key].hint))
                hint.setWordWrap(True)
                hint.setForegroundRole(QPalette.ColorRole.PlaceholderText)
                cell.addWidget(hint)
            form.addRow(label, cell)
        return form

    def showEvent(self, event: QShowEvent) -> None:
        """Reads when somebody looks: the command line may have changed them, and a keyring may ask."""
        super().showEvent(event)
        self.read()

    def read(self) -> None:
        """Shows the values that hold, and where the key is."""
        self.key_box.read()
        self.token_box.read()
        self.desk.work(_values, self._on_read, owner=self, failed=self._bar.tell_error)

    def _on_read(self, read: tuple[dict[str, Value], frozenset[str]]) -> None:
        self._values, locked = read
        for key, field in self.fields.items():
            show_value(field, self._values[key])
            field.setEnabled(key not in locked)
            self._locks[key].setVisible(key in locked)

    def _set(self, key: str, text: str) -> None:
        """Keeps a value where it is another one; one that will not do leaves the old one in the field."""
        before = self._values.get(key)
        told = str(before).lower() if isinstance(before, bool) else str(before)
        if before is None or text == told:
            return

        def kept(value: Value) -> None:
            self._values[key] = value
            self._bar.hide()
            self.setting_changed.emit(key)

        def refused(error: DermaError) -> None:
            show_value(self.fields[key], self._values[key])
            self._bar.tell_error(error)

        self.desk.work(partial(settings.set_value, key, text), kept, owner=self, failed=refused)


def _values() -> tuple[dict[str, Value], frozenset[str]]:
    return {key: settings.get(key) for key in SETTINGS}, frozenset(settings.policy())
