"""The summary of the terms that a person accepts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dermagui.errors import DataError
from dermagui.generation.terms import load_terms
from dermagui.paths import resources

SHIPPED = resources() / "terms" / "gemini-2026-03-23.json"


def test_the_summary_says_what_must_be_said() -> None:
    terms = load_terms(SHIPPED)
    said = {point.id: point.text for point in terms.points}
    assert set(said) >= {
        *("unpaid_use", "europe_needs_paid", "no_clinical_use", "adults_only"),
        *("competing_models", "paid_retention"),
    }
    assert "people may read it" in said["unpaid_use"]
    assert "55 days" in said["paid_retention"]
    assert "18" in said["adults_only"]
    assert (terms.terms_date, terms.summary_date) == ("2026-03-23", "2026-11-21")
    assert terms.link == "ai.google.dev/gemini-api/terms"
    assert SHIPPED.stem.endswith(terms.terms_date)


def test_the_hash_is_of_the_content(tmp_path: Path) -> None:
    terms = load_terms(SHIPPED)
    raw = json.loads(SHIPPED.read_text(encoding="utf-8"))
    path = tmp_path / "terms.json"
    path.write_text(json.dumps(raw), encoding="utf-8")
    assert load_terms(path) == terms
    raw["points"][0]["text"] += " "
    path.write_text(json.dumps(raw), encoding="utf-8")
    assert load_terms(path).sha256 != terms.sha256


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"points": [{}]}', '{"points": []}'])
def test_what_is_no_summary_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "terms.json"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        load_terms(path)
    assert caught.value.code == "terms.unreadable"
