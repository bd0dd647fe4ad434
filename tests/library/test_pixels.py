"""The pixels that leave: sized by the recipe, redacted, clean of all metadata, and cached."""

from __future__ import annotations

import hashlib
import io
import os
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from dermagui.errors import DataError
from dermagui.library import pixels as pixels_module
from dermagui.library.pixels import (
    REDACTION_COLOUR,
    cached_pixels,
    forget_pixels,
    full_rows,
    full_size,
    pixels,
    prepared_pixels,
    target_size,
)
from dermagui.records import Picture, PixelRecipe, Pixels, Region
from tests.library.example_pictures import (
    BLUE,
    GREEN,
    RED,
    YELLOW,
    corners,
    encoded,
    exif_with_orientation,
    near,
    quadrants,
    stored_for,
)
from tests.library.test_colour import swapped_profile
from tests.library.test_personal import XMP, full_exif, iptc_block, with_segment

DEFAULT_RECIPE = PixelRecipe()
PNG_RECIPE = PixelRecipe(longest_side=None, codec="png")
CANARY = b"Muster"
TRACES = [
    CANARY,
    b"Exif",
    b"http://ns.adobe.com",
    b"Photoshop",
    b"ICC_PROFILE",
    b"iCCP",
    b"acsp",
    b"tEXt",
    b"iTXt",
    b"zTXt",
    b"eXIf",
    b"patient",
]


def written(folder: Path, content: bytes, name: str = "picture") -> Picture:
    path = folder / name
    path.write_bytes(content)
    return Picture(path)


def image_of(made: object) -> Image.Image:
    return Image.frombytes("RGB", (made.width, made.height), made.rgb)


def jpeg_full_of_metadata() -> bytes:
    content = encoded(
        quadrants(),
        "JPEG",
        exif=full_exif(),
        icc_profile=swapped_profile(),
        xmp=XMP,
        comment=b"patient Muster",
    )
    block = iptc_block()
    resource = b"Photoshop 3.0\0" + b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(block)) + block
    return with_segment(content, 0xED, resource)


def png_full_of_metadata() -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "Erika Muster")
    text.add_itxt("XML:com.adobe.xmp", XMP.decode())
    text.add_text("Patient", "Muster" * 9, zip=True)
    return encoded(quadrants(), "PNG", exif=full_exif(), icc_profile=swapped_profile(), pnginfo=text)


@pytest.mark.parametrize("codec", ["jpeg", "png"])
@pytest.mark.parametrize("side", [None, 32])
@pytest.mark.parametrize(
    "content",
    [
        jpeg_full_of_metadata(),
        png_full_of_metadata(),
        encoded(quadrants(), "WEBP", exif=full_exif(), icc_profile=swapped_profile(), xmp=XMP),
        encoded(quadrants(), "TIFF", exif=full_exif(), icc_profile=swapped_profile(), tiffinfo={700: XMP}),
        encoded(quadrants(), "GIF", comment=b"patient Muster"),
    ],
    ids=["jpeg", "png", "webp", "tiff", "gif"],
)
def test_nothing_but_pixels_is_left(tmp_path: Path, content: bytes, side: int | None, codec: str) -> None:
    assert CANARY in content
    made = pixels(written(tmp_path, content), PixelRecipe(longest_side=side, codec=codec))
    assert [trace for trace in TRACES if trace in made.encoded] == []
    image = Image.open(io.BytesIO(made.encoded))
    assert dict(image.getexif()) == {}
    assert image.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize(("codec", "mime_type"), [("jpeg", "image/jpeg"), ("png", "image/png")])
def test_rgb_is_the_decode_of_what_is_encoded(tmp_path: Path, codec: str, mime_type: str) -> None:
    noise = Image.effect_noise((90, 70), 80).convert("RGB")
    made = pixels(written(tmp_path, encoded(noise, "PNG")), PixelRecipe(longest_side=60, codec=codec))
    image = Image.open(io.BytesIO(made.encoded))
    assert image.format == codec.upper()
    assert (made.width, made.height) == image.size == (60, 47)
    assert made.rgb == image.convert("RGB").tobytes()
    assert made.sha256 == hashlib.sha256(made.rgb).hexdigest()
    assert made.mime_type == mime_type


def test_a_lossless_recipe_of_full_size_changes_no_pixel(tmp_path: Path) -> None:
    noise = Image.effect_noise((90, 70), 80).convert("RGB")
    assert pixels(written(tmp_path, encoded(noise, "PNG")), PNG_RECIPE).rgb == noise.tobytes()


def test_quality_is_that_of_the_recipe(tmp_path: Path) -> None:
    picture = written(tmp_path, encoded(Image.effect_noise((90, 70), 80).convert("RGB"), "PNG"))
    low, high = (pixels(picture, PixelRecipe(quality=quality)) for quality in (30, 95))
    assert len(low.encoded) < len(high.encoded) / 2


def test_orientation_and_frame_are_applied(tmp_path: Path) -> None:
    turned = encoded(stored_for(quadrants(), 8), "JPEG", exif=exif_with_orientation(8))
    made = pixels(written(tmp_path, turned), PixelRecipe(longest_side=32))
    assert (made.width, made.height) == (32, 24)
    assert near(corners(image_of(made)), [RED, GREEN, BLUE, YELLOW], 14)
    pages = encoded(
        Image.new("RGB", (9, 9), RED), "TIFF", save_all=True, append_images=[Image.new("RGB", (5, 7), BLUE)]
    )
    path = written(tmp_path, pages).path
    made = pixels(Picture(path, frame=1), PNG_RECIPE)
    assert (made.width, made.height, made.rgb[:3]) == (5, 7, bytes(BLUE))


@given(
    size=st.tuples(st.integers(1, 9000), st.integers(1, 9000)),
    side=st.one_of(st.none(), st.integers(1, 4096)),
    step=st.integers(1, 64),
)
def test_sizes_of_recipes(size: tuple[int, int], side: int | None, step: int) -> None:
    made = target_size(size, PixelRecipe(longest_side=side, multiple_of=step))
    assert all(length % step == 0 and length >= step for length in made)
    assert all(new <= max(old, step) for new, old in zip(made, size, strict=True))
    assert side is None or max(made) <= max(side, step)
    assert side is None or step > 1 or max(made) == min(side, max(size))


def test_shape_is_kept_when_reduced() -> None:
    assert target_size((3000, 2000), PixelRecipe()) == (1024, 683)
    assert target_size((3000, 2000), PixelRecipe(multiple_of=28)) == (1008, 672)
    assert target_size((600, 450), PixelRecipe()) == (600, 450)
    assert target_size((10000, 1), PixelRecipe()) == (1024, 1)


def test_only_a_recipe_that_says_so_enlarges(tmp_path: Path) -> None:
    small = written(tmp_path, encoded(Image.new("RGB", (60, 45)), "PNG"))
    plain, large = PixelRecipe(longest_side=336), PixelRecipe(longest_side=336, enlarge=True)
    assert [(made.width, made.height) for made in (pixels(small, plain), pixels(small, large))] == [
        (60, 45),
        (336, 252),
    ]
    assert target_size((6000, 4500), large) == target_size((6000, 4500), plain)
    assert plain.key == "336-1-jpeg-88" != large.key


def test_the_full_size_is_that_of_the_upright_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (640, 480)).save(buffer, "JPEG", exif=exif)
    assert full_size(written(tmp_path, buffer.getvalue())) == (480, 640)


def test_the_full_rows_are_those_of_a_lossless_recipe(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    path.write_bytes(encoded(stored_for(quadrants(), 6), "JPEG", exif=exif_with_orientation(6)))
    regions = (Region(3, 4, 5, 6),)
    lossless = pixels(Picture(path), PNG_RECIPE, regions)
    assert full_rows(Picture(path), regions) == (lossless.width, lossless.height, lossless.rgb)


def test_a_reduction_is_the_same_whether_the_jpeg_was_decoded_small_or_not(tmp_path: Path) -> None:
    smooth = Image.linear_gradient("L").resize((2000, 1500)).convert("RGB")
    content = encoded(smooth, "JPEG", quality=95)
    made = pixels(written(tmp_path, content), PixelRecipe(longest_side=200, codec="png"))
    assert (made.width, made.height) == (200, 150)
    reference = Image.open(io.BytesIO(content)).resize((200, 150), Image.Resampling.LANCZOS)
    difference = max(abs(a - b) for a, b in zip(made.rgb, reference.tobytes(), strict=True))
    assert difference <= 3


def test_a_redacted_region_holds_one_colour_and_its_neighbours_hold_none_of_it(tmp_path: Path) -> None:
    image = Image.new("RGB", (1600, 1200), (255, 255, 255))
    image.paste((0, 0, 0), (803, 401, 1007, 607))
    picture = written(tmp_path, encoded(image, "JPEG", quality=95))
    region = Region(795, 393, 220, 222)
    made = image_of(pixels(picture, PixelRecipe(longest_side=400, codec="png"), (region,)))
    assert made.getpixel((225, 125)) == REDACTION_COLOUR
    # What was hidden was black: nothing darker than the grey is left anywhere.
    assert (
        min(low for low, _ in made.getextrema()) >= REDACTION_COLOUR[0] - 20
    )  # Lanczos overshoots beside white
    full = image_of(pixels(picture, PNG_RECIPE, (region,)))
    assert set(full.crop((795, 393, 1015, 615)).get_flattened_data()) == {REDACTION_COLOUR}
    assert full.getpixel((794, 392)) != REDACTION_COLOUR


@pytest.mark.parametrize(
    ("region", "hidden"),
    [
        (Region(-5, -5, 10, 10), 25),
        (Region(60, 40, 100, 100), 4 * 8),
        (Region(0, 0, 64, 48), 64 * 48),
        (Region(100, 100, 5, 5), 0),
        (Region(-20, 0, 10, 48), 0),
        (Region(3, 3, 0, 5), 0),
    ],
)
def test_regions_are_cut_at_the_edges(tmp_path: Path, region: Region, hidden: int) -> None:
    made = pixels(written(tmp_path, encoded(quadrants(), "PNG")), PNG_RECIPE, (region,))
    assert list(image_of(made).get_flattened_data()).count(REDACTION_COLOUR) == hidden


def test_regions_are_in_coordinates_after_orientation(tmp_path: Path) -> None:
    content = encoded(stored_for(quadrants(), 6), "PNG", exif=exif_with_orientation(6))
    made = image_of(pixels(written(tmp_path, content), PNG_RECIPE, (Region(0, 0, 32, 24),)))
    assert corners(made) == [REDACTION_COLOUR, GREEN, BLUE, YELLOW]


SHA = "ab" + "0" * 62


@pytest.fixture
def any_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a test name its picture as it likes: whether the file has that hash has a test of its own."""
    monkeypatch.setattr(pixels_module, "_refuse_changed", lambda *_: None)


def test_a_file_that_was_replaced_is_refused_and_poisons_nothing(tmp_path: Path) -> None:
    picture = written(tmp_path, encoded(quadrants(), "PNG"))
    sha256 = hashlib.sha256(Path(picture.path).read_bytes()).hexdigest()
    Path(picture.path).write_bytes(encoded(Image.new("RGB", (64, 48), RED), "PNG"))
    with pytest.raises(DataError) as caught:
        cached_pixels(tmp_path / "cache", sha256, picture, PixelRecipe())
    assert caught.value.code == "image.changed"
    assert not (tmp_path / "cache").exists()
    Path(picture.path).write_bytes(encoded(quadrants(), "PNG"))
    assert cached_pixels(tmp_path / "cache", sha256, picture, PixelRecipe()) == pixels(picture, PixelRecipe())


def cached(
    folder: Path, picture: Picture, recipe: PixelRecipe = DEFAULT_RECIPE, regions: tuple[Region, ...] = ()
) -> Pixels:
    return cached_pixels(folder / "cache", SHA, picture, recipe, regions)


def files_of(folder: Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder / "cache")) for path in (folder / "cache").rglob("*") if path.is_file()
    )


@pytest.mark.usefixtures("any_hash")
def test_the_cache_is_used_and_equals_what_made_it(tmp_path: Path) -> None:
    picture = written(tmp_path, encoded(quadrants(), "JPEG"))
    first = cached(tmp_path, picture)
    assert files_of(tmp_path) == [f"1024-1-jpeg-88/ab/{SHA}-0.jpg"]
    os.unlink(picture.path)
    assert cached(tmp_path, picture) == first


@pytest.mark.usefixtures("any_hash")
def test_recipes_frames_and_redactions_do_not_mix(tmp_path: Path) -> None:
    page = Image.new("RGB", (64, 48), RED)
    picture = written(tmp_path, encoded(quadrants(), "TIFF", save_all=True, append_images=[page]))
    regions = (Region(0, 0, 9, 9), Region(20, 20, 5, 5))
    made = [
        cached(tmp_path, picture),
        cached(tmp_path, Picture(picture.path, 1)),
        cached(tmp_path, picture, PNG_RECIPE),
        cached(tmp_path, picture, regions=regions),
        cached(tmp_path, picture, regions=regions[:1]),
    ]
    assert len(files_of(tmp_path)) == 5
    assert len({one.sha256 for one in made}) == 5
    assert cached(tmp_path, picture, regions=regions[::-1]) == made[3]
    assert len(files_of(tmp_path)) == 5


@pytest.mark.usefixtures("any_hash")
@pytest.mark.parametrize("codec", ["jpeg", "png"])
@pytest.mark.parametrize("damage", ["empty", "cut", "rubbish", "other format", "one byte short", "one bit"])
def test_a_damaged_cache_file_is_remade(tmp_path: Path, codec: str, damage: str) -> None:
    picture = written(tmp_path, encoded(Image.effect_noise((64, 48), 60).convert("RGB"), "PNG"))
    recipe = PixelRecipe(codec=codec)
    first = cached(tmp_path, picture, recipe)
    path = tmp_path / "cache" / files_of(tmp_path)[0]
    good = path.read_bytes()
    other = encoded(quadrants(), "GIF")
    path.write_bytes(
        {
            "empty": b"",
            "cut": good[: len(good) // 2],
            "rubbish": b"x" * 99,
            "other format": other,
            "one byte short": good[:-1],
            "one bit": good[:300] + bytes([good[300] ^ 1]) + good[301:],
        }[damage]
    )
    assert prepared_pixels(tmp_path / "cache", SHA, 0, recipe) is None
    assert cached(tmp_path, picture, recipe) == first
    assert path.read_bytes() == good


@pytest.mark.usefixtures("any_hash")
@pytest.mark.parametrize("codec", ["jpeg", "png"])
def test_what_is_prepared_is_what_was_made_without_its_rows(tmp_path: Path, codec: str) -> None:
    recipe, regions = PixelRecipe(codec=codec), (Region(0, 0, 9, 9),)
    picture = written(tmp_path, encoded(quadrants(), "JPEG"))
    assert prepared_pixels(tmp_path / "cache", SHA, 0, recipe, regions) is None
    made = cached(tmp_path, picture, recipe, regions)
    assert prepared_pixels(tmp_path / "cache", SHA, 0, recipe, regions) == replace(made, rgb=b"")
    assert prepared_pixels(tmp_path / "cache", SHA, 0, recipe) is None


@pytest.mark.usefixtures("any_hash")
def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = written(tmp_path, encoded(quadrants(), "JPEG"))
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert cached(tmp_path, picture) == pixels(picture, PixelRecipe())


@pytest.mark.usefixtures("any_hash")
def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = written(tmp_path, encoded(quadrants(), "JPEG"))

    def no_space(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pixels_module.os, "replace", no_space)
    assert cached(tmp_path, picture) == pixels(picture, PixelRecipe())
    assert files_of(tmp_path) == []


@pytest.mark.usefixtures("any_hash")
def test_a_bad_picture_is_not_cached(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        cached(tmp_path, written(tmp_path, b"rubbish"))
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("any_hash")
def test_forgetting_removes_every_trace_of_one_file_and_no_other(tmp_path: Path) -> None:
    picture = written(tmp_path, encoded(quadrants(), "JPEG"))
    cached(tmp_path, picture)
    cached(tmp_path, picture, PNG_RECIPE)
    cached(tmp_path, picture, regions=(Region(0, 0, 9, 9),))
    leftover = tmp_path / "cache" / "1024-1-jpeg-88" / "ab" / f"{SHA}-0.jpgx1y2.part"
    leftover.write_bytes(b"left by a crash")
    other = "ab" + "1" * 62
    cached_pixels(tmp_path / "cache", other, picture, PixelRecipe())
    assert forget_pixels(tmp_path / "cache", SHA) == 4
    assert files_of(tmp_path) == [f"1024-1-jpeg-88/ab/{other}-0.jpg"]
    assert forget_pixels(tmp_path / "cache", SHA) == 0
    assert forget_pixels(tmp_path / "no cache", SHA) == 0
