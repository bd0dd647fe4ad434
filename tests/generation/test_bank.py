"""Banks are read strictly, and questions are drawn by image, by weight, and only if they can be asked."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermagui.errors import DataError, DermaError, UserError
from dermagui.generation.bank import (
    asks_for_diagnosis,
    bank_sha256,
    choose_questions,
    eligible_questions,
    fill,
    import_bank,
    is_creative,
    load_bank,
    placeholders,
)
from dermagui.generation.checks import similarity
from dermagui.paths import resources
from dermagui.records import Bank, PairKind, Question

SHIPPED = resources() / "banks" / "general-en.json"
FIELDS = {"age": "54", "sex": "female", "body_site": "back", "symptoms": "itching"}


def question(key: str, *variations: str, weight: float = 1, modalities: tuple[str, ...] = ()) -> Question:
    return Question(key, key, PairKind.OPEN, weight, variations, modalities)


def bank(*questions: Question) -> Bank:
    return Bank("test", "1", "en", "CC0", questions, "")


def raw_bank() -> dict[str, Any]:
    raw = {"key": "look", "type": "overview", "kind": "open", "weight": 1, "modalities": []}
    return {
        "name": "mine",
        "version": "1",
        "language": "en",
        "licence": "CC0",
        "questions": [
            raw | {"variations": ["What is seen?", "Describe it."]},
            raw | {"key": "place", "weight": 2.5, "variations": ["It lies here: {body_site}. Comment."]},
        ],
    }


def written(folder: Path, raw: object) -> Path:
    path = folder / "bank.json"
    path.write_text(json.dumps(raw), encoding="utf-8")
    return path


# --- the bank that ships


def test_shipped_bank_has_six_general_types_with_twenty_variations_each() -> None:
    shipped = load_bank(SHIPPED)
    general = {q.type: len(q.variations) for q in shipped.questions[:6]}
    assert general == dict.fromkeys(
        (
            "observational_overview",
            "diagnosis",
            "differential_diagnosis",
            "patient_explanation",
            "next_steps",
            "creative",
        ),
        20,
    )
    assert not any(placeholders(text) for q in shipped.questions[:6] for text in q.variations)
    assert shipped.licence == "CC BY 4.0"
    assert [q.type for q in shipped.questions if is_creative(q.type)] == ["creative"]


def test_shipped_variations_are_no_near_duplicates() -> None:
    texts = [text for q in load_bank(SHIPPED).questions for text in q.variations]
    assert len(texts) >= 150
    closest = max(combinations(texts, 2), key=lambda pair: similarity(*pair))
    assert similarity(*closest) < 0.6, closest


def test_shipped_variations_are_sentences() -> None:
    for q in load_bank(SHIPPED).questions:
        for text in q.variations:
            assert text[0].isupper(), text
            assert text[-1] in ".?", text
            assert "  " not in text


def test_shipped_questions_with_placeholders_need_their_fields() -> None:
    shipped = load_bank(SHIPPED)
    without = {q.key for q, _ in eligible_questions(shipped, {}, "clinical")}
    full = {q.key for q, _ in eligible_questions(shipped, FIELDS, "dermoscopy")}
    assert without == {"overview", "diagnosis", "differential", "explanation", "next_steps", "creative"}
    assert full - without == {
        "anatomical_context",
        "clinical_correlation",
        "personal_background",
        "dermoscopic_structures",
    }


# --- reading


def test_a_bank_is_read_as_it_is_written(tmp_path: Path) -> None:
    read = load_bank(written(tmp_path, raw_bank()))
    assert (read.name, read.version, read.language, read.licence) == ("mine", "1", "en", "CC0")
    assert [q.weight for q in read.questions] == [1.0, 2.5]
    assert read.questions[1].variations == ("It lies here: {body_site}. Comment.",)
    assert read.sha256 == bank_sha256(read)


def test_the_hash_is_of_the_content_not_of_the_layout(tmp_path: Path) -> None:
    raw = raw_bank()
    first = load_bank(written(tmp_path, raw))
    path = tmp_path / "other.json"
    path.write_text(json.dumps(dict(reversed(raw.items())), indent=7), encoding="utf-8-sig")
    assert load_bank(path) == first
    raw["questions"][0]["variations"][1] += " Please."
    assert load_bank(written(tmp_path, raw)).sha256 != first.sha256


def broken(path: str, value: object) -> dict[str, Any]:
    raw: Any = raw_bank()
    *outer, last = path.split(".")
    place = raw
    for step in outer:
        place = place[int(step) if step.isdecimal() else step]
    if value is ...:
        del place[last]
    else:
        place[int(last) if last.isdecimal() else last] = value
    return raw  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("name", "  ", "bank.empty_text"),
        ("version", 1, "bank.wrong_type"),
        ("licence", ..., "bank.missing_key"),
        ("author", "me", "bank.unknown_key"),
        ("questions", [], "bank.empty"),
        ("questions", {}, "bank.wrong_type"),
        ("questions.0", "text", "bank.wrong_type"),
        ("questions.0.weight", 0, "bank.bad_weight"),
        ("questions.0.weight", -1, "bank.bad_weight"),
        ("questions.0.weight", True, "bank.bad_weight"),
        ("questions.0.weight", "1", "bank.bad_weight"),
        ("questions.0.weight", float("nan"), "bank.bad_weight"),
        ("questions.0.weight", float("inf"), "bank.bad_weight"),
        ("questions.0.kind", "essay", "bank.bad_kind"),
        ("questions.0.kind", [], "bank.bad_kind"),
        ("questions.0.type", ..., "bank.missing_key"),
        ("questions.0.wieght", 2, "bank.unknown_key"),
        ("questions.0.variations", [], "bank.no_variations"),
        ("questions.0.variations.0", "", "bank.empty_text"),
        ("questions.0.variations.0", " ? ", "bank.empty_text"),
        ("questions.0.variations.0", None, "bank.wrong_type"),
        ("questions.0.variations.1", "what  IS seen?", "bank.duplicate_variation"),
        ("questions.1.variations.0", "Describe it.", "bank.duplicate_variation"),
        ("questions.1.key", "look", "bank.duplicate_key"),
        ("questions.1.variations.0", "Aged {Age}?", "bank.bad_placeholder"),
        ("questions.1.variations.0", "Aged {age?", "bank.bad_placeholder"),
        ("questions.1.variations.0", "Aged {}?", "bank.bad_placeholder"),
        ("questions.1.variations.0", "Aged {{age}}?", "bank.bad_placeholder"),
        ("questions.1.variations.0", "Aged {age!r}?", "bank.bad_placeholder"),
        ("questions.1.variations.0", "Who is {patient}?", "bank.unknown_placeholder"),
        ("questions.1.modalities", "clinical", "bank.wrong_type"),
    ],
)
def test_every_fault_of_a_bank_has_its_code(tmp_path: Path, path: str, value: object, code: str) -> None:
    with pytest.raises(DataError) as caught:
        load_bank(written(tmp_path, broken(path, value)))
    assert caught.value.code == code
    json.dumps(caught.value.values)


@pytest.mark.parametrize("content", [b"", b"[1, 2", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bank.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_bank(path)
    assert caught.value.code == "bank.not_json"


def test_a_bank_that_is_not_there_can_be_mended(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_bank(tmp_path / "none.json")
    assert caught.value.code == "bank.unreadable"


# --- drawing


@given(st.integers(), st.text(max_size=20), st.integers(min_value=0, max_value=200))
def test_no_variation_twice_and_no_question_twice_while_others_remain(
    seed: int, key: str, count: int
) -> None:
    shipped = load_bank_once()
    drawn = choose_questions(shipped, key, FIELDS, "clinical", count, seed)
    eligible = eligible_questions(shipped, FIELDS, "clinical")
    assert len(drawn) == min(count, sum(len(variations) for _, variations in eligible))
    assert len({(c.question.key, c.variation) for c in drawn}) == len(drawn)
    times = Counter(c.question.key for c in drawn)
    for q, variations in eligible:
        assert times[q.key] >= min(len(variations), max(times.values(), default=0) - 1)


def test_the_draw_does_not_depend_on_the_order_of_images_or_of_the_bank() -> None:
    shipped = load_bank_once()
    keys = [f"image {n}" for n in range(40)]
    forwards = {key: choose_questions(shipped, key, FIELDS, None, 3, 7) for key in keys}
    random.Random(1).shuffle(keys)
    turned = replace(shipped, questions=tuple(reversed(shipped.questions)))
    assert {key: choose_questions(turned, key, FIELDS, None, 3, 7) for key in keys} == forwards
    assert any(choose_questions(shipped, key, FIELDS, None, 3, 8) != forwards[key] for key in keys)
    assert len(set(forwards.values())) > 30


def test_a_longer_draw_begins_with_the_shorter_one() -> None:
    shipped = load_bank_once()
    for n in range(20):
        whole = choose_questions(shipped, f"{n}", FIELDS, None, 12, 0)
        assert choose_questions(shipped, f"{n}", FIELDS, None, 5, 0) == whole[:5]


def test_weights_decide_how_often_a_question_is_drawn() -> None:
    three = bank(
        question("often", "A?", weight=6), question("seldom", "B?", weight=2), question("rare", "C?")
    )
    first = Counter(
        choose_questions(three, f"image {n}", {}, None, 1, 0)[0].question.key for n in range(4500)
    )
    assert first["often"] / 4500 == pytest.approx(6 / 9, abs=0.03)
    assert first["seldom"] / 4500 == pytest.approx(2 / 9, abs=0.03)
    assert first["rare"] / 4500 == pytest.approx(1 / 9, abs=0.03)


def test_every_variation_has_the_same_chance() -> None:
    one = bank(question("q", *(f"Variation {n}?" for n in range(10))))
    drawn = Counter(choose_questions(one, f"image {n}", {}, None, 1, 0)[0].variation for n in range(3000))
    assert len(drawn) == 10
    assert all(240 < times < 360 for times in drawn.values())


@pytest.mark.parametrize("value", ["", " ", "nan", "NaN", "None", "null", "N/A", "unknown", "()", "-"])
def test_a_question_about_a_missing_value_is_not_asked(value: str) -> None:
    asking = bank(question("age", "Aged {age}, what now?"), question("plain", "What now?"))
    drawn = choose_questions(asking, "image", {"age": value}, None, 5, 0)
    assert [c.text for c in drawn] == ["What now?"]


def test_zero_is_a_value() -> None:
    asking = bank(question("age", "Aged {age}?"))
    assert [c.text for c in choose_questions(asking, "image", {"age": "0"}, None, 1, 0)] == ["Aged 0?"]


@given(st.dictionaries(st.sampled_from([*FIELDS, "patient", "duration"]), st.text(max_size=30)))
def test_no_drawn_text_has_a_hole(fields: dict[str, str]) -> None:
    for chosen in choose_questions(load_bank_once(), "image", fields, None, 200, 0):
        assert not {"{", "}"} & set(chosen.question.variations[chosen.variation]) - set("{}")
        assert placeholders(chosen.question.variations[chosen.variation]) <= set(fields)
        assert "\n" not in chosen.text
        assert "<" not in chosen.text


def test_modality_restricts_a_question() -> None:
    two = bank(question("any", "A?"), question("skin", "B?", modalities=("dermoscopy",)))
    keys = {m: {q.key for q, _ in eligible_questions(two, {}, m)} for m in ("dermoscopy", "clinical", None)}
    assert keys == {"dermoscopy": {"any", "skin"}, "clinical": {"any"}, None: {"any"}}


def test_nothing_is_drawn_from_nothing() -> None:
    assert choose_questions(bank(question("age", "Aged {age}?")), "image", {}, None, 3, 0) == ()
    assert choose_questions(bank(question("q", "A?")), "image", {}, None, 0, 0) == ()


def test_a_value_is_filled_in_once_and_without_markup() -> None:
    assert fill("Site {body_site}.", {"body_site": "back\n</question><b>{age}"}) == "Site back {age}."
    with pytest.raises(DataError) as caught:
        fill("Aged {age}.", {"age": "nan"})
    assert caught.value.code == "bank.missing_value"


# --- types


@pytest.mark.parametrize(
    ("name", "asks"),
    [
        ("Ask for Diagnosis", True),
        ("Differential Diagnosis 2", True),
        ("diagnosis", True),
        ("Identify the Lesion2", True),
        ("Next Steps", False),
        ("observational_overview", False),
        ("Patient-Centered Explanation", False),
    ],
)
def test_types_that_ask_for_a_diagnosis(name: str, asks: bool) -> None:
    assert asks_for_diagnosis(name) is asks


def test_types_whose_question_the_teacher_writes() -> None:
    assert is_creative("Creativity")
    assert is_creative("creative")
    assert not is_creative("diagnosis")


# --- the foreign shape


def test_import_folds_repeated_types_into_a_weight_and_drops_duplicates(tmp_path: Path) -> None:
    raw = {
        "general": [
            {"question_type": "Creativity", "variations": ["Invent one.", "invent  one."]},
            {
                "question_type": "Clinical Correlation",
                "variations": ["Itching {symptoms}?", "Site {body_parts}?"],
            },
            {
                "question_type": "Clinical Correlation 2",
                "variations": ["Itching {symptoms}?", "Aged {age_approx}?"],
            },
        ],
        "copy": [{"question_type": "Creativity", "variations": ["Invent one."]}],
    }
    imported = import_bank(written(tmp_path, raw), "theirs", "unknown")
    assert [(q.key, q.weight, q.variations) for q in imported.questions] == [
        ("general.creativity", 1.0, ("Invent one.",)),
        ("general.clinical_correlation", 2.0, ("Itching {symptoms}?", "Site {body_site}?", "Aged {age}?")),
    ]
    assert is_creative(imported.questions[0].type)
    assert (imported.name, imported.licence) == ("theirs", "unknown")
    assert [q.key for q in import_bank(written(tmp_path, raw), "t", "u", ("copy",)).questions] == [
        "copy.creativity"
    ]


@pytest.mark.parametrize(
    ("raw", "sections", "code"),
    [
        ([], (), "bank.wrong_type"),
        ({}, (), "bank.empty"),
        ({"a": [{"question_type": "T"}]}, (), "bank.missing_key"),
        ({"a": [{"question_type": "T", "variations": ["{name}?"]}]}, (), "bank.unknown_placeholder"),
        ({"a": []}, ("b",), "bank.unknown_section"),
    ],
)
def test_faults_of_the_foreign_shape(
    tmp_path: Path, raw: object, sections: tuple[str, ...], code: str
) -> None:
    with pytest.raises(DermaError) as caught:
        import_bank(written(tmp_path, raw), "theirs", "unknown", sections)
    assert caught.value.code == code


def load_bank_once(cache: list[Bank] = []) -> Bank:  # noqa: B006
    if not cache:
        cache.append(load_bank(SHIPPED))
    return cache[0]
