"""Pictures, turns and questions for tests of the chat."""

from __future__ import annotations

import random
from collections.abc import Iterable
from hashlib import sha256

from dermagui.chat.protocol import ChatTurn, Load, Rgb
from dermagui.chat.session import Answer, Event
from dermagui.records import Role
from tests.fakes.tiny_models import Pair


def noise(width: int, height: int, seed: int = 0) -> Rgb:
    """A picture that no other seed makes."""
    rows = random.Random(seed).randbytes(width * height * 3)
    return Rgb(sha256(rows).hexdigest(), width, height, rows)


def user(text: str, *images: Rgb) -> ChatTurn:
    """What a person says."""
    return ChatTurn(Role.USER, text, images)


def said(answer: Answer) -> ChatTurn:
    """What the model said, as the next question brings it along."""
    return ChatTurn(Role.ASSISTANT, answer.text, (), answer.tokens)


def answer_of(events: Iterable[Event]) -> Answer:
    """The answer that a question ends with."""
    *_, last = events
    assert isinstance(last, Answer)
    return last


def request_of(pair: Pair, **more: int) -> Load:
    """How a pair is loaded in this process, by one thread."""
    return Load(str(pair.model), str(pair.projector), **more)
