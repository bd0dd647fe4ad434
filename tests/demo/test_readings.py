"""What is read from pictures whose truth is known."""

from __future__ import annotations

import io
import math

import pytest
from PIL import Image, ImageDraw, ImageFilter

from dermagui.demo.readings import COLOURS, Reading, read_picture

SKIN = (226, 186, 160)
SIZE = (480, 360)


def read(picture: Image.Image, kind: str = "PNG") -> Reading:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return read_picture(buffer.getvalue())


def disc(radius: int, colour: str = "dark brown", centre: tuple[int, int] = (240, 180)) -> Image.Image:
    picture = Image.new("RGB", SIZE, SKIN)
    ImageDraw.Draw(picture).circle(centre, radius, fill=COLOURS[colour])
    return picture


@pytest.mark.parametrize("radius", [30, 60, 110])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_share_of_a_disc_is_its_area(radius: int, kind: str) -> None:
    area = math.pi * radius**2 / (SIZE[0] * SIZE[1])
    assert read(disc(radius), kind).share == pytest.approx(area, rel=0.12)


def test_place_is_the_centre_of_the_spot() -> None:
    assert read(disc(40, centre=(360, 90))).centre == pytest.approx((0.75, 0.25), abs=0.02)


@pytest.mark.parametrize("colour", [name for name in COLOURS if name not in {"white", "pink"}])
def test_colour_of_a_disc_is_named(colour: str) -> None:
    assert read(disc(70, colour)).colours[0] == colour


def test_both_colours_of_a_divided_disc_are_named_by_extent() -> None:
    picture = disc(90, "blue-grey")
    ImageDraw.Draw(picture).pieslice((150, 90, 330, 270), 0, 120, fill=COLOURS["dark brown"])
    assert read(picture).colours[:2] == ("blue-grey", "dark brown")


def test_a_disc_folds_onto_itself_and_a_comma_does_not() -> None:
    comma = disc(60)
    ImageDraw.Draw(comma).arc((180, 60, 420, 330), 180, 330, fill=COLOURS["dark brown"], width=36)
    assert read(disc(60)).asymmetry < 0.05
    assert read(comma).asymmetry > 0.15


def test_a_blurred_edge_is_less_sharp() -> None:
    assert read(disc(80).filter(ImageFilter.GaussianBlur(18))).sharpness < read(disc(80)).sharpness / 1.5


def test_dark_corners_a_ruler_and_hairs_are_no_spot() -> None:
    picture = disc(60)
    frame = Image.new("L", SIZE, 255)
    ImageDraw.Draw(frame).circle((240, 180), 235, fill=0)
    picture.paste((4, 4, 5), (0, 0), frame)
    pen = ImageDraw.Draw(picture)
    pen.line((60, 120, 420, 60), fill=(40, 30, 26), width=2)
    pen.rectangle((60, 330, 420, 360), fill=(240, 240, 236))
    seen = read(picture)
    assert seen.share == pytest.approx(math.pi * 60**2 / (SIZE[0] * SIZE[1]), rel=0.12)
    assert seen.colours == ("dark brown",)


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (300, 2), (64, 64)])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "CMYK"])
def test_a_plain_picture_of_any_size_has_no_spot(size: tuple[int, int], mode: str) -> None:
    kind = "TIFF" if mode == "CMYK" else "PNG"
    assert read(Image.new("RGB", size, SKIN).convert(mode), kind).share == 0


@pytest.mark.parametrize("colour", ["black", "white"])
def test_a_black_or_white_picture_has_no_spot(colour: str) -> None:
    assert read(Image.new("RGB", (40, 30), colour)).share == 0


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(OSError, match="cannot identify"):
        read_picture(b"no picture at all")
