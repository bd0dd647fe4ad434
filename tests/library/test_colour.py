"""Every mode of pixels as RGB8: scaled and not clipped, profiles applied, transparency on white."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from dermagui.library.colour import to_rgb
from dermagui.library.decode import open_picture
from dermagui.records import Picture
from tests.library.example_pictures import (
    BLUE,
    GREEN,
    RED,
    YELLOW,
    corners,
    encoded,
    near,
    png_chunk,
    quadrants,
)

COLOURS = [RED, GREEN, BLUE, YELLOW]
WHITE = (255, 255, 255)


def opened(folder: Path, content: bytes) -> Image.Image:
    path = folder / "picture"
    path.write_bytes(content)
    image = open_picture(Picture(path))
    assert image.mode == "RGB"
    return image


def grey_row(image: Image.Image) -> list[int]:
    assert all(len(set(pixel)) == 1 for pixel in image.get_flattened_data())
    return [pixel[0] for pixel in image.get_flattened_data()]


def deep(mode: str, values: list[float]) -> Image.Image:
    image = Image.new(mode, (len(values), 1))
    for x, value in enumerate(values):
        image.putpixel((x, 0), value)
    return image


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_greyscale_is_scaled_and_not_clipped(tmp_path: Path, format: str) -> None:
    image = deep("I;16", [0, 255, 257, 32768, 65535])
    assert grey_row(opened(tmp_path, encoded(image, format))) == [0, 1, 1, 128, 255]


def test_16_bit_colour_png_keeps_its_high_bytes(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    import zlib

    rows = b"\0" + struct.pack(">6H", 0xC8FF, 0x1E00, 0x1EFF, 0x0000, 0xFFFF, 0x8000)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    content = b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)
    assert list(opened(tmp_path, content).get_flattened_data()) == [(0xC8, 0x1E, 0x1E), (0, 255, 0x80)]


def tiff(values: bytes, width: int, **tags: int) -> bytes:
    """A one-row uncompressed little-endian TIFF with the given tags (by number, as ``t258``)."""
    fields = {256: width, 257: 1, 258: 8, 259: 1, 262: 1, 277: 1, 278: 1, 279: len(values)}
    fields |= {int(name[1:]): value for name, value in tags.items()}
    fields[273] = 8 + 2 + 12 * (len(fields) + 1) + 4
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, fields[tag]) for tag in sorted(fields))
    return b"II*\0" + struct.pack("<IH", 8, len(fields)) + rows + bytes(4) + values


def test_16_bit_colour_tiff_keeps_its_high_bytes(tmp_path: Path) -> None:
    ifd = TiffImagePlugin.ImageFileDirectory_v2()
    ifd[258] = (16, 16, 16)
    values = struct.pack("<3H", 0xC8FF, 0x1E00, 0xFFFF)
    fields = {256: 1, 257: 1, 259: 1, 262: 2, 277: 3, 278: 1, 279: 6, 273: 0, 258: 0}
    start = 8 + 2 + 12 * len(fields) + 4
    fields[258], fields[273] = start, start + 6
    rows = b"".join(
        struct.pack("<HHII", tag, 3 if tag == 258 else 4, 3 if tag == 258 else 1, fields[tag])
        for tag in sorted(fields)
    )
    content = b"II*\0" + struct.pack("<IH", 8, len(fields)) + rows + bytes(4) + struct.pack("<3H", 16, 16, 16)
    assert list(opened(tmp_path, content + values).get_flattened_data()) == [(0xC8, 0x1E, 0xFF)]


def test_big_endian_and_jpeg_2000_16_bit_greyscale(tmp_path: Path) -> None:
    big = Image.frombytes("I;16B", (3, 1), struct.pack(">3H", 0, 32768, 65535))
    content = encoded(big, "TIFF")
    assert content[:2] == b"MM"
    assert grey_row(opened(tmp_path, content)) == [0, 128, 255]
    tall = deep("I;16", [0, 32768, 65535]).resize((96, 32), Image.Resampling.NEAREST)
    found = grey_row(opened(tmp_path, encoded(tall, "JPEG2000")))
    assert sorted(set(found)) == [0, 128, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0, 100, 255], [0, 100, 255]), ([0, 257, 65535], [0, 1, 255]), ([-8, 0, 8], [0, 128, 255])],
)
def test_32_bit_greyscale(tmp_path: Path, values: list[int], expected: list[int]) -> None:
    assert grey_row(opened(tmp_path, encoded(deep("I", values), "TIFF"))) == expected


def test_12_bit_tiff_has_its_own_full_scale(tmp_path: Path) -> None:
    packed = bytes([0x00, 0x0F, 0xFF])  # two pixels: 0 and 4095
    assert grey_row(opened(tmp_path, tiff(packed, 2, t258=12))) == [0, 255]


def test_16_bit_tiff_where_zero_is_white(tmp_path: Path) -> None:
    content = tiff(struct.pack("<3H", 0, 32768, 65535), 3, t258=16, t262=0)
    assert grey_row(opened(tmp_path, content)) == [255, 127, 0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([0.0, 257.0, 65535.0], [0, 1, 255]),
        ([-10.0, 0.0, 10.0], [0, 128, 255]),
        ([7e5, 7e5, 7e5], [0, 0, 0]),
    ],
)
def test_float_tiff_is_scaled_by_what_it_spans(
    tmp_path: Path, values: list[float], expected: list[int]
) -> None:
    assert grey_row(opened(tmp_path, encoded(deep("F", values), "TIFF"))) == expected


def test_float_tiff_with_values_that_are_no_numbers(tmp_path: Path) -> None:
    content = encoded(deep("F", [float("nan"), 0.5, float("inf"), 1.0]), "TIFF")
    assert grey_row(opened(tmp_path, content))[1::2] == [128, 255]


@pytest.mark.parametrize(("mode", "tolerance"), [("L", 0), ("1", 0), ("P", 40), ("CMYK", 6)])
def test_common_modes_come_out_as_pillow_shows_them(tmp_path: Path, mode: str, tolerance: int) -> None:
    image = quadrants().convert(mode)
    found = corners(opened(tmp_path, encoded(image, "TIFF")))
    assert near(found, corners(image.convert("RGB")), 0)
    assert tolerance == 0 or near(found, COLOURS, tolerance)


def test_cmyk_jpeg_with_adobe_inversion(tmp_path: Path) -> None:
    content = encoded(quadrants().convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in content
    assert near(corners(opened(tmp_path, content)), COLOURS, 8)


def test_cielab_tiff(tmp_path: Path) -> None:
    lab = ImageCms.profileToProfile(
        quadrants(), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert near(corners(opened(tmp_path, encoded(lab, "TIFF"))), COLOURS, 16)


@pytest.mark.parametrize(
    ("mode", "format"), [("RGBA", "PNG"), ("RGBA", "WEBP"), ("RGBA", "TIFF"), ("LA", "PNG")]
)
def test_transparency_is_laid_on_white(tmp_path: Path, mode: str, format: str) -> None:
    image = quadrants().convert(mode)
    image.putalpha(Image.linear_gradient("L").resize(image.size).point(lambda value: 255 * (value > 127)))
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    found = corners(opened(tmp_path, encoded(image, format, **options)))
    assert found[:2] == [WHITE, WHITE]
    assert found[2:] == corners(quadrants().convert("L" if mode == "LA" else "RGB").convert("RGB"))[2:]


def test_half_transparency_mixes_with_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 128))
    assert opened(tmp_path, encoded(image, "PNG")).getpixel((0, 0)) == (127, 127, 127)


def test_a_transparent_colour_of_a_palette_and_of_a_gif(tmp_path: Path) -> None:
    image = quadrants().quantize(4)
    clear = image.getpixel((2, 2))
    for format in ("PNG", "GIF"):
        found = corners(opened(tmp_path, encoded(image, format, transparency=clear)))
        assert found[0] == WHITE
        assert near(found[1:], COLOURS[1:], 3)


def test_a_transparent_colour_of_deep_greyscale_does_no_harm(tmp_path: Path) -> None:
    content = encoded(deep("I;16", [0, 40000, 65535]), "PNG", transparency=40000)
    assert grey_row(opened(tmp_path, content)) == [0, 156, 255]


def swapped_profile() -> bytes:
    """sRGB's profile with the colorants of red and blue exchanged: applying it exchanges the channels."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack_from(">I", profile, 128)[0]
    for row in range(132, 132 + 12 * count, 12):
        name = bytes(profile[row : row + 4])
        exchanged = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}
        profile[row : row + 4] = exchanged.get(name, name)
    return bytes(profile).replace(b"s\0R\0G\0B", b"o\0d\0d\0x").replace(b"sRGB", b"oddx")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_an_embedded_profile_is_converted_to_srgb(tmp_path: Path, format: str) -> None:
    content = encoded(quadrants(), format, icc_profile=swapped_profile(), quality=95)
    found = corners(opened(tmp_path, content))
    assert near(found, [(b, g, r) for r, g, b in COLOURS], 12)


def test_profiles_of_other_channels_or_of_rubbish_are_ignored() -> None:
    image = quadrants()
    grey = image.convert("L")
    for profile in (b"rubbish", swapped_profile()[:200], b"\0" * 128):
        image.info["icc_profile"] = profile
        assert to_rgb(image).tobytes() == image.tobytes()
    for other in (grey, image.convert("CMYK")):
        other.info["icc_profile"] = b"rubbish"
        assert to_rgb(other).tobytes() == other.convert("RGB").tobytes()
    cmyk = image.convert("CMYK")
    cmyk.info["icc_profile"] = swapped_profile()
    assert to_rgb(cmyk).tobytes() == image.convert("CMYK").convert("RGB").tobytes()


def test_an_srgb_profile_changes_nothing(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = encoded(quadrants(), "PNG", icc_profile=profile)
    assert opened(tmp_path, content).tobytes() == quadrants().tobytes()
    assert Image.open(io.BytesIO(content)).info["icc_profile"] == profile
