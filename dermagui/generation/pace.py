"""How many requests may be in flight: fewer after a refusal for haste, slowly more after successes."""

from __future__ import annotations

import time

_SUCCESSES_FOR_ONE_MORE = 25
_CUT = 0.75


class Pace:
    """Additive increase, multiplicative decrease; and a pause that the service asked for."""

    def __init__(self, most: int) -> None:
        """``most`` is the concurrency that the user chose; it is never exceeded."""
        self._most = most
        self._allowed = float(most)
        self._successes = 0
        self._resume_at = 0.0

    @property
    def allowed(self) -> int:
        """How many requests may be in flight now; none while the service wants a pause."""
        return 0 if time.monotonic() < self._resume_at else max(1, int(self._allowed))

    @property
    def pause_seconds(self) -> float:
        """How long the pause still lasts."""
        return max(0.0, self._resume_at - time.monotonic())

    def succeeded(self) -> None:
        """An answer came."""
        self._successes += 1
        if self._successes >= _SUCCESSES_FOR_ONE_MORE:
            self._successes = 0
            self._allowed = min(self._most, self._allowed + 1)

    def refused(self, delay_seconds: float) -> None:
        """The service said that it was too much: fewer from now on, and none before the delay is over."""
        if not self.pause_seconds:  # refusals of one and the same burst count once
            self._allowed = max(1.0, self._allowed * _CUT)
        self._successes = 0
        self.pause(delay_seconds)

    def pause(self, delay_seconds: float) -> None:
        """None is sent before the delay is over."""
        self._resume_at = max(self._resume_at, time.monotonic() + delay_seconds)
