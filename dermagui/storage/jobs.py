"""The list of jobs of a project. The truth about a job's work is in the rows that it wrote."""

from __future__ import annotations

import json
import sqlite3

from dermagui.errors import UserError
from dermagui.records import JobState
from dermagui.storage.database import Row, Store, as_json
from dermagui.storage.moments import now


def add_job(
    store: Store, job_id: str, kind: str, parameters: dict[str, object], pid: int, process_started: float
) -> None:
    """Puts a job on the list as running, in a process named by its number and its start in seconds.

    Raises ``UserError`` ``job.already_running`` with its kind.
    """
    try:
        with store.writing() as conn:
            conn.execute(
                """INSERT INTO jobs (id, kind, parameters, state, pid, process_started, started_at)
                   VALUES (?, ?, ?, ?, ?, ?, ?)""",
                (job_id, kind, as_json(parameters), JobState.RUNNING, pid, process_started, now()),
            )
    except sqlite3.IntegrityError as error:
        raise UserError("job.already_running", kind=kind) from error


def set_process(store: Store, job_id: str, pid: int, process_started: float) -> None:
    """Says which process does the job now. Raises ``UserError`` ``job.died`` where it is over already."""
    with store.writing() as conn:
        cursor = conn.execute(
            "UPDATE jobs SET pid = ?, process_started = ? WHERE id = ? AND state = ?",
            (pid, process_started, job_id, JobState.RUNNING),
        )
        if not cursor.rowcount:
            raise UserError("job.died")


def finish_job(
    store: Store,
    job_id: str,
    state: JobState,
    *,
    figures: dict[str, object] | None = None,
    error: dict[str, object] | None = None,
    not_before: str | None = None,
) -> None:
    """Writes how a job ended."""
    with store.writing() as conn:
        conn.execute(
            "UPDATE jobs SET state = ?, finished_at = ?, figures = ?, error = ?, not_before = ? WHERE id = ?",
            (state, now(), as_json(figures or {}), as_json(error) if error else None, not_before, job_id),
        )


def list_jobs(store: Store, *, state: JobState | None = None) -> list[Row]:
    """Jobs, newest first: id, kind, state, pid, process_started, times, figures, error, not_before."""
    where, values = ("WHERE state = ?", (state,)) if state else ("", ())
    return [_read(row) for row in store.rows(f"SELECT * FROM jobs {where} ORDER BY id DESC", values)]


def find_job(store: Store, job_id: str) -> Row | None:
    """One job, like those of ``list_jobs``."""
    row = store.row("SELECT * FROM jobs WHERE id = ?", (job_id,))
    return _read(row) if row else None


def _read(row: Row) -> Row:
    for column in ("parameters", "figures", "error"):
        row[column] = json.loads(row[column]) if row[column] else None
    return row
