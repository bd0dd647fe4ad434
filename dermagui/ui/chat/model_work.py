"""What is done about models off the window's thread: what is offered, what a chosen file is, its adding."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from dermagui.errors import DataError, DermaError, Stopped, UserError

if TYPE_CHECKING:
    from dermagui.chat.bundle import Bundle
    from dermagui.chat.catalogue import CatalogueModel
    from dermagui.chat.pairing import GgufFile
    from dermagui.jobs.work import Parameters
    from dermagui.records import Progress
    from dermagui.storage.database import Store

MOST_FILES = 200
"""Of a chosen folder: a whole disk would never end."""
CONTEXT_TOKENS = 4096
"""For which memory is told before a model is added; the catalogue tells it for as many."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A suggested model, and how much of it is here."""

    model: CatalogueModel
    is_here: bool
    arrived_bytes: int
    is_accepted: bool
    """Whether somebody accepted its terms, where it has some."""


@dataclass(frozen=True, slots=True)
class Found:
    """A model of the user's own, before it is added."""

    path: Path
    mmproj: Path | None
    is_seeing: bool
    """Whether models of its kind are made for pictures."""
    quantization: str
    size_bytes: int
    memory_bytes: int
    licence: str
    error: DermaError | None = None
    """Why no image part was chosen for it."""


def read_offers(store: Store) -> list[Offer]:
    """The catalogue; ``store`` is that of the data folder, where terms are accepted."""
    from dermagui.chat.bundle import scan_bundles
    from dermagui.chat.catalogue import load_catalogue
    from dermagui.chat.download import accepted_terms, arrived_bytes

    here = {name.casefold() for name in scan_bundles()}
    return [
        Offer(
            model,
            model.name.casefold() in here,
            arrived_bytes(model),
            not model.terms or accepted_terms(store, model) is not None,
        )
        for model in load_catalogue()
    ]


def prepare_download(store: Store, model: CatalogueModel, person: str) -> tuple[Parameters, str | None]:
    """Keeps that ``person``, where one is named, accepted the terms; returns what the job is started with."""
    from dermagui.api_key import HUGGINGFACE, find_key
    from dermagui.chat.download import accept_terms, parameters_for
    from dermagui.logs import hide

    parameters, token = parameters_for(model), find_key(HUGGINGFACE)
    if person:
        accept_terms(store, model, person)
    if token is not None:
        hide(token.value)
    return parameters, token.value if token else None


def look_at(place: Path) -> list[Found]:
    """The model in a file, or those in a folder and below it, with what goes with them.

    Raises ``UserError`` ``chat.no_model_in_folder``, and for a file what ``read_file`` and
    ``refuse_unusable`` raise.
    """
    from dermagui.chat.pairing import read_file, refuse_unusable
    from dermagui.paths import display_path

    if place.is_dir():
        found = [_described(model) for model in _models_in(place)]
        if not found:
            raise UserError("chat.no_model_in_folder", path=display_path(place))
        return found
    model = read_file(place)
    refuse_unusable(model)
    return [_described(model)]


def _models_in(folder: Path) -> Iterator[GgufFile]:
    from dermagui.chat.pairing import read_file, refuse_unusable

    for path in sorted(islice(folder.rglob("*.gguf"), MOST_FILES)):
        try:
            model = read_file(path)
            refuse_unusable(model)
        except (DataError, UserError):
            continue
        yield model


def _described(model: GgufFile) -> Found:
    from dermagui.chat.memory import memory_needed
    from dermagui.chat.pairing import choose_mmproj, usually_sees

    mmproj, error = None, None
    try:
        mmproj = choose_mmproj(model)
    except DermaError as ambiguous:
        error = ambiguous
    context = min(CONTEXT_TOKENS, model.facts.context_length or CONTEXT_TOKENS)
    return Found(
        model.path,
        mmproj.path if mmproj else None,
        usually_sees(model.facts),
        model.facts.quantization,
        model.facts.file_bytes + (mmproj.facts.file_bytes if mmproj else 0),
        memory_needed(model.facts, mmproj.facts if mmproj else None, context).total,
        model.facts.licence,
        error,
    )


def add(found: Found, listener: AddingListener) -> Bundle:
    """Makes a bundle of it. Raises what ``bundle.add_model`` raises, and ``Stopped``."""
    from dermagui.chat.bundle import add_model

    return add_model(found.path, found.mmproj, None, listener)


class AddingListener:
    """Hears how far the files are read or copied, and ends that where somebody wants it."""

    def __init__(self, tell: Callable[[int, int], None]) -> None:
        self._tell = tell
        self._permille = -1
        self.stop = threading.Event()

    def progress(self, progress: Progress) -> None:
        """So much is read; told no more often than it can be seen."""
        total = max(int(progress.total or 0), 1)
        permille = int(1000 * progress.done / total)
        if permille != self._permille:
            self._permille = permille
            self._tell(int(progress.done), total)

    def warn(self, code: str, **values: object) -> None:
        """The card said it before, and the line under the picker says it again."""

    def stop_if_asked(self) -> None:
        """Raises ``Stopped``."""
        if self.stop.is_set():
            raise Stopped("job.stopped")


def check_adapter(path: Path, model: str) -> None:
    """Raises what ``refuse_adapter``, ``read_file`` and ``find_model`` raise."""
    from dermagui.chat.finding import find_model
    from dermagui.chat.pairing import read_file, refuse_adapter

    refuse_adapter(read_file(path), read_file(find_model(model, None, looks=False).paths["model"]))
