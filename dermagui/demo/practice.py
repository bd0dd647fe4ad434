"""The ``practice`` provider: the generation job against a rehearsal server of its own, on this computer."""

from __future__ import annotations

from dermagui.demo.server import RehearsalServer
from dermagui.generation import run as generation
from dermagui.jobs.report import Report
from dermagui.jobs.work import Parameters
from dermagui.records import Changes
from dermagui.storage.database import Store


def run(store: Store, parameters: Parameters, report: Report) -> Changes:
    """Generates like ``generation.run.run``; where the plan names no address, the server lives as long."""
    plan = parameters["plan"]
    if plan["base_url"]:
        return generation.run(store, parameters, report)
    with RehearsalServer() as server:
        return generation.run(store, {**parameters, "plan": {**plan, "base_url": server.base_url}}, report)
