"""Opens files read-only, recognises them by their first bytes, and words every failure as a code.

Names and suffixes are never believed: a suffix only says whether a file is worth opening.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from dermagui.errors import DataError, DermaError

SUFFIXES = frozenset(
    """
    .jpg .jpeg .jpe .jfif .mpo .png .apng .webp .tif .tiff .gif .bmp .dib .heic .heics .heif .heifs .hif
    .avif .jp2 .j2k .jpx .jpf .j2c .jpc .dcm .dicom
    """.split()  # noqa: SIM905, a list of words is read as words
)
"""Suffixes, in lower case, of files that may be pictures; all others are counted as unsupported."""

IN_MEMORY_BYTES = 64 * 2**20
"""Files up to this size are read from the disk once, so that hash and pixels are of the same bytes."""

_HEAD_BYTES = 256
_OPEN_FLAGS = (
    os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
)
_FILE_CODES = {
    errno.ENOENT: "image.vanished",
    errno.ENOTDIR: "image.vanished",
    errno.ELOOP: "image.vanished",
    errno.ESTALE: "image.vanished",
    errno.EACCES: "image.permission",
    errno.EPERM: "image.permission",
    errno.ENXIO: "image.not_regular",
    errno.ENODEV: "image.not_regular",
    errno.EISDIR: "image.not_regular",
}
_MAGIC = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),
)
_HEIF_BRANDS = frozenset([b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"])
_GENERIC_BRANDS = frozenset([b"mif1", b"msf1"])
_BMP_HEADER_SIZES = frozenset([12, 40, 52, 56, 64, 108, 124])
_TROUBLES = (
    ("image.too_large", ("too large", "too much memory", "decompression bomb", "security limit")),
    ("image.truncated", ("truncated", "end of file", "end of data", "less than expected", "not enough data")),
    ("image.unsupported_codec", ("unsupported", "not supported", "does not support", "not yet supported")),
    ("image.unsupported_codec", ("cannot handle", "unknown pixel mode", "missing dependencies")),
)
"""What decoders say, in lower case, and what it means; anything else means a damaged picture."""


class Pasted(os.PathLike[str]):
    """A picture that lies in no file, such as one from the clipboard, in place of a path."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __fspath__(self) -> str:
        return "pasted picture"


def open_file(path: str | os.PathLike[str]) -> io.BufferedIOBase:
    """Open a regular file for reading without ever waiting: a pipe or a device is refused.

    Raises ``DataError``: image.vanished, .permission, .not_regular, .empty, .read_failed.
    """
    if isinstance(path, Pasted):
        return io.BytesIO(path.content)
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
        try:
            size_bytes = _regular_size(os.fstat(descriptor))
        except DataError:
            os.close(descriptor)
            raise
        return _readable(os.fdopen(descriptor, "rb"), size_bytes)
    except OSError as error:
        raise file_error(error) from error


def file_error(error: OSError) -> DataError:
    """Word what the operating system said about a file as a ``DataError``."""
    code = _FILE_CODES.get(error.errno or 0)
    return DataError(code) if code else DataError("image.read_failed", reason=os.strerror(error.errno or 0))


def recognise(content: io.BufferedIOBase) -> str:
    """Name the format of a file by its first bytes; leaves the position at the start.

    Raises ``DataError`` image.not_an_image.
    """
    content.seek(0)
    head = content.read(_HEAD_BYTES)
    content.seek(0)
    name = _format_of(head)
    if name is None:
        raise DataError("image.not_an_image")
    return name


@contextmanager
def decoder_errors() -> Iterator[None]:
    """Turn whatever a decoder raises into a ``DataError``, and keep its warnings to itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except DermaError:
            raise
        except (MemoryError, Image.DecompressionBombError) as error:
            raise DataError("image.too_large") from error
        except OSError as error:
            # Only the operating system numbers its errors; decoders raise a bare OSError.
            raise (file_error(error) if error.errno else _decoder_error(error)) from error
        except Exception as error:
            raise _decoder_error(error) from error


def _regular_size(status: os.stat_result) -> int:
    if not stat.S_ISREG(status.st_mode):
        raise DataError("image.not_regular")
    if status.st_size == 0:
        raise DataError("image.empty")
    return status.st_size


def _readable(handle: io.BufferedIOBase, size_bytes: int) -> io.BufferedIOBase:
    if size_bytes > IN_MEMORY_BYTES:
        return handle
    with handle:
        return io.BytesIO(handle.read())


def _format_of(head: bytes) -> str | None:
    # A DICOM file may carry a TIFF header in its preamble, so it is asked first.
    if head[128:132] == b"DICM":
        return "dicom"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return "bmp"
    if head[4:8] == b"ftyp":
        return _format_of_brands(head)
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


def _format_of_brands(head: bytes) -> str | None:
    box = head[8 : max(12, int.from_bytes(head[:4], "big"))]
    brands = {box[at : at + 4] for at in range(0, len(box), 4)}
    major = head[8:12]
    if major in (b"avif", b"avis") or (major in _GENERIC_BRANDS and b"avif" in brands):
        return "avif"
    return "heif" if major in _HEIF_BRANDS | _GENERIC_BRANDS else None


def _decoder_error(error: Exception) -> DataError:
    detail = str(error)[:200].encode("utf-8", "replace").decode()
    said = detail.lower()
    found = (code for code, phrases in _TROUBLES if any(phrase in said for phrase in phrases))
    code = next(found, "image.truncated" if isinstance(error, EOFError) else "image.corrupt")
    return DataError(code, detail=detail)
