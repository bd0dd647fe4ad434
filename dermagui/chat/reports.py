"""Answers of a shape: JSON by a schema, as a form whose fields can be edited, as text and as HTML.

The form follows the schema: each property is a field, its ``title`` the label, in the schema's order. Fields
are texts, one of some words (``enum``), lists of texts, and tables (lists of objects of those two).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dermagui.chat.bundle import NOTICE
from dermagui.chat.pages import Shown, render
from dermagui.errors import DataError

NOT_JUDGED = "–"
"""Stands for a field that was left empty."""


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of a form."""

    key: str
    label: str
    kind: str
    """``text``, ``choice``, ``list`` or ``table``."""
    choices: tuple[str, ...] = ()
    columns: tuple[FormField, ...] = ()
    """Of a table."""


def fields_of(schema: Mapping[str, Any]) -> list[FormField]:
    """The fields of a schema's form. Raises ``DataError`` ``report.bad_schema`` where no form shows it."""
    try:
        return [_field(key, told) for key, told in schema["properties"].items()]
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError("report.bad_schema", reason=str(error)) from error


def _field(key: str, told: Mapping[str, Any]) -> FormField:
    label = str(told.get("title") or key)
    if "enum" in told:
        return FormField(key, label, "choice", choices=tuple(str(choice) for choice in told["enum"]))
    if told["type"] == "array":
        if "properties" in told["items"]:
            columns = tuple(_field(name, part) for name, part in told["items"]["properties"].items())
            return FormField(key, label, "table", columns=columns)
        return FormField(key, label, "list")
    if told["type"] == "object":
        raise TypeError(f"{key}: an object within an object")
    return FormField(key, label, "text")


def read_report(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer fills in, field by field; a field that it lacks is empty.

    Raises ``DataError`` ``report.not_complete`` where the answer was cut short or is of another shape.
    """
    try:
        told = json.loads(text)
    except ValueError as error:
        raise DataError("report.not_complete", reason=str(error)) from error
    if not isinstance(told, dict):
        raise DataError("report.not_complete", reason=type(told).__name__)
    return {field.key: _value(field, told.get(field.key)) for field in fields_of(schema)}


def readable(text: str, schema: Mapping[str, Any], form: object = None, *, as_markdown: bool = False) -> str:
    """An answer that is a report, as people read it: what a person made of it (``form``), else what it fills
    in. What fills in no form is left as it is.
    """
    write = report_markdown if as_markdown else report_text
    try:
        return write(schema, form if isinstance(form, Mapping) else read_report(text, schema))
    except DataError:
        return text


def _value(field: FormField, told: object) -> object:
    if field.kind == "table":
        rows = [row for row in _list(told) if isinstance(row, dict)]
        return [{column.key: _value(column, row.get(column.key)) for column in field.columns} for row in rows]
    if field.kind == "list":
        return [str(part) for part in _list(told)]
    return "" if told is None else str(told)


def _list(told: object) -> list[Any]:
    return told if isinstance(told, list) else []


def report_text(
    schema: Mapping[str, Any], values: Mapping[str, Any], about: Sequence[tuple[str, str]] = ()
) -> str:
    """A filled form as plain text. ``about`` says how it came about: pairs of a name and a value."""
    title = str(schema.get("title") or "Report")
    lines = [title, "=" * len(title), NOTICE, ""]
    for field in fields_of(schema):
        lines += [field.label, *(f"  {line}" for line in _lines(field, values.get(field.key))), ""]
    return "\n".join([*lines, *(f"{name}: {value}" for name, value in about)]).rstrip() + "\n"


def report_markdown(schema: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """A filled form as Markdown: for the screen, where it stands among other answers."""
    parts = [f"**{NOTICE}**"]
    for field in fields_of(schema):
        lines = _lines(field, values.get(field.key))
        gap = "\n\n" if field.kind in ("list", "table") and lines != [NOT_JUDGED] else " "
        parts.append(f"**{field.label}:**{gap}" + "\n".join(lines))
    return "\n\n".join(parts)


def _lines(field: FormField, value: object) -> list[str]:
    if field.kind == "table":
        return [_row_line(field, row) for row in _list(value)] or [NOT_JUDGED]
    if field.kind == "list":
        return [f"- {part}" for part in _list(value)] or [NOT_JUDGED]
    return str(value or NOT_JUDGED).splitlines()


def _row_line(field: FormField, row: Mapping[str, Any]) -> str:
    first, *others = field.columns
    said = "; ".join(f"{column.label}: {row.get(column.key) or NOT_JUDGED}" for column in others)
    return f"- {row.get(first.key) or NOT_JUDGED}" + (f" ({said})" if said else "")


def report_html(
    schema: Mapping[str, Any],
    values: Mapping[str, Any],
    about: Sequence[tuple[str, str]] = (),
    pictures: Sequence[Shown] = (),
) -> str:
    """A filled form as a page of HTML that needs nothing else, with the pictures that it is about."""
    return render(
        "report.html",
        title=str(schema.get("title") or "Report"),
        notice=NOTICE,
        fields=[(field, values.get(field.key)) for field in fields_of(schema)],
        about=about,
        pictures=pictures,
        empty=NOT_JUDGED,
    )
