"""The user's keys: where each is kept, a field for a new one, and a test by a process of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QT_TRANSLATE_NOOP
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from dermagui import api_key
from dermagui.api_key import ApiKey
from dermagui.ui import theme
from dermagui.ui.desk import Desk
from dermagui.ui.settings.labels import words
from dermagui.ui.shell.child import Answer, Child
from dermagui.ui.widgets.bar import Bar, Level


@dataclass(frozen=True, slots=True)
class KeyWords:
    """What a key of one service is called; ``{ending}`` and ``{origin}`` say which one it is, and where."""

    field: str
    hint: str
    keep: str
    remove: str
    none: str
    in_keyring: str
    in_environment: str
    test: str = ""
    """Empty where there is no test."""


_WORDS = {
    api_key.GEMINI: KeyWords(
        field=str(QT_TRANSLATE_NOOP("settings", "Key for Gemini")),
        hint=str(QT_TRANSLATE_NOOP("settings", "Paste a key from Google AI Studio")),
        keep=str(QT_TRANSLATE_NOOP("settings", "Keep in the keyring")),
        remove=str(QT_TRANSLATE_NOOP("settings", "Delete the key")),
        none=str(QT_TRANSLATE_NOOP("settings", "There is no key. Without one, everything but Gemini works.")),
        in_keyring=str(QT_TRANSLATE_NOOP("settings", "The key {ending} is kept in this computer's keyring.")),
        in_environment=str(
            QT_TRANSLATE_NOOP(
                "settings", "The key {ending} comes from the variable {origin} of the environment."
            )
        ),
        test=str(QT_TRANSLATE_NOOP("settings", "Test the key")),
    ),
    api_key.HUGGINGFACE: KeyWords(
        field=str(QT_TRANSLATE_NOOP("settings", "Token for the hub of models")),
        hint=str(QT_TRANSLATE_NOOP("settings", "Paste a read token from huggingface.co")),
        keep=str(QT_TRANSLATE_NOOP("settings", "Keep the token in the keyring")),
        remove=str(QT_TRANSLATE_NOOP("settings", "Delete the token")),
        none=str(
            QT_TRANSLATE_NOOP(
                "settings", "There is no token. Only models whose makers ask for consent need one."
            )
        ),
        in_keyring=str(
            QT_TRANSLATE_NOOP("settings", "The token {ending} is kept in this computer's keyring.")
        ),
        in_environment=str(
            QT_TRANSLATE_NOOP(
                "settings", "The token {ending} comes from the variable {origin} of the environment."
            )
        ),
    ),
}


class KeyBox(QWidget):
    """Never holds a key longer than until it is kept; the client of the service never loads here."""

    def __init__(
        self, desk: Desk, bar: Bar, service: str = api_key.GEMINI, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._service = service
        self._words = _WORDS[service]
        self._desk = desk
        self._bar = bar
        self._child = Child(self)
        self._where = QLabel()
        self._where.setWordWrap(True)
        self.line = QLineEdit()
        self.line.setEchoMode(QLineEdit.EchoMode.Password)
        self.line.setPlaceholderText(words(self._words.hint))
        self.line.setAccessibleName(words(self._words.field))
        self.line.returnPressed.connect(self._on_keep_clicked)
        self.keep = QPushButton(words(self._words.keep))
        self.keep.clicked.connect(self._on_keep_clicked)
        self.test = QPushButton(words(self._words.test))
        self.test.clicked.connect(self._on_test_clicked)
        self.remove = QPushButton(words(self._words.remove))
        self.remove.clicked.connect(self._on_remove_clicked)
        self.test.setEnabled(False)
        self.remove.setEnabled(False)
        self._build()

    def _build(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(theme.GRID)
        if not self._words.test:  # what is shown before it has a parent would be a window of its own
            self.test.hide()
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
        find = partial(api_key.find_key, self._service)
        self._desk.work(find, self._on_found, owner=self, failed=self._bar.tell_error)

    def _on_found(self, key: ApiKey | None) -> None:
        self.test.setEnabled(key is not None and not self._child.is_running)
        self.remove.setEnabled(key is not None and key.origin == "keyring")
        if key is None:
            told = self._words.none
        else:
            told = self._words.in_keyring if key.origin == "keyring" else self._words.in_environment
        ending, origin = (key.ending, key.origin) if key else ("", "")
        self._where.setText(words(told).format(ending=ending, origin=origin))

    def _on_keep_clicked(self) -> None:
        key = self.line.text()
        if not key.strip():
            self.line.setFocus()
            return

        def kept(_: None) -> None:
            self.line.clear()
            self._bar.hide()
            self.read()

        store = partial(api_key.store_key, key, self._service)
        self._desk.work(store, kept, owner=self, failed=self._bar.tell_error)

    def _on_remove_clicked(self) -> None:
        self._desk.work(partial(api_key.remove_key, self._service), lambda _: self.read(), owner=self)

    def _on_test_clicked(self) -> None:
        self.test.setEnabled(False)
        self._bar.tell(self.tr("Asking the service about the key; that costs nothing and sends no image…"))
        self._child.run(["key", "test", "--json"], self._on_tested)

    def _on_tested(self, answer: Answer) -> None:
        self.test.setEnabled(True)
        if "error" in answer:
            self._bar.tell_error(Child.error_of(answer))
            return
        told = self.tr("The key works. It may use these models: {models}.")
        self._bar.tell(told.format(models=", ".join(answer["models"])), Level.DONE)
