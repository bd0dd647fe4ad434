"""Photographs to measure with: smooth colours under the noise of a camera, as JPEG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def draw_photographs(folder: Path, count: int, size: tuple[int, int], noise: float) -> list[Path]:
    """So many different JPEGs of ``size`` (width, height); ``noise`` is a standard deviation of 0-255."""
    folder.mkdir(parents=True)
    chance = np.random.default_rng(size[0])
    paths = [folder / f"{n}.jpg" for n in range(count)]
    for path in paths:
        _draw(size, noise, chance).save(path, "JPEG", quality=90)
    return paths


def _draw(size: tuple[int, int], noise: float, chance: np.random.Generator) -> Image.Image:
    across, down = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    strengths = chance.uniform(40, 120, 3)
    skin = np.stack([255 - strength * (across + down) / 2 for strength in strengths], axis=-1)
    skin -= 60 * (np.hypot(across - chance.uniform(0.4, 0.6), down - 0.5) < 0.2)[..., None]
    skin += chance.normal(0, noise, skin.shape)
    return Image.fromarray(skin.clip(0, 255).astype(np.uint8))
