"""Renders every page and dialog to PNG files, in both looks, and with no project, an empty and a full one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication, QDialog, QWidget

from dermagui.project import create_project
from dermagui.ui.pages import PAGES
from dermagui.ui.shell import state
from dermagui.ui.shell.report import CrashDialog, ReportDialog
from dermagui.ui.shell.welcome import Welcome
from dermagui.ui.theme import apply_theme
from dermagui.ui.window import Window

_PATIENCE_SECONDS = 60
_CALM_ROUNDS = 5
_TRACE = (
    'Traceback (most recent call last):\n  File "window.py", line 1, in example\nRuntimeError: an example'
)


def take_pictures(application: QApplication, out: Path, project: Path | None) -> int:
    """Writes ``THEME-STATE-WHAT.png`` for all of it into a folder; the exit code."""
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as made:
        empty = Path(made) / "Empty"
        create_project(empty)
        for look in ("light", "dark"):
            apply_theme(application, look)
            window = Window()
            window.resize(1280, 800)
            window.show()
            for kind, folder in {"none": None, "empty": empty, "project": project}.items():
                if folder is not None:
                    window.desk.open_project(folder)
                if folder is not None or kind == "none":
                    _save_all(window, application, out, f"{look}-{kind}")
            window.close()
            window.deleteLater()
            application.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        state.forget_project(empty.resolve())
    return 0


def _save_all(window: Window, application: QApplication, out: Path, name: str) -> None:
    for what, widget in all_views(window, application):
        widget.grab().save(os.fspath(out / f"{name}-{what}.png"))


def all_views(window: Window, application: QApplication) -> Iterator[tuple[str, QWidget]]:
    """The window with each page, then each dialog, every one after all that it waits for has come."""
    for name in PAGES:
        window.show_page(name)
        settle(application, window)
        yield name, window
    window.show_page("library")
    for name, make in DIALOGS.items():
        dialog = make(window)
        settle(application, window)
        yield name, dialog
        if isinstance(dialog, Welcome):
            for n in range(1, dialog.stack.count()):
                dialog.onward.click()
                settle(application, window)
                yield f"{name}-{n + 1}", dialog
        dialog.reject()
        dialog.deleteLater()


def settle(application: QApplication, window: Window) -> None:
    """Lets events happen until nothing is under way any more."""
    end = time.monotonic() + _PATIENCE_SECONDS
    calm = 0
    while calm < _CALM_ROUNDS and time.monotonic() < end:
        application.processEvents()
        calm = calm + 1 if window.desk.is_idle else 0
        time.sleep(0.01)


def _opened(window: Window, kind: type[QDialog]) -> QDialog:
    found = [dialog for dialog in window.findChildren(kind) if dialog.isVisible()]
    return found[-1]


def _palette(window: Window) -> QDialog:
    window.show_palette()
    return _opened(window, QDialog)


def _keys(window: Window) -> QDialog:
    window.show_keys()
    return _opened(window, QDialog)


def _report(window: Window) -> QDialog:
    window.show_report()
    return _opened(window, ReportDialog)


def _welcome(window: Window) -> QDialog:
    window.show_welcome()
    return _opened(window, Welcome)


def _crash(window: Window) -> QDialog:
    dialog = CrashDialog(_TRACE, window)
    dialog.open()
    return dialog


DIALOGS: dict[str, Callable[[Window], QDialog]] = {
    "palette": _palette,
    "keys": _keys,
    "report": _report,
    "crash": _crash,
    "welcome": _welcome,
}
"""Name → what opens it."""
