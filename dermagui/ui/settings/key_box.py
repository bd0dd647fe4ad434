"""The key for Gemini: where it is kept, a field for a new one, and a test by a process of its own."""

from __future__ import annotations

from functools import partial

from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from dermagui import api_key
from dermagui.api_key import ApiKey
from dermagui.ui import theme
from dermagui.ui.desk import Desk
from dermagui.ui.shell.child import Answer, Child
from dermagui.ui.widgets.bar import Bar, Level


class KeyBox(QWidget):
    """Never holds a key longer than until it is kept; the client of the service never loads here."""

    def __init__(self, desk: Desk, bar: Bar, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._bar = bar
        self._child = Child(self)
        self._where = QLabel()
        self._where.setWordWrap(True)
        self.line = QLineEdit()
        self.line.setEchoMode(QLineEdit.EchoMode.Password)
        self.line.setPlaceholderText(self.tr("Paste a key from Google AI Studio"))
        self.line.setAccessibleName(self.tr("Key for Gemini"))
        self.line.returnPressed.connect(self._on_keep_clicked)
        self.keep = QPushButton(self.tr("Keep in the keyring"))
        self.keep.clicked.connect(self._on_keep_clicked)
        self.test = QPushButton(self.tr("Test the key"))
        self.test.clicked.connect(self._on_test_clicked)
        self.remove = QPushButton(self.tr("Delete the key"))
        self.remove.clicked.connect(self._on_remove_clicked)
        self.test.setEnabled(False)
        self.remove.setEnabled(False)
        self._build()

    def _build(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(theme.GRID)
        for button in (self.keep, self.test, self.remove):
            row.addWidget(button)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID)
        column.addWidget(self._where)
        column.addWidget(self.line)
        column.addLayout(row)

    def read(self) -> None:
        """Looks where the key is. A keyring may take its time."""
        self._desk.work(api_key.find_key, self._on_found, owner=self, failed=self._bar.tell_error)

    def _on_found(self, key: ApiKey | None) -> None:
        self.test.setEnabled(key is not None and not self._child.is_running)
        self.remove.setEnabled(key is not None and key.origin == "keyring")
        if key is None:
            words = self.tr("There is no key. Without one, everything but Gemini works.")
        elif key.origin == "keyring":
            words = self.tr("The key {ending} is kept in this computer's keyring.")
        else:
            words = self.tr("The key {ending} comes from the variable {origin} of the environment.")
        self._where.setText(words.format(ending=key.ending if key else "", origin=key.origin if key else ""))

    def _on_keep_clicked(self) -> None:
        key = self.line.text()
        if not key.strip():
            self.line.setFocus()
            return

        def kept(_: None) -> None:
            self.line.clear()
            self._bar.hide()
            self.read()

        self._desk.work(partial(api_key.store_key, key), kept, owner=self, failed=self._bar.tell_error)

    def _on_remove_clicked(self) -> None:
        self._desk.work(api_key.remove_key, lambda _: self.read(), owner=self)

    def _on_test_clicked(self) -> None:
        self.test.setEnabled(False)
        self._bar.tell(self.tr("Asking the service about the key; that costs nothing and sends no image…"))
        self._child.run(["key", "test", "--json"], self._on_tested)

    def _on_tested(self, answer: Answer) -> None:
        self.test.setEnabled(True)
        if "error" in answer:
            self._bar.tell_error(Child.error_of(answer))
            return
        words = self.tr("The key works. It may use these models: {models}.")
        self._bar.tell(words.format(models=", ".join(answer["models"])), Level.DONE)
