"""Sends what is left of a plan: writes each attempt before it is sent, and its outcome before it is used.

One coroutine owns the database and all decisions; requests in flight only wait for the network, and
pictures are prepared ahead in worker processes.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import logging
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import asdict

from dermagui.errors import DataError, DermaError, Stopped, UserError
from dermagui.generation.cost import Budget, reserve_micro_usd
from dermagui.generation.landing import Flight, Landed, Landing, Unanswered
from dermagui.generation.local import recipe_of
from dermagui.generation.outcomes import (
    MAX_ATTEMPTS,
    REFUSED_CODES,
    Action,
    Outcome,
    next_action,
    retry_delay_seconds,
)
from dermagui.generation.pace import Pace
from dermagui.generation.plan import Plan, Planned, with_more_tokens
from dermagui.generation.preparing import Preparing
from dermagui.generation.prompt import Prompt
from dermagui.generation.service import Answering, Call, Reply
from dermagui.jobs.report import Report
from dermagui.library.pixels import prepared_pixels
from dermagui.records import PixelRecipe, Pixels, Price, Progress, RequestState
from dermagui.storage import images, requests
from dermagui.storage.database import Store
from dermagui.storage.moments import new_uid
from dermagui.storage.requests import Attempt

_HEARTBEAT_SECONDS = 2.0
_LOOK_SECONDS = 0.1
_REFUSED_FOR_NOW = frozenset({RequestState.RETRYABLE, RequestState.QUOTA_MINUTE})
_REFUSALS_THAT_END = 5
"""So many refusals before the first answer mean that something is wrong with all requests."""

_log = logging.getLogger(__name__)


class Sending:
    """One run's traffic. ``work`` sends what it is given; what is public tells what became of it."""

    def __init__(
        self,
        store: Store,
        plan: Plan,
        run_uid: str,
        price: Price,
        budget: Budget,
        report: Report,
        use_answers: Callable[[list[str]], object],
        free_tier_yes: bool = False,
    ) -> None:
        """``use_answers`` is called with the uids of answered requests once they are on the disk.

        ``free_tier_yes``: a person knows that the key may be a free one.
        """
        self.plan = plan
        self._may_be_free = free_tier_yes or plan.key_tier == "free" or plan.simulated
        self._store, self._plan, self._run_uid, self._price = store, plan, run_uid, price
        self._budget, self._report, self._use_answers = budget, report, use_answers
        self.counts: Counter[str] = Counter()
        self.sent = 0
        """Attempts that reached somebody."""
        self.skipped: set[str] = set()
        """Fingerprints of what could not be sent, because of its picture."""
        self.spent_micro_usd = 0
        self._cache = store.folder / "cache" / "pixels"
        self._pace = Pace(plan.concurrency)
        self._chance = random.Random()
        self._left: deque[Unanswered] = deque()
        self._total = 0
        self._recipes: dict[int, PixelRecipe] = {}
        self._preparing = Preparing()
        self._ready: deque[tuple[Unanswered, Pixels]] = deque()
        self._delayed: list[tuple[float, int, Unanswered]] = []
        self._order = itertools.count()
        self._flights: dict[asyncio.Task[Reply], Flight] = {}
        self._landing = Landing(store, price, self._end)
        self._refusals = 0
        self._was_served = False
        self._ending: DermaError | None = None
        self._unsent: DermaError | None = None
        self._refused_connections = 0
        self._began = 0.0
        self._next_heartbeat = 0.0
        self._other_models: set[str] = set()

    async def work(self, left: Iterable[Unanswered], service: Answering) -> None:
        """Sends everything, or as much as stop, budget, quota and service allow.

        Raises ``Stopped`` (``job.stopped``, ``budget.reached``, ``quota.day`` with ``not_before``, or why
        some requests could not be sent) or ``UserError`` for what a person must mend, always after all in
        flight has come back and is saved; what the database does not take is tried again for ten minutes.
        """
        self._left.extend(left)
        self._total = len(self._left)
        with self._preparing:
            try:
                while self._has_work():
                    self._prepare_ahead()
                    self._start(service)
                    await self._wait()
                    self._settle()
                    self._tell()
            finally:
                await self._land()
        if end := self._ending or self._unsent:
            raise end

    def _has_work(self) -> bool:
        if self._report.stop_asked():
            self._end(Stopped("job.stopped"))
        self._look_at_the_time()
        if self._flights or self._landing.may_still_save():
            return True
        return self._ending is None and bool(self._waiting())

    def _look_at_the_time(self) -> None:
        """One request at least is made, however short the time: a run that is run again comes to its end."""
        most = self._plan.time_budget_seconds
        if most is not None and self._began and time.monotonic() - self._began >= most and self._waiting():
            self._end(Stopped("budget.time_reached", minutes=float(f"{most / 60:.3g}")))

    def _end(self, reason: DermaError) -> None:
        """Nothing more is started; the first reason counts."""
        self._ending = self._ending or reason

    def _prepare_ahead(self) -> None:
        while self._delayed and self._delayed[0][0] <= time.monotonic():
            self._left.appendleft(heapq.heappop(self._delayed)[2])
        room = 2 * self._plan.concurrency - len(self._preparing) - len(self._ready)
        while self._left and room > 0 and self._ending is None and self._preparing.may_begin:
            request, room = self._left.popleft(), room - 1
            planned = request.planned
            try:
                picture = images.picture_of(self._store, planned.image_id)
                recipe = recipe_of(self._plan, picture)
            except (UserError, DataError) as error:
                self._skip(request, error)
                continue
            self._recipes[planned.image_id] = recipe
            if kept := self._kept_pixels(planned, recipe):
                self._ready.append((request, kept))
                continue
            work = (self._cache, planned.sha256, picture, recipe, planned.redactions)
            self._preparing.begin(request, work)

    def _kept_pixels(self, planned: Planned, recipe: PixelRecipe) -> Pixels | None:
        """What was prepared before; questions about one picture mostly follow each other."""
        if self._ready and self._ready[-1][0].planned.image_id == planned.image_id:
            return self._ready[-1][1]
        return prepared_pixels(self._cache, planned.sha256, planned.frame, recipe, planned.redactions)

    def _skip(self, request: Unanswered, error: DermaError) -> None:
        self.counts["skipped"] += 1
        self.skipped.add(request.planned.fingerprint)
        self._report.warn(error.code, **{**error.values, "image": request.planned.image_id})

    def _start(self, service: Answering) -> None:
        """Writes the next attempts as one group, then sends them."""
        batch: list[tuple[Unanswered, Pixels, Attempt]] = []
        room = self._pace.allowed - len(self._flights)
        while self._ready and len(batch) < room and self._ending is None:
            request, pixels = self._ready[0]
            if service.host and not images.may_leave(self._store, request.planned.image_id):
                self._ready.popleft()
                self._skip(request, UserError("image.may_not_leave"))
                continue
            attempt = self._attempt(request, pixels, service.host)
            if not self._budget.has_room(attempt.reserved_micro_usd):
                if not self._flights and not batch:
                    self._end(Stopped("budget.reached", budget_micro_usd=self._budget.limit))
                break  # what is in flight may cost less than what is reserved for it
            self._budget.reserved += attempt.reserved_micro_usd
            self._ready.popleft()
            batch.append((request, pixels, attempt))
        if not batch:
            return
        try:
            requests.begin_attempts(self._store, [attempt for _, _, attempt in batch])
        except DermaError as error:  # the disk is full: what is not written is not sent
            self._budget.reserved -= sum(attempt.reserved_micro_usd for _, _, attempt in batch)
            self._end(error)
            return
        for request, pixels, attempt in batch:
            task = asyncio.create_task(service.generate(self._call(request, pixels)))
            self._flights[task] = Flight(request, attempt.uid, attempt.reserved_micro_usd)
        self._began = self._began or time.monotonic()

    def _attempt(self, request: Unanswered, pixels: Pixels, host: str) -> Attempt:
        planned, prompt = request.planned, request.planned.prompt
        return Attempt(
            uid=new_uid(),
            run_uid=self._run_uid,
            fingerprint=planned.fingerprint,
            number=request.attempts + 1,
            image_id=planned.image_id,
            question_key=planned.chosen.question.key,
            variation=planned.chosen.variation,
            model=self._plan.model,
            prompt={name: getattr(prompt, name) for name in Prompt.__dataclass_fields__}
            | {"max_output_tokens": planned.max_output_tokens},
            pixels={
                "sha256": pixels.sha256,
                "width": pixels.width,
                "height": pixels.height,
                "size_bytes": len(pixels.encoded),
                "recipe": self._recipes[planned.image_id].key,
                "redactions": [asdict(region) for region in planned.redactions],
            },
            host=host,
            reserved_micro_usd=reserve_micro_usd(
                text_bytes(prompt), 1, planned.max_output_tokens, self._price
            ),
        )

    def _call(self, request: Unanswered, pixels: Pixels) -> Call:
        planned = request.planned
        return Call(
            model=self._plan.model,
            system=planned.prompt.system,
            user=planned.prompt.user,
            schema=planned.prompt.schema,
            pixels=pixels,
            max_output_tokens=planned.max_output_tokens,
            seed=int(planned.fingerprint[:7], 16) + request.attempts,
        )

    async def _wait(self) -> None:
        waiting: set[asyncio.Future[Pixels] | asyncio.Task[Reply]] = {
            *self._flights,
            *self._preparing.futures,
        }
        pauses = [_LOOK_SECONDS]
        if self._delayed:
            pauses.append(max(0.0, self._delayed[0][0] - time.monotonic()))
        if waiting:
            await asyncio.wait(waiting, timeout=min(pauses), return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(min(pauses))
        for request, made in self._preparing.take_finished():
            if isinstance(made, DataError):
                self._skip(request, made)
            else:
                self._ready.append((request, made))

    async def _land(self) -> None:
        """Whatever went wrong here: what is in flight is paid, so it comes back and is saved."""
        while self._flights or self._landing.may_still_save():
            try:
                await self._wait()
                self._settle()
            except Exception:  # a bug of ours, which is told when all have landed
                _log.exception("an outcome could not be settled")
                self._landing.save_singly()

    def _settle(self) -> None:
        """Writes all outcomes that have come as one group, and only then acts on them."""
        for task in [task for task in self._flights if task.done()]:
            self._landing.add(self._flights.pop(task), task, self._plan.model)
        self._use(self._landing.save())

    def _use(self, landed: Iterable[Landed]) -> None:
        answered = []
        for one in landed:
            flight, outcome, settlement = one.flight, one.outcome, one.settlement
            self._budget.reserved -= flight.reserved_micro_usd
            unknown = outcome.state is RequestState.UNKNOWN
            self._budget.committed += flight.reserved_micro_usd if unknown else settlement.cost_micro_usd
            self.spent_micro_usd += settlement.cost_micro_usd
            self.counts[outcome.state] += 1
            self.sent += outcome.reached
            if outcome.state is RequestState.ANSWERED:
                answered.append(flight.uid)
            self._act(flight.request, outcome)
        if answered:
            try:
                self._use_answers(answered)
            except DermaError as error:  # the answers are saved, and the next run uses them
                self._end(error)

    def _act(self, request: Unanswered, outcome: Outcome) -> None:
        request.attempts += 1
        if outcome.code == "network.no_connection":
            self._wait_for_connection(request, outcome)
            return
        self._refused_connections = 0
        request.ended[outcome.state] += 1
        self._look_for_wrong_setting(outcome)
        action = next_action(outcome, request.ended[outcome.state])
        if outcome.flags and outcome.model_version not in self._other_models:
            self._other_models.add(outcome.model_version)
            self._report.warn("model.differs", asked=self._plan.model, answered=outcome.model_version)
        if outcome.values.get("free_tier") and not self._may_be_free:
            self._end(UserError("key.is_free_tier"))
        if action is Action.USE:
            self._pace.succeeded()
        elif action is Action.RETRY_LARGER:
            self._left.appendleft(
                Unanswered(with_more_tokens(self._plan, request.planned), ended=request.ended)
            )
        elif action in {Action.RETRY_SOON, Action.RETRY_LATER}:
            self._retry(request, outcome)
        elif action is Action.GIVE_UP and outcome.state in _REFUSED_FOR_NOW:
            self._unsent = Stopped(outcome.code, **outcome.values)
        elif action is Action.PARK_RUN:
            self._end(Stopped(outcome.code, not_before=outcome.not_before))
        elif action is Action.STOP_RUN:
            self._end(UserError(outcome.code, model=self._plan.model, **outcome.values))

    def _look_for_wrong_setting(self, outcome: Outcome) -> None:
        """Where all that has come is refused, the rest would be too: a person has to mend something."""
        self._was_served |= bool(outcome.billed)
        self._refusals += outcome.code in REFUSED_CODES
        if self._refusals >= _REFUSALS_THAT_END and not self._was_served:
            self._end(UserError(outcome.code, **outcome.values))

    def _retry(self, request: Unanswered, outcome: Outcome) -> None:
        delay = retry_delay_seconds(outcome, request.ended[outcome.state], self._chance)
        if outcome.state is RequestState.QUOTA_MINUTE:
            self._pace.refused(delay)
        self._put_back(request, delay)

    def _wait_for_connection(self, request: Unanswered, outcome: Outcome) -> None:
        """Where there is no connection there is none for any request: all wait, and then the run ends."""
        if not self._pace.pause_seconds:  # the refusals of one and the same burst count once
            self._refused_connections += 1
            self._pace.pause(retry_delay_seconds(outcome, self._refused_connections, self._chance))
        if self._refused_connections >= MAX_ATTEMPTS[outcome.state]:
            self._end(Stopped(outcome.code))
        self._put_back(request, self._pace.pause_seconds)

    def _put_back(self, request: Unanswered, delay_seconds: float) -> None:
        heapq.heappush(self._delayed, (time.monotonic() + delay_seconds, next(self._order), request))

    def _waiting(self) -> int:
        """How many requests are not on their way."""
        return len(self._left) + len(self._preparing) + len(self._ready) + len(self._delayed)

    def _seconds_left(self, done: int) -> float | None:
        """How long the rest takes if it goes on like this; None before anything is done."""
        if not self._began or not done:
            return None
        return round((time.monotonic() - self._began) / done * (self._total - done), 1)

    def _tell(self) -> None:
        done = self._total - self._waiting() - len(self._flights)
        self._report.progress(Progress(done, self._total, "requests"))
        if time.monotonic() >= self._next_heartbeat:
            self._next_heartbeat = time.monotonic() + _HEARTBEAT_SECONDS
            self._report.tell(
                "heartbeat",
                counts=dict(self.counts),
                in_flight=len(self._flights),
                spent_micro_usd=self.spent_micro_usd,
                seconds_left=self._seconds_left(done),
                pause_seconds=round(self._pace.pause_seconds, 1),
            )


def text_bytes(prompt: Prompt) -> int:
    """The size of all text that a request sends: what its price is reserved by, whatever the script."""
    texts = (prompt.system, prompt.user, json.dumps(prompt.schema))
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
