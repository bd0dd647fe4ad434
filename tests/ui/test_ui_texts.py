"""The window words errors without commands and options, which it has not."""

from __future__ import annotations

import re
from string import Formatter

from dermagui.errors import UserError
from dermagui.texts import SENTENCES
from dermagui.ui.texts import INSTEAD, worded

# Codes of rooms that have no page yet, and of the command line itself.
NOT_IN_THE_WINDOW = (
    "text.",
    "chat.",
    "bundle.",
    "hub.",
    "train.",
    "pair.none_named",
    "generate.option_not_here",
)


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_no_sentence_of_the_window_speaks_of_commands_or_options() -> None:
    shown = {
        code: text for code, text in (SENTENCES | INSTEAD).items() if not code.startswith(NOT_IN_THE_WINDOW)
    }
    assert {code: text for code, text in shown.items() if re.search(r"`| --\w", text)} == {}


def test_every_sentence_of_the_window_has_a_code_and_only_its_values() -> None:
    assert set(INSTEAD) <= set(SENTENCES)
    for code, text in INSTEAD.items():
        assert _fields(text) <= _fields(SENTENCES[code]), code


def test_values_are_filled_in() -> None:
    assert worded(UserError("project.not_found", path="/x")).startswith("There is no project in /x;")
