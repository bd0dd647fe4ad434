"""Texts that may tell who is shown are found before anything is sent."""

from __future__ import annotations

import pytest

from dermagui.generation.identity import identifying_text


def found(text: str, place: str = "notes") -> list[tuple[str, str]]:
    return [(finding.tag, finding.value) for finding in identifying_text({place: text})]


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("Patient Jane Doe, born 1970-01-01", [("date", "1970-01-01"), ("name", "Patient Jane Doe")]),
        ("seen by Dr. Müller on 5 March 2024", [("date", "5 March 2024"), ("name", "Dr. Müller")]),
        ("March 5th, 2024", [("date", "March 5th, 2024")]),
        ("taken 03.12.1999", [("date", "03.12.1999")]),
        ("taken 12/31/99", [("date", "12/31/99")]),
        ("mail jane.doe+x@clinic.example.org now", [("e-mail", "jane.doe+x@clinic.example.org")]),
        ("call +90 532 123 45 67", [("phone", "+90 532 123 45 67")]),
        ("call (0171) 123-4567", [("phone", "(0171) 123-4567")]),
        ("MRN 0012345", [("id", "MRN 0012345")]),
        ("patient ID: A-4711", [("id", "patient ID: A-4711")]),
        ("nevus of P-001, back", [("id", "P-001")]),
        ("pt_17 and P0042", [("id", "pt_17"), ("id", "P0042")]),
        ("lesion of 12345678901", [("id", "12345678901")]),
        ("name: Ayşe Yılmaz", [("name", "name: Ayşe Yılmaz")]),
        ("Herr Schmidt", [("name", "Herr Schmidt")]),
        ("lesion of Anna-Lena Kovács", [("name", "Anna-Lena Kovács")]),
        ("Smith, John", [("name", "John")]),
    ],
)
def test_found_in_notes(text: str, findings: list[tuple[str, str]]) -> None:
    assert found(text) == findings


@pytest.mark.parametrize(
    ("name", "findings"),
    [
        ("mueller_anna_12.3.75.jpg", [("date", "12.3.75"), ("name", "anna")]),
        ("PAT_123_456_789.png", [("id", "PAT_123_456_789")]),
        ("IMG_20240305_101010.jpg", [("date", "20240305"), ("id", "101010")]),
        ("patient_Jane_Doe.dcm", [("name", "patient_Jane_Doe")]),
        ("ISIC_0024306.jpg", [("id", "ISIC_0024306")]),
        ("P-001_left_arm.jpg", [("id", "P-001_left_arm")]),
    ],
)
def test_found_in_file_names(name: str, findings: list[tuple[str, str]]) -> None:
    assert found(name, "file name") == findings


@pytest.mark.parametrize(
    "text",
    [
        "Basal cell carcinoma on the left arm, 12 mm",
        "54 years; Fitzpatrick III",
        "size 3.5 x 4.2 mm, weight 0.25",
        "Patient reports itching since 2019",
        "in 3 of 12 cases",
        "p16 and p53 positive, p 12",
        "Spitz, Bowen, Paget, Kaposi, Clark",
        "anna",
        "asymmetrical, 5-10 mm",
        "",
    ],
)
def test_ordinary_notes_are_left_alone(text: str) -> None:
    assert found(text) == []


def test_every_finding_says_where_it_stands() -> None:
    findings = identifying_text({"file name": "max.jpg", "notes": "nothing", "body_site": "Dr. No"})
    assert [(f.place, f.tag, f.value) for f in findings] == [
        ("file name", "name", "max"),
        ("body_site", "name", "Dr. No"),
    ]


@pytest.mark.parametrize("value", ["P-001", "7", "jane", "HAM_0004230"])
def test_the_name_of_a_patient_is_an_id_whatever_it_looks_like(value: str) -> None:
    assert found(value, "patient") == found(value, "lesion") == [("id", value)]


@pytest.mark.parametrize("unit", ["a", "0 ", "1.", "Patient ", "(0", "case ", "12-", "x@", "anna_"])
def test_long_texts_are_searched_to_the_end(unit: str) -> None:
    assert ("e-mail", "jane@clinic.org") in found(unit * 4000 + " jane@clinic.org")
