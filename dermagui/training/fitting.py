"""Whether a training will fit into a card's memory: an estimate from the base's own files and the recipe.

What counts is what was read of runs by others (weights, adapters, gradients, optimizer, activations, the
library's own share); the tokens of pictures are part of the sequence. It was not yet compared with a GPU.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dermagui.errors import DataError
from dermagui.paths import display_path
from dermagui.training.base_model import BaseModel
from dermagui.training.hardware import Hardware

LIBRARY_BYTES = int(1.4 * 2**30)
"""What CUDA and its libraries take before the first weight."""
MARGIN = 1.25
"""The estimate times this: pictures of skin are larger than those of the runs that were read of."""
TEXT_TOKENS = 512
"""Of a pair, with its question and the words around it."""

_FOUR_BIT_BYTES = 0.625
_OPTIMIZER_BYTES = {"adamw_8bit": 2, "paged_adamw_8bit": 2}
_NO_ADAPTER = ("embed", "lm_head")
_VISION = ("vision", "visual", "multi_modal")
_HEADER_LIMIT = 64 << 20


@dataclass(frozen=True, slots=True)
class Fit:
    """What a training takes of a card, in bytes, and what it was computed from."""

    parameters: int
    trainable: int
    image_tokens: int
    weights: int
    adapters: int
    """With their gradients."""
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """All of it, with the libraries' share and a margin."""
        parts = self.weights + self.adapters + self.optimizer + self.activations
        return int((parts + LIBRARY_BYTES) * MARGIN)

    def as_json(self) -> dict[str, object]:
        """For people and programs."""
        return {**asdict(self), "total": self.total}


def estimate(base: BaseModel, settings: Mapping[str, Any]) -> Fit:
    """The estimate for a base in a folder. Raises ``DataError`` ``train.base_unusable``."""
    shapes = dict(read_shapes(base.folder))
    linear = {name: shape for name, shape in shapes.items() if _is_linear(name, shape)}
    counted = {name: math.prod(shape) for name, shape in shapes.items()}
    parameters, in_linear = sum(counted.values()), sum(counted[name] for name in linear)
    full = settings["method"] == "full"
    trainable = parameters if full else adapter_parameters(linear, settings)
    small = _FOUR_BIT_BYTES if settings["load_in_4bit"] and not full else 2
    tokens, patches = image_tokens(base, settings["image_side"])
    return Fit(
        parameters,
        trainable,
        tokens,
        weights=int(in_linear * small + (parameters - in_linear) * 2),
        adapters=trainable * (2 if full else 8),
        optimizer=trainable * _OPTIMIZER_BYTES.get(settings["optimizer"], 8),
        activations=_activations(base, settings, tokens, patches),
    )


def adapter_parameters(linear: Mapping[str, tuple[int, ...]], settings: Mapping[str, Any]) -> int:
    """The weights of the adapters on linear layers, as ``worker/trainer.py`` places them."""
    rank, with_vision = int(settings["rank"]), settings["train_vision"]
    return sum(
        rank * sum(shape)
        for name, shape in linear.items()
        if with_vision or not any(word in name for word in _VISION)
    )


def image_tokens(base: BaseModel, side: int) -> tuple[int, int]:
    """The tokens of the largest picture in the language part, and its patches in the image part."""
    config = _config(base)
    patch = max(1, base.patch_size)
    longest = base.pixel_recipe(side).longest_side or side
    patches = ((longest if base.merges else base.image_size or longest) // patch) ** 2
    return int(config.get("mm_tokens_per_image") or patches // max(1, base.merges) ** 2), patches


def _activations(base: BaseModel, settings: Mapping[str, Any], tokens: int, patches: int) -> int:
    config = _config(base)
    text, vision = config.get("text_config") or config, config["vision_config"]
    kept, batch = bool(settings["gradient_checkpointing"]), int(settings["batch"])
    words = (tokens + TEXT_TOKENS) * batch
    # Logits in 16 bits, once more in 32, and their gradient.
    logits = words * int(text.get("vocab_size") or 0) * 10
    return logits + _layers(text, words, kept) + _layers(vision, patches * batch, kept)


def _layers(config: Mapping[str, Any], tokens: int, checkpointing: bool) -> int:
    """What the layers keep for the way back: all of it, or what enters each and all of a single one."""
    width = int(config.get("hidden_size") or config.get("embed_dim") or 0)
    layers = int(config.get("num_hidden_layers") or config.get("depth") or 0)
    inside = tokens * (16 * width + 4 * int(config.get("intermediate_size") or 4 * width)) * 2
    return layers * tokens * width * 2 + inside if checkpointing else layers * inside


def _is_linear(name: str, shape: tuple[int, ...]) -> bool:
    return name.endswith(".weight") and len(shape) == 2 and not any(word in name for word in _NO_ADAPTER)


def _config(base: BaseModel) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((base.folder / "config.json").read_bytes())
    return told


def read_shapes(folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the weights in a folder, from the heads of its files: nothing else is read.

    Raises ``DataError`` ``train.base_unusable``.
    """
    paths = sorted(folder.glob("*.safetensors"))
    try:
        if not paths:
            raise ValueError("no *.safetensors")
        for path in paths:
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                if length > _HEADER_LIMIT:
                    raise ValueError(path.name)
                head = json.loads(file.read(length))
            for name, told in head.items():
                if name != "__metadata__":
                    yield name, tuple(int(size) for size in told["shape"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError("train.base_unusable", path=display_path(folder), reason=str(error)) from error


def fit_light(fit: Fit, hardware: Hardware) -> str:
    """``green``, ``amber`` (only without the margin) or ``red``, by what the emptiest card has free."""
    free = max((card.free_bytes for card in hardware.cards), default=0)
    if free >= fit.total:
        return "green"
    return "amber" if free >= fit.total / MARGIN else "red"
