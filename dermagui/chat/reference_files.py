"""Reads the user's own text, Markdown, CSV and PDF files as passages: a place, and some paragraphs.

Pictures of text, as in a scanned PDF, hold no text; that is said.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from dermagui.errors import DataError, from_os_error
from dermagui.paths import display_path

SUFFIXES = frozenset({".txt", ".md", ".markdown", ".csv", ".tsv", ".pdf"})
"""Of files that can be read, in lower case."""

MOST_BYTES = 256 << 20
PASSAGE_LETTERS = 1200
"""A passage ends at the first paragraph beyond so many letters; a longer paragraph is cut."""

Passage = tuple[str, str]
"""Where it stands in the file, such as ``page 3``, and its text."""


def read_passages(path: Path, content: bytes) -> list[Passage]:
    """The passages of a file. Raises ``DataError``: ``reference.not_text``, ``reference.no_text``,
    ``reference.pdf_locked``, ``reference.pdf_damaged``, ``reference.unknown_kind``.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError("reference.unknown_kind", path=display_path(path), known=sorted(SUFFIXES))
    try:
        if suffix == ".pdf":
            found = list(_joined(_pages(content)))
        elif suffix in (".csv", ".tsv"):
            found = list(_joined(_table_rows(_decoded(content))))
        else:
            found = list(_joined(_paragraphs(_decoded(content))))
    except DataError as error:
        raise DataError(error.code, path=display_path(path), **error.values) from error
    if not found:
        raise DataError("reference.no_text", path=display_path(path))
    return found


def read_content(path: Path) -> bytes:
    """The bytes of a file. Raises ``DataError`` ``reference.too_large``, or what the disk refuses."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError("reference.too_large", path=display_path(path), most=MOST_BYTES >> 20)
        return path.read_bytes()
    except OSError as error:
        raise from_os_error(error, path) from error


def _decoded(content: bytes) -> str:
    """Text of unknown encoding: what marks itself, UTF-8, or what Windows writes in western Europe."""
    encodings = (
        ["utf-16"] if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ["utf-8-sig", "cp1252", "latin-1"]
    )
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
        break
    raise DataError("reference.not_text")


def _paragraphs(text: str) -> Iterator[Passage]:
    lines: list[str] = []
    first = 1
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.strip():
            first = first if lines else number
            lines.append(line.strip())
        elif lines:
            yield f"line {first}", "\n".join(lines)
            lines = []


def _table_rows(text: str) -> Iterator[Passage]:
    """Each row with the names of its columns, so that it can be read by itself."""
    head = text.partition("\n")[0]
    delimiter = max(",;\t|", key=head.count)
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        names = [name.strip() for name in next(rows, [])]
        for number, row in enumerate(rows, 2):
            cells = [cell.strip() for cell in row]
            named = zip(names + [""] * len(cells), cells, strict=False)
            said = "; ".join(f"{name}: {cell}" if name else cell for name, cell in named if cell)
            if said:
                yield f"row {number}", said
    except csv.Error as error:
        raise DataError("reference.bad_table", reason=str(error)) from error


def _pages(content: bytes) -> Iterator[Passage]:
    import pypdf

    try:
        reader = pypdf.PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise DataError("reference.pdf_locked")
        for number, page in enumerate(reader.pages, 1):
            for _, paragraph in _paragraphs(page.extract_text()):
                yield f"page {number}", paragraph
    except DataError:
        raise
    except pypdf.errors.DependencyError as error:
        raise DataError("reference.pdf_locked") from error
    except Exception as error:  # whatever a damaged file makes the parser raise
        raise DataError("reference.pdf_damaged", reason=str(error)[:200]) from error


def _joined(parts: Iterable[Passage]) -> Iterator[Passage]:
    """Short parts together, up to a passage's length; the place is that of the first. No page is left."""
    place, texts = "", [""]
    for where, text in parts:
        new_page = where.startswith("page") and where != place
        if texts[0] and (new_page or sum(map(len, texts)) + len(text) > PASSAGE_LETTERS):
            yield place, "\n".join(texts)
            texts = [""]
        if not texts[0]:
            place, texts = where, []
        *whole, rest = _cut(text)
        yield from ((where, part) for part in whole)
        texts.append(rest)
    if texts[0]:
        yield place, "\n".join(texts)


def _cut(text: str) -> Iterator[str]:
    """A text in pieces of at most a passage's length, cut between words."""
    while len(text) > PASSAGE_LETTERS:
        end = text.rfind(" ", PASSAGE_LETTERS // 2, PASSAGE_LETTERS)
        end = end if end > 0 else PASSAGE_LETTERS
        yield text[:end].strip()
        text = text[end:].strip()
    yield text
