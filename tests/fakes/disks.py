"""Disks that are full: a small one where we may mount it, else a limit that SQLite sets itself."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import repeat
from pathlib import Path

import pytest

from dermagui.storage.database import Store


@contextmanager
def small_disk(folder: Path, size_kib: int) -> Iterator[Path]:
    """A disk of this size at ``folder``; skips the test where nobody may mount one."""
    folder.mkdir()
    with suppress(OSError):
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "none", str(folder)]
        if subprocess.run(command, capture_output=True).returncode == 0:
            try:
                yield folder
            finally:
                subprocess.run(["umount", "--lazy", str(folder)], check=True)
            return
    pytest.skip("only root may mount a disk")


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Leaves no byte on a disk, and frees it again."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        file.writelines(repeat(bytes(4096)))
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def no_more_pages(store: Store) -> Iterator[None]:
    """What a full disk looks like to SQLite: it gets no page more."""
    limit = store.value("PRAGMA max_page_count")
    store.value(f"PRAGMA max_page_count = {store.value('PRAGMA page_count')}")
    try:
        yield
    finally:
        store.value(f"PRAGMA max_page_count = {limit}")
