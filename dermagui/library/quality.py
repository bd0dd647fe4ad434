"""Figures that help to find pictures too dark, too flat or too blurred to be of use.

All are of the luminance (0-255) of the 256-pixel reduction, so they compare within a library and
say nothing about detail that only the full size shows.
"""

from __future__ import annotations

from PIL import Image, ImageFilter

DARK_BELOW = 5
BRIGHT_FROM = 251
_LAPLACIAN_ZERO = 128
_LAPLACIAN = ImageFilter.Kernel((3, 3), (0, -1, 0, -1, 4, -1, 0, -1, 0), scale=1, offset=_LAPLACIAN_ZERO)


def quality_figures(luminance: Image.Image) -> dict[str, float]:
    """Figures of an L image.

    ``brightness``: mean, 0-255. ``contrast``: standard deviation, 0-127.5. ``dark_share`` and
    ``bright_share``: part of the pixels below 5 or above 250, 0-1. ``sharpness``: variance of the
    Laplacian, its response clipped to -128..127; low means blurred, 0 for what is under 3 pixels.
    """
    counts = luminance.histogram()
    pixels = luminance.width * luminance.height
    mean, variance = _moments(counts, pixels)
    return {
        "brightness": round(mean, 2),
        "contrast": round(variance**0.5, 2),
        "dark_share": round(sum(counts[:DARK_BELOW]) / pixels, 4),
        "bright_share": round(sum(counts[BRIGHT_FROM:]) / pixels, 4),
        "sharpness": round(_sharpness(luminance), 2),
    }


def _sharpness(luminance: Image.Image) -> float:
    width, height = luminance.size
    if min(width, height) < 3:
        return 0.0
    # Pillow copies the outermost pixels unfiltered.
    response = luminance.filter(_LAPLACIAN).crop((1, 1, width - 1, height - 1))
    return _moments(response.histogram(), (width - 2) * (height - 2))[1]


def _moments(counts: list[int], pixels: int) -> tuple[float, float]:
    """Mean and variance of the values 0-255 that were counted."""
    mean = sum(value * count for value, count in enumerate(counts)) / pixels
    squares = sum(value * value * count for value, count in enumerate(counts)) / pixels
    return mean, max(0.0, squares - mean * mean)
