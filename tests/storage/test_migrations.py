"""The shape of the database: made whole, upgraded with a backup, refused where it is newer than we are."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from dermagui.errors import UserError
from dermagui.paths import DATABASE_NAME
from dermagui.storage.database import Store
from dermagui.storage.engine import Database
from dermagui.storage.migrations import migrations

LAST_STEP = migrations._migrations[-1].name
TABLES = {
    *("facts", "people", "acceptances", "jobs"),
    *("sources", "cases", "files", "former_hashes", "images", "metadata", "redactions", "tombstones"),
    *("banks", "questions", "runs", "requests"),
    *("pairs", "pair_turns", "pair_images", "pair_search", "verdicts"),
    *("datasets", "dataset_pairs", "splits"),
    *("chats", "chat_turns", "chat_images"),
    "trainings",
    *("chat_search", "preferences", "preference_images", "classifications"),
    *("reference_files", "reference_passages", "reference_search"),
}
_NOT_OURS = ("pair_search_", "chat_search_", "reference_search_", "sqlite_", "_sqlite")


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A project as a version without the last step left it, with a fact in it."""
    folder = tmp_path / "older"
    folder.mkdir()
    database = Database(folder / DATABASE_NAME)
    migrations.apply(database, stop_before=LAST_STEP)
    with database.atomic():
        database.conn.execute("INSERT INTO facts VALUES ('mark', 'from before')")
    database.close()
    return folder


def tables_of(path: Path, kind: str = "table") -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {
            row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = ?", (kind,))
        }


def has_last_step(path: Path) -> bool:
    """Whether what the last step makes is there."""
    return "reference_files" in tables_of(path)


def test_every_table_is_made(store: Store) -> None:
    made = tables_of(store.folder / DATABASE_NAME)
    assert made >= TABLES
    own = {name for name in made if not name.startswith(_NOT_OURS)}
    assert own == TABLES


def test_a_new_project_has_an_identity_and_a_secret(store: Store) -> None:
    assert len(store.fact("uid")) == 36
    assert len(bytes.fromhex(store.fact("secret"))) == 32


def test_opening_again_changes_nothing(store: Store) -> None:
    before = dict(store.conn.execute("SELECT key, value FROM facts"))
    with Store(store.folder) as again:
        assert dict(again.conn.execute("SELECT key, value FROM facts")) == before
    assert not (store.folder / "backups").exists()


def test_a_newer_database_is_refused_and_left_alone(store: Store) -> None:
    store.conn.execute(
        """INSERT INTO _sqlite_migrations (migration_set, name, applied_at)
           VALUES ('dermagui', 'm999_later', '')"""
    )
    for read_only in (False, True):
        with pytest.raises(UserError) as raised:
            Store(store.folder, read_only=read_only)
        assert raised.value.code == "project.newer"
    assert store.value("SELECT count(*) FROM _sqlite_migrations WHERE name = 'm999_later'") == 1


def test_an_older_database_is_backed_up_before_it_is_upgraded(older: Path) -> None:
    before = tables_of(older / DATABASE_NAME)
    assert not has_last_step(older / DATABASE_NAME)
    with Store(older) as store:
        assert store.fact("mark") == "from before"
    assert has_last_step(older / DATABASE_NAME)
    (backup,) = (older / "backups").iterdir()
    assert tables_of(backup) == before
    assert not has_last_step(backup)
    with closing(sqlite3.connect(backup)) as copy:
        assert copy.execute("SELECT value FROM facts WHERE key = 'mark'").fetchone() == ("from before",)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_an_older_database_is_not_read_in_a_shape_that_it_has_not(older: Path) -> None:
    with pytest.raises(UserError) as raised:
        Store(older, read_only=True)
    assert raised.value.code == "project.older"
    assert not has_last_step(older / DATABASE_NAME)


def test_an_upgrade_that_fails_leaves_the_database_as_it_was(
    older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tables_of(older / DATABASE_NAME)
    steps = list(migrations._migrations)
    monkeypatch.setattr(migrations, "_migrations", steps)

    @migrations()
    def m998_breaks(db: Database) -> None:
        """Writes something, then fails."""
        db.conn.execute("CREATE TABLE half_made (id INTEGER)")
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        Store(older)
    assert tables_of(older / DATABASE_NAME) == before
    steps.pop()
    with Store(older) as store:
        assert store.fact("mark") == "from before"


UPGRADE = """
import sys, json
from pathlib import Path
from dermagui.storage.database import Store
sys.stdin.readline()
try:
    with Store(Path(sys.argv[1])) as store:
        print(json.dumps([store.fact("mark"), store.value("SELECT count(*) FROM chats")]))
except Exception as error:
    print(json.dumps(repr(error)))
"""


def test_processes_that_open_an_older_database_at_once_upgrade_it_once(older: Path) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", UPGRADE, older], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    assert [json.loads(child.communicate()[0]) for child in children] == [["from before", 0]] * 4
