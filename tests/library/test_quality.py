"""Quality figures move the way a person would say they do."""

from __future__ import annotations

import pytest
from PIL import Image, ImageFilter

from dermagui.library.quality import quality_figures


def noise() -> Image.Image:
    return Image.effect_noise((200, 150), 50)


def test_flat_grey() -> None:
    figures = quality_figures(Image.new("L", (40, 30), 100))
    assert figures == {"brightness": 100, "contrast": 0, "dark_share": 0, "bright_share": 0, "sharpness": 0}


def test_half_black_half_white() -> None:
    image = Image.new("L", (40, 30), 0)
    image.paste(255, (20, 0, 40, 30))
    figures = quality_figures(image)
    assert figures["brightness"] == 127.5
    assert figures["contrast"] == 127.5
    assert figures["dark_share"] == figures["bright_share"] == 0.5


def test_the_limits_of_dark_and_bright() -> None:
    image = Image.frombytes("L", (4, 1), bytes([4, 5, 250, 251]))
    figures = quality_figures(image)
    assert figures["dark_share"] == figures["bright_share"] == 0.25


def test_blur_lowers_sharpness_and_darkness_lowers_brightness() -> None:
    sharp = quality_figures(noise())
    blurred = quality_figures(noise().filter(ImageFilter.GaussianBlur(2)))
    assert blurred["sharpness"] < sharp["sharpness"] / 10
    assert quality_figures(noise().point(lambda value: value * 0.3))["brightness"] < sharp["brightness"] / 2


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    # One pixel of 10 on black: its own response is 40, that of its four neighbours -10, all others 0.
    image = Image.new("L", (12, 12), 0)
    image.putpixel((6, 6), 10)
    assert quality_figures(image)["sharpness"] == round((40**2 + 4 * 10**2) / 100, 2)


@pytest.mark.parametrize("size", [(1, 1), (2, 500), (3, 3)])
def test_tiny_pictures_have_figures(size: tuple[int, int]) -> None:
    assert quality_figures(Image.new("L", size, 9))["sharpness"] == 0
