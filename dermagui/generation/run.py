"""The generation job: from a plan to pairs. Running it again sends only what is left."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Any

from dermagui import network, paths, settings
from dermagui.errors import ServiceError, Stopped, UserError
from dermagui.generation.answers import KnownRuns, make_pairs
from dermagui.generation.cost import Budget, Estimate, estimate, load_prices, price_for
from dermagui.generation.gemini import Gemini, Service, sdk_version
from dermagui.generation.landing import Unanswered
from dermagui.generation.local import LocalModel, check_model, engine_version
from dermagui.generation.outcomes import may_be_sent
from dermagui.generation.plan import (
    Plan,
    Planned,
    bank_of,
    check_policy,
    plan_from_json,
    plan_requests,
    with_more_tokens,
)
from dermagui.generation.reserve import keep_reserve
from dermagui.generation.sending import Sending, text_bytes
from dermagui.generation.terms import Terms, load_terms
from dermagui.jobs.report import Report
from dermagui.jobs.work import Parameters, bury_dead
from dermagui.records import Bank, Changes, JobState, Price, RequestState
from dermagui.storage import banks, jobs, people, requests, runs
from dermagui.storage.database import Store
from dermagui.storage.requests import History

TERMS_NAME = "gemini"


def run(store: Store, parameters: Parameters, report: Report) -> Changes:
    """Sends what is left of the plan in ``parameters["plan"]`` and turns the answers into pairs.

    ``resend_unknown``, ``retry_refused``: a person said that unknown, that refused requests of this plan
    may be sent again. ``first``: send only so many, for previews. ``free_tier_yes``: a person said yes to a
    free key a second time.
    """
    plan = plan_from_json(parameters["plan"])
    check_policy(plan)
    free_tier_yes = bool(parameters.get("free_tier_yes"))
    key = check_may_send(store, plan, report.secret, free_tier_yes)
    bank = bank_of(plan)
    price = price_of(plan)
    if price.model != plan.model:
        report.warn("cost.price_assumed", model=plan.model, counted_as=price.model)
    store.keep_through_power_loss()
    figures: dict[str, object] = {"unknown_after_crash": requests.mark_unknown(store)}
    bank_id = banks.freeze_bank(store, bank)
    known = KnownRuns(store)
    make_pairs(store, report, known)  # answers that an ended process had saved and not yet used
    planned = list(plan_requests(store, plan, bank))
    left = list(
        what_is_left(
            plan,
            planned,
            requests.histories(store),
            resend_unknown=bool(parameters.get("resend_unknown")),
            retry_refused=bool(parameters.get("retry_refused")),
        )
    )
    if not left:
        return Changes(("pairs", "requests"), figures | {"sent": 0, "left": 0})
    keep_reserve(store.folder)
    run_uid = _add_run(store, plan, bank_id, price)
    figures["run"] = run_uid
    if plan.leaves:
        network.write_ledger(
            network.Purpose.GENERATE,
            network.host_of(plan.base_url),
            project=paths.display_path(store.folder),
            run=run_uid,
        )
    budget = Budget(plan.budget_micro_usd, runs.committed_micro_usd(store, plan.key))
    use_answers = partial(make_pairs, store, report, known)
    sending = Sending(store, plan, run_uid, price, budget, report, use_answers, free_tier_yes)
    first = left[: parameters.get("first")]
    try:
        asyncio.run(_send(sending, first, plan, key, report))
    except (Stopped, UserError) as end:
        if end.code == "key.is_free_tier":
            with suppress(UserError):  # whoever fixed the setting for this machine has to know better
                settings.set_value("gemini.key_tier", "free")
        if isinstance(end, Stopped):
            end.values["figures"] = figures | _figures(store, sending, planned)
        raise
    return Changes(("pairs", "requests"), figures | _figures(store, sending, planned))


async def _send(sending: Sending, left: Iterable[Unanswered], plan: Plan, key: str, report: Report) -> None:
    """The one place where it is chosen who answers."""
    if plan.local:
        async with LocalModel(plan, report.stop_asked) as model:
            await sending.work(left, model)
        return
    service = Service(
        key=key,
        base_url=plan.base_url,
        api_version=plan.api_version,
        timeout_seconds=plan.timeout_seconds,
        service_tier=plan.service_tier,
        connections=plan.concurrency,
    )
    async with Gemini(service) as gemini:
        await _check_model(gemini, plan, report)
        await sending.work(left, gemini)


async def _check_model(gemini: Gemini, plan: Plan, report: Report) -> None:
    """Tells where the service's own list lacks the model; the first answer then decides."""
    try:
        known = await gemini.list_models()
    except ServiceError as error:
        report.warn(error.code, **error.values)
        return
    if plan.model not in known:
        report.warn("model.not_listed", model=plan.model, known=known)


def _figures(store: Store, sending: Sending, planned: Iterable[Planned]) -> dict[str, object]:
    """What was sent, and what is left: what a further run would send, if nobody says anything special."""
    left = what_is_left(sending.plan, planned, requests.histories(store))
    return {
        "sent": sending.sent,
        "left": sum(request.planned.fingerprint not in sending.skipped for request in left),
        "counts": dict(sending.counts),
        "spent_micro_usd": sending.spent_micro_usd,
    }


def settle_ended(store: Store) -> None:
    """Where no process generates any more, what it left as ``sending`` becomes ``unknown``."""
    bury_dead(store)
    with store.writing():  # so that none begins between the look and the mark
        if not any(job["kind"] == "generate" for job in jobs.list_jobs(store, state=JobState.RUNNING)):
            requests.mark_unknown(store)


def what_is_left(
    plan: Plan,
    planned: Iterable[Planned],
    histories: Mapping[str, History],
    *,
    resend_unknown: bool = False,
    retry_refused: bool = False,
) -> Iterator[Unanswered]:
    """The requests of a plan that still have to be sent, given what has become of them so far.

    Unknown and refused ones are among them only where a person said so for this run.
    """
    for request in planned:
        history = histories.get(request.fingerprint)
        ended: dict[RequestState, int] = {}
        if history is not None and history.state is RequestState.TRUNCATED:
            request, ended = with_more_tokens(plan, request), {RequestState.TRUNCATED: 1}
            history = histories.get(request.fingerprint)
        if history is None:
            yield Unanswered(request, ended=Counter(ended))
        elif (resend_unknown and history.state is RequestState.UNKNOWN) or may_be_sent(
            history.state, history.code, history.in_state, retry_refused=retry_refused
        ):
            if history.state is RequestState.INVALID:
                ended[history.state] = history.in_state
            yield Unanswered(request, history.attempts, Counter(ended))


def check_may_send(store: Store, plan: Plan, key: str | None, free_tier_yes: bool) -> str:
    """The key, where everything that a person has to say before the first sending has been said.

    Raises ``UserError``: ``network.airplane``, ``terms.not_accepted``, ``key.is_free_tier``,
    ``practice.not_here``; ``Stopped`` ``job.waiting_for_key``. A rehearsal needs none of it, and therefore
    never leaves this computer; nor does a local model, of which ``check_model`` tells whether it can look.
    """
    if plan.local:
        check_model(plan)
        return ""
    if plan.simulated:
        if not network.is_loopback(network.host_of(plan.base_url)):
            raise UserError("practice.not_here", address=plan.base_url)
        return "practice"
    network.check_allowed(network.host_of(plan.base_url), {network.host_of(plan.base_url)})
    if people.acceptance(store, TERMS_NAME, terms().sha256) is None:
        raise UserError("terms.not_accepted")
    # The setting counts as well: it is "free" where the service itself has said so of this key.
    if "free" in (plan.key_tier, settings.text("gemini.key_tier")) and not free_tier_yes:
        raise UserError("key.is_free_tier")
    if not key:
        raise Stopped("job.waiting_for_key")
    return key


def terms() -> Terms:
    """The newest summary of the service's terms that ships with the program."""
    return load_terms(max((paths.resources() / "terms").glob(f"{TERMS_NAME}-*.json")))


def price_of(plan: Plan) -> Price:
    """The price that holds today, from the user's own table, else from the one that ships.

    A model that no table names is counted at the dearest price known, so that a budget still holds;
    ``price.model`` then names another model, and whoever shows the price says so.
    """
    if plan.local:
        return Price(plan.model, "", 0, 0, 0, "", None, "")
    own, shipped = paths.config_folder() / "prices.json", paths.resources() / "prices" / "gemini.json"
    # One after the other: a newer row that ships must not overrule what somebody really pays.
    tables = [load_prices([table]) for table in ([own] if own.is_file() else []) + [shipped]]
    today = datetime.now(UTC).date()
    for prices in tables:
        with suppress(UserError):
            return price_for(prices, plan.model, plan.service_tier, today)
    return max(chain(*tables), key=lambda price: (price.output, price.input))


def estimate_of(plan: Plan, left: list[Unanswered], price: Price) -> Estimate:
    """What sending all that is left may cost."""
    prompts = [request.planned.prompt for request in left]
    size_bytes = sum(text_bytes(prompt) for prompt in prompts)
    return estimate(len(left), size_bytes, len(left), plan.max_output_tokens, price)


def _add_run(store: Store, plan: Plan, bank_id: int, price: Price) -> str:
    accepted = people.acceptance(store, TERMS_NAME, terms().sha256) if plan.leaves else None
    snapshot: dict[str, Any] = plan.as_json() | {"key": plan.key}
    return runs.add_run(
        store,
        provider=plan.provider,
        model=plan.model,
        tier=plan.key_tier,
        bank_id=bank_id,
        plan=snapshot,
        price=asdict(price),
        terms_date=terms().terms_date if plan.leaves else "",
        acceptance_uid=accepted["uid"] if accepted else None,
        simulated=plan.simulated,
        sdk_version=engine_version() if plan.local else sdk_version(),
    )


def bank_and_left(
    store: Store, plan: Plan, *, resend_unknown: bool = False, retry_refused: bool = False
) -> tuple[Bank, list[Unanswered]]:
    """The bank of a plan and what a run with these flags would send: for estimates and previews."""
    bank = bank_of(plan)
    planned, histories = plan_requests(store, plan, bank), requests.histories(store)
    left = what_is_left(plan, planned, histories, resend_unknown=resend_unknown, retry_refused=retry_refused)
    return bank, list(left)
