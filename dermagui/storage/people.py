"""People who decide things in a project, and what they accepted."""

from __future__ import annotations

import platform

from dermagui import __version__
from dermagui.errors import UserError
from dermagui.records import Person
from dermagui.storage.database import Row, Store
from dermagui.storage.moments import new_uid, now


def device() -> str:
    """The name of this computer, as it stands beside everything that a person decides."""
    return platform.node() or "unknown"


def person(store: Store, name: str) -> Person:
    """The person of that name, made where there is none yet. Raises ``UserError`` ``person.no_name``."""
    name = " ".join(name.split())
    if not name:
        raise UserError("person.no_name")
    with store.writing() as conn:
        conn.execute(
            "INSERT OR IGNORE INTO people (uid, name, device, created_at) VALUES (?, ?, ?, ?)",
            (new_uid(), name, device(), now()),
        )
    uid = store.value("SELECT uid FROM people WHERE name = ?", (name,))
    return Person(uid, name)


def list_people(store: Store) -> list[str]:
    """The names of all who decided something here."""
    return [row[0] for row in store.tuples("SELECT name FROM people ORDER BY name")]


def accept_terms(store: Store, who: Person, terms: str, terms_date: str, sha256: str) -> None:
    """Keeps that a person accepted these terms, by the hash of the very words that were shown."""
    with store.writing() as conn:
        conn.execute(
            "INSERT INTO acceptances VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (new_uid(), who.uid, terms, terms_date, sha256, now(), device(), __version__),
        )


def acceptance(store: Store, terms: str, sha256: str) -> Row | None:
    """The newest acceptance of exactly these terms: uid, name, at; or None."""
    return store.row(
        """SELECT acceptances.uid AS uid, people.name AS name, acceptances.at AS at, terms_date
           FROM acceptances JOIN people ON people.uid = person_uid
           WHERE terms = ? AND sha256 = ? ORDER BY acceptances.uid DESC LIMIT 1""",
        (terms, sha256),
    )
