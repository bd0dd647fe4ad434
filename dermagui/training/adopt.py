"""Takes in weights that were trained elsewhere and know nothing of a project: an adapter, or a whole model.

They get a training of their own, whose pictures are what the gates ask them about when they come home. What
they learnt from is not known, and nothing pretends that it is: no dataset stands in their cards, of settings
only those that can be seen, and there is nothing to go on with.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dermagui.errors import DataError, UserError, from_os_error
from dermagui.jobs.report import Report
from dermagui.paths import display_path
from dermagui.storage.database import Row, Store
from dermagui.storage.trainings import end_training
from dermagui.training.base_model import local_base, read_base
from dermagui.training.fitting import read_shapes
from dermagui.training.folder import get_training
from dermagui.training.launch import ADOPTED, prepare, training_parameters
from dermagui.training.recipe import find_recipe

_ADAPTER = "adapter_config.json"
_VISION = ("vision", "visual", "multi_modal")
"""In the names of layers that see, as ``worker/trainer.py`` tells them from others."""
_PARTS = {
    "adapter": (_ADAPTER, "adapter_model.safetensors"),
    "model": ("*.safetensors", "*.json", "*.model", "*.jinja", "*.txt"),
}
"""What is taken of a folder, and under which name."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What lies in a folder."""

    folder: Path
    name: str
    """``adapter`` or ``model``."""
    base: str
    """What its adapter names as its base; a whole model names none."""
    settings: dict[str, Any]
    """The settings of its training that can be seen from it."""

    @property
    def files(self) -> list[Path]:
        """What belongs to it."""
        return [path for pattern in _PARTS[self.name] for path in sorted(self.folder.glob(pattern))]


def has_weights(folder: Path) -> bool:
    """Whether a folder holds weights as peft or transformers save them, and not a training of ours."""
    if (folder / "job.json").exists():
        return False
    whole = (folder / "config.json").exists() and any(folder.glob("*.safetensors"))
    return (folder / _ADAPTER).exists() or whole


def read_weights(folder: Path) -> Weights:
    """What lies in a folder that ``has_weights``. Raises ``DataError`` ``train.base_unusable``."""
    names = [name for name, _ in read_shapes(folder)]
    if not (folder / _ADAPTER).exists():
        return Weights(folder, "model", "", {"method": "full", "train_vision": True})
    try:
        told = json.loads((folder / _ADAPTER).read_bytes())
        settings = {"method": "lora", "rank": int(told["r"]), "alpha": int(told["lora_alpha"])}
        settings["train_vision"] = any(word in name for name in names for word in _VISION)
        return Weights(folder, "adapter", str(told.get("base_model_name_or_path") or ""), settings)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError("train.base_unusable", path=display_path(folder), reason=repr(error)) from error


def adopt(store: Store, folder: Path, base: Path | None, name: str, report: Report) -> Row:
    """Makes a training of them; ``base`` is what they were trained on, where the adapter does not tell.

    Raises ``UserError``: ``train.base_unnamed``, ``train.no_room_home``, what ``prepare`` raises;
    ``DataError``: ``train.base_unusable``, ``train.other_base``; ``Stopped``.
    """
    weights = read_weights(folder)
    place = base or _base_of(weights)
    if place is None:
        raise UserError("train.base_unnamed", path=display_path(folder), name=weights.base or "?")
    if weights.name == "model" and (kind := read_base(folder).kind) != (wanted := read_base(place).kind):
        raise DataError("train.other_base", path=display_path(folder), kind=kind, base=wanted)
    default = find_recipe("default")
    settings = {**default.settings, **weights.settings, "most_pairs": 0}
    known = weights.settings | {"image_side": settings["image_side"]}
    parameters = training_parameters(
        replace(default, name=ADOPTED, settings=settings), place, name=name or folder.resolve().name
    )
    uid = prepare(store, {**parameters, "known": known}, report, lambda target: _take(weights, target))["uid"]
    end_training(store, uid, ADOPTED, {"weights": weights.name})
    return get_training(store, uid)


def _base_of(weights: Weights) -> Path | None:
    place = local_base(Path(weights.base)) if weights.base else None
    return place if place and place.exists() else None


def _take(weights: Weights, target: Path) -> None:
    needed = sum(path.stat().st_size for path in weights.files)
    if shutil.disk_usage(target).free < needed:
        raise UserError("train.no_room_home", path=display_path(target), bytes=needed)
    part = target / f"{weights.name}.part"
    try:
        part.mkdir()
        for path in weights.files:
            shutil.copy2(path, part)
        part.rename(target / weights.name)
    except OSError as error:
        raise from_os_error(error, target) from error
