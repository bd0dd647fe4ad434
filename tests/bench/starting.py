"""From the start of a process to the window's first paint, against a bare window; and frozen against not."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from .measure import Ratio, cost, cpu_seconds, in_turn, say, temporary_folder

FROZEN = Path(__file__).parents[2] / "dist" / "dermagui" / "dermagui-console"

# Ends without tidying up, since what closing costs is nobody's question here: at the first event after the
# round of painting in which all widgets of the wanted kinds were painted, so that the picture is out.
_UNTIL_PAINTED = """
import os, sys
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication
class Watch(QObject):
    def __init__(self):
        super().__init__()
        self.wanted = set({wanted})
    def eventFilter(self, watched, event):
        if event.type() is QEvent.Type.Paint:
            self.wanted.discard(type(watched).__name__)
        elif not self.wanted:
            os._exit(0)
        return False
application = QApplication([])
watch = Watch()
application.installEventFilter(watch)
{window}
sys.exit(1)
"""

BARE = _UNTIL_PAINTED.format(
    wanted=["QMainWindow", "QLabel"],
    window="""
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QMainWindow
window = QMainWindow()
label = QLabel("Text")
label.setAlignment(Qt.AlignmentFlag.AlignCenter)
window.setCentralWidget(label)
window.show()
application.exec()
""",
)
"""A label in the middle of a window: one constant of ``Qt``, and PySide makes all of them, a tenth of this."""
_OURS = """
from dermagui.ui.app import main
main(sys.argv[1:])
"""
FRAME = _UNTIL_PAINTED.format(
    wanted=["Window", "TitleStrip", "Rail", "JobStrip", "QLabel", "StartPage", "QPushButton"], window=_OURS
)
"""Title strip, rail, job strip, the line that is always in view, and the buttons of the start page."""
LIBRARY = _UNTIL_PAINTED.format(
    wanted=["Window", "TitleStrip", "Rail", "LibraryPage", "Detail", "Empty"], window=_OURS
)
"""The first page of a project."""


def measure() -> list[Ratio]:
    """The window's first paint and, where ``make app`` has run, the start of the frozen program."""
    home = temporary_folder() / "home"
    project = _prepare(home)
    bare = partial(_python, "-c", BARE)
    ratios = [
        cost(
            "first paint of the window / of a bare one",
            in_turn(partial(_python, "-c", FRAME), bare),
            at_most=1.5,
        ),
        cost(
            "first paint with a project's library / of a bare one",
            in_turn(partial(_python, "-c", LIBRARY, str(project)), bare),
            at_most=4,
        ),
    ]
    if FROZEN.exists():
        started = in_turn(partial(_run, [str(FROZEN), *_HELP]), partial(_python, "-m", "dermagui", *_HELP))
        # PyInstaller's loader starts itself a second time, then imports inspect and multiprocessing, always.
        ratios.append(cost("start of the frozen program / of the other", started, at_most=2.5))
    else:
        say("no frozen program is measured: `make app` makes it")
    return ratios


_HELP = ("images", "--help")


def _prepare(home: Path) -> Path:
    """A project to open; and the pages of the very first start count as seen."""
    from dermagui.project import create_project
    from dermagui.ui.shell import state
    from dermagui.ui.shell.welcome import SEEN

    state.set_mark(SEEN)
    create_project(home / "Study")
    return home / "Study"


def _python(*arguments: str) -> float:
    return _run([sys.executable, *arguments])


def _run(command: list[str]) -> float:
    # Compiled once, like what is installed; the first round is not counted.
    cache = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(temporary_folder() / "compiled")}
    return cpu_seconds(
        lambda: subprocess.run(
            command,
            check=True,
            timeout=120,
            env=os.environ | cache,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    )
