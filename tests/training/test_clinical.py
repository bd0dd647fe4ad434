"""The clinical gate: what counts as a case, what its figures are, and when a model is not ready."""

from __future__ import annotations

from typing import Any

import pytest

from dermagui.chat.bundle import About
from dermagui.training import clinical
from dermagui.training.clinical import Case, Given, Rate


def line(image: str, diagnosis: str = "", malignancy: str = "") -> dict[str, Any]:
    return {"images": [image], "diagnosis": diagnosis, "malignancy": malignancy}


def cases_of(malignant: int, benign: int) -> list[Case]:
    first = [Case(f"m{n}", "melanoma", True) for n in range(malignant)]
    return first + [Case(f"b{n}", "nevus", False) for n in range(benign)]


def given_of(cases: list[Case], missed: int) -> list[Given]:
    """Right answers, but for so many of the malignant ones."""
    wrong = [case.image for case in cases if case.malignant][:missed]
    return [Given("nevus" if case.image in wrong else case.label, True) for case in cases]


def test_an_interval_is_that_of_the_tables() -> None:
    # 81 of 263: R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    found = clinical.wilson(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    none = clinical.wilson(0, 20)
    assert none.low == 0
    assert round(none.high, 4) == 0.1611
    assert clinical.wilson(29, 29).high == 1
    assert clinical.wilson(0, 0) == Rate(0.0, 0.0, 1.0, 0)


def test_balanced_accuracy_weighs_labels_alike() -> None:
    found = clinical.bootstrap({"nevus": [True] * 90, "melanoma": [False] * 5 + [True] * 5})
    assert found.value == pytest.approx(0.75)
    assert found.n == 100
    assert 0.55 < found.low < 0.7 < 0.8 < found.high < 0.95
    assert found == clinical.bootstrap({"nevus": [True] * 90, "melanoma": [False] * 5 + [True] * 5})


def test_what_a_file_or_person_said_decides_the_side() -> None:
    assert clinical.side_of(line("a", malignancy="Malignant", diagnosis="nevus")) == "malignant"
    assert clinical.side_of(line("a", malignancy="indeterminate", diagnosis="melanoma")) == ""
    assert clinical.side_of(line("a", diagnosis="skin tumour > nodular melanoma")) == "malignant"
    assert clinical.side_of(line("a", diagnosis="nevus")) == "benign"
    assert clinical.side_of(line("a", diagnosis="actinic keratosis")) == ""
    assert clinical.side_of({"images": ["a"]}) == ""


def test_a_picture_is_one_case_however_many_pairs_it_has() -> None:
    lines = [line("a", "melanoma"), line("a", "melanoma"), line("b", "nevus"), line("c", "")]
    assert clinical.choose_cases(lines) == [Case("a", "melanoma", True), Case("b", "nevus", False)]
    # One without a diagnosis: then the sides are what can be asked for of all.
    mixed = clinical.choose_cases([*lines, line("d", malignancy="benign")])
    assert [case.label for case in mixed] == ["malignant", "benign", "benign"]
    two = {"images": ["a", "b"], "malignancy": "benign"}
    assert clinical.choose_cases([two]) == []


def test_many_cases_are_taken_evenly() -> None:
    lines = [line(f"{n}", "melanoma" if n % 5 == 0 else "nevus") for n in range(1000)]
    chosen = clinical.choose_cases(lines)
    assert len(chosen) == clinical.MOST_CASES
    assert int(chosen[-1].image) > 900


def test_a_model_that_misses_melanomas_is_not_ready_however_right_it_is() -> None:
    cases = cases_of(20, 80)
    base = given_of(cases, missed=4)
    # Of the benign ones the base gets half wrong: the tuned model is far better by accuracy.
    base = base[:20] + [Given("melanoma" if n % 2 else "nevus", True) for n in range(80)]
    verdict = clinical.judge(cases, base, given_of(cases, missed=9))
    assert verdict.base is not None
    assert verdict.tuned is not None
    assert verdict.tuned.accuracy.value > verdict.base.accuracy.value
    assert verdict.state == "fell"
    assert not verdict.passed
    assert not About(gates={"clinical": verdict.told()}).ready
    within = clinical.judge(cases, base, given_of(cases, missed=8))
    assert within.passed
    assert About(gates={"clinical": within.told()}).ready


def test_few_malignant_pictures_and_none_tell_nothing() -> None:
    cases = cases_of(9, 40)
    right = given_of(cases, missed=0)
    assert clinical.judge(cases, right, right).state == "few"
    benign = cases_of(0, 40)
    told = clinical.judge(benign, given_of(benign, 0), given_of(benign, 0)).told()
    assert told["state"] == "few"
    assert not About(gates={"clinical": clinical.untested().told()}).ready
    assert not About().ready


def test_another_malignant_label_is_no_miss_but_no_hit() -> None:
    cases = [Case(f"{n}", "melanoma", True) for n in range(10)] + [Case("x", "basal cell carcinoma", True)]
    figures = clinical.figures_of(cases, [Given("basal cell carcinoma", n < 3) for n in range(11)])
    assert figures.malignant_sensitivity.value == 1
    assert figures.accuracy.value == pytest.approx(1 / 11)
    assert figures.balanced_accuracy.value == 0.5
    assert figures.refusals.value == pytest.approx(8 / 11)


def judged(answers: dict[str, tuple[float, float]], malignant: int = 40, benign: int = 60) -> str:
    """The state for shares of pictures called malignant: of the malignant, of the benign, by side."""

    def given(share: float, count: int) -> list[Given]:
        return [Given("melanoma" if n < round(share * count) else "nevus", True) for n in range(count)]

    cases = cases_of(malignant, benign)
    base, tuned = (given(a, malignant) + given(b, benign) for a, b in (answers["base"], answers["tuned"]))
    return clinical.judge(cases, base, tuned).state


@pytest.mark.parametrize(
    ("base", "tuned", "state"),
    [
        # All malignant: nothing is missed, and nothing is known.
        ((0.9, 0.2), (1.0, 1.0), "one_class"),
        ((1.0, 1.0), (1.0, 1.0), "one_class"),
        ((0.5, 0.5), (0.5, 0.5), "one_class"),
        # Hardly apart, which chance would do as well.
        ((0.6, 0.6), (0.65, 0.6), "one_class"),
        # Finds as much as before, and calls far more that is benign malignant.
        ((0.95, 0.1), (0.95, 0.5), "worse"),
        ((0.95, 0.1), (0.95, 0.12), "passed"),
        ((1.0, 1.0), (0.95, 0.1), "passed"),
        ((0.9, 0.1), (0.5, 0.0), "fell"),
    ],
)
def test_a_model_that_calls_too_much_malignant_is_not_ready(
    base: tuple[float, float], tuned: tuple[float, float], state: str
) -> None:
    assert judged({"base": base, "tuned": tuned}) == state


def test_without_benign_pictures_nobody_knows_whether_sides_are_told_apart() -> None:
    cases = [Case(f"{n}", ("melanoma", "basal cell carcinoma")[n % 2], True) for n in range(40)]
    right = [Given(case.label, True) for case in cases]
    verdict = clinical.judge(cases, right, right)
    assert verdict.state == "one_class"
    assert not About(gates={"clinical": verdict.told()}).ready


def test_sides_that_are_told_apart_by_wrong_labels_are_not_enough() -> None:
    labels = [("melanoma", True), ("basal cell carcinoma", True), ("nevus", False), ("dermatofibroma", False)]
    cases = [Case(f"{label}{n}", label, malignant) for label, malignant in labels for n in range(10)]
    swapped = {labels[n][0]: labels[n ^ 1][0] for n in range(4)}
    given = [Given(swapped[case.label], True) for case in cases]
    assert clinical.least_apart(clinical.figures_of(cases, given)) > 0.6
    assert clinical.judge(cases, given, given).state == "one_class"


def test_the_interval_of_a_difference_is_that_of_the_tables() -> None:
    # 56 of 70 against 48 of 80, and 10 of 10 against 0 of 20: table II of Newcombe's second paper, method 10.
    for (a, m), (b, n), least in (((56, 70), (48, 80), 0.0524), ((10, 10), (0, 20), 0.6791)):
        cases = cases_of(m, n)
        said = [Given("melanoma" if k < a else "nevus", True) for k in range(m)]
        said += [Given("melanoma" if k < b else "nevus", True) for k in range(n)]
        assert clinical.least_apart(clinical.figures_of(cases, said)) == pytest.approx(least, abs=5e-5)
