"""Every code that a room raises or tells is worded, and every wording is used."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from dermagui import settings
from dermagui.texts import SENTENCES, sentence

_CODE = re.compile(r"[a-z]+\.[a-z_]*[a-z]")
_NO_CODES = re.compile(
    r".*\.(json|jsonl|toml|log|db|lock|ini|csv|com|txt|html|md|part|py|jpg|gguf|jinja)$"
    r"|(fuse|general|llama|clip|adapter|tokenizer|split\.(count|no))\b"
)
_PACKAGE = Path(settings.__file__).parent


def _texts_like_codes(path: Path) -> dict[str, str]:
    return {
        node.value: f"{path.name}:{node.lineno}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.fullmatch(node.value)
    }


def _codes() -> dict[str, str]:
    """Every text in our code that looks like a code and is none of settings and actions; and where."""
    found: dict[str, str] = {}
    for path in _PACKAGE.rglob("*.py"):
        if path.name != "texts.py":
            found |= _texts_like_codes(path)
    others = {*settings.SETTINGS, *_texts_like_codes(_PACKAGE / "ui" / "actions.py")}
    return {code: place for code, place in found.items() if not _NO_CODES.match(code) and code not in others}


def test_every_code_is_worded() -> None:
    missing = {code: place for code, place in _codes().items() if code not in SENTENCES}
    assert not missing


def test_every_wording_is_used() -> None:
    assert set(SENTENCES) - set(_codes()) - {"bug"} == set(), "words that nobody says"


def test_a_sentence_is_one_and_ends_like_one() -> None:
    for code, text in SENTENCES.items():
        assert text == text.strip(), code
        assert text[-1] in ".:}" or code.startswith("chat.while_"), code
        assert "\n" not in text, code


def test_values_are_filled_in_and_missing_ones_do_not_break_the_message() -> None:
    assert "dx, age" in sentence("mapping.column_unknown", {"column": "foo", "columns": ["dx", "age"]})
    assert sentence("mapping.field_twice", {}).startswith("? is mapped twice")


def test_a_value_that_is_a_code_is_worded() -> None:
    assert "has no picture" in sentence("export.refused_rows", {"count": 2, "reason": "row.text_only"})


def test_a_code_within_a_sentence_gets_the_same_values() -> None:
    told = sentence(
        "hub.trying_again", {"reason": "hub.unavailable", "host": "models.example", "status": 503}
    )
    assert told.startswith("models.example is not available now (503).")


def test_braces_in_values_are_left_alone() -> None:
    assert "{path}" in sentence("project.exists", {"path": "{path}"})
