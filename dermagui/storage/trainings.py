"""Trainings: one row for each, with a snapshot of its settings and, once it ended, what came out."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping

from dermagui import __version__
from dermagui.storage.database import Row, Store, as_json
from dermagui.storage.moments import now


def add_training(
    store: Store,
    *,
    uid: str,
    name: str,
    dataset_uid: str | None,
    base: str,
    recipe: Mapping[str, object],
    seed: int,
    simulated: bool,
) -> None:
    """Writes down a training whose folder is complete. ``simulated``: pairs of a rehearsal are in it."""
    with store.writing() as conn:
        conn.execute(
            "INSERT INTO trainings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, '{}')",
            (
                uid,
                name,
                now(),
                dataset_uid,
                base,
                as_json(recipe),
                seed,
                simulated,
                platform.node(),
                __version__,
            ),
        )


def end_training(store: Store, uid: str, outcome: str, figures: Mapping[str, object]) -> None:
    """Writes down how a training ended; one that is resumed ends again."""
    with store.writing() as conn:
        conn.execute(
            "UPDATE trainings SET ended_at = ?, outcome = ?, figures = ? WHERE uid = ?",
            (now(), outcome, as_json(figures), uid),
        )


def find_training(store: Store, name_or_uid: str) -> Row | None:
    """A training by its name, or by its uid."""
    row = store.row("SELECT * FROM trainings WHERE name = ? OR uid = ?", (name_or_uid, name_or_uid))
    return _read(row) if row else None


def list_trainings(store: Store) -> list[Row]:
    """All trainings, the oldest first."""
    return [_read(row) for row in store.rows("SELECT * FROM trainings ORDER BY uid")]


def _read(row: Row) -> Row:
    row["recipe"], row["figures"] = json.loads(row["recipe"]), json.loads(row["figures"])
    return row
