"""Decoding real files: orientation, pages, animations, bombs, and bytes gone wrong."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from dermagui.errors import DataError
from dermagui.library import decode
from dermagui.library.decode import open_picture, opened
from dermagui.library.facts import file_facts
from dermagui.library.pixels import pixels
from dermagui.records import Picture, PixelRecipe
from tests.library.example_pictures import (
    BLUE,
    GREEN,
    RED,
    YELLOW,
    corners,
    dicom,
    encoded,
    exif_with_orientation,
    near,
    one_of_each_format,
    png_chunk,
    png_of_size,
    quadrants,
    stored_for,
)
from tests.library.heic_fixture import HEIC

COLOURS = [RED, GREEN, BLUE, YELLOW]
FORMATS = one_of_each_format()
ORIENTED = [
    ("JPEG", {"quality": 95, "subsampling": 0}),
    ("PNG", {}),
    ("WEBP", {"lossless": True}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("AVIF", {"quality": 95}),
]


def written(folder: Path, content: bytes, name: str = "picture") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def decoded(folder: Path, content: bytes, frame: int = 0, longest_side: int | None = None) -> Image.Image:
    return open_picture(Picture(written(folder, content), frame), longest_side)


def failure(folder: Path, content: bytes, frame: int = 0) -> DataError:
    with pytest.raises(DataError) as caught:
        decoded(folder, content, frame)
    return caught.value


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_shows_its_picture(tmp_path: Path, name: str) -> None:
    image = decoded(tmp_path, FORMATS[name])
    assert (image.mode, image.size) == ("RGB", (64, 48))
    assert near(corners(image), COLOURS, 8)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("format", "options"), ORIENTED)
def test_all_orientations_are_applied(
    tmp_path: Path, format: str, options: dict[str, object], orientation: int
) -> None:
    stored = stored_for(quadrants(), orientation)
    content = encoded(stored, format, exif=exif_with_orientation(orientation), **options)
    image = decoded(tmp_path, content)
    assert image.size == (64, 48)
    assert near(corners(image), COLOURS, 8)
    facts = file_facts(tmp_path / "picture")
    assert (facts.orientation, facts.frames[0].width, facts.frames[0].height) == (orientation, 64, 48)
    assert near(corners(Image.open(io.BytesIO(facts.frames[0].thumbnail))), COLOURS, 14)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_turned_once_and_not_twice(tmp_path: Path, orientation: int) -> None:
    image = decoded(tmp_path, HEIC[orientation])
    assert image.size == (64, 48)
    assert near(corners(image), COLOURS, 8)


def test_orientation_applies_to_a_reduced_decode(tmp_path: Path) -> None:
    stored = stored_for(quadrants((640, 480)), 6)
    content = encoded(stored, "JPEG", exif=exif_with_orientation(6))
    image = decoded(tmp_path, content, longest_side=160)
    assert image.size == (160, 120)
    assert near(corners(image), COLOURS, 8)


@pytest.mark.parametrize("value", [0, 9, 77])
def test_a_nonsense_orientation_is_none(tmp_path: Path, value: int) -> None:
    content = encoded(quadrants(), "JPEG", exif=exif_with_orientation(value))
    assert near(corners(decoded(tmp_path, content)), COLOURS, 8)
    assert file_facts(tmp_path / "picture").orientation == 1


def test_a_damaged_exif_block_does_not_cost_the_picture(tmp_path: Path) -> None:
    for block in (
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0",
        b"Exif\0\0XX\0\0\0\0\0\0",
        b"Exif\0\0" + b"\xff" * 60,
    ):
        content = encoded(quadrants(), "JPEG", exif=block)
        assert near(corners(decoded(tmp_path, content)), COLOURS, 8)
        file_facts(tmp_path / "picture")


@pytest.mark.parametrize("longest_side", [1, 100, 256, 999, 1000, 5000])
def test_a_reduced_decode_never_falls_short(tmp_path: Path, longest_side: int) -> None:
    image = decoded(tmp_path, encoded(quadrants((1000, 700)), "JPEG"), longest_side=longest_side)
    assert max(image.size) >= min(longest_side, 1000)
    assert max(image.size) <= max(1000 // 8, 2 * longest_side)


def tiff_pages(*pages: tuple[Image.Image, int]) -> bytes:
    """A TIFF of pages, each with its NewSubfileType."""
    buffer = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(buffer, True) as writer:
        for image, subfile_type in pages:
            image.save(writer, "TIFF", tiffinfo={254: subfile_type})
            writer.newFrame()
    return buffer.getvalue()


def test_pages_of_a_tiff_are_frames_and_reductions_are_not(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (20, 10), RED), Image.new("L", (10, 30), 77)
    content = tiff_pages((first, 0), (first.resize((5, 3)), 1), (second, 2), (second.resize((10, 30)), 4))
    facts = file_facts(written(tmp_path, content))
    assert [(frame.frame, frame.width, frame.height) for frame in facts.frames] == [(0, 20, 10), (1, 10, 30)]
    assert decoded(tmp_path, content, 0).getpixel((3, 3)) == RED
    assert decoded(tmp_path, content, 1).getpixel((3, 3)) == (77, 77, 77)
    error = failure(tmp_path, content, 2)
    assert (error.code, error.values) == ("image.no_such_frame", {"frame": 2, "frames": 2})


def test_a_tiff_of_nothing_but_reductions_still_has_frames(tmp_path: Path) -> None:
    content = tiff_pages((quadrants(), 1))
    assert near(corners(decoded(tmp_path, content)), COLOURS, 0)


def test_each_page_of_a_tiff_has_its_own_orientation(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(buffer, True) as writer:
        for orientation in (6, 1, 3):
            stored_for(quadrants(), orientation).save(writer, "TIFF", tiffinfo={274: orientation})
            writer.newFrame()
    for frame in range(3):
        image = decoded(tmp_path, buffer.getvalue(), frame)
        assert image.size == (64, 48)
        assert near(corners(image), COLOURS, 0)


def test_a_tiff_whose_pages_run_in_a_circle_ends(tmp_path: Path) -> None:
    content = bytearray(encoded(Image.new("L", (4, 4), 9), "TIFF"))
    directory = struct.unpack_from("<I", content, 4)[0]
    count = struct.unpack_from("<H", content, directory)[0]
    struct.pack_into("<I", content, directory + 2 + 12 * count, directory)
    assert len(file_facts(written(tmp_path, bytes(content))).frames) == 1


def test_an_absurd_number_of_pages_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = tiff_pages(*[(Image.new("L", (4, 4), 9), 0)] * 6)
    monkeypatch.setattr(decode, "MAX_FRAMES", 5)
    assert failure(tmp_path, content).code == "image.too_large"
    monkeypatch.setattr(decode, "MAX_FRAMES", 6)
    assert len(file_facts(tmp_path / "picture").frames) == 6
    monkeypatch.setattr(decode, "MAX_FILE_PIXELS", 6 * 16 - 1)
    assert failure(tmp_path, content).code == "image.too_large"


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "AVIF"])
def test_of_an_animation_the_first_frame_is_taken(tmp_path: Path, format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    still = [Image.new("RGB", (64, 48), colour) for colour in (BLUE, RED)]
    content = encoded(quadrants(), format, save_all=True, append_images=still, duration=100, **options)
    assert len(file_facts(written(tmp_path, content)).frames) == 1
    assert near(corners(decoded(tmp_path, content)), COLOURS, 12)
    assert failure(tmp_path, content, 1).code == "image.no_such_frame"


def test_of_a_multi_picture_jpeg_the_first_is_taken(tmp_path: Path) -> None:
    content = encoded(quadrants(), "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8), RED)])
    assert near(corners(decoded(tmp_path, content)), COLOURS, 8)
    assert len(file_facts(tmp_path / "picture").frames) == 1


def huge_bmp() -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header


def huge_tiff() -> bytes:
    content = bytearray(encoded(Image.new("L", (4, 4)), "TIFF"))
    directory = struct.unpack_from("<I", content, 4)[0]
    for row in range(2):
        struct.pack_into("<HHII", content, directory + 2 + 12 * row, 256 + row, 4, 1, 60000)
    return bytes(content)


def huge_jpeg() -> bytes:
    content = bytearray(encoded(quadrants(), "JPEG"))
    at = content.index(b"\xff\xc0") + 5
    struct.pack_into(">HH", content, at, 60000, 60000)
    return bytes(content)


def huge_gif() -> bytes:
    content = bytearray(encoded(quadrants(), "GIF"))
    struct.pack_into("<HH", content, 6, 60000, 60000)
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [png_of_size(60000, 60000), huge_bmp(), huge_tiff(), huge_jpeg(), huge_gif()],
    ids=["png", "bmp", "tiff", "jpeg", "gif"],
)
def test_decompression_bombs_are_refused_by_their_header(tmp_path: Path, content: bytes) -> None:
    assert failure(tmp_path, content).code == "image.too_large"


def test_a_dicom_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    assert failure(tmp_path, dicom(Rows=60000, Columns=60000)).code == "image.too_large"


def test_the_limit_is_ours_and_not_pillows(tmp_path: Path) -> None:
    # Between Pillow's own default and ours: not refused, and no warning; only its data is missing.
    error = failure(tmp_path, png_of_size(15000, 14000))
    assert error.code in ("image.truncated", "image.corrupt")
    error = failure(tmp_path, png_of_size(25001, 10000))
    assert error.values == {"width": 25001, "height": 10000, "limit_pixels": 250_000_000}


def test_a_text_bomb_in_a_png_is_refused(tmp_path: Path) -> None:
    content = encoded(quadrants(), "PNG")
    bomb = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(8 * 2**20)))
    assert failure(tmp_path, content[:33] + bomb + content[33:]).code == "image.too_large"


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_cut_jpeg_is_found_even_by_a_reduced_decode(
    tmp_path: Path, share: float, options: dict[str, bool]
) -> None:
    noise = Image.effect_noise((600, 450), 60).convert("RGB")
    content = encoded(noise, "JPEG", **options)
    path = written(tmp_path, content[: int(len(content) * share)])
    for read in (open_picture, lambda picture: file_facts(picture.path)):
        with pytest.raises(DataError) as caught:
            read(Picture(path))
        assert caught.value.code == "image.truncated"


def test_a_jpeg_whose_tail_became_zeros_is_found(tmp_path: Path) -> None:
    content = encoded(Image.effect_noise((600, 450), 60).convert("RGB"), "JPEG")
    zeroed = content[: len(content) // 2] + bytes(len(content) - len(content) // 2)
    assert failure(tmp_path, zeroed).code == "image.truncated"


def test_a_jpeg_followed_by_other_bytes_is_whole(tmp_path: Path) -> None:
    content = encoded(quadrants(), "JPEG")
    for tail in (bytes(100_000), b"movie" * 50_000):
        assert near(corners(decoded(tmp_path, content + tail)), COLOURS, 8)


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"gif"}))
def test_a_file_cut_in_half_is_an_error(tmp_path: Path, name: str) -> None:
    error = failure(tmp_path, FORMATS[name][: len(FORMATS[name]) // 2])
    assert error.code in ("image.truncated", "image.corrupt")


def test_codecs_that_nobody_here_can_read_are_named_so(tmp_path: Path) -> None:
    jpeg = bytearray(FORMATS["jpeg"])
    jpeg[jpeg.index(b"\xff\xc0") + 4] = 12
    assert failure(tmp_path, bytes(jpeg)).code == "image.unsupported_codec"
    tiff = bytearray(FORMATS["tiff"])
    directory = struct.unpack_from("<I", tiff, 4)[0]
    photometric = tiff.index(struct.pack("<HH", 262, 3), directory)
    struct.pack_into("<H", tiff, photometric + 8, 32845)  # LogLuv
    assert failure(tmp_path, bytes(tiff)).code == "image.unsupported_codec"


def test_originals_are_neither_written_nor_touched(tmp_path: Path) -> None:
    for name, content in FORMATS.items():
        written(tmp_path, content, name).chmod(0o444)
    before = {path.name: (path.read_bytes(), path.stat()) for path in tmp_path.iterdir()}
    for path in tmp_path.iterdir():
        file_facts(path)
        pixels(Picture(path), PixelRecipe(longest_side=32))
    after = {path.name: (path.read_bytes(), path.stat()) for path in tmp_path.iterdir()}
    assert before.keys() == after.keys()
    for name, (content, status) in before.items():
        assert after[name][0] == content
        assert (after[name][1].st_mtime_ns, after[name][1].st_ino) == (status.st_mtime_ns, status.st_ino)


def test_no_file_stays_open(tmp_path: Path) -> None:
    for name, content in FORMATS.items():
        with opened(written(tmp_path, content, name)) as file:
            decode.decode_frame(file, 0)
        assert file.content.closed


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """A good file that was cut, overwritten in places, or both."""
    content = bytearray(FORMATS[draw(st.sampled_from(sorted(FORMATS)))])
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(content) - 1))
        content[at] = draw(st.one_of(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]), st.integers(0, 255)))
    cut = draw(st.one_of(st.just(len(content)), st.integers(1, len(content))))
    return bytes(content[:cut])


@hypothesis_settings(max_examples=300)
@given(content=damaged_files())
def test_damaged_files_raise_nothing_but_data_errors(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), content)
        try:
            facts = file_facts(path)
            made = pixels(Picture(path), PixelRecipe(longest_side=32))
        except DataError:
            return
    assert facts.frames
    assert len(made.rgb) == made.width * made.height * 3
