"""The clinical gate: whether tuning cost the model what matters most in the clinic, whatever the loss did.

A model that calls everything malignant misses nothing and knows nothing. So three things are asked of a tuned
model: that it finds the malignant as its base did, that it tells malignant from benign at all, and that it is
right about all labels, each weighed alike, as its base was.

Base and tuned model, both as GGUF files of the same size, are asked the same question about the same pictures
that were held out. What is right comes from metadata that a file or a person stated, never from a model: a
dataset carries no other. Malignant or benign is what the metadata says; where they name a diagnosis only, its
side is looked up in ``resources/checks/malignancy.json``.
"""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dermagui.chat.protocol import ChatTurn, Sampling
from dermagui.chat.session import Answer, ModelFiles, Room, Session
from dermagui.jobs.report import Report
from dermagui.library.fields import PATH_SEPARATOR
from dermagui.paths import resources
from dermagui.records import Picture, Progress, Role

MALIGNANT, BENIGN = "malignant", "benign"
QUESTION = "Which of these does the picture show: {labels}? Answer with one of them and with nothing else."
FEWEST_MALIGNANT = 10
"""With fewer, an interval of the sensitivity is so wide that nothing could fall out of it."""
MOST_CASES = 200
"""More are taken evenly out of those that there are: each is asked twice of two models."""

_Z = 1.959964
"""Of the normal distribution: 95 of 100 lie between minus and plus this."""
_RESAMPLES = 1_000
_ANSWER_TOKENS = 48


@dataclass(frozen=True, slots=True)
class Case:
    """A held-out picture, its right label, and the side on which it stands."""

    image: str
    """Below the training's folder."""
    label: str
    malignant: bool


@dataclass(frozen=True, slots=True)
class Given:
    """What a model said of a case: the likeliest label, and whether its free answer names any."""

    label: str
    named: bool


@dataclass(frozen=True, slots=True)
class Rate:
    """A share between 0 and 1 of ``n`` cases, with the ends of its interval of 95 %; of none, 0 to 1."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Figures:
    """How a model did."""

    accuracy: Rate
    balanced_accuracy: Rate
    """The mean over labels of the share that was found; ``n`` are all cases."""
    malignant_sensitivity: Rate
    """Of the malignant cases, those that were given a malignant label."""
    benign_specificity: Rate
    """Of the benign cases, those that were given a benign label."""
    refusals: Rate
    """Free answers that name none of the labels."""


@dataclass(frozen=True, slots=True)
class Clinical:
    """What the gate says, the values of its sentence in ``card``, and the figures."""

    state: str
    """``passed``; ``fell`` (sensitivity), ``one_class`` (no better than calling all the same), ``worse``
    (balanced accuracy); ``few`` (malignant cases) or ``untested``.
    """
    values: dict[str, object]
    labels: tuple[str, ...] = ()
    base: Figures | None = None
    tuned: Figures | None = None

    @property
    def passed(self) -> bool:
        """Whether the model may be called ready."""
        return self.state == "passed"

    def told(self) -> dict[str, object]:
        """As a manifest holds it."""
        return {**asdict(self), "passed": self.passed}


@cache
def _sides() -> dict[str, str]:
    raw = json.loads((resources() / "checks" / "malignancy.json").read_text(encoding="utf-8"))
    return {term: side for side in (MALIGNANT, BENIGN) for term in raw[side]}


def side_of(line: Mapping[str, Any]) -> str:
    """``malignant`` or ``benign`` as the metadata of a row says, or its diagnosis implies; else empty."""
    said = str(line.get("malignancy") or "").strip().casefold()
    if said:
        return said if said in (MALIGNANT, BENIGN) else ""
    levels = str(line.get("diagnosis") or "").casefold().split(PATH_SEPARATOR.strip())
    return next((found for level in reversed(levels) if (found := _sides().get(level.strip()))), "")


def choose_cases(lines: Sequence[Mapping[str, Any]]) -> list[Case]:
    """A case for each picture that has a side, at most ``MOST_CASES``.

    Labels are diagnoses where every such picture has one and there are several; else the sides themselves.
    """
    first = {line["images"][0]: line for line in lines if len(line["images"]) == 1 and side_of(line)}
    named = {str(line.get("diagnosis") or "") for line in first.values()}
    use = len(named) > 1 and "" not in named
    cases = [
        Case(image, str(line["diagnosis"]) if use else side_of(line), side_of(line) == MALIGNANT)
        for image, line in first.items()
    ]
    most = min(len(cases), MOST_CASES)
    return [cases[place * len(cases) // most] for place in range(most)]


def ask_cases(
    files: ModelFiles, cases: Sequence[Case], labels: Sequence[str], folder: Path, report: Report
) -> list[Given]:
    """What a model says of every case, in a child of its own. Raises what ``Session`` raises; ``Stopped``."""
    question = QUESTION.format(labels=", ".join(labels))
    given = []
    with Session(files, Room()) as session:
        for done, case in enumerate(cases):
            report.stop_if_asked()
            report.progress(Progress(done, len(cases), "pictures"))
            turns = [ChatTurn(Role.USER, question, (session.see(Picture(folder / case.image)),))]
            chosen = _answer(session.classify(turns, labels)).text
            free = _answer(session.ask(turns, Sampling(max_tokens=_ANSWER_TOKENS))).text.casefold()
            given.append(Given(chosen, any(label.casefold() in free for label in labels)))
    return given


def _answer(events: Any) -> Answer:  # noqa: ANN401, what a session yields
    return next(event for event in events if isinstance(event, Answer))


def wilson(hits: int, n: int) -> Rate:
    """A share with its score interval: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927), pages 209 to 212."""
    if n == 0:
        return Rate(0.0, 0.0, 1.0, 0)
    share, spread = hits / n, _Z * _Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread * spread / 4) / (1 + spread)
    return Rate(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)), n)


def bootstrap(hits_of: Mapping[str, Sequence[bool]]) -> Rate:
    """Balanced accuracy of hits by label, with the percentile interval of a bootstrap within each label:
    B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), chapter 13. The dice are fixed.
    """
    dice = random.Random(0)

    def mean(draw: Callable[[Sequence[bool]], Sequence[bool]]) -> float:
        return sum(sum(drawn) / len(drawn) for drawn in map(draw, hits_of.values())) / len(hits_of)

    found = sorted(mean(lambda hits: dice.choices(hits, k=len(hits))) for _ in range(_RESAMPLES))
    low, high = found[int(0.025 * _RESAMPLES)], found[int(0.975 * _RESAMPLES)]
    return Rate(mean(lambda hits: hits), low, high, sum(map(len, hits_of.values())))


def figures_of(cases: Sequence[Case], given: Sequence[Given]) -> Figures:
    """How a model did on cases of which there is at least one."""
    sides = {case.label: case.malignant for case in cases}
    pairs = list(zip(cases, given, strict=True))
    found = [sides[said.label] for case, said in pairs if case.malignant]
    hits_of: dict[str, list[bool]] = defaultdict(list)
    for case, said in pairs:
        hits_of[case.label].append(said.label == case.label)
    spared = [not sides[said.label] for case, said in pairs if not case.malignant]
    return Figures(
        accuracy=wilson(sum(map(sum, hits_of.values())), len(cases)),
        balanced_accuracy=bootstrap(hits_of),
        malignant_sensitivity=wilson(sum(found), len(found)),
        benign_specificity=wilson(sum(spared), len(spared)),
        refusals=wilson(sum(not said.named for said in given), len(given)),
    )


def least_apart(figures: Figures) -> float:
    """How much oftener malignant pictures than benign ones are called malignant, at the least: the lower end
    of the interval of the difference of two shares, method 10 of R. G. Newcombe, Statistics in Medicine 17
    (1998), pages 873 to 890. Above 0 only where the model tells them apart; never, where a side is missing.
    """
    found, spared = figures.malignant_sensitivity, figures.benign_specificity
    return found.value + spared.value - 1 - math.hypot(found.value - found.low, spared.value - spared.low)


def judge(cases: Sequence[Case], base: Sequence[Given], tuned: Sequence[Given]) -> Clinical:
    """The gate. Neither the sensitivity for malignant nor balanced accuracy must fall below the interval of
    the base's, and the tuned model must do better than one that gives a single answer to everything.
    """
    before, after = figures_of(cases, base), figures_of(cases, tuned)
    was, now = before.malignant_sensitivity, after.malignant_sensitivity
    labels = labels_of(cases)
    values: dict[str, object] = {"n": was.n, "least": FEWEST_MALIGNANT}
    values |= {"base": was.value, "tuned": now.value, "low": was.low, "high": was.high}
    values |= {"benign": after.benign_specificity.n, "alarms": 1 - after.benign_specificity.value}
    values |= {"chance": 1 / len(labels), "balanced": after.balanced_accuracy.value}
    values |= {"balanced_base": before.balanced_accuracy.value, "balanced_low": before.balanced_accuracy.low}
    found = {
        "few": was.n < FEWEST_MALIGNANT,
        "fell": now.value < was.low,
        "one_class": least_apart(after) <= 0 or after.balanced_accuracy.value <= 1 / len(labels),
        "worse": after.balanced_accuracy.value < before.balanced_accuracy.low,
    }
    state = next((state for state, holds in found.items() if holds), "passed")
    return Clinical(state, values, labels, before, after)


def labels_of(cases: Sequence[Case]) -> tuple[str, ...]:
    """The labels to choose from, in order of the alphabet."""
    return tuple(sorted({case.label for case in cases}))


def untested() -> Clinical:
    """What the gate says where no held-out picture has a label, or all have the same one."""
    return Clinical("untested", {})
