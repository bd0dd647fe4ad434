"""JSON Lines and JSON lists of objects, written and read as streams in flat memory.

Files are binary and always UTF-8: neither the locale nor the line ends of a system get a say.
"""

from __future__ import annotations

import json
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

from dermagui.errors import DataError

_CHUNK_BYTES = 1 << 20
_LONGEST_OBJECT = 1 << 26
"""Characters; more is no row, but a file without its closing quote."""
_BETWEEN = " \t\r\n,[]"


def write_lines(objects: Iterable[Mapping[str, object]], file: BinaryIO) -> int:
    """Write one object a line. Returns how many."""
    count = 0
    for row in objects:
        file.write(_encoded(row) + b"\n")
        count += 1
    return count


def write_list(objects: Iterable[Mapping[str, object]], file: BinaryIO) -> int:
    """Write one JSON list, an object a line. Returns how many."""
    count = 0
    file.write(b"[")
    for row in objects:
        file.write((b",\n" if count else b"\n") + _encoded(row))
        count += 1
    file.write(b"\n]\n")
    return count


def read_objects(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """The objects of a file in either shape, whoever wrote it and with whatever white space.

    Raises ``DataError`` ``dataset.not_json`` with the number of the object that is broken or cut off.
    """
    scan = json.JSONDecoder().raw_decode
    text, count, first, last = "", 0, "", ""
    for chunk in _decoded(file):
        text, position = text + chunk, 0
        first, last = first or text.lstrip()[:1], chunk.rstrip()[-1:] or last
        while (start := _next_object(text, position)) < len(text):
            try:
                row, position = scan(text, start)
            except json.JSONDecodeError:
                # A chunk may end inside an object; a file may not, nor is an object endless.
                if chunk and len(text) - start < _LONGEST_OBJECT:
                    break
                raise DataError("dataset.not_json", number=count + 1) from None
            count += 1
            if not isinstance(row, dict):
                raise DataError("dataset.not_json", number=count)
            yield row
        text = text[position:]
    if first == "[" and last != "]":
        raise DataError("dataset.not_json", number=count + 1)


def _decoded(file: BinaryIO) -> Iterator[str]:
    """The text of a file in chunks; the last is empty."""
    decode = getincrementaldecoder("utf-8-sig")().decode
    try:
        while chunk := file.read(_CHUNK_BYTES):
            yield decode(chunk)
        yield decode(b"", final=True)
    except UnicodeDecodeError:
        raise DataError("dataset.not_utf8") from None


def _encoded(row: Mapping[str, object]) -> bytes:
    text = json.dumps(row, ensure_ascii=False)
    # Legal within JSON, but many a reader takes each for the end of a line.
    for sign in "\x85\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode()


def _next_object(text: str, start: int) -> int:
    while start < len(text) and text[start] in _BETWEEN:
        start += 1
    return start
