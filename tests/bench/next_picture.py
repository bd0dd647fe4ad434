"""From the key that accepts a pair to the next picture, painted, against a bare decode of such a picture.

Photographs of 24 megapixels at full resolution. The reviewer looks at each of them for as long as the next
ones take to be decoded; what it costs to press the key at once, again and again, is printed.
"""

from __future__ import annotations

import math
import os
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from dermagui import settings
from dermagui.project import create_project
from dermagui.storage import pairs
from dermagui.storage.database import Store
from tests.fakes.projects import add_images, open_pair

from .measure import Ratio, cost, say, temporary_folder
from .pictures import draw_photographs

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from dermagui.ui.review.page import ReviewPage

SIZE = (6000, 4000)
LOOKED_AT, HURRIED = 20, 10
NOISE = 6.0
_PATIENCE_SECONDS = 120


def measure() -> list[Ratio]:
    """One ratio, of seconds by the clock: the 95th percentile of ours against the median of a bare decode."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from PySide6.QtWidgets import QApplication

    from dermagui.ui.theme import apply_theme

    application = QApplication.instance() or QApplication(["bench"])
    assert isinstance(application, QApplication)
    apply_theme(application, "light")
    folder, photograph = _project(LOOKED_AT + HURRIED + 1)
    bare = statistics.median(_seconds(lambda: _decode(photograph)) for _ in range(7))
    review = _Review(application, folder)
    try:
        looked_at = [review.accept(look=True) for _ in range(LOOKED_AT)]
        hurried = [review.accept(look=False) for _ in range(HURRIED)]
    finally:
        review.close()
    say(
        f"  key press to next picture, 24 megapixels: p50 {_share(looked_at, 0.5) * 1000:.0f} ms, "
        f"p95 {_share(looked_at, 0.95) * 1000:.0f} ms; without a look at any: "
        f"p95 {_share(hurried, 0.95) * 1000:.0f} ms"
    )
    return [cost("next picture, p95 / a bare decode", (_share(looked_at, 0.95), bare), at_most=1)]


def _project(count: int) -> tuple[Path, Path]:
    """A project of so many photographs, each with a pair, and one of them. Their pixels may be the same."""
    root = temporary_folder() / "next-picture"
    (photograph,) = draw_photographs(root / "drawn", 1, SIZE, NOISE)
    (root / "photographs").mkdir()
    for n in range(count):
        shutil.copy(photograph, root / "photographs" / f"{n:06}.png")
    folder = root / "project"
    create_project(folder)
    with Store(folder) as store:
        ids = add_images(store, count, root=root / "photographs")
        pairs.add_pairs(store, [open_pair(image) for image in ids])
    return folder, photograph


def _decode(path: Path) -> None:
    with Image.open(path) as image:
        image.load()


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _share(seconds: list[float], share: float) -> float:
    return sorted(seconds)[math.ceil(share * len(seconds)) - 1]


class _Review:
    """The page in a window, with somebody before it."""

    def __init__(self, application: QApplication, folder: Path) -> None:
        from PySide6.QtTest import QTest

        from dermagui.ui.desk import Desk
        from dermagui.ui.jobs import Jobs
        from dermagui.ui.review.page import ReviewPage

        settings.set_value("person.name", "Ada")
        self._application = application
        self.desk = Desk()
        self.page: ReviewPage = ReviewPage(self.desk, Jobs(self.desk))
        self.desk.project_changed.connect(self.page.show_project)
        self.page.resize(1280, 800)
        self.page.show()
        self.page.activateWindow()
        assert QTest.qWaitForWindowActive(self.page)
        self.desk.open_project(folder)
        self._wait(lambda: self.page.parts.pane.image_seen)

    def accept(self, *, look: bool) -> float:
        """Presses A; the seconds until the next picture is painted."""
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest

        page, before = self.page, self.page.walk.spot
        if look:
            self._wait(lambda: len(page.walk.ahead()) > 1 and self._is_decoded())
        start = time.perf_counter()
        QTest.keyClick(page.focusWidget() or page, Qt.Key.Key_A)
        self._wait(lambda: page.walk.spot != before and page.parts.pane.image_seen)
        page.parts.pane.view.repaint()
        return time.perf_counter() - start

    def _is_decoded(self) -> bool:
        ahead = [sight for reading in self.page.walk.ahead() for sight in reading.sights]
        return all(self.page.pictures.levels(sight) is not None for sight in ahead)

    def close(self) -> None:
        """Closes the project and the window."""
        self.desk.close()
        self.page.close()
        self.page.deleteLater()

    def _wait(self, is_true: Callable[[], bool]) -> None:
        end = time.monotonic() + _PATIENCE_SECONDS
        while not is_true():
            assert time.monotonic() < end, "waited in vain"
            self._application.processEvents()
            time.sleep(0.0005)
