"""``dermagui generate``: question-answer pairs about the images, within a budget, after a preview."""

from __future__ import annotations

import argparse
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dermagui.cli.console import (
    Arguments,
    Commands,
    ask,
    counts_line,
    json_argument,
    positive_number,
    print_json,
    project_argument,
    say,
    say_progress,
    usd,
)
from dermagui.errors import UserError
from dermagui.records import MetadataMode, PixelRecipe
from dermagui.texts import sentence

if TYPE_CHECKING:
    from dermagui.generation.cost import Estimate
    from dermagui.generation.plan import Plan
    from dermagui.generation.terms import Terms
    from dermagui.storage.database import Store

PREVIEWS = 5


def declare(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("generate", help="generate question-answer pairs about the images")
    project_argument(parser)
    parser.add_argument("--provider", choices=("gemini", "local", "practice"), required=True)
    parser.add_argument(
        "--model",
        metavar="M",
        help="id of the model (default: the setting gemini.model); "
        "with local the name of a bundle, or a GGUF file",
    )
    parser.add_argument("--mmproj", type=Path, metavar="FILE", help="the local model's projector")
    parser.add_argument("--base-url", metavar="URL", help="address of the service")
    parser.add_argument("--questions", type=positive_number, metavar="K", help="questions for each image")
    parser.add_argument(
        "--metadata",
        choices=[mode.value for mode in MetadataMode],
        help="what a question may do with the metadata",
    )
    parser.add_argument("--bank", metavar="NAME|FILE", help="question bank")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--source", metavar="NAME", help="only the images of this source")
    which.add_argument("--filter", metavar="NAME", help="only the images of this saved filter")
    parser.add_argument("--language", default="en", metavar="CODE", help="language of the answers")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="draws other questions")
    parser.add_argument(
        "--longest-side", type=positive_number, metavar="PIXELS", help="size of the pictures that are sent"
    )
    parser.add_argument("--concurrency", type=positive_number, metavar="N", help="requests in flight at most")
    parser.add_argument(
        "--budget", type=_dollars, metavar="USD", help="what this plan may cost in all its runs"
    )
    parser.add_argument(
        "--limit", type=positive_number, metavar="N", help="only the first N requests of the plan"
    )
    parser.add_argument(
        "--time-budget", type=_minutes, metavar="MINUTES", help="how long this run may take at most"
    )
    parser.add_argument("--tier", choices=("undeclared", "free", "paid"), help="what kind of key it is")
    parser.add_argument("--flex", action="store_true", help="half the price, slower (service tier flex)")
    parser.add_argument(
        "--preview", type=Path, metavar="DIR", help="write what would be sent, and send nothing"
    )
    parser.add_argument("--accept-terms", metavar="NAME", help="this person has read and accepts the terms")
    parser.add_argument(
        "--free-tier-yes", action="store_true", help="send images although people may read them"
    )
    parser.add_argument(
        "--resend-unknown", action="store_true", help="send again what may have been paid already"
    )
    parser.add_argument(
        "--retry-refused", action="store_true", help="send again what the service refused, unpaid"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before sending")
    parser.add_argument("--inline", action="store_true", help="work in this process, for debugging")
    json_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: Arguments) -> int:
    """Previews, or estimates, asks and runs the job."""
    from dermagui.generation.plan import check_policy
    from dermagui.generation.preview import write_previews
    from dermagui.generation.run import (
        bank_and_left,
        check_may_send,
        estimate_of,
        price_of,
        settle_ended,
    )
    from dermagui.project import Project

    plan = plan_from(arguments)
    check_policy(plan)
    key = _key(plan) if not arguments.preview else None
    with Project(arguments.project) as project:
        settle_ended(project.store)
        if arguments.accept_terms:
            _accept(project.store, arguments.accept_terms)
        _, left = bank_and_left(
            project.store,
            plan,
            resend_unknown=arguments.resend_unknown,
            retry_refused=arguments.retry_refused,
        )
        if arguments.preview:
            text = write_previews(project.store, plan, [one.planned for one in left], arguments.preview)
            print(text)
            return 0
        if plan.leaves:
            _show_terms(project.store)
        if not plan.simulated:
            check_may_send(project.store, plan, key, arguments.free_tier_yes)
        say(_what_will_happen(project.store, plan, len(left), estimate_of(plan, left, price_of(plan))))
    parameters: dict[str, Any] = {
        "plan": plan.as_json(),
        "resend_unknown": arguments.resend_unknown,
        "retry_refused": arguments.retry_refused,
        "free_tier_yes": arguments.free_tier_yes,
    }
    if not arguments.yes and plan.leaves and left:
        if not ask(f"Send {min(PREVIEWS, len(left))} of them now as a preview?"):
            raise UserError("generate.needs_yes")
        code, end = _run(arguments, parameters | {"first": PREVIEWS}, key)
        if not code and len(left) > PREVIEWS:
            if not ask("Send the rest?"):
                raise UserError("generate.needs_yes")
            code, end = _run(arguments, parameters, key)
    else:
        code, end = _run(arguments, parameters, key)
    if arguments.json:
        print_json(end["figures"] | {"state": end["state"]})
    return code


def plan_from(arguments: Arguments) -> Plan:
    """The plan that the command line and the settings describe."""
    from dermagui.generation.plan import plan_from_settings

    _refuse_without_meaning(arguments)
    if arguments.provider == "local":
        return _local_plan(arguments)
    plan = _with_said(plan_from_settings(arguments.provider), arguments)
    return replace(
        plan,
        model=arguments.model or plan.model,
        base_url=arguments.base_url or plan.base_url,
        service_tier="flex" if arguments.flex else plan.service_tier,
        key_tier=arguments.tier or plan.key_tier,
        recipe=PixelRecipe(longest_side=arguments.longest_side or plan.recipe.longest_side),
        concurrency=arguments.concurrency or plan.concurrency,
        budget_micro_usd=arguments.budget,
    )


def _with_said(plan: Plan, arguments: Arguments) -> Plan:
    """The plan with what the command line says of it, whoever answers."""
    return replace(
        plan,
        bank=arguments.bank or plan.bank,
        questions=arguments.questions or plan.questions,
        metadata=MetadataMode(arguments.metadata or plan.metadata),
        language=arguments.language,
        seed=arguments.seed,
        images=_which_images(arguments),
        limit=arguments.limit,
        time_budget_seconds=arguments.time_budget,
    )


def _which_images(arguments: Arguments) -> str:
    if arguments.source:
        return f"source:{arguments.source}"
    return f"filter:{arguments.filter}" if arguments.filter else ""


def _refuse_without_meaning(arguments: Arguments) -> None:
    """So that nobody takes an option for kept that would be passed over in silence."""
    remote = ("base_url", "budget", "tier", "flex", "accept_terms", "free_tier_yes", "resend_unknown")
    local = arguments.provider == "local"
    unfit = (*remote, "longest_side", "concurrency") if local else ("mmproj",)
    given = [f"--{name.replace('_', '-')}" for name in unfit if getattr(arguments, name)]
    if given:
        raise UserError("generate.option_not_here", options=given, provider=arguments.provider)


def _local_plan(arguments: Arguments) -> Plan:
    """A plan that a model on this computer answers: what only matters elsewhere is left empty."""
    from dermagui.generation.local import name_model
    from dermagui.generation.plan import plan_from_settings

    if not arguments.model:
        raise UserError("generate.no_model")
    say("Looking into the model's files.")
    name, version, files = name_model(arguments.model, arguments.mmproj)
    plan = _with_said(plan_from_settings("local"), arguments)
    return replace(plan, model=name, model_version=version, model_files=files)


def _key(plan: Plan) -> str | None:
    from dermagui.api_key import find_key
    from dermagui.logs import hide

    if not plan.leaves:
        return None
    key = find_key()
    if key is None:
        raise UserError("key.missing")
    hide(key.value)
    return key.value


def _accept(store: Store, name: str) -> None:
    from dermagui.generation.run import TERMS_NAME, terms
    from dermagui.storage import people

    found = terms()
    if people.acceptance(store, TERMS_NAME, found.sha256) is None:
        _say_terms(found)
        people.accept_terms(store, people.person(store, name), TERMS_NAME, found.terms_date, found.sha256)


def _show_terms(store: Store) -> None:
    from dermagui.generation.run import TERMS_NAME, terms
    from dermagui.storage import people

    found = terms()
    accepted = people.acceptance(store, TERMS_NAME, found.sha256)
    if accepted:
        say(f"Terms of {found.terms_date}, accepted by {accepted['name']} on {accepted['at'][:10]}.")
        return
    _say_terms(found)


def _say_terms(found: Terms) -> None:
    say(f"The terms of {found.service}, of {found.terms_date}, in our words ({found.link}):")
    for point in found.points:
        say(f"  - {point.text}")


def _what_will_happen(store: Store, plan: Plan, left: int, estimate: Estimate) -> str:
    """The one line of count, time, money and stop; and what may have been billed in vain."""
    from dermagui.generation.outlook import minutes_of, why_nothing
    from dermagui.generation.run import price_of
    from dermagui.storage import requests

    minutes = minutes_of(plan, left)
    stop = f", stops at {usd(plan.budget_micro_usd)}" if plan.budget_micro_usd is not None else ""
    money = f"about {usd(estimate.expected_micro_usd)} and at most {usd(estimate.high_micro_usd)}"
    rehearsed = " (rehearsed: nothing is sent and nothing is paid)" if plan.simulated else ""
    text = f"{left:,} requests to {plan.model}, about {minutes:,} min, {money}{stop}{rehearsed}."
    counted_as = price_of(plan).model
    if counted_as != plan.model:
        assumed = {"model": plan.model, "counted_as": counted_as}
        text += f"\n{sentence('cost.price_assumed', assumed)}"
    if plan.local:
        text = _what_will_happen_here(plan, left)
    if not left:
        why = why_nothing(store, plan)
        text = sentence(why.code, why.values)
    unknown, at_risk = requests.open_unknown(store)
    if unknown:
        text += (
            f"\n{unknown:,} requests may have been billed without an answer, at most {usd(at_risk)}. "
            "They are not sent again unless you say --resend-unknown."
        )
    return text


def _what_will_happen_here(plan: Plan, left: int) -> str:
    time = plan.time_budget_seconds
    stop = f", stops after {time / 60:,.4g} min" if time is not None else ""
    return (
        f"{left:,} requests to {plan.model} on this computer; nothing leaves it and nothing is paid"
        f"{stop}. How long it takes is told after the first answers."
    )


def _run(arguments: Arguments, parameters: dict[str, Any], key: str | None) -> tuple[int, dict[str, Any]]:
    from dermagui.cli.job import run_job

    shown = {"answers": 0}
    local = parameters["plan"]["provider"] == "local"
    spent = {"text": ""}

    def show_answer(event: dict[str, Any]) -> None:
        shown["answers"] += 1
        if shown["answers"] <= PREVIEWS:
            flags = "; ".join(f"{flag['kind']}: {flag['evidence']}" for flag in event["flags"])
            say(f"  Q: {event['question']}\n  A: {event['answer']}" + (f"\n  ! {flags}" if flags else ""))

    def show_progress(event: dict[str, Any]) -> None:
        say_progress(event["done"], event["total"], event["unit"], spent["text"])

    def keep_spent(event: dict[str, Any]) -> None:
        money = "" if local else f" · {usd(event['spent_micro_usd'])}"
        spent["text"] = money + _time_left(event["seconds_left"])

    handlers = {"answer": show_answer, "progress": show_progress, "heartbeat": keep_spent}
    code, end = run_job(
        arguments.project, "generate", parameters, secret=key, inline=arguments.inline, handlers=handlers
    )
    figures = end["figures"]
    if figures:
        unknown = figures.get("unknown_after_crash", 0)
        if unknown:
            say(f"{unknown:,} requests of an ended process may have been billed; see `dermagui status`.")
        sent, money = figures.get("sent", 0), usd(figures.get("spent_micro_usd", 0))
        did = f"Put {sent:,} requests to the model" if local else f"Sent {sent:,} requests for {money}"
        say(f"{did}: {counts_line(figures.get('counts', {}))}. Left: {figures.get('left', 0):,}.")
    return code, end


def _time_left(seconds: float | None) -> str:
    return "" if seconds is None else f" · about {max(1, round(seconds / 60)):,} min left"


def _minutes(text: str) -> float:
    """Minutes as seconds."""
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1.0
    if not 0 < minutes < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes above zero")
    return minutes * 60


def _dollars(text: str) -> int:
    """Dollars as whole micro-dollars."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a sum in dollars")
    return int(amount * 1_000_000)
