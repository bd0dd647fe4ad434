"""The grid: its first show of 100,000 images against one of 1,000, and the event loop while it scrolls."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from dermagui.project import create_project
from dermagui.storage.database import Store
from tests.fakes.projects import add_images, add_many_pairs

from .measure import Ratio, cost, cpu_seconds, in_turn, say, temporary_folder

MANY, FEW = 100_000, 1_000
PAIRS = 20_000
SIZE_HINTS = 10
ROUNDS = 5
_JUMPS = 60
_PATIENCE_SECONDS = 60


def measure() -> list[Ratio]:
    """Two ratios: processor time until the first cells have their names, and how often a cell was measured."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from PySide6.QtWidgets import QApplication

    from dermagui.ui.theme import apply_theme

    application = QApplication.instance() or QApplication(["bench"])
    assert isinstance(application, QApplication)
    apply_theme(application, "light")
    many, few = _Shown(application, MANY), _Shown(application, FEW)
    try:
        seconds = in_turn(lambda: cpu_seconds(many.show), lambda: cpu_seconds(few.show), ROUNDS)
        hints = many.size_hints
        blocks = sorted(many.scroll())
        say(
            f"  longest block of the event loop in {_JUMPS} jumps over {MANY:,} rows: {blocks[-1] * 1000:.0f} ms, "
            f"median {blocks[len(blocks) // 2] * 1000:.0f} ms"
        )
    finally:
        many.close()
        few.close()
    return [
        cost(f"grid: first show of {MANY:,} / of {FEW:,} images", seconds, at_most=2),
        Ratio(
            # The columns of milliseconds hold counts in this line.
            "grid: cells measured in a show, a count",
            hints / 1000,
            SIZE_HINTS / 1000,
            hints,
            SIZE_HINTS,
            is_floor=False,
        ),
    ]


class _Shown:
    """A project of so many images, and a fresh grid for each show."""

    def __init__(self, application: object, count: int) -> None:
        from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSize
        from PySide6.QtWidgets import QStyleOptionViewItem

        from dermagui.ui.desk import Desk
        from dermagui.ui.library.delegate import ImageDelegate
        from dermagui.ui.library.model import ImagesModel
        from dermagui.ui.library.thumbnails import Thumbnails

        folder = temporary_folder() / f"grid-{count}"
        create_project(folder)
        with Store(folder) as store:
            add_many_pairs(store, add_images(store, count), PAIRS)
        self._application = application
        self.desk = Desk()
        self.desk.open_project(folder)
        self._wait(lambda: self.desk.project is not None)
        self.listed = ImagesModel(self.desk)
        self.model = self.listed
        self.thumbnails = Thumbnails(self.desk)
        self.size_hints = 0
        self._measured = 0
        start = time.perf_counter()
        self.listed.refresh()
        self._wait(lambda: len(self.listed.numbers) == count)
        say(
            f"  listing {count:,} images: {(time.perf_counter() - start) * 1000:.0f} ms in the database's thread"
        )
        shown = self

        class Counting(ImageDelegate):
            def sizeHint(
                self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
            ) -> QSize:
                shown._measured += 1
                return super().sizeHint(option, index)

        self._delegate = Counting(self.thumbnails)
        self._view: object = None

    def show(self) -> None:
        """From the list of numbers to the first screen of cells: laid out, read, painted."""
        from dermagui.ui.library.images_view import ImagesView
        from dermagui.ui.library.model import ImagesModel

        self.close_view()
        self._measured = 0
        self.model = ImagesModel(self.desk)
        self.model.beginResetModel()
        self.model.numbers = self.listed.numbers
        self.model.endResetModel()
        view = ImagesView(self.model, self.thumbnails)
        view.delegate = self._delegate
        view.grid.setItemDelegate(self._delegate)
        view.resize(1200, 800)
        view.show()
        self._view = view
        # Nobody but the painting asks for a card here, so that it is there says that cells were painted.
        self._wait(lambda: bool(self.model._pages))
        self._application.processEvents()  # type: ignore[attr-defined]
        self.size_hints = max(self.size_hints, self._measured)

    def scroll(self) -> list[float]:
        """Jumps through all rows; the seconds of each round of the event loop."""
        from dermagui.ui.library.images_view import ImagesView

        view = self._view
        assert isinstance(view, ImagesView)
        bar = view.grid.verticalScrollBar()
        self._wait(lambda: view.grid.visualRect(self.model.index(len(self.model.numbers) - 1, 0)).isValid())
        seconds = []
        for jump in range(_JUMPS):
            bar.setValue(bar.maximum() * jump // _JUMPS)
            for _ in range(5):
                start = time.perf_counter()
                self._application.processEvents()  # type: ignore[attr-defined]
                seconds.append(time.perf_counter() - start)
                time.sleep(0.005)
        return seconds

    def close_view(self) -> None:
        """Puts the view away."""
        from PySide6.QtWidgets import QWidget

        if isinstance(self._view, QWidget):
            self._view.close()
            self._view.deleteLater()
            self._view = None

    def close(self) -> None:
        """Closes the project."""
        self.close_view()
        self.desk.close()

    def _wait(self, is_true: Callable[[], bool]) -> None:
        end = time.monotonic() + _PATIENCE_SECONDS
        while not is_true():
            assert time.monotonic() < end, "waited in vain"
            self._application.processEvents()  # type: ignore[attr-defined]
            time.sleep(0.001)
