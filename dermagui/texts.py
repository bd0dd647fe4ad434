"""The English of every code: what happened, why likely, and what to do now. No wording stands elsewhere.

``QT_TRANSLATE_NOOP`` marks a text for the translators' tool and returns it; the window translates the
same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter


def QT_TRANSLATE_NOOP(context: str, text: str) -> str:  # noqa: N802 - the name is the translators' tool's
    """Marks a text for translation."""
    return text


SENTENCES: dict[str, str] = {}


class _Values(Formatter):
    """Fills in values; one that is missing is left out rather than failing a message about a failure."""

    def get_value(self, key: int | str, args: object, kwargs: object) -> object:
        value = kwargs.get(key, "?") if isinstance(kwargs, Mapping) else "?"
        return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def sentence(code: str, values: Mapping[str, object]) -> str:
    """The English of a code with its values filled in; a code without wording shows itself."""
    text = SENTENCES.get(code)
    if text is None:
        return f"{code} {dict(values)}" if values else code
    return _Values().vformat(text, (), values)
