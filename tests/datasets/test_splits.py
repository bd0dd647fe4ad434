"""Splits: shares, keys, groups that are never torn, and leaks that are found."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermagui.datasets.splits import (
    Leak,
    assign_splits,
    connected_groups,
    find_leaks,
    group_of,
    keys_of,
    parse_ratios,
    split_of,
)
from dermagui.errors import UserError
from dermagui.records import Split

RATIOS = (0.8, 0.1, 0.1)


@pytest.mark.parametrize(
    ("text", "ratios"),
    [
        ("80/10/10", (0.8, 0.1, 0.1)),
        (" 70 / 30 / 0 ", (0.7, 0.3, 0)),
        ("0.6/0.2/0.2", (0.6, 0.2, 0.2)),
        ("33.3/33.3/33.4", (0.333, 0.333, 0.334)),
        ("0/0/100", (0, 0, 1)),
    ],
)
def test_ratios(text: str, ratios: tuple[float, float, float]) -> None:
    assert parse_ratios(text) == pytest.approx(ratios)


@pytest.mark.parametrize(
    "text", ["", "80/20", "80/10/10/0", "a/b/c", "80/-10/30", "nan/50/50", "inf/0/0", "80 10 10"]
)
def test_ratios_that_are_none(text: str) -> None:
    with pytest.raises(UserError, match=r"split\.malformed"):
        parse_ratios(text)


@pytest.mark.parametrize("text", ["80/20/20", "0/0/0", "1/1/1", "8/1/1"])
def test_ratios_that_do_not_add_up(text: str) -> None:
    with pytest.raises(UserError, match=r"split\.sum"):
        parse_ratios(text)


def test_splits_keep_their_shares() -> None:
    counts = Counter(split_of(7, f"patient:{n}", RATIOS) for n in range(20_000))
    assert counts[Split.TRAIN] == pytest.approx(16_000, abs=300)
    assert counts[Split.VALIDATION] == pytest.approx(2_000, abs=200)


def test_splits_are_those_of_every_other_computer() -> None:
    """Known answers: were they to change, two people's datasets of one project would no longer agree."""
    found = "".join(split_of(42, f"patient:{n}", RATIOS).value[:2] + " " for n in range(12))
    assert found == "tr tr tr va tr va va tr tr tr tr tr "


def test_another_seed_is_another_split() -> None:
    ids = [f"patient:{n}" for n in range(200)]
    assert [split_of(1, id_, RATIOS) for id_ in ids] != [split_of(2, id_, RATIOS) for id_ in ids]


@given(
    st.integers(),
    st.text(),
    st.sampled_from([(1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0), (0.5, 0.5, 0), (0, 0.3, 0.7)]),
)
def test_a_share_of_nothing_gets_nothing(seed: int, group: str, ratios: tuple[float, float, float]) -> None:
    assert ratios[list(Split).index(split_of(seed, group, ratios))] > 0


@given(st.text(min_size=1), st.floats(0.1, 0.8), st.floats(0, 0.1))
def test_more_training_takes_nobody_out_of_training(group: str, share: float, more: float) -> None:
    if split_of(1, group, (share, 1 - share, 0)) is Split.TRAIN:
        assert split_of(1, group, (share + more, 1 - share - more, 0)) is Split.TRAIN


def test_a_group_is_named_by_the_strongest_bond() -> None:
    assert group_of("7", "L", "c", "p") == "patient:7"
    assert group_of("", "L", "c", "p") == "lesion:L"
    assert group_of(None, None, "c", "p") == "cluster:c"
    assert group_of(None, None, None, "p") == "image:p"


def test_groups_join_what_belongs_together() -> None:
    groups = connected_groups(
        {
            "a": keys_of("P1", "L1", None, "x"),
            "b": keys_of("P1", "L2", None, "y"),
            "c": keys_of(None, "L2", None, "z"),
            "same pixels as c": keys_of(None, None, None, "z"),
            "another patient's copy of y": keys_of("P0", None, None, "y"),
            "alone": keys_of("P3", None, "k", "w"),
            "looks like alone": keys_of(None, None, "k", "v"),
            "text only": (),
        }
    )
    assert groups == {
        **dict.fromkeys(["a", "b", "c", "same pixels as c", "another patient's copy of y"], "patient:P0"),
        "alone": "patient:P3",
        "looks like alone": "cluster:k",
        "text only": "row:text only",
    }


def test_a_pair_about_two_patients_binds_them() -> None:
    one, two = keys_of("P1", None, None, "x"), keys_of("P2", None, None, "y")
    groups = connected_groups({"image 1": one, "image 2": two, "pair": one + two})
    assert set(groups.values()) == {"patient:P1"}


few = st.sampled_from(["1", "2", "3", "4", "5", "6"])
some = st.none() | few
drawn_rows = st.dictionaries(st.text(max_size=3), st.builds(keys_of, some, some, some, few), max_size=12)
stored_splits = st.dictionaries(
    st.builds("{}:{}".format, st.sampled_from(["patient", "lesion", "image"]), few),
    st.sampled_from(Split),
    max_size=6,
)


@given(drawn_rows, st.integers(0, 9))
def test_no_group_spans_splits(rows: dict[str, tuple[str, ...]], seed: int) -> None:
    assignment = assign_splits(rows, {}, seed, (0.4, 0.3, 0.3))
    assert [leak for leak in assignment.leaks if leak.refused] == []
    for row, keys in rows.items():
        for other, others_keys in rows.items():
            if {key for key in keys if not key.startswith("cluster")} & set(others_keys):
                assert assignment.splits[row] == assignment.splits[other]


@given(drawn_rows, stored_splits, st.integers(0, 9))
def test_stored_splits_are_kept_or_refused(
    rows: dict[str, tuple[str, ...]], stored: dict[str, Split], seed: int
) -> None:
    assignment = assign_splits(rows, stored, seed, (0.4, 0.3, 0.3))
    assert not assignment.new.keys() & stored.keys()
    torn = {leak.key for leak in assignment.leaks}
    for row, keys in rows.items():
        for key in keys:
            if key in stored and stored[key] != assignment.splits[row]:
                assert key in torn


@given(drawn_rows, drawn_rows, st.integers(0, 9))
def test_what_came_first_does_not_move(
    first: dict[str, tuple[str, ...]], later: dict[str, tuple[str, ...]], seed: int
) -> None:
    before = assign_splits(first, {}, seed, (0.4, 0.3, 0.3))
    after = assign_splits({**later, **first}, before.new, seed + 1, (0.1, 0.1, 0.8))
    moved = {row for row in first if before.splits[row] != after.splits[row]}
    refused = {row for leak in after.leaks if leak.refused for row in leak.rows}
    assert moved <= refused


def test_order_is_of_no_account() -> None:
    rows = {str(n): keys_of(str(n % 5), str(n % 7), None, str(n % 11)) for n in range(40)}
    rows |= {f"alike {n}": keys_of(None, None, "k", f"alike {n}") for n in range(3)}
    backwards = dict(reversed(rows.items()))
    for first, second in permutations(Split, 2):
        stored = {"image:alike 0": first, "image:alike 2": second, "patient:4": Split.VALIDATION}
        assert assign_splits(rows, stored, 1, RATIOS) == assign_splits(backwards, stored, 1, RATIOS)
    assert connected_groups(rows) == connected_groups(backwards)


def test_a_new_link_between_stored_splits_is_leakage() -> None:
    stored = {"patient:P1": Split.TRAIN, "patient:P2": Split.TEST}
    rows = {"a": keys_of("P1", None, None, "x"), "b": keys_of("P2", None, None, "x")}
    [leak] = assign_splits(rows, stored, 1, RATIOS).leaks
    assert leak == Leak("patient", "patient:P2", (Split.TRAIN, Split.TEST), ("b",))
    assert leak.refused


def test_leaks_are_found_by_their_kind_the_refused_first() -> None:
    rows = {
        "a": keys_of("P", None, "k", "x"),
        "b": keys_of("P", "L", None, "y"),
        "c": keys_of(None, "L", "k", "z"),
        "d": keys_of("Q", None, None, "x"),
    }
    splits = {"a": Split.TRAIN, "b": Split.TEST, "c": Split.TRAIN, "d": Split.VALIDATION}
    leaks = find_leaks(rows, {**splits, "c": Split.VALIDATION}, {})
    assert [(leak.kind, leak.rows, leak.refused) for leak in leaks] == [
        ("patient", ("a", "b"), True),
        ("lesion", ("b", "c"), True),
        ("image", ("a", "d"), True),
        ("cluster", ("a", "c"), False),
    ]
    assert leaks[0].splits == (Split.TRAIN, Split.TEST)


def test_near_duplicates_of_different_patients_are_named_only() -> None:
    stored = {"patient:P1": Split.TRAIN, "patient:P2": Split.TEST}
    rows = {"a": keys_of("P1", None, "k", "x"), "b": keys_of("P2", None, "k", "y")}
    assignment = assign_splits(rows, stored, 1, RATIOS)
    assert assignment.splits == {"a": Split.TRAIN, "b": Split.TEST}
    assert assignment.leaks == (Leak("cluster", "cluster:k", (Split.TRAIN, Split.TEST), ("a", "b")),)


@given(
    st.dictionaries(few, st.builds(keys_of, st.none(), st.none(), st.sampled_from("kl"), few), max_size=8),
    st.dictionaries(st.builds("image:{}".format, few), st.sampled_from(Split), max_size=6),
)
def test_looking_alike_is_never_a_reason_to_refuse(
    rows: dict[str, tuple[str, ...]], stored: dict[str, Split]
) -> None:
    """Pictures that were stored apart turn out to look alike: they stay where they are, and it is told."""
    leaks = assign_splits(rows, stored, 1, RATIOS).leaks
    assert [leak for leak in leaks if leak.refused] == []


def test_a_new_picture_goes_where_the_one_is_that_it_looks_like() -> None:
    for split in Split:
        rows = {"a": keys_of(None, None, "k", "x"), "b": keys_of(None, None, "k", "y")}
        assert assign_splits(rows, {"image:y": split}, 1, RATIOS).splits == {"a": split, "b": split}


def test_a_picture_without_a_patient_follows_the_stored_split_of_its_cluster() -> None:
    first = assign_splits({"a": keys_of(None, None, "k", "x")}, {}, 1, (0, 0, 1))
    later = assign_splits({"b": keys_of(None, None, "k", "y")}, first.new, 1, (1, 0, 0))
    assert later.splits == {"b": Split.TEST}
