"""All that ever left this computer: the door's lines, each run's requests in the place of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dermagui.errors import DermaError
from dermagui.network import read_ledger
from dermagui.storage.database import Store
from dermagui.storage.requests import ledger_rows


def ledger_entries() -> Iterator[dict[str, Any]]:
    """Oldest first: at, purpose, host, bytes; of images also image_sha256, state and project.

    A run whose project cannot be opened is told by its line, with ``project_unreadable``.
    """
    for line in read_ledger():
        if "run" not in line:
            yield line
            continue
        try:
            yield from _requests_of(Path(line["project"]), line["run"])
        except DermaError as error:
            yield line | {"project_unreadable": error.code}


def _requests_of(project: Path, run_uid: str) -> Iterator[dict[str, Any]]:
    with Store(project, read_only=True) as store:
        for row in ledger_rows(store, run_uid):
            yield row | {"project": str(project)}
