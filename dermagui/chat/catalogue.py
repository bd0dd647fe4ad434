"""The models that dermagui suggests, as data: what they are for, what they need, and under which terms."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dermagui import paths
from dermagui.errors import DataError, UserError

MODEL, MMPROJ = "model", "mmproj"
"""What a file is to a model: its language part, or the part that reads images."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository. ``sha256`` is empty where only the hub knows it."""

    path: str
    size_bytes: int
    sha256: str = ""
    unverified: bool = False
    """Whether size and hash were only read somewhere: then they are shown, and not enforced."""


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """A suggested model. ``memory_bytes`` is an estimate for a context of 4,096 tokens and one image."""

    name: str
    title: str
    purpose: str
    base: str
    repo: str
    revision: str
    quantization: str
    files: Mapping[str, HubFile]
    memory_bytes: int
    image_note: str
    licence: str
    terms: str
    """A summary in our words that a person accepts before the download; empty for a plain open licence."""
    terms_link: str
    terms_date: str
    """The day of our summary."""
    gated: bool
    """Whether the hub may ask for an account that accepted the terms."""

    @property
    def size_bytes(self) -> int:
        """What all its files take, about."""
        return sum(file.size_bytes for file in self.files.values())

    @property
    def terms_sha256(self) -> str:
        """Names the very words that a person accepted."""
        return hashlib.sha256(f"{self.terms}\n{self.terms_link}".encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """The model as plain data, for a job's parameters."""
        return asdict(self)


def model_from(data: Mapping[str, Any]) -> CatalogueModel:
    """A model from plain data. Raises ``TypeError``, ``KeyError`` or ``AttributeError`` where it is none."""
    files = {role: HubFile(**file) for role, file in data["files"].items()}
    return CatalogueModel(**{**data, "files": files})


def load_catalogue() -> tuple[CatalogueModel, ...]:
    """The catalogue that ships with the program. Raises ``DataError`` ``catalogue.unreadable``."""
    path = paths.resources() / "models" / "catalogue.json"
    try:
        return tuple(map(model_from, json.loads(path.read_text(encoding="utf-8"))["models"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError("catalogue.unreadable", path=paths.display_path(path), detail=str(error)) from error


def find_model(name: str) -> CatalogueModel:
    """The suggested model of that name. Raises ``UserError`` ``catalogue.unknown_model`` with the known."""
    models = {model.name: model for model in load_catalogue()}
    if name not in models:
        raise UserError("catalogue.unknown_model", name=name, known=list(models))
    return models[name]
