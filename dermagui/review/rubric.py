"""The rubric: four questions that a reviewer answers about a pair. The first Form, as data."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from dermagui import paths
from dermagui.errors import UserError


@cache
def _questions() -> tuple[dict[str, Any], ...]:
    form = json.loads((paths.resources() / "forms" / "rubric.json").read_text(encoding="utf-8"))
    return tuple(form["questions"])


def rubric() -> dict[str, tuple[str, ...]]:
    """The questions by their key, each with its closed list of answers."""
    return {question["key"]: tuple(question["answers"]) for question in _questions()}


def rubric_texts() -> dict[str, str]:
    """What each question of the rubric asks, by its key, in the order of the form."""
    return {question["key"]: question["text"] for question in _questions()}


def check_rubric(said: Iterable[str]) -> dict[str, str]:
    """``question=answer`` texts as a dictionary. Raises ``UserError`` ``rubric.unknown``."""
    answers: dict[str, str] = {}
    for text in said:
        question, _, answer = text.partition("=")
        if answer not in rubric().get(question, ()):
            known = [f"{key}={'|'.join(values)}" for key, values in rubric().items()]
            raise UserError("rubric.unknown", text=text, known=known)
        answers[question] = answer
    return answers
