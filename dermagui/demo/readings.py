"""Reads a picture of one skin lesion: how large the spot is, how symmetric, how bordered, which colours.

Plain image arithmetic on a small copy, so that a rehearsed answer speaks of the picture that was sent.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Plane: TypeAlias = NDArray[np.floating[Any]]
Mask: TypeAlias = NDArray[np.bool_]

SIDE_PIXELS = 96
DARK_CORNER = 40
"""Luminance below which what touches a corner is the frame of an instrument and not skin."""
BRIGHTER = 25
"""Levels above the skin from which a thing is taken for a ruler or a reflection, not for a spot."""
LEAST_CONTRAST = 14.0
LEAST_COLOUR_SHARE = 0.07

COLOURS: dict[str, tuple[int, int, int]] = {
    "light brown": (160, 106, 70),
    "dark brown": (92, 56, 40),
    "black": (38, 30, 30),
    "blue-grey": (98, 106, 122),
    "red": (172, 66, 60),
    "pink": (212, 128, 124),
    "white": (228, 218, 212),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What is seen in a picture. Shares and positions are parts of the whole from 0 to 1."""

    share: float
    """Of the frame that the spot covers; 0 when nothing stands out."""
    centre: tuple[float, float]
    asymmetry: float
    """The part of the spot that misses itself when it is folded along its own two axes."""
    sharpness: float
    """Step of colour at the border against the contrast of the whole spot: near 1 is sharp."""
    colours: tuple[str, ...]
    """Names of COLOURS, the commonest first."""


def read_picture(encoded: bytes) -> Reading:
    """Decode a picture and measure its spot. Raises OSError where Pillow cannot read it."""
    with Image.open(io.BytesIO(encoded)) as picture:
        picture.draft("RGB", (SIDE_PIXELS * 2, SIDE_PIXELS * 2))
        small = picture.convert("RGB")
    small.thumbnail((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.BOX)
    calm = small.filter(ImageFilter.MedianFilter(3)) if min(small.size) > 3 else small
    rgb = np.asarray(calm, np.float32)
    skin = ~_dark_corners(rgb)
    contrast = _contrast(rgb, skin)
    spot = _find_spot(contrast, skin) if contrast.max() > LEAST_CONTRAST else np.zeros_like(skin)
    if not spot.any() or contrast[spot].mean() < LEAST_CONTRAST:
        return Reading(0.0, (0.5, 0.5), 0.0, 0.0, ())
    rows, columns = np.nonzero(spot)
    return Reading(
        share=float(spot.mean()),
        centre=(float(columns.mean() + 0.5) / spot.shape[1], float(rows.mean() + 0.5) / spot.shape[0]),
        asymmetry=_asymmetry(spot),
        sharpness=_sharpness(contrast, spot),
        colours=_colours(rgb[spot]),
    )


def _dark_corners(rgb: Plane) -> Mask:
    """Find the dark frame of a dermatoscope: dark ground that is joined to a corner."""
    dark = rgb.mean(axis=2) < DARK_CORNER
    height, width = dark.shape
    corners = [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)]
    found = np.zeros_like(dark)
    for x, y in corners:
        if dark[y, x] and not found[y, x]:
            found |= _joined(dark, (x, y))
    return _filter(found, ImageFilter.MaxFilter(5))


def _contrast(rgb: Plane, skin: Mask) -> Plane:
    """Say how far each pixel is from the colour of the skin, in levels of 0 to 255; 0 where it is no skin."""
    if not skin.any():
        return np.zeros(skin.shape, np.float32)
    usual = np.median(rgb[skin], axis=0)
    apart = np.sqrt(((rgb - usual) ** 2).mean(axis=2))
    return np.asarray(np.where(skin & (rgb.mean(axis=2) < usual.mean() + BRIGHTER), apart, 0), np.float32)


def _find_spot(contrast: Plane, skin: Mask) -> Mask:
    """Find the piece that stands out most near the middle, its holes filled."""
    height, width = contrast.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    pull = np.exp(-(x**2 + y**2))
    smooth = _picture(contrast).filter(ImageFilter.GaussianBlur(2))
    row, column = np.unravel_index(np.argmax(np.asarray(smooth) * pull), contrast.shape)
    above = contrast > _threshold(contrast[skin])
    if not above[row, column]:
        return np.zeros(above.shape, np.bool_)
    piece = np.pad(_joined(above, (int(column), int(row))), 1)
    return np.asarray(~_joined(~piece, (0, 0))[1:-1, 1:-1])


def _threshold(values: Plane) -> float:
    """Split values into two groups so that the groups differ most (Otsu's criterion)."""
    counts, edges = np.histogram(values, 64)
    middles = (edges[1:] + edges[:-1]) / 2
    below, total = np.cumsum(counts), counts.sum()
    sums = np.cumsum(counts * middles)
    above = total - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1 + np.nanargmax(between[:-1])])


def _asymmetry(spot: Mask) -> float:
    """Fold the spot along each of its two main axes and average what does not meet."""
    points = np.argwhere(spot).astype(np.float32)
    middle = points.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov((points - middle).T + 1e-6 * np.eye(2, len(points))))
    misses = []
    for axis in axes.T:
        mirrored = points - 2 * np.outer((points - middle) @ axis, axis)
        rows, columns = np.rint(mirrored).astype(int).T
        inside = (rows >= 0) & (rows < spot.shape[0]) & (columns >= 0) & (columns < spot.shape[1])
        misses.append(1 - spot[rows[inside], columns[inside]].sum() / len(points))
    return float(np.mean(misses))


def _sharpness(contrast: Plane, spot: Mask) -> float:
    """Compare the step of contrast across the rim with the contrast of the spot as a whole."""
    rim = spot & ~_filter(spot, ImageFilter.MinFilter(3))
    picture = _picture(contrast)
    high = np.asarray(picture.filter(ImageFilter.MaxFilter(3)), np.float32)
    low = np.asarray(picture.filter(ImageFilter.MinFilter(3)), np.float32)
    return float((high - low)[rim].mean() / max(np.median(contrast[spot]), 1))


def _colours(pixels: Plane) -> tuple[str, ...]:
    """Name the colours that cover at least a small part of the spot."""
    table = np.array(list(COLOURS.values()), np.float32)
    nearest = ((pixels[:, None, :] - table) ** 2).sum(axis=2).argmin(axis=1)
    counts = np.bincount(nearest, minlength=len(table)) / len(pixels)
    order = np.argsort(-counts, kind="stable")
    return tuple(list(COLOURS)[n] for n in order if counts[n] >= LEAST_COLOUR_SHARE)


def _joined(mask: Mask, start: tuple[int, int]) -> Mask:
    """Keep only the piece of a mask that is joined to a point of it, given as x and y."""
    layer = Image.fromarray(mask.astype(np.uint8)).copy()  # floodfill cannot write into an array's memory
    ImageDraw.floodfill(layer, start, 2)
    return np.asarray(np.asarray(layer) == 2, np.bool_)


def _picture(contrast: Plane) -> Image.Image:
    return Image.fromarray(np.clip(contrast, 0, 255).astype(np.uint8))


def _filter(mask: Mask, kind: ImageFilter.Filter) -> Mask:
    return np.asarray(Image.fromarray(mask.astype(np.uint8)).filter(kind)) > 0
