"""Which projector belongs to which language model, and what else a chosen file may turn out to be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dermagui.chat.catalogue import load_catalogue
from dermagui.chat.gguf_header import read_header
from dermagui.chat.model_facts import GgufKind, ModelFacts, describe
from dermagui.errors import DataError, UserError
from dermagui.paths import display_path

UNSUPPORTED = "mllama"
"""Llama 3.2 Vision: llama.cpp has no cross-attention to pictures, so it cannot run these."""
NAMED_AT_MOST = 5

# Type of a projector → the architectures of its language models, where only these go with it; they go with
# no other type either. The types that are not named here were built on many architectures. Source: the
# conversion scripts of llama.cpp at the commit that the pinned llama-cpp-python holds.
_FAMILIES = {
    "cogvlm": ("cogvlm",),
    "gemma3": ("gemma3",),
    "gemma3nv": ("gemma3n",),
    "gemma4uv": ("gemma4",),
    "gemma4v": ("gemma4",),
    "llama4": ("llama4",),
    "paddleocr": ("paddleocr",),
    "qwen2.5vl_merger": ("qwen2vl",),
    "qwen2vl_merger": ("qwen2vl",),
    "qwen3vl_merger": ("qwen3vl", "qwen3vlmoe", "qwen35", "qwen35moe", "qwen4exp"),
}
_DEEPSTACK = "qwen3vl_merger"
_FAMILY_ARCHITECTURES = frozenset(name for names in _FAMILIES.values() for name in names)

# The better precision first, but plain F16 before what older processors have to emulate.
_PRECISIONS = ("F16", "BF16", "Q8_0", "F32")
_WORDS_OF_EVERY_NAME = {"mmproj", "model", "gguf", "f16", "bf16", "f32", "q8", "0"}


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A GGUF file and what it is."""

    path: Path
    facts: ModelFacts


def read_file(path: Path) -> GgufFile:
    """What a file is. Raises what ``read_header`` raises."""
    return GgufFile(path, describe(read_header(path)))


def refuse_unusable(model: GgufFile) -> None:
    """Raises ``UserError`` where a file cannot be chatted with, each reason with its own way on.

    ``chat.mllama`` (names the suggested models), ``chat.is_mmproj`` (names the models that the projector
    belongs to) or ``chat.is_mmproj_alone``, ``chat.is_adapter``, ``chat.not_a_model``.
    """
    path, facts = display_path(model.path), model.facts
    if facts.architecture == UNSUPPORTED:
        raise UserError("chat.mllama", path=path, models=[model.name for model in load_catalogue()])
    if facts.kind is GgufKind.PROJECTOR:
        models = [display_path(found.path.name) for found in find_models(model)]
        if models:
            raise UserError("chat.is_mmproj", path=path, models=models[:NAMED_AT_MOST])
        raise UserError("chat.is_mmproj_alone", path=path)
    if facts.kind is GgufKind.ADAPTER:
        raise UserError("chat.is_adapter", path=path, base=facts.base or facts.architecture)
    if facts.kind is GgufKind.OTHER:
        raise UserError("chat.not_a_model", path=path, architecture=facts.architecture)


def refuse_projector(model: GgufFile, mmproj: GgufFile) -> None:
    """Raises ``UserError`` where a projector does not go with a model.

    ``chat.not_a_mmproj``, ``chat.mmproj_wrong_kind``, ``chat.mmproj_wrong_width``.
    """
    path, projector = display_path(mmproj.path), mmproj.facts.projector
    if projector is None:
        raise UserError("chat.not_a_mmproj", path=path)
    if not projector.sees or not _same_family(model.facts.architecture, projector.type):
        raise UserError(
            "chat.mmproj_wrong_kind",
            path=path,
            projector=projector.type,
            architecture=model.facts.architecture,
        )
    if not widths_agree(model.facts, mmproj.facts):
        raise UserError(
            "chat.mmproj_wrong_width",
            path=path,
            projector_width=projector.width * (1 + projector.deepstack_layers),
            model_width=model.facts.embedding_length * (1 + model.facts.deepstack_layers),
        )


def refuse_adapter(adapter: GgufFile, model: GgufFile) -> None:
    """Raises ``UserError`` where a file is no adapter of a model: ``chat.not_an_adapter``,
    ``chat.adapter_other_model``.
    """
    path = display_path(adapter.path)
    if adapter.facts.kind is not GgufKind.ADAPTER:
        raise UserError("chat.not_an_adapter", path=path)
    if adapter.facts.architecture != model.facts.architecture:
        made_for = adapter.facts.base or adapter.facts.architecture
        raise UserError("chat.adapter_other_model", path=path, base=made_for)


def widths_agree(model: ModelFacts, mmproj: ModelFacts) -> bool:
    """Whether the vectors that a projector makes are as long as those that a model takes.

    With deepstack, one image token carries a further vector for each of some layers.
    """
    projector = mmproj.projector
    if projector is None or projector.width != model.embedding_length:
        return False
    return projector.type != _DEEPSTACK or projector.deepstack_layers == model.deepstack_layers


def find_mmproj(model: GgufFile) -> list[GgufFile]:
    """The projectors in a model's folder that go with it, the best first.

    Files that are called a projector are looked into first, and the others only if none of those fits.
    """
    files = _neighbours(model.path)
    called = [path for path in files if "mmproj" in path.name.casefold()]
    for paths in (called, [path for path in files if path not in called]):
        found = [mmproj for mmproj in _readable(paths) if _goes_with(model, mmproj)]
        if found:
            return sorted(found, key=lambda mmproj: _rank(model, mmproj))
    return []


def choose_mmproj(model: GgufFile) -> GgufFile | None:
    """The projector in a model's folder, or None where none goes with it.

    One projector in several precisions is no choice. Raises ``UserError`` ``chat.mmproj_ambiguous`` where
    several different ones go with the model equally well, since a wrong one answers nonsense in silence.
    """
    found = find_mmproj(model)
    best = [mmproj for mmproj in found if _likeness(model, mmproj) == _likeness(model, found[0])]
    if len({_identity(mmproj.facts) for mmproj in best}) > 1:
        names = [display_path(mmproj.path.name) for mmproj in best]
        raise UserError("chat.mmproj_ambiguous", path=display_path(model.path), candidates=names)
    return found[0] if found else None


def find_models(mmproj: GgufFile) -> list[GgufFile]:
    """The language models in a projector's folder that it goes with, the likeliest first."""
    found = [model for model in _readable(_neighbours(mmproj.path)) if _goes_with(model, mmproj)]
    return sorted(found, key=lambda model: _rank(model, mmproj))


def usually_sees(facts: ModelFacts) -> bool:
    """Whether models of this architecture are made for pictures, so that a missing projector is strange."""
    return facts.architecture in _FAMILY_ARCHITECTURES


def _goes_with(model: GgufFile, mmproj: GgufFile) -> bool:
    if model.facts.kind is not GgufKind.MODEL or model.facts.architecture == UNSUPPORTED:
        return False
    try:
        refuse_projector(model, mmproj)
    except UserError:
        return False
    return True


def _same_family(architecture: str, projector: str) -> bool:
    if projector in _FAMILIES:
        return architecture in _FAMILIES[projector]
    return architecture not in _FAMILY_ARCHITECTURES


def _neighbours(path: Path) -> list[Path]:
    """The other GGUF files of a file's folder; a link keeps its own folder."""
    try:
        files = sorted(path.parent.iterdir())
    except OSError:
        return []
    return [file for file in files if file.suffix.casefold() == ".gguf" and file.name != path.name]


def _readable(paths: list[Path]) -> Iterator[GgufFile]:
    for path in paths:
        try:
            yield read_file(path)
        except (DataError, UserError):
            continue


def _identity(facts: ModelFacts) -> tuple[object, ...]:
    """Equal for one projector in several precisions."""
    return facts.name, facts.projector, facts.parameters


def _rank(model: GgufFile, mmproj: GgufFile) -> tuple[object, ...]:
    named = mmproj.facts.quantization
    precision = _PRECISIONS.index(named) if named in _PRECISIONS else len(_PRECISIONS)
    return -_likeness(model, mmproj), precision, mmproj.path.name, model.path.name


def _likeness(model: GgufFile, mmproj: GgufFile) -> int:
    """How many words the files' names have in common: both are usually converted in one go."""
    return len(_words(model) & _words(mmproj))


def _words(file: GgufFile) -> set[str]:
    text = f"{file.facts.name} {display_path(file.path.stem)}".casefold()
    return set(re.findall(r"[a-z0-9.]+", text)) - _WORDS_OF_EVERY_NAME
