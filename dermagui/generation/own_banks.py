"""Question banks by name: those that ship with the program, and the user's own in the data folder.

A project freezes a bank by its hash when it is first used, so a file here may change: what was asked stays.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dermagui import paths
from dermagui.errors import DermaError, UserError, from_os_error
from dermagui.generation.bank import load_bank, parse_bank
from dermagui.records import Bank

_DRAFT = ".draft"


@dataclass(frozen=True, slots=True)
class ListedBank:
    """A bank that can be named: ``stem`` is how a plan names it."""

    stem: str
    path: Path
    own: bool
    bank: Bank | None
    """None where the file cannot be used."""
    error: DermaError | None = None


def own_folder() -> Path:
    """Where the user's banks lie, one JSON file each."""
    return paths.data_folder() / "banks"


def list_banks() -> tuple[ListedBank, ...]:
    """The banks that ship, then the user's own; a damaged file says why instead of ending the list."""
    shipped = [_listed(path, own=False) for path in sorted(_shipped_folder().glob("*.json"))]
    known = {listed.stem for listed in shipped}
    own = [_listed(path, own=True) for path in sorted(own_folder().glob("*.json")) if path.stem not in known]
    return (*shipped, *own)


def find_bank(name: str) -> Path:
    """The file of a bank, by the name of one that ships, of one's own, or by its path."""
    for folder in (_shipped_folder(), own_folder()):
        path = folder / f"{name}.json"
        if path.is_file():
            return path
    return Path(name)


def save_bank(raw: Mapping[str, Any], used_versions: Collection[str], stem: str = "") -> ListedBank:
    """Writes a bank of one's own: the one called ``stem``, or a new one called after its name.

    Where its version is among ``used_versions``, it gets the next one: a version means one content.
    Raises ``DataError`` (see ``parse_bank``), ``UserError`` ``bank.name_taken``, what the disk refuses.
    """
    bank = parse_bank(raw)
    path = own_folder() / f"{stem or slug(bank.name)}.json"
    if not stem and (path.exists() or (_shipped_folder() / path.name).exists()):
        raise UserError("bank.name_taken", name=bank.name)
    told = {**raw, "version": next_version(bank.version, used_versions)}
    _write(path, told)
    keep_draft(path.stem, None)
    return ListedBank(path.stem, path, True, parse_bank(told))


def next_version(version: str, used: Collection[str]) -> str:
    """The version itself if it was not used yet; else with its last number counted up until it is free."""
    while version in used:
        counted = re.search(r"\d+$", version)
        head = version[: counted.start()] if counted else f"{version}."
        version = f"{head}{int(counted[0]) + 1 if counted else 2}"
    return version


def slug(name: str) -> str:
    """A file's name for a bank's name: small letters, numbers and hyphens, never empty."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.casefold()).strip("-")[:80] or "bank"


def keep_draft(stem: str, raw: Mapping[str, Any] | None) -> None:
    """Keeps unsaved edits of a bank beside it; None takes them away."""
    path = own_folder() / f"{stem}{_DRAFT}"
    if raw is not None:
        _write(path, raw)
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise from_os_error(error, path) from error


def kept_draft(stem: str) -> dict[str, Any] | None:
    """Unsaved edits of a bank, or None; a draft that cannot be read is none."""
    try:
        raw = json.loads((own_folder() / f"{stem}{_DRAFT}").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return raw if isinstance(raw, dict) else None


def _shipped_folder() -> Path:
    return paths.resources() / "banks"


def _listed(path: Path, *, own: bool) -> ListedBank:
    try:
        return ListedBank(path.stem, path, own, load_bank(path))
    except DermaError as error:
        return ListedBank(path.stem, path, own, None, error)


def _write(path: Path, raw: Mapping[str, Any]) -> None:
    beside = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("w", encoding="utf-8") as file:
            json.dump(raw, file, ensure_ascii=False, indent=2)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise from_os_error(error, path) from error
