"""What a base model wants of its pictures, and whether it can come home: read from its ``config.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dermagui.errors import DataError, UserError
from dermagui.paths import display_path
from dermagui.records import PixelRecipe

# Kinds whose pictures may have any size, as long as both sides are whole patches; else one size, a square.
_ANY_SIZE = {"qwen2_vl": 2, "qwen2_5_vl": 2, "qwen3_vl": 2, "qwen3_5": 2}
"""Kind → how many patches a side become one token."""
_ONE_SIZE = ("gemma3",)

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

    def pixel_recipe(self, image_side: int) -> PixelRecipe:
        """How pictures are made for it, so that neither torch nor llama.cpp scales them again."""
        if self.wants_square:
            return PixelRecipe(self.image_size, codec="png", enlarge=True)
        stride = self.patch_size * _ANY_SIZE.get(self.kind, 0) or 1
        return PixelRecipe(max(stride, image_side // stride * stride), stride, "png")


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
