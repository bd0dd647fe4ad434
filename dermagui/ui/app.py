"""Starts the window: one for each user, with the project that is named, and no fault without a word."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication

from dermagui.ui.icons import icon
from dermagui.ui.shell import state
from dermagui.ui.shell.single import FirstWindow, ask_first, is_taken, place_of_first
from dermagui.ui.theme import apply_theme
from dermagui.ui.window import Window, chosen_theme

if TYPE_CHECKING:
    from dermagui.ui.shell.report import CrashDialog


def main(arguments: Sequence[str] = ()) -> int:
    """Shows the window, with the project in the folder that is named, until it is closed; the exit code."""
    parsed = _parser().parse_args(arguments)
    if parsed.pictures:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    # Set later, the style would be made twice, and with it every enum of QStyle, before the first paint.
    application = QApplication.instance() or QApplication(["dermagui", "-style", "Fusion"])
    assert isinstance(application, QApplication)
    application.setApplicationName("dermagui")
    application.setDesktopFileName("org.dermagui.dermagui")
    application.setWindowIcon(icon("dermagui"))
    if parsed.pictures:
        from dermagui.ui.pictures import take_pictures

        return take_pictures(application, parsed.pictures, parsed.project)
    place = place_of_first()
    if is_taken(place) and ask_first(str(parsed.project.resolve()) if parsed.project else ""):
        return 0
    apply_theme(application, chosen_theme())
    window = Window()
    sys.excepthook = _Crashes(window)
    for number in (signal.SIGINT, signal.SIGTERM):
        # Not here and now: Python may be in the midst of anything, with locks held.
        signal.signal(number, lambda *_: QTimer.singleShot(0, window, window.end))
    window.painted.connect(partial(_begin, window, parsed.project))
    window.show()
    return application.exec()


def _begin(window: Window, project: Path | None) -> None:
    """What can wait until the window stands there."""
    from dermagui.logs import start_logging
    from dermagui.ui.shell.welcome import SEEN

    start_logging()
    first = FirstWindow(window)
    first.asked.connect(lambda folder: _come_up(window, folder))
    first.listen()
    if project:
        window.desk.open_project(project)
    elif not state.is_set(SEEN):
        window.show_welcome()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dermagui window")
    parser.add_argument("project", nargs="?", type=Path, metavar="PROJECT", help="folder of the project")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help=argparse.SUPPRESS)
    return parser


def _come_up(window: Window, folder: str) -> None:
    """Somebody started dermagui again."""
    window.setWindowState(window.windowState() & ~Qt.WindowState.WindowMinimized)
    window.show()
    window.raise_()
    window.activateWindow()
    if folder:
        window.desk.open_project(Path(folder))


class _Crashes:
    """What Python calls with an error that nobody expected: writes it down and shows it, one at a time."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._shown: CrashDialog | None = None

    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        import logging
        import traceback

        from dermagui.ui.shell.report import CrashDialog

        logging.getLogger(__name__).error("the window failed", exc_info=(kind, error, trace))
        if self._shown is None and not issubclass(kind, KeyboardInterrupt):
            text = "".join(traceback.format_exception(kind, error, trace))
            self._shown = CrashDialog(text, self._window)
            self._shown.finished.connect(self._on_shown_finished)
            self._shown.open()

    def _on_shown_finished(self) -> None:
        self._shown = None
