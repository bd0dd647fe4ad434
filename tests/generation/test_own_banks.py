"""The user's own question banks: found by name, saved whole or not at all, versions kept once used."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dermagui.errors import DataError, UserError
from dermagui.generation.bank import bank_as_json, load_bank, parse_bank
from dermagui.generation.own_banks import (
    find_bank,
    keep_draft,
    kept_draft,
    list_banks,
    next_version,
    own_folder,
    save_bank,
    slug,
)
from dermagui.generation.plan import bank_of, plan_from_settings, plan_question
from dermagui.records import MetadataMode, Origin, Question
from dermagui.storage.banks import freeze_bank, used_versions
from dermagui.storage.database import Store
from dermagui.storage.metadata import FileStatements, Statement, save_statements
from tests.fakes.projects import add_images, new_store


def raw_bank(**changed: object) -> dict[str, Any]:
    one = {"key": "look", "type": "overview", "kind": "open", "weight": 1, "modalities": []}
    return {
        "name": "Ulcers of the leg",
        "version": "1",
        "language": "en",
        "licence": "CC0",
        "questions": [one | {"variations": ["What is seen?", "It lies here: {body_site}. Comment."]}],
    } | changed


def test_a_saved_bank_is_listed_after_those_that_ship_and_found_by_its_name() -> None:
    saved = save_bank(raw_bank(), ())
    assert (saved.stem, saved.own) == ("ulcers-of-the-leg", True)
    listed = list_banks()
    assert [bank.own for bank in listed] == sorted(bank.own for bank in listed)
    assert listed[-1] == saved
    assert find_bank("ulcers-of-the-leg") == saved.path
    assert find_bank("general-en") == listed[0].path
    plan = plan_from_settings("practice")
    assert bank_of(replace(plan, bank=saved.stem)) == saved.bank


def test_what_is_written_is_what_was_meant() -> None:
    shipped = load_bank(find_bank("general-en"))
    assert parse_bank(bank_as_json(shipped)) == shipped
    saved = save_bank({**bank_as_json(shipped), "name": "Mine"}, ())
    assert load_bank(saved.path).questions == shipped.questions


def test_a_damaged_bank_is_listed_with_its_reason() -> None:
    save_bank(raw_bank(), ())
    (own_folder() / "broken.json").write_text("{", encoding="utf-8")
    broken = {bank.stem: bank for bank in list_banks()}["broken"]
    assert broken.bank is None
    assert broken.error is not None
    assert broken.error.code == "bank.not_json"


def test_nothing_wrong_is_written() -> None:
    with pytest.raises(DataError) as raised:
        save_bank(raw_bank(questions=[]), ())
    assert raised.value.code == "bank.empty"
    assert not own_folder().exists()


def test_a_name_is_given_once() -> None:
    first = save_bank(raw_bank(), ())
    for taken in (raw_bank(), raw_bank(name="ULCERS of the leg!"), raw_bank(name="general en")):
        with pytest.raises(UserError) as raised:
            save_bank(taken, ())
        assert raised.value.code == "bank.name_taken"
    again = save_bank(raw_bank(licence="CC BY 4.0"), (), stem=first.stem)
    assert again.bank is not None
    assert (again.path, again.bank.licence) == (first.path, "CC BY 4.0")


def test_a_used_version_keeps_its_questions(tmp_path: Path) -> None:
    first = save_bank(raw_bank(), ())
    assert first.bank is not None
    with new_store(tmp_path / "study") as store:
        assert used_versions(store, first.bank.name) == frozenset()
        freeze_bank(store, first.bank)
        used = used_versions(store, first.bank.name)
    assert used == {"1"}
    second = save_bank(raw_bank(licence="CC BY 4.0"), used, stem=first.stem)
    assert second.bank is not None
    assert second.bank.version == "2"
    assert json.loads(second.path.read_text(encoding="utf-8"))["version"] == "2"


@pytest.mark.parametrize(
    ("version", "used", "expected"),
    [("1", (), "1"), ("1", ("1", "2"), "3"), ("1.9", ("1.9",), "1.10"), ("draft", ("draft",), "draft.2")],
)
def test_the_next_version(version: str, used: tuple[str, ...], expected: str) -> None:
    assert next_version(version, used) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Ärztliche Fragen", "arztliche-fragen"), ("皮肤", "bank"), ("../../etc", "etc"), ("a" * 200, "a" * 80)],
)
def test_a_name_makes_a_harmless_file_name(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_unsaved_edits_are_kept_until_they_are_saved() -> None:
    saved = save_bank(raw_bank(), ())
    half = raw_bank(questions=[{"key": "", "variations": ["{"]}])
    keep_draft(saved.stem, half)
    assert kept_draft(saved.stem) == half
    assert [bank.stem for bank in list_banks()].count(saved.stem) == 1
    save_bank(raw_bank(), (), stem=saved.stem)
    assert kept_draft(saved.stem) is None
    (own_folder() / "x.draft").write_text("[1", encoding="utf-8")
    assert kept_draft("x") is None


def test_a_full_disk_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    saved = save_bank(raw_bank(), ())
    before = saved.path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError) as raised:
        save_bank(raw_bank(licence="CC BY 4.0"), (), stem=saved.stem)
    assert raised.value.code == "disk.full"
    assert saved.path.read_bytes() == before


# -- one question put to one image ----------------------------------------------------------------


def test_a_question_is_tried_on_an_image(tmp_path: Path) -> None:
    question = parse_bank(raw_bank()).questions[0]
    plan = plan_from_settings("practice")
    with new_store(tmp_path / "study") as store:
        with pytest.raises(UserError) as none:
            plan_question(store, plan, question, 0, 0)
        assert none.value.code == "generate.no_images"
        first, second = add_images(store, 2)
        assert plan_question(store, plan, question, 0, 0).image_id == first
        assert plan_question(store, plan, question, 0, 3).image_id == second
        assert plan_question(store, plan, question, 0, 0).chosen.text == "What is seen?"
        with pytest.raises(DataError) as lacking:
            plan_question(store, plan, question, 1, 0)
        assert lacking.value.values["placeholder"] == "body_site"
        _say(store, first, "body_site", "shin")
        assert plan_question(store, plan, question, 1, 0).chosen.text == "It lies here: shin. Comment."
        hidden = replace(plan, metadata=MetadataMode.NONE)
        with pytest.raises(DataError):
            plan_question(store, hidden, question, 1, 0)
        for_others = Question(question.key, "overview", question.kind, 1, question.variations, ("histology",))
        with pytest.raises(UserError) as unfit:
            plan_question(store, plan, for_others, 0, 0)
        assert unfit.value.code == "bank.not_for_modality"


def _say(store: Store, image_id: int, field: str, value: str) -> None:
    query = "SELECT files.id FROM files JOIN images USING (sha256) WHERE images.id = ?"
    said = FileStatements(store.value(query, (image_id,)), (Statement(field, value),))
    save_statements(store, 1, [said], Origin.FILE, "t.csv")
