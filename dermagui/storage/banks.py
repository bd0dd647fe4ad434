"""Question banks as they were used. A bank is frozen by its first use: its hash is its identity."""

from __future__ import annotations

import json

from dermagui.records import Bank, PairKind, Question
from dermagui.storage.database import Store, as_json
from dermagui.storage.moments import now


def freeze_bank(store: Store, bank: Bank) -> int:
    """The id of this very bank in the project; its questions are written with its first use."""
    with store.writing() as conn:
        known = store.value("SELECT id FROM banks WHERE sha256 = ?", (bank.sha256,))
        if known is not None:
            return int(known)
        cursor = conn.execute(
            """INSERT INTO banks (sha256, name, version, language, licence, frozen_at)
               VALUES (?, ?, ?, ?, ?, ?)""",
            (bank.sha256, bank.name, bank.version, bank.language, bank.licence, now()),
        )
        bank_id = int(cursor.lastrowid or 0)
        conn.executemany(
            """INSERT INTO questions (bank_id, key, type, kind, weight, variations, modalities)
               VALUES (?, ?, ?, ?, ?, ?, ?)""",
            [
                (bank_id, q.key, q.type, q.kind, q.weight, as_json(q.variations), as_json(q.modalities))
                for q in bank.questions
            ],
        )
        return bank_id


def used_versions(store: Store, name: str) -> frozenset[str]:
    """The versions of a bank that this project asked questions of."""
    rows = store.rows("SELECT DISTINCT version FROM banks WHERE name = ?", (name,))
    return frozenset(row["version"] for row in rows)


def frozen_bank(store: Store, bank_id: int) -> Bank:
    """A bank as it was when it was first used."""
    row = store.row("SELECT * FROM banks WHERE id = ?", (bank_id,))
    assert row is not None
    questions = tuple(
        Question(
            q["key"],
            q["type"],
            PairKind(q["kind"]),
            q["weight"],
            tuple(json.loads(q["variations"])),
            tuple(json.loads(q["modalities"])),
        )
        for q in store.rows("SELECT * FROM questions WHERE bank_id = ? ORDER BY id", (bank_id,))
    )
    return Bank(row["name"], row["version"], row["language"], row["licence"], questions, row["sha256"])
