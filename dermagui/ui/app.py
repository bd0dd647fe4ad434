"""Starts the window."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtWidgets import QApplication

from dermagui.ui.theme import apply_theme
from dermagui.ui.window import Window


def main(arguments: Sequence[str] = ()) -> int:
    """Shows the window, with the project in the folder that is named, until it is closed; the exit code."""
    application = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(application, QApplication)
    application.setApplicationName("dermagui")
    apply_theme(application, "system")
    window = Window()
    window.show()
    for folder in arguments[:1]:
        window.desk.open_project(Path(folder))
    return application.exec()
