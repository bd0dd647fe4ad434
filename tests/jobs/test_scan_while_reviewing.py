"""Somebody reviews while a scan of 20,000 files writes into the same database: no verdict fails."""

from __future__ import annotations

import struct
import time
import zlib
from pathlib import Path

import pytest

from dermagui.records import JobState, VerdictKind, VerdictMethod
from dermagui.review.verdicts import decide, undo
from dermagui.storage import images, jobs, pairs, people
from dermagui.storage.database import Store
from tests.fakes.command_line import finish, start
from tests.fakes.projects import new_store, open_pair

FILES = 20_000
PNG_HEADER = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)


def png(number: int) -> bytes:
    """A picture of one pixel whose colour is its number."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    row = b"\0" + number.to_bytes(3, "big")
    parts = chunk(b"IHDR", PNG_HEADER), chunk(b"IDAT", zlib.compress(row, 0)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(FILES):
        (folder / f"{number:05}.png").write_bytes(png(number))
    return folder


def files_known(store: Store) -> int:
    return sum(images.count_files(store).values())


@pytest.mark.slow
def test_no_verdict_fails_while_a_scan_runs(tmp_path: Path, pictures: Path) -> None:
    with new_store(tmp_path / "project") as store:
        made = [open_pair() for _ in range(50)]
        pairs.add_pairs(store, made)
        ada = people.person(store, "Ada")
        scan = start("add", store.folder, pictures)
        given, known = [], set()
        while scan.poll() is None:
            pair = made[len(given) % len(made)]
            given += decide(store, ada, [pair.uid], VerdictKind.ACCEPT, method=VerdictMethod.READ)
            known.add(files_known(store))
            time.sleep(0.01)  # the scan needs the cores more than a person does
            if len(given) % 10 == 0:
                undo(store, ada, method=VerdictMethod.READ)
        assert finish(scan).code == 0
        assert len(known) > 20, "verdicts and the scan's writes took turns"
        assert files_known(store) == images.count_images(store) == FILES
        assert [row["figures"]["new"] for row in jobs.list_jobs(store, state=JobState.DONE)] == [FILES]
        assert store.value("SELECT count(*) FROM verdicts WHERE kind = 'accept'") == len(given)
        assert store.value("SELECT count(*) FROM verdicts WHERE kind = 'undo'") == len(given) // 10
