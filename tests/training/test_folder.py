"""What a training is made of: what the lint says, which rows are taken, what a base wants of its pictures."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dermagui.errors import DermaError
from dermagui.records import ExportRow, PairKind, Picture, PixelRecipe, Region, Role, Split, Turn
from dermagui.training.base_model import find_base, read_base
from dermagui.training.folder import FILL, chosen, line_of, lint, write_image


def row(number: int, split: Split = Split.TRAIN, **provenance: object) -> ExportRow:
    turns = (Turn(Role.USER, "What is it?"), Turn(Role.ASSISTANT, f"Spot {number}."))
    name = (f"images/{number}.jpg",)
    return ExportRow(f"u{number}", PairKind.OPEN, split, turns, (), name, {}, provenance)


def said(rows: list[ExportRow]) -> dict[str, dict[str, Any]]:
    told: dict[str, dict[str, Any]] = {}
    lint(rows, lambda code, **values: told.update({code: values}))
    return told


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(DermaError) as raised:
        said([row(n) for n in range(7)] + [row(9, Split.TEST)])
    assert (raised.value.code, raised.value.values["count"]) == ("train.too_few", 7)


def test_what_is_dubious_is_told_and_what_is_not_is_not() -> None:
    good = [row(n, malignancy="benign" if n % 2 else "malignant") for n in range(10)]
    assert said([*good, row(10, Split.VALIDATION)]) == {}
    assert "train.no_held_out" in said(good)
    assert said([row(n, malignancy="benign") for n in range(9)])["train.one_class"]["value"] == "benign"
    uneven = said([row(n, diagnosis="naevus" if n else "melanoma") for n in range(12)])["train.unbalanced"]
    assert (uneven["most"], uneven["many"], uneven["least"], uneven["few"]) == ("naevus", 11, "melanoma", 1)
    assert said([row(n, simulated=n < 3) for n in range(9)])["train.simulated_pairs"]["count"] == 3
    long = replace(good[0], turns=(Turn(Role.USER, "?"), Turn(Role.ASSISTANT, "x" * 9000)))
    assert said([long, *good])["train.long_pairs"]["count"] == 1


def test_a_limit_takes_pairs_evenly_and_leaves_what_is_held_out() -> None:
    rows = [*(row(n) for n in range(100)), row(100, Split.TEST), row(101, Split.VALIDATION)]
    assert chosen(rows, 0) == rows
    assert [one.uid for one in chosen(rows, 4)] == ["u0", "u25", "u50", "u75", "u100", "u101"]


def test_a_row_asks_with_its_picture_before_its_words() -> None:
    told = line_of(row(3, malignancy="benign"))
    assert told["images"] == ["images/3.png"]
    assert [part["type"] for part in told["messages"][0]["content"]] == ["image", "text"]
    assert told["malignancy"] == "benign"


def base_folder(folder: Path, **config: object) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_a_base_says_how_its_pictures_are_made(tmp_path: Path) -> None:
    vision = {"image_size": 896, "patch_size": 14}
    gemma = read_base(base_folder(tmp_path / "gemma", model_type="gemma3", vision_config=vision))
    assert gemma.becomes_gguf
    assert gemma.wants_square
    assert gemma.pixel_recipe(512) == PixelRecipe(896, 1, "png", enlarge=True)
    qwen = read_base(base_folder(tmp_path / "qwen", model_type="qwen3_vl", vision_config={"patch_size": 16}))
    assert not qwen.wants_square
    assert qwen.pixel_recipe(530) == PixelRecipe(512, 32, "png")
    llama = read_base(base_folder(tmp_path / "llama", model_type="mllama", vision_config=vision))
    assert not llama.becomes_gguf


def test_a_name_of_the_hub_is_found_in_its_cache_and_never_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    for name, code in (
        ("google/medgemma-4b-it", "train.base_gated"),
        ("Qwen/Qwen3-VL-8B-Instruct", "train.base_on_hub"),
        ("some/one", "train.base_on_hub"),
    ):
        with pytest.raises(DermaError) as raised:
            find_base(Path(name))
        assert (raised.value.code, raised.value.values["name"]) == (code, name)
    snapshots = tmp_path / "hub" / "models--some--one" / "snapshots"
    for commit, moment in (("a", 200), ("b", 100), ("unfinished", 300)):
        (snapshots / commit).mkdir(parents=True)
        if commit != "unfinished":
            (snapshots / commit / "config.json").touch()
        os.utime(snapshots / commit, (moment, moment))
    assert find_base(Path("some/one")) == snapshots / "a"
    assert find_base(tmp_path) == tmp_path
    assert find_base(tmp_path / "gone") == tmp_path / "gone", "a path is told to hold no model"


@pytest.mark.parametrize(
    ("config", "code"),
    [(None, "train.no_base"), ({"model_type": "llama"}, "train.base_unusable"), ([], "train.base_unusable")],
)
def test_what_is_no_vision_model_is_refused(tmp_path: Path, config: object, code: str) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(DermaError) as raised:
        read_base(tmp_path)
    assert raised.value.code == code


def test_a_square_is_filled_evenly_and_what_is_painted_over_stays_so(tmp_path: Path) -> None:
    Image.new("RGB", (200, 100), "red").save(tmp_path / "wide.png")
    out = tmp_path / "out.png"
    write_image(
        PixelRecipe(100, codec="png"), True, (out, Picture(tmp_path / "wide.png"), (Region(0, 0, 40, 100),))
    )
    with Image.open(out) as picture:
        assert picture.size == (100, 100)
        assert picture.getpixel((50, 5)) == picture.getpixel((50, 95)) == FILL
        assert picture.getpixel((90, 50)) == (255, 0, 0)
        assert picture.getpixel((5, 50)) == (128, 128, 128)
