"""What this computer has for a training: the graphics card, memory, disk; and whether a recipe fits."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from dermagui.jobs.workers import memory_bytes
from dermagui.training.recipe import Recipe

DOWNLOAD_BYTES = {"gpu": 3_500_000_000, "cpu": 350_000_000}
DISK_BYTES = {"gpu": 10_000_000_000, "cpu": 1_900_000_000}
"""The environment alone. Measured for ``cpu``; the sum of the wheels' sizes, roughly, for ``gpu``."""

_ASK_CARD = (
    "nvidia-smi",
    "--query-gpu=name,driver_version,memory.total,memory.free",
    "--format=csv,noheader,nounits",
)


@dataclass(frozen=True, slots=True)
class Card:
    """A graphics card of NVIDIA. Bytes; free is what nobody uses at this moment."""

    name: str
    driver: str
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Hardware:
    """What there is."""

    cards: tuple[Card, ...]
    memory_bytes: int
    disk_free_bytes: int
    platform: str

    def as_json(self) -> dict[str, object]:
        """For people and programs."""
        return asdict(self)


def look(folder: Path, ask: Callable[[], str] | None = None) -> Hardware:
    """Asks the driver and the system; ``ask`` returns what nvidia-smi prints."""
    return Hardware(
        cards=parse_cards((ask or _ask_cards)()),
        memory_bytes=memory_bytes(),
        disk_free_bytes=shutil.disk_usage(folder).free,
        platform=sys.platform,
    )


def _ask_cards() -> str:
    try:
        return subprocess.run(_ASK_CARD, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def parse_cards(text: str) -> tuple[Card, ...]:
    """The cards that nvidia-smi names; lines that it could not fill in are left out."""
    cards = []
    for line in text.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == 4 and parts[2].isdecimal() and parts[3].isdecimal():
            cards.append(Card(parts[0], parts[1], int(parts[2]) << 20, int(parts[3]) << 20))
    return tuple(cards)


def light(recipe: Recipe, hardware: Hardware) -> str:
    """``green``, ``amber`` (less than a quarter to spare) or ``red``: whether a recipe's wish fits the card.

    From the recipe's own number, which is what was read of runs with small pictures; not yet measured here.
    """
    free = max((card.free_bytes for card in hardware.cards), default=0)
    wanted = recipe.gpu_gb * 1e9
    if free < wanted:
        return "red"
    return "green" if free >= wanted * 1.25 else "amber"
