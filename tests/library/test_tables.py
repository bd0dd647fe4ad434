"""Tables as people send them: every format, and the faults that real exports have."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dermagui.errors import DataError, DermaError, UserError
from dermagui.library import tables
from dermagui.library.tables import Table, read_table


def read_bytes(folder: Path, data: bytes, name: str = "metadata.csv", sheet: str | None = None) -> Table:
    path = folder / name
    path.write_bytes(data)
    return read_table(path, sheet)


def read_text(folder: Path, text: str, name: str = "metadata.csv") -> Table:
    return read_bytes(folder, text.encode(), name)


def write_workbook(path: Path, sheets: dict[str, list[list[Any]]]) -> Path:
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for title, rows in sheets.items():
        sheet = workbook.create_sheet(title)
        for row in rows:
            sheet.append(row)
    workbook.save(path)
    return path


def notes_of(table: Table) -> dict[str, dict[str, object]]:
    return {note.code: note.values for note in table.notes}


def error_of(folder: Path, data: bytes, name: str) -> DermaError:
    with pytest.raises(DermaError) as caught:
        read_bytes(folder, data, name)
    return caught.value


# Letters only, so that a header is never itself ambiguous; "sep" would be a line that Excel understands.
headers = st.lists(
    st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True), min_size=1, max_size=6, unique=True
).filter(lambda names: names != ["sep"])
# NUL is no text; a lone surrogate cannot be encoded; U+FEFF at the start of a file is a mark.
cells = st.one_of(
    st.just(""),
    st.sampled_from(
        ["a,b;c\td|e", 'say "aah"', "two\nlines", "two\r\nlines", " padded ", "0", "Ünïcödé ş 皮膚"]
    ),
    st.text(st.characters(exclude_characters="\0\ufeff", exclude_categories=["Cs"]), max_size=12),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_what_a_csv_writer_wrote_is_read_back(tmp_path: Path, data: st.DataObject) -> None:
    columns = data.draw(headers)
    wide = [dict(zip(columns, data.draw(st.tuples(*[cells] * len(columns))), strict=True)) for _ in range(3)]
    delimiter = data.draw(st.sampled_from(",;\t|"))
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    # The writer quotes a line end by itself only if it is part of the one that it writes.
    end, quoting = data.draw(st.sampled_from([("\r\n", csv.QUOTE_MINIMAL), ("\n", csv.QUOTE_ALL)]))
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, columns, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writeheader()
    writer.writerows(wide)

    table = read_bytes(tmp_path, stream.getvalue().encode(encoding))

    expected = [{name: text for name, text in row.items() if text.strip()} for row in wide]
    assert table.delimiter == (delimiter if len(columns) > 1 else None)
    assert table.columns == tuple(columns)
    assert table.rows == [row for row in expected if row]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(junk=st.binary(max_size=200), name=st.sampled_from(["a.csv", "a.json", "a.jsonl", "a.xlsx"]))
def test_junk_is_read_or_refused_with_a_code_but_never_crashes(
    tmp_path: Path, junk: bytes, name: str
) -> None:
    try:
        table = read_bytes(tmp_path, junk, name)
    except DermaError:
        return
    assert all(set(row) <= set(table.columns) for row in table.rows)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    lines = [["id", "dx", "note"], ["1", "mel", "x"], ["2", "nv", "y"]]
    table = read_text(tmp_path, "\n".join(delimiter.join(line) for line in lines))
    assert (table.delimiter, table.columns) == (delimiter, ("id", "dx", "note"))
    assert table.rows[1] == {"id": "2", "dx": "nv", "note": "y"}


def test_decimal_commas_do_not_win_over_semicolons(tmp_path: Path) -> None:
    table = read_text(tmp_path, "id;size, mm;age\n1;2,5;3,5\n2;1,5;4,5\n")
    assert table.delimiter == ";"
    assert table.rows[0] == {"id": "1", "size, mm": "2,5", "age": "3,5"}


def test_a_single_column_is_not_cut_at_its_commas(tmp_path: Path) -> None:
    table = read_text(tmp_path, "image\nface, left.jpg\nISIC_1.jpg\n")
    assert table.delimiter is None
    assert table.rows == [{"image": "face, left.jpg"}, {"image": "ISIC_1.jpg"}]


def test_the_line_that_excel_knows_is_obeyed(tmp_path: Path) -> None:
    table = read_text(tmp_path, "sep=|\r\nid|a,b\r\n1|x\r\n")
    assert (table.delimiter, table.rows) == ("|", [{"id": "1", "a,b": "x"}])


@pytest.mark.parametrize(
    ("encoding", "text", "assumed"),
    [
        ("utf-8", "name\nNävus\n", False),
        ("utf-8-sig", "name\nNävus\n", False),
        ("utf-16", "name\nNävus\n", False),
        ("utf-32", "name\nNävus\n", False),
        ("utf-16-le", "name,site\nNävus,Rücken\n", True),
        ("utf-16-be", "name,site\nNävus,Rücken\n", True),
        ("cp1252", "name\nNävus „groß“ 5 €\n", True),
        ("cp1254", "name\nsırt, göğüs, İstanbul, yaş\n", True),
        ("latin-1", "name\nN\xe4vus \x81\n", True),
    ],
)
def test_encodings(tmp_path: Path, encoding: str, text: str, assumed: bool) -> None:
    table = read_bytes(tmp_path, text.encode(encoding))
    assert table.encoding == encoding
    assert list(table.rows[0].values()) == text.split("\n")[1].split(",", len(table.columns) - 1)
    assert notes_of(table).get("table.encoding_assumed") == ({"encoding": encoding} if assumed else None)


def test_half_a_character_of_utf16_is_refused(tmp_path: Path) -> None:
    error = error_of(tmp_path, "name\nx".encode("utf-16")[:-1], "a.csv")
    assert isinstance(error, DataError)
    assert error.code == "table.undecodable"


def test_ragged_rows_are_counted_and_nothing_in_them_is_lost(tmp_path: Path) -> None:
    table = read_text(tmp_path, "id,dx\n1,mel,extra,more\n2\n3,nv\n")
    assert table.columns == ("id", "dx", "column_3", "column_4")
    assert table.rows[0] == {"id": "1", "dx": "mel", "column_3": "extra", "column_4": "more"}
    assert table.rows[1:] == [{"id": "2"}, {"id": "3", "dx": "nv"}]
    assert notes_of(table)["table.ragged_rows"] == {"count": 2, "extra_columns": ["column_3", "column_4"]}


def test_the_empty_cells_that_excel_appends_are_no_columns(tmp_path: Path) -> None:
    table = read_text(tmp_path, "id,dx,,\n1,mel,,\n,,,\n\n2,nv,,\n")
    assert table.columns == ("id", "dx")
    assert [row["id"] for row in table.rows] == ["1", "2"]
    assert table.notes == ()


def test_names_that_are_missing_or_doubled_become_unique(tmp_path: Path) -> None:
    table = read_text(tmp_path, "id,,dx,dx, Body  \n1,x,mel,nv,back\n")
    assert table.columns == ("id", "column_2", "dx", "dx_2", "Body")
    assert table.rows == [{"id": "1", "column_2": "x", "dx": "mel", "dx_2": "nv", "Body": "back"}]
    assert notes_of(table)["table.columns_renamed"] == {"columns": ["column_2", "dx_2"]}


def test_an_invented_name_gives_way_to_a_real_one(tmp_path: Path) -> None:
    table = read_text(tmp_path, "column_2,,column_2_2\na,b,c\n")
    assert table.columns == ("column_2", "column_2_2", "column_2_2_2")
    assert list(table.rows[0].values()) == ["a", "b", "c"]


def test_line_feeds_in_quotes_stay_in_the_cell(tmp_path: Path) -> None:
    table = read_text(tmp_path, 'id,note\r\n1,"first\r\nsecond, ""third"""\r\n2,x\r\n')
    assert table.rows == [{"id": "1", "note": 'first\r\nsecond, "third"'}, {"id": "2", "note": "x"}]


def test_a_stray_quote_is_read_tolerantly_and_told(tmp_path: Path) -> None:
    table = read_text(tmp_path, 'id,size\n1,"5" wide\n2,3\n')
    assert [row["id"] for row in table.rows] == ["1", "2"]
    assert notes_of(table)["table.quotes_doubtful"]["line"] == 2


def test_a_quote_that_never_closes_is_told(tmp_path: Path) -> None:
    assert "table.quotes_doubtful" in notes_of(read_text(tmp_path, 'id,note\n1,"open\n2,x\n3,y\n'))


def test_a_cell_without_end_is_refused(tmp_path: Path) -> None:
    before = csv.field_size_limit(100_000)  # whoever ran before may have moved it: it is one for the process
    try:
        error = error_of(tmp_path, b"id,note\n1," + b"x" * 100_001, "a.csv")
    finally:
        csv.field_size_limit(before)
    assert error.code == "table.malformed"


def test_nul_bytes_are_removed_and_counted(tmp_path: Path) -> None:
    table = read_bytes(tmp_path, b"id,dx\n1,m\0el\n2,nv\0\0\n")
    assert [row["dx"] for row in table.rows] == ["mel", "nv"]
    assert notes_of(table)["table.nul_bytes"] == {"count": 3}


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", b" , ,\n,\n", b"\0\0"])
def test_an_empty_file_is_refused(tmp_path: Path, data: bytes) -> None:
    error = error_of(tmp_path, data, "a.csv")
    assert (type(error), error.code) == (DataError, "table.empty")
    assert error.values["path"] == str(tmp_path / "a.csv")


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    table = read_text(tmp_path, "id,dx\n")
    assert (table.columns, table.rows) == (("id", "dx"), [])
    assert "table.no_rows" in notes_of(table)


def test_what_cannot_be_opened_or_is_no_table_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"table\.unreadable"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(UserError, match=r"table\.unreadable"):
        read_table(tmp_path)
    assert error_of(tmp_path, b"PAR1", "a.parquet").code == "table.format_unknown"


def test_a_file_over_the_limit_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_BYTES", 20)
    assert read_text(tmp_path, "id,dx\n1,mel\n2,nv\n").rows[-1]["id"] == "2"
    error = error_of(tmp_path, b"id,dx\n1,mel\n2,nv\n3,x\n", "a.csv")
    assert (error.code, error.values["limit_bytes"]) == ("table.too_large", 20)


def test_too_many_cells_or_columns_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert error_of(tmp_path, b"," * 20_000 + b"x\n", "a.csv").code == "table.too_many_cells"
    monkeypatch.setattr(tables, "MAX_CELLS", 5)
    assert error_of(tmp_path, b"id,dx\n1,mel\n2,nv\n", "a.csv").code == "table.too_many_cells"
    assert (
        error_of(tmp_path, b'[{"a":1,"b":2,"c":3},{"a":1,"b":2,"c":3}]', "a.json").code
        == "table.too_many_cells"
    )


def test_a_workbook_becomes_text(tmp_path: Path) -> None:
    rows = [
        ["image", "age", "size", "taken", "seen at", "biopsied", "note"],
        ["a.jpg", 54.0, 2.5, date(2024, 3, 1), datetime(2024, 3, 1, 9, 30), True, None],
        ["b.jpg", 0, None, datetime(2024, 3, 2), None, False, "ünïcode"],
    ]
    table = read_table(write_workbook(tmp_path / "a.xlsx", {"Data": rows}))
    assert table.rows == [
        {
            "image": "a.jpg",
            "age": "54",
            "size": "2.5",
            "taken": "2024-03-01",
            "seen at": "2024-03-01T09:30:00",
            "biopsied": "true",
        },
        {"image": "b.jpg", "age": "0", "taken": "2024-03-02", "biopsied": "false", "note": "ünïcode"},
    ]
    assert (table.sheet, table.encoding, table.delimiter, table.notes) == ("Data", None, None, ())


def test_the_first_sheet_with_something_in_it_is_taken_unless_one_is_named(tmp_path: Path) -> None:
    sheets = {"Empty": [], "Blank": [[None, ""], []], "Data": [[], ["id"], ["1"]], "Codes": [["id"], ["2"]]}
    path = write_workbook(tmp_path / "a.xlsx", sheets)
    table = read_table(path)
    assert (table.sheet, table.rows) == ("Data", [{"id": "1"}])
    assert notes_of(table)["table.other_sheets"]["others"] == ["Empty", "Blank", "Codes"]
    assert read_table(path, "Codes").rows == [{"id": "2"}]
    with pytest.raises(UserError, match=r"table\.sheet_unknown") as caught:
        read_table(path, "codes")
    assert caught.value.values["sheets"] == list(sheets)
    with pytest.raises(DataError, match=r"table\.empty"):
        read_table(path, "Empty")


def rewrite_member(path: Path, member: str, old: str, new: str) -> Path:
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    text = content[member].decode()
    assert old in text
    content[member] = text.replace(old, new).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def test_a_formula_says_what_it_last_came_to(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "a.xlsx", {"Data": [["id", "age"], ["1", "=50+4"]]})
    rewrite_member(path, "xl/worksheets/sheet1.xml", "<f>50+4</f><v />", "<f>50+4</f><v>54</v>")
    assert read_table(path).rows == [{"id": "1", "age": "54"}]


def test_a_sheet_that_lies_about_its_size_is_read_whole(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "a.xlsx", {"Data": [["id", "dx"], ["1", "mel"], ["2", "nv"]]})
    rewrite_member(path, "xl/worksheets/sheet1.xml", 'ref="A1:B3"', 'ref="A1"')
    assert read_table(path).rows == [{"id": "1", "dx": "mel"}, {"id": "2", "dx": "nv"}]


def test_a_workbook_under_another_name_is_still_a_workbook(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "a.xlsx", {"Data": [["id"], ["1"]]})
    assert read_bytes(tmp_path, path.read_bytes(), "renamed.csv").rows == [{"id": "1"}]


def test_damaged_locked_and_foreign_workbooks_are_told_apart(tmp_path: Path) -> None:
    whole = write_workbook(tmp_path / "a.xlsx", {"Data": [["id"], ["1"]]}).read_bytes()
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512
    foreign = io.BytesIO()
    with zipfile.ZipFile(foreign, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    assert error_of(tmp_path, whole[: len(whole) // 2], "b.xlsx").code == "table.damaged"
    assert error_of(tmp_path, b"id,dx\n1,mel\n", "b.xlsx").code == "table.damaged"
    assert error_of(tmp_path, ole + "EncryptedPackage".encode("utf-16-le"), "b.xlsx").code == "table.password"
    assert error_of(tmp_path, ole, "b.xls").code == "table.old_excel"
    assert error_of(tmp_path, foreign.getvalue(), "b.ods").code == "table.format_unknown"
    broken = rewrite_member(tmp_path / "a.xlsx", "xl/worksheets/sheet1.xml", "</sheetData>", "<")
    assert error_of(tmp_path, broken.read_bytes(), "b.xlsx").code == "table.damaged"


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_workbook(tmp_path / "a.xlsx", {"Data": [["id", "note"], ["1", "x" * 30_000]]})
    monkeypatch.setattr(tables, "MAX_BYTES", 20_000)
    assert path.stat().st_size < 20_000
    with pytest.raises(UserError, match=r"table\.too_large"):
        read_table(path)


def test_a_cell_at_the_far_corner_costs_no_empty_rows(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    workbook.active["A1"], workbook.active["A2"], workbook.active["C900"] = "id", "1", "far"
    workbook.save(tmp_path / "a.xlsx")
    table = read_table(tmp_path / "a.xlsx")
    assert table.columns == ("id", "column_2", "column_3")
    assert table.rows == [{"id": "1"}, {"column_3": "far"}]


def test_json_of_every_usual_shape(tmp_path: Path) -> None:
    rows = [{"image": "a.jpg", "age": 54.0, "sex": None}, {"image": "b.jpg", "dx": {"name": "mel", "p": 0.5}}]
    flat = [{"image": "a.jpg", "age": "54"}, {"image": "b.jpg", "dx.name": "mel", "dx.p": "0.5"}]
    lines = "\n".join(json.dumps(row) for row in rows) + "\n\n"
    assert read_text(tmp_path, json.dumps(rows), "a.json").rows == flat
    assert read_text(tmp_path, lines, "a.jsonl").rows == flat
    assert read_text(tmp_path, lines, "lines.json").rows == flat
    assert read_text(tmp_path, json.dumps(rows), "a.json").columns == ("image", "age", "dx.name", "dx.p")
    keyed = read_text(tmp_path, json.dumps({"a": {"age": 0}, "b": {"ok": True}}), "a.json")
    assert keyed.rows == [{"id": "a", "age": "0"}, {"id": "b", "ok": "true"}]
    own_id = read_text(tmp_path, json.dumps({"a": {"id": 7}}), "a.json")
    assert own_id.rows == [{"key": "a", "id": "7"}]


def test_json_lists_stay_one_value(tmp_path: Path) -> None:
    table = read_text(tmp_path, '[{"dx": ["Ekzem", "Läsion"], "none": [], "nan": NaN}]', "a.json")
    assert table.rows == [{"dx": '["Ekzem", "Läsion"]'}]


@pytest.mark.parametrize(
    ("text", "name", "code"),
    [
        ("", "a.json", "table.empty"),
        ("{", "a.json", "table.json_invalid"),
        ('{"a": 1}\n{"b": \n', "a.jsonl", "table.json_invalid"),
        ("[1, 2]", "a.json", "table.json_shape"),
        ('{"a": 1}', "a.json", "table.json_shape"),
        ("[" * 100_000, "a.json", "table.json_invalid"),
        ('[{"a": ' + "9" * 5000 + "}]", "a.json", "table.json_invalid"),
        ('{"a":' * 800 + "1" + "}" * 800, "a.jsonl", None),
    ],
)
def test_json_that_is_no_table(tmp_path: Path, text: str, name: str, code: str | None) -> None:
    if code is None:
        assert list(read_text(tmp_path, text, name).rows[0].values()) == ["1"]
    else:
        assert error_of(tmp_path, text.encode(), name).code == code


def test_the_line_of_a_broken_json_line_is_named(tmp_path: Path) -> None:
    error = error_of(tmp_path, b'{"a": "x\xe2\x80\xa8y"}\n{"a": \n', "a.jsonl")
    assert error.values["line"] == 2
