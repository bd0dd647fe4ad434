"""Paints one picture of a phantom skin lesion from a description of it. No picture of a person is used.

A lesion is painted once in its own square, whose coordinates run from -1.4 to 1.4 with the outline near 1,
and is then turned, scaled and laid on skin. Colours are RGB from 0 to 255, masks run from 0 to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Plane: TypeAlias = NDArray[np.floating[Any]]
Dice: TypeAlias = np.random.Generator
Point: TypeAlias = tuple[float, float]

REACH = 1.4
LESION_SIDE_PIXELS = 560

SKIN_TONES: dict[str, tuple[int, int, int]] = {
    "I": (244, 217, 202),
    "II": (236, 200, 178),
    "III": (219, 176, 146),
    "IV": (188, 139, 106),
    "V": (141, 97, 71),
    "VI": (96, 66, 51),
}
"""Fitzpatrick types and the skin colour that is drawn for each."""

_DIMMING = {"IV": 0.92, "V": 0.72, "VI": 0.6}
"""On darker skin the same lesion is darker too."""

LESION_COLOURS: dict[str, tuple[int, int, int]] = {
    "light brown": (164, 108, 70),
    "dark brown": (92, 54, 36),
    "black": (36, 28, 30),
    "blue-grey": (98, 108, 126),
    "red": (172, 66, 60),
    "pink": (212, 122, 120),
    "white": (230, 218, 210),
}
_OPACITY = {"blue-grey": 0.8, "white": 0.72, "red": 0.8}


@dataclass(frozen=True, slots=True)
class Lesion:
    """What a phantom lesion looks like; ``seed`` fixes everything that has no word of its own."""

    seed: int
    shape: str
    """``round``, ``oval`` or ``irregular``."""
    border: str
    """``sharp``, ``fuzzy`` or ``notched``."""
    colours: tuple[str, ...]
    """Names of LESION_COLOURS; the first one covers most of the lesion."""
    structures: tuple[str, ...] = ()
    """Any of ``network``, ``globules``, ``streaks``, ``white dots``, ``vessels``; seen in dermoscopy only."""


@dataclass(frozen=True, slots=True)
class View:
    """How one picture of a lesion is taken. Lengths are parts of the picture's longest side."""

    seed: int
    width: int
    height: int
    skin_type: str
    dermoscopy: bool
    diameter: float
    centre: Point
    """Parts of width and of height."""
    turn_degrees: float
    vignette: bool = False
    hair: bool = False
    ruler: bool = False


def paint_view(lesion: Lesion, view: View) -> Image.Image:
    """Paint a lesion as one view shows it: RGB, ``view.width`` by ``view.height`` pixels."""
    dice = np.random.default_rng(view.seed)
    skin = Image.new("RGB", (view.width, view.height), SKIN_TONES[view.skin_type])
    _lay_on_skin(skin, _paint_lesion(lesion, view), view)
    canvas = _light(skin, view, dice)
    if view.hair:
        _draw_hair(canvas, view, dice)
    if view.ruler:
        _draw_ruler(canvas)
    return canvas.filter(ImageFilter.GaussianBlur(0.6))


def _paint_lesion(lesion: Lesion, view: View) -> Image.Image:
    """Paint a lesion alone, RGBA, square; the same for the same lesion whatever the view."""
    dice = np.random.default_rng(lesion.seed)
    across = np.linspace(-REACH, REACH, LESION_SIDE_PIXELS, dtype=np.float32)
    x, y = np.meshgrid(across, across)
    rim = _rim_distance(lesion, x, y, dice)
    colour = _base_colours(lesion, rim, dice)
    for structure in lesion.structures if view.dermoscopy else ():
        _PAINTERS[structure](colour, rim, x, y, dice)
    colour *= (
        1 + 0.06 * _noise(dice, rim.shape, 24)[..., None] + 0.05 * _noise(dice, rim.shape, 60)[..., None]
    )
    colour *= _DIMMING.get(view.skin_type, 1.0)
    softness = {"sharp": 0.05, "notched": 0.09, "fuzzy": 0.34}[lesion.border]
    cover = _ramp(rim, -softness * 0.4, softness)
    if "streaks" in lesion.structures and view.dermoscopy:
        cover = np.maximum(cover, 0.85 * _streak_mask(x, y, np.random.default_rng(lesion.seed + 1)))
    return Image.fromarray(np.dstack([_bytes(colour), _bytes(cover * 255)]))


def _rim_distance(lesion: Lesion, x: Plane, y: Plane, dice: Dice) -> Plane:
    """Say how far inside the outline each point lies: positive within, zero on it."""
    stretch = {"round": 1.0, "oval": 1.22, "irregular": 1.1}[lesion.shape]
    waviness = {"round": 0.02, "oval": 0.03, "irregular": 0.17}[lesion.shape]
    angle, radius = np.arctan2(y * stretch, x / stretch), np.hypot(x / stretch, y * stretch)
    outline = np.full_like(x, 0.95)
    for wave in range(2, 7):
        outline += waviness / math.sqrt(wave) * np.cos(wave * angle + dice.uniform(0, math.tau))
    if lesion.border == "notched":
        for middle in dice.uniform(0, math.tau) + np.cumsum(dice.uniform(0.7, 1.5, 4)):
            apart = np.angle(np.exp(1j * (angle - middle)))
            outline -= dice.uniform(0.1, 0.24) * np.exp(-((apart / dice.uniform(0.06, 0.15)) ** 2))
    ragged = 0.008 if lesion.border == "sharp" else 0.02
    rim = outline - radius + 1.6 * ragged * _noise(dice, x.shape, 14) + ragged * _noise(dice, x.shape, 44)
    return np.asarray(rim, np.float32)


def _base_colours(lesion: Lesion, rim: Plane, dice: Dice) -> Plane:
    """Fill the lesion: the first colour everywhere, the others in patches of their own."""
    colour = np.empty((*rim.shape, 3), np.float32)
    colour[:] = LESION_COLOURS[lesion.colours[0]]
    rough = 0.25 if lesion.shape != "irregular" else 0.45
    for number, name in enumerate(lesion.colours[1:]):
        ground = rim + rough * _noise(dice, rim.shape, 5)
        if lesion.shape == "irregular":
            ragged = 0.12 * _noise(dice, rim.shape, 22)
            patch = _ramp(
                _spot(rim.shape, dice, number, len(lesion.colours)) + 0.35 * ground + ragged, 0.4, 0.95
            )
        else:
            patch = _ramp(ground, 0.3, 0.8)
        _blend(colour, name, patch * _OPACITY.get(name, 0.92))
    return colour


def _spot(shape: tuple[int, int], dice: Dice, number: int, count: int) -> Plane:
    """Make a soft blob that lies off the centre, each number in a direction of its own."""
    direction = math.tau * number / max(count - 1, 1) + dice.uniform(-0.4, 0.4)
    distance = dice.uniform(0.35, 0.5)
    across = np.linspace(-REACH, REACH, shape[0], dtype=np.float32)
    x, y = np.meshgrid(across - distance * math.cos(direction), across - distance * math.sin(direction))
    return np.asarray(np.exp(-(x**2 + y**2) / dice.uniform(0.22, 0.4)), np.float32)


def _paint_network(colour: Plane, rim: Plane, x: Plane, y: Plane, dice: Dice) -> None:
    """Lay a mesh of brown lines over the lesion, faint in the middle and at the rim."""
    warped_x, warped_y = (plane + 0.045 * _noise(dice, rim.shape, 12) for plane in (x, y))
    pitch = dice.uniform(46, 58)
    turn = dice.uniform(0, math.tau)
    directions = turn + np.arange(3) * math.tau / 3
    holes = sum(np.cos(pitch * (warped_x * math.cos(a) + warped_y * math.sin(a))) for a in directions)
    lines = 1 - _ramp(np.asarray(holes, np.float32), -1.3, 1.0)
    where = _ramp(rim, 0.02, 0.2) * (1 - 0.6 * _ramp(rim, 0.5, 0.9))
    patchy = 0.75 + 0.25 * _noise(dice, rim.shape, 6)
    _darken(colour, 0.5 * lines * where * np.clip(patchy, 0, 1))


def _paint_globules(colour: Plane, rim: Plane, x: Plane, y: Plane, dice: Dice) -> None:
    """Scatter small round dark bodies inside the lesion."""
    _darken(colour, 0.6 * _dots(rim, dice, count=60, radius=(0.02, 0.045)))


def _paint_white_dots(colour: Plane, rim: Plane, x: Plane, y: Plane, dice: Dice) -> None:
    """Scatter pale dots and a few dark pits over a waxy relief."""
    relief = _noise(dice, rim.shape, 26)
    colour *= 1 + 0.14 * (relief - np.roll(relief, (7, 7), axis=(0, 1)))[..., None]
    _blend(colour, "white", 0.85 * _dots(rim, dice, count=34, radius=(0.018, 0.036)))
    _darken(colour, 0.65 * _dots(rim, dice, count=16, radius=(0.03, 0.055)))


def _paint_vessels(colour: Plane, rim: Plane, x: Plane, y: Plane, dice: Dice) -> None:
    """Draw branching red vessels that come in from the rim."""
    layer = Image.new("L", (rim.shape[1], rim.shape[0]))
    pen = ImageDraw.Draw(layer)
    for angle in np.arange(4) * math.tau / 4 + dice.uniform(0, 1.3, 4):
        start = (0.95 * math.cos(angle), 0.95 * math.sin(angle))
        _grow_vessel(pen, start, angle + math.pi, 6.5, dice)
    mask = np.asarray(layer.filter(ImageFilter.GaussianBlur(1.2)), np.float32) / 255
    _blend(colour, "red", 0.85 * mask * _ramp(rim, 0.0, 0.12))


def _paint_streaks(colour: Plane, rim: Plane, x: Plane, y: Plane, dice: Dice) -> None:
    """Darken the rim where the streaks set out; the streaks themselves widen the cover."""
    _darken(colour, 0.75 * (1 - _ramp(rim, 0.0, 0.14)))


_PAINTERS = {
    "network": _paint_network,
    "globules": _paint_globules,
    "streaks": _paint_streaks,
    "white dots": _paint_white_dots,
    "vessels": _paint_vessels,
}


def _streak_mask(x: Plane, y: Plane, dice: Dice) -> Plane:
    """Draw radial fingers with knobs at their ends along two stretches of the rim."""
    layer = Image.new("L", (x.shape[1], x.shape[0]))
    pen = ImageDraw.Draw(layer)
    for middle in dice.uniform(0, math.tau) + np.array([0.0, 2.6]):
        for angle in middle + np.linspace(-0.7, 0.7, 11) + dice.uniform(-0.05, 0.05, 11):
            tip, half = dice.uniform(1.0, 1.16), dice.uniform(0.035, 0.06)
            corners = (
                (0.6, angle - half),
                (tip, angle - half / 4),
                (tip, angle + half / 4),
                (0.6, angle + half),
            )
            pen.polygon([_to_pixel((r * math.cos(a), r * math.sin(a))) for r, a in corners], fill=255)
    return np.asarray(layer.filter(ImageFilter.GaussianBlur(2.5)), np.float32) / 255


def _grow_vessel(pen: ImageDraw.ImageDraw, start: Point, heading: float, width: float, dice: Dice) -> None:
    """Draw one vessel as a wandering line that forks and thins until it ends."""
    here = start
    while width > 1.4:
        heading += dice.normal(0, 0.22)
        step = 0.06
        there = (here[0] + step * math.cos(heading), here[1] + step * math.sin(heading))
        pen.line([_to_pixel(here), _to_pixel(there)], fill=255, width=round(width / 1.6))
        if dice.random() < 0.22:
            _grow_vessel(pen, there, heading + dice.choice([-0.8, 0.8]), width * 0.6, dice)
        here, width = there, width * 0.93


def _dots(rim: Plane, dice: Dice, count: int, radius: Point) -> Plane:
    """Scatter soft dots well inside the outline."""
    layer = Image.new("L", (rim.shape[1], rim.shape[0]))
    pen = ImageDraw.Draw(layer)
    inside = np.argwhere(rim > 0.12)
    for row, column in dice.choice(inside, count):
        size = dice.uniform(*radius) * LESION_SIDE_PIXELS / (2 * REACH)
        pen.ellipse((column - size, row - size, column + size, row + size), fill=255)
    return np.asarray(layer.filter(ImageFilter.GaussianBlur(1.5)), np.float32) / 255


def _lay_on_skin(skin: Image.Image, lesion: Image.Image, view: View) -> None:
    """Turn and scale the painted lesion and paste it where the view has it."""
    side = round(view.diameter * max(skin.size) * REACH)
    placed = lesion.resize((side, side), Image.Resampling.LANCZOS)
    placed = placed.rotate(view.turn_degrees, Image.Resampling.BICUBIC, expand=True)
    left = round(view.centre[0] * skin.width - placed.width / 2)
    top = round(view.centre[1] * skin.height - placed.height / 2)
    skin.paste(placed, (left, top), placed)


def _light(skin: Image.Image, view: View, dice: Dice) -> Image.Image:
    """Give the flat painting its light: a slope, blotches, the grain of skin and dark corners."""
    height, width = view.height, view.width
    x, y = np.meshgrid(
        np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    )
    angle, strength = dice.uniform(0, math.tau), dice.uniform(0.05, 0.1)
    light = 1 + strength * (x * math.cos(angle) + y * math.sin(angle))
    light += 0.03 * _noise(dice, x.shape, 6)
    light += (0.006 if view.dermoscopy else 0.012) * _creases(dice, x.shape)
    light += 0.012 * _noise(dice, x.shape, width // 5)
    if view.vignette:
        light *= 1 - 0.96 * _ramp(np.hypot(x, y * height / width), 0.93, 1.0)
    lit = np.asarray(skin, np.float32) * light[..., None]
    blush = 3.5 * _noise(dice, x.shape, 9)
    lit[..., 1] -= blush
    lit[..., 2] -= blush
    lit += dice.normal(0, 2.2, x.shape).astype(np.float32)[..., None]
    return Image.fromarray(_bytes(lit))


def _creases(dice: Dice, shape: tuple[int, int]) -> Plane:
    """Make the fine relief of skin: grain of three sizes, and furrows where grain crosses its middle."""
    fine, middle, coarse = (_noise(dice, shape, shape[1] // size) for size in (4, 9, 22))
    furrows = np.exp(-((middle / 0.16) ** 2)) + np.exp(-((coarse / 0.1) ** 2))
    return np.asarray(fine + middle - 1.2 * furrows, np.float32)


def _draw_hair(canvas: Image.Image, view: View, dice: Dice) -> None:
    """Draw a few dark hairs as thin arcs, most of them along one direction."""
    layer = Image.new("L", canvas.size)
    pen = ImageDraw.Draw(layer)
    main = dice.uniform(0, math.pi)
    length = (0.45 if view.dermoscopy else 0.2) * max(canvas.size)
    for _ in range(int(dice.integers(7, 13))):
        start = dice.uniform(0.05, 0.95, 2) * canvas.size
        heading, bend = main + dice.normal(0, 0.35), dice.normal(0, 0.5)
        along = np.linspace(0, 1, 24)
        path = start + length * np.cumsum(
            np.column_stack([np.cos(heading + bend * along), np.sin(heading + bend * along)]) / 24, axis=0
        )
        pen.line([(float(px), float(py)) for px, py in path], fill=215, width=3 if view.dermoscopy else 2)
    canvas.paste((38, 28, 24), (0, 0), layer.filter(ImageFilter.GaussianBlur(0.8)))


def _draw_ruler(canvas: Image.Image) -> None:
    """Lay a white ruler with ticks and numbers along the lower edge."""
    width, height = canvas.size
    top, pitch = round(height * 0.915), width / 66
    pen = ImageDraw.Draw(canvas)
    pen.rectangle((0, top, width, height), fill=(238, 236, 230))
    pen.line((0, top, width, top), fill=(170, 168, 160), width=2)
    font = ImageFont.load_default(round(height * 0.028))
    for tick in range(1, 66):
        long = 0.034 if tick % 10 == 0 else 0.024 if tick % 5 == 0 else 0.015
        x = round(tick * pitch)
        pen.line((x, top, x, top + round(height * long)), fill=(40, 40, 44), width=2)
        if tick % 10 == 0:
            pen.text((x, top + height * 0.036), str(tick), fill=(40, 40, 44), font=font, anchor="mt")


def _noise(dice: Dice, shape: tuple[int, int], cells: int) -> Plane:
    """Make smooth noise around 0 with about ``cells`` bumps across the width; most of it within ±1."""
    rows = max(2, round(cells * shape[0] / shape[1]))
    return _stretch(dice.standard_normal((rows, cells)) * 0.7, shape)


def _stretch(grid: NDArray[np.float64], shape: tuple[int, int]) -> Plane:
    picture = Image.fromarray(grid.astype(np.float32))
    return np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.BICUBIC), np.float32)


def _ramp(plane: Plane, low: float, high: float) -> Plane:
    """Rise smoothly from 0 at ``low`` to 1 at ``high``."""
    part = np.clip((plane - low) / (high - low), 0, 1)
    return np.asarray(part * part * (3 - 2 * part), np.float32)


def _blend(colour: Plane, name: str, mask: Plane) -> None:
    colour += (np.array(LESION_COLOURS[name], np.float32) - colour) * mask[..., None]


def _darken(colour: Plane, mask: Plane) -> None:
    colour *= 1 - mask[..., None]


def _to_pixel(point: Point) -> Point:
    scale = LESION_SIDE_PIXELS / (2 * REACH)
    return ((point[0] + REACH) * scale, (point[1] + REACH) * scale)


def _bytes(plane: Plane) -> NDArray[np.uint8]:
    return np.clip(plane, 0, 255).astype(np.uint8)
