"""Which of some labels a model would answer: exact log-probabilities, also of labels of several tokens."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from math import exp, log

from dermagui.chat.worker.context import Context
from dermagui.chat.worker.model import LABEL_TOKENS, Model
from dermagui.errors import UserError


def tokens_of_labels(model: Model, labels: Sequence[str], words_before: str) -> list[list[int]]:
    """The tokens of each label as they come after these words.

    Where one label begins with all tokens of another, each of them gets the end of the turn: else the
    shorter one would count the longer one's probability as its own. Raises ``UserError`` ``chat.bad_labels``.
    """
    found = [_tokens_after(model, words_before, label) for label in labels]
    if len(found) < 2 or len(set(map(tuple, found))) < len(found) or not all(found):
        raise UserError("chat.bad_labels", labels=list(labels))
    if any(one == other[: len(one)] for one, other in permutations(found, 2)):
        found = [[*tokens, model.end_of_turn] for tokens in found]
    if max(map(len, found)) > LABEL_TOKENS:
        raise UserError("chat.bad_labels", labels=list(labels))
    return found


def log_probabilities(context: Context, labels: Sequence[Sequence[int]]) -> list[float]:
    """What the model gives each label, after a prompt that was just evaluated; together they are 1."""
    first = context.logits()
    before = log_sum(first)
    joint = [first[tokens[0]] - before + _rest(context, tokens) for tokens in labels]
    total = log_sum(joint)
    return [one - total for one in joint]


def log_sum(logarithms: Sequence[float]) -> float:
    """The logarithm of the sum of the numbers whose logarithms these are."""
    most = max(logarithms)
    return most + log(sum(exp(one - most) for one in logarithms))


def _rest(context: Context, tokens: Sequence[int]) -> float:
    if len(tokens) < 2:
        return 0.0
    behind = context.probe(tokens[:-1])
    return sum(logits[token] - log_sum(logits) for logits, token in zip(behind, tokens[1:], strict=True))


def _tokens_after(model: Model, words_before: str, label: str) -> list[int]:
    """Many tokenizers write a word otherwise at the beginning of a text than within one."""
    before = model.tokens(words_before)
    whole = model.tokens(words_before + label)
    return whole[len(before) :] if whole[: len(before)] == before else model.tokens(label, special=False)
