"""Pictures decoded ahead: each once, in other threads, and never more than there is room for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtGui import QColor, QImage

from dermagui.errors import DermaError
from dermagui.records import Picture
from dermagui.review.reading import Sight
from dermagui.ui.desk import Desk
from dermagui.ui.review.pictures import Pictures
from dermagui.ui.widgets.picture import read_levels

Wait = Callable[[Callable[[], object]], None]
SIDE = 100
ONE_BYTES = SIDE * SIDE * 4


@pytest.fixture
def sights(tmp_path: Path) -> list[Sight]:
    """Five pictures on the disk."""
    found = []
    for n in range(5):
        image = QImage(SIDE, SIDE, QImage.Format.Format_RGB32)
        image.fill(QColor(n * 40, 0, 0))
        assert image.save(str(tmp_path / f"{n}.png"))
        found.append(Sight(n, Picture(tmp_path / f"{n}.png")))
    return found


def test_each_is_decoded_once_and_the_oldest_go(
    desk: Desk, sights: list[Sight], wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    real = read_levels

    def counted(picture: Picture, *rest: object) -> object:
        read.append(picture)
        return real(picture, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("dermagui.ui.review.pictures.read_levels", counted)
    pictures = Pictures(desk, most_bytes=3 * ONE_BYTES)
    for _ in range(3):
        pictures.ask_for(sights[:3])
    wait_until(lambda: all(pictures.levels(sight) for sight in sights[:3]))
    assert len(read) == 3
    levels = pictures.levels(sights[2])
    assert isinstance(levels, tuple)
    assert levels[0].pixelColor(5, 5) == QColor(80, 0, 0)
    pictures.levels(sights[0])  # looked at last, so it stays
    pictures.ask_for(sights[3:4])
    wait_until(lambda: pictures.levels(sights[3]))
    assert pictures.size_bytes == 3 * ONE_BYTES
    assert pictures.levels(sights[1]) is None
    assert pictures.levels(sights[0])


def test_one_that_cannot_be_read_says_why_and_is_not_tried_again(
    desk: Desk, tmp_path: Path, wait_until: Wait
) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    broken = Sight(1, Picture(tmp_path / "broken.png"))
    pictures = Pictures(desk)
    arrived: list[Sight] = []
    pictures.arrived.connect(arrived.append)
    pictures.ask_for([broken])
    wait_until(lambda: arrived)
    assert isinstance(pictures.levels(broken), DermaError)
    assert arrived == [broken]
    pictures.ask_for([broken])
    assert not pictures._on_way
