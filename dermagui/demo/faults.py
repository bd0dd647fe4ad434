"""The script of a rehearsal: which requests go wrong and how, and what each wrong looks like on the wire."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from .answers import Asked, Json, Slip, can_slip


class Fault(StrEnum):
    """One way for a request to go wrong, or at least otherwise than asked."""

    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"
    QUOTA_MINUTE = "quota_minute"
    QUOTA_DAY = "quota_day"
    QUOTA_FREE_TIER = "quota_free_tier"
    KEY_INVALID = "key_invalid"
    PAYMENT = "payment"
    FORBIDDEN = "forbidden"
    GONE = "gone"
    BLOCKED = "blocked"
    SAFETY = "safety"
    NO_CANDIDATES = "no_candidates"
    MAX_TOKENS = "max_tokens"
    FENCED_JSON = "fenced_json"
    TRAILING_TEXT = "trailing_text"
    WRONG_SCHEMA = "wrong_schema"
    NOT_JSON = "not_json"
    OTHER_MODEL = "other_model"
    DELAY = "delay"
    HANG = "hang"
    DROP_BEFORE_BODY = "drop_before_body"
    """The connection breaks before the body was read, so that such a POST has no fingerprint."""
    DROP_AFTER_BODY = "drop_after_body"
    DROP_MIDWAY = "drop_midway"
    """The connection breaks in the middle of the answer."""


HARMLESS = frozenset({Fault.OTHER_MODEL, Fault.DELAY})
"""After these the answer is whole and usable."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When a fault happens: at running numbers of POSTs, or to a share of the requests."""

    fault: Fault
    posts: tuple[int, ...] = ()
    """Running numbers from 1."""
    rate: float = 0.0
    """Share of all requests from 0 to 1, chosen by a seeded hash; rules never share a request."""
    times: int | None = 1
    """How many POSTs of a chosen request fail; None: all of them, for ever."""

    def __post_init__(self) -> None:
        if self.fault is Fault.DROP_BEFORE_BODY and (self.rate or self.times is None):
            raise ValueError("a request whose body was not read can be chosen by running number only")


@dataclass(frozen=True, slots=True)
class Script:
    """All that a rehearsal server does on purpose. Times are in seconds."""

    seed: int = 7
    rules: tuple[Rule, ...] = ()
    latency_seconds: tuple[float, float] = (0.0, 0.0)
    """Every answer takes a time between these two, the same for the same request."""
    delay_seconds: float = 1.0
    retry_delay_seconds: float = 0.2
    leak_every: int = 0
    """One request in so many, chosen by a seeded hash, gets an answer with that slip; 0: none."""
    wrong_every: int = 0
    duplicate_every: int = 0
    """One image in so many, all requests about it."""
    refuse_every: int = 0
    models: tuple[str, ...] = ("practice", "gemini-3.5-flash-lite", "gemini-3.8-flash")
    other_model: str = "practice-of-another-day"

    def to_json(self) -> str:
        """Write the script as the file that ``python -m dermagui.demo.server --script`` reads."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Script:
        """Read what ``to_json`` wrote; fields may be left out. Raises TypeError for unknown fields."""
        fields = json.loads(text)
        rules = [
            Rule(**{**rule, "fault": Fault(rule["fault"]), "posts": tuple(rule.get("posts", ()))})
            for rule in fields.pop("rules", ())
        ]
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
        }
        return cls(rules=tuple(rules), **plain)


def part_of(*names: object) -> float:
    """Map names to a number from 0 up to 1 that is always the same and looks like chance."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return int.from_bytes(digest[:7]) / 2**56


def choose_fault(script: Script, key: str, number: int, earlier: tuple[int, ...]) -> Fault | None:
    """Choose what happens to the POST with this running number, given earlier ones of the same request."""
    place = part_of(script.seed, "fault", key)
    for rule in script.rules:
        if number in rule.posts or (rule.times is None and set(rule.posts) & set(earlier)):
            return rule.fault
        if 0 <= place < rule.rate and (rule.times is None or len(earlier) < rule.times):
            return rule.fault
        place -= rule.rate
    return None


def drops_unread(script: Script, number: int) -> bool:
    """Tell whether the POST with this running number breaks off before its body is read."""
    return any(rule.fault is Fault.DROP_BEFORE_BODY and number in rule.posts for rule in script.rules)


def choose_slip(script: Script, asked: Asked) -> Slip | None:
    """Choose the slip of an answer, if any: a matter of the request alone, not of the order."""
    slips = {
        Slip.DUPLICATE: (script.duplicate_every, "".join(asked.image_hashes)),
        Slip.LEAK: (script.leak_every, asked.key),
        Slip.WRONG: (script.wrong_every, asked.key),
        Slip.REFUSAL: (script.refuse_every, asked.key),
    }
    for slip, (every, chosen_by) in slips.items():
        if every and part_of(script.seed, slip, chosen_by) < 1 / every and can_slip(slip, asked):
            return slip
    return None


_INFO = "type.googleapis.com/google.rpc."
_STATUSES: dict[Fault, tuple[int, str, str]] = {
    Fault.INTERNAL: (500, "INTERNAL", "An internal error has occurred."),
    Fault.UNAVAILABLE: (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    Fault.QUOTA_MINUTE: (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota."),
    Fault.QUOTA_DAY: (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota."),
    Fault.QUOTA_FREE_TIER: (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota."),
    Fault.KEY_INVALID: (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    Fault.PAYMENT: (402, "RESOURCE_EXHAUSTED", "Your prepaid credits are used up."),
    Fault.FORBIDDEN: (403, "PERMISSION_DENIED", "The caller does not have permission."),
    Fault.GONE: (404, "NOT_FOUND", "The model is not found or not supported for generateContent."),
}
_QUOTA_IDS = {
    Fault.QUOTA_MINUTE: "GenerateRequestsPerMinutePerProjectPerModel",
    Fault.QUOTA_DAY: "GenerateRequestsPerDayPerProjectPerModel",
    Fault.QUOTA_FREE_TIER: "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
}


def error_reply(fault: Fault, model: str, retry_delay_seconds: float) -> tuple[int, Json] | None:
    """Make the HTTP status and body of a fault that is an error to HTTP too, else None."""
    if fault not in _STATUSES:
        return None
    code, status, message = _STATUSES[fault]
    details: list[Json] = []
    if fault is Fault.KEY_INVALID:
        details = [{"@type": _INFO + "ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]
    if fault in _QUOTA_IDS:
        violation = {"quotaId": _QUOTA_IDS[fault], "quotaDimensions": {"model": model}, "quotaValue": "10"}
        details = [
            {"@type": _INFO + "QuotaFailure", "violations": [violation]},
            {"@type": _INFO + "RetryInfo", "retryDelay": f"{retry_delay_seconds:g}s"},
        ]
    return code, error_body(code, status, message, details)


def error_body(code: int, status: str, message: str, details: Sequence[Json] = ()) -> Json:
    """Make an error as the service words it."""
    error: Json = {"code": code, "message": message, "status": status}
    return {"error": error | ({"details": list(details)} if details else {})}


def generate_reply(asked: Asked, text: str, model: str, response_id: str, fault: Fault | None) -> Json:
    """Make the body of a 200: the answer, or what a fault leaves of it."""
    text, reason = _spoil(text, fault)
    silent = fault in {Fault.BLOCKED, Fault.SAFETY, Fault.NO_CANDIDATES}
    candidate: Json = {"finishReason": reason, "index": 0}
    if not silent:
        candidate["content"] = {"parts": [{"text": text}], "role": "model"}
    reply: Json = {} if fault in {Fault.BLOCKED, Fault.NO_CANDIDATES} else {"candidates": [candidate]}
    if fault is Fault.BLOCKED:
        reply["promptFeedback"] = {"blockReason": "PROHIBITED_CONTENT"}
    usage = count_tokens(asked)
    answer = 0 if silent else len(text) // 4
    usage_metadata = {
        "promptTokenCount": usage["totalTokens"],
        "promptTokensDetails": usage["promptTokensDetails"],
        "candidatesTokenCount": answer,
        "thoughtsTokenCount": 0,
        "totalTokenCount": usage["totalTokens"] + answer,
    }
    return reply | {"usageMetadata": usage_metadata, "modelVersion": model, "responseId": response_id}


IMAGE_TOKENS = 1120


def count_tokens(asked: Asked) -> Json:
    """Count a prompt as the service reports it: a fixed sum for an image, a token for four letters."""
    counts = {"TEXT": len(asked.text) // 4, "IMAGE": IMAGE_TOKENS * len(asked.pictures)}
    details = [{"modality": kind, "tokenCount": count} for kind, count in counts.items() if count]
    return {"totalTokens": sum(counts.values()), "promptTokensDetails": details}


def _spoil(text: str, fault: Fault | None) -> tuple[str, str]:
    match fault:
        case Fault.MAX_TOKENS:
            return text[: len(text) // 2], "MAX_TOKENS"
        case Fault.FENCED_JSON:
            return f"```json\n{text}\n```", "STOP"
        case Fault.TRAILING_TEXT:
            return f"{text}\nI hope this helps.", "STOP"
        case Fault.WRONG_SCHEMA:
            return json.dumps({"reply": ["a value that no schema asked for"]}), "STOP"
        case Fault.SAFETY:
            return "", "SAFETY"
    return text, "STOP"
