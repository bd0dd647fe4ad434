"""Pictures, turns and questions for tests of the chat."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from hashlib import sha256

from dermagui.chat.protocol import ChatTurn, Load, Rgb, Sampling
from dermagui.chat.session import Answer, Event, Room
from dermagui.records import Role
from tests.fakes.tiny_models import Pair

ENDLESS = Sampling(max_tokens=100_000)
ENDLESS_ROOM = Room(context_tokens=65_536)
NUMBERS = {"type": "array", "items": {"const": 1}, "minItems": 100}
ENDLESS_SCHEMA = json.dumps({"type": "array", "items": NUMBERS | {"items": NUMBERS}, "minItems": 100})
"""A million numbers: with the two above, an answer longer than all that a connection can hold back. What is
to be stopped or killed in the middle must not have ended by itself.
"""


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
