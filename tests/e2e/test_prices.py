"""What a run is counted at: the user's own prices first, the dearest known where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dermagui.texts import sentence
from tests.fakes import command_line as cl
from tests.fakes.referee import Referee

MODEL = "gemini-3.5-flash-lite"
PRICE = {"model": MODEL, "tier": "standard", "input": 7, "output": 31, "cached": 0.5}
OWN = PRICE | {"valid_from": "2026-01-01"}
"""Older than every row that ships."""
DEAREST = OWN | {"model": "the-dearest", "input": 70, "output": 900, "cached": 5}
BROKEN = {
    "empty": "",
    "text": "gemini: 7 dollars",
    "cut": json.dumps({"date": "2026-11-20", "source": "my invoice", "prices": [OWN]})[:-20],
    "negative": json.dumps({"date": "2026-11-20", "source": "my invoice", "prices": [OWN | {"input": -7}]}),
    "endless": '{"date": "2026-11-20", "source": "my invoice", "prices": [1e999999999999999999999]}',
    "deep": "[" * 100_000,
}


def write_prices(home: Path, *rows: dict[str, object]) -> None:
    """The user's own table, where ``dermagui settings`` says that it belongs."""
    (home / "config").mkdir(exist_ok=True)
    table = {"date": "2026-11-20", "source": "my invoice", "prices": rows}
    (home / "config" / "prices.json").write_text(json.dumps(table), encoding="utf-8")


def check_costs(project: Path, into: float, out: float) -> None:
    """Each answer cost so many micro-dollars for a token that went in, and so many for one that came out."""
    rows = cl.requests(project)
    assert rows
    for row in rows:
        usage = json.loads(row["response"])["usageMetadata"]
        answer = usage["candidatesTokenCount"] + usage["thoughtsTokenCount"]
        assert row["cost_micro_usd"] == round(usage["promptTokenCount"] * into + answer * out)


@pytest.mark.slow
def test_the_users_own_price_wins(tmp_path: Path, dermagui_home: Path) -> None:
    """Over rows that ship and began later: who has a contract pays what it says."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(2)))
    write_prices(dermagui_home, OWN, DEAREST)
    with Referee() as referee:
        done = cl.run(*cl.gemini(project, referee, "--questions", "1"))
    check_costs(project, 7, 31)
    assert "No price is known" not in done.err
    (run,) = cl.read(project, "SELECT price FROM runs")
    assert json.loads(run["price"]) == OWN | {"valid_to": None, "source": "my invoice, 2026-11-20"}


@pytest.mark.slow
def test_an_unknown_model_is_counted_at_the_dearest_price_known(tmp_path: Path, dermagui_home: Path) -> None:
    """And whoever pays is told so; a budget holds by that price."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(2)))
    write_prices(dermagui_home, DEAREST)
    with Referee() as referee:
        referee.models = ["gemini-unheard-of"]
        unknown = cl.gemini(project, referee, "--questions", "1", "--model", "gemini-unheard-of")
        cl.run(*unknown, "--budget", "0.5", code=4)
        assert referee.posts == []
        done = cl.run(*unknown)
    assert len(referee.posts) == 2
    check_costs(project, 70, 900)
    said = {"model": "gemini-unheard-of", "counted_as": "the-dearest"}
    assert sentence("cost.price_assumed", said) in done.err


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_damaged_table_of_prices_is_one_sentence(tmp_path: Path, dermagui_home: Path, content: str) -> None:
    """That names the file and what to do; nothing is sent at a price that was not meant."""
    project = tmp_path / "project"
    cl.run("new", project)
    write_prices(dermagui_home)
    table = dermagui_home / "config" / "prices.json"
    table.write_text(content, encoding="utf-8")
    with Referee() as referee:
        done = cl.run(*cl.gemini(project, referee), code=3)
        assert referee.posts == []
    (told,) = [line for line in done.err.splitlines() if line.startswith("dermagui: ")]
    assert str(table) in told
    assert told.endswith("mend it or delete it.")
    assert cl.read(project, "SELECT * FROM runs") == []
