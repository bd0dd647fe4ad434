"""The parity gate: whether the GGUF files answer like the model that was trained.

Both sides get the same pixels and are asked for the same reference answers. Half of the probes show a picture
that belongs to another answer: they have to score worse, else nobody looked at the pictures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dermagui.errors import UserError
from dermagui.training.folder import answer_of, question_of
from dermagui.training.scoring import Score

PROBES = 8
"""Of each half."""

LIMITS = {"F16": 0.02, "Q8_0": 0.05}
"""How far the mean log-probability of the references may lie off, in nats a token."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison came to. Differences are means over all probes, in nats a token."""

    quantization: str
    difference: float
    limit: float
    first_tokens_equal: int
    probes: int
    true_score: float
    """Mean log-probability a token of the references with their own pictures, by the GGUF files."""
    shuffled_score: float
    """The same with other pictures."""
    faults: tuple[str, ...]
    """``inputs`` (pixels or prompts differ), ``first_token``, ``difference``, ``shuffled``; none: passed."""

    @property
    def passed(self) -> bool:
        """Whether the files may be used."""
        return not self.faults


def choose_probes(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with their own pictures, then the same with pictures of rows that are answered differently.

    Raises ``UserError`` ``train.no_probes`` where all answers are the same, or there are too few.
    """
    seen = [line for line in lines if line["images"]]
    chosen: list[dict[str, Any]] = []
    shuffled: list[dict[str, Any]] = []
    for place, line in enumerate(seen):
        if len(chosen) == PROBES:
            break
        if other := _answered_differently(line, seen[place + 1 :] + seen[:place]):
            chosen.append(line)
            shuffled.append(line | {"images": other["images"]})
    if len(chosen) < PROBES:
        raise UserError("train.no_probes", count=len(chosen), least=PROBES)
    return chosen + shuffled


def _answered_differently(
    line: Mapping[str, Any], others: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """The next row with other pictures and another answer; where there is one, to the same question.

    Of another question the answer says nothing: the row's own may be just as true of those pictures.
    """
    fitting = [
        one
        for one in others
        if answer_of(one) != answer_of(line)
        and len(one["images"]) == len(line["images"])
        and not set(one["images"]) & set(line["images"])
    ]
    alike = [one for one in fitting if question_of(one) == question_of(line)]
    return next(iter(alike or fitting), None)


def read_scores(path: Path) -> list[dict[str, Any]]:
    """What ``worker/score.py`` wrote."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def judge(
    trained: Sequence[dict[str, Any]], found: Sequence[Score], quantization: str, limit: float = 0.25
) -> Verdict:
    """Compares the scores of the probes, of which the second half is shuffled.

    ``limit`` is what the recipe allows files that are smaller than those of ``LIMITS``.
    """
    pairs = list(zip(trained, found, strict=True))
    tokens = sum(score.tokens for _, score in pairs)
    difference = sum(abs(score.log_probability - told["log_probability"]) for told, score in pairs) / tokens
    allowed = LIMITS.get(quantization, limit)
    half = len(found) // 2
    true_score, shuffled_score = _mean(found[:half]), _mean(found[half:])
    equal = sum(score.first == told["first"] for told, score in pairs)
    faults = {
        "inputs": not all(_same_input(told, score) for told, score in pairs),
        "first_token": quantization == "F16" and equal < len(pairs),
        "difference": not difference <= allowed,
        "shuffled": not shuffled_score < true_score,
    }
    return Verdict(
        quantization,
        difference,
        allowed,
        equal,
        len(pairs),
        true_score,
        shuffled_score,
        tuple(name for name, holds in faults.items() if holds),
    )


def _mean(scores: Sequence[Score]) -> float:
    return sum(score.log_probability for score in scores) / sum(score.tokens for score in scores)


def _same_input(told: dict[str, Any], score: Score) -> bool:
    same_size = not told["size"] or tuple(told["size"]) == score.size
    return same_size and score.exact and told["prompt_tokens"] == score.prompt_tokens
