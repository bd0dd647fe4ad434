"""Runs: one row for each generation, with a snapshot of its whole plan."""

from __future__ import annotations

from collections.abc import Mapping

from dermagui import __version__
from dermagui.storage.database import Row, Store, as_json
from dermagui.storage.moments import new_uid, now


def add_run(
    store: Store,
    *,
    provider: str,
    model: str,
    tier: str,
    bank_id: int,
    plan: Mapping[str, object],
    price: Mapping[str, object],
    terms_date: str,
    acceptance_uid: str | None,
    simulated: bool,
    sdk_version: str,
) -> str:
    """Writes the start of a generation; returns its uid. Tier and terms date stand in every run."""
    uid = new_uid()
    with store.writing() as conn:
        conn.execute(
            "INSERT INTO runs VALUES (?, 'generation', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                uid,
                now(),
                provider,
                model,
                tier,
                bank_id,
                as_json(plan),
                as_json(price),
                terms_date,
                acceptance_uid,
                simulated,
                __version__,
                sdk_version,
            ),
        )
    return uid


def run(store: Store, uid: str) -> Row | None:
    """A run with its bank's name and version, or None."""
    return store.row(
        """SELECT runs.*, banks.name AS bank, banks.version AS bank_version, banks.licence AS bank_licence
           FROM runs LEFT JOIN banks ON banks.id = bank_id WHERE runs.uid = ?""",
        (uid,),
    )


def committed_micro_usd(store: Store, plan_key: str) -> int:
    """What all runs of the same plan have spent, reserved or put at risk so far, in micro-dollars."""
    total = store.value(
        """SELECT sum(CASE WHEN state IN ('sending', 'unknown')
                           THEN reserved_micro_usd ELSE cost_micro_usd END)
           FROM requests WHERE run_uid IN (SELECT uid FROM runs WHERE json_extract(plan, '$.key') = ?)""",
        (plan_key,),
    )
    return int(total or 0)
