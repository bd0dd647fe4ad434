"""Pictures as oriented RGB8 Pillow images: one door to every decoder.

A *frame* is a picture of its own inside a file: each full page of a TIFF, and one frame of anything
else (the first of an animation, the primary one of HEIC). Decoders are called by name and never
guessed at, so the rest of Pillow's parsers cannot be reached by a file.
"""

from __future__ import annotations

import importlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

from PIL import Image

from dermagui.errors import DataError
from dermagui.library.colour import to_rgb
from dermagui.library.opening import decoder_errors, open_file, recognise
from dermagui.records import Picture

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MAX_PIXELS = 250_000_000
"""Pixels of a frame, by its header: what is larger is refused before it is decoded."""
MAX_FRAMES = 1_000
MAX_FILE_PIXELS = 4 * MAX_PIXELS
"""Pixels of all frames of a file together: pages can share their bytes and cost nothing on disk."""

# Pillow refuses at twice its limit, which would otherwise lie below ours.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2

_READERS = {
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "png": ("PIL.PngImagePlugin", "PngImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "tiff": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "bmp": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "jpeg2000": ("PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "heif": ("pi_heif", "HeifImageFile"),
}
_ORIENTATION_TAG = 0x0112
_SUBFILE_TAG = 254
_REDUCED_OR_MASK = 0b101
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A recognised file: its bytes, its undecoded Pillow image, and the page of each frame."""

    content: io.BufferedIOBase
    format: str
    image: Image.Image
    pages: tuple[int, ...]
    dataset: Dataset | None = None
    """The DICOM header, where the file is DICOM."""


class DecodedFrame(NamedTuple):
    """An RGB8 image, upright; ``size`` is the full one, which a cheap decode may fall short of.

    ``orientation`` is what EXIF said; of HEIC it is 1, as libheif turns by the container instead.
    """

    image: Image.Image
    size: tuple[int, int]
    orientation: int


def open_picture(picture: Picture, longest_side: int | None = None) -> Image.Image:
    """Decode a picture to RGB8 in sRGB, orientation applied, transparency laid on white.

    With ``longest_side`` a JPEG may be decoded smaller, yet never below that many pixels.
    Raises ``DataError``: image.empty, .vanished, .permission, .not_regular, .read_failed,
    .not_an_image, .truncated, .corrupt, .too_large, .unsupported_codec, .no_such_frame,
    .dicom_multiframe, .dicom_no_pixels.
    """
    with opened(picture.path) as file:
        return decode_frame(file, picture.frame, longest_side).image


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[OpenedFile]:
    """Open a file and read its headers; raises like ``open_picture``, also for what is done inside."""
    with open_file(path) as content, decoder_errors():
        name = recognise(content)
        if name == "dicom":
            yield _open_dicom(content)
            return
        module, reader = _READERS[name]
        image = cast(Image.Image, getattr(importlib.import_module(module), reader)(content))
        with image:
            yield OpenedFile(content, name, image, _pages(image))


def decode_frame(file: OpenedFile, frame: int, longest_side: int | None = None) -> DecodedFrame:
    """Decode one frame of an opened file; see ``open_picture``."""
    if not 0 <= frame < len(file.pages):
        raise DataError("image.no_such_frame", frame=frame, frames=len(file.pages))
    image = file.image
    image.seek(file.pages[frame])
    check_size(image.size)
    turned_by_pillow = _tiff_orientation(image)
    size = image.size
    drafted = longest_side and image.draft(None, _draft_size(size, longest_side))
    scan_start = file.content.tell()
    image.load()
    if file.format == "jpeg":
        _refuse_without_end(file.content, scan_start)
    if not drafted:
        size = image.size
    orientation = turned_by_pillow or _orientation(image)
    rgb = to_rgb(image)
    if turned_by_pillow or orientation == 1:
        return DecodedFrame(rgb, size, orientation)
    size = size[::-1] if orientation >= 5 else size
    return DecodedFrame(rgb.transpose(_TURNS[orientation]), size, orientation)


def check_size(size: tuple[int, int]) -> None:
    """Raise ``DataError`` image.too_large for a frame of more than ``MAX_PIXELS``."""
    if size[0] * size[1] > MAX_PIXELS:
        raise DataError("image.too_large", width=size[0], height=size[1], limit_pixels=MAX_PIXELS)


def _open_dicom(content: io.BufferedIOBase) -> OpenedFile:
    from dermagui.library.dicom import read_dataset, render

    dataset = read_dataset(content)
    check_size((int(dataset.get("Columns") or 0), int(dataset.get("Rows") or 0)))
    return OpenedFile(content, "dicom", render(dataset), (0,), dataset)


def _pages(image: Image.Image) -> tuple[int, ...]:
    check_size(image.size)
    if image.format != "TIFF":
        return (image.tell(),)
    reduced = [flags & _REDUCED_OR_MASK for flags in _subfile_flags(image)]
    image.seek(0)
    full = tuple(page for page, flag in enumerate(reduced) if not flag)
    return full or tuple(range(len(reduced)))


def _subfile_flags(image: Image.Image) -> Iterator[int]:
    """NewSubfileType of each page of a TIFF."""
    pixels = 0
    for page in range(MAX_FRAMES + 1):
        try:
            image.seek(page)
        except EOFError:
            return
        pixels += image.width * image.height
        if page == MAX_FRAMES or pixels > MAX_FILE_PIXELS:
            raise DataError("image.too_large", pages=page + 1, pixels=pixels)
        flags = image.tag_v2.get(_SUBFILE_TAG, 0)  # type: ignore[attr-defined]
        yield flags if isinstance(flags, int) else 0


def _draft_size(size: tuple[int, int], longest_side: int) -> tuple[int, int]:
    scale = min(1.0, longest_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 where it is absent, nonsense or unreadable."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # a damaged EXIF block does not make the picture unreadable
        return 1
    return value if value in _TURNS else 1


def _tiff_orientation(image: Image.Image) -> int | None:
    """The orientation of a TIFF page, which Pillow applies while it decodes; None for other formats."""
    if image.format != "TIFF":
        return None
    value = image.tag_v2.get(_ORIENTATION_TAG, 1)  # type: ignore[attr-defined]
    return value if value in _TURNS else 1


def _refuse_without_end(content: io.BufferedIOBase, scan_start: int) -> None:
    """Find the JPEG whose tail was lost to zeros, which libjpeg decodes as grey without a word."""
    content.seek(scan_start)
    if content.read().rfind(b"\xff\xd9") < 0:
        raise DataError("image.truncated")
