"""Reading tables of metadata as people have them: CSV, TSV, XLSX, JSON and JSON lines, into rows of text.

Nothing is guessed in silence: which encoding was taken, which rows were ragged, which columns had to be
named, all of it stands in the notes of the table as codes with values.

Errors: ``UserError`` where another file or sheet would do, ``DataError`` where the file is damaged.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, time
from itertools import islice
from pathlib import Path

from dermagui.errors import DataError, DermaError, UserError
from dermagui.paths import display_path

MAX_BYTES = 512 * 2**20
"""The largest file that is read, and the most that a workbook may unpack to, in bytes."""
MAX_CELLS = 100_000_000
"""The most cells that are read, empty ones included: a few bytes of a workbook can claim billions."""
MAX_COLUMNS = 16_384
"""The widest table that is read; a sheet of Excel is never wider."""

TEXT_SUFFIXES = frozenset({".csv", ".tsv", ".tab", ".txt", ""})
JSON_SUFFIXES = frozenset({".json", ".jsonl", ".ndjson"})
WORKBOOK_SUFFIXES = frozenset({".xlsx", ".xlsm", ".xltx", ".xltm"})

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_DELIMITERS = ",;\t|"
# Text holds none once it is decoded, so a file of one column is never cut at a comma of a value.
_NO_DELIMITER = "\0"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # UTF-32 first: its little-endian mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Where Windows-1254 has Ğ İ Ş ğ ı ş, Windows-1252 has the Icelandic Ð Ý Þ ð ý þ: far rarer in our tables.
_TURKISH = frozenset(b"\xd0\xdd\xde\xf0\xfd\xfe")


@dataclass(frozen=True, slots=True)
class TableNote:
    """Something that the user should know of how a table was read: a code and its values."""

    code: str
    values: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a file as text. A cell without a value is absent from its row.

    ``encoding`` and ``delimiter`` are None where the format has none; ``sheet`` is that of a workbook.
    """

    columns: tuple[str, ...]
    rows: list[dict[str, str]]
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    notes: tuple[TableNote, ...] = ()


def read_table(path: Path, sheet: str | None = None) -> Table:
    """Reads a table of any known format; what the bytes are wins over what the name says.

    ``sheet`` names a sheet of a workbook; without it the first that is not empty is taken.
    """
    data = _read_bytes(path)
    suffix = path.suffix.casefold()
    try:
        if data.startswith(_OLE):
            # An encrypted workbook is a compound file with a stream of this name; else it is an old .xls.
            locked = "EncryptedPackage".encode("utf-16-le") in data
            raise DataError("table.password" if locked else "table.old_excel")
        if data.startswith(_ZIP) or suffix in WORKBOOK_SUFFIXES:
            return _read_workbook(data, sheet)
        if suffix in JSON_SUFFIXES:
            return _read_json(data, lines=suffix != ".json")
        if suffix in TEXT_SUFFIXES:
            return _read_delimited(data)
        raise UserError("table.format_unknown", suffix=suffix)
    except DermaError as error:
        raise type(error)(error.code, path=display_path(path), **error.values) from error


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError("table.unreadable", path=display_path(path), reason=reason) from error
    if len(data) > MAX_BYTES:
        raise UserError("table.too_large", path=display_path(path), limit_bytes=MAX_BYTES)
    return data


def _read_delimited(data: bytes) -> Table:
    text, encoding, notes = _decode(data)
    text, delimiter = _find_delimiter(text)
    lines = _parse_delimited(text, delimiter or _NO_DELIMITER, notes)
    columns, rows, more = _assemble(lines, short_is_ragged=True)
    return Table(columns, rows, encoding, delimiter, None, (*notes, *more))


def _decode(data: bytes) -> tuple[str, str, list[TableNote]]:
    """Text, its encoding, and notes: only a mark or valid UTF-8 makes an encoding certain."""
    marked = next((encoding for mark, encoding in _BOMS if data.startswith(mark)), None)
    for encoding in [marked] if marked else _likely_encodings(data):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        notes = (
            []
            if encoding in (marked, "utf-8")
            else [TableNote("table.encoding_assumed", {"encoding": encoding})]
        )
        if nuls := text.count("\0"):
            notes.append(TableNote("table.nul_bytes", {"count": nuls}))
        return text.replace("\0", ""), encoding, notes
    raise DataError("table.undecodable", encoding=marked)


def _likely_encodings(data: bytes) -> Iterator[str]:
    """Encodings to try in turn for bytes without a mark; the last one can read anything."""
    head = data[:4096]
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        # Half of the bytes of Latin text in UTF-16 are zero, and always the same half.
        if head[offset::2].count(0) > len(head) // 4 and head[1 - offset :: 2].count(0) <= len(head) // 16:
            yield encoding
    yield "utf-8"
    yield from ("cp1254", "cp1252") if _TURKISH & set(data) else ("cp1252", "cp1254")
    yield "latin-1"


def _find_delimiter(text: str) -> tuple[str, str | None]:
    """The text without the ``sep=`` line that Excel knows, and the delimiter; None for a single column.

    The delimiter cuts the header, and the most of the following rows into as many cells.
    """
    first = text.split("\n", 1)[0].strip().strip('"')
    if first.casefold().startswith("sep=") and len(first) == 5:
        return text.partition("\n")[2], first[4]

    def fitness(delimiter: str) -> tuple[int, int]:
        lines = csv.reader(io.StringIO(text[:65_536], newline=""), delimiter=delimiter)
        rows = [row for row in islice(lines, 100) if row]
        width = len(rows[0]) if rows else 0
        return (sum(len(row) == width for row in rows) if width > 1 else 0), width

    best = max(_DELIMITERS, key=fitness)
    return text, best if fitness(best)[0] else None


def _parse_delimited(text: str, delimiter: str, notes: list[TableNote]) -> list[list[str]]:
    """All rows, strictly; where a quote stands wrong, tolerantly and with a note of the line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return list(reader)
    except csv.Error as error:
        line, reason = reader.line_num, str(error)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise DataError("table.malformed", line=line, reason=str(error)) from error
    notes.append(TableNote("table.quotes_doubtful", {"line": line, "reason": reason}))
    return rows


def _assemble(
    cells: Iterable[Sequence[object]], short_is_ragged: bool
) -> tuple[tuple[str, ...], list[dict[str, str]], list[TableNote]]:
    """Columns, rows and notes from rows of cells, of which the first that is not empty is the header."""
    lines = _filled_lines(cells)
    header = next(lines, None)
    if header is None:
        raise DataError("table.empty")
    columns: dict[str, None] = {}
    renamed = [name for text in header if (name := _add_column(columns, text)) != " ".join(text.split())]
    rows: list[dict[str, str]] = []
    ragged = 0
    for line in lines:
        ragged += len(line) > len(header) or (short_is_ragged and len(line) < len(header))
        while len(columns) < len(line):
            _add_column(columns)
        rows.append({column: text for column, text in zip(columns, line, strict=False) if text.strip()})
    notes = [TableNote("table.columns_renamed", {"columns": renamed})] if renamed else []
    if ragged:
        extra = list(columns)[len(header) :]
        notes.append(TableNote("table.ragged_rows", {"count": ragged, "extra_columns": extra}))
    if not rows:
        notes.append(TableNote("table.no_rows"))
    return tuple(columns), rows, notes


def _filled_lines(cells: Iterable[Sequence[object]]) -> Iterator[list[str]]:
    """Lines of text of which at least one cell has a value.

    Empty cells beyond the header, which Excel likes to write, are cut off.
    """
    seen, width = 0, 0
    for cell_values in cells:
        seen += len(cell_values)
        if seen > MAX_CELLS or len(cell_values) > MAX_COLUMNS:
            raise UserError("table.too_many_cells", limit=MAX_CELLS, limit_columns=MAX_COLUMNS)
        line = [_as_text(value) for value in cell_values]
        while len(line) > width and not line[-1].strip():
            line.pop()
        if any(text.strip() for text in line):
            width = width or len(line)
            yield line


def _add_column(columns: dict[str, None], text: str = "") -> str:
    """Adds a column under its text, or its position where it has none, made unique by a number."""
    wanted = name = " ".join(text.split()) or f"column_{len(columns) + 1}"
    number = 1
    while name in columns:
        number += 1
        name = f"{wanted}_{number}"
    columns[name] = None
    return name


def _as_text(value: object) -> str:
    """A cell as text: nothing for what is missing, ISO dates, whole numbers without ``.0``."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _read_workbook(data: bytes, sheet: str | None) -> Table:
    _check_archive(data)
    try:
        return _read_sheet(data, sheet)
    except DermaError:
        raise
    # A damaged workbook makes the library fail in many ways of its own: XML, zip, key and type errors.
    except Exception as error:
        raise DataError("table.damaged", reason=f"{type(error).__name__}: {error}") from error


def _check_archive(data: bytes) -> None:
    """Refuses what is no workbook, or one that unpacks to more than the limit, before it is unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise DataError("table.damaged", reason=str(error)) from error
    if all(member.filename != "[Content_Types].xml" for member in members):
        raise UserError("table.format_unknown", suffix=".zip")
    if sum(member.file_size for member in members) > MAX_BYTES:
        raise UserError("table.too_large", limit_bytes=MAX_BYTES)


def _read_sheet(data: bytes, wanted: str | None) -> Table:
    import openpyxl

    with warnings.catch_warnings():
        # What the library does not know of styles and extensions does not touch the values.
        warnings.simplefilter("ignore")
        with closing(openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)) as workbook:
            sheets = {sheet.title: sheet for sheet in workbook.worksheets}
            if wanted is not None and wanted not in sheets:
                raise UserError("table.sheet_unknown", sheet=wanted, sheets=list(sheets))
            for title in sheets if wanted is None else [wanted]:
                # The size that a sheet states is often wrong; without it the rows themselves are read.
                sheets[title].reset_dimensions()
                try:
                    columns, rows, notes = _assemble(
                        sheets[title].iter_rows(values_only=True), short_is_ragged=False
                    )
                except DataError:
                    continue
                others = [name for name in sheets if name != title]
                if others and wanted is None:
                    notes.append(TableNote("table.other_sheets", {"sheet": title, "others": others}))
                return Table(columns, rows, sheet=title, notes=tuple(notes))
    raise DataError("table.empty")


def _read_json(data: bytes, lines: bool) -> Table:
    text, encoding, notes = _decode(data)
    if not text.strip():
        raise DataError("table.empty")
    try:
        rows = [_flatten(found) for found in _objects(_parse_lines(text) if lines else _parse_document(text))]
    except RecursionError as error:
        raise DataError("table.json_invalid", line=0, reason="nested too deeply") from error
    rows = [row for row in rows if row]
    if sum(map(len, rows)) > MAX_CELLS:
        raise UserError("table.too_many_cells", limit=MAX_CELLS)
    if not rows:
        notes.append(TableNote("table.no_rows"))
    return Table(
        tuple(dict.fromkeys(column for row in rows for column in row)), rows, encoding, notes=tuple(notes)
    )


def _parse_document(text: str) -> object:
    """The value of a JSON file; JSON lines under the name ``.json`` are common and read as such."""
    try:
        return json.loads(text)
    except ValueError as error:
        if len(text.splitlines()) > 1 and text.lstrip().startswith("{"):
            try:
                return _parse_lines(text)
            except DataError:
                pass
        raise DataError("table.json_invalid", line=getattr(error, "lineno", 0), reason=str(error)) from error


def _parse_lines(text: str) -> list[object]:
    found = []
    # Only line feeds separate: a string of JSON may hold the other line ends that splitlines() knows.
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            if line.strip():
                found.append(json.loads(line))
        except ValueError as error:
            raise DataError("table.json_invalid", line=number, reason=str(error)) from error
    return found


def _objects(document: object) -> list[Mapping[str, object]]:
    """The rows of a list of objects or of an object of objects, whose keys become a column."""
    if isinstance(document, dict) and document and all(isinstance(row, dict) for row in document.values()):
        key_column = "key" if any("id" in row for row in document.values()) else "id"
        return [{key_column: key, **row} for key, row in document.items()]
    if isinstance(document, list) and all(isinstance(row, dict) for row in document):
        return document
    raise DataError("table.json_shape")


def _flatten(value: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Nested objects as columns with dots; a list stays one value, as JSON text."""
    row: dict[str, str] = {}
    for key, inner in value.items():
        name = prefix + (" ".join(key.split()) or "column")
        if isinstance(inner, dict):
            row |= _flatten(inner, f"{name}.")
        elif isinstance(inner, list):
            row |= {name: json.dumps(inner, ensure_ascii=False)} if inner else {}
        elif (text := _as_text(inner).replace("\0", "")).strip():
            row[name] = text
    return row
