"""Pseudonyms: the same within a project, different across projects, kinds and people."""

from __future__ import annotations

import re

import pytest

from dermagui.datasets.pseudonyms import new_secret, pseudonym

SECRET = b"0123456789abcdef0123456789abcdef"


def test_a_pseudonym_stays_the_same_for_ever() -> None:
    assert pseudonym(SECRET, "patient", "Müller, Anna") == "P-MTK676FVBHNT"


def test_a_pseudonym_can_be_a_file_name_and_holds_nothing_of_its_value() -> None:
    for value in ("", "7", "Müller, Anna", "../../etc", "a" * 10_000, "\udcff.jpg"):
        assert re.fullmatch(r"I-[A-Z2-7]{12}", pseudonym(SECRET, "image", value))


def test_kinds_people_and_projects_differ() -> None:
    other = new_secret()
    names = {
        pseudonym(secret, kind, value)[2:]
        for secret in (SECRET, other)
        for kind in ("patient", "lesion", "person")
        for value in ("1", "2", "11")
    }
    assert len(names) == 18


def test_kind_and_value_cannot_be_shifted_into_each_other() -> None:
    assert pseudonym(SECRET, "patient", "x")[2:] != pseudonym(SECRET, "patien", "tx")[2:]


def test_no_secret_no_pseudonym() -> None:
    with pytest.raises(ValueError, match="secret"):
        pseudonym(b"", "patient", "1")


def test_secrets_are_long_and_new() -> None:
    assert len({new_secret() for _ in range(10)}) == 10
    assert len(new_secret()) == 32
