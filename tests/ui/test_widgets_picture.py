"""The picture: what a pixel of the screen shows at each scale, and how hand and key move it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from dermagui.records import Picture, Region
from dermagui.ui import theme
from dermagui.ui.widgets.picture import PictureView, halved, read_levels


@pytest.fixture
def view(application: QApplication) -> Iterator[PictureView]:
    """A view of 200 by 100 pixels, in sight."""
    made = PictureView()
    made.resize(200, 100)
    made.show()
    yield made
    made.close()
    made.deleteLater()


def _chessboard(width: int, height: int) -> QImage:
    """Black and white by turns, pixel by pixel."""
    image = QImage(width, height, QImage.Format.Format_RGB32)
    for y in range(height):
        for x in range(width):
            image.setPixelColor(x, y, QColor("white" if (x + y) % 2 else "black"))
    return image


def _colours(view: PictureView) -> set[str]:
    shown = view.grab().toImage()
    return {shown.pixelColor(x, y).name() for x in range(60, 140) for y in range(30, 70)}


def test_a_large_picture_fits_and_a_small_one_keeps_its_size(view: PictureView) -> None:
    view.show_image(QImage(800, 800, QImage.Format.Format_RGB32))
    assert view.zoom == pytest.approx(100 / 800)
    view.show_image(QImage(20, 20, QImage.Format.Format_RGB32))
    assert view.zoom == 1
    assert view.grab().toImage().pixelColor(5, 5) == theme.PICTURE_GREY


def test_what_fits_goes_on_fitting_in_another_size(view: PictureView) -> None:
    view.show_image(QImage(800, 800, QImage.Format.Format_RGB32))
    view.resize(200, 200)
    assert view.zoom == pytest.approx(200 / 800)
    view.zoom_full()
    view.resize(100, 100)
    assert view.zoom == 1


@pytest.mark.parametrize("scale", [1.0, 2.0, 3.3, 8.0])
def test_magnified_pixels_are_not_smoothed(view: PictureView, scale: float) -> None:
    view.show_image(_chessboard(300, 200))
    view.zoom_to(scale)
    assert _colours(view) == {"#000000", "#ffffff"}


def test_between_it_is_smoothed(view: PictureView) -> None:
    view.show_image(_chessboard(300, 200))
    view.zoom_to(0.6)
    assert len(_colours(view)) > 2


def test_the_wheel_zooms_to_where_the_pointer_is(view: PictureView, application: QApplication) -> None:
    image = QImage(400, 400, QImage.Format.Format_RGB32)
    image.fill(QColor("black"))
    image.setPixelColor(300, 120, QColor("red"))
    view.show_image(image)
    view.zoom_full()
    at = QPointF(150, 50)
    for _ in range(4):
        _turn_wheel(view, application, at, 120)
    assert view.zoom > 2
    moved = view._place_of(at)
    assert (moved.x() * 400, moved.y() * 400) == pytest.approx((200 + 50, 200), abs=0.6)


def _turn_wheel(view: PictureView, application: QApplication, at: QPointF, angle: int) -> None:
    event = QWheelEvent(
        at,
        view.mapToGlobal(at),
        QPoint(),
        QPoint(0, angle),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    application.sendEvent(view, event)


def test_dragging_never_leaves_the_picture(view: PictureView) -> None:
    told: list[tuple[float, QPointF]] = []
    view.view_changed.connect(lambda scale, middle: told.append((scale, middle)))
    view.show_image(_chessboard(400, 400))
    view.zoom_full()
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(10, 50))
    for x in (50, 100, 150, 199):
        QTest.mouseMove(view, QPoint(x, 50))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(199, 50))
    assert told[-1][1].x() == pytest.approx(0.25)
    assert _colours(view) == {"#000000", "#ffffff"}


def test_keys_and_the_double_click(view: PictureView) -> None:
    view.show_image(_chessboard(400, 400))
    view.setFocus()
    QTest.keyClick(view, Qt.Key.Key_1)
    assert (view.zoom, view.fits) == (1, False)
    QTest.keyClick(view, Qt.Key.Key_Plus)
    assert view.zoom == 1.25
    QTest.keyClick(view, Qt.Key.Key_Minus)
    assert view.zoom == 1
    QTest.keyClick(view, Qt.Key.Key_0)
    assert view.fits
    QTest.mouseDClick(view, Qt.MouseButton.LeftButton)
    assert view.zoom == 1
    QTest.mouseDClick(view, Qt.MouseButton.LeftButton)
    assert view.fits


def test_linked_views_show_the_same_part(view: PictureView) -> None:
    other = PictureView()
    other.resize(200, 100)
    told: list[object] = []
    other.view_changed.connect(lambda *_: told.append(1))
    view.view_changed.connect(other.show_view)
    for one in (view, other):
        one.show_image(_chessboard(400, 400))
    view.zoom_to(4, QPointF(0, 0))
    assert other.zoom == 4
    assert other._middle == view._middle
    assert not told
    other.deleteLater()


def test_a_text_stands_where_there_is_no_picture(view: PictureView) -> None:
    view.show_image(_chessboard(400, 400))
    view.show_text("Nothing here")
    view.zoom_in()
    assert not view.has_image
    assert len(_colours(view)) > 1


def test_levels_are_the_pixels_of_the_library(application: QApplication, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.linear_gradient("L").convert("RGB").resize((2100, 64)).save(path)
    levels = read_levels(Picture(path), (Region(0, 0, 10, 10),))
    assert [(level.width(), level.height()) for level in levels] == [(2100, 64), (1050, 32), (525, 16)]
    assert levels[0].pixelColor(5, 5).name() == "#808080"
    assert levels[0].pixelColor(50, 60).getRgb()[:3] == Image.open(path).getpixel((50, 60))


def test_a_picture_of_one_line_can_be_halved(application: QApplication) -> None:
    image = QImage(5000, 1, QImage.Format.Format_RGB32)
    assert [level.height() for level in halved(image)] == [1, 1, 1, 1]
