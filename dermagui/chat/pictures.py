"""Pictures as an image encoder wants them, so that llama.cpp need not scale them itself."""

from __future__ import annotations

from math import sqrt

from dermagui.chat.model_facts import ProjectorFacts
from dermagui.chat.protocol import Rgb
from dermagui.errors import DataError, UserError
from dermagui.library.pixels import full_size, pixels, target_size
from dermagui.paths import display_path
from dermagui.records import Picture, PixelRecipe, Region

# Projectors that take a picture of any size as it is, as long as both sides are a multiple of their stride.
# The others that know no fixed size cut a picture into tiles, beside a small copy of the whole. Source:
# mtmd.cpp and mtmd-image.cpp of llama.cpp at the commit that the pinned llama-cpp-python holds.
_TAKE_ANY_SIZE = (
    "gemma4v",
    "glm4v",
    "kimivl",
    "pixtral",
    "qwen2vl_merger",
    "qwen2.5vl_merger",
    "qwen3vl_merger",
)
_TILES_A_SIDE = 4


def seen_by(
    projector: ProjectorFacts | None, picture: Picture, most_tokens: int, redactions: tuple[Region, ...] = ()
) -> Rgb:
    """The pixels that a model gets of a picture, at most so many tokens of them where the size is free.

    Raises ``UserError`` ``chat.cannot_see``, and what ``library.decode.open_picture`` raises, with the
    ``path``.
    """
    if projector is None or not projector.sees:
        raise UserError("chat.cannot_see")
    try:
        recipe, exact = recipe_for(projector, full_size(picture), most_tokens)
        made = pixels(picture, recipe, redactions)
    except DataError as error:
        raise DataError(error.code, **{"path": display_path(picture.path), **error.values}) from error
    return Rgb(made.sha256, made.width, made.height, made.rgb, exact, recipe)


def recipe_for(
    projector: ProjectorFacts, size: tuple[int, int], most_tokens: int
) -> tuple[PixelRecipe, bool]:
    """The recipe for a picture of this full size, and whether the encoder takes exactly what it makes.

    A fixed size is a square: the longer side is made to fill it, and what the picture does not cover is
    filled with one colour by llama.cpp.
    """
    if projector.min_tokens is not None and projector.min_tokens == projector.max_tokens:
        return PixelRecipe(projector.image_size, codec="png", enlarge=True), True
    stride = projector.patch_size * projector.merge
    if projector.type not in _TAKE_ANY_SIZE or not stride:
        side = projector.image_size * _TILES_A_SIDE or PixelRecipe().longest_side
        return PixelRecipe(side, codec="png"), False
    most = max(1, min(most_tokens, projector.max_tokens or most_tokens))
    least = min(most, projector.min_tokens or 1)
    recipe = _within(size, stride, least, most)
    return recipe, least <= _tokens(size, recipe) <= most


def _within(size: tuple[int, int], stride: int, least: int, most: int) -> PixelRecipe:
    """The largest recipe within these numbers of tokens; only too small a picture grows.

    Sides are whole tokens, so that a side has to be tried; a number of tokens that no shape of this
    picture has is missed, and llama.cpp then scales after all.
    """
    area = size[0] * size[1] / stride**2
    side = round(max(size) * sqrt(min(1.0, most / area)))
    while _tokens(size, recipe := PixelRecipe(side, stride, "png")) > most and side > stride:
        side -= 1
    if _tokens(size, recipe) >= least:
        return recipe
    side = round(max(size) * sqrt(least / area))
    while _tokens(size, recipe := PixelRecipe(side, stride, "png", enlarge=True)) < least:
        side += 1
    return recipe


def _tokens(size: tuple[int, int], recipe: PixelRecipe) -> int:
    width, height = target_size(size, recipe)
    return width * height // recipe.multiple_of**2
