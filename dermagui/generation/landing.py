"""What has come back: what became of each attempt, and how that is saved before anything is made of it."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from dermagui.errors import DataError, DermaError
from dermagui.generation.cost import cost_micro_usd
from dermagui.generation.local import classify_local
from dermagui.generation.outcomes import (
    Outcome,
    TransportFailure,
    classify_answer,
    classify_error,
    classify_failure,
)
from dermagui.generation.plan import Planned
from dermagui.generation.reserve import release_reserve
from dermagui.generation.service import Reply
from dermagui.records import Price, RequestState
from dermagui.storage import requests
from dermagui.storage.database import Store
from dermagui.storage.requests import Settlement

_SAVE_AGAIN_SECONDS = 1.0
_SAVE_FOR_SECONDS = 600.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Unanswered:
    """A request on its way: how often it was tried, and how those tries ended."""

    planned: Planned
    attempts: int = 0
    ended: Counter[RequestState] = field(default_factory=Counter)


@dataclass(slots=True)
class Flight:
    """An attempt that was sent and has not come back."""

    request: Unanswered
    uid: str
    reserved_micro_usd: int


@dataclass(slots=True)
class Landed:
    """An attempt that came back, and what is to be written of it."""

    flight: Flight
    outcome: Outcome
    settlement: Settlement


class Landing:
    """Outcomes on their way to the disk, which may be full or busy for a while."""

    def __init__(self, store: Store, price: Price, end: Callable[[DermaError], None]) -> None:
        """``end`` is told why nothing more may be sent."""
        self._store, self._price, self._end = store, price, end
        self._unsaved: list[Landed] = []
        self._save_at = 0.0
        self._save_until = math.inf

    def add(self, flight: Flight, task: asyncio.Task[Reply], model: str) -> None:
        """Takes what came back of an attempt at a model."""
        outcome = self._outcome(flight, task, model)
        self._unsaved.append(Landed(flight, outcome, self._settlement(flight, task, outcome)))

    def save(self) -> list[Landed]:
        """Writes all that has come as one group; returns it where that was possible now, else nothing."""
        if not self._unsaved or time.monotonic() < self._save_at or not self._save():
            return []
        landed, self._unsaved = self._unsaved, []
        return landed

    def _save(self) -> bool:
        """Whether all that is not saved now is; else nothing more is sent, and it is tried again."""
        try:
            requests.settle_attempts(self._store, [one.settlement for one in self._unsaved])
        except DermaError as error:
            self._end(error)
            # The disk is full and these answers are paid: give back the room that was kept for this.
            if error.code == "project.full_disk" and release_reserve(self._store.folder):
                return self._save()
            self._save_at = time.monotonic() + _SAVE_AGAIN_SECONDS
            # What is damaged does not mend itself.
            patience = 0.0 if isinstance(error, DataError) else _SAVE_FOR_SECONDS
            self._save_until = min(self._save_until, time.monotonic() + patience)
            return False
        self._save_at, self._save_until = 0.0, math.inf
        return True

    def save_singly(self) -> None:
        """So that one outcome which cannot be written takes no other with it."""
        landed, self._unsaved = self._unsaved, []
        for one in landed:
            try:
                requests.settle_attempts(self._store, [one.settlement])
            except DermaError:
                self._unsaved.append(one)
            except Exception:
                _log.exception("an outcome could not be written")

    def may_still_save(self) -> bool:
        """Whether something is not saved yet that may still be."""
        return bool(self._unsaved) and time.monotonic() < self._save_until

    def _outcome(self, flight: Flight, task: asyncio.Task[Reply], model: str) -> Outcome:
        try:
            reply = task.result()
        except DermaError as error:  # the door said no: nothing was sent
            self._end(error)
            return replace(classify_failure(TransportFailure.CONNECT), code=error.code)
        if reply.failure:
            return classify_local(reply.failure)
        if reply.transport:
            return classify_failure(TransportFailure(reply.transport), reply.message)
        if reply.http_status != 200:
            return classify_error(reply.http_status, reply.status, list(reply.details), message=reply.message)
        try:
            payload = json.loads(reply.body)
        except (ValueError, RecursionError) as error:
            return classify_failure(TransportFailure.NOT_JSON, str(error))
        return classify_answer(payload, flight.request.planned.prompt.shape, model)

    def _settlement(self, flight: Flight, task: asyncio.Task[Reply], outcome: Outcome) -> Settlement:
        reply = Reply() if task.exception() else task.result()
        kept = reply.body or json.dumps(outcome.values, ensure_ascii=False, default=str)
        return Settlement(
            uid=flight.uid,
            state=outcome.state,
            code=outcome.code,
            cost_micro_usd=0 if outcome.billed is False else cost_micro_usd(outcome.usage, self._price),
            sent_bytes=reply.sent_bytes,
            usage=outcome.usage,
            model_version=outcome.model_version,
            response_id=outcome.response_id,
            response=kept,
        )
