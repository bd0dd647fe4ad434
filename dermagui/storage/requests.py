"""Requests: one row for each paid attempt, written before it is sent and settled by its outcome."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

from dermagui.records import RequestState, Usage
from dermagui.storage.database import Row, Store, as_json
from dermagui.storage.moments import now


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is about to be sent."""

    uid: str
    run_uid: str
    fingerprint: str
    number: int
    image_id: int
    question_key: str
    variation: int
    model: str
    prompt: dict[str, object]
    pixels: dict[str, object]
    host: str
    reserved_micro_usd: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an attempt ended."""

    uid: str
    state: RequestState
    code: str
    cost_micro_usd: int
    sent_bytes: int
    usage: Usage = field(default_factory=Usage)
    model_version: str = ""
    response_id: str = ""
    response: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """What has become of a fingerprint so far: the newest state, its code, and how many attempts."""

    state: RequestState
    code: str
    """Empty for an answered one."""
    attempts: int
    in_state: int = 1
    """How many of the attempts ended in that state."""


def begin_attempts(store: Store, attempts: Sequence[Attempt]) -> None:
    """Writes attempts as ``sending``, all or none. Only then may they be sent.

    An attempt at what is unknown means that a person wanted it sent again: the unknown one is settled.
    """
    moment = now()
    with store.writing() as conn:
        conn.executemany(
            """UPDATE requests SET settled = 'resend'
               WHERE fingerprint = ? AND state = 'unknown' AND settled = ''""",
            [(a.fingerprint,) for a in attempts],
        )
        conn.executemany(
            """INSERT INTO requests (uid, run_uid, fingerprint, attempt, image_id, question_key, variation,
                   model, prompt, pixels, state, host, reserved_micro_usd, sent_at)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'sending', ?, ?, ?)""",
            [
                (
                    a.uid,
                    a.run_uid,
                    a.fingerprint,
                    a.number,
                    a.image_id,
                    a.question_key,
                    a.variation,
                    a.model,
                    as_json(a.prompt),
                    as_json(a.pixels),
                    a.host,
                    a.reserved_micro_usd,
                    moment,
                )
                for a in attempts
            ],
        )


def settle_attempts(store: Store, settlements: Sequence[Settlement]) -> None:
    """Writes outcomes, all or none. An answer may be used only after this returned."""
    moment = now()
    with store.writing() as conn:
        conn.executemany(
            """UPDATE requests SET state = ?, code = ?, cost_micro_usd = ?, sent_bytes = ?, usage = ?,
                   model_version = ?, response_id = ?, response = ?, finished_at = ? WHERE uid = ?""",
            [
                (
                    s.state,
                    s.code,
                    s.cost_micro_usd,
                    s.sent_bytes,
                    as_json(asdict(s.usage)),
                    s.model_version,
                    s.response_id,
                    s.response,
                    moment,
                    s.uid,
                )
                for s in settlements
            ],
        )


def mark_unknown(store: Store) -> int:
    """What an ended process left as ``sending`` may have been billed: it becomes ``unknown``.

    What went to no host cost nothing, and is only asked again.
    """
    with store.writing() as conn:
        conn.execute(
            """UPDATE requests SET state = 'retryable', code = ?, finished_at = ?
               WHERE state = 'sending' AND host = ''""",
            ("local.process_ended", now()),
        )
        cursor = conn.execute(
            "UPDATE requests SET state = 'unknown', code = ?, finished_at = ? WHERE state = 'sending'",
            ("request.process_ended", now()),
        )
        return cursor.rowcount


def histories(store: Store) -> dict[str, History]:
    """What has become of every fingerprint that was ever sent."""
    found: dict[str, History] = {}
    ended: Counter[tuple[str, str]] = Counter()
    # The index alone answers for an answered request: its row, which holds prompt and answer, is not read.
    query = """SELECT fingerprint, state, CASE state WHEN 'answered' THEN '' ELSE code END FROM requests
               ORDER BY fingerprint, attempt"""
    for fingerprint, state, code in store.tuples(query):
        ended[fingerprint, state] += 1
        attempts = found[fingerprint].attempts + 1 if fingerprint in found else 1
        found[fingerprint] = History(_STATES[state], code, attempts, ended[fingerprint, state])
    return found


_STATES = {str(state): state for state in RequestState}
"""Looking a state up costs a tenth of what calling the enum costs."""


def answers_without_pair(store: Store, uids: Sequence[str] | None = None) -> Iterator[Row]:
    """Answered requests that have no pair yet: all of them, or those among ``uids``; each with what it cost
    and with the file and frame of its image.
    """
    among = "" if uids is None else f"AND requests.uid IN ({','.join('?' * len(uids))})"
    query = f"""SELECT requests.uid AS uid, run_uid, image_id, question_key, variation, model, model_version,
            prompt, response, cost_micro_usd, images.sha256 AS sha256, images.frame AS frame
        FROM requests JOIN images ON images.id = requests.image_id
        WHERE state = 'answered' AND image_id IS NOT NULL {among}
          AND NOT EXISTS (SELECT 1 FROM pairs WHERE pairs.request_uid = requests.uid)
        ORDER BY requests.id"""
    for row in store.rows(query, tuple(uids or ())):
        row["prompt"] = json.loads(row["prompt"])
        yield row


def count_requests(store: Store) -> dict[str, int]:
    """How many requests are in each state."""
    return store.counts("SELECT state, count(*) FROM requests GROUP BY state")


def open_unknown(store: Store) -> tuple[int, int]:
    """How many unknown requests nobody has sent again, and the micro-dollars that they cost at most."""
    row = store.row(
        """SELECT count(*) AS count, coalesce(sum(reserved_micro_usd), 0) AS micro_usd
           FROM requests WHERE state = 'unknown' AND settled = ''"""
    )
    assert row is not None
    return row["count"], row["micro_usd"]


def money_micro_usd(store: Store) -> dict[str, int]:
    """Sums in micro-dollars: spent, reserved (being sent now), at_risk (unknown and not sent again),
    simulated (of spent).
    """
    row = store.row(
        """SELECT coalesce(sum(cost_micro_usd), 0) AS spent,
                  coalesce(sum(CASE state WHEN 'sending' THEN reserved_micro_usd END), 0) AS reserved
           FROM requests"""
    )
    assert row is not None
    _, at_risk = open_unknown(store)
    simulated = store.value(
        """SELECT coalesce(sum(cost_micro_usd), 0) FROM requests
           WHERE run_uid IN (SELECT uid FROM runs WHERE simulated)"""
    )
    return {**row, "at_risk": at_risk, "simulated": int(simulated)}


def ledger_rows(store: Store, run_uid: str) -> Iterator[Row]:
    """Every sending of a run as the ledger shows it: when, where to, why, bytes, image hash, state, cost."""
    return store.rows(
        """SELECT sent_at AS at, 'generate' AS purpose, host, sent_bytes AS bytes,
                  images.sha256 AS image_sha256,
                  state, cost_micro_usd, run_uid AS run, requests.uid AS request
           FROM requests LEFT JOIN images ON images.id = image_id WHERE run_uid = ? ORDER BY requests.id""",
        (run_uid,),
    )


def list_attempts(store: Store, model: str) -> list[Row]:
    """Every attempt that was put to a model, oldest first, without its texts: what an audit compares."""
    query = """SELECT uid, run_uid, fingerprint, attempt, image_id, state, code, settled, reserved_micro_usd,
            cost_micro_usd, response_id FROM requests WHERE model = ? ORDER BY id"""
    return list(store.rows(query, (model,)))
