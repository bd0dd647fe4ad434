"""Recipes: those that ship can be used, and one of the user's own is refused with what is wrong in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dermagui.errors import DermaError
from dermagui.project import create_project
from dermagui.training.recipe import SETTINGS, find_recipe, list_recipes
from tests.fakes.command_line import run


def test_every_recipe_that_ships_can_be_used() -> None:
    found = {recipe.name: recipe for recipe in list_recipes()}
    assert list(found) == ["try-out", "small-gpu", "medical", "default", "quality", "dermasynth-like"]
    for name, recipe in found.items():
        assert find_recipe(name) == recipe
        assert recipe.settings.keys() == SETTINGS.keys()
        assert recipe.settings["batch"] * recipe.settings["accumulation"] == 8
    assert found["medical"].gated
    assert found["medical"].terms
    assert not found["dermasynth-like"].becomes_gguf
    assert "European Union" in found["dermasynth-like"].terms
    assert found["dermasynth-like"].settings["most_pairs"] == 5000


def test_whose_terms_hold_is_said_before_anything_else(tmp_path: Path) -> None:
    """And that comes before the refusal: there is neither a model nor a GPU here."""
    create_project(tmp_path / "study")
    given = ["--base", tmp_path, "--recipe", "dermasynth-like", "--export-job", tmp_path / "away"]
    refused = run("train", tmp_path / "study", *given, code=3)
    told = refused.out + refused.err
    assert "Llama 3.2 Community License" in told
    assert told.index("European Union") < told.index("There is no model in")
    assert "never become a GGUF file" in told


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rank": 0}, "rank"),
        ({"rank": 1.5}, "rank"),
        ({"batch": True}, "batch"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"dropout": -0.1}, "dropout"),
        ({"method": "magic"}, "method"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_setting_that_will_not_do_is_named(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    told = {name: getattr(find_recipe("try-out"), name) for name in find_recipe("try-out").__slots__}
    path = tmp_path / "own.json"
    path.write_text(json.dumps({**told, "name": "own"}))
    assert find_recipe(str(path)).name == "own"
    path.write_text(json.dumps({**told, "settings": told["settings"] | changes}))
    with pytest.raises(DermaError) as raised:
        find_recipe(str(path))
    assert raised.value.code == "train.bad_recipe"
    assert named in str(raised.value.values["reason"])


def test_an_unknown_recipe_is_answered_with_those_there_are() -> None:
    with pytest.raises(DermaError) as raised:
        find_recipe("huge")
    assert raised.value.code == "train.no_recipe"
    assert "default" in str(raised.value.values["known"])
