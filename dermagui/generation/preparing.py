"""Makes the pixels of requests ahead, in worker processes; one that kills its worker costs itself only."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import Self

from dermagui.errors import DataError
from dermagui.generation.landing import Unanswered
from dermagui.jobs.workers import worker_pool
from dermagui.library.pixels import prepare_pixels
from dermagui.paths import display_path
from dermagui.records import Picture, PixelRecipe, Pixels, Region

Work = tuple[Path, str, Picture, PixelRecipe, tuple[Region, ...]]
"""What ``prepare_pixels`` is called with."""

_MOST_WORKERS = 8


class Preparing:
    """The pictures that are being made; a context manager, which ends the workers.

    Where a worker dies, of a fault in a decoder or because memory ran out, nobody knows of which picture:
    all that were being made are suspects then, and are made one after the other. The one that kills its
    worker again, alone, did it.
    """

    def __init__(self) -> None:
        self._pool = worker_pool(_workers())
        self._running: dict[asyncio.Future[Pixels], tuple[Unanswered, Work]] = {}
        self._suspects: deque[tuple[Unanswered, Work]] = deque()
        self._broken = self._alone = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for future in self._running:
            future.cancel()
        self._pool.shutdown()

    def __len__(self) -> int:
        """How many requests wait for their pictures."""
        return len(self._running) + len(self._suspects)

    @property
    def futures(self) -> set[asyncio.Future[Pixels]]:
        """What to wait for, before ``take_finished``."""
        return set(self._running)

    @property
    def may_begin(self) -> bool:
        """Whether another picture may be begun: not while suspects are tried."""
        return not (self._suspects or self._alone or self._broken)

    def begin(self, request: Unanswered, work: Work) -> None:
        """Starts to make the picture of a request."""
        try:
            future = asyncio.get_running_loop().run_in_executor(self._pool, prepare_pixels, *work)
        except BrokenProcessPool:
            self._broken = True
            self._suspects.append((request, work))
        else:
            self._running[future] = (request, work)

    def take_finished(self) -> list[tuple[Unanswered, Pixels | DataError]]:
        """The requests whose pictures are made, or cannot be; then goes on with the suspects, if any."""
        finished: list[tuple[Unanswered, Pixels | DataError]] = []
        for future in [future for future in self._running if future.done()]:
            request, work = self._running.pop(future)
            try:
                finished.append((request, future.result()))
            except DataError as error:
                finished.append((request, error))
            except BrokenProcessPool:
                self._broken = True
                if self._alone:
                    path = display_path(work[2].path)
                    finished.append((request, DataError("image.crashed_decoder", path=path)))
                else:
                    self._suspects.append((request, work))
        if not self._running:
            self._go_on()
        return finished

    def _go_on(self) -> None:
        """Nothing is being made: new workers for those that died, and the next suspect by itself."""
        if self._broken:
            self._pool.shutdown()
            self._pool = worker_pool(_workers())
            self._broken = False
        self._alone = bool(self._suspects)
        if self._suspects:
            self.begin(*self._suspects.popleft())


def _workers() -> int:
    return min(os.cpu_count() or 1, _MOST_WORKERS)
