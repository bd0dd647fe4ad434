"""``dermagui status``: what a project holds, what was sent, what it cost, and its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dermagui.cli.console import (
    Arguments,
    Commands,
    counts_line,
    json_argument,
    print_json,
    project_argument,
    say,
    usd,
)
from dermagui.texts import sentence

if TYPE_CHECKING:
    from dermagui.storage.database import Store


def declare(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("status", help="tell what a project holds, what was sent and what it cost")
    project_argument(parser)
    json_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: Arguments) -> int:
    """Tells the status."""
    from dermagui.generation.run import settle_ended
    from dermagui.project import Project

    with Project(arguments.project) as project:
        if not project.store.read_only:
            settle_ended(project.store)
        found = status(project.store)
        found["held_by"] = project.held_by
        found["on_network"] = project.store.on_network
    if arguments.json:
        print_json(found)
        return 0
    money = {name: usd(round(found["money"][name] * 1_000_000)) for name in ("spent", "reserved", "at_risk")}
    say(f"Files: {counts_line(found['images'])}. Images: {found['distinct_images']:,}.")
    say(f"Pairs: {counts_line(found['pairs'])}. Flags: {counts_line(found['flags'])}.")
    say(f"Requests: {counts_line(found['requests'])}.")
    rehearsed = round(found["money"]["simulated"] * 1_000_000)
    of_it = f" ({usd(rehearsed)} of it rehearsed, never paid)" if rehearsed else ""
    say(f"Money: spent {money['spent']}{of_it}, reserved {money['reserved']}, at risk {money['at_risk']}.")
    for job in found["jobs"][:5]:
        say(f"Job: {job['kind']} {job['state']}, started {job['started_at']}.")
    if found["on_network"]:
        say(sentence("project.on_network", {}))
    if found["held_by"]:
        say(f"Read-only: {found['held_by'].get('computer')} has this project open.")
    return 0


def status(store: Store) -> dict[str, Any]:
    """Everything that ``--json`` prints. Money is in dollars."""
    from dermagui.jobs.work import is_alive
    from dermagui.records import JobState
    from dermagui.storage import images, jobs, pairs, requests

    states = requests.count_requests(store)
    money: dict[str, Any] = {name: sum_ / 1_000_000 for name, sum_ in requests.money_micro_usd(store).items()}
    listed = jobs.list_jobs(store)
    for job in listed:
        if job["state"] == JobState.RUNNING and not is_alive(job["pid"], job["process_started"]):
            job["state"] = JobState.DIED
    return {
        "images": images.count_files(store),
        "distinct_images": images.count_images(store),
        "pairs": pairs.count_pairs(store),
        "flags": pairs.count_flags(store),
        "requests": states,
        "attempts": sum(states.values()),
        "money": money | {"currency": "USD"},
        "jobs": listed,
    }
