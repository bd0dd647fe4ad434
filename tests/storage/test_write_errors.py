"""A full disk, a write-protected folder, somebody else's lock: told as such, and nothing half-written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dermagui.errors import UserError
from dermagui.paths import DATABASE_NAME
from dermagui.project import Project, create_project
from dermagui.records import Bank, JobState, Origin, RequestState, Role, Split, Turn, Verdict, VerdictKind
from dermagui.storage import (
    banks,
    datasets,
    images,
    jobs,
    metadata,
    pairs,
    people,
    requests,
    runs,
    sources,
    verdicts,
)
from dermagui.storage.database import Store
from dermagui.storage.forget import remove_files
from dermagui.storage.images import ScannedFile
from dermagui.storage.metadata import FileStatements, Statement
from dermagui.storage.moments import new_uid
from dermagui.storage.requests import Settlement
from tests.fakes import disks
from tests.fakes.projects import (
    BANK,
    add_images,
    add_run,
    attempt,
    contents,
    file_facts,
    new_store,
    open_pair,
)

LONG = "text " * 40_000
NOTES = [FileStatements(n, (Statement("note", LONG),), patient="P") for n in (1, 2)]
UNPRIVILEGED = Path(disks.__file__).with_name("unprivileged.py")


def fill(store: Store) -> None:
    """A project in which there is one of everything."""
    images_ids = add_images(store, 5)
    run = add_run(store)
    requests.begin_attempts(store, [attempt(run, images_ids[0], "f")])
    pairs.add_pairs(store, [open_pair(images_ids[0], uid="p"), open_pair(images_ids[1])])
    jobs.add_job(store, "j", "add", {}, 1, 1.0)


def a_long_run(store: Store) -> None:
    runs.add_run(
        store, provider="gemini", model="m", tier="", bank_id=1, plan={"key": LONG}, price={}, terms_date="",
        acceptance_uid=None, simulated=False, sdk_version="",
    )  # fmt: skip


def a_dataset(store: Store) -> None:
    datasets.save_dataset(
        store, uid="d", name="d", path="d", export_format="csv", seed=0, manifest={"text": LONG},
        splits={}, pairs=[("p", "hash", Split.TRAIN)],
    )  # fmt: skip


def an_edit(store: Store) -> None:
    turns = (Turn(Role.ASSISTANT, LONG),)
    verdicts.append_verdicts(store, [Verdict(new_uid(), "p", "a", VerdictKind.EDIT, "", turns=turns)])


def an_answer(store: Store) -> None:
    uid = store.value("SELECT uid FROM requests")
    requests.settle_attempts(store, [Settlement(uid, RequestState.ANSWERED, "", 1, 1, response=LONG)])


WRITES: dict[str, Callable[[Store], object]] = {
    "a fact": lambda store: store.set_fact("fact", LONG),
    "a person": lambda store: people.person(store, LONG.replace(" ", "-")),
    "a source": lambda store: sources.add_source(store, Path("/other"), licence=LONG),
    "scanned files": lambda store: images.save_scanned(
        store, 1, [ScannedFile(f"{n}.png".encode(), 1, 1, file_facts(f"new {n}")) for n in range(500)]
    ),
    "a file that moved": lambda store: images.move_file(store, 1, LONG.encode(), 1),
    "metadata": lambda store: metadata.save_statements(store, 1, NOTES, Origin.FILE, "t"),
    "a bank": lambda store: banks.freeze_bank(store, Bank(LONG, "1", "en", "", BANK.questions, "c" * 64)),
    "a run": a_long_run,
    "attempts": lambda store: requests.begin_attempts(
        store, [attempt(store.value("SELECT uid FROM runs"), 1, f"g{n}") for n in range(300)]
    ),
    "an answer": an_answer,
    "pairs": lambda store: pairs.add_pairs(store, [open_pair(1), open_pair(2, LONG), open_pair(3)]),
    "a verdict": an_edit,
    "a job": lambda store: jobs.add_job(store, new_uid(), "export", {"text": LONG}, 1, 1.0),
    "the end of a job": lambda store: jobs.finish_job(store, "j", JobState.DONE, figures={"text": LONG}),
    "a dataset": a_dataset,
}  # fmt: skip


@pytest.mark.parametrize("what", WRITES)
def test_a_full_disk_fails_a_write_as_a_whole(store: Store, what: str) -> None:
    fill(store)
    before = contents(store)
    with disks.no_more_pages(store), pytest.raises(UserError) as raised:
        WRITES[what](store)
    assert raised.value.code == "project.full_disk"
    assert not store.conn.in_transaction
    assert contents(store) == before
    WRITES[what](store)
    assert contents(store) != before


@pytest.mark.parametrize("what", WRITES)
def test_somebody_elses_lock_fails_a_write_as_a_whole(store: Store, what: str) -> None:
    fill(store)
    before = contents(store)
    store.value("PRAGMA busy_timeout = 1")
    with Store(store.folder) as other:
        other.conn.execute("BEGIN IMMEDIATE")
        with pytest.raises(UserError) as raised:
            WRITES[what](store)
        other.conn.execute("ROLLBACK")
    assert raised.value.code == "project.busy"
    assert contents(store) == before
    WRITES[what](store)


def test_forgetting_on_a_full_disk_forgets_all_or_nothing(store: Store) -> None:
    fill(store)
    file, sha256 = store.conn.execute("SELECT id, sha256 FROM files").fetchone()
    before = contents(store)
    with disks.no_more_pages(store), pytest.raises(UserError) as raised:
        remove_files(store, [file], [sha256], [(f"{n}{LONG}", "image") for n in range(3)])
    assert raised.value.code == "project.full_disk"
    assert contents(store) == before
    assert remove_files(store, [file], [sha256], [(sha256, "image")])["images"] == 1


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    with disks.small_disk(tmp_path / "disk", 20_000) as disk, new_store(disk / "project") as store:
        fill(store)
        before = contents(store)
        with disks.full(disk):
            for what, write in WRITES.items():
                with pytest.raises(UserError) as raised:
                    write(store)
                assert raised.value.code == "project.full_disk", what
                assert contents(store) == before, what
        for write in WRITES.values():
            write(store)


@pytest.mark.parametrize("size_kib", [8, 40, 100, 250])
def test_a_project_that_finds_no_room_leaves_nothing_in_the_way(tmp_path: Path, size_kib: int) -> None:
    with disks.small_disk(tmp_path / "disk", size_kib) as disk:
        with pytest.raises(UserError) as raised:
            create_project(disk / "project")
        assert raised.value.code in ("project.full_disk", "disk.full")
        assert list((disk / "project").iterdir()) == []
        subprocess.run(["mount", "-o", "remount,size=4000k", str(disk)], check=True)
        create_project(disk / "project")


TRY_TO_WRITE = """
import json, sys
from pathlib import Path
from dermagui.errors import DermaError
from dermagui.project import Project, create_project
told = {}
try:
    with Project(Path(sys.argv[1])) as project:
        told["read_only"] = project.store.read_only
        told["mark"] = project.store.value("SELECT value FROM facts WHERE key = 'mark'")
        project.store.set_fact("mark", "written")
except DermaError as error:
    told["error"] = error.code
try:
    create_project(Path(sys.argv[1]) / "inside" / "new")
except DermaError as error:
    told["new"] = error.code
print(json.dumps(told))
"""


def try_to_write(folder: Path) -> dict[str, Any]:
    """What somebody meets whom file permissions hold for."""
    command = [sys.executable, str(UNPRIVILEGED), "-c", TRY_TO_WRITE, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


@pytest.fixture
def marked(tmp_path: Path) -> Path:
    """A project that is closed, with a fact in it."""
    create_project(tmp_path / "project")
    with Project(tmp_path / "project") as project:
        project.store.set_fact("mark", "from before")
    return tmp_path / "project"


def protect(folder: Path) -> None:
    for path in [*folder.iterdir(), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def test_a_write_protected_folder_can_be_read(marked: Path) -> None:
    protect(marked)
    before = {path.name: path.stat().st_mtime_ns for path in marked.iterdir()}
    told = try_to_write(marked)
    expected = {"read_only": True, "mark": "from before", "error": "project.read_only"}
    assert told == {**expected, "new": "disk.not_writable"}
    assert {path.name: path.stat().st_mtime_ns for path in marked.iterdir()} == before


def test_a_write_protected_folder_with_a_log_left_over_can_be_read(marked: Path) -> None:
    """A process that was killed leaves a log, and what it had saved stands only there."""
    killed = "import os, sys; from pathlib import Path; from dermagui.project import Project\n"
    killed += "Project(Path(sys.argv[1])).store.set_fact('mark', 'in the log'); os._exit(9)"
    subprocess.run([sys.executable, "-c", killed, marked])
    assert (marked / f"{DATABASE_NAME}-wal").stat().st_size > 0
    protect(marked)
    assert try_to_write(marked)["mark"] == "in the log"


def test_a_write_protected_database_says_so(marked: Path) -> None:
    (marked / DATABASE_NAME).chmod(0o444)
    told = try_to_write(marked)
    assert (told["mark"], told["error"]) == ("from before", "project.not_writable")


def test_a_database_that_may_not_be_read_says_so(marked: Path) -> None:
    (marked / DATABASE_NAME).chmod(0)
    assert try_to_write(marked)["error"] == "project.not_writable"
