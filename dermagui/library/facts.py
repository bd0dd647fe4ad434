"""What the library learns of a file: its hash, and for each frame size, hashes, thumbnail and quality."""

from __future__ import annotations

import hashlib
import io
import os
from typing import TYPE_CHECKING

from PIL import Image

from dermagui.library.decode import DecodedFrame, decode_frame, opened
from dermagui.library.personal import personal_data
from dermagui.library.quality import quality_figures
from dermagui.records import FileFacts, FrameFacts, PersonalData

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

THUMBNAIL_SIDE = 256
THUMBNAIL_QUALITY = 85
_HASH_SIDE = 16
_REDUCING_GAP = 2.0


def file_facts(path: str | os.PathLike[str]) -> FileFacts:
    """Read a file once and decode each of its frames as cheaply as a 256-pixel reduction allows.

    Raises ``DataError`` like ``decode.open_picture``; a file with one bad frame is a bad file.
    """
    with opened(path) as file:
        sha256, size_bytes = _hash(file.content)
        orientations, frames = [], []
        personal: dict[PersonalData, None] = {}
        for frame in range(len(file.pages)):
            decoded = decode_frame(file, frame, THUMBNAIL_SIDE)
            orientations.append(decoded.orientation)
            frames.append(_frame_facts(frame, decoded))
            personal |= dict.fromkeys(personal_data(file.image))
        modality, metadata, identity = _stated(file.dataset)
    return FileFacts(
        sha256=sha256,
        size_bytes=size_bytes,
        format=file.format,
        orientation=orientations[0],
        modality=modality,
        frames=tuple(frames),
        personal=(*personal, *identity),
        metadata=metadata,
    )


def difference_hash(luminance: Image.Image) -> bytes:
    """256 bits, row by row: whether a cell of 16 x 16 is brighter than its right neighbour."""
    cells = luminance.resize((_HASH_SIDE + 1, _HASH_SIDE), Image.Resampling.BILINEAR).tobytes()
    bits = 0
    for row in range(0, len(cells), _HASH_SIDE + 1):
        for at in range(row, row + _HASH_SIDE):
            bits = bits << 1 | (cells[at] > cells[at + 1])
    return bits.to_bytes(_HASH_SIDE * _HASH_SIDE // 8, "big")


def _stated(dataset: Dataset | None) -> tuple[str | None, dict[str, str], tuple[PersonalData, ...]]:
    """Modality, known fields and identity that the file itself states, which only DICOM does."""
    if dataset is None:
        return None, {}, ()
    from dermagui.library.dicom import dicom_metadata, dicom_modality, dicom_personal_data

    return dicom_modality(dataset), dicom_metadata(dataset), dicom_personal_data(dataset)


def _hash(content: io.BufferedIOBase) -> tuple[str, int]:
    """SHA-256 and size in bytes of what was opened; the position, which decoders need, is kept."""
    position = content.tell()
    size_bytes = content.seek(0, os.SEEK_END)
    content.seek(0)
    digest = hashlib.file_digest(content, "sha256").hexdigest()
    content.seek(position)
    return digest, size_bytes


def _frame_facts(frame: int, decoded: DecodedFrame) -> FrameFacts:
    reduced = _reduce(decoded.image)
    rgb = reduced.tobytes()
    luminance = reduced.convert("L")
    width, height = decoded.size
    return FrameFacts(
        frame=frame,
        width=width,
        height=height,
        pixel_hash=hashlib.sha256(f"{width}x{height}\n".encode() + rgb).hexdigest(),
        perceptual_hash=difference_hash(luminance),
        thumbnail=_thumbnail(reduced.size, rgb),
        quality=quality_figures(luminance),
    )


def _reduce(image: Image.Image) -> Image.Image:
    scale = min(1.0, THUMBNAIL_SIDE / max(image.size))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    if image.size == size:
        return image
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=_REDUCING_GAP)


def _thumbnail(size: tuple[int, int], rgb: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.frombytes("RGB", size, rgb).save(buffer, "JPEG", quality=THUMBNAIL_QUALITY)
    return buffer.getvalue()
