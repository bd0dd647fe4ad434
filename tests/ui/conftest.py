"""What tests of the window stand on: offscreen, nothing said by Qt, nothing left over, no swallowed error."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

os.environ["QT_QPA_PLATFORM"] = "offscreen"

import pytest
import shiboken6
from PySide6.QtCore import QEvent, QMessageLogContext, QTimer, QtMsgType, qInstallMessageHandler
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from dermagui.demo.project import make_demo_project
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.theme import apply_theme
from dermagui.ui.window import Window

# What the offscreen platform says of itself.
_HARMLESS = ("This plugin does not support",)


@pytest.fixture(scope="session")
def application() -> QApplication:
    """The one application of the process."""
    found = QApplication.instance() or QApplication(["dermagui"])
    assert isinstance(found, QApplication)
    apply_theme(found, "light")
    return found


def _timers() -> list[QTimer]:
    """Every timer that somebody in Python still holds."""
    found = [thing for thing in gc.get_objects() if type(thing) is QTimer]
    return [timer for timer in found if shiboken6.isValid(timer)]


@pytest.fixture(autouse=True)
def quiet_qt(application: QApplication) -> Iterator[None]:
    """Fails a test in which Qt complained, a slot raised, or a top-level widget was left over."""
    said: list[str] = []

    def hear(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
        if not any(known in message for known in _HARMLESS):
            said.append(message)

    def caught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        said.append(f"{kind.__name__}: {error}")
        before_hook(kind, error, trace)

    before_hook, sys.excepthook = sys.excepthook, caught
    before = qInstallMessageHandler(hear)
    widgets = set(application.topLevelWidgets())
    yield
    application.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    application.processEvents()
    qInstallMessageHandler(before)
    sys.excepthook = before_hook
    left = [type(widget).__name__ for widget in application.topLevelWidgets() if widget not in widgets]
    ticking = [repr(timer) for timer in _timers() if timer.isActive()]
    assert not said, said
    assert not ticking, f"timers that this test left running: {', '.join(ticking)}"
    assert not left, f"top-level widgets that this test left: {', '.join(left)}"


@pytest.fixture
def desk(application: QApplication) -> Iterator[Desk]:
    """A desk without a project."""
    made = Desk()
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture
def jobs(desk: Desk) -> Iterator[Jobs]:
    """The jobs of that desk, let go of at the end as the window does."""
    made = Jobs(desk)
    yield made
    desk.close()
    made.let_go()


@pytest.fixture
def window(application: QApplication) -> Iterator[Window]:
    """The whole window, without a project. It closes without a question, whatever runs."""
    made = Window()
    made.resize(1280, 800)
    made.show()
    made.activateWindow()
    assert QTest.qWaitForWindowActive(made)
    yield made
    made.jobs.running.clear()
    made.close()
    made.deleteLater()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project with drawn pictures and rehearsed pairs. Tests that share it must not change it."""
    return make_demo_project(tmp_path_factory.mktemp("demo"), images=6)


@pytest.fixture
def own_demo(demo: Path, tmp_path: Path) -> Path:
    """A copy of that project, which a test may change."""
    return shutil.copytree(demo, tmp_path / "Demo")


@pytest.fixture
def wait_until(application: QApplication) -> Callable[[Callable[[], object]], None]:
    """A function that lets events happen until something is true, and fails after two minutes."""

    def wait(is_true: Callable[[], object]) -> None:
        end = time.monotonic() + 120
        while not is_true():
            assert time.monotonic() < end, "waited in vain"
            application.processEvents()
            time.sleep(0.005)

    return wait
