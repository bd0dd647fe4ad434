"""Formats: golden files, what comes back, what is refused, and files that others wrote or broke."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermagui.datasets.formats import can_carry, read_rows, same, write_rows
from dermagui.errors import DataError
from dermagui.records import ExportFormat, ExportRow, PairKind, Role, Split, Turn
from tests.datasets.golden_rows import ROWS, carried, golden_file, provenance, turns

REFUSED = {
    ExportFormat.MESSAGES: {},
    ExportFormat.LLAVA: {"dialogue": "row.system_turn"},
    ExportFormat.SHAREGPT: {},
    ExportFormat.ALPACA: {"dialogue": "row.dialogue"},
    ExportFormat.DERMASYNTH: {
        "dialogue": "row.dialogue",
        "several": "row.several_images",
        "text-only": "row.text_only",
    },
    ExportFormat.CSV: {"dialogue": "row.dialogue"},
    ExportFormat.PREFERENCE: {
        row.uid: "row.unchanged" for row in ROWS if row.uid not in ("edited", "choice", "dialogue")
    },
}

every_format = pytest.mark.parametrize("export_format", list(ExportFormat))


def written(rows: Iterable[ExportRow], export_format: ExportFormat) -> bytes:
    file = io.BytesIO()
    write_rows(rows, file, export_format)
    assert not file.closed
    return file.getvalue()


def read(content: bytes, export_format: ExportFormat) -> list[ExportRow]:
    return list(read_rows(io.BytesIO(content), export_format))


@every_format
def test_each_format_refuses_what_it_cannot_carry(export_format: ExportFormat) -> None:
    refused = {row.uid: reason for row in ROWS if (reason := can_carry(row, export_format))}
    assert refused == REFUSED[export_format]


@every_format
def test_files_are_as_the_golden_ones(export_format: ExportFormat) -> None:
    assert written(carried(export_format), export_format) == golden_file(export_format).read_bytes()


@every_format
def test_golden_files_give_back_every_row(export_format: ExportFormat) -> None:
    rows = {row.uid: row for row in carried(export_format)}
    back = read(golden_file(export_format).read_bytes(), export_format)
    assert {row.uid for row in back} == rows.keys()
    assert [row.uid for row in back if not same(rows[row.uid], row, export_format)] == []


@every_format
def test_a_difference_in_any_field_is_seen(export_format: ExportFormat) -> None:
    original = next(row for row in ROWS if row.uid == "edited")
    [back] = read(written([original], export_format), export_format)
    changes: list[dict[str, object]] = [
        {"uid": "other"},
        {"kind": PairKind.CAPTION},
        {"split": Split.VALIDATION},
        {"turns": turns("Is it?", "Yes.")},
        {"images": ("images/zz.jpg",)},
        {"payload": {"a": 1}},
        {"provenance": provenance(state="rejected")},
    ]
    assert same(original, back, export_format)
    for change in changes:
        assert not same(replace(original, **change), back, export_format)  # type: ignore[arg-type]


words = st.text(
    st.characters(codec="utf-8") | st.sampled_from("=+-@'\",;\t\r\n\\<>|\u2028\ufeff\0"),
    min_size=1,
    max_size=30,
).filter(str.strip)
payloads = st.dictionaries(words, words | st.integers() | st.lists(words, max_size=2), max_size=2)


@st.composite
def rows(draw: st.DrawFn) -> ExportRow:
    kind = draw(st.sampled_from(PairKind))
    said = draw(st.lists(words, min_size=1, max_size=4).map(lambda texts: turns(*texts)))
    if draw(st.booleans()):
        said = (Turn(Role.SYSTEM, draw(words)), *said)
    if kind is PairKind.CAPTION and draw(st.booleans()):
        said = (Turn(Role.ASSISTANT, draw(words)),)
    payload = draw(payloads)
    if kind is PairKind.CHOICE:
        options = draw(st.lists(words, min_size=1, max_size=4))
        payload |= {"options": options, "key": draw(st.sampled_from("ABCD"))}
    if kind is PairKind.INSTRUCTION:
        payload["input"] = draw(st.text(max_size=20))
    if kind is PairKind.CASE:
        payload["fields"] = draw(st.dictionaries(words, words | st.integers() | st.none(), max_size=3))
    return ExportRow(
        uid=draw(words),
        kind=kind,
        split=draw(st.sampled_from(Split)),
        turns=said,
        generated_turns=draw(st.just(said) | st.just((*said[:-1], Turn(said[-1].role, draw(words))))),
        images=tuple(draw(st.lists(words, max_size=3))),
        payload=payload,
        provenance={
            "source": draw(words | st.dates().map(str)),
            "n": draw(st.integers()),
            "yes": draw(st.booleans()),
        },
    )


@every_format
@given(st.lists(rows(), max_size=4))
def test_what_a_format_carries_comes_back(export_format: ExportFormat, drawn: list[ExportRow]) -> None:
    kept = [row for row in drawn if can_carry(row, export_format) is None]
    back = read(written(kept, export_format), export_format)
    assert len(back) == len(kept)
    first = next((n for n, row in enumerate(kept) if row.images), 0)
    in_file_order = kept[first : first + 1] + kept[:first] + kept[first + 1 :]
    assert all(same(row, read, export_format) for row, read in zip(in_file_order, back, strict=True))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"turns": turns("What?")}, "row.no_answer"),
        ({"turns": turns("What?", "That.", "And?")}, "row.no_answer"),
        ({"turns": turns("What?", " \n")}, "row.no_answer"),
        ({"turns": ()}, "row.no_question"),
        ({"turns": turns(" ", "That.")}, "row.no_question"),
        ({"turns": (Turn(Role.ASSISTANT, "That."),)}, "row.no_question"),
        (
            {"turns": (Turn(Role.USER, "a"), Turn(Role.USER, "b"), Turn(Role.ASSISTANT, "c"))},
            "row.turn_order",
        ),
        ({"turns": (*turns("a", "b"), Turn(Role.SYSTEM, "c"), *turns("d", "e"))}, "row.turn_order"),
        ({"kind": PairKind.CHOICE, "payload": {"options": ["a", "b"]}}, "row.choice_incomplete"),
        ({"kind": PairKind.CHOICE, "payload": {"options": ["a", "b"], "key": "C"}}, "row.choice_incomplete"),
        ({"kind": PairKind.CHOICE, "payload": {"options": ["a"], "key": "A"}}, "row.choice_incomplete"),
    ],
)
@every_format
def test_no_format_takes_what_nobody_can_train_on(
    export_format: ExportFormat, broken: dict[str, object], reason: str
) -> None:
    assert can_carry(replace(ROWS[2], **broken), export_format) == reason  # type: ignore[arg-type]


def test_a_text_with_an_image_mark_is_refused_where_marks_are_counted() -> None:
    marked = replace(ROWS[1], turns=turns("What is <image>?", "A tag."), generated_turns=())
    refusing = {name for name in ExportFormat if can_carry(marked, name) == "row.image_mark"}
    assert refusing == {ExportFormat.LLAVA, ExportFormat.SHAREGPT, ExportFormat.ALPACA}


def test_a_preference_answers_the_question_that_was_answered() -> None:
    asked_anew = replace(ROWS[2], turns=turns("Is it malign?", "No."))
    assert can_carry(asked_anew, ExportFormat.PREFERENCE) == "row.earlier_turn_changed"
    longer = replace(ROWS[2], turns=turns("Is it?", "No.", "Sure?", "Yes."))
    assert can_carry(longer, ExportFormat.PREFERENCE) == "row.earlier_turn_changed"


def test_writing_a_row_that_must_be_refused_fails() -> None:
    with pytest.raises(DataError, match=r"export\.refused"):
        written(ROWS, ExportFormat.CSV)


@pytest.mark.parametrize(
    "uneven",
    [
        {"source": "a"},
        provenance(cost_usd=0),
        provenance(patient=None),
        provenance(more="than the first"),
    ],
)
def test_columns_are_alike_in_all_rows(uneven: dict[str, object]) -> None:
    with pytest.raises(DataError, match=r"export\.uneven_columns"):
        written([ROWS[1], replace(ROWS[1], provenance=uneven)], ExportFormat.MESSAGES)


def test_a_null_is_no_value_even_in_the_first_row() -> None:
    with pytest.raises(DataError, match=r"export\.uneven_columns"):
        written([replace(ROWS[1], provenance={"patient": None})], ExportFormat.MESSAGES)


def test_provenance_takes_no_column_of_a_format() -> None:
    with pytest.raises(DataError, match=r"export\.column_name.*label"):
        written([replace(ROWS[1], provenance={"label": "naevus"})], ExportFormat.MESSAGES)


@every_format
def test_rows_pass_as_a_stream(export_format: ExportFormat) -> None:
    """An endless source must show on the other side before it ends."""

    class Enough(Exception):
        pass

    class Sink(io.BytesIO):
        def write(self, data: object) -> int:
            if super().write(data) and self.tell() > 100_000:  # type: ignore[arg-type]
                raise Enough
            return 0

    endless = chain([ROWS[2]], repeat(ROWS[2]))
    with pytest.raises(Enough):
        write_rows(endless, Sink(), export_format)


@pytest.mark.parametrize("export_format", [ExportFormat.MESSAGES, ExportFormat.LLAVA])
def test_reading_streams_across_chunks(export_format: ExportFormat) -> None:
    """Objects and UTF-8 sequences that lie across the borders of what is read at once."""
    many = [replace(ROWS[1], uid=str(n), turns=turns("?", "ä🩺" * n)) for n in range(1, 900)]
    content = written(many, export_format)
    assert len(content) > 2 << 20
    back = read_rows(io.BytesIO(content), export_format)
    assert all(same(row, one, export_format) for row, one in zip(many, back, strict=True))


JSON_FORMATS = [name for name in ExportFormat if name is not ExportFormat.CSV]


@pytest.mark.parametrize("export_format", JSON_FORMATS)
def test_a_file_that_was_cut_off_is_told(export_format: ExportFormat) -> None:
    content = golden_file(export_format).read_bytes()
    for cut in (len(content) // 2, len(content) - 5):
        with pytest.raises(DataError, match=r"dataset\.not_json"):
            read(content[:cut], export_format)


def test_a_list_that_was_cut_off_between_rows_is_told() -> None:
    content = golden_file(ExportFormat.LLAVA).read_bytes()
    with pytest.raises(DataError, match=r"dataset\.not_json.*number=3"):
        read(b"\n".join(content.split(b"\n")[:3]), ExportFormat.LLAVA)


@pytest.mark.parametrize("cut", [-2, -3, -40, 300])
def test_a_table_that_was_cut_off_is_told(cut: int) -> None:
    content = golden_file(ExportFormat.CSV).read_bytes()
    with pytest.raises(DataError, match=r"dataset\.not_a_table"):
        read(content[: cut if cut > 0 else len(content) + cut - 1], ExportFormat.CSV)


@pytest.mark.parametrize("export_format", JSON_FORMATS)
@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "dataset.not_utf8"),
        (b'{"id": "\xe9"}', "dataset.not_utf8"),
        (b"[1, 2]", "dataset.not_json"),
        (b"null", "dataset.not_json"),
        (b'{"id": 1}', "dataset.not_this_format"),
        (b'{"messages": 3, "conversations": {}, "instruction": [], "image": 1}', "dataset.not_this_format"),
    ],
)
def test_a_file_of_something_else_is_told(export_format: ExportFormat, content: bytes, code: str) -> None:
    with pytest.raises(DataError, match=code):
        read(content, export_format)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"id,question\r\n1,\xe9\r\n", "dataset.not_utf8"),
        (b"id,question\r\n1,2\r\n", "dataset.not_this_format"),
        (b"id,question\r\n1,2,3\r\n", "dataset.not_a_table"),
    ],
)
def test_a_table_of_something_else_is_told(content: bytes, code: str) -> None:
    with pytest.raises(DataError, match=code):
        read(content, ExportFormat.CSV)


def test_text_that_no_longer_agrees_with_the_stored_turns_is_told() -> None:
    choice = next(row for row in ROWS if row.uid == "choice")
    content = written([choice], ExportFormat.MESSAGES).replace(
        b"B. melanocytic naevus\\n\\n", b"A. melanoma\\n\\n"
    )
    with pytest.raises(DataError, match=r"dataset\.turns_differ.*choice"):
        read(content, ExportFormat.MESSAGES)


FOREIGN = {
    ExportFormat.MESSAGES: {
        "messages": [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "A mole."}],
        "images": ["a.jpg"],
    },
    ExportFormat.LLAVA: {
        "id": 7,
        "image": "a.jpg",
        "conversations": [{"from": "human", "value": "What?\n<image>"}, {"from": "gpt", "value": "A mole."}],
    },
    ExportFormat.SHAREGPT: {
        "conversations": [{"from": "human", "value": "<image>What?"}, {"from": "gpt", "value": "A mole."}],
        "images": ["a.jpg"],
    },
    ExportFormat.ALPACA: {"instruction": "What?", "input": "", "output": "A mole.", "images": ["a.jpg"]},
    ExportFormat.DERMASYNTH: {"image_id": "a.jpg", "prompt": "What?", "response": "A mole."},
}


@pytest.mark.parametrize(("export_format", "foreign"), FOREIGN.items())
def test_files_of_other_programs_are_read(export_format: ExportFormat, foreign: dict[str, object]) -> None:
    for content in (
        json.dumps([foreign, foreign], indent=2),
        f"{json.dumps(foreign)}\r\n{json.dumps(foreign)}",
    ):
        back = read(content.encode("utf-8-sig"), export_format)
        assert len(back) == 2
        assert back[0].turns == turns("What?", "A mole.")
        assert back[0].images == ("a.jpg",)
        assert (back[0].kind, back[0].split) == (PairKind.OPEN, Split.TRAIN)


def test_an_input_of_another_program_belongs_to_the_question() -> None:
    foreign = {"instruction": "Shorten:", "input": "A long text.", "output": "Text."}
    [back] = read(json.dumps([foreign]).encode(), ExportFormat.ALPACA)
    assert back.turns == turns("Shorten:\n\nA long text.", "Text.")


def test_an_input_that_the_instruction_holds_is_not_said_twice() -> None:
    whole = replace(
        ROWS[1], kind=PairKind.INSTRUCTION, turns=turns("Shorten: long", "x"), payload={"input": "long"}
    )
    content = written([whole], ExportFormat.ALPACA)
    assert json.loads(content)["input"] == ""
    assert same(whole, read(content, ExportFormat.ALPACA)[0], ExportFormat.ALPACA)


def test_an_empty_file_has_no_rows() -> None:
    for export_format in ExportFormat:
        assert read(written([], export_format), export_format) == []


def test_a_row_with_an_image_comes_first() -> None:
    text_only = replace(ROWS[0], uid="later")
    lines = written([text_only, ROWS[0], ROWS[1]], ExportFormat.MESSAGES).splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["open", "later", "text-only"]


def test_each_json_line_is_one_line_to_everybody() -> None:
    content = written(carried(ExportFormat.MESSAGES), ExportFormat.MESSAGES).decode()
    assert len(content.splitlines()) == len(carried(ExportFormat.MESSAGES))


def test_a_row_of_each_kind_is_among_the_golden_ones() -> None:
    assert {row.kind for row in ROWS} == set(PairKind)
