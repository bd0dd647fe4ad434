"""How a ratio is measured: two ways of doing the same, in turn, in processor time, the median of the rounds.

Processor time, not the clock: another program on the same machine then changes little, and both sides alike.
"""

from __future__ import annotations

import atexit
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Ratio:
    """One line of the table: seconds of processor time of ours and of theirs for the same work."""

    name: str
    ours_seconds: float
    theirs_seconds: float
    ratio: float
    bound: float
    at_least: bool

    @property
    def holds(self) -> bool:
        """Whether the ratio is on the right side of its bound."""
        return self.ratio >= self.bound if self.at_least else self.ratio <= self.bound


def faster_by(name: str, ours: float, theirs: float, bound: float) -> Ratio:
    """Ours must be at least ``bound`` times as fast as theirs."""
    return Ratio(name, ours, theirs, theirs / ours, bound, at_least=True)


def costs_at_most(name: str, ours: float, theirs: float, bound: float) -> Ratio:
    """Ours may cost at most ``bound`` times what theirs costs."""
    return Ratio(name, ours, theirs, ours / theirs, bound, at_least=False)


def in_turn(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int = ROUNDS
) -> tuple[float, float]:
    """Median processor seconds of both, after one round of each that is not counted."""
    ours(), theirs()
    spent = [(cpu_seconds(ours), cpu_seconds(theirs)) for _ in range(rounds)]
    return statistics.median(o for o, _ in spent), statistics.median(t for _, t in spent)


def cpu_seconds(work: Callable[[], object]) -> float:
    """Processor time that this process spends on some work."""
    start = time.process_time()
    work()
    return time.process_time() - start


@cache
def temporary_folder() -> Path:
    """One folder for all that a run of the bench makes; it goes when the run ends."""
    folder = tempfile.TemporaryDirectory(prefix="dermagui-bench-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def say(text: str) -> None:
    """Tells on standard error what takes a while."""
    print(f"  {text} ...", file=sys.stderr, flush=True)
