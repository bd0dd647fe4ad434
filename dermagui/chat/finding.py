"""From what a person calls a model to its files: the name of a bundle, or a GGUF file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from dermagui.chat.bundle import NOTICE, Bundle, find_bundle
from dermagui.chat.pairing import choose_mmproj, read_file
from dermagui.errors import from_os_error


@dataclass(frozen=True, slots=True)
class FoundModel:
    """The files of a model by their roles, and its bundle where it has one."""

    name: str
    paths: dict[str, Path]
    """``model``, and where there is one ``mmproj`` and ``template``."""
    bundle: Bundle | None = None

    @property
    def notice(self) -> str:
        """What has to be said before it is asked anything."""
        return self.bundle.about.notice if self.bundle else NOTICE


def find_model(called: str, mmproj: Path | None, *, looks: bool) -> FoundModel:
    """The model of a name or a path, with the projector that is named, or that belongs to it.

    ``looks``: the projector of a bare file is looked for beside it. Raises what ``find_bundle``,
    ``read_file`` and ``choose_mmproj`` raise.
    """
    path = Path(called)
    if path.suffix.lower() != ".gguf" and not path.exists():
        return _of_bundle(find_bundle(called), mmproj)
    if mmproj is None and looks:
        found = choose_mmproj(read_file(path))
        mmproj = found.path if found else None
    return FoundModel(path.name, {"model": path} | ({"mmproj": mmproj} if mmproj else {}))


def sha256_of(found: FoundModel, role: str) -> str:
    """The hash that the bundle knows, else that of the file, which is read to its end."""
    path = found.paths[role]
    if found.bundle and path == found.bundle.path(role):
        return found.bundle.files[role].sha256
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise from_os_error(error, path) from error


def _of_bundle(bundle: Bundle, mmproj: Path | None) -> FoundModel:
    paths = {role: path for role in bundle.files if (path := bundle.path(role))}
    return FoundModel(bundle.name, paths | ({"mmproj": mmproj} if mmproj else {}), bundle)
