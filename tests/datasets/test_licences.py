"""Licence texts as people write them, and which of several is the strictest."""

from __future__ import annotations

import pytest

from dermagui.datasets.licences import FAMILIES, Licence, licence_of, licence_summary, parse_licence
from dermagui.records import Source


@pytest.mark.parametrize(
    ("text", "family", "version"),
    [
        ("CC0", "cc0", ""),
        ("CC0 1.0 Universal", "cc0", ""),
        ("Public Domain", "cc0", ""),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "cc0", ""),
        ("CC-BY", "cc-by", ""),
        ("cc-by-4.0", "cc-by", "4.0"),
        ("CC BY 4.0", "cc-by", "4.0"),
        ("Creative Commons Attribution 4.0 International (CC BY 4.0)", "cc-by", "4.0"),
        ("http://creativecommons.org/licenses/by/3.0/deed.de", "cc-by", "3.0"),
        ("CC BY-SA v3.0", "cc-by-sa", "3.0"),
        ("CC BY-NC 4.0", "cc-by-nc", "4.0"),
        ("CC BY–NC 4.0", "cc-by-nc", "4.0"),
        ("https://creativecommons.org/licenses/by-nc-sa/4.0/", "cc-by-nc-sa", "4.0"),
        ("Attribution-NonCommercial-ShareAlike 4.0 International License", "cc-by-nc-sa", "4.0"),
        ("CC BY-ND 4.0", "cc-by-nd", "4.0"),
        ("Attribution-NonCommercial-NoDerivs 3.0 Unported", "cc-by-nc-nd", "3.0"),
    ],
)
def test_common_spellings(text: str, family: str, version: str) -> None:
    assert parse_licence(text) == Licence(family, version)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MIT",
        "SCIN Data Use License",
        "CC BY 4.0, but ask first",
        "CC BY 4.0; CC BY-NC 4.0",
        "CC BY 4.0 (no commercial use)",
        "Attribution 4.0 International (CC BY-NC 4.0)",
        "not CC BY",
        "CC BY-NC-SA-ND",
        "all rights reserved",
    ],
)
def test_what_is_not_wholly_understood_is_custom(text: str) -> None:
    assert parse_licence(text) == Licence("custom")


def test_the_order_of_strictness() -> None:
    texts = ["CC0", "CC BY", "CC BY-SA", "CC BY-NC", "CC BY-NC-SA", "CC BY-NC-ND", "ask me"]
    strictness = [parse_licence(text).strictness for text in texts]
    assert strictness == sorted(strictness)
    assert len(set(strictness)) == len(texts)
    assert list(FAMILIES)[-1] == "custom"


def source(name: str, licence: str, **told: object) -> Source:
    return Source(id=1, name=name, root="", licence=licence, **told)  # type: ignore[arg-type]


def test_a_source_may_be_stricter_than_its_licence() -> None:
    assert licence_of(source("a", "CC BY 4.0", non_commercial=True)) == Licence("cc-by-nc")
    assert licence_of(source("a", "CC BY-NC-ND 4.0", non_commercial=True)).family == "cc-by-nc-nd"
    assert licence_of(source("a", "", non_commercial=True)).family == "custom"


def test_the_strictest_is_named_with_its_sources() -> None:
    summary = licence_summary(
        [
            source("Atlas", "CC BY-NC 4.0", attribution="A. Author"),
            source("Clinic", "CC BY 4.0"),
            source("Archive", "https://creativecommons.org/licenses/by-nc/4.0/"),
        ]
    )
    assert summary["strictest"] == {
        "family": "cc-by-nc",
        "name": "CC BY-NC",
        "hub_name": "cc-by-nc-4.0",
        "sources": ["Archive", "Atlas"],
    }
    assert [line["source"] for line in summary["all"]] == ["Clinic", "Archive", "Atlas"]  # type: ignore[attr-defined]


def test_two_strictest_versions_have_no_name_in_common() -> None:
    summary = licence_summary([source("a", "CC BY 4.0"), source("b", "CC BY 3.0")])
    assert summary["strictest"]["hub_name"] == "other"  # type: ignore[index]


def test_without_pictures_there_is_no_licence() -> None:
    assert licence_summary([])["strictest"]["sources"] == []  # type: ignore[index]
