"""The rubric: four questions that a reviewer answers about a pair. The first Form, as data."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache

from dermagui import paths
from dermagui.errors import UserError


@cache
def rubric() -> dict[str, tuple[str, ...]]:
    """The questions by their key, each with its closed list of answers."""
    form = json.loads((paths.resources() / "forms" / "rubric.json").read_text(encoding="utf-8"))
    return {question["key"]: tuple(question["answers"]) for question in form["questions"]}


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
