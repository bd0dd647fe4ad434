"""The checks together: by mode and type of question, on answers as a teacher writes them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermagui.generation.checks import FEWEST_WORDS, MOST_WORDS, check_answer, similarity
from dermagui.records import Flag, FlagKind, MetadataMode

METADATA = {"diagnosis": ("melanoma",), "malignancy": ("malignant",), "age": ("54",), "sex": ("female",)}
PLAIN = (
    "The picture shows one spot near the middle with an irregular outline. Its colours are dark brown, black "
    "and blue-grey, and its edge is sharply set off from the skin around it."
)


def check(
    answer: str,
    *,
    question: str = "Describe what is seen.",
    question_type: str = "observational_overview",
    mode: MetadataMode = MetadataMode.HIDDEN,
    metadata: dict[str, tuple[str, ...]] | None = None,
    given: tuple[str, ...] = (),
    previous: tuple[str, ...] = (),
) -> list[tuple[FlagKind, str, str]]:
    flags = check_answer(
        answer,
        question,
        question_type=question_type,
        metadata=METADATA if metadata is None else metadata,
        mode=mode,
        given=given,
        previous_answers=previous,
    )
    assert all(isinstance(flag, Flag) and flag.evidence for flag in flags)
    return [(flag.kind, flag.evidence, flag.detail) for flag in flags]


def test_a_good_answer_has_no_flag() -> None:
    for mode in MetadataMode:
        assert check(PLAIN, mode=mode) == []


def test_a_leak_is_one_only_where_the_metadata_was_hidden() -> None:
    leaking = f"{PLAIN} As noted, the patient is 54 years old and the recorded diagnosis is melanoma."
    assert check(leaking) == [
        (FlagKind.LEAK, "melanoma", "diagnosis"),
        (FlagKind.LEAK, "54 years old", "age"),
        (FlagKind.LEAK, "recorded diagnosis", "phrase"),
    ]
    assert check(leaking, mode=MetadataMode.GIVEN) == check(leaking, mode=MetadataMode.NONE) == []


@pytest.mark.parametrize(
    ("question_type", "kinds"),
    [
        ("diagnosis", []),
        ("differential_diagnosis", []),
        ("Ask for Diagnosis", []),
        ("observational_overview", ["diagnosis"]),
        ("patient_explanation", ["diagnosis"]),
        ("next_steps", ["diagnosis"]),
    ],
)
def test_the_diagnosis_is_a_leak_unless_it_was_asked_for(question_type: str, kinds: list[str]) -> None:
    found = check(f"{PLAIN} This fits a melanoma.", question_type=question_type)
    assert [detail for _, _, detail in found] == kinds


@pytest.mark.parametrize("question_type", ["diagnosis", "observational_overview"])
def test_age_and_sex_are_always_a_leak(question_type: str) -> None:
    found = check(f"{PLAIN} The woman is 54 years old.", question_type=question_type)
    assert {detail for _, _, detail in found} == {"age", "sex"}


def test_what_the_question_tells_is_no_leak() -> None:
    answer = f"{PLAIN} In someone aged 54, this deserves attention."
    assert check(answer, question="The person is aged 54. Comment.") == []
    assert check(f"{PLAIN} A 54-year-old may have this.", question="Aged 54.", given=("age",)) == []
    assert check(f"{PLAIN} A 54-year-old woman.", given=("age",)) == [(FlagKind.LEAK, "woman", "sex")]


def test_a_creative_question_is_checked_like_its_answer() -> None:
    question = "Why is this 54-year-old at risk?"
    assert check(PLAIN, question=question, question_type="creative") == [
        (FlagKind.LEAK, "54-year-old", "age")
    ]
    named = f"{PLAIN} It is a melanoma."
    assert check(named, question="Which colours are seen?", question_type="creative") == [
        (FlagKind.LEAK, "melanoma", "diagnosis")
    ]
    assert check(named, question="Which condition could this be?", question_type="creative") == []


@pytest.mark.parametrize(
    "refusal",
    [
        "I'm sorry, but I can't help with the interpretation of medical images.",
        "I’m sorry, I am unable to analyse this.",
        "I cannot provide an assessment of this image. Please consult a qualified doctor.",
        "As an AI language model, I have no opinion on skin.",
        "I am not able to give medical advice on this.",
        "I must decline this request for reasons of policy.",
        "I cannot view the image that you have sent to me.",
    ],
)
def test_refusals(refusal: str) -> None:
    found = check(f"{refusal} Please understand that this is how it is.")
    assert {kind for kind, _, _ in found} == {FlagKind.REFUSAL}
    assert all(evidence in refusal for _, evidence, _ in found)


@pytest.mark.parametrize(
    "honest",
    [
        "The size cannot be judged, since the picture holds no scale.",
        "I cannot tell from the picture whether the surface is rough.",
        "A picture cannot provide a diagnosis; only an examination can.",
        "The skin looks sorry for itself, as an airy pattern.",
        "It is not possible to determine depth.",
    ],
)
def test_honest_limits_are_no_refusal(honest: str) -> None:
    assert check(f"{PLAIN} {honest}") == []


def test_a_contradiction_is_found_in_every_mode() -> None:
    wrong = f"{PLAIN} The diagnosis is naevus, a benign lesion."
    for mode in MetadataMode:
        assert (FlagKind.CONTRADICTION, "naevus", "malignant") in check(wrong, mode=mode)
    assert check(wrong, metadata={}) == []


@pytest.mark.parametrize(
    ("words", "details"),
    [
        (1, ["too_short"]),
        (FEWEST_WORDS - 1, ["too_short"]),
        (FEWEST_WORDS, []),
        (MOST_WORDS, []),
        (MOST_WORDS + 1, ["too_long"]),
    ],
)
def test_length(words: int, details: list[str]) -> None:
    found = check("brown " * words)
    assert [(kind, detail) for kind, _, detail in found] == [(FlagKind.LENGTH, detail) for detail in details]
    assert all(evidence == f"{words} words" for _, evidence, _ in found)


def test_a_short_text_in_a_script_without_spaces_is_not_too_short() -> None:
    assert check("中央に不整形の黒褐色斑を認め、辺縁は明瞭である。") == []


def test_near_duplicates_within_an_image() -> None:
    exact = check(PLAIN, previous=("Something else entirely.", PLAIN.upper().replace(",", " ;")))
    assert [(kind, detail) for kind, _, detail in exact] == [(FlagKind.DUPLICATE, "similarity 1.00")]
    changed = PLAIN.replace("dark brown, black", "light brown, red").replace("middle", "left edge")
    (found,) = check(PLAIN, previous=(changed,))
    assert found[0] is FlagKind.DUPLICATE
    assert found[1] in PLAIN
    assert found[1] in changed
    assert len(found[1].split()) > 8
    other = (
        "One sees colours from brown to blue. The outline is uneven, and the border stands out from the skin."
    )
    assert check(PLAIN, previous=(other,)) == []


@given(st.lists(st.sampled_from("abcde"), max_size=12), st.lists(st.sampled_from("abcde"), max_size=12))
def test_similarity_is_the_f_measure_of_the_longest_common_subsequence(
    one: list[str], other: list[str]
) -> None:
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    total = len(one) + len(other)
    expected = 2 * table[-1][-1] / total if total else 1.0
    assert similarity(" ".join(one), " ".join(other)) == pytest.approx(expected)


def test_each_finding_is_flagged_once() -> None:
    found = check(f"{PLAIN} A woman, the Woman, a woman; her and her.")
    assert [evidence for _, evidence, _ in found] == ["woman", "her"]


@given(st.text(max_size=200), st.text(max_size=60), st.integers())
def test_no_text_breaks_the_checks(answer: str, question: str, seed: int) -> None:
    dice = random.Random(seed)
    for kind, evidence, _ in check(
        answer,
        question=question,
        question_type=dice.choice(["creative", "diagnosis", "next_steps"]),
        mode=dice.choice(list(MetadataMode)),
        previous=(answer, question),
    ):
        assert kind in FlagKind
        assert evidence
