"""What the library knows of the pictures that are asked about, for those who want to tell it to the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dermagui.storage.database import Store

Shown = tuple[str, int]
"""A picture: the hash of its file, and its frame."""


def facts_of(store: Store, shown: Sequence[Shown]) -> dict[str, str]:
    """What files and people say of pictures: name of a field → value, in one line. No diagnosis, which would
    be the answer; no name, id or date.
    """
    from dermagui.generation.fields import CLINICAL_FIELDS, readable_values
    from dermagui.generation.prompt import ANSWER_FIELDS
    from dermagui.storage.metadata import fields_of_images

    query = "SELECT id FROM images WHERE sha256 = ? AND frame = ?"
    numbers = [number for one in shown if (number := store.value(query, one)) is not None]
    said = fields_of_images(store, numbers)
    told = {}
    for field, name in CLINICAL_FIELDS.items():
        rows = [row for number in numbers for row in said.get(number, {}).get(field, ())]
        text = readable_values(field, tuple(str(row["value"]) for row in rows))
        if text and field not in ANSWER_FIELDS:
            told[name] = text
    return told
