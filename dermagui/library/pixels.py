"""The one function that makes the pixels that are sent, shown and trained on.

What it encodes is rebuilt from raw rows, so no EXIF, comment, profile or XMP byte of the file is
left, and what is shown is the decode of what is sent.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import struct
import tempfile
from dataclasses import replace
from pathlib import Path

from PIL import Image

from dermagui.errors import DataError, UserError
from dermagui.library.decode import decode_frame, opened
from dermagui.library.opening import decoder_errors, open_file
from dermagui.paths import display_path
from dermagui.records import Picture, PixelRecipe, Pixels, Region

REDACTION_COLOUR = (128, 128, 128)
"""Grey: black or white would look like pigment or glare."""

_MIME_TYPES = {"jpeg": "image/jpeg", "png": "image/png"}
_SUFFIXES = {"jpeg": ".jpg", "png": ".png"}
_FACTS = struct.Struct(">II32s")
"""Width, height and hash of the pixels."""
_SEAL_BYTES = _FACTS.size + hashlib.sha256().digest_size
_DECODE_MARGIN = 2
"""A JPEG may be decoded down to this many times the side that is wanted: Lanczos does the rest."""


def pixels(picture: Picture, recipe: PixelRecipe, redactions: tuple[Region, ...] = ()) -> Pixels:
    """Decode, redact, resize and encode a picture; raises like ``decode.open_picture``.

    A side shorter than ``multiple_of`` is the only one that grows.
    """
    # Regions are in full-size pixels, and a reduced decode would smear what they hide past their edge.
    side = None if redactions or not recipe.longest_side else recipe.longest_side * _DECODE_MARGIN
    with opened(picture.path) as file:
        image, size, _ = decode_frame(file, picture.frame, side)
        image = _resize(_redact(image, redactions), target_size(size, recipe))
    return _encode(image.size, image.tobytes(), recipe)


def full_rows(picture: Picture, redactions: tuple[Region, ...] = ()) -> tuple[int, int, bytes]:
    """Width, height and RGB8 rows of a picture at full size: what every recipe starts from.

    For the screen, where encoding would cost more than decoding; raises like ``decode.open_picture``.
    """
    with opened(picture.path) as file:
        image = _redact(decode_frame(file, picture.frame).image, redactions)
    return image.width, image.height, image.tobytes()


def full_size(picture: Picture) -> tuple[int, int]:
    """Width and height in pixels after orientation; raises like ``decode.open_picture``."""
    with opened(picture.path) as file:
        return decode_frame(file, picture.frame, 1).size


def target_size(size: tuple[int, int], recipe: PixelRecipe) -> tuple[int, int]:
    """Width and height in pixels that a recipe makes of a full size, rounded down to its multiple."""
    scale = recipe.longest_side / max(size) if recipe.longest_side else 1.0
    scale = scale if recipe.enlarge else min(1.0, scale)
    step = recipe.multiple_of
    width, height = (max(step, round(side * scale) // step * step) for side in size)
    return width, height


def cached_pixels(
    folder: Path, sha256: str, picture: Picture, recipe: PixelRecipe, redactions: tuple[Region, ...] = ()
) -> Pixels:
    """``pixels``, kept in ``folder`` under the hash of the original file; a damaged file is remade.

    A cache that cannot be written is no reason to fail: the pixels are returned all the same. Raises
    ``DataError`` ``image.changed`` where the file no longer is the one with that hash: whatever lies there
    now was looked at by nobody, and must not leave under another picture's name.
    """
    found = prepared_pixels(folder, sha256, picture.frame, recipe, redactions)
    if found is not None:
        return _decoded(found.encoded, recipe)
    made = pixels(picture, recipe, redactions)
    _refuse_changed(picture, sha256)
    with contextlib.suppress(OSError):
        path = _cache_path(folder, sha256, picture.frame, recipe, redactions)
        _write_atomically(path, made.encoded + _seal(made))
    return made


def _refuse_changed(picture: Picture, sha256: str) -> None:
    with open_file(picture.path) as content:
        if hashlib.file_digest(content, "sha256").hexdigest() != sha256:
            raise DataError("image.changed", path=display_path(picture.path))


def prepared_pixels(
    folder: Path, sha256: str, frame: int, recipe: PixelRecipe, redactions: tuple[Region, ...] = ()
) -> Pixels | None:
    """What ``cached_pixels`` kept, as it is sent: it is not decoded, so ``rgb`` is empty.

    None where nothing was kept, or not a byte more or less than what was written.
    """
    try:
        content = _cache_path(folder, sha256, frame, recipe, redactions).read_bytes()
    except OSError:
        return None
    encoded, seal = content[:-_SEAL_BYTES], content[-_SEAL_BYTES:]
    if len(seal) < _SEAL_BYTES:
        return None
    width, height, digest = _FACTS.unpack_from(seal)
    found = Pixels(encoded, b"", width, height, _MIME_TYPES[recipe.codec], digest.hex())
    return found if seal == _seal(found) else None


def prepare_pixels(
    folder: Path, sha256: str, picture: Picture, recipe: PixelRecipe, redactions: tuple[Region, ...] = ()
) -> Pixels:
    """What a worker does so that ``prepared_pixels`` finds something: the pixels, without their RGB rows."""
    return replace(cached_pixels(folder, sha256, picture, recipe, redactions), rgb=b"")


def rows_of(made: Pixels) -> bytes:
    """The RGB8 rows that the encoded bytes decode to, for pixels that came without them."""
    with decoder_errors(), Image.open(io.BytesIO(made.encoded), formats=("JPEG", "PNG")) as image:
        return image.tobytes()


def forget_pixels(folder: Path, sha256: str) -> int:
    """Remove everything that is cached of a file and return how many files that were.

    Raises ``UserError`` cache.not_removed.
    """
    paths = list(folder.glob(f"*/{sha256[:2]}/{sha256}-*"))
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError("cache.not_removed", file=path.name, reason=error.strerror) from error
    return len(paths)


def _redact(image: Image.Image, redactions: tuple[Region, ...]) -> Image.Image:
    for region in redactions:
        left, top = max(0, region.x), max(0, region.y)
        right = min(image.width, region.x + region.width)
        bottom = min(image.height, region.y + region.height)
        if left < right and top < bottom:
            image.paste(REDACTION_COLOUR, (left, top, right, bottom))
    return image


def _resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


def _encode(size: tuple[int, int], rgb: bytes, recipe: PixelRecipe) -> Pixels:
    # An image that was opened drags its comment and profile along, one made of rows has none.
    clean = Image.frombytes("RGB", size, rgb)
    buffer = io.BytesIO()
    if recipe.codec == "jpeg":
        clean.save(buffer, "JPEG", quality=recipe.quality)
    else:
        clean.save(buffer, "PNG")
    return _decoded(buffer.getvalue(), recipe)


def _decoded(encoded: bytes, recipe: PixelRecipe) -> Pixels:
    with decoder_errors(), Image.open(io.BytesIO(encoded), formats=[recipe.codec]) as image:
        rgb = image.tobytes()
        width, height = image.size
    digest = hashlib.sha256(rgb).hexdigest()
    return Pixels(encoded, rgb, width, height, _MIME_TYPES[recipe.codec], digest)


def _cache_path(
    folder: Path, sha256: str, frame: int, recipe: PixelRecipe, redactions: tuple[Region, ...]
) -> Path:
    name = f"{sha256}-{frame}{_redaction_suffix(redactions)}{_SUFFIXES[recipe.codec]}"
    return folder / recipe.key / sha256[:2] / name


def _redaction_suffix(redactions: tuple[Region, ...]) -> str:
    if not redactions:
        return ""
    regions = sorted((region.x, region.y, region.width, region.height) for region in redactions)
    return "-" + hashlib.sha256(repr(regions).encode()).hexdigest()[:16]


def _seal(made: Pixels) -> bytes:
    """What follows the encoded bytes in a cached file, where no decoder looks: facts and a hash of all."""
    facts = _FACTS.pack(made.width, made.height, bytes.fromhex(made.sha256))
    return facts + hashlib.sha256(made.encoded + facts).digest()


def _write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # The name begins like the final one, so that forgetting finds what a crash left behind.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, suffix=".part", delete=False) as part:
        try:
            part.write(content)
            part.close()
            os.replace(part.name, path)
        except OSError:
            os.unlink(part.name)
            raise
