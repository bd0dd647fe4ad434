"""From the start of a process to the window's first paint, against a bare window; and frozen against not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .measure import Ratio, cost, cpu_seconds, in_turn, say

FROZEN = Path(__file__).parents[2] / "dist" / "dermagui" / "dermagui-console"

# Ends at the first paint event without tidying up: what closing costs is nobody's question here.
_PAINTED = """
import os, sys
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication, QLabel, QMainWindow
class Watch(QObject):
    def eventFilter(self, watched, event):
        if event.type() is QEvent.Type.Paint:
            os._exit(0)
        return False
application = QApplication([])
{window}
watch = Watch()
application.installEventFilter(watch)
window.show()
sys.exit(application.exec() or 1)
"""

BARE = _PAINTED.format(window='window = QMainWindow(); window.setCentralWidget(QLabel("Text"))')
OURS = _PAINTED.format(
    window="""
from dermagui.ui.theme import apply_theme
from dermagui.ui.window import Window, chosen_theme
apply_theme(application, chosen_theme())
window = Window()
"""
)


def measure() -> list[Ratio]:
    """The window's first paint and, where ``make app`` has run, the start of the frozen program."""
    window = in_turn(lambda: _seconds("-c", OURS), lambda: _seconds("-c", BARE))
    ratios = [cost("first paint of the window / of a bare one", window, at_most=1.5)]
    if FROZEN.exists():
        started = in_turn(lambda: _run([str(FROZEN), "images", "--help"]), lambda: _seconds(*_HELP))
        ratios.append(cost("start of the frozen program / of the other", started, at_most=1.5))
    else:
        say("no frozen program is measured: `make app` makes it")
    return ratios


_HELP = ("-m", "dermagui", "images", "--help")


def _seconds(*arguments: str) -> float:
    return _run([sys.executable, *arguments])


def _run(command: list[str]) -> float:
    return cpu_seconds(
        lambda: subprocess.run(command, check=True, env=dict(os.environ), stdout=subprocess.DEVNULL)
    )
