"""What the library learns of a file, and that it stays the same for the same picture."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from dermagui.errors import DataError
from dermagui.library.facts import difference_hash, file_facts
from dermagui.records import FileFacts
from tests.library.example_pictures import encoded, exif_with_orientation, one_of_each_format, quadrants
from tests.library.test_personal import full_exif


def facts_of(folder: Path, content: bytes) -> FileFacts:
    path = folder / "picture"
    path.write_bytes(content)
    return file_facts(path)


def scene(size: tuple[int, int] = (640, 480)) -> Image.Image:
    """Smooth light and dark patches, the same at every size."""
    return (
        Image.effect_mandelbrot((640, 480), (-2, -1, 1, 1), 60)
        .filter(ImageFilter.GaussianBlur(9))
        .resize(size)
        .convert("RGB")
    )


def differing_bits(left: bytes, right: bytes) -> int:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).bit_count()


@pytest.mark.parametrize("name", one_of_each_format())
def test_hash_size_and_format_of_the_file(tmp_path: Path, name: str) -> None:
    content = one_of_each_format()[name]
    facts = facts_of(tmp_path, content)
    assert facts.sha256 == hashlib.sha256(content).hexdigest()
    assert facts.size_bytes == len(content)
    assert facts.format == name.partition("_")[0].replace("progressive", "jpeg")
    assert [(frame.frame, frame.width, frame.height) for frame in facts.frames] == [(0, 64, 48)]


def test_a_thumbnail_is_a_small_clean_upright_jpeg(tmp_path: Path) -> None:
    exif = full_exif()
    exif[0x0112] = 6
    content = encoded(scene((900, 500)), "JPEG", exif=exif, comment=b"patient 123")
    frame = facts_of(tmp_path, content).frames[0]
    thumbnail = Image.open(io.BytesIO(frame.thumbnail))
    assert (frame.width, frame.height) == (500, 900)
    assert (thumbnail.format, thumbnail.size) == ("JPEG", (142, 256))
    assert b"patient" not in frame.thumbnail
    assert dict(thumbnail.getexif()) == {}


@pytest.mark.parametrize(
    ("size", "expected"),
    [((10, 7), (10, 7)), ((3000, 2), (256, 1)), ((1, 1), (1, 1)), ((257, 256), (256, 255))],
)
def test_thumbnails_are_never_enlarged_nor_empty(
    tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    frame = facts_of(tmp_path, encoded(Image.new("RGB", size, "red"), "PNG")).frames[0]
    assert Image.open(io.BytesIO(frame.thumbnail)).size == expected


def test_metadata_does_not_change_the_pixel_hash_and_one_pixel_does(tmp_path: Path) -> None:
    plain = facts_of(tmp_path, encoded(scene(), "JPEG"))
    tagged = facts_of(tmp_path, encoded(scene(), "JPEG", exif=full_exif(), comment=b"x"))
    assert plain.sha256 != tagged.sha256
    assert plain.frames == tagged.frames
    image = Image.new("RGB", (200, 100), "white")
    before = facts_of(tmp_path, encoded(image, "PNG")).frames[0].pixel_hash
    assert facts_of(tmp_path, encoded(image, "BMP")).frames[0].pixel_hash == before
    image.putpixel((7, 7), (255, 255, 254))
    assert facts_of(tmp_path, encoded(image, "PNG")).frames[0].pixel_hash != before


def test_the_pixel_hash_knows_the_full_size(tmp_path: Path) -> None:
    hashes = {
        facts_of(tmp_path, encoded(Image.new("RGB", size, "red"), "PNG")).frames[0].pixel_hash
        for size in ((512, 512), (1024, 1024))
    }
    assert len(hashes) == 2


def test_the_perceptual_hash_stays_near_for_the_same_picture_and_far_for_another(tmp_path: Path) -> None:
    def hash_of(image: Image.Image, format: str = "JPEG", **options: object) -> bytes:
        return facts_of(tmp_path, encoded(image, format, **options)).frames[0].perceptual_hash

    original = hash_of(scene(), quality=95)
    assert len(original) == 32
    assert differing_bits(original, hash_of(scene(), quality=40)) <= 12
    assert differing_bits(original, hash_of(scene((320, 240)), "PNG")) <= 12
    assert differing_bits(original, hash_of(scene().transpose(Image.Transpose.FLIP_LEFT_RIGHT))) > 60


def test_a_difference_hash_bit_means_brighter_than_the_right_neighbour() -> None:
    falling = Image.linear_gradient("L").rotate(90).resize((256, 256))
    left_bright = (
        falling
        if falling.getpixel((0, 128)) > falling.getpixel((255, 128))
        else falling.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    )
    assert difference_hash(left_bright) == b"\xff" * 32
    assert difference_hash(left_bright.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) == b"\0" * 32
    assert difference_hash(Image.new("L", (5, 5), 9)) == b"\0" * 32


def test_every_frame_of_a_tiff_has_its_facts(tmp_path: Path) -> None:
    pages = [scene((300, 200)), quadrants()]
    content = encoded(scene(), "TIFF", save_all=True, append_images=pages)
    frames = facts_of(tmp_path, content).frames
    assert [(frame.width, frame.height) for frame in frames] == [(640, 480), (300, 200), (64, 48)]
    assert len({frame.pixel_hash for frame in frames}) == 3
    alone = facts_of(tmp_path, encoded(quadrants(), "TIFF")).frames[0]
    assert frames[2].pixel_hash == alone.pixel_hash


def test_a_file_with_one_bad_page_is_a_bad_file(tmp_path: Path) -> None:
    content = encoded(scene((64, 48)), "TIFF", save_all=True, append_images=[scene((300, 200))])
    with pytest.raises(DataError):
        facts_of(tmp_path, content[: len(content) - 300 * 200])


def test_names_that_are_not_utf_8_or_very_long(tmp_path: Path) -> None:
    names = [b"caf\xe9 \xff.jpg", b"a" * 251 + b".jpg", 'it\'s "ü"\n.jpg'.encode()]
    for name in names:
        path = bytes(tmp_path) + b"/" + name
        with open(path, "wb") as file:
            file.write(encoded(quadrants(), "JPEG", exif=exif_with_orientation(1)))
        text = str(tmp_path) + "/" + name.decode("utf-8", "surrogateescape")
        assert file_facts(text).format == "jpeg"
