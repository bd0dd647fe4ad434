"""The card: its front matter, its numbers, and names that try to break it."""

from __future__ import annotations

from typing import Any

import pytest

from dermagui.datasets.card import dataset_card
from dermagui.datasets.manifest import DatasetFacts, Generator, Tally, build_manifest
from dermagui.datasets.splits import Leak
from dermagui.records import ExportFormat, Source, Split
from tests.datasets.golden_rows import ROWS, carried

HOSTILE = 'Clinic | "A"\n---\n# <script>alert(1)</script> `x` $name: yes'


def card(export_format: ExportFormat = ExportFormat.MESSAGES, **changed: Any) -> str:  # noqa: ANN401
    tally = Tally()
    for row in carried(export_format):
        tally.add(row)
    told = {
        "name": "Naevi",
        "format": export_format,
        "created": "2026-05-01T10:00:00.000Z",
        "app_version": "0.1.0",
        "seed": 7,
        "ratios": (0.8, 0.1, 0.1),
        "tally": tally,
        "sources": [Source(1, "Atlas", "", "CC BY-NC 4.0", "A. Author")],
    }
    files = [
        {"path": "train.jsonl", "split": "train"},
        {"path": "test.jsonl", "split": "test"},
        {"path": "a.jpg"},
    ]
    return dataset_card(build_manifest(DatasetFacts(**{**told, **changed}), files))


def front_matter(text: str) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    start, front, _ = text.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(front)  # type: ignore[no-any-return]


def test_the_hub_understands_the_front_matter() -> None:
    front = front_matter(card())
    assert front["license"] == "cc-by-nc-4.0"
    assert front["size_categories"] == ["n<1K"]
    assert front["configs"][0]["data_files"] == [
        {"split": "train", "path": "train.jsonl"},
        {"split": "test", "path": "test.jsonl"},
    ]


def test_the_card_tells_what_it_is_and_is_not() -> None:
    text = card(
        generators=[Generator("gemini", "gemini-3-flash", "2026-04-01", "paid", "No competing models.")]
    )
    assert text.count("Research use only. Not a medical device. Do not use for diagnosis.") == 2
    assert f"A person read {len(ROWS)} of the {len(ROWS)} pairs" in text
    assert "| gemini | gemini-3-flash | 2026-04-01 | paid | No competing models. |" in text
    assert "| Atlas | CC BY-NC 4.0 | A. Author |" in text
    assert "**CC BY-NC** (Atlas)" in text
    assert "| train | 80.0% | 10 |" in text
    assert "| choice | 3 |" in text
    assert "look alike lie in several splits" not in text


def test_near_duplicates_are_told() -> None:
    text = card(leaks=[Leak("cluster", "cluster:k", (Split.TRAIN, Split.TEST), ("a", "b"))])
    assert "**1 groups of pictures that look alike lie in several splits**" in text


def test_names_cannot_break_the_card() -> None:
    text = card(name=HOSTILE, sources=[Source(1, HOSTILE, "", HOSTILE, HOSTILE)])
    front = front_matter(text)
    assert front["pretty_name"] == HOSTILE
    assert front["license"] == "other"
    body = text.split("---\n\n", 1)[1]
    assert "<script>" not in body
    [line] = [line for line in body.splitlines() if line.startswith("| Clinic")]
    assert line.replace("\\|", "").count("|") == 4
    assert len([line for line in body.splitlines() if line.startswith("# ")]) == 1


def test_nothing_of_the_template_is_left_open() -> None:
    for export_format in ExportFormat:
        assert "$" not in card(export_format)


def test_text_alone_is_no_visual_task() -> None:
    tally = Tally()
    tally.add(ROWS[0])
    front = front_matter(card(tally=tally, sources=[]))
    assert front["task_categories"] == ["question-answering"]
