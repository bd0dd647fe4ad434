"""What only the hint said is found in an answer, by whole words and in the words of the vocabularies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermagui.generation.leaks import age_range, leaks_in
from dermagui.library.fields import known_fields


def leaks(text: str, asked: bool = False, **metadata: str) -> list[tuple[str, str]]:
    said = {field: tuple(value.split("|")) for field, value in metadata.items()}
    return [(flag.detail, flag.evidence) for flag in leaks_in(text, said, asked)]


@pytest.mark.parametrize(
    ("diagnosis", "text", "evidence"),
    [
        ("melanoma", "This looks like a melanoma.", "melanoma"),
        ("melanoma", "Such melanomas are rare.", "melanomas"),
        ("melanoma", "A melanomatous growth.", "melanomatous"),
        ("melanoma", "There is no sign of melanoma.", "melanoma"),
        ("melanoma", "A nodular melanoma.", "melanoma"),
        ("nodular melanoma", "A melanoma.", "melanoma"),
        ("nevus", "A common mole.", "mole"),
        ("nevus", "Several naevi.", "naevi"),
        ("naevus", "A melanocytic nevus.", "melanocytic nevus"),
        ("Melanocytic > Benign > Naevus", "One naevus.", "naevus"),
        ("basal cell carcinoma", "Typical of BCC.", "BCC"),
        ("bcc", "A basal-cell carcinoma.", "basal-cell carcinoma"),
        ("seborrheic keratosis", "Seborrhoeic keratoses.", "Seborrhoeic keratoses"),
        ("eczema", "Ekzem am Arm.", "Ekzem"),
        ("squamous cell carcinoma in situ", "Bowen’s disease.", "Bowen’s disease"),
        ("trichoblastoma", "Rather a Trichoblastoma.", "Trichoblastoma"),
        ("melanoma (weight 0.6)|nevus (weight 0.4)", "A mole.", "mole"),
        ("schwarzer Hautkrebs", "Das ist SCHWARZER HAUTKREBS.", "SCHWARZER HAUTKREBS"),
    ],
)
def test_diagnosis(diagnosis: str, text: str, evidence: str) -> None:
    assert leaks(text, diagnosis=diagnosis) == [("diagnosis", evidence)]
    assert leaks(text, asked=True, diagnosis=diagnosis) == []


@pytest.mark.parametrize(
    ("diagnosis", "text"),
    [
        ("graph", "Micrographic surgery and dermatographism."),
        ("melanoma", "Melanocytic cells and melanin in a melanosome."),
        ("nv", "An NV lamp."),
        ("acne", "Acneiform changes."),
        ("benign", "It looks benign."),
        ("Benign > Melanocytic > Other", "A benign melanocytic lesion of other kind."),
        ("vascular lesion", "Vascular structures are visible."),
        ("normal", "The normal skin around it looks healthy."),
        ("nan", "Nan is here."),
        ("", "Anything."),
    ],
)
def test_no_diagnosis(diagnosis: str, text: str) -> None:
    assert leaks(text, diagnosis=diagnosis) == []


def test_every_name_of_the_vocabulary_betrays_its_term() -> None:
    known = known_fields()["diagnosis"].terms
    tried = 0
    for name, term in known.items():
        if term in {"normal", "vascular lesion"} or len(name.replace(" ", "")) <= 2:
            continue
        tried += 1
        assert leaks(f"One sees {name} here.", diagnosis=term), (name, term)
    assert tried > 150


@pytest.mark.parametrize(
    ("age", "text", "evidence"),
    [
        ("54", "A 54-year-old person.", "54-year-old"),
        ("54", "A 54 year old person.", "54 year old"),
        ("54", "The person is 54 years old.", "54 years old"),
        ("54", "Seen at 54 years of age.", "54 years of age"),
        ("54", "At the age of 54, skin changes.", "age of 54"),
        ("54", "Age: 54.", "Age: 54"),
        ("54", "A person aged 54.", "aged 54"),
        ("54", "A 54 y/o.", "54 y/o"),
        ("54", "With 54 years, one expects this.", "54 years"),
        ("54", "A fifty-four-year-old.", "fifty-four-year-old"),
        ("54", "Someone in their fifties.", "their fifties"),
        ("54", "Someone in their mid-50s.", "their mid-50s"),
        ("54", "Common in the 50s.", "in the 50s"),
        ("54", "A middle-aged person.", "middle-aged"),
        ("50-59", "A 57-year-old.", "57-year-old"),
        ("85+", "An elderly person.", "elderly"),
        ("90 or over", "A 93-year-old.", "93-year-old"),
        ("7", "A child.", "child"),
        ("7", "The seven-year-old.", "seven-year-old"),
        ("0", "An infant.", "infant"),
    ],
)
def test_age(age: str, text: str, evidence: str) -> None:
    assert leaks(text, age=age) == [("age", evidence)]
    assert leaks(text, asked=True, age=age) == [("age", evidence)]


@pytest.mark.parametrize(
    ("age", "text"),
    [
        ("54", "A 45-year-old."),
        ("54", "A 154-year-old."),
        ("54", "54 mm wide, 54 percent."),
        ("54", "Review in 54 years."),
        ("5", "It has grown for 5 years."),
        ("2", "It appeared 2 years ago."),
        ("54", "Someone in their thirties."),
        ("54", "An elderly child."),
        ("54", "Aged 54 weeks."),
        ("nan", "A 54-year-old."),
        ("5", "A diameter of 3.5 years."),
    ],
)
def test_no_age(age: str, text: str) -> None:
    assert leaks(text, age=age) == []


@pytest.mark.parametrize(
    ("value", "years"),
    [
        ("54", (54, 54)),
        ("50-59", (50, 59)),
        ("85+", (85, 130)),
        ("90 or over", (90, 130)),
        ("adult", None),
        ("", None),
        ("AGE_30_TO_39", (30, 39)),
    ],
)
def test_age_range(value: str, years: tuple[int, int] | None) -> None:
    assert age_range(value) == years


@pytest.mark.parametrize(
    ("sex", "text", "evidence"),
    [
        ("female", "A woman with a spot.", ["woman"]),
        ("female", "In females, and on her arm.", ["females", "her"]),
        ("male", "The man noticed it on his arm.", ["man", "his"]),
        ("male", "A MALE person.", ["MALE"]),
        ("male", "A woman.", []),
        ("female", "Humane, mental, then others here.", []),
        ("other", "A woman or a man.", []),
    ],
)
def test_sex(sex: str, text: str, evidence: list[str]) -> None:
    assert leaks(text, sex=sex) == [("sex", word) for word in evidence]
    assert leaks(text, asked=True, sex=sex) == [("sex", word) for word in evidence]


@pytest.mark.parametrize(
    ("site", "text", "evidence"),
    [
        ("back", "A spot on the back.", ["back"]),
        ("back", "On the upper back.", ["back"]),
        ("back", "The site is the back.", ["back"]),
        ("back", "Location: back.", ["back"]),
        ("back", "Come back later, look at the back of it.", []),
        ("hand", "On the left hand.", ["hand"]),
        ("hand", "On the other hand, on the one hand.", []),
        ("face", "Facial skin; in the face of this.", ["Facial"]),
        ("lower extremity", "On a lower limb.", ["lower limb"]),
        ("trunk", "Of the torso.", ["torso"]),
        ("head/neck", "At the neck.", ["neck"]),
        ("abdomen", "An abdominal plaque.", ["abdominal"]),
        ("linker Unterschenkel", "Am linken, linker Unterschenkel", ["linker Unterschenkel"]),
        ("other", "The other side, on an other one.", []),
    ],
)
def test_body_site(site: str, text: str, evidence: list[str]) -> None:
    assert leaks(text, body_site=site) == [("body_site", word) for word in evidence]


@pytest.mark.parametrize(
    ("skin_type", "text", "evidence"),
    [
        ("III", "Fitzpatrick type III skin.", ["Fitzpatrick type III"]),
        ("III", "Fitzpatrick skin type 3.", ["Fitzpatrick skin type 3"]),
        ("III", "Skin type III.", ["Skin type III"]),
        ("III", "Phototype: III.", ["Phototype: III"]),
        ("III-IV", "Phototype IV.", ["Phototype IV"]),
        ("III", "Fitzpatrick type II or IV; three types.", []),
        ("I", "Skin type II.", []),
    ],
)
def test_skin_type(skin_type: str, text: str, evidence: list[str]) -> None:
    assert leaks(text, fitzpatrick=skin_type) == [("fitzpatrick", words) for words in evidence]


def test_monk_tone() -> None:
    assert leaks("Monk skin tone 5, Monk 10.", monk="5") == [("monk", "Monk skin tone 5")]
    assert leaks("Monk scale 10", monk="1") == []


def test_symptoms() -> None:
    assert leaks("An itchy and bleeding spot, pruritus.", symptoms="itching|bleeding") == [
        ("symptoms", "itchy"),
        ("symptoms", "bleeding"),
        ("symptoms", "pruritus"),
    ]
    assert leaks("No change in elevation.", symptoms="change|elevation") == []


@pytest.mark.parametrize(
    "text",
    [
        "According to the metadata,",
        "From the provided information,",
        "the information provided",
        "The hint says so,",
        "as stated in the context,",
        "as noted in the record",
        "the given label",
        "the recorded diagnosis",
        "The record gives it",
        "the ground truth",
    ],
)
def test_phrases(text: str) -> None:
    assert [detail for detail, _ in leaks(text, age="1")] == ["phrase"]


@pytest.mark.parametrize(
    "text",
    [
        "A hint of blue, the hint of a network.",
        "In this context the colour matters.",
        "Clinical history would be needed.",
        "Clinical context and correlation are advised.",
        "The contextual pattern provided a contrast.",
    ],
)
def test_no_phrases(text: str) -> None:
    assert leaks(text, age="1") == []


@given(
    st.text(max_size=100),
    st.dictionaries(st.sampled_from(["age", "sex", "diagnosis", "body_site", "monk"]), st.text(max_size=20)),
)
def test_evidence_stands_in_the_text(text: str, metadata: dict[str, str]) -> None:
    for _, evidence in leaks(text, **metadata):
        assert evidence
        assert evidence in text
