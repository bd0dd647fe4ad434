"""How a ratio is measured: two ways of doing the same work, in turn, the median of the rounds.

What counts is processor time and not the clock: other programs on the machine then change little, and what
they change they change for both.
"""

from __future__ import annotations

import atexit
import gc
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROUNDS = 7


@dataclass(frozen=True, slots=True)
class Ratio:
    """One line of the table: seconds of processor time that ours and theirs need for the same work."""

    name: str
    ours_seconds: float
    theirs_seconds: float
    ratio: float
    bound: float
    is_floor: bool

    @property
    def holds(self) -> bool:
        """Whether the ratio is on the right side of its bound."""
        return self.ratio >= self.bound if self.is_floor else self.ratio <= self.bound


def speed(name: str, seconds: tuple[float, float], *, at_least: float) -> Ratio:
    """How many times as fast as theirs ours is; ``seconds`` are what ``in_turn`` gave."""
    ours, theirs = seconds
    return Ratio(name, ours, theirs, theirs / ours, at_least, is_floor=True)


def cost(name: str, seconds: tuple[float, float], *, at_most: float) -> Ratio:
    """How many times the cost of theirs ours has; ``seconds`` are what ``in_turn`` gave."""
    ours, theirs = seconds
    return Ratio(name, ours, theirs, ours / theirs, at_most, is_floor=False)


def in_turn(
    ours: Callable[[], float], theirs: Callable[[], float], rounds: int = ROUNDS
) -> tuple[float, float]:
    """The medians of what both return, in seconds, called in turn; a first round warms up and is not counted."""
    measured = [(ours(), theirs()) for _ in range(rounds + 1)][1:]
    return statistics.median(our for our, _ in measured), statistics.median(their for _, their in measured)


def cpu_seconds(work: Callable[[], object]) -> float:
    """The processor time of some work: of this process, and of its children that ended meanwhile."""
    gc.collect()  # nobody pays for the garbage of the other side
    start = _spent_seconds()
    work()
    return _spent_seconds() - start


def _spent_seconds() -> float:
    children = os.times()
    return time.process_time() + children.children_user + children.children_system


@cache
def temporary_folder() -> Path:
    """One folder for all that a run makes; it goes when the run ends."""
    folder = tempfile.TemporaryDirectory(prefix="dermagui-bench-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def say(text: str) -> None:
    """Tells on standard error what takes a while."""
    print(f"{text} ...", file=sys.stderr, flush=True)
