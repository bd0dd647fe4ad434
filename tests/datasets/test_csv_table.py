"""The table: what spreadsheets, pandas and Python's own reader make of it."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermagui.datasets.csv_table import read_table, write_table
from dermagui.records import ExportFormat
from tests.datasets.golden_rows import golden_file

DANGEROUS = "=+-@\t\r\n＝＋－＠"

cells = st.text(st.characters(codec="utf-8") | st.sampled_from(DANGEROUS + "',\";"), max_size=20)


@given(st.lists(st.fixed_dictionaries({"a": cells, "b": cells, "=c": cells}), max_size=5))
def test_every_text_comes_back(objects: list[dict[str, str]]) -> None:
    file = io.BytesIO()
    assert write_table(objects, file) == len(objects)
    file.seek(0)
    assert list(read_table(file)) == objects


@given(st.text(st.characters(codec="utf-8"), max_size=10), st.sampled_from(DANGEROUS))
def test_no_cell_begins_like_a_formula(rest: str, start: str) -> None:
    file = io.BytesIO()
    write_table([{"a": start + rest}], file)
    lines = list(csv.reader(io.StringIO(file.getvalue().decode("utf-8-sig"), newline=""), strict=True))
    assert lines[1] == [f"'{start}{rest}"]


def test_numbers_and_truth_stay_bare() -> None:
    file = io.BytesIO()
    write_table([{"a": -3.5, "b": True, "c": -7}], file)
    assert file.getvalue().decode("utf-8-sig") == '"a","b","c"\r\n"-3.5","true","-7"\r\n'


def test_excel_finds_its_byte_order_mark() -> None:
    content = golden_file(ExportFormat.CSV).read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.endswith(b'"\r\n')


def test_pandas_reads_it() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(golden_file(ExportFormat.CSV), keep_default_na=False).set_index("id")
    assert table.loc["edited", "answer"] == "Most likely, yes; a dermatologist should look at it. 🩺"
    assert table.loc["signs", "question"].startswith("'=HYPERLINK(")
    assert bool(table.loc["open", "read_by_person"]) is True


def test_an_answer_longer_than_the_reader_s_usual_limit() -> None:
    file = io.BytesIO()
    write_table([{"a": "x" * 200_000}], file)
    file.seek(0)
    assert next(read_table(file))["a"] == "x" * 200_000
