"""What whoever helps needs to know: read in full before it is saved, and never sent by dermagui."""

from __future__ import annotations

import logging
import os
import platform
import re
import sys
from functools import partial
from pathlib import Path

import PySide6.QtCore
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QLabel,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from dermagui import __version__, logs, paths, settings
from dermagui.errors import DermaError
from dermagui.jobs.workers import memory_bytes, physical_cores
from dermagui.storage import counting
from dermagui.storage.database import Store
from dermagui.ui import theme
from dermagui.ui.desk import Desk
from dermagui.ui.widgets.bar import Bar, Level
from dermagui.ui.widgets.button_row import tab_as_seen

_log = logging.getLogger(__name__)

_LOG_BYTES = 20_000
_PATH = re.compile(r"""(?<![\w:/.])(?:/(?=\w)|[A-Za-z]:\\)[^\n"']*""")
"""An absolute path up to a quotation mark or the end of its line: names of files may hold blanks."""
_OWN_PLACES = (str(Path(paths.__file__).parent.parent), sys.prefix, sys.base_prefix)
_SILENT = ("person.name",)
"""Settings that say who somebody is."""


def redacted(text: str) -> str:
    """A text without keys, and without any path but those of the program itself, which lose their front."""
    return _PATH.sub(lambda found: _shortened(found[0]), logs.redacted(text))


def _shortened(path: str) -> str:
    for place in _OWN_PLACES:
        if path.startswith(place + os.sep):
            return f"…{path.removeprefix(place)}"
    return "[path]"


def machine_report() -> str:
    """The program, the system, the settings and the end of the program's log."""
    lines = [
        f"dermagui {__version__}",
        f"Python {platform.python_version()}, Qt {PySide6.QtCore.qVersion()}, {platform.platform()}",
        f"{physical_cores()} cores, {memory_bytes() // 2**20} MiB of memory",
    ]
    try:
        values = {key: settings.get(key) for key in settings.SETTINGS if key not in _SILENT}
        lines += [f"{key} = {value}" for key, value in values.items()]
    except DermaError as error:
        lines.append(error.code)
    return "\n".join([*lines, "", "The end of the log:", _log_end()])


def project_report(store: Store) -> str:
    """How much of what a project holds, and how its jobs ended: numbers and codes, no names."""
    counted = [f"{name}: {number}" for name, number in counting.count_rows(store).items()]
    jobs = [
        f"{row['kind']} {row['state']} {(row['error'] or {}).get('code', '')}".rstrip()
        for row in counting.newest_jobs(store)
    ]
    return "\n".join(["", "The open project:", *counted, "", "Its newest jobs:", *jobs])


def _log_end() -> str:
    try:
        with (paths.log_folder() / "dermagui.log").open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _LOG_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


class ReportDialog(QDialog):
    """Shows the whole report; Save writes exactly what is shown."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("A report about dermagui"))
        self._desk = desk
        self._bar = Bar()
        words = QLabel(
            self.tr(
                "This is all that the report says. Keys, your name and the names of folders and files were "
                "taken out; read it, change what you like, and save it. Nothing is sent."
            )
        )
        words.setWordWrap(True)
        self.text = QPlainTextEdit()
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setAccessibleName(self.tr("The report"))
        self.text.setTabChangesFocus(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        save = buttons.addButton(self.tr("Save…"), QDialogButtonBox.ButtonRole.ActionRole)
        save.clicked.connect(self._on_save_clicked)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[2 * theme.GRID] * 4)
        column.setSpacing(theme.GRID)
        for widget in (words, self._bar, self.text, buttons):
            column.addWidget(widget)
        tab_as_seen(buttons)
        self.finished.connect(self.deleteLater)
        self.resize(90 * theme.GRID, 70 * theme.GRID)
        desk.work(machine_report, self._on_machine_told, owner=self)

    def _on_machine_told(self, text: str) -> None:
        self._add(text)
        self._desk.ask(project_report, self._add, owner=self)

    def _add(self, text: str) -> None:
        self.text.appendPlainText(redacted(text))
        self.text.moveCursor(self.text.textCursor().MoveOperation.Start)

    def _on_save_clicked(self) -> None:
        title = self.tr("Save the report")
        chosen, _ = QFileDialog.getSaveFileName(self, title, "dermagui-report.txt", "*.txt")
        if chosen:
            self.save(Path(chosen))

    def save(self, path: Path) -> None:
        """Writes what is shown into a file."""
        told = self.tr("The report was saved in {path}.").format(path=path)
        self._desk.work(
            partial(path.write_text, self.text.toPlainText(), encoding="utf-8"),
            lambda _: self._bar.tell(told, Level.DONE),
            owner=self,
            failed=self._bar.tell_error,
        )


class CrashDialog(QDialog):
    """Our own bug: what is safe, and a report that the user reads before saving it."""

    def __init__(self, trace: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Something went wrong inside dermagui"))
        words = QLabel(
            self.tr(
                "This is dermagui's own fault. What you decided and what was generated up to now is saved in "
                "the project, and running jobs go on. You can go on too; if the window behaves oddly, close "
                "and open it. The text below helps to mend it: read it, then save it for whoever helps you. "
                "Nothing is sent."
            )
        )
        words.setWordWrap(True)
        self.text = QPlainTextEdit(redacted(trace))
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setAccessibleName(self.tr("What went wrong, for whoever mends it"))
        self.text.setTabChangesFocus(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.addButton(self.tr("Copy"), QDialogButtonBox.ButtonRole.ActionRole).clicked.connect(
            lambda: QGuiApplication.clipboard().setText(self.text.toPlainText())
        )
        self.save = buttons.addButton(self.tr("Save…"), QDialogButtonBox.ButtonRole.ActionRole)
        self.save.clicked.connect(self._on_save_clicked)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[2 * theme.GRID] * 4)
        column.setSpacing(theme.GRID)
        for widget in (words, self.text, buttons):
            column.addWidget(widget)
        tab_as_seen(buttons)
        self.finished.connect(self.deleteLater)
        self.resize(80 * theme.GRID, 60 * theme.GRID)

    def _on_save_clicked(self) -> None:
        title = self.tr("Save the report")
        chosen, _ = QFileDialog.getSaveFileName(self, title, "dermagui-crash.txt", "*.txt")
        if chosen:
            write_report(Path(chosen), self.text.toPlainText())


def write_report(path: Path, text: str) -> None:
    """Writes a report. A disk that refuses must not make a crash of a crash."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        _log.warning("the report could not be saved: %s", error.strerror)
