"""What a plan would do if it were started now: count, time, money, and what keeps it from being started."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from dermagui import network, settings
from dermagui.errors import DermaError, UserError
from dermagui.generation.plan import Plan, Planned, check_policy
from dermagui.generation.preview import PREVIEWS_AT_MOST
from dermagui.generation.run import TERMS_NAME, bank_and_left, estimate_of, price_of, settle_ended, terms
from dermagui.records import JobState, Picture
from dermagui.storage import images, jobs, people, requests
from dermagui.storage.database import Store

_SECONDS_PER_REQUEST = 5
"""A guess for the time before anything was measured: how long an answer takes."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What would be sent, what it may cost, and why it cannot be, at one moment; sums in micro-dollars."""

    left: int
    minutes: int
    expected_micro_usd: int
    high_micro_usd: int
    counted_as: str
    """The model whose price is taken: another one than that of the plan where its own is not known."""
    unknown: int
    at_risk_micro_usd: int
    obstacle: DermaError | None
    """What must be mended first: nothing left to ask, a job that runs, terms not accepted."""
    first: tuple[tuple[Planned, Picture], ...]
    """The first requests, for a preview."""


def look_ahead(
    store: Store, plan: Plan, *, resend_unknown: bool = False, free_tier_yes: bool = False
) -> Outlook:
    """Looks without sending or writing anything but that ended processes are buried.

    Raises what the bank, the price table or the settings raise, and ``settings.locked``.
    """
    if not store.read_only:
        settle_ended(store)
    check_policy(plan)
    _, left = bank_and_left(store, plan, resend_unknown=resend_unknown)
    price = price_of(plan)
    estimate = estimate_of(plan, left, price)
    unknown, at_risk = requests.open_unknown(store)
    return Outlook(
        left=len(left),
        minutes=minutes_of(plan, len(left)),
        expected_micro_usd=estimate.expected_micro_usd,
        high_micro_usd=estimate.high_micro_usd,
        counted_as=price.model,
        unknown=unknown,
        at_risk_micro_usd=at_risk,
        obstacle=_obstacle(store, plan, len(left), free_tier_yes),
        first=tuple(
            (one.planned, images.picture_of(store, one.planned.image_id)) for one in left[:PREVIEWS_AT_MOST]
        ),
    )


def minutes_of(plan: Plan, left: int) -> int:
    """About how long it takes."""
    return max(1, round(left * _SECONDS_PER_REQUEST / plan.concurrency / 60))


def why_nothing(store: Store, plan: Plan) -> UserError:
    """Why a plan has nothing to send: no images, none that may leave or is there, its limit, all is done."""
    count = images.count_images(store)
    if not count:
        return UserError("generate.no_images")
    if any(images.ready_images(store) if plan.local else images.sendable_images(store)):
        if plan.limit is not None and bank_and_left(store, replace(plan, limit=None))[1]:
            return UserError("generate.limit_reached", limit=plan.limit)
        return UserError("generate.all_done")
    return UserError("generate.none_here" if plan.local else "generate.none_may_leave", count=count)


def _obstacle(store: Store, plan: Plan, left: int, free_tier_yes: bool) -> DermaError | None:
    """The first thing that a person has to mend; the key is looked for when it is needed."""
    if store.read_only:
        return UserError("project.read_only", path=str(Path(store.folder)))
    if not left:
        return why_nothing(store, plan)
    if any(job["kind"] == "generate" for job in jobs.list_jobs(store, state=JobState.RUNNING)):
        return UserError("job.already_running", kind="generate")
    return _outside(store, plan, free_tier_yes) if plan.leaves else None


def _outside(store: Store, plan: Plan, free_tier_yes: bool) -> DermaError | None:
    try:
        host = network.host_of(plan.base_url)
        network.check_allowed(host, {host})
    except UserError as error:
        return error
    if people.acceptance(store, TERMS_NAME, terms().sha256) is None:
        return UserError("terms.not_accepted")
    if "free" in (plan.key_tier, settings.text("gemini.key_tier")) and not free_tier_yes:
        return UserError("key.is_free_tier")
    return None
