"""The small chart: round ticks, a cursor by keys and mouse whose value is said, odd numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from dermagui.ui.widgets.curve import Curve, Line, thin, ticks


@pytest.fixture
def curve(application: QApplication) -> Iterator[Curve]:
    """A chart of two lines in view."""
    made = Curve("Loss")
    made.resize(600, 200)
    made.show_lines([Line("train", ((1, 4.0), (2, 3.0), (3, 2.5))), Line("held out", ((2, 3.5),))], 4)
    made.show()
    yield made
    made.close()
    made.deleteLater()


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.5, 1.0]),
        (0, 2.3, [0, 1, 2, 3]),
        (0, 400, [0, 100, 200, 300, 400]),
        (0, 2e-4, [0, 5e-5, 1e-4, 1.5e-4, 2e-4]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
        (3, 3, [3, 4]),
    ],
)
def test_ticks_are_round_and_reach_over_the_values(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_of_many_points_the_peaks_stay() -> None:
    points = [(float(n), 9.0 if n == 7_777 else -9.0 if n == 12_345 else 0.0) for n in range(20_000)]
    kept = thin(points)
    assert len(kept) <= 1_002
    assert {(7_777.0, 9.0), (12_345.0, -9.0)} <= set(kept)
    assert kept == sorted(kept)


def test_keys_walk_along_the_steps_and_say_the_values(curve: Curve) -> None:
    assert curve.accessibleDescription() == "step 3, train 2.5, held out 3.5"
    curve.setFocus()
    QTest.keyClick(curve, Qt.Key.Key_Left)
    assert curve.accessibleDescription() == "step 2, train 3, held out 3.5"
    QTest.keyClick(curve, Qt.Key.Key_Home)
    assert curve.accessibleDescription() == "step 1, train 4"
    QTest.keyClick(curve, Qt.Key.Key_Left)
    assert curve.values == "step 1, train 4"
    QTest.keyClick(curve, Qt.Key.Key_End)
    assert curve.values.startswith("step 3")


def test_the_mouse_shows_the_nearest_step(curve: Curve) -> None:
    frame = curve._frame()
    QTest.mouseMove(curve, QPoint(round(frame.left() + frame.width() / 4), 100))
    assert curve.values == "step 1, train 4"


def test_what_is_no_number_is_left_out_and_nothing_is_drawn_without_points(curve: Curve) -> None:
    curve.show_lines([Line("train", ((1, math.nan), (2, math.inf)))])
    assert curve.values == "nothing yet"
    curve.grab()
    curve.show_lines([Line("train", ((1, 0.0),))])
    curve.grab()
    assert curve.values == "step 1, train 0"


def test_the_line_is_there_to_be_seen(curve: Curve) -> None:
    full = curve.grab().toImage()
    curve.show_lines([])
    assert full != curve.grab().toImage()
