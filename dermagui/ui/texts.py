"""Words every code in the user's language; where the English names a command, by its own words."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QCoreApplication

from dermagui import texts
from dermagui.errors import DermaError

INSTEAD: dict[str, str] = {}
"""Sentences of the window for codes whose English in ``dermagui.texts`` speaks of commands and options."""


def sentence(code: str, values: Mapping[str, object]) -> str:
    """What a code says, its values filled in after the translation."""
    template = INSTEAD.get(code) or texts.SENTENCES.get(code)
    if template is None:
        return texts.sentence(code, values)
    return texts.fill(QCoreApplication.translate("texts", template), values)


def worded(error: DermaError) -> str:
    """What an expected error says."""
    return sentence(error.code, error.values)
