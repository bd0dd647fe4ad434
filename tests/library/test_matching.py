"""Rows to files, as folders and tables really differ."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Sequence
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermagui.library.matching import MAX_CANDIDATES, Matching, match_rows


def match(cells: Sequence[str], paths: Sequence[str]) -> Matching:
    """Matches rows of one column to files whose ids are 100, 101, …"""
    return match_rows([{"image": cell} for cell in cells], ["image"], list(enumerate(paths, start=100)))


@pytest.mark.parametrize(
    ("cell", "path"),
    [
        ("images/a.png", "images/a.png"),
        ("dataset/images/a.png", "images/a.png"),
        ("a.png", "images/deep/a.png"),
        ("./images/a.png", "images/a.png"),
        ("C:\\photos\\images\\a.png", "images/a.png"),
        ("https://host/images/a.png", "a.png"),
        ("a", "images/a.png"),
        ("a.jpg", "images/a.png"),
        ("A.JPG", "images/a.jpeg"),
        ("PAT_1.2", "PAT_1.2.png"),
        ("ISIC_0027419", "train/mel/ISIC_0027419.JPG"),
        (" a ", "a.dcm"),
        ("Gesa\u0308ß links.jpg", "Gesäß links.jpg"),
        ("GESÄSS.jpg", unicodedata.normalize("NFD", "gesäss.jpg")),
        ("no suffix", "no suffix"),
        (".jpg", ".jpg"),
    ],
)
def test_a_row_finds_its_file(cell: str, path: str) -> None:
    found = match([cell], [path, "other/b.png"])
    assert found.matched == ((0, 100),)
    assert found.files_without_row == (101,)


@pytest.mark.parametrize("cell", ["b", "a.txt", "aa", "a.png.bak", "", "nan", "-", "/", "."])
def test_a_row_without_a_file(cell: str) -> None:
    found = match([cell], ["images/a.png"])
    assert (found.matched, found.unmatched_rows, found.files_without_row) == ((), (0,), (100,))


def test_the_same_name_in_two_folders_is_ambiguous() -> None:
    for cell in ("a", "a.png", "other/a.png"):
        found = match([cell], ["one/a.png", "two/a.png"])
        assert found.matched == ()
        (open_row,) = found.ambiguous_rows
        assert (open_row.row, open_row.text, open_row.candidates) == (0, cell, (100, 101))
        assert (found.unmatched_rows, found.files_without_row) == ((), (100, 101))


def test_the_path_of_a_row_decides_between_two_folders() -> None:
    paths = ["train/one/a.png", "train/two/a.png", "test/two/a.png"]
    assert match(["one/a.png"], paths).matched == ((0, 100),)
    assert match(["two/a"], paths).matched == ()
    assert match(["data/test/two/a.jpg"], paths).matched == ((0, 102),)
    assert match(["TEST\\TWO\\A.PNG"], paths).matched == ((0, 102),)


def test_the_whole_path_the_suffix_and_the_letter_case_decide_where_they_are_needed() -> None:
    assert match(["a.png"], ["a.png", "two/a.png"]).matched == ((0, 100),)
    assert match(["a.jpg"], ["one/a.png", "one/a.jpg"]).matched == ((0, 101),)
    assert match(["a"], ["one/a.png", "one/a.jpg"]).ambiguous_rows[0].candidate_count == 2
    assert match(["a.png", "A.png"], ["x/A.png", "x/a.png"]).matched == ((0, 101), (1, 100))
    assert match(["images/a.jpg"], ["images/a.png", "other/a.jpg"]).matched == ((0, 101),)


def test_a_looser_row_yields_to_the_row_that_means_the_file() -> None:
    found = match(["two/a.png", "one/a.png"], ["one/a.png"])
    assert (found.matched, found.unmatched_rows) == (((1, 100),), (0,))


def test_different_rows_that_fit_a_file_equally_are_not_believed() -> None:
    found = match(["one/a.png", "two/a.png"], ["three/a.png"])
    assert found.matched == ()
    assert [row.row for row in found.ambiguous_rows] == [0, 1]
    assert found.files_without_row == (100,)


def test_rows_with_the_same_id_are_all_kept_and_told() -> None:
    found = match(["a.png", "b.png", "a.png"], ["a.png", "b.png"])
    assert found.matched == ((0, 100), (1, 101), (2, 100))
    assert found.repeated_files == (100,)


def test_one_row_speaks_of_several_files() -> None:
    rows = [
        {"case_id": "7", "image_1_path": "dataset/images/1.png", "image_2_path": "dataset/images/2.png"},
        {"case_id": "8", "image_1_path": "dataset/images/3.png", "image_3_path": "dataset/images/1.png"},
        {"case_id": "9", "image_1_path": "dataset/images/9.png"},
    ]
    files = [(n, f"images/{n}.png") for n in (1, 2, 3, 4)]
    for columns in (["image_1_path", "image_2_path", "image_3_path"], None):
        found = match_rows(rows, columns, files)
        assert found.id_columns == ("image_1_path", "image_2_path", "image_3_path")
        assert found.matched == ((0, 1), (0, 2), (1, 1), (1, 3))
        assert (found.unmatched_rows, found.files_without_row, found.repeated_files) == ((2,), (4,), (1,))


def test_the_column_that_finds_the_most_files_is_taken() -> None:
    rows = [{"patient": f"p{n % 3}", "note": "p1", "file": f"f{n}"} for n in range(6)]
    files = [(n, f"f{n}.jpg") for n in range(5)] + [(9, "p1.jpg")]
    found = match_rows(rows, None, files)
    assert found.id_columns == ("file",)
    assert (len(found.matched), found.unmatched_rows, found.files_without_row) == (5, (5,), (9,))


def test_of_columns_that_find_as_many_the_one_that_leaves_none_open_is_taken() -> None:
    files = [(1, "one/a.png"), (2, "two/a.png"), (3, "b.png")]
    rows = [
        {"name": "a", "path": "one/a.png"},
        {"name": "a", "path": "two/a.png"},
        {"name": "b", "path": "b.png"},
    ]
    assert match_rows(rows, None, files).id_columns == ("path",)
    same = [{"second": "b", "first": "b"}]
    assert match_rows(same, None, files).id_columns == ("second",)


def test_ages_do_not_find_files_that_are_called_by_numbers() -> None:
    files = [(n, f"{n}.jpg") for n in range(40, 60)]
    rows = [{"id": f"x{n}", "age": str(40 + n % 20)} for n in range(60)]
    found = match_rows(rows, None, files)
    assert (found.id_columns, found.matched, len(found.unmatched_rows)) == ((), (), 60)
    numbered = [{"age": "50", "id": str(n)} for n in range(40, 60)]
    assert match_rows(numbered, None, files).id_columns == ("id",)


def test_nothing_to_match() -> None:
    assert match_rows([], None, []) == Matching((), (), (), (), (), ())
    assert match_rows([{}], None, [(1, "a.png")]).unmatched_rows == (0,)
    assert match_rows([{"a": "x"}], ["absent"], [(1, "x.png")]).unmatched_rows == (0,)


def test_a_name_that_is_not_utf8_still_matches() -> None:
    assert match(["bad\udcff.jpg"], ["x/bad\udcff.jpg"]).matched == ((0, 100),)


def test_thousands_of_files_of_one_name_are_counted_not_listed() -> None:
    found = match(["a.png"] * 500, [f"{n}/a.png" for n in range(500)])
    assert all(len(row.candidates) == MAX_CANDIDATES for row in found.ambiguous_rows)
    assert [row.candidate_count for row in found.ambiguous_rows] == [500] * 500


def count_steps(work: Callable[[], object]) -> int:
    """How many instructions of Python some work takes, which does not depend on the machine."""
    steps = 0

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., object]:
        nonlocal steps
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        steps += event == "opcode"
        return trace

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)
    return steps


@pytest.mark.parametrize("cell", ["p{n}/l/img.png", "x{n}/img.png", "x{n}/IMG", "img.png"])
@pytest.mark.parametrize("path", ["d/p{n}/l/img.png", "d/img{n}.jpg"])
def test_work_grows_with_rows_and_files_and_not_with_their_product(cell: str, path: str) -> None:
    def steps(size: int) -> int:
        rows = [{"image": cell.format(n=n)} for n in range(size)]
        files = [(n, path.format(n=n)) for n in range(size)]
        return count_steps(lambda: match_rows(rows, None, files))

    assert steps(400) < 5 * steps(100)


parts = st.text(st.sampled_from("abAB ä"), min_size=1, max_size=2).filter(lambda text: text.strip() == text)
path_lists = st.lists(
    st.tuples(st.lists(parts, max_size=2), parts, st.sampled_from(["", ".jpg", ".PNG"])).map(
        lambda drawn: "/".join([*drawn[0], drawn[1] + drawn[2]])
    ),
    unique=True,
    max_size=8,
)


@given(path_lists)
def test_whole_paths_always_match_themselves(paths: list[str]) -> None:
    found = match(paths, paths)
    assert found.matched == tuple((n, 100 + n) for n in range(len(paths)))
    assert found.ambiguous_rows == ()


@given(path_lists, path_lists, st.randoms(use_true_random=False))
def test_every_row_and_file_has_one_fate_whatever_the_order(
    cells: list[str], paths: list[str], chance: object
) -> None:
    files = list(enumerate(paths, start=100))
    rows = [{"image": cell} for cell in cells]
    found = match_rows(rows, ["image"], files)
    fates = [
        *{row for row, _ in found.matched},
        *found.unmatched_rows,
        *(row.row for row in found.ambiguous_rows),
    ]
    assert sorted(fates) == list(range(len(rows)))
    assert {file for _, file in found.matched} | set(found.files_without_row) == {file for file, _ in files}
    chance.shuffle(files)  # type: ignore[attr-defined]
    assert match_rows(rows, ["image"], files).matched == found.matched
