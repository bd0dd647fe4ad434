"""Deciding which of 10,000 requests are left, against just reading their rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice

from dermagui.generation.landing import Unanswered
from dermagui.generation.plan import Plan, Planned, bank_of, plan_requests
from dermagui.generation.run import what_is_left
from dermagui.project import create_project
from dermagui.records import RequestState
from dermagui.storage.database import BATCH, Store
from dermagui.storage.moments import new_uid
from dermagui.storage.requests import Attempt, Settlement, begin_attempts, histories, settle_attempts
from tests.fakes.projects import add_images, add_run

from .measure import Ratio, cost, cpu_seconds, in_turn, temporary_folder

REQUESTS = 10_000
PLAN = Plan(provider="gemini", model="gemini-3.5-flash-lite", base_url="https://service.example", questions=2)
RESPONSE_CHARACTERS = 1_500

ENDED = (
    (90, (RequestState.ANSWERED,)),
    (2, (RequestState.BLOCKED,)),
    (3, (RequestState.RETRYABLE, RequestState.RETRYABLE)),
    (1, (RequestState.INVALID, RequestState.ANSWERED)),
    (1, (RequestState.TRUNCATED,)),
    (3, ()),
)
"""How many of a hundred requests have had attempts that ended so."""

LEFT_OF_HUNDRED = 3 + 1 + 3
"""Those that failed for the moment, that were cut short, and that were never sent."""


def measure() -> list[Ratio]:
    """One ratio; the seconds are those of all requests."""
    folder = temporary_folder() / "left"
    create_project(folder)
    with Store(folder) as store:
        add_images(store, REQUESTS // PLAN.questions)
        planned = list(plan_requests(store, PLAN, bank_of(PLAN)))
        assert len(planned) == REQUESTS, len(planned)
        _send_most(store, planned)
        assert len(decide(store, planned)) == REQUESTS * LEFT_OF_HUNDRED // 100
        seconds = in_turn(
            lambda: cpu_seconds(lambda: decide(store, planned)), lambda: cpu_seconds(lambda: read(store))
        )
    return [cost(f"what is left of {REQUESTS:,} requests / reading them", seconds, at_most=3)]


def decide(store: Store, planned: list[Planned]) -> list[Unanswered]:
    """Ours."""
    return list(what_is_left(PLAN, planned, histories(store)))


def read(store: Store) -> list[tuple[str, ...]]:
    """Theirs."""
    return store.conn.execute("SELECT fingerprint, state, code, settled FROM requests").fetchall()


def _send_most(store: Store, planned: list[Planned]) -> None:
    run_uid = add_run(store)
    attempts = iter([_attempt(run_uid, *sent) for sent in _sent(planned)])
    while batch := list(islice(attempts, BATCH)):
        begin_attempts(store, [attempt for attempt, _ in batch])
        settle_attempts(store, [settlement for _, settlement in batch])


def _sent(planned: list[Planned]) -> Iterator[tuple[Planned, int, RequestState]]:
    """Each attempt as request, number and end. The shares are spread evenly over the plan."""
    ends = [states for share, states in ENDED for _ in range(share)]
    for n, request in enumerate(planned):
        for number, state in enumerate(ends[n * 37 % 100], 1):
            yield request, number, state


def _attempt(run_uid: str, planned: Planned, number: int, state: RequestState) -> tuple[Attempt, Settlement]:
    attempt = Attempt(
        uid=new_uid(),
        run_uid=run_uid,
        fingerprint=planned.fingerprint,
        number=number,
        image_id=planned.image_id,
        question_key=planned.chosen.question.key,
        variation=planned.chosen.variation,
        model=PLAN.model,
        prompt=asdict(planned.prompt),
        pixels={"sha256": planned.sha256, "width": 1024, "height": 768},
        host="service.example",
        reserved_micro_usd=1_500,
    )
    return attempt, Settlement(attempt.uid, state, "", 1_000, 80_000, response="x" * RESPONSE_CHARACTERS)
