"""Drafts: edits that a reviewer has begun and not saved. They outlive the window, and go with their pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from dermagui.records import Turn
from dermagui.storage.database import Store, as_json
from dermagui.storage.pairs import turns_from_json


def keep_draft(store: Store, person_uid: str, pair_uid: str, turns: Sequence[Turn]) -> None:
    """Keeps a person's draft about a pair in place of the one before; no turns take it away."""
    key = _key(person_uid, pair_uid)
    if turns:
        store.set_fact(key, as_json([asdict(turn) for turn in turns]))
        return
    with store.writing() as conn:
        conn.execute("DELETE FROM facts WHERE key = ?", (key,))


def kept_draft(store: Store, person_uid: str, pair_uid: str) -> tuple[Turn, ...]:
    """The draft, or no turns."""
    text = store.value("SELECT value FROM facts WHERE key = ?", (_key(person_uid, pair_uid),))
    return turns_from_json(text) if text else ()


def _key(person_uid: str, pair_uid: str) -> str:
    # ``storage/forget.py`` finds drafts by how their keys begin and end.
    return f"draft/{person_uid}/{pair_uid}"
