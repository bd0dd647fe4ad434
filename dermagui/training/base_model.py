"""What a base model wants of its pictures, and whether it can come home: read from its ``config.json``."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dermagui.errors import DataError, UserError
from dermagui.paths import display_path
from dermagui.records import PixelRecipe
from dermagui.training.environment import training_folder
from dermagui.training.recipe import list_recipes

# Kinds whose pictures may have any size, as long as both sides are whole patches; else one size, a square.
_ANY_SIZE = {"qwen2_vl": 2, "qwen2_5_vl": 2, "qwen3_vl": 2, "qwen3_5": 2}
"""Kind → how many patches a side become one token."""
_ONE_SIZE = ("gemma3",)

ORIGIN_NAME = "origin.json"
"""In the folder of a base that was downloaded: its name on the hub, commit, licence, whether it is gated."""

_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")

GGUF_KINDS = (*_ANY_SIZE, *_ONE_SIZE)
"""Kinds that the pinned llama.cpp can convert and that were looked at here."""


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A base in a folder."""

    folder: Path
    kind: str
    """``model_type`` as transformers calls it."""
    image_size: int
    patch_size: int

    @property
    def becomes_gguf(self) -> bool:
        """Whether what is tuned of it can be brought home for the chat."""
        return self.kind in GGUF_KINDS

    @property
    def wants_square(self) -> bool:
        """Whether llama.cpp will fill pictures up to a square: then training shows it squares too."""
        return self.kind in _ONE_SIZE

    @property
    def merges(self) -> int:
        """How many patches a side become one token, where pictures may have any size; else 0."""
        return _ANY_SIZE.get(self.kind, 0)

    def pixel_recipe(self, image_side: int) -> PixelRecipe:
        """How pictures are made for it, so that neither torch nor llama.cpp scales them again."""
        if self.wants_square:
            return PixelRecipe(self.image_size, codec="png", enlarge=True)
        stride = self.patch_size * self.merges or 1
        return PixelRecipe(max(stride, image_side // stride * stride), stride, "png")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a base came from, as far as its folder tells."""

    name: str
    """As the hub calls it; else the name of its folder."""
    commit: str = ""
    licence: str = ""
    """As its owner calls it."""
    known: bool = False
    """Whether ``name`` is that of the hub."""


def origin_of(folder: Path) -> Origin:
    """Where the base in a folder came from: a download of this program, or the hub's own cache."""
    try:
        told = json.loads((folder / ORIGIN_NAME).read_bytes())
        return Origin(str(told["name"]), str(told["commit"]), str(told["licence"]), known=True)
    except (OSError, ValueError, KeyError, TypeError):
        cached = folder.parent.parent.name
    if folder.parent.name == "snapshots" and cached.startswith("models--"):
        return Origin(cached.removeprefix("models--").replace("--", "/", 1), folder.name, known=True)
    return Origin(folder.name)


def find_base(wanted: Path) -> Path:
    """The folder that is meant, like ``local_base``; what is not here is not downloaded.

    Raises ``UserError``: ``train.base_gated``, ``train.base_on_hub``.
    """
    found = local_base(wanted)
    if found:
        return found
    name = wanted.as_posix()
    known = {recipe.base: recipe for recipe in list_recipes()}.get(name)
    if known and known.gated:
        raise UserError("train.base_gated", name=name, licence=known.licence)
    raise UserError("train.base_on_hub", name=name, licence=known.licence if known else "?")


def local_base(wanted: Path) -> Path | None:
    """The folder that is meant: itself, or what was downloaded under that name of the hub, by this program
    or, the newest copy, by others; None for such a name that is not here.
    """
    name = wanted.as_posix()
    if wanted.exists() or not _HUB_NAME.fullmatch(name):
        return wanted
    if hub_folder(name).exists():
        return hub_folder(name)
    place = _hub_cache() / f"models--{name.replace('/', '--')}" / "snapshots"
    found = [path.parent for path in place.glob("*/config.json")]
    return max(found, key=lambda folder: folder.stat().st_mtime) if found else None


def hub_folder(name: str) -> Path:
    """Where the base of that name on the hub lies once it was downloaded."""
    return training_folder() / "bases" / name.replace("/", "--")


def _hub_cache() -> Path:
    """Where huggingface_hub keeps what it downloads, by the variables that it reads."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub")


def read_base(folder: Path) -> BaseModel:
    """The base in a folder. Raises ``UserError`` ``train.no_base``, ``DataError`` ``train.base_unusable``."""
    path = folder / "config.json"
    if not path.is_file():
        raise UserError("train.no_base", path=display_path(folder))
    try:
        config: dict[str, Any] = json.loads(path.read_bytes())
        vision = config["vision_config"]
        return BaseModel(
            folder.resolve(),
            str(config["model_type"]),
            int(vision.get("image_size") or 0),
            int(vision.get("patch_size") or 0),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError("train.base_unusable", path=display_path(folder), reason=repr(error)) from error
