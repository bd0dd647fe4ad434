"""Opens a project's database and says how it is written.

Several processes of one computer share it: WAL, ten seconds of patience, every write in a short
``BEGIN IMMEDIATE``. Nothing slow (an image, the network, a hash) happens inside a transaction.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from dermagui import paths
from dermagui.errors import DataError, UserError
from dermagui.storage.engine import Database
from dermagui.storage.migrations import migrations
from dermagui.storage.moments import now

BATCH = 1_000
"""The most rows that one transaction writes."""

Row = dict[str, Any]


class Store:
    """An open database of a project folder. One thread, one Store."""

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        """Opens the database of ``folder``, which must exist; brings it up to date unless read-only.

        Raises ``UserError``: ``project.not_found``, ``project.newer``, ``project.older`` (read-only),
        ``project.full_disk``, ``project.not_writable``; ``DataError``: ``project.damaged``.
        """
        self.folder = folder
        self.read_only = read_only
        self.is_private = False
        """Whether what is written here is in memory alone."""
        self.on_network = paths.is_network_folder(folder)
        path = folder / paths.DATABASE_NAME
        if not path.is_file():
            raise UserError("project.not_found", path=paths.display_path(folder))
        with told_apart(folder):
            self.db = Database(_connect(path, read_only, self.on_network))
            try:
                self._bring_up_to_date(path)
            except BaseException:
                self.close()
                raise

    @classmethod
    def in_memory(cls) -> Store:
        """An empty database that nothing but the memory of this process holds: for private chats. What is in
        it is gone when it is closed.
        """
        store = cls.__new__(cls)
        store.folder, store.read_only, store.is_private, store.on_network = Path(), False, True, False
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = MEMORY")  # or a large search would be written to a file
        store.db = Database(connection)
        with store.writing():
            migrations.apply(store.db)
        return store

    def _bring_up_to_date(self, path: Path) -> None:
        known = {step.name for step in migrations._migrations}
        applied = {step.name for step in migrations.applied(self.db)}
        if applied - known:
            raise UserError("project.newer", path=paths.display_path(path))
        if known <= applied:
            return
        if self.read_only:
            raise UserError("project.older", path=paths.display_path(path))
        if applied:
            self._back_up(path)
        with self.writing():  # all steps or none, and two processes that open at once do not both do them
            migrations.apply(self.db)

    def _back_up(self, path: Path) -> None:
        folder = path.parent / "backups"
        folder.mkdir(exist_ok=True)
        self.copy_to(folder / f"before-upgrade-{now().replace(':', '-')}.db")

    def copy_to(self, path: Path) -> None:
        """Writes this database, as it is at one moment, over the one in ``path``."""
        with told_apart(path.parent), closing(sqlite3.connect(path)) as copy:
            self.conn.backup(copy)

    @property
    def conn(self) -> sqlite3.Connection:
        """The connection itself, for statements of the storage modules."""
        connection = self.db.conn
        assert connection is not None
        return connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that has the right to write from its first moment, or fails as a whole.

        Nested use joins the outer transaction. Raises ``UserError`` ``project.full_disk``,
        ``project.not_writable`` or ``project.busy``; then nothing of it was written.
        """
        if self.read_only:
            raise UserError("project.read_only", path=paths.display_path(self.folder))
        if self.conn.in_transaction:
            yield self.conn
            return
        with told_apart(self.folder):
            self.conn.execute("BEGIN IMMEDIATE")
            try:
                yield self.conn
                self.conn.execute("COMMIT")
            except BaseException:
                if self.conn.in_transaction:
                    self.conn.execute("ROLLBACK")
                raise

    def write_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        """Runs one statement for many rows, at most ``BATCH`` of them in a transaction; counts them."""
        written = 0
        batch: list[Sequence[Any]] = []
        for row in rows:
            batch.append(row)
            if len(batch) == BATCH:
                written += self._write_batch(statement, batch)
        return written + self._write_batch(statement, batch)

    def _write_batch(self, statement: str, batch: list[Sequence[Any]]) -> int:
        with self.writing() as conn:
            conn.executemany(statement, batch)
        size = len(batch)
        batch.clear()
        return size

    def rows(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Iterator[Row]:
        """The rows of a query as dictionaries, read as they are asked for."""
        with told_apart(self.folder):
            cursor = self.conn.execute(query, parameters)
            names = [column[0] for column in cursor.description]
            for row in cursor:
                yield dict(zip(names, row, strict=True))

    def tuples(
        self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()
    ) -> Iterator[tuple[Any, ...]]:
        """The rows of a query as tuples, read as they are asked for."""
        with told_apart(self.folder):
            yield from self.conn.execute(query, parameters)

    def row(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Row | None:
        """The first row of a query, or None."""
        return next(self.rows(query, parameters), None)

    def value(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Any:
        """The first value of the first row of a query, or None."""
        with told_apart(self.folder):
            row = self.conn.execute(query, parameters).fetchone()
        return None if row is None else row[0]

    def counts(self, query: str, parameters: Sequence[Any] = ()) -> dict[str, int]:
        """A query of two columns, a name and a number, as a dictionary."""
        with told_apart(self.folder):
            return dict(self.conn.execute(query, parameters).fetchall())

    def fact(self, key: str) -> str:
        """A fact of the project itself, such as its ``uid`` or its ``secret`` for pseudonyms."""
        return str(self.value("SELECT value FROM facts WHERE key = ?", (key,)))

    def set_fact(self, key: str, value: str) -> None:
        """Sets a fact of the project."""
        with self.writing() as conn:
            conn.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (key, value))

    def keep_through_power_loss(self) -> None:
        """From now on every commit waits for the disk: for paid answers and for verdicts."""
        if not self.conn.in_transaction:  # within one, whoever began it has said how it ends
            self.conn.execute("PRAGMA synchronous = FULL")

    def close(self) -> None:
        """Closes; the last process that does so folds the log back into the one file."""
        self.db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def create_database(folder: Path) -> None:
    """Makes the database of a new project. The folder exists and holds none yet."""
    path = folder / paths.DATABASE_NAME
    with told_apart(folder):
        _connect(path, False, paths.is_network_folder(folder)).close()
        Store(folder).close()


def as_json(value: object) -> str:
    """JSON as the database keeps it: compact, with sorted keys, so that equal values are equal text."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@contextmanager
def told_apart(folder: Path) -> Iterator[None]:
    """Turns SQLite's and the disk's own errors into ours: full, read-only, busy, damaged."""
    try:
        yield
    except sqlite3.Error as error:
        raise _told_apart(error, folder) from error


def _told_apart(error: sqlite3.Error, folder: Path) -> Exception:
    name = getattr(error, "sqlite_errorname", "") or ""
    path = paths.display_path(folder)
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE")):
        return UserError("project.full_disk", path=path)
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return UserError("project.not_writable", path=path)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return UserError("project.busy", path=path)
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return DataError("project.damaged", path=path)
    if name.startswith("SQLITE_IOERR"):
        return UserError("project.disk_failed", path=path, detail=str(error))
    return error


def _connect(path: Path, read_only: bool, on_network: bool) -> sqlite3.Connection:
    mode = "ro" if read_only else "rwc"
    if read_only and not on_network and not os.access(path.parent, os.W_OK) and not _has_log(path):
        mode += "&immutable=1"  # WAL wants to write even to read, but where there is no log nobody writes
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=10, isolation_level=None
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        if not read_only:
            # WAL needs shared memory, which no network file system gives to two computers.
            connection.execute(f"PRAGMA journal_mode = {'DELETE' if on_network else 'WAL'}")
            connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _has_log(path: Path) -> bool:
    return path.with_name(f"{path.name}-wal").exists()
