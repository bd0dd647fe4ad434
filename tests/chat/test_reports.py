"""A filled form: read from an answer, edited, and written as text and as HTML that is safe to open."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest

from dermagui.chat.pages import Shown
from dermagui.chat.reports import (
    fields_of,
    read_report,
    readable,
    report_html,
    report_markdown,
    report_text,
)
from dermagui.chat.tasks import find_task
from dermagui.errors import DataError

NOTICE = "Research use only. Not a medical device. Do not use for diagnosis."
SCHEMA: dict[str, Any] = {
    "title": "Findings",
    "properties": {
        "site": {"title": "Body site", "type": "string"},
        "urgency": {"title": "Urgency", "enum": ["soon", "later"]},
        "signs": {"title": "Signs", "type": "array", "items": {"type": "string"}},
        "differential": {
            "title": "Differential",
            "type": "array",
            "items": {
                "properties": {
                    "name": {"title": "Diagnosis", "type": "string"},
                    "sure": {"enum": ["possible"]},
                }
            },
        },
    },
}
FILLED = {
    "site": "back",
    "urgency": "soon",
    "signs": ["scale", "crust"],
    "differential": [{"name": "psoriasis", "sure": "possible"}],
}


class Page(HTMLParser):
    """The elements and the words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_form_follows_the_schema() -> None:
    assert [(field.key, field.kind) for field in fields_of(SCHEMA)] == [
        ("site", "text"),
        ("urgency", "choice"),
        ("signs", "list"),
        ("differential", "table"),
    ]
    assert [column.label for column in fields_of(SCHEMA)[3].columns] == ["Diagnosis", "sure"]


def test_the_report_that_ships_is_a_form_of_labelled_fields() -> None:
    schema = find_task("report").schema
    assert schema is not None
    fields = fields_of(schema)
    assert {field.kind for field in fields} == {"text", "choice", "list", "table"}
    assert all(field.label != field.key for field in fields)
    assert set(schema["required"]) == {field.key for field in fields}


def test_an_answer_fills_the_form_and_comes_back_as_it_was() -> None:
    assert read_report(json.dumps(FILLED), SCHEMA) == FILLED


@pytest.mark.parametrize("text", ['{"site": "ba', "[]", "", "It is psoriasis."])
def test_an_answer_that_was_cut_short_is_told(text: str) -> None:
    with pytest.raises(DataError) as raised:
        read_report(text, SCHEMA)
    assert raised.value.code == "report.not_complete"


def test_an_answer_of_another_shape_loses_nothing_that_fits() -> None:
    told = {"site": 3, "signs": "scale", "differential": ["x", {"name": None}]}
    assert read_report(json.dumps(told), SCHEMA) == {
        "site": "3",
        "urgency": "",
        "signs": [],
        "differential": [{"name": "", "sure": ""}],
    }


@pytest.mark.parametrize(
    "schema", [{}, {"properties": {"a": {"type": "object", "properties": {}}}}, {"properties": []}]
)
def test_a_schema_that_is_no_form_is_told(schema: dict[str, Any]) -> None:
    with pytest.raises(DataError) as raised:
        fields_of(schema)
    assert raised.value.code == "report.bad_schema"


def test_the_text_tells_every_field_and_the_notice() -> None:
    assert report_text(SCHEMA, FILLED | {"signs": []}, [("Model", "small Q4_0")]).splitlines() == [
        "Findings",
        "========",
        NOTICE,
        "",
        "Body site",
        "  back",
        "",
        "Urgency",
        "  soon",
        "",
        "Signs",
        "  –",
        "",
        "Differential",
        "  - psoriasis (sure: possible)",
        "",
        "Model: small Q4_0",
    ]


def test_the_page_escapes_what_the_model_and_the_user_wrote() -> None:
    evil = '</p><script>alert(1)</script><img src=x onerror="x">'
    filled = {"site": evil, "urgency": evil, "signs": [evil], "differential": [{"name": evil, "sure": evil}]}
    page = Page(
        report_html(
            SCHEMA | {"title": evil}, filled, [("Model", evil)], [Shown(b"\x89", "image/png", evil, 1, 2)]
        )
    )
    assert not [tag for tag, _ in page.elements if tag == "script"]
    (picture,) = [attributes for tag, attributes in page.elements if tag == "img"]
    assert picture["src"] == "data:image/png;base64,iQ=="
    assert picture["alt"] == evil
    assert set(picture) == {"src", "width", "height", "alt"}
    assert page.words.count(evil) == 9
    assert NOTICE in page.words


def test_the_page_fetches_nothing() -> None:
    page = Page(report_html(SCHEMA, FILLED))
    assert not [tag for tag, _ in page.elements if tag in ("link", "script", "iframe", "img")]
    assert not [attributes for _, attributes in page.elements if {"src", "href"} & attributes.keys()]


def test_on_the_screen_a_field_is_a_paragraph_and_a_list_is_a_list() -> None:
    text = report_markdown(SCHEMA, FILLED | {"signs": ["dots", "lines"]})
    assert text.startswith(f"**{NOTICE}**\n\n**")
    assert "\n\n- dots\n- lines\n\n" in text
    assert readable(json.dumps(FILLED), SCHEMA, as_markdown=True) == report_markdown(SCHEMA, FILLED)
    assert readable(json.dumps(FILLED), SCHEMA, {"site": "knee"}) == report_text(SCHEMA, {"site": "knee"})
    assert readable("{cut off", SCHEMA) == "{cut off"
