"""Every kind of Pillow image as RGB8 in sRGB: profiles applied, deep pixels scaled, transparency on white."""

from __future__ import annotations

import io
import math
from functools import lru_cache
from typing import Any

from PIL import Image, ImageOps

_SPACE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_PHOTOMETRIC_TAG = 262
_BITS_TAG = 258
_MIN_IS_WHITE = 0


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert a loaded image to RGB8 in sRGB; a profile that makes no sense is ignored."""
    profile = image.info.get("icc_profile")
    if image.mode == "F" or image.mode.startswith("I"):
        image = _to_eight_bits(image)
    if image.mode == "LAB":
        return _lab_to_rgb(image)
    if image.has_transparency_data:
        image = _lay_on_white(image)
    transformed = _through_profile(image, profile) if profile else None
    return transformed or (image if image.mode == "RGB" else image.convert("RGB"))


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale deep greyscale to L: its full scale where that is known, else what the values span."""
    inverted = _tiff_tag(image, _PHOTOMETRIC_TAG) == _MIN_IS_WHITE
    low, high = _full_scale(image)
    scale = 255 / (high - low)
    wide = image if image.mode == "F" else image.convert("I")
    grey = wide.point(lambda value: value * scale + (0.5 - low * scale)).convert("L")
    grey.info.clear()  # a transparent colour is told in the deep values
    return ImageOps.invert(grey) if inverted else grey


def _full_scale(image: Image.Image) -> tuple[float, float]:
    if image.mode.startswith("I;16"):
        bits = _tiff_tag(image, _BITS_TAG)
        return 0.0, float((1 << bits[0]) - 1) if isinstance(bits, tuple) else 65535.0
    low, high = (float(value) for value in image.getextrema())  # type: ignore[arg-type]
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0.0, 1.0
    scales = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    known = next((scale for scale in scales if low >= 0 and high <= scale), None)
    return (0.0, known) if known else (low, max(high, low + 1.0))


def _tiff_tag(image: Image.Image, tag: int) -> object:
    return getattr(image, "tag_v2", {}).get(tag)


def _lay_on_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("LA") if image.mode == "La" else image
    rgba = rgba if rgba.mode == "RGBA" else rgba.convert("RGBA")
    paper = Image.new("RGB", image.size, "white")
    paper.paste(rgba, mask=rgba.getchannel("A"))
    return paper


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    rgb = ImageCms.profileToProfile(
        image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    if rgb is None:
        raise ValueError("unsupported Lab picture")
    return rgb


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """The image in sRGB, or None where the profile is sRGB itself, broken, or for other channels."""
    mode, transform = _transform(bytes(profile))
    if transform is None:
        return None
    if mode == "RGB" and image.mode in ("1", "L", "P"):
        image = image.convert("RGB")
    return transform.apply(image) if image.mode == mode else None


@lru_cache(maxsize=8)
def _transform(profile: bytes) -> tuple[str, Any]:
    """Pillow's mode for the channels of a profile, and the transform from it to sRGB (None: none)."""
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _SPACE_MODES[source.profile.xcolor_space.strip()]
        if "srgb" in (source.profile.profile_description or "").lower():
            return mode, None
        return mode, ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, KeyError):
        return "", None
