"""How long a pair was really before somebody's eyes."""

from __future__ import annotations

import time


class Stopwatch:
    """Counts the seconds in which it runs."""

    def __init__(self) -> None:
        self._before = 0.0
        self._since: float | None = None

    def restart(self) -> None:
        """Stands still at nought."""
        self._before, self._since = 0.0, None

    def run(self) -> None:
        """Goes on."""
        if self._since is None:
            self._since = time.monotonic()

    def pause(self) -> None:
        """Stands still."""
        self._before, self._since = self.seconds, None

    @property
    def seconds(self) -> float:
        """What it has counted, to the tenth."""
        running = 0.0 if self._since is None else time.monotonic() - self._since
        return round(self._before + running, 1)
