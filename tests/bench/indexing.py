"""Adding pictures against what Pillow alone needs for a reduced picture and ``hashlib`` for a hash.

Ours also writes the thumbnail, and learns orientation, personal data, two more hashes and five figures of
quality. Both work in this one process: the rate is that of one core.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
from pathlib import Path

from PIL import Image

from dermagui.errors import DataError
from dermagui.library.facts import THUMBNAIL_SIDE
from dermagui.library.scan import learn_file

from .measure import Ratio, cpu_seconds, in_turn, speed, temporary_folder
from .pictures import draw_photographs

SIZES = (((600, 450), 40), ((3000, 2000), 6))
"""Width and height in pixels, and how many pictures of that size a round takes."""

NOISE = 8.0


def measure() -> list[Ratio]:
    """One ratio for each size of picture; the seconds are those of one picture."""
    return [_measure(size, count) for size, count in SIZES]


def _measure(size: tuple[int, int], count: int) -> Ratio:
    name = f"{size[0]}x{size[1]}"
    folder = temporary_folder() / "indexing" / name
    paths = draw_photographs(folder / "pictures", count, size, NOISE)
    projects = (folder / f"project-{n}" for n in itertools.count())  # a thumbnail is written once only

    def ours() -> float:
        project = next(projects)
        return cpu_seconds(lambda: [learn(project, path) for path in paths]) / count

    def theirs() -> float:
        return cpu_seconds(lambda: [reduce_and_hash(path) for path in paths]) / count

    return speed(f"indexing {name} / Pillow and sha256", in_turn(ours, theirs), at_least=0.8)


def learn(project: Path, path: Path) -> None:
    """Ours."""
    facts = learn_file(project, str(path.parent), os.fsencode(path.name))
    assert not isinstance(facts, DataError), facts


def reduce_and_hash(path: Path) -> tuple[Image.Image, str]:
    """Theirs."""
    content = path.read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        image.draft("RGB", (THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return image, hashlib.sha256(content).hexdigest()
