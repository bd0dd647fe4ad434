"""Recipes that leave llama.cpp nothing to scale."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dermagui.chat.gguf_header import read_header
from dermagui.chat.model_facts import ProjectorFacts, describe
from dermagui.chat.pictures import recipe_for, seen_by
from dermagui.chat.protocol import Rgb
from dermagui.errors import DataError, UserError
from dermagui.library.pixels import pixels, target_size
from dermagui.records import Picture, PixelRecipe
from tests.fakes.chatting import noise, request_of
from tests.fakes.tiny_models import Pair

SIDE = 28


def projector(kind: str, least: int | None, most: int | None, image: int = 336) -> ProjectorFacts:
    return ProjectorFacts(kind, True, False, 64, 0, image, 14, 2, least, most, 32, 64)


QWEN = projector("qwen2.5vl_merger", 8, 4096)
SIDES = st.one_of(st.integers(1, 300), st.integers(1, 6000))


def tokens(size: tuple[int, int], recipe: PixelRecipe) -> int:
    width, height = target_size(size, recipe)
    assert width % SIDE == height % SIDE == 0
    return width * height // SIDE**2


@given(st.tuples(SIDES, SIDES), st.sampled_from([64, 512, 4096]))
def test_a_free_size_is_whole_tokens_within_the_limits(size: tuple[int, int], most: int) -> None:
    recipe, exact = recipe_for(QWEN, size, most)
    assert exact
    assert 8 <= tokens(size, recipe) <= most
    width, height = target_size(size, recipe)
    if not recipe.enlarge:
        assert width <= size[0] or size[0] < SIDE
        assert height <= size[1] or size[1] < SIDE


@given(st.tuples(st.integers(600, 6000), st.integers(600, 6000)))
def test_as_much_as_allowed_is_kept(size: tuple[int, int]) -> None:
    recipe, _ = recipe_for(QWEN, size, 512)
    assert tokens(size, recipe) > 512 * 0.75 or tokens(size, PixelRecipe(None, SIDE)) <= 512
    width, height = target_size(size, recipe)
    assert width / height == pytest.approx(size[0] / size[1], rel=0.35)


def test_known_sizes() -> None:
    for size, most, wanted in [
        ((600, 450), 512, (588, 448)),
        ((6000, 4000), 512, (756, 504)),
        ((100, 79), 512, (84, 84)),
        ((10, 4000), 512, (28, 3976)),
    ]:
        assert target_size(size, recipe_for(QWEN, size, most)[0]) == wanted


def test_a_fixed_size_is_filled_by_the_longer_side() -> None:
    llava = projector("mlp", 576, 576)
    for size, wanted in [((600, 450), (336, 252)), ((100, 50), (336, 168)), ((336, 336), (336, 336))]:
        recipe, exact = recipe_for(llava, size, 512)
        assert exact
        assert target_size(size, recipe) == wanted


@pytest.mark.parametrize("kind", ["idefics3", "internvl", "resampler", "llama4", "something new"])
def test_a_model_that_cuts_tiles_is_not_said_to_see_these_pixels(kind: str) -> None:
    recipe, exact = recipe_for(projector(kind, None, None, image=512), (6000, 4000), 512)
    assert not exact
    assert max(target_size((6000, 4000), recipe)) == 2048


def test_what_is_seen_are_the_pixels_of_the_library(qwen_pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    turned = Image.effect_noise((700, 500), 90).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(path, exif=exif)
    facts = describe(read_header(qwen_pair.projector)).projector
    seen = seen_by(facts, Picture(path), 256)
    assert (seen.width, seen.height) == (364, 504)
    recipe, _ = recipe_for(QWEN, (500, 700), 256)
    assert seen.rows == pixels(Picture(path), recipe).rgb
    assert seen.sha256 == pixels(Picture(path), recipe).sha256


def test_a_picture_that_cannot_be_opened_is_named(qwen_pair: Pair, tmp_path: Path) -> None:
    facts = describe(read_header(qwen_pair.projector)).projector
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    for name in ("broken.png", "missing.png"):
        with pytest.raises(DataError) as raised:
            seen_by(facts, Picture(tmp_path / name), 256)
        assert name in str(raised.value.values["path"])
    with pytest.raises(UserError) as blind:
        seen_by(None, Picture(tmp_path / "broken.png"), 256)
    assert blind.value.code == "chat.cannot_see"


@pytest.mark.parametrize("size", [(56, 42), (42, 56), (56, 56), (56, 13)])
def test_llama_cpp_scales_nothing_that_fills_the_square(
    engine: ModuleType, llama_pair: Pair, size: tuple[int, int]
) -> None:
    """It gives the same embedding for a picture that was laid on its square beforehand."""
    from dermagui.chat.worker.engine import Engine, started

    loaded = Engine(request_of(llama_pair), started(), lambda: False, lambda *_, **__: None)
    image = noise(*size)
    embeddings = [
        bytes(loaded.images.see(one).pieces[0][1]) for one in (image, on_the_padding_of_llava(image))
    ]
    loaded.close()
    engine.silence()
    assert embeddings[0] == embeddings[1]


@pytest.mark.parametrize("size", [(112, 84), (84, 112), (588, 448)])
def test_llama_cpp_scales_nothing_of_whole_tokens(
    engine: ModuleType, qwen_pair: Pair, size: tuple[int, int]
) -> None:
    """It copies a picture whose size is the one that it wants, and that is what it counts."""
    from dermagui.chat.worker.engine import Engine, started

    loaded = Engine(request_of(qwen_pair), started(), lambda: False, lambda *_, **__: None)
    (chunk,) = [unit for unit in loaded.images.see(noise(*size)).units if not isinstance(unit, int)]
    loaded.close()
    engine.silence()
    assert (chunk.tokens, chunk.positions) == (size[0] * size[1] // SIDE**2, max(size) // SIDE)


def on_the_padding_of_llava(image: Rgb) -> Rgb:
    """The picture on the square that llama.cpp lays under it, made by Pillow without scaling anything."""
    square = Image.new("RGB", (56, 56), (122, 116, 104))
    inner = Image.frombytes("RGB", (image.width, image.height), image.rows)
    square.paste(inner, ((56 - image.width) // 2, (56 - image.height) // 2))
    return Rgb(f"padded {image.sha256}", 56, 56, square.tobytes())
