"""The reference library: files become passages that are found, cited, and told when they changed."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pypdf
import pytest

from dermagui.chat.reference import (
    add_references,
    cited_numbers,
    find_passages,
    grounded_prompt,
    states_of,
    support_of,
)
from dermagui.chat.reference_files import PASSAGE_LETTERS, read_passages
from dermagui.errors import DermaError
from dermagui.project import create_project
from dermagui.storage import references
from dermagui.storage.database import Store
from tests.fakes.command_line import run


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    create_project(tmp_path / "project")
    with Store(tmp_path / "project") as store:
        yield store


def pdf_of(*pages: str) -> bytes:
    """A PDF file with a line of text on each page."""
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    for text in pages:
        stream = f"BT /F 12 Tf 72 700 Td ({text}) Tj ET".encode()
        page = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents {len(objects) + 2} 0 R"
        objects.append(f"{page}/Resources<</Font<</F 3 0 R>>>>>>".encode())
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream))
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects[1] = f"<</Type/Pages/Count {len(pages)}/Kids[{kids}]>>".encode()
    file, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, len(file))
    return file + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + end


def locked(content: bytes) -> bytes:
    """The same PDF, locked with a password."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    writer.encrypt("secret", algorithm="AES-256")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def code_of(name: str, content: bytes) -> str:
    with pytest.raises(DermaError) as raised:
        read_passages(Path(name), content)
    assert raised.value.values["path"] == name
    return raised.value.code


def test_paragraphs_stay_together_up_to_a_passage() -> None:
    text = "\n\n\nFirst line\nsecond line\n\n" + "\n\n".join(f"Paragraph {n} " + "x" * 500 for n in range(3))
    found = read_passages(Path("a.MD"), text.encode())
    assert [place for place, _ in found] == ["line 4", "line 11"]
    assert found[0][1].startswith("First line\nsecond line\nParagraph 0 ")
    assert "\n".join(part for _, part in found).count("Paragraph") == 3


def test_a_long_paragraph_is_cut_between_words_and_nothing_is_lost() -> None:
    words = [f"word{n}" for n in range(2000)]
    found = read_passages(Path("a.txt"), " ".join(words).encode())
    assert max(len(text) for _, text in found) <= PASSAGE_LETTERS
    assert " ".join(text for _, text in found).split() == words
    assert "".join(text for _, text in read_passages(Path("a.txt"), b"y" * 5000)) == "y" * 5000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_in_the_usual_encodings_is_read(encoding: str) -> None:
    assert read_passages(Path("a.txt"), "Nävus für".encode(encoding)) == [("line 1", "Nävus für")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_row_of_a_table_says_what_its_columns_are(delimiter: str) -> None:
    rows = [
        ["drug", "dose", "note"],
        ["methotrexate", "15 mg", ""],
        ["", "", ""],
        ["acitretin", "25 mg", "x", "y"],
    ]
    text = "\n".join(delimiter.join(row) for row in rows)
    ((place, told),) = read_passages(Path("a.csv"), text.encode())
    assert place == "row 2"
    assert told.splitlines() == [
        "drug: methotrexate; dose: 15 mg",
        "drug: acitretin; dose: 25 mg; note: x; y",
    ]


def test_pages_of_a_pdf_are_told_apart() -> None:
    found = read_passages(Path("a.pdf"), pdf_of("Psoriasis on page one", "Eczema on page two"))
    assert found == [("page 1", "Psoriasis on page one"), ("page 2", "Eczema on page two")]


def test_what_cannot_be_read_is_told_apart() -> None:
    whole = pdf_of("x y z")
    assert code_of("a.docx", b"x") == "reference.unknown_kind"
    assert code_of("a.txt", b"\x00\x01\x02") == "reference.not_text"
    assert code_of("a.txt", b" \n\n ") == "reference.no_text"
    assert code_of("a.csv", b'name\n"never closed') == "reference.bad_table"
    assert code_of("a.pdf", locked(whole)) == "reference.pdf_locked"
    assert code_of("a.pdf", b"no pdf") == "reference.pdf_damaged"
    assert code_of("a.pdf", pdf_of("")) == "reference.no_text"


BOOK = [
    "Methotrexate is given once a week, never daily. Check the blood count.",
    "Acitretin must not be given in pregnancy.",
    "Psoriasis is treated with the light of a lamp.",
    "The melanoma is excised with the margin that its thickness asks for.",
    "The skin is the largest organ of the body.",
]


@pytest.fixture
def book(store: Store, tmp_path: Path) -> Path:
    """A file of short texts, each a passage of its own, among many that the words ``the`` and ``is`` fill."""
    path = tmp_path / "book.txt"
    more = [f"The chapter {n} is about the number {n} and is the next of the chapters." for n in range(40)]
    filling = " of".join(["."] * 270)
    path.write_text("\n\n".join(text + filling for text in BOOK + more), encoding="utf-8")
    add_references(store, path)
    assert references.count_passages(store) == len(BOOK) + len(more)
    return path


@pytest.mark.parametrize(
    ("question", "number"),
    [
        ("How often is methotrexate given?", 0),
        ("acitretin in PREGNANT women", 1),
        ("What are the margins for melanomas?", 3),
    ],
)
def test_the_passage_that_fits_comes_first(store: Store, book: Path, question: str, number: int) -> None:
    first, *_ = found = find_passages([store], question)
    assert first.text.startswith(BOOK[number])
    assert (first.number, first.name, first.state) == (1, "book.txt", "unchanged")
    assert [passage.number for passage in found] == list(range(1, len(found) + 1))


@pytest.mark.parametrize("question", ["What is the?", "Is tofacitinib", "", '" OR *', "the is of"])
def test_what_the_library_does_not_hold_is_not_found(store: Store, book: Path, question: str) -> None:
    assert find_passages([store], question) == []


def test_two_libraries_are_asked_together(store: Store, tmp_path: Path) -> None:
    create_project(tmp_path / "other")
    with Store(tmp_path / "other") as other:
        for place, name in ((store, "own"), (other, "shared")):
            for n in range(3):
                (tmp_path / f"{name}{n}.txt").write_text(f"methotrexate {name}")
                add_references(place, tmp_path / f"{name}{n}.txt")
        found = find_passages([store, other], "methotrexate", 4)
    assert [passage.name for passage in found] == ["own0.txt", "shared0.txt", "own1.txt", "shared1.txt"]
    assert [passage.number for passage in found] == [1, 2, 3, 4]


def test_a_file_that_changed_or_went_is_told(store: Store, book: Path) -> None:
    (row,) = states_of(store)
    assert (row["state"], row["path"]) == ("unchanged", str(book))
    os.utime(book, ns=(1, 1))
    assert find_passages([store], "acitretin")[0].state == "unchanged", "the same words with another date"
    book.write_text("Something else.")
    assert find_passages([store], "acitretin")[0].state == "changed"
    book.unlink()
    assert find_passages([store], "acitretin")[0].state == "gone"


def test_a_file_that_is_read_again_takes_the_place_of_what_it_was(store: Store, book: Path) -> None:
    (before,) = states_of(store)
    book.write_text("Dupilumab is given.")
    assert add_references(store, book) == [before["uid"]]
    assert find_passages([store], "acitretin") == []
    assert [passage.text for passage in find_passages([store], "dupilumab")] == ["Dupilumab is given."]


def test_a_file_that_cannot_be_read_leaves_the_library_as_it_was(store: Store, book: Path) -> None:
    before = states_of(store)
    book.write_bytes(b"\0")
    with pytest.raises(DermaError):
        add_references(store, book)
    assert [row["sha256"] for row in states_of(store)] == [row["sha256"] for row in before]
    assert find_passages([store], "acitretin")


def test_a_removed_file_leaves_no_word(store: Store, book: Path) -> None:
    (row,) = states_of(store)
    references.remove_reference(store, row["uid"])
    store.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = (store.folder / "dermagui.db").read_bytes().lower()
    assert b"acitretin" not in content
    assert b"citretin" not in content
    with pytest.raises(DermaError) as raised:
        references.remove_reference(store, row["uid"])
    assert raised.value.code == "reference.not_found"
    assert book.exists()


def test_a_folder_is_read_with_all_that_can_be_read(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "books"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.md").write_text("a text")
    (folder / "deep" / "b.pdf").write_bytes(pdf_of("another text"))
    (folder / "c.docx").write_text("no")
    assert len(add_references(store, folder)) == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(DermaError) as raised:
        add_references(store, tmp_path / "empty")
    assert raised.value.code == "reference.empty_folder"


def test_the_model_is_given_the_passages_with_their_numbers(store: Store, book: Path) -> None:
    found = find_passages([store], "methotrexate {question}")
    told = grounded_prompt("methotrexate {question}", found)
    assert f"[1] book.txt, line 1:\n{BOOK[0]}" in told
    assert told.endswith("Question: methotrexate {question}")


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [("Once a week [1].", {1}), ("So [1, 3; 2] and [3].", {1, 2, 3}), ("None (1) [x] [] [1-2]", set())],
)
def test_numbers_in_brackets_are_citations(answer: str, numbers: set[int]) -> None:
    assert cited_numbers(answer) == numbers


def test_what_supports_an_answer_is_said(store: Store, book: Path) -> None:
    found = find_passages([store], "methotrexate")
    assert len(found) == 1
    assert support_of("Weekly [1].", found) == ("reference.cited", {"numbers": [1]})
    assert support_of("Weekly.", found) == ("reference.not_cited", {})
    assert support_of("Weekly [1] [7].", found) == ("reference.made_up", {"numbers": [7], "most": 1})
    assert support_of("Weekly [1].", []) == ("reference.nothing_found", {})


def test_the_command_reads_finds_lists_and_removes(tmp_path: Path) -> None:
    path = tmp_path / "drugs.txt"
    path.write_text("Methotrexate once a week.")
    (uid,) = run("reference", "add", path, "--json").json["added"]
    (found,) = run("reference", "find", "methotrexate?", "--json").json["passages"]
    assert (found["file"], found["place"], found["text"]) == (uid, "line 1", "Methotrexate once a week.")
    path.unlink()
    (row,) = run("reference", "list", "--json").json["files"]
    assert (row["uid"], row["state"]) == (uid, "gone")
    run("reference", "remove", uid)
    assert run("reference", "list", "--json").json["files"] == []
    assert "no support" in run("reference", "find", "methotrexate?").err
    assert "UID" not in run("reference", "remove", uid, code=3).err
