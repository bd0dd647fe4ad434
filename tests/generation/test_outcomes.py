"""Every row of the table of outcomes: what the wire gave, what it is, and what is done about it."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermagui.errors import DataError
from dermagui.generation.outcomes import (
    MAX_ATTEMPTS,
    MAX_TEXT_CHARACTERS,
    Action,
    TransportFailure,
    classify_answer,
    classify_error,
    classify_failure,
    may_be_sent,
    next_action,
    next_pacific_midnight,
    parse_answer,
    retry_delay_seconds,
    usage_from,
)
from dermagui.generation.prompt import AnswerShape
from dermagui.records import FlagKind, RequestState, Usage

MODEL = "gemini-3.5-flash-lite"
GOOD = '{"answer": "A brown spot."}'
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def response(text: str | None = GOOD, finish: str | None = "STOP", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    candidate: dict[str, Any] = {"index": 0}
    if text is not None:
        candidate["content"] = {"parts": [{"text": text}], "role": "model"}
    if finish is not None:
        candidate["finishReason"] = finish
    usage = {"promptTokenCount": 1500, "candidatesTokenCount": 40, "totalTokenCount": 1540}
    return {
        "candidates": [candidate],
        "modelVersion": MODEL,
        "responseId": "r1",
        "usageMetadata": usage,
    } | more


def outcome_of(payload: object, shape: AnswerShape = AnswerShape.ANSWER) -> Any:  # noqa: ANN401
    return classify_answer(payload, shape, MODEL)


# --- answers


def test_a_good_answer_is_used_with_all_that_came_with_it() -> None:
    outcome = outcome_of(response())
    assert (outcome.state, outcome.action, outcome.billed) == (RequestState.ANSWERED, Action.USE, True)
    assert outcome.texts == {"answer": "A brown spot."}
    assert outcome.usage == Usage(prompt=1500, answer=40)
    assert (outcome.model_version, outcome.response_id, outcome.flags) == (MODEL, "r1", ())


def test_thoughts_are_no_part_of_an_answer_and_parts_are_joined() -> None:
    parts = [{"text": "Let me think {", "thought": True}, {"text": '{"answer": '}, {"text": '"Yes."}'}, {}]
    payload = response()
    payload["candidates"][0]["content"]["parts"] = parts
    assert outcome_of(payload).texts == {"answer": "Yes."}


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "PROHIBITED_CONTENT", "JAILBREAK", "A_NEW_REASON"])
def test_a_blocked_prompt_is_terminal_and_billed(reason: str) -> None:
    outcome = outcome_of(
        {"promptFeedback": {"blockReason": reason}, "usageMetadata": {"promptTokenCount": 9}}
    )
    assert (outcome.state, outcome.action, outcome.billed) == (RequestState.BLOCKED, Action.GIVE_UP, True)
    assert outcome.values == {"reason": reason}
    assert outcome.usage.prompt == 9


@pytest.mark.parametrize(
    "reason", ["SAFETY", "PROHIBITED_CONTENT", "RECITATION", "SPII", "LANGUAGE", "IMAGE_SAFETY"]
)
@pytest.mark.parametrize("text", [None, GOOD])
def test_a_blocked_answer_is_terminal_even_if_some_text_came(reason: str, text: str | None) -> None:
    outcome = outcome_of(response(text, reason))
    assert (outcome.state, outcome.action) == (RequestState.BLOCKED, Action.GIVE_UP)
    assert outcome.texts == {}


@pytest.mark.parametrize("reason", ["MAX_TOKENS", "CONTINUATION"])
def test_a_truncated_answer_is_asked_once_more_with_room(reason: str) -> None:
    outcome = outcome_of(response('{"answer": "A bro', reason))
    assert (outcome.state, outcome.action, outcome.billed) == (
        RequestState.TRUNCATED,
        Action.RETRY_LARGER,
        True,
    )
    assert next_action(outcome, 1) is Action.RETRY_LARGER
    assert next_action(outcome, 2) is Action.GIVE_UP


@pytest.mark.parametrize(
    ("payload", "code", "action"),
    [
        ({}, "answer.none", Action.RETRY_SOON),
        ([], "answer.none", Action.RETRY_SOON),
        ("text", "answer.none", Action.RETRY_SOON),
        ({"candidates": []}, "answer.none", Action.RETRY_SOON),
        ({"candidates": None}, "answer.none", Action.RETRY_SOON),
        (response(None), "answer.empty", Action.RETRY_SOON),
        (response("  "), "answer.empty", Action.RETRY_SOON),
        (response(finish=None), "answer.not_finished", Action.RETRY_SOON),
        (response(finish="MALFORMED_RESPONSE"), "answer.not_finished", Action.RETRY_SOON),
        (response(finish="OTHER"), "answer.not_finished", Action.RETRY_SOON),
        (response("Just prose."), "answer.not_json", Action.RETRY_SOON),
        (response('{"reply": "x"}'), "answer.wrong_keys", Action.RETRY_SOON),
    ],
)
def test_invalid_answers(payload: object, code: str, action: Action) -> None:
    outcome = outcome_of(payload)
    assert (outcome.state, outcome.code, outcome.action) == (RequestState.INVALID, code, action)
    assert outcome.billed is True
    assert outcome.texts == {}


def test_an_end_of_another_day_is_not_paid_twice() -> None:
    outcome = outcome_of(response(finish="A_NEW_REASON"))
    assert (outcome.state, outcome.action) == (RequestState.PERMANENT, Action.GIVE_UP)
    assert (outcome.code, outcome.billed) == ("answer.not_finished", True)
    assert not may_be_sent(outcome.state, outcome.code, 1)


def test_invalid_answers_are_asked_for_at_most_twice_more() -> None:
    outcome = outcome_of(response("prose"))
    assert [next_action(outcome, n) for n in (1, 2, 3)] == [
        Action.RETRY_SOON,
        Action.RETRY_SOON,
        Action.GIVE_UP,
    ]
    assert retry_delay_seconds(outcome, 1, random.Random(0)) == 0


@pytest.mark.parametrize(
    ("answered", "flagged"),
    [
        (MODEL, False),
        (f"models/{MODEL}", False),
        (f"{MODEL}-001", False),
        (f"{MODEL}-09-2026", False),
        ("", False),
        (f"{MODEL}@Q4_0;model=0a1b", False),
        (f"{MODEL}-preview", True),
        ("gemini-3.8-flash", True),
        ("gemini-3.5-flash", True),
    ],
)
def test_another_model_than_asked_is_a_warning(answered: str, flagged: bool) -> None:
    outcome = outcome_of(response(modelVersion=answered))
    assert [(flag.kind, flag.evidence, flag.detail) for flag in outcome.flags] == (
        [(FlagKind.MODEL_DIFFERS, answered, MODEL)] if flagged else []
    )
    assert outcome.action is Action.USE


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KNOWN_KEYS = st.sampled_from(
    [
        "candidates",
        "content",
        "parts",
        "text",
        "finishReason",
        "promptFeedback",
        "blockReason",
        "usageMetadata",
        "promptTokenCount",
        "promptTokensDetails",
        "modelVersion",
        "thought",
    ]
)
RESPONSES = st.recursive(
    JSON_VALUES | st.sampled_from(["STOP", "SAFETY", GOOD]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KNOWN_KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(RESPONSES)
def test_no_json_whatever_breaks_the_table_or_passes_for_an_answer(payload: object) -> None:
    outcome = outcome_of(payload)
    assert (outcome.action is Action.USE) == (outcome.state is RequestState.ANSWERED) == bool(outcome.texts)
    json.dumps(outcome.values)


# --- the JSON of an answer


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"  {GOOD}\n",
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```",
        f"Here it is: {GOOD}",
        f"{GOOD}\nI hope this helps.",
        '{"answer": "  A brown spot.  "}',
    ],
)
def test_a_fence_or_words_around_one_object_are_repaired(text: str) -> None:
    assert parse_answer(text, AnswerShape.ANSWER) == {"answer": "A brown spot."}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "answer.not_json"),
        ("null", "answer.not_json"),
        ('"answer"', "answer.not_json"),
        (f"[{GOOD}]", "answer.not_json"),
        (f"{GOOD}{GOOD}", "answer.not_json"),
        (f"{GOOD} or {{}}", "answer.not_json"),
        ('{"answer": "cut', "answer.not_json"),
        ('{"answer": "one", "answer": "two"}', "answer.not_json"),
        ("{'answer': 'python'}", "answer.not_json"),
        ('{"answer": ' + "[" * 100_000, "answer.not_json"),
        ("{}", "answer.wrong_keys"),
        ('{"Answer": "x"}', "answer.wrong_keys"),
        ('{"answer": "x", "confidence": "high"}', "answer.wrong_keys"),
        ('{"question": "q", "answer": "x"}', "answer.wrong_keys"),
        ('{"answer": null}', "answer.not_text"),
        ('{"answer": ["x"]}', "answer.not_text"),
        ('{"answer": 5}', "answer.not_text"),
        ('{"answer": " \\n"}', "answer.empty_text"),
        ('{"answer": "bad \\ud800 half"}', "answer.broken_text"),
        ('{"answer": "zero \\u0000"}', "answer.broken_text"),
        (json.dumps({"answer": "x" * (MAX_TEXT_CHARACTERS + 1)}), "answer.too_long"),
    ],
)
def test_what_is_not_exactly_the_schema_is_refused(text: str, code: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_answer(text, AnswerShape.ANSWER)
    assert caught.value.code == code
    json.dumps(caught.value.values)


def test_a_creative_answer_needs_both_texts() -> None:
    shape = AnswerShape.QUESTION_AND_ANSWER
    assert parse_answer('{"answer": "a", "question": "q"}', shape) == {"question": "q", "answer": "a"}
    with pytest.raises(DataError):
        parse_answer(GOOD, shape)


@given(st.text(min_size=1, max_size=200).filter(lambda text: text.strip() and "\x00" not in text))
def test_any_text_survives_its_json(text: str) -> None:
    assert parse_answer(json.dumps({"answer": text}), AnswerShape.ANSWER) == {"answer": text.strip()}


@given(st.text(alphabet='{}[]",:answer \\nx', max_size=60))
def test_parsing_refuses_or_returns_a_text(text: str) -> None:
    try:
        parsed = parse_answer(text, AnswerShape.ANSWER)
    except DataError:
        return
    assert list(parsed) == ["answer"]
    assert parsed["answer"].strip()


# --- usage


def test_usage_counts_everything_that_is_billed() -> None:
    counts = {
        "promptTokenCount": 1600,
        "cachedContentTokenCount": "100",
        "candidatesTokenCount": 212,
        "thoughtsTokenCount": 128,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 480},
            {"modality": "IMAGE", "tokenCount": 1120},
        ],
    }
    assert usage_from({"usageMetadata": counts}) == Usage(1600, 100, 212, 128, 1120)


@pytest.mark.parametrize("broken", [None, "x", -5, 1.5, True, [], {}, "²"])
def test_broken_counts_are_nothing(broken: object) -> None:
    assert (
        usage_from({"usageMetadata": {"promptTokenCount": broken, "promptTokensDetails": broken}}) == Usage()
    )
    assert usage_from({"usageMetadata": broken}) == Usage()


# --- errors


INFO = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}


@pytest.mark.parametrize(
    ("status", "word", "details", "code"),
    [
        (400, "INVALID_ARGUMENT", [INFO], "key.invalid"),
        (401, "UNAUTHENTICATED", [], "key.invalid"),
        (400, "FAILED_PRECONDITION", [], "service.not_available_here"),
        (402, "RESOURCE_EXHAUSTED", [], "service.no_credit"),
        (403, "PERMISSION_DENIED", [], "key.not_allowed"),
        (404, "NOT_FOUND", [], "model.gone"),
        (407, "", [], "network.proxy_asks"),
        (307, "", [], "answer.no_json_body"),
        (511, "", [], "answer.no_json_body"),
    ],
)
def test_errors_that_stop_the_run(status: int, word: str, details: list[object], code: str) -> None:
    outcome = classify_error(status, word, details)
    assert (outcome.state, outcome.code) == (RequestState.PERMANENT, code)
    assert (outcome.action, outcome.billed) == (Action.STOP_RUN, False)
    assert may_be_sent(outcome.state, outcome.code, 99)


def test_a_bad_key_is_known_by_its_words_too() -> None:
    words = "API key not valid. Please pass a valid API key."
    assert classify_error(400, "INVALID_ARGUMENT", [], message=words).code == "key.invalid"
    assert classify_error(400, "INVALID_ARGUMENT", [], message="bad image").code == "request.refused"


@pytest.mark.parametrize(
    ("status", "word", "code"),
    [
        (400, "INVALID_ARGUMENT", "request.refused"),
        (413, "", "request.too_large"),
        (418, "", "request.refused"),
        (501, "UNIMPLEMENTED", "request.refused"),
        (304, "", "request.refused"),
        (0, "", "request.refused"),
    ],
)
def test_errors_of_one_request(status: int, word: str, code: str) -> None:
    outcome = classify_error(status, word, [])
    assert (outcome.state, outcome.code, outcome.action) == (RequestState.PERMANENT, code, Action.GIVE_UP)
    assert not may_be_sent(outcome.state, outcome.code, 1)


@pytest.mark.parametrize("status", [408, 409, 499, 500, 502, 503, 504])
def test_errors_that_pass(status: int) -> None:
    outcome = classify_error(status, "", [])
    assert (outcome.state, outcome.action) == (RequestState.RETRYABLE, Action.RETRY_LATER)
    assert outcome.billed is (None if status >= 500 else False)
    assert outcome.code == ("service.overloaded" if status == 503 else "service.failed")
    assert next_action(outcome, MAX_ATTEMPTS[RequestState.RETRYABLE]) is Action.GIVE_UP


def quota(*ids: str, delay: str | None = "36.5s", value: str = "10") -> list[object]:
    violations = [{"quotaId": name, "quotaValue": value, "quotaDimensions": {"model": MODEL}} for name in ids]
    rows: list[object] = [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}]
    if delay is not None:
        rows.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    return rows


MINUTE, DAY = "GenerateRequestsPerMinutePerProjectPerModel", "GenerateRequestsPerDayPerProjectPerModel"


def test_a_minute_quota_waits_as_long_as_the_service_says() -> None:
    outcome = classify_error(429, "RESOURCE_EXHAUSTED", quota(MINUTE), now=NOON)
    assert (outcome.state, outcome.action, outcome.billed) == (
        RequestState.QUOTA_MINUTE,
        Action.RETRY_LATER,
        False,
    )
    assert outcome.delay_seconds == 36.5
    assert 36.5 <= retry_delay_seconds(outcome, 1, random.Random(3)) <= 37.5
    assert outcome.values["free_tier"] is False


@pytest.mark.parametrize("details", [[], None, "x", [None, 5, {"violations": [7]}], [{"retryDelay": "soon"}]])
def test_a_quota_without_details_is_taken_for_a_short_one(details: object) -> None:
    outcome = classify_error(429, "RESOURCE_EXHAUSTED", details, now=NOON)
    assert (outcome.state, outcome.delay_seconds) == (RequestState.QUOTA_MINUTE, None)
    assert retry_delay_seconds(outcome, 1, random.Random(0)) >= 7.5


@pytest.mark.parametrize("ids", [(DAY,), (MINUTE, DAY), (f"{DAY}-FreeTier",)])
def test_a_daily_quota_parks_the_run_until_midnight_pacific(ids: tuple[str, ...]) -> None:
    outcome = classify_error(429, "RESOURCE_EXHAUSTED", quota(*ids), now=NOON)
    assert (outcome.state, outcome.action) == (RequestState.QUOTA_DAY, Action.PARK_RUN)
    assert outcome.not_before == "2026-11-22T08:00:00.000Z"


@pytest.mark.parametrize("ids", [(f"{MINUTE}-FreeTier",), (MINUTE, f"{DAY}-FreeTier")])
def test_a_free_key_betrays_itself(ids: tuple[str, ...]) -> None:
    assert classify_error(429, "", quota(*ids), now=NOON).values["free_tier"] is True


def test_no_quota_at_all_stops_the_run() -> None:
    outcome = classify_error(429, "RESOURCE_EXHAUSTED", quota(f"{DAY}-FreeTier", value="0"), now=NOON)
    assert (outcome.code, outcome.action) == ("quota.none", Action.STOP_RUN)
    assert outcome.values["free_tier"] is True


@pytest.mark.parametrize(
    ("now", "midnight"),
    [
        ("2026-11-21T12:00:00+00:00", "2026-11-22T08:00:00+00:00"),
        ("2026-07-01T06:59:59+00:00", "2026-07-01T07:00:00+00:00"),
        ("2026-07-01T07:00:00+00:00", "2026-07-02T07:00:00+00:00"),
        ("2026-03-08T09:00:00+00:00", "2026-03-09T07:00:00+00:00"),
        ("2026-11-01T08:00:00+00:00", "2026-11-02T08:00:00+00:00"),
        ("2026-12-31T20:00:00+03:00", "2027-01-01T08:00:00+00:00"),
    ],
)
def test_pacific_midnight_across_summer_time(now: str, midnight: str) -> None:
    assert next_pacific_midnight(datetime.fromisoformat(now)).isoformat() == midnight


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))
def test_without_a_time_zone_database_winter_time_is_taken(now: datetime) -> None:
    exact = next_pacific_midnight(now)
    assert timedelta() < exact - now <= timedelta(hours=25)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoneinfo.ZoneInfo", raise_not_found)
        fallback = next_pacific_midnight(now)
    # In the first hour of a summer day it waits for the end of that hour: one more refusal, no harm.
    assert timedelta() < fallback - now <= timedelta(hours=24)
    # A day that starts in summer and ends in winter has 25 hours.
    earlier = {exact - timedelta(hours=23), exact - timedelta(hours=24)}
    assert fallback in {exact, exact + timedelta(hours=1)} | earlier


def raise_not_found(name: str) -> None:
    raise ZoneInfoNotFoundError(name)


@pytest.mark.parametrize(
    "message",
    [
        "Permission denied: Consumer 'api_key:AIzaSyCanary0123456789' has been suspended.",
        "bad key AIzaSyCanary0123456789!",
        "token AQ.Ab8Canary-0123456789_x is unknown",
    ],
)
def test_no_key_stays_in_what_is_kept_of_an_error(message: str) -> None:
    assert "Canary" not in str(classify_error(403, "PERMISSION_DENIED", [], message=message))
    assert "Canary" not in str(classify_failure(TransportFailure.CONNECT, message))


# --- failures of the transport


@pytest.mark.parametrize(
    ("failure", "state", "action", "billed"),
    [
        (TransportFailure.CONNECT, RequestState.RETRYABLE, Action.RETRY_LATER, False),
        (TransportFailure.NOT_JSON, RequestState.INVALID, Action.RETRY_SOON, None),
        (TransportFailure.TIMEOUT, RequestState.UNKNOWN, Action.ASK, None),
        (TransportFailure.DISCONNECTED, RequestState.UNKNOWN, Action.ASK, None),
    ],
)
def test_what_may_have_been_paid_is_never_sent_again_in_silence(
    failure: TransportFailure, state: RequestState, action: Action, billed: bool | None
) -> None:
    outcome = classify_failure(failure, "reason")
    assert (outcome.state, outcome.action, outcome.billed) == (state, action, billed)
    if state is RequestState.UNKNOWN:
        assert not may_be_sent(state, outcome.code, 0)
        assert {next_action(outcome, n) for n in (1, 5, 50)} == {Action.ASK}


@given(st.integers(1, 50), st.integers())
def test_waits_double_within_bounds(attempts: int, seed: int) -> None:
    outcome = classify_error(503, "UNAVAILABLE", [])
    wait = retry_delay_seconds(outcome, attempts, random.Random(seed))
    assert min(2 ** (attempts - 1), 120) / 2 <= wait <= min(2 ** (attempts - 1), 120)


def test_answered_and_blocked_requests_are_never_sent_again() -> None:
    for state in (RequestState.ANSWERED, RequestState.BLOCKED, RequestState.UNKNOWN, RequestState.SENDING):
        assert not may_be_sent(state, "", 1)
    assert may_be_sent(RequestState.INVALID, "answer.not_json", 2)
    assert not may_be_sent(RequestState.INVALID, "answer.not_json", 3)
    assert may_be_sent(RequestState.QUOTA_DAY, "quota.day", 500)
