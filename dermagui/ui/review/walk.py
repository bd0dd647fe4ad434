"""The way of a reviewer through a queue: where they are, what comes next, all of it read a little ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import QObject, Signal

from dermagui.review.queue import Queue, Spot, pairs_after, pairs_before
from dermagui.review.reading import Reading, read_pair
from dermagui.storage.database import Store
from dermagui.ui.desk import Desk

_AHEAD, _BACK = 2, 1
_FETCH_AT = 20
"""The next page is asked for when this many pairs are left."""


class Walk(QObject):
    """Spots of a queue that were fetched so far, and the one in view. The past stays as it was walked."""

    moved = Signal()
    """``reading`` is another one, or the same one with other contents, or None at the end of the queue."""
    read_ahead = Signal()
    """One of the next pairs was read."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._desk = desk
        self._person_uid = ""
        self._queue: Queue | None = None
        self._spots: list[Spot] = []
        self._index = 0
        self._whole = True
        self._fetching = False
        self._readings: dict[int, Reading] = {}
        self._generation = 0
        self.settled = False
        """Whether it is known what is in view; False while the database is asked."""

    def begin(self, person_uid: str, spots: Sequence[Spot], queue: Queue | None = None) -> None:
        """Begins at the first of these spots. Without a queue they are all there is."""
        self._generation += 1
        self._person_uid, self._queue, self._spots = person_uid, queue, list(spots)
        self._index, self._whole, self._fetching = 0, queue is None, False
        self._readings.clear()
        self._show()

    # -- what is in view ------------------------------------------------------------------------

    @property
    def spot(self) -> Spot | None:
        """Where the reviewer is; None at the end."""
        return self._spots[self._index] if self._index < len(self._spots) else None

    @property
    def reading(self) -> Reading | None:
        """The pair in view, or None at the end and until it was read."""
        return self._readings.get(self.spot.pair_id) if self.spot else None

    @property
    def queue(self) -> Queue | None:
        """What is walked through; None for what a search found."""
        return self._queue

    @property
    def is_search(self) -> bool:
        """Whether this is what a search found."""
        return self._queue is None

    @property
    def is_empty(self) -> bool:
        """Whether the queue has nothing at all."""
        return self.settled and not self._spots

    def ahead(self) -> list[Reading]:
        """The pair in view and those around it that are read already, the nearest first."""
        wanted = range(self._index, self._index + _AHEAD + 1)
        spots = [self._spots[n] for n in wanted if n < len(self._spots)]
        return [self._readings[spot.pair_id] for spot in spots if spot.pair_id in self._readings]

    # -- walking --------------------------------------------------------------------------------

    def go_on(self) -> None:
        """To the next pair, or to the end."""
        if self._index < len(self._spots) and (self._index + 1 < len(self._spots) or not self._fetching):
            self._index += 1
            self._show()

    def go_back(self) -> None:
        """To the pair before, as it was walked or, before that, as the queue has it."""
        if self._index:
            self._index -= 1
            self._show()
        elif self._queue is not None and self._spots and not self._fetching:
            self._fetch(partial(pairs_before, queue=self._queue, spot=self._spots[0]), self._put_before)

    def go_to(self, pair_id: int) -> None:
        """To a certain pair, which is put here where it was not walked by."""
        place = next((n for n, spot in enumerate(self._spots) if spot.pair_id == pair_id), None)
        if place is None:
            part = self.spot.part if self.spot else 0
            place = self._index
            self._spots.insert(place, Spot(part, pair_id))
        self._index = place
        self.refresh()

    def refresh(self, *, quietly: bool = False) -> None:
        """Reads again what is in view and ahead; ``quietly`` keeps showing it meanwhile."""
        if quietly:
            for pair_id in self._readings:
                self._ask(pair_id)
        else:
            self._readings.clear()
            self._show()

    def replace(self, reading: Reading) -> None:
        """Somebody knows already what reading it again would say."""
        if reading.pair_id in self._readings:
            self._readings[reading.pair_id] = reading

    def forget(self, pair_id: int) -> None:
        """The pair is another one now than it was when it was read."""
        self._readings.pop(pair_id, None)

    # -- what is fetched ------------------------------------------------------------------------

    def _show(self) -> None:
        self.settled = self._whole if self.spot is None else self.reading is not None
        around = self._spots[max(0, self._index - _BACK) : self._index + _AHEAD + 1]
        kept = {spot.pair_id for spot in around}
        self._readings = {id_: reading for id_, reading in self._readings.items() if id_ in kept}
        for spot in self._spots[self._index : self._index + _AHEAD + 1]:
            if spot.pair_id not in self._readings:
                self._ask(spot.pair_id)
        if self.settled:
            self.moved.emit()
        if not self._whole and not self._fetching and len(self._spots) - self._index <= _FETCH_AT:
            last = self._spots[-1] if self._spots else None
            assert self._queue is not None
            self._fetch(partial(pairs_after, queue=self._queue, spot=last), self._put_behind)

    def _ask(self, pair_id: int) -> None:
        self._desk.ask(
            partial(read_pair, pair_id=pair_id, person_uid=self._person_uid),
            partial(self._on_read, self._generation, pair_id),
            owner=self,
        )

    def _on_read(self, generation: int, pair_id: int, reading: Reading | None) -> None:
        if generation != self._generation:
            return
        if reading is None:  # it was forgotten meanwhile
            gone = [n for n, spot in enumerate(self._spots) if spot.pair_id == pair_id]
            for n in reversed(gone):
                del self._spots[n]
                self._index -= n < self._index
            if gone:
                self._show()
            return
        self._readings[pair_id] = reading
        self.settled = self.settled or self.reading is not None
        if self.spot is not None and self.spot.pair_id == pair_id:
            self.moved.emit()
        else:
            self.read_ahead.emit()

    def _fetch(self, work: Callable[[Store], list[Spot]], then: Callable[[list[Spot]], None]) -> None:
        self._fetching = True
        generation = self._generation

        def arrived(found: list[Spot]) -> None:
            if generation == self._generation:
                self._fetching = False
                then(found)

        self._desk.ask(work, arrived, owner=self)

    def _put_behind(self, found: list[Spot]) -> None:
        known = {spot.pair_id for spot in self._spots}
        new = [spot for spot in found if spot.pair_id not in known]
        was_at_end, self._whole = self.spot is None, not new
        self._spots += new
        if was_at_end:
            self._show()

    def _put_before(self, found: list[Spot]) -> None:
        known = {spot.pair_id for spot in self._spots}
        new = [spot for spot in found if spot.pair_id not in known]
        self._spots[:0] = new
        self._index += len(new)
        if new:
            self._index -= 1
            self._show()
