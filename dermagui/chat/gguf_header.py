"""Reads the header of a GGUF file: metadata and tensor table, never weights.

Layout (versions 2 and 3, little-endian): ``GGUF``, u32 version, u64 tensors, u64 pairs; per pair a key, a u32
type and a value; per tensor its name, u32 dimensions, u64 each, u32 type, u64 offset; padding; data. A text
is a u64 length and UTF-8. Source: the GGUF specification of ggml, and the checks of llama.cpp's own reader:
what that refuses is refused here. A file comes from anywhere, so a length is compared with what is left of
the file before anything is read, what is kept is bounded, and nothing is mapped into memory (a file that
shrinks under a map kills the process).
"""

from __future__ import annotations

import os
import re
import stat
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

from dermagui.chat.ggml_types import TENSOR_TYPES
from dermagui.errors import DataError, from_os_error
from dermagui.paths import display_path

MAGIC = b"GGUF"
VERSIONS = (2, 3)

LONGEST_ARRAY = 256
"""Elements; a longer array, such as a vocabulary, is kept as its length and type only."""
LONGEST_TEXT = 1 << 20
"""Bytes; whole chat templates are far shorter. A longer text is kept as its length only."""
MOST_KEPT_BYTES = 8 << 20
"""Of keys and values in one file; real ones need some kilobytes."""
MOST_TEXTS = 1 << 22
"""Texts in the arrays of one file; the largest vocabularies and their merges are below a million."""
MOST_ELEMENTS = 1 << 40
"""Of one array of numbers, of one tensor, or bytes of one text; more is no fact but a fault."""
MOST_TENSORS = MOST_PAIRS = 1 << 16
LONGEST_KEY = (1 << 16) - 1
LONGEST_TENSOR_NAME = 63
MOST_DIMENSIONS = 4

_SCALARS = {
    0: ("u8", struct.Struct("<B")),
    1: ("i8", struct.Struct("<b")),
    2: ("u16", struct.Struct("<H")),
    3: ("i16", struct.Struct("<h")),
    4: ("u32", struct.Struct("<I")),
    5: ("i32", struct.Struct("<i")),
    6: ("f32", struct.Struct("<f")),
    7: ("bool", struct.Struct("<?")),
    10: ("u64", struct.Struct("<Q")),
    11: ("i64", struct.Struct("<q")),
    12: ("f64", struct.Struct("<d")),
}
_TEXT, _ARRAY = 8, 9
_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")
_SMALLEST_PAIR, _SMALLEST_TENSOR = 14, 24
_DEFAULT_ALIGNMENT = 32

_PART_NAME = re.compile(r"(?P<stem>.+)-\d{5}-of-\d{5}\.gguf", re.IGNORECASE)


class LongValue(NamedTuple):
    """An array or a text that was too long to keep: the type of its elements, and how many."""

    type: str
    length: int


Scalar: TypeAlias = int | float | bool | str
Value: TypeAlias = Scalar | LongValue | tuple[Scalar | LongValue, ...]


class Tensor(NamedTuple):
    """One row of the tensor table; the fastest dimension of ``shape`` comes first, as in ggml."""

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    """Bytes from the beginning of the data."""
    size_bytes: int

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Header:
    """All that a GGUF file says before its weights."""

    version: int
    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    alignment: int
    data_offset: int
    size_bytes: int
    """Of the whole file."""

    @property
    def architecture(self) -> str:
        """``general.architecture``; empty where the file does not say it."""
        return self.text("general.architecture")

    @property
    def tensor_bytes(self) -> int:
        """Size of all weights."""
        return sum(tensor.size_bytes for tensor in self.tensors)

    @property
    def parameters(self) -> int:
        """Number of all weights."""
        return sum(tensor.elements for tensor in self.tensors)

    @property
    def elements_by_type(self) -> dict[str, int]:
        """How many weights have each type, the commonest first."""
        counts: Counter[str] = Counter()
        for tensor in self.tensors:
            counts[tensor.type] += tensor.elements
        return dict(counts.most_common())

    def text(self, key: str) -> str:
        """A text of the metadata; empty where it is missing or something else."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""

    def whole(self, key: str, otherwise: int = 0) -> int:
        """A whole number that is not negative; ``otherwise`` where it is missing or something else."""
        value = self.metadata.get(key)
        return value if type(value) is int and value >= 0 else otherwise


def read_header(path: str | os.PathLike[str]) -> Header:
    """The header of a file.

    Raises ``DataError``: ``gguf.not_gguf``, ``gguf.big_endian``, ``gguf.version``, ``gguf.bad_header``,
    ``gguf.truncated`` (also where only weights are missing), ``gguf.split``, ``gguf.split_incomplete``;
    ``UserError`` where the disk refuses.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            raise DataError("gguf.not_gguf", path=display_path(path))
        with open(path, "rb", buffering=1 << 18) as file:
            return _read(_Reader(file, status.st_size, Path(path)))
    except OSError as error:
        raise from_os_error(error, path) from error


class _Reader:
    """A file that is read forwards. Every read is checked against its end before it happens."""

    def __init__(self, file: BinaryIO, size: int, path: Path) -> None:
        self.file, self.size, self.path = file, size, path
        self.at = 0
        self.kept = 0
        self.texts = 0

    def bad(self, detail: str) -> DataError:
        """The header contradicts itself or goes beyond every limit."""
        return DataError("gguf.bad_header", path=display_path(self.path), detail=detail, offset=self.at)

    def truncated(self, expected: int) -> DataError:
        """The file ends before what its header announces."""
        return DataError(
            "gguf.truncated", path=display_path(self.path), size_bytes=self.size, expected_bytes=expected
        )

    def check(self, count: int) -> None:
        """Raises unless so many bytes are left."""
        if count > self.size - self.at:
            raise self.truncated(self.at + count)

    def take(self, count: int) -> bytes:
        """The next bytes. A file that shrank meanwhile is truncated too."""
        self.check(count)
        data = self.file.read(count)
        if len(data) < count:
            raise self.truncated(self.at + count)
        self.at += count
        return data

    def keep(self, count: int) -> bytes:
        """The next bytes, counted among those that stay in memory."""
        self.kept += count
        if self.kept > MOST_KEPT_BYTES:
            raise self.bad("metadata_size")
        return self.take(count)

    def skip(self, count: int) -> None:
        """Passes over bytes without reading them."""
        self.check(count)
        self.file.seek(count, os.SEEK_CUR)
        self.at += count

    def u32(self) -> int:
        """The next number of four bytes."""
        return int(_U32.unpack(self.take(4))[0])

    def u64(self) -> int:
        """The next number of eight bytes."""
        return int(_U64.unpack(self.take(8))[0])

    def count(self, what: str, most: int, smallest: int) -> int:
        """How many of something follow, each of at least so many bytes."""
        count = self.u64()
        if count > most:
            raise self.bad(f"{what}_count")
        self.check(count * smallest)
        return count

    def name(self, longest: int) -> str:
        """A key or a tensor's name."""
        length = self.u64()
        if not 0 < length <= longest:
            raise self.bad("name_length")
        try:
            return self.keep(length).decode("utf-8")
        except UnicodeDecodeError:
            raise self.bad("name_text") from None

    def text(self) -> str | LongValue:
        """A text of the metadata; bytes that are no UTF-8 are replaced."""
        length = self.u64()
        if length > MOST_ELEMENTS:
            raise self.bad("text_length")
        if length > LONGEST_TEXT:
            self.skip(length)
            return LongValue("text", length)
        return self.keep(length).decode("utf-8", "replace")

    def skip_texts(self, count: int) -> None:
        """Passes over an array of texts: the hot loop, a vocabulary and its merges are 300,000 rounds."""
        read, seek, unpack, at, size = self.file.read, self.file.seek, _U64.unpack, self.at, self.size
        try:
            for _ in range(count):
                (length,) = unpack(read(8))
                at += 8 + length
                if at > size:
                    raise self.bad("text_length") if length > MOST_ELEMENTS else self.truncated(at)
                seek(length, os.SEEK_CUR)
        except struct.error:
            raise self.truncated(at + 8) from None
        self.at = at


def _read(reader: _Reader) -> Header:
    version = _read_version(reader)
    tensor_count = reader.count("tensor", MOST_TENSORS, _SMALLEST_TENSOR)
    metadata = _read_metadata(reader, reader.count("pair", MOST_PAIRS, _SMALLEST_PAIR))
    _refuse_part(reader, metadata)
    alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
    if type(alignment) is not int or alignment <= 0 or alignment & (alignment - 1):
        raise reader.bad("alignment")
    tensors = _read_tensors(reader, tensor_count, alignment)
    data_offset = _padded(reader.at, alignment)
    if tensors:
        end = data_offset + tensors[-1].offset + tensors[-1].size_bytes
        reader.check(end - reader.at)
    return Header(version, metadata, tensors, alignment, data_offset, reader.size)


def _read_version(reader: _Reader) -> int:
    magic = reader.file.read(len(MAGIC))
    if not MAGIC.startswith(magic):
        raise DataError("gguf.not_gguf", path=display_path(reader.path))
    reader.check(len(MAGIC))
    reader.at = len(MAGIC)
    version = reader.u32()
    if version and not version & 0xFFFF:
        raise DataError("gguf.big_endian", path=display_path(reader.path))
    if version not in VERSIONS:
        raise DataError("gguf.version", path=display_path(reader.path), version=version, known=list(VERSIONS))
    return version


def _read_metadata(reader: _Reader, count: int) -> dict[str, Value]:
    metadata: dict[str, Value] = {}
    if not count:
        raise reader.bad("no_metadata")
    for _ in range(count):
        key = reader.name(LONGEST_KEY)
        if key in metadata:
            raise reader.bad("key_twice")
        metadata[key] = _read_value(reader, reader.u32())
    return metadata


def _read_value(reader: _Reader, kind: int) -> Value:
    if kind == _TEXT:
        return reader.text()
    if kind == _ARRAY:
        return _read_array(reader)
    return _read_scalar(reader, kind)


def _read_scalar(reader: _Reader, kind: int) -> Scalar:
    if kind not in _SCALARS:
        raise reader.bad("value_type")
    form = _SCALARS[kind][1]
    value: Scalar = form.unpack(reader.keep(form.size))[0]
    return value


def _read_array(reader: _Reader) -> Value:
    """An array; llama.cpp knows no arrays of arrays, so none is read here."""
    kind = reader.u32()
    if kind == _TEXT:
        return _read_texts(reader)
    if kind not in _SCALARS:
        raise reader.bad("array_type")
    name, form = _SCALARS[kind]
    count = reader.count("array", MOST_ELEMENTS, form.size)
    if count > LONGEST_ARRAY:
        reader.skip(count * form.size)
        return LongValue(name, count)
    return struct.unpack(f"<{count}{form.format[-1]}", reader.keep(count * form.size))


def _read_texts(reader: _Reader) -> Value:
    count = reader.count("array", MOST_TEXTS - reader.texts, _U64.size)
    reader.texts += count
    if count > LONGEST_ARRAY:
        reader.skip_texts(count)
        return LongValue("text", count)
    return tuple(reader.text() for _ in range(count))


def _read_tensors(reader: _Reader, count: int, alignment: int) -> tuple[Tensor, ...]:
    """The tensor table. Each tensor's data follows that of the one before, padded, as llama.cpp demands."""
    tensors: dict[str, Tensor] = {}
    expected = 0
    for _ in range(count):
        tensor = _read_tensor(reader)
        if tensor.name in tensors:
            raise reader.bad("tensor_twice")
        if tensor.offset != expected:
            raise reader.bad("tensor_offset")
        tensors[tensor.name] = tensor
        expected = _padded(tensor.offset + tensor.size_bytes, alignment)
    return tuple(tensors.values())


def _read_tensor(reader: _Reader) -> Tensor:
    name = reader.name(LONGEST_TENSOR_NAME)
    dimensions = reader.u32()
    if dimensions > MOST_DIMENSIONS:
        raise reader.bad("tensor_shape")
    shape = tuple(reader.u64() for _ in range(dimensions)) or (1,)
    kind = reader.u32()
    if kind not in TENSOR_TYPES:
        raise reader.bad("tensor_type")
    type_name, block, block_bytes = TENSOR_TYPES[kind]
    elements = prod(shape)
    if max(shape) > MOST_ELEMENTS or elements > MOST_ELEMENTS or shape[0] % block:
        raise reader.bad("tensor_shape")
    return Tensor(name, shape, type_name, reader.u64(), elements // block * block_bytes)


def _padded(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


def _refuse_part(reader: _Reader, metadata: Mapping[str, Value]) -> None:
    """Refuses one part of a model that was split over several files, naming the parts that are missing."""
    count, number = metadata.get("split.count"), metadata.get("split.no")
    if type(count) is not int or count < 2:
        return
    told = {"path": display_path(reader.path), "count": count}
    found = _PART_NAME.fullmatch(reader.path.name)
    if not found or type(number) is not int or not number < count <= 99_999:
        raise DataError("gguf.split", **told)
    names = [f"{found['stem']}-{part + 1:05d}-of-{count:05d}.gguf" for part in range(min(count, 999))]
    missing = [name for name in names if not (reader.path.parent / name).exists()]
    if missing:
        raise DataError("gguf.split_incomplete", **told, missing=missing[:10], missing_count=len(missing))
    raise DataError("gguf.split", **told)
