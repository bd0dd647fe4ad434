"""Pictures decoded ahead, so that the next one is there when the key is pressed; the oldest go."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from dermagui.errors import DermaError
from dermagui.review.reading import Sight
from dermagui.ui.desk import Desk
from dermagui.ui.widgets.picture import read_levels

MOST_BYTES = 640 * 1024 * 1024
"""Four pictures of 24 megapixels with their smaller levels: the one in view, two ahead and one back."""

Levels = tuple[QImage, ...]


class Pictures(QObject):
    """A bounded store of decoded pictures. ``arrived`` tells which one is there now, or cannot be."""

    arrived = Signal(object)

    def __init__(self, desk: Desk, most_bytes: int = MOST_BYTES) -> None:
        super().__init__(desk)
        self._desk = desk
        self._most_bytes = most_bytes
        self._decoded: OrderedDict[Sight, Levels | DermaError] = OrderedDict()
        self._on_way: set[Sight] = set()

    def clear(self) -> None:
        """Forgets all: another project is open, or files changed."""
        self._decoded.clear()

    def levels(self, sight: Sight) -> Levels | DermaError | None:
        """The picture, why it cannot be read, or None as long as it is not there."""
        if sight.picture is None:
            return sight.error
        found = self._decoded.get(sight)
        if found is not None:
            self._decoded.move_to_end(sight)
        return found

    def ask_for(self, sights: Sequence[Sight]) -> None:
        """Decodes what is not there yet, the first one first."""
        for sight in sights:
            if sight.picture is not None and sight not in self._decoded and sight not in self._on_way:
                self._on_way.add(sight)
                self._desk.work(
                    partial(read_levels, sight.picture, sight.redactions),
                    partial(self._keep, sight),
                    owner=self,
                    failed=partial(self._keep, sight),
                )

    def _keep(self, sight: Sight, found: Levels | DermaError) -> None:
        self._on_way.discard(sight)
        self._decoded[sight] = found
        while len(self._decoded) > 1 and self.size_bytes > self._most_bytes:
            self._decoded.popitem(last=False)
        self.arrived.emit(sight)

    @property
    def size_bytes(self) -> int:
        """What all that is kept takes in memory."""
        kept = [found for found in self._decoded.values() if not isinstance(found, DermaError)]
        return sum(level.sizeInBytes() for levels in kept for level in levels)
