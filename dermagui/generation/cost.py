"""Money: a dated price table, exact sums in whole micro-dollars, estimates, and what to reserve.

A price of so many USD for a million tokens is as many micro-dollars for one token.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from dermagui.errors import DataError, UserError
from dermagui.records import Price, Usage

IMAGE_TOKENS = 1120
"""An image at the default resolution of Gemini 3 and later; no 1024-pixel image of Gemini 2 costs more."""

OVERHEAD_TOKENS = 64
"""What a request holds besides text and image: turns, roles, the frame of the schema."""

_ANSWER_TOKENS_LOW, _ANSWER_TOKENS_EXPECTED = 150, 450


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run may cost, in micro-dollars, and the tokens behind the expected figure."""

    requests: int
    low_micro_usd: int
    expected_micro_usd: int
    high_micro_usd: int
    """Never exceeded, if every request is sent once."""
    prompt_tokens: int
    answer_tokens: int


@dataclass(slots=True)
class Budget:
    """What may be spent, what is spent, and what is reserved for requests in flight; micro-dollars."""

    limit: int | None
    committed: int
    reserved: int = 0

    def has_room(self, amount: int) -> bool:
        """Whether one more request of that price stays within the limit, whatever those in flight cost."""
        return self.limit is None or self.committed + self.reserved + amount <= self.limit


def load_prices(paths: Sequence[Path]) -> tuple[Price, ...]:
    """All price rows; a row of a later file replaces one with the same model, tier and ``valid_from``."""
    rows = [price for path in paths for price in _read_prices(path)]
    return tuple({(price.model, price.tier, price.valid_from): price for price in rows}.values())


def price_for(prices: Iterable[Price], model: str, tier: str, on_date: date) -> Price:
    """The price of a model on a day; the latest row that holds then. ``UserError`` if there is none."""
    name, day = model.removeprefix("models/"), on_date.isoformat()
    valid = [
        price
        for price in prices
        if (price.model, price.tier) == (name, tier)
        and price.valid_from <= day
        and (price.valid_to is None or day <= price.valid_to)
    ]
    if not valid:
        raise UserError("cost.unknown_price", model=name, tier=tier, date=day)
    return max(valid, key=lambda price: price.valid_from)


def cost_micro_usd(usage: Usage, price: Price) -> int:
    """What an attempt cost, rounded half up to a whole micro-dollar. Thoughts are billed as answer."""
    cached = min(usage.cached, usage.prompt)
    exact = (
        (usage.prompt - cached) * _exact(price.input)
        + cached * _exact(price.cached)
        + (usage.answer + usage.thoughts) * _exact(price.output)
    )
    return math.floor(exact + Fraction(1, 2))


def reserve_micro_usd(
    text_characters: int,
    images: int,
    max_output_tokens: int,
    price: Price,
    image_tokens: int = IMAGE_TOKENS,
) -> int:
    """The most that one request can cost, before it is sent.

    ``text_characters`` counts system text, user text and schema; where the script is not Latin, the
    UTF-8 bytes must be given instead: a character may then be a token.
    """
    prompt = _prompt_tokens(1, text_characters, images, 3, image_tokens)
    return math.ceil(prompt * _dearest_input(price) + max_output_tokens * _exact(price.output))


def estimate(
    requests: int,
    text_characters: int,
    images: int,
    max_output_tokens: int,
    price: Price,
    image_tokens: int = IMAGE_TOKENS,
) -> Estimate:
    """What ``requests`` requests cost with so many characters and images in all of them together."""

    def cost(characters_per_token: int, answer_tokens: int) -> tuple[int, int, int]:
        prompt = _prompt_tokens(requests, text_characters, images, characters_per_token, image_tokens)
        answer = requests * min(answer_tokens, max_output_tokens)
        exact = prompt * _exact(price.input) + answer * _exact(price.output)
        return math.ceil(exact), prompt, answer

    low, *_ = cost(5, _ANSWER_TOKENS_LOW)
    expected, prompt_tokens, answer_tokens = cost(4, _ANSWER_TOKENS_EXPECTED)
    high, *_ = cost(3, max_output_tokens)
    return Estimate(requests, low, expected, high, prompt_tokens, answer_tokens)


def _prompt_tokens(requests: int, characters: int, images: int, per_token: int, image_tokens: int) -> int:
    return math.ceil(characters / per_token) + images * image_tokens + requests * OVERHEAD_TOKENS


def _dearest_input(price: Price) -> Fraction:
    return max(_exact(price.input), _exact(price.cached))


@lru_cache(maxsize=64)
def _exact(usd_per_million: float) -> Fraction:
    """The price as it was written: the shortest decimal that is this float."""
    return Fraction(str(usd_per_million))


def _read_prices(path: Path) -> list[Price]:
    try:
        table = json.loads(path.read_text(encoding="utf-8-sig"), parse_float=Decimal)
        source = f"{table['source']}, {_day(table['date'])}"
        return [_price(row, source) for row in table["prices"]]
    except OSError as error:
        raise UserError("cost.unreadable_prices", path=str(path), reason=str(error.strerror)) from error
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise DataError(
            "cost.bad_prices", path=str(path), reason=f"{type(error).__name__}: {error}"
        ) from error


def _price(row: dict[str, Any], source: str) -> Price:
    valid_to = row.get("valid_to")
    price = Price(
        model=_name(row["model"]).removeprefix("models/"),
        tier=_name(row["tier"]),
        input=_amount(row["input"]),
        output=_amount(row["output"]),
        cached=_amount(row["cached"]),
        valid_from=_day(row["valid_from"]),
        valid_to=None if valid_to is None else _day(valid_to),
        source=row.get("source", source),
    )
    if price.valid_to is not None and price.valid_to < price.valid_from:
        raise ValueError(f"{price.model}: valid_to lies before valid_from")
    return price


def _name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"not a name: {value!r}")
    return value


def _amount(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value < 1_000_000:
        raise ValueError(f"not a price: {value!r}")
    return float(value)


def _day(value: str) -> str:
    return date.fromisoformat(value).isoformat()
