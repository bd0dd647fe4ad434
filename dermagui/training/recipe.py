"""Recipes: the settings of a training, as files of data under ``resources/recipes``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dermagui.errors import DataError, UserError
from dermagui.paths import display_path, resources

SETTINGS: dict[str, type] = {
    "method": str,
    "rank": int,
    "alpha": int,
    "dropout": float,
    "train_vision": bool,
    "load_in_4bit": bool,
    "dtype": str,
    "epochs": float,
    "batch": int,
    "accumulation": int,
    "learning_rate": float,
    "scheduler": str,
    "warmup": float,
    "weight_decay": float,
    "optimizer": str,
    "gradient_checkpointing": bool,
    "save_steps": int,
    "patience": int,
    "image_side": int,
    "probes": int,
    "most_pairs": int,
}
"""Every setting that the trainer reads, with its type. ``warmup`` is a share of the steps if below 1;
``patience`` are evaluations without a better loss before the run ends early, 0 for never; ``most_pairs`` is
0 for all; ``image_side`` is the longest side in pixels, where the model leaves that free.
"""

PARITY_LIMIT = 0.25
"""Nats a token; see ``Recipe.parity_limit``."""

_AT_LEAST_ONE = ("rank", "alpha", "epochs", "batch", "accumulation", "learning_rate", "save_steps")
_CHOICES = {"method": ("lora", "full"), "dtype": ("bfloat16", "float16")}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training is started with, and what people should know of its base before that."""

    name: str
    title: str
    purpose: str
    base: str
    """The name of the base on the hub."""
    licence: str
    terms: str
    gated: bool
    """Whether terms must be accepted before the base can be had."""
    becomes_gguf: bool
    gpu_gb: float
    """Free memory of the GPU that it wants."""
    unverified: bool
    """Whether nobody has run it here yet."""
    settings: dict[str, Any]
    parity_limit: float = PARITY_LIMIT
    """How far a file smaller than Q8_0 may lie off the trained model, in nats a token."""
    download_gb: float = 0
    """What the base's files weigh on the hub, which are its numbers in 16 bits; 0 where nobody said."""


def list_recipes() -> list[Recipe]:
    """The recipes that ship with the program, those for small cards first."""
    found = [read_recipe(path) for path in (resources() / "recipes").glob("*.json")]
    return sorted(found, key=lambda recipe: (not recipe.becomes_gguf, recipe.gpu_gb, recipe.download_gb))


def find_recipe(name: str) -> Recipe:
    """A recipe by name, or one of the user's own by its file. Raises ``train.no_recipe``."""
    path = resources() / "recipes" / f"{name}.json"
    if path.is_file():
        return read_recipe(path)
    if name.endswith(".json") and Path(name).is_file():
        return read_recipe(Path(name))
    raise UserError("train.no_recipe", name=name, known=[recipe.name for recipe in list_recipes()])


def read_recipe(path: Path) -> Recipe:
    """The recipe of a file. Raises ``DataError`` ``train.bad_recipe`` with what is wrong."""
    try:
        recipe = Recipe(**json.loads(path.read_bytes()))
        refuse_bad_settings(recipe.settings)
    except (OSError, ValueError, TypeError) as error:
        raise DataError("train.bad_recipe", path=display_path(path), reason=str(error)) from error
    return recipe


def refuse_bad_settings(settings: Mapping[str, Any]) -> None:
    """Raises ``ValueError`` unless every setting is there, of its type and possible."""
    if settings.keys() != SETTINGS.keys():
        raise ValueError(f"settings: {', '.join(sorted(settings.keys() ^ SETTINGS.keys()))}")
    for name, kind in SETTINGS.items():
        value = settings[name]
        fits = isinstance(value, int | float) if kind is float else isinstance(value, kind)
        if not fits or (kind in (int, float) and isinstance(value, bool)):
            raise ValueError(f"{name}: {value!r}")
        if (name in _AT_LEAST_ONE and not value > 0) or (kind in (int, float) and value < 0):
            raise ValueError(f"{name}: {value!r}")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise ValueError(f"{name}: {value!r}")
