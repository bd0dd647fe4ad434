"""Thumbnails ready to be painted: a cache bounded in bytes, filled by threads, the newest wish first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QImage, QPixmap

from dermagui.library.thumbnails import thumbnail_path
from dermagui.ui.desk import Desk

CACHE_BYTES = 96 * 2**20
_THUMBNAIL_PIXELS = 256
"""The longest side of a thumbnail that the scan made of a larger picture."""
_BATCH = 12
_AT_ONCE = 2
_WISHES = 600
"""More wishes than cells fit on any screen: those that scrolled out of sight are dropped."""

Key = tuple[str, int]
"""The hash of a file and a frame of it."""


class Thumbnails(QObject):
    """Hands out the thumbnails of the project that are there, and fetches those that are not."""

    loaded = Signal()
    """Some that were asked for can be had now."""

    def __init__(self, desk: Desk, cache_bytes: int = CACHE_BYTES) -> None:
        super().__init__(desk)
        self._desk = desk
        self._limit_bytes = cache_bytes
        self._held: OrderedDict[Key, QPixmap] = OrderedDict()
        self._held_bytes = 0
        self._wishes: dict[Key, None] = {}
        self._fetching: set[Key] = set()
        self._batches = 0
        self._generation = 0
        self.side_pixels = 160

    @property
    def held_bytes(self) -> int:
        """What the pixmaps take."""
        return self._held_bytes

    def show_side(self, side_pixels: int) -> None:
        """From now on thumbnails have at most this many pixels of the screen on a side."""
        if side_pixels != self.side_pixels:
            self.side_pixels = side_pixels
            self.clear()

    def clear(self) -> None:
        """Forgets all of them: another project, another size, or files that changed."""
        self._held.clear()
        self._wishes.clear()
        self._fetching.clear()
        self._held_bytes = 0
        self._generation += 1

    def find(self, sha256: str, frame: int) -> QPixmap | None:
        """The thumbnail, null where there is none on the disk; None where it is not known yet."""
        key = (sha256, frame)
        found = self._held.get(key)
        if found is not None:
            self._held.move_to_end(key)
            return found
        if key not in self._fetching:
            self._wishes.pop(key, None)
            self._wishes[key] = None
            if len(self._wishes) > _WISHES:
                del self._wishes[next(iter(self._wishes))]
            self._fetch()
        return None

    def _fetch(self) -> None:
        folder = self._desk.folder
        while folder is not None and self._wishes and self._batches < _AT_ONCE:
            keys = [self._wishes.popitem()[0] for _ in range(min(_BATCH, len(self._wishes)))]
            self._fetching.update(keys)
            self._batches += 1
            work = partial(_read, folder, keys, self.side_pixels)
            self._desk.work(work, partial(self._on_read, self._generation), owner=self)

    def _on_read(self, generation: int, found: list[tuple[Key, QImage]]) -> None:
        self._batches -= 1
        if generation == self._generation:
            for key, image in found:
                self._fetching.discard(key)
                self._hold(key, QPixmap.fromImage(image))
            self.loaded.emit()
        self._fetch()

    def _hold(self, key: Key, pixmap: QPixmap) -> None:
        self._held[key] = pixmap
        self._held_bytes += _bytes_of(pixmap)
        while self._held_bytes > self._limit_bytes and len(self._held) > 1:
            self._held_bytes -= _bytes_of(self._held.popitem(last=False)[1])


def _bytes_of(pixmap: QPixmap) -> int:
    return pixmap.width() * pixmap.height() * 4


def _read(folder: Path, keys: Sequence[Key], side: int) -> list[tuple[Key, QImage]]:
    """Reads some thumbnails as they are painted; a null image stands for one that cannot be read."""
    return [(key, _scaled(QImage(str(thumbnail_path(folder, *key))), side)) for key in keys]


def _scaled(image: QImage, side: int) -> QImage:
    longest = max(image.width(), image.height())
    # A picture that is smaller than any thumbnail is shown as it is.
    if image.isNull() or (longest <= side and longest < _THUMBNAIL_PIXELS):
        return image
    aspect, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    return image.scaled(side, side, aspect, smooth)
