"""What came back for a request, and what to do about it: one row of a table for everything on the wire.

Nothing here knows an SDK: an answer is the JSON of the REST response (camelCase), an error is its HTTP
status, its status word and its details, and a failure of the transport is one of four kinds.

A request whose bytes may have arrived, but whose answer was lost, is UNKNOWN: it may have been paid and is
never sent again unless a person says so.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from dermagui.errors import DataError
from dermagui.generation.prompt import AnswerShape
from dermagui.records import Flag, FlagKind, RequestState, Usage

MAX_ATTEMPTS = MappingProxyType(
    {
        RequestState.RETRYABLE: 6,
        RequestState.QUOTA_MINUTE: 20,
        RequestState.QUOTA_DAY: 30,
        RequestState.INVALID: 3,
        RequestState.TRUNCATED: 2,
    }
)
"""How many attempts of one request may end in a state before it is given up; any other state: one.
Refused attempts cost nothing, so they are many; INVALID and TRUNCATED ones are billed, so they are few."""

MAX_TEXT_CHARACTERS = 20_000
"""The longest question or answer that is taken for one."""

_LONGEST_DELAY_SECONDS = 120.0


class Action(StrEnum):
    """What to do after an attempt."""

    USE = "use"
    RETRY_SOON = "retry_soon"
    """The same request again: the service answered, but not in the shape that was asked for."""
    RETRY_LATER = "retry_later"
    """The same request again, after ``retry_delay_seconds``."""
    RETRY_LARGER = "retry_larger"
    """Again, with room for a longer answer."""
    GIVE_UP = "give_up"
    """This request will never succeed; the others may."""
    ASK = "ask"
    """It may have been paid: only a person may send it again."""
    PARK_RUN = "park_run"
    """No request will succeed before ``not_before``."""
    STOP_RUN = "stop_run"
    """No request will succeed before a person has changed something."""


class TransportFailure(StrEnum):
    """How a connection failed, as far as it matters: had the request left this computer?"""

    CONNECT = "connect"
    """No connection, no name, no TLS, no free connection in the pool: nothing was sent."""
    TIMEOUT = "timeout"
    """Sent, but no answer in time."""
    DISCONNECTED = "disconnected"
    """The connection broke while sending or waiting."""
    NOT_JSON = "not_json"
    """HTTP 200 with a body that is no JSON, as the log-in page of a proxy sends it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. ``code`` is worded by ``texts.py`` with ``values``."""

    state: RequestState
    code: str
    action: Action
    billed: bool | None
    """Whether the attempt costs money; None if the service does not say."""
    values: dict[str, object] = field(default_factory=dict)
    delay_seconds: float | None = None
    """What the service asked to wait; None if it did not say."""
    not_before: str | None = None
    """UTC, ISO 8601: when a parked run may go on."""
    texts: dict[str, str] = field(default_factory=dict)
    """The checked ``answer`` (and ``question``), if the action is USE."""
    flags: tuple[Flag, ...] = ()
    usage: Usage = field(default_factory=Usage)
    model_version: str = ""
    response_id: str = ""
    reached: bool = True
    """Whether anybody was asked at all: False where no connection came about."""


_BLOCKED = frozenset(
    {
        "SAFETY",
        "PROHIBITED_CONTENT",
        "RECITATION",
        "SPII",
        "LANGUAGE",
        "BLOCKLIST",
        "MODEL_ARMOR",
        "JAILBREAK",
    }
    | {"IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"}
)
_CUT_SHORT = frozenset({"MAX_TOKENS", "CONTINUATION"})
_WORTH_ANOTHER = frozenset({"", "FINISH_REASON_UNSPECIFIED", "OTHER", "MALFORMED_RESPONSE", "NO_IMAGE"})


def classify_answer(payload: object, shape: AnswerShape, expected_model: str) -> Outcome:
    """The outcome of an HTTP 200 with this JSON."""
    response = _dict(payload)
    outcome = _judge(response, shape)
    version = _word(response.get("modelVersion"))
    return replace(
        outcome,
        usage=usage_from(response),
        model_version=version,
        response_id=_word(response.get("responseId")),
        flags=_model_flags(version, expected_model),
    )


def classify_error(
    http_status: int, status: str, details: object, *, message: str = "", now: datetime | None = None
) -> Outcome:
    """The outcome of an HTTP error. ``details`` is the list in the body's ``error.details``."""
    rows = [_dict(row) for row in _list(details)]
    values: dict[str, object] = {
        "http_status": http_status,
        "status": _word(status),
        "message": _without_key(message)[:500],
    }
    if http_status == 429:
        return _quota_outcome(rows, values, now or datetime.now(UTC))
    if http_status == 400 and _says_key_is_invalid(rows, message):
        return Outcome(RequestState.PERMANENT, "key.invalid", Action.STOP_RUN, False, values)
    if http_status == 400 and status == "FAILED_PRECONDITION":
        return Outcome(RequestState.PERMANENT, "service.not_available_here", Action.STOP_RUN, False, values)
    if http_status in _STOPS:
        return Outcome(RequestState.PERMANENT, _STOPS[http_status], Action.STOP_RUN, False, values)
    if http_status in _RETRIED:
        billed = None if http_status >= 500 else False
        delay = _retry_delay(rows)
        code = "service.overloaded" if http_status == 503 else "service.failed"
        return Outcome(RequestState.RETRYABLE, code, Action.RETRY_LATER, billed, values, delay)
    code = "request.too_large" if http_status == 413 else "request.refused"
    return Outcome(RequestState.PERMANENT, code, Action.GIVE_UP, False, values)


def classify_failure(failure: TransportFailure, reason: str = "") -> Outcome:
    """The outcome of an attempt that got no JSON at all."""
    values: dict[str, object] = {"reason": _without_key(reason)[:500]}
    if failure is TransportFailure.CONNECT:
        code = "network.no_connection"
        return Outcome(RequestState.RETRYABLE, code, Action.RETRY_LATER, False, values, reached=False)
    if failure is TransportFailure.NOT_JSON:
        return Outcome(RequestState.INVALID, "answer.no_json_body", Action.RETRY_SOON, None, values)
    code = "request.timeout" if failure is TransportFailure.TIMEOUT else "request.disconnected"
    return Outcome(RequestState.UNKNOWN, code, Action.ASK, None, values)


def next_action(outcome: Outcome, attempts_in_state: int) -> Action:
    """The outcome's action, or GIVE_UP once ``attempts_in_state`` (this one included) reach the limit."""
    retries = outcome.action in {Action.RETRY_SOON, Action.RETRY_LATER, Action.RETRY_LARGER}
    if retries and attempts_in_state >= MAX_ATTEMPTS.get(outcome.state, 1):
        return Action.GIVE_UP
    return outcome.action


def retry_delay_seconds(outcome: Outcome, attempts_in_state: int, chance: random.Random) -> float:
    """How long to wait before the next attempt: what the service asked for, else doubling with jitter."""
    if outcome.action is not Action.RETRY_LATER:
        return 0.0
    start = 15.0 if outcome.state is RequestState.QUOTA_MINUTE else 1.0
    doubled = min(start * 2.0 ** min(attempts_in_state - 1, 20), _LONGEST_DELAY_SECONDS)
    # Jitter is only ever added to what the service asked for: an earlier try would be refused again.
    if outcome.delay_seconds is not None:
        return outcome.delay_seconds + chance.uniform(0, 1)
    return doubled * chance.uniform(0.5, 1)


def parse_answer(text: str, shape: AnswerShape) -> dict[str, str]:
    """The checked texts of an answer: exactly the keys of ``shape``, each a text that is not empty.

    One repair is allowed: a fence or words around the one JSON object. ``DataError`` otherwise.
    """
    fields = _one_object(text)
    if set(fields) != set(shape.keys):
        raise DataError("answer.wrong_keys", expected=list(shape.keys), found=sorted(fields)[:10])
    return {key: _checked_text(key, fields[key]) for key in shape.keys}


def usage_from(payload: Mapping[str, Any]) -> Usage:
    """The tokens that a response counts; what it does not mention is 0. ``prompt`` includes ``cached``."""
    counts = _dict(payload.get("usageMetadata"))
    images = (_dict(part) for part in _list(counts.get("promptTokensDetails")))
    return Usage(
        prompt=_count(counts.get("promptTokenCount")) + _count(counts.get("toolUsePromptTokenCount")),
        cached=_count(counts.get("cachedContentTokenCount")),
        answer=_count(counts.get("candidatesTokenCount")),
        thoughts=_count(counts.get("thoughtsTokenCount")),
        image=sum(_count(part.get("tokenCount")) for part in images if part.get("modality") == "IMAGE"),
    )


def next_pacific_midnight(now: datetime) -> datetime:
    """When a daily quota starts anew, in UTC. Without a time zone database: by winter time, all the year."""
    pacific = _pacific()
    tomorrow = (now.astimezone(pacific) + timedelta(days=1)).date()
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=pacific).astimezone(UTC)


_STOPS = MappingProxyType(
    {
        401: "key.invalid",
        402: "service.no_credit",
        403: "key.not_allowed",
        404: "model.gone",
        407: "network.proxy_asks",
        # Where somebody has to log in first, the network answers in the service's place.
        **dict.fromkeys((301, 302, 303, 307, 308, 511), "answer.no_json_body"),
    }
)
_RETRIED = frozenset({408, 409, 425, 499, 500, 502, 503, 504})


def _judge(response: Mapping[str, Any], shape: AnswerShape) -> Outcome:
    block = _word(_dict(response.get("promptFeedback")).get("blockReason"))
    candidates = _list(response.get("candidates"))
    if block and not candidates:
        return _blocked(block)
    if not candidates:
        return _invalid("answer.none")
    candidate = _dict(candidates[0])
    finish = _word(candidate.get("finishReason"))
    if finish in _BLOCKED:
        return _blocked(finish)
    if finish in _CUT_SHORT:
        code = "answer.truncated"
        return Outcome(RequestState.TRUNCATED, code, Action.RETRY_LARGER, True, {"reason": finish})
    if finish in _WORTH_ANOTHER:
        return _invalid("answer.not_finished", reason=finish)
    if finish != "STOP":  # a word that is newer than this program; it would only be said, and paid, again
        return Outcome(
            RequestState.PERMANENT, "answer.not_finished", Action.GIVE_UP, True, {"reason": finish}
        )
    parts = [_dict(part) for part in _list(_dict(candidate.get("content")).get("parts"))]
    text = "".join(_word(part.get("text")) for part in parts if not part.get("thought"))
    if not text.strip():
        return _invalid("answer.empty")
    try:
        texts = parse_answer(text, shape)
    except DataError as error:
        return _invalid(error.code, **error.values)
    return Outcome(RequestState.ANSWERED, "answer.ok", Action.USE, True, texts=texts)


def _blocked(reason: str) -> Outcome:
    return Outcome(RequestState.BLOCKED, "answer.blocked", Action.GIVE_UP, True, {"reason": reason})


def _invalid(code: str, **values: object) -> Outcome:
    return Outcome(RequestState.INVALID, code, Action.RETRY_SOON, True, values)


def _quota_outcome(rows: list[dict[str, Any]], values: dict[str, object], now: datetime) -> Outcome:
    violations = [_dict(v) for row in rows for v in _list(row.get("violations"))]
    ids = [_word(violation.get("quotaId")) for violation in violations]
    values |= {"quota_ids": ids, "free_tier": any("freetier" in quota.lower() for quota in ids)}
    if any(_word(violation.get("quotaValue")) == "0" for violation in violations):
        return Outcome(RequestState.PERMANENT, "quota.none", Action.STOP_RUN, False, values)
    if any("perday" in quota.lower() for quota in ids):
        moment = next_pacific_midnight(now).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        parked = Outcome(RequestState.QUOTA_DAY, "quota.day", Action.PARK_RUN, False, values)
        return replace(parked, not_before=moment)
    state, delay = RequestState.QUOTA_MINUTE, _retry_delay(rows)
    return Outcome(state, "quota.minute", Action.RETRY_LATER, False, values, delay)


def _says_key_is_invalid(rows: list[dict[str, Any]], message: str) -> bool:
    reasons = {row.get("reason") for row in rows}
    return bool(reasons & {"API_KEY_INVALID", "API_KEY_EXPIRED"}) or bool(
        re.search(r"\bAPI key (?:not valid|expired|not found)\b", message, re.IGNORECASE)
    )


def _without_key(message: str) -> str:
    """The service's words without the key that some of them repeat."""
    return re.sub(r"(?i:\bapi[_ -]?key:)\s*\S+|\bAIza[\w-]+|\bAQ\.[\w.-]+", "[key]", _word(message))


def _retry_delay(rows: list[dict[str, Any]]) -> float | None:
    """Seconds of the first RetryInfo (``"36.5s"``), or None."""
    for row in rows:
        if found := re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", _word(row.get("retryDelay"))):
            return float(found[1])
    return None


def _model_flags(version: str, expected: str) -> tuple[Flag, ...]:
    """A warning if another model answered; a dated or numbered version of the one that was asked is it,
    and so is one that tells after an @ which files it is.
    """
    asked, answered = expected.removeprefix("models/"), version.removeprefix("models/")
    same = not answered or re.fullmatch(rf"{re.escape(asked)}(?:(?:-\d+)*|@.*)", answered)
    return () if same else (Flag(FlagKind.MODEL_DIFFERS, answered, asked),)


def _one_object(text: str) -> dict[str, Any]:
    decoder = json.JSONDecoder(object_pairs_hook=_unique)
    start = text.find("{")
    try:
        found, end = decoder.raw_decode(text, max(start, 0))
    except (ValueError, RecursionError) as error:
        raise DataError("answer.not_json", reason=str(error)[:200]) from error
    if start < 0 or not isinstance(found, dict) or set("{}[]") & set(text[:start] + text[end:]):
        raise DataError("answer.not_json", reason="not one JSON object")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _checked_text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise DataError("answer.not_text", key=key)
    text = value.strip()
    if not text:
        raise DataError("answer.empty_text", key=key)
    if len(text) > MAX_TEXT_CHARACTERS:
        raise DataError("answer.too_long", key=key, characters=len(text), limit=MAX_TEXT_CHARACTERS)
    if re.search(r"[\x00\ud800-\udfff]", text):
        raise DataError("answer.broken_text", key=key)
    return text


def _pacific() -> tzinfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:
        return timezone(timedelta(hours=-8))


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _word(value: object) -> str:
    """A text that can be stored: JSON can write halves of characters, which are none."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _count(value: object) -> int:
    """A count of tokens: JSON of Google writes some integers as text."""
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() else 0


NOTHING_PAID_CODES = frozenset({*_STOPS.values(), "key.invalid", "service.not_available_here", "quota.none"})
"""Refusals that a person mends (another key, credit, a model): a later run may send the request again."""

REFUSED_CODES = frozenset(
    {"request.refused", "request.too_large", "chat.too_long", "chat.image_too_large", "chat.image_failed"}
)
"""Refusals of the request itself, unpaid: worth another try once a person has changed something."""


def may_be_sent(
    state: RequestState, code: str, attempts_in_state: int, *, retry_refused: bool = False
) -> bool:
    """Whether a later run may send a request again by itself, given how its newest attempt ended.

    Never what may have been paid: an answer, a block, an unknown end; and a bad answer only so often.
    ``retry_refused``: a person said that what the service refused may be sent again.
    """
    if state in {RequestState.RETRYABLE, RequestState.QUOTA_MINUTE, RequestState.QUOTA_DAY}:
        return True
    if state is RequestState.PERMANENT:
        return code in NOTHING_PAID_CODES or (retry_refused and code in REFUSED_CODES)
    return state is RequestState.INVALID and attempts_in_state < MAX_ATTEMPTS[RequestState.INVALID]
