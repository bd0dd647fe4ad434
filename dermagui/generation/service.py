"""What a service is asked and what it replies, whoever it is: Gemini, or a model on this computer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from dermagui.errors import DermaError
from dermagui.records import Pixels


@dataclass(frozen=True, slots=True)
class Call:
    """What one request asks: texts, the picture, the answer's schema and its limit in tokens."""

    model: str
    system: str
    user: str
    schema: dict[str, Any]
    pixels: Pixels
    max_output_tokens: int
    seed: int = 0
    """For a model that takes one: the same try at the same request gets the same answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the body of a 200, or an HTTP error, or the kind of a failed transport.

    ``body`` is JSON in the shape of Gemini's REST response, whoever answered. ``transport`` is ``connect``
    (nothing was sent), ``timeout`` or ``disconnected`` (it may have been).
    """

    body: str = ""
    http_status: int = 200
    status: str = ""
    message: str = ""
    details: tuple[Any, ...] = ()
    transport: str = ""
    sent_bytes: int = 0
    failure: DermaError | None = None
    """Why a model on this computer gave no answer."""


class Answering(Protocol):
    """Who answers requests."""

    @property
    def host(self) -> str:
        """Whom the requests reach; "" where nothing leaves this computer."""

    async def generate(self, call: Call) -> Reply:
        """Puts one request; what it raises ends the run."""
