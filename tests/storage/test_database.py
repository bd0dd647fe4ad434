"""How the database is opened and written: whole transactions, foreign keys, nothing left in free pages."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from dermagui import paths
from dermagui.errors import DataError, UserError
from dermagui.storage import pairs
from dermagui.storage.database import BATCH, Store, as_json, create_database
from tests.fakes.projects import add_images, open_pair


def test_a_folder_without_a_database_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        Store(tmp_path)
    assert raised.value.code == "project.not_found"
    assert list(tmp_path.iterdir()) == []


def test_the_connection_keeps_its_promises(store: Store) -> None:
    promised = {"foreign_keys": 1, "secure_delete": 1, "journal_mode": "wal", "synchronous": 1}
    assert {name: store.value(f"PRAGMA {name}") for name in promised} == promised
    assert store.value("PRAGMA busy_timeout") == 10_000
    store.keep_through_power_loss()
    assert store.value("PRAGMA synchronous") == 2


def test_a_row_cannot_name_what_does_not_exist(store: Store) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        pairs.add_pairs(store, [open_pair(image=12345)])
    assert pairs.count_pairs(store) == {}


def test_what_is_deleted_leaves_no_byte_in_the_file(store: Store) -> None:
    secret = "the-name-of-a-patient"
    store.set_fact("patient", secret)
    path = store.folder / paths.DATABASE_NAME
    store.value("PRAGMA wal_checkpoint(TRUNCATE)")
    assert secret.encode() in path.read_bytes()
    with store.writing() as conn:
        conn.execute("DELETE FROM facts WHERE key = 'patient'")
    store.value("PRAGMA wal_checkpoint(TRUNCATE)")
    assert secret.encode() not in path.read_bytes()


def test_the_last_close_leaves_one_file(store: Store) -> None:
    store.set_fact("mark", "x")
    with Store(store.folder):
        store.close()
    assert [path.name for path in store.folder.iterdir() if path.is_file()] == [paths.DATABASE_NAME]


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.writing() as conn:
            conn.execute("INSERT INTO facts VALUES ('half', 'x')")
            with store.writing() as inner:
                inner.execute("INSERT INTO facts VALUES ('other half', 'x')")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not store.conn.in_transaction
    assert store.value("SELECT count(*) FROM facts WHERE key LIKE '%half'") == 0


def test_an_inner_transaction_joins_the_outer_one(store: Store) -> None:
    with store.writing() as conn, Store(store.folder) as other:
        conn.execute("INSERT INTO facts VALUES ('outer', 'x')")
        store.set_fact("inner", "x")
        seen_before = other.value("SELECT count(*) FROM facts WHERE key IN ('outer', 'inner')")
    assert seen_before == 0
    assert store.value("SELECT count(*) FROM facts WHERE key IN ('outer', 'inner')") == 2


def test_many_rows_are_written_in_transactions_of_a_bounded_size(store: Store) -> None:
    statements: list[str] = []
    store.conn.set_trace_callback(statements.append)
    count = 2 * BATCH + 1
    written = store.write_many("INSERT INTO facts VALUES (?, '')", ((f"k{n}",) for n in range(count)))
    store.conn.set_trace_callback(None)
    sizes = []
    for statement in statements:
        if statement.startswith("BEGIN"):
            assert statement == "BEGIN IMMEDIATE"
            sizes.append(0)
        elif statement.startswith("INSERT"):
            sizes[-1] += 1
    assert (written, sizes) == (count, [BATCH, BATCH, 1])


def test_a_writer_waits_for_the_one_before(store: Store) -> None:
    """The right to write is asked for at the beginning, so that nobody fails in the middle."""
    store.conn.execute("BEGIN IMMEDIATE")
    done = threading.Event()

    def write() -> None:
        with Store(store.folder) as other:
            other.set_fact("second", "x")
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert not done.wait(0.3)
    store.conn.execute("INSERT INTO facts VALUES ('first', 'x')")
    store.conn.execute("COMMIT")
    writer.join()
    assert store.fact("first") == store.fact("second") == "x"


def test_read_only_refuses_to_write(store: Store) -> None:
    with Store(store.folder, read_only=True) as reader:
        assert reader.fact("uid") == store.fact("uid")
        with pytest.raises(UserError) as raised:
            reader.set_fact("mark", "x")
        assert raised.value.code == "project.read_only"
        with pytest.raises(sqlite3.OperationalError):
            reader.conn.execute("DELETE FROM facts")


def test_a_network_folder_gets_no_write_ahead_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "is_network_folder", lambda folder: True)
    create_database(tmp_path)
    with Store(tmp_path) as store:
        store.set_fact("mark", "x")
        assert store.on_network
        assert store.value("PRAGMA journal_mode") == "delete"
        assert [path.name for path in tmp_path.iterdir()] == [paths.DATABASE_NAME]


@pytest.mark.parametrize(
    "content", [b"this is no database at all, only text" * 100, b"SQLite format 3\0" + bytes(84)]
)
def test_something_else_under_the_name_of_a_database_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / paths.DATABASE_NAME).write_bytes(content)
    with pytest.raises(DataError) as raised:
        Store(tmp_path)
    assert raised.value.code == "project.damaged"
    assert (tmp_path / paths.DATABASE_NAME).read_bytes() == content


def test_a_damaged_page_is_told_by_whoever_reads_it(store: Store) -> None:
    images = add_images(store, 3)
    pairs.add_pairs(store, [open_pair(images[n % 3], f"answer {n} " * 50) for n in range(200)])
    store.close()
    path = store.folder / paths.DATABASE_NAME
    raw = bytearray(path.read_bytes())
    with sqlite3.connect(path) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'pairs'"
        (page,) = connection.execute(query).fetchone()
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.close()
    raw[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(raw)
    with Store(store.folder) as damaged, pytest.raises(DataError) as raised:
        pairs.page_of_pairs(damaged)
    assert raised.value.code == "project.damaged"


def test_equal_values_are_equal_text() -> None:
    assert (
        as_json({"b": [1, "ä"], "a": None}) == as_json({"a": None, "b": [1, "ä"]}) == '{"a":null,"b":[1,"ä"]}'
    )
