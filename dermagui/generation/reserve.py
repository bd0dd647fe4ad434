"""Room on the disk that is kept for paid answers, in case everything else is full."""

from __future__ import annotations

import os
from pathlib import Path

from dermagui.errors import from_os_error

_RESERVE_BYTES = 4_000_000


def keep_reserve(project: Path) -> None:
    """Keeps some room on the disk, so that paid answers can be saved even when everything else is full.

    Raises ``UserError`` ``disk.full`` where there is none to keep.
    """
    path = project / "cache" / "reserve"
    try:
        if not path.exists() or path.stat().st_size < _RESERVE_BYTES:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(os.urandom(_RESERVE_BYTES))
    except OSError as error:
        path.unlink(missing_ok=True)
        raise from_os_error(error, path) from error


def release_reserve(project: Path) -> bool:
    """Gives the kept room back; False where there was none."""
    try:
        (project / "cache" / "reserve").unlink()
    except OSError:
        return False
    return True
