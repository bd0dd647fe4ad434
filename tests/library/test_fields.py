"""Values in the words of their vocabularies, and nothing of a value lost that no vocabulary knows."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermagui.library.fields import (
    AS_WRITTEN,
    HIERARCHY,
    IDENTIFIER,
    YEARS,
    YEARS_RANGE,
    Value,
    as_flag,
    clean_name,
    column_key,
    is_missing,
    known_fields,
    normalise,
    without_decimals,
)
from dermagui.paths import resources

FIELDS = json.loads((resources() / "fields.json").read_text(encoding="utf-8"))


def said(field: str, raw: str) -> list[tuple[str, str]]:
    return [(value.value, value.vocabulary) for value in normalise(field, raw)]


@pytest.mark.parametrize(
    "raw", ["", "  ", "nan", "NaN", "NA", "N/A", "#N/A", "null", "None", "-", "Unknown", "UNK"]
)
def test_one_rule_says_what_is_missing(raw: str) -> None:
    assert is_missing(raw)
    for field in (*known_fields(), "smoke"):
        assert normalise(field, raw) == ()


def test_nothing_is_missing_but_what_says_nothing() -> None:
    assert is_missing(None)
    for raw in ("0", "0.0", "False", "no", "+", "nana", "none of these"):
        assert not is_missing(raw)
    assert said("age", "0") == [("0", YEARS)]
    assert said("smoke", "False") == [("False", AS_WRITTEN)]


@pytest.mark.parametrize(
    ("field", "raw", "value"),
    [
        *[("sex", raw, "female") for raw in ("F", "female", "FEMALE", " w ", "weiblich", "Kadın")],
        *[("sex", raw, "male") for raw in ("M", "Male", "männlich", "erkek")],
        *[
            ("fitzpatrick", raw, "III")
            for raw in ("3", "3.0", "III", "iii", "FST3", "FST III", "Type III", "Skin type 3")
        ],
        *[("fitzpatrick", raw, "I-II") for raw in ("12", "1-2", "I–II", "FST I-II")],
        *[("monk", raw, "10") for raw in ("10", "10.0", "MST 10", "Monk-10")],
        *[("malignancy", raw, "malignant") for raw in ("Malignant", "1", "1.0", "TRUE", "bösartig")],
        *[("malignancy", raw, "benign") for raw in ("benign", "0", "False")],
        ("malignancy", "indeterminate/benign", "indeterminate"),
        *[("modality", raw, "dermoscopy") for raw in ("dermoscopic", "Dermatoscopy", "DMS")],
        *[
            ("modality", raw, "clinical")
            for raw in ("clinical: close-up", "clinical: overview", "XC", "Photo")
        ],
        ("modality", "TBP tile: close-up", "tbp"),
        ("modality", "RCM: mosaic", "confocal"),
        ("modality", "US", "ultrasound"),
        ("modality", "Histopathology", "histology"),
        ("modality", "MG", "mammography"),
        ("split", "val", "validation"),
        ("split", "TRAIN", "train"),
        ("licence", "CC-BY", "CC BY"),
        ("licence", "CC-BY-NC", "CC BY-NC"),
        ("licence", "CC-0", "CC0"),
        ("licence", "https://creativecommons.org/licenses/by-nc/4.0/", "CC BY-NC 4.0"),
        ("body_site", "HEAD_OR_NECK", "head/neck"),
        ("body_site", "Torso (Front)", "anterior torso"),
        ("symptoms", "Pruritus", "itching"),
        ("confirmed_by", "histo", "histopathology"),
        ("duration", "ONE_TO_FOUR_WEEKS", "one to four weeks"),
    ],
)
def test_synonyms_become_terms(field: str, raw: str, value: str) -> None:
    assert said(field, raw) == [(value, known_fields()[field].vocabulary)]


@pytest.mark.parametrize(
    ("dataset", "codes"),
    [
        (
            "PAD-UFES-20",
            {"ACK": "actinic keratosis", "SEK": "seborrheic keratosis", "NEV": "nevus", "MEL": "melanoma"},
        ),
        ("PAD-UFES-20", {"BCC": "basal cell carcinoma", "SCC": "squamous cell carcinoma"}),
        ("HAM10000", {"akiec": "actinic keratosis or intraepithelial carcinoma", "bkl": "benign keratosis"}),
        (
            "HAM10000",
            {"df": "dermatofibroma", "nv": "nevus", "vasc": "vascular lesion", "bcc": "basal cell carcinoma"},
        ),
        (
            "BCN20000",
            {"AK": "actinic keratosis", "NV": "nevus", "VASC": "vascular lesion", "BKL": "benign keratosis"},
        ),
        (
            "HIBA",
            {
                "nevus": "nevus",
                "solar lentigo": "solar lentigo",
                "lichenoid keratosis": "lichen planus-like keratosis",
            },
        ),
    ],
)
def test_codes_of_datasets(dataset: str, codes: dict[str, str]) -> None:
    for code, name in codes.items():
        assert said("diagnosis", code) == [(name, "diagnosis")], dataset


def test_weighted_diagnoses_keep_their_weights() -> None:
    raw = "{'Eczema': 0.41, 'Allergic Contact Dermatitis': 0.41, 'Drüsenfieber': 0}"
    assert normalise("diagnosis", raw) == (
        Value("diagnosis", "eczema", 0.41, "diagnosis"),
        Value("diagnosis", "allergic contact dermatitis", 0.41, "diagnosis"),
        Value("diagnosis", "Drüsenfieber", 0.0, AS_WRITTEN),
    )
    assert normalise("diagnosis", raw.replace("'", '"')) == normalise("diagnosis", raw)
    assert normalise("diagnosis", "{}") == normalise("diagnosis", "[]") == ()


def test_two_names_of_one_diagnosis_become_one_value() -> None:
    assert normalise("diagnosis", "{'MEL': 0.2, 'Melanoma': 0.7}") == (
        Value("diagnosis", "melanoma", 0.7, "diagnosis"),
    )


@pytest.mark.parametrize(
    "raw", ["MEL; NV", "MEL|NV", "['MEL', 'NV']", '["MEL", "NV", null]', "mel ;nan; nv;"]
)
def test_lists_of_diagnoses(raw: str) -> None:
    assert said("diagnosis", raw) == [("melanoma", "diagnosis"), ("nevus", "diagnosis")]


@pytest.mark.parametrize(
    "raw",
    [
        "{'Eczema': __import__('os').getcwd()}",
        "{'Eczema': 'high'}",
        "{'Eczema': -1}",
        '{"Eczema": NaN}',
        '{"Eczema": Infinity}',
        '{"Eczema": true}',
        "{'Eczema': 1" + "0" * 400 + "}",
        "{[]: 1}",
        "[" * 5000 + "]" * 5000,
        "[{'a': 1}]",
        "(unsure)",
    ],
)
def test_what_only_looks_like_weights_is_kept_as_written(raw: str) -> None:
    assert said("diagnosis", raw) == [(raw, AS_WRITTEN)]


def test_hierarchies_keep_their_path() -> None:
    path = "Benign > Melanocytic > Naevus"
    assert said("diagnosis", f" {path} ") == [(path, HIERARCHY)]
    assert said("diagnosis", "Benign > nan > Naevus; MEL") == [
        ("Benign > Naevus", HIERARCHY),
        ("melanoma", "diagnosis"),
    ]


@pytest.mark.parametrize(
    ("raw", "value", "vocabulary"),
    [
        *[(raw, "54", YEARS) for raw in ("54", "54.0", "054Y", "54 years", "54 y", "54 years old", "54,0")],
        ("0", "0", YEARS),
        ("000Y", "0", YEARS),
        ("54.5", "54.5", YEARS),
        ("018M", "1.5", YEARS),
        ("3 months", "0.25", YEARS),
        ("026W", "0.5", YEARS),
        ("130", "130", YEARS),
        *[
            (raw, "50-59", YEARS_RANGE)
            for raw in ("50-59", "50 – 59", "50 to 59", "AGE_50_TO_59", "50-59 years")
        ],
        *[(raw, "85+", YEARS_RANGE) for raw in ("85+", ">=85", "≥ 85", "85 or above", "85 and over")],
        ("AGE_80_OR_ABOVE", "80+", YEARS_RANGE),
        *[
            (raw, raw, AS_WRITTEN)
            for raw in ("131", "1975", "-5", "59-50", "adult", ">85", "54 parsecs", "5e1")
        ],
    ],
)
def test_ages(raw: str, value: str, vocabulary: str) -> None:
    assert said("age", raw) == [(value, vocabulary)]


def test_an_age_or_a_sex_that_says_unknown_in_other_words_is_missing() -> None:
    assert normalise("age", "AGE_UNKNOWN") == normalise("sex", "OTHER_OR_UNSPECIFIED") == ()
    assert normalise("fitzpatrick", "NONE_SELECTED") == normalise("fitzpatrick", "-1.0") == ()


def test_what_no_vocabulary_knows_is_kept_as_it_stands() -> None:
    assert said("diagnosis", " Morbus Müller ") == [("Morbus Müller", AS_WRITTEN)]
    assert said("fitzpatrick", "VII") == [("VII", AS_WRITTEN)]
    assert said("fitzpatrick", "type") == [("type", AS_WRITTEN)]
    assert said("Has Piped-Water", "a; b") == [("a; b", AS_WRITTEN)]
    assert normalise("Has Piped-Water", "x")[0].field == "has_piped_water"


def test_identifiers_are_never_changed() -> None:
    assert said("patient", " 00123.0 ") == [("00123.0", IDENTIFIER)]
    assert said("lesion", "[1]") == [("[1]", IDENTIFIER)]


@given(field=st.sampled_from([*known_fields(), "smoke"]), raw=st.text(max_size=30))
def test_no_text_is_lost_or_breaks_the_reader(field: str, raw: str) -> None:
    values = normalise(field, raw)
    assert all(value.value.strip() and value.field == field for value in values)
    if not values:
        text = raw.strip()
        of_field = known_fields()[field].missing if field in known_fields() else ()
        is_empty_list = text[:1] in tuple("([{")
        nothing = all(is_missing(part) for part in re.split(r"[;|]", text))
        assert nothing or is_empty_list or without_decimals(text) in of_field


@given(st.sampled_from([name for name, known in known_fields().items() if known.terms]), st.data())
def test_a_term_stands_for_itself(field: str, data: st.DataObject) -> None:
    known = known_fields()[field]
    term = data.draw(st.sampled_from(sorted(set(known.terms.values()))))
    assert said(field, term) == said(field, term.upper()) == [(term, known.vocabulary)]


def test_no_synonym_belongs_to_two_terms() -> None:
    for name, vocabulary in FIELDS["vocabularies"].items():
        owners: dict[str, str] = {}
        for term, words in vocabulary["values"].items():
            for word in (term, *words):
                key = re.sub(r"[\W_]+", " ", word.casefold()).strip()
                assert owners.setdefault(key, term) == term, f"{name}: {word}"


def test_the_data_file_is_whole() -> None:
    for name, field in FIELDS["fields"].items():
        assert field["label"]
        assert clean_name(name) == name
        assert field.get("vocabulary", "diagnosis") in FIELDS["vocabularies"]
        terms = FIELDS["vocabularies"].get(field.get("vocabulary"), {}).get("values", {})
        assert all(value in terms for value in field.get("flags", {}).values())


def test_flags_and_names() -> None:
    assert [as_flag(raw) for raw in ("YES", "True", "1.0", "x", "no", "0", "severe")] == [True] * 4 + [
        False
    ] * 2 + [None]
    assert clean_name("  Größe (mm)! ") == "grösse_mm"
    assert clean_name("%") == "column"
    assert column_key("Patient ID") == column_key("patient_id") == column_key("PatientID")
