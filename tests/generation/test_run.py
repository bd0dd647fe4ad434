"""What a later run sends again, given how the earlier attempts ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dermagui import settings
from dermagui.errors import UserError
from dermagui.generation.outcomes import MAX_ATTEMPTS
from dermagui.generation.plan import Plan, Planned, fingerprint_of, with_more_tokens
from dermagui.generation.prompt import build_prompt
from dermagui.generation.run import TERMS_NAME, check_may_send, terms, what_is_left
from dermagui.records import ChosenQuestion, MetadataMode, PairKind, Question, RequestState
from dermagui.storage import people
from dermagui.storage.requests import History
from tests.fakes.projects import new_store

PLAN = Plan("gemini", "a-model", "https://example.org")


@pytest.fixture
def planned() -> Planned:
    """One request of the plan."""
    question = Question("overview", "observational_overview", PairKind.OPEN, 1, ("What is seen?",))
    chosen = ChosenQuestion(question, 0, "What is seen?")
    prompt = build_prompt(chosen, {}, MetadataMode.NONE)
    request = Planned(1, "ab" * 32, 0, (), chosen, prompt, {}, 100, "")
    return replace(request, fingerprint=fingerprint_of(PLAN, request))


def ended(state: RequestState, code: str = "", attempts: int = 1, in_state: int = 1) -> History:
    """How the attempts of a request ended."""
    return History(state, code, attempts, in_state)


@pytest.mark.parametrize(
    "history",
    [
        ended(RequestState.ANSWERED, "answer.ok"),
        ended(RequestState.BLOCKED, "answer.blocked"),
        ended(RequestState.UNKNOWN, "request.timeout"),
        ended(RequestState.SENDING),
        ended(RequestState.PERMANENT, "request.refused"),
        ended(RequestState.PERMANENT, "answer.not_finished"),
        ended(RequestState.INVALID, "answer.empty", attempts=3, in_state=3),
    ],
)
def test_what_may_have_been_paid_is_not_sent_again(planned: Planned, history: History) -> None:
    assert list(what_is_left(PLAN, [planned], {planned.fingerprint: history})) == []


@pytest.mark.parametrize(
    "history",
    [
        ended(RequestState.RETRYABLE, "service.overloaded", attempts=9, in_state=9),
        ended(RequestState.QUOTA_DAY, "quota.day"),
        ended(RequestState.PERMANENT, "key.invalid"),
        ended(RequestState.PERMANENT, "answer.no_json_body"),
    ],
)
def test_what_cost_nothing_or_was_allowed_is_sent_again(planned: Planned, history: History) -> None:
    (request,) = what_is_left(PLAN, [planned], {planned.fingerprint: history})
    assert (request.planned, request.attempts) == (planned, history.attempts)
    assert not request.ended, "a new run has all its tries"


@pytest.mark.parametrize(
    ("history", "flag"),
    [
        (ended(RequestState.UNKNOWN, "request.timeout"), "resend_unknown"),
        (ended(RequestState.PERMANENT, "request.refused"), "retry_refused"),
    ],
)
def test_a_yes_is_for_one_kind_and_one_run(planned: Planned, history: History, flag: str) -> None:
    histories = {planned.fingerprint: history}
    others = {"resend_unknown": True, "retry_refused": True} | {flag: False}
    assert len(list(what_is_left(PLAN, [planned], histories, **{flag: True}))) == 1
    assert list(what_is_left(PLAN, [planned], histories, **others)) == []


def test_a_rehearsal_stays_on_this_computer(tmp_path: Path) -> None:
    with new_store(tmp_path / "project") as store:
        with pytest.raises(UserError) as raised:
            check_may_send(store, replace(PLAN, provider="practice"), None, False)
        here = replace(PLAN, provider="practice", base_url="http://127.0.0.1:1")
        assert check_may_send(store, here, None, False)
    assert raised.value.code == "practice.not_here"


def test_what_the_service_said_of_a_key_outlasts_the_command_line(tmp_path: Path) -> None:
    settings.set_value("gemini.key_tier", "free")
    paid = replace(PLAN, key_tier="paid")
    with new_store(tmp_path / "project") as store:
        who = people.person(store, "Ada")
        people.accept_terms(store, who, TERMS_NAME, terms().terms_date, terms().sha256)
        with pytest.raises(UserError) as raised:
            check_may_send(store, paid, "key", False)
        assert check_may_send(store, paid, "key", True) == "key"
        settings.set_value("gemini.key_tier", "paid")
        assert check_may_send(store, paid, "key", False) == "key"
    assert raised.value.code == "key.is_free_tier"


def test_paid_tries_count_over_all_runs(planned: Planned) -> None:
    """Two bad answers and an interruption: the third try is the last, whatever else went wrong between."""
    history = ended(RequestState.INVALID, "answer.empty", attempts=5, in_state=2)
    (request,) = what_is_left(PLAN, [planned], {planned.fingerprint: history})
    assert request.ended[RequestState.INVALID] + 1 == MAX_ATTEMPTS[RequestState.INVALID]


def test_a_truncated_answer_gets_room_once(planned: Planned) -> None:
    """Also where the run ended between the two attempts."""
    larger = with_more_tokens(PLAN, planned)
    histories = {planned.fingerprint: ended(RequestState.TRUNCATED, "answer.truncated")}
    (request,) = what_is_left(PLAN, [planned], histories)
    assert request.planned == larger
    assert request.planned.max_output_tokens > planned.max_output_tokens
    assert request.ended[RequestState.TRUNCATED] + 1 == MAX_ATTEMPTS[RequestState.TRUNCATED]
    histories[larger.fingerprint] = ended(RequestState.TRUNCATED, "answer.truncated")
    assert list(what_is_left(PLAN, [planned], histories)) == []


def test_what_a_plan_is_known_by_does_not_change_with_the_program() -> None:
    """Else the budget of a plan would forget what its earlier runs have cost."""
    plan = Plan("gemini", "a-model", "https://example.org", questions=3)
    assert plan.key == "f5b1e1b81526a72330755448ef1be912b6717211bc6cd6e6d10ab25fa7e92e9b"


def test_a_local_model_is_known_by_its_files_whatever_they_are_called() -> None:
    first = Plan("local", "a", "", model_version="a@Q4_0;model=1", model_files={"model": "/here/a.gguf"})
    renamed = replace(
        first, model="b", model_version="b@Q4_0;model=1", model_files={"model": "/there/b.gguf"}
    )
    assert renamed.key == first.key != replace(first, model_version="a@Q4_0;model=2").key
