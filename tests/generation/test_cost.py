"""Money is exact, dated, and reserved before it can be spent."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermagui.errors import DataError, UserError
from dermagui.generation.cost import (
    IMAGE_TOKENS,
    OVERHEAD_TOKENS,
    cost_micro_usd,
    estimate,
    load_prices,
    price_for,
    reserve_micro_usd,
)
from dermagui.paths import resources
from dermagui.records import Price, Usage

SHIPPED = resources() / "prices" / "gemini.json"
LITE = Price("gemini-3.5-flash-lite", "standard", 0.30, 2.50, 0.03, "2026-10-07", None, "test")
TODAY = date(2026, 11, 21)


def price_of(model: str, tier: str = "standard", day: date = TODAY) -> Price:
    return price_for(load_prices([SHIPPED]), model, tier, day)


# --- the table that ships


@pytest.mark.parametrize(
    ("model", "tier", "day", "prices"),
    [
        ("gemini-3.5-flash-lite", "standard", TODAY, (0.30, 2.50)),
        ("gemini-3.5-flash-lite", "flex", TODAY, (0.15, 1.25)),
        ("models/gemini-3.8-flash", "standard", TODAY, (0.75, 3.75)),
        ("gemini-3.8-flash", "standard", date(2026, 12, 31), (0.75, 3.75)),
        ("gemini-3.8-flash", "standard", date(2027, 1, 1), (1.50, 7.50)),
        ("gemini-4-argon", "standard", date(2026, 11, 30), (2, 10)),
        ("gemini-4-argon", "flex", date(2026, 12, 1), (2, 10)),
        ("gemini-2.5-flash-lite", "standard", TODAY, (0.10, 0.40)),
        ("practice", "standard", date(2020, 1, 1), (0.30, 2.50)),
    ],
)
def test_shipped_prices_on_a_day(model: str, tier: str, day: date, prices: tuple[float, float]) -> None:
    found = price_of(model, tier, day)
    assert (found.input, found.output) == prices


@pytest.mark.parametrize(
    ("model", "tier", "day"),
    [
        ("gemini-9", "standard", TODAY),
        ("gemini-3.5-flash-lite", "priority", TODAY),
        ("gemini-2.5-flash", "standard", date(2026, 12, 1)),
        ("gemini-3.5-flash-lite", "standard", date(2020, 1, 1)),
    ],
)
def test_an_unknown_price_is_said_and_not_guessed(model: str, tier: str, day: date) -> None:
    with pytest.raises(UserError) as caught:
        price_of(model, tier, day)
    assert caught.value.code == "cost.unknown_price"
    assert caught.value.values == {"model": model, "tier": tier, "date": day.isoformat()}


def test_shipped_rows_are_whole() -> None:
    rows = load_prices([SHIPPED])
    for row in rows:
        assert {r.tier for r in rows if r.model == row.model} == {"standard", "flex"}
        assert 0 < row.cached < row.input < row.output
        assert row.source
    by_day = {
        (r.model, r.tier): sorted((x for x in rows if (x.model, x.tier) == (r.model, r.tier)), key=start)
        for r in rows
    }
    for same in by_day.values():
        for earlier, later in itertools.pairwise(same):
            assert earlier.valid_to is not None
            assert earlier.valid_to < later.valid_from
    assert "rehearsal" in price_of("practice").source
    assert price_of("gemini-3.8-flash").source == "ai.google.dev pricing page, 2026-11-21"


def start(price: Price) -> str:
    return price.valid_from


def test_shipped_flex_is_half_of_standard() -> None:
    rows = load_prices([SHIPPED])
    standard = {(r.model, r.valid_from): r for r in rows if r.tier == "standard"}
    for row in rows:
        if row.tier == "flex":
            whole = standard[row.model, row.valid_from]
            assert (row.input * 2, row.output * 2) == pytest.approx((whole.input, whole.output))


# --- the user's own table


def table(folder: Path, name: str, *rows: dict[str, Any], **head: Any) -> Path:  # noqa: ANN401
    path = folder / name
    path.write_text(json.dumps({"date": "2026-11-20", "source": "my invoice", "prices": rows} | head))
    return path


ROW = {"model": "m", "tier": "standard", "input": 1, "output": 2, "cached": 0.1, "valid_from": "2026-01-01"}


def test_the_users_row_replaces_the_shipped_one(tmp_path: Path) -> None:
    own = table(
        tmp_path,
        "own.json",
        ROW | {"model": "gemini-3.5-flash-lite", "valid_from": "2026-10-07", "input": 0.2},
        ROW | {"model": "models/my-model"},
    )
    prices = load_prices([SHIPPED, own])
    assert price_for(prices, "gemini-3.5-flash-lite", "standard", TODAY).input == 0.2
    assert price_for(prices, "gemini-3.5-flash-lite", "standard", TODAY).source == "my invoice, 2026-11-20"
    assert price_for(prices, "my-model", "standard", TODAY).output == 2
    assert len(prices) == len(load_prices([SHIPPED])) + 1


def test_of_overlapping_rows_the_latest_holds(tmp_path: Path) -> None:
    path = table(tmp_path, "p.json", ROW | {"valid_from": "2026-06-01", "input": 5}, ROW)
    assert price_for(load_prices([path]), "m", "standard", TODAY).input == 5
    assert price_for(load_prices([path]), "m", "standard", date(2026, 3, 1)).input == 1


@pytest.mark.parametrize(
    "change",
    [
        {"input": -1},
        {"input": "1"},
        {"input": True},
        {"input": None},
        {"output": 1e9},
        {"cached": float("nan")},
        {"valid_from": "soon"},
        {"valid_from": None},
        {"valid_to": "2025-01-01"},
        {"model": ""},
        {"tier": 5},
    ],
)
def test_a_broken_row_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(DataError) as caught:
        load_prices([table(tmp_path, "p.json", ROW | change)])
    assert caught.value.code == "cost.bad_prices"


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{}", '{"prices": []}', '{"source": 1, "date": 2, "prices": 3}'),
        *("[" * 100_000, '{"prices": 1e999999999999999999999}'),
    ],
    ids=lambda content: content[:20],
)
def test_a_broken_table_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        load_prices([path])
    assert caught.value.code == "cost.bad_prices"


def test_a_missing_table_can_be_mended(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_prices([tmp_path / "none.json"])
    assert caught.value.code == "cost.unreadable_prices"


# --- sums


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (Usage(), 0),
        (Usage(prompt=1520, answer=450), 1581),
        (Usage(prompt=1_000_000), 300_000),
        (Usage(answer=1), 3),
        (Usage(thoughts=1), 3),
        (Usage(answer=1, thoughts=1), 5),
        (Usage(prompt=5), 2),
        (Usage(prompt=1), 0),
        (Usage(prompt=100, cached=100), 3),
        (Usage(prompt=10, cached=50), 0),
        (Usage(prompt=1000, cached=400, answer=10), 217),
    ],
)
def test_cost_is_rounded_half_up(usage: Usage, expected: int) -> None:
    assert cost_micro_usd(usage, LITE) == expected


COUNTS = st.integers(0, 10_000_000)
PRICES = st.decimals(0, 100, places=4)


@given(COUNTS, COUNTS, COUNTS, COUNTS, PRICES, PRICES, PRICES)
def test_cost_equals_decimal_arithmetic(
    prompt: int, cached: int, answer: int, thoughts: int, into: Decimal, out: Decimal, cache: Decimal
) -> None:
    cached = min(cached, prompt)
    price = replace(LITE, input=float(into), output=float(out), cached=float(cache))
    exact = (prompt - cached) * into + cached * cache + (answer + thoughts) * out
    expected = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    assert cost_micro_usd(Usage(prompt, cached, answer, thoughts), price) == expected


@given(
    characters=st.integers(0, 50_000),
    images=st.integers(0, 4),
    limit=st.integers(1, 8192),
    share=st.floats(0, 1),
    cached=st.integers(0, 100_000),
    price=st.sampled_from(load_prices([SHIPPED])),
)
def test_what_is_reserved_is_never_exceeded(
    characters: int, images: int, limit: int, share: float, cached: int, price: Price
) -> None:
    prompt = characters // 3 + images * IMAGE_TOKENS + OVERHEAD_TOKENS
    thoughts = int(limit * share)
    usage = Usage(prompt, min(cached, prompt), limit - thoughts, thoughts)
    assert cost_micro_usd(usage, price) <= reserve_micro_usd(characters, images, limit, price)


def test_the_reserve_follows_the_tokens_of_an_image() -> None:
    assert reserve_micro_usd(0, 1, 100, LITE, image_tokens=0) < reserve_micro_usd(
        0, 1, 100, LITE, image_tokens=258
    )


@given(
    st.integers(0, 3000), st.integers(1, 4000), st.integers(1, 4096), st.sampled_from(load_prices([SHIPPED]))
)
def test_an_estimate_is_ordered_and_bounded(requests: int, characters: int, limit: int, price: Price) -> None:
    found = estimate(requests, requests * characters, requests, limit, price)
    assert 0 <= found.low_micro_usd <= found.expected_micro_usd <= found.high_micro_usd
    assert found.high_micro_usd <= requests * reserve_micro_usd(characters, 1, limit, price) + 1
    assert (found.requests == 0) == (found.high_micro_usd == 0)


def test_an_estimate_of_a_thousand_pairs_is_what_the_price_page_gives() -> None:
    found = estimate(1000, 1000 * (400 - OVERHEAD_TOKENS) * 4, 1000, 2048, LITE)
    assert found.prompt_tokens == 1000 * (IMAGE_TOKENS + 400)
    assert found.answer_tokens == 450_000
    assert found.expected_micro_usd == 1_581_000
