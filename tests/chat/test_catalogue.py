"""The catalogue is whole, honest about what nobody measured, and read with care."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dermagui import paths
from dermagui.chat import catalogue
from dermagui.chat.catalogue import MMPROJ, MODEL, CatalogueModel, find_model, load_catalogue, model_from
from dermagui.errors import DataError, UserError


@pytest.fixture(params=load_catalogue(), ids=lambda model: model.name)
def model(request: pytest.FixtureRequest) -> CatalogueModel:
    """Each model of the catalogue that ships with the program."""
    return request.param


def test_there_is_a_medical_a_small_and_a_general_one() -> None:
    models = load_catalogue()
    assert len({model.name for model in models}) == len(models)
    assert any("medical" in model.purpose and model.terms for model in models)
    assert min(model.memory_bytes for model in models) < 4e9
    assert any("general" in model.purpose and not model.terms for model in models)


def test_every_model_says_what_a_person_needs_to_choose(model: CatalogueModel) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*[a-z0-9]", model.name)
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", model.repo)
    for text in (model.title, model.purpose, model.base, model.quantization, model.image_note, model.licence):
        assert text == text.strip()
        assert text
    assert set(model.files) == {MODEL, MMPROJ}
    assert all(file.path.endswith(".gguf") for file in model.files.values())
    assert model.memory_bytes > model.size_bytes


def test_what_binds_a_person_has_its_words_and_its_source(model: CatalogueModel) -> None:
    assert bool(model.terms) == (model.licence != "Apache-2.0")
    assert bool(model.terms) == model.terms_link.startswith("https://")
    assert model.gated <= bool(model.terms)


def test_what_nobody_checked_is_marked(model: CatalogueModel) -> None:
    for file in model.files.values():
        assert file.unverified != bool(re.fullmatch(r"[0-9a-f]{64}", file.sha256))
        assert model.revision == "main" or not file.unverified, "a revision that nobody saw"


def test_a_model_survives_a_jobs_parameters(model: CatalogueModel) -> None:
    assert model_from(json.loads(json.dumps(model.as_json()))) == model


def test_terms_are_named_by_their_very_words(model: CatalogueModel) -> None:
    changed = model_from(model.as_json() | {"terms": model.terms + "!"})
    assert changed.terms_sha256 != model.terms_sha256


def test_a_model_is_found_by_its_name() -> None:
    assert find_model("medgemma-4b").gated
    with pytest.raises(UserError) as caught:
        find_model("dermatollama")
    assert caught.value.code == "catalogue.unknown_model"
    assert "medgemma-4b" in caught.value.values["known"]  # type: ignore[operator]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"models": 1}', '{"models": [{"name": "x"}]}', '{"models": [{"files": []}]}']
)
def test_a_catalogue_that_is_none_is_named(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "catalogue.json").write_text(text, encoding="utf-8")
    monkeypatch.setattr(paths, "resources", lambda: tmp_path)
    with pytest.raises(DataError) as caught:
        catalogue.load_catalogue()
    assert caught.value.code == "catalogue.unreadable"
