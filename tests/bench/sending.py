"""The generation job against a bare google-genai loop: the same requests to the same server.

Ours also plans, writes each attempt before it is sent and each answer before it is used, checks the answers
and turns them into pairs. The pictures are prepared already, as they are from the second question on; the
server is another process, whose time is nobody's here.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from dermagui.generation import run as generation
from dermagui.generation.gemini import _config, _contents
from dermagui.generation.plan import Plan, bank_of, plan_requests
from dermagui.generation.service import Call
from dermagui.jobs.report import Report
from dermagui.library import scan
from dermagui.library.pixels import prepare_pixels
from dermagui.project import create_project
from dermagui.storage.database import Store
from dermagui.storage.images import picture_of

from .measure import Ratio, cost, cpu_seconds, in_turn, temporary_folder
from .pictures import draw_photographs

PICTURES = 75
QUESTIONS = 4
REQUESTS = PICTURES * QUESTIONS
PLAN = Plan(provider="practice", model="practice", base_url="", questions=QUESTIONS, concurrency=16)
SIZE = (1024, 768)
NOISE = 2.2
"""Makes about 60 KB of a picture that is sent."""

ENOUGH_KB = range(50, 75)
KEY = "practice"


def measure() -> list[Ratio]:
    """One ratio; the seconds are those of one request."""
    folder = temporary_folder() / "sending"
    with rehearsal_server() as base_url:
        plan = replace(PLAN, base_url=base_url)
        project = prepared_project(folder, plan)
        calls = calls_of(project, plan)
        assert len(calls) == REQUESTS, len(calls)
        assert sum(len(call.pixels.encoded) for call in calls) // REQUESTS // 1000 in ENOUGH_KB
        copies = (folder / f"project-{n}" for n in itertools.count())
        seconds = in_turn(
            lambda: job_seconds(project, next(copies), plan) / REQUESTS,
            lambda: cpu_seconds(lambda: asyncio.run(send_all(calls, plan))) / REQUESTS,
        )
    return [cost("request of the generation job / of a bare loop", seconds, at_most=1.3)]


def job_seconds(project: Path, copy: Path, plan: Plan) -> float:
    """Ours: what the whole job costs in a fresh copy of the project."""
    shutil.copytree(project, copy)
    report = Report(copy)
    with Store(copy) as store:
        parameters = {"plan": plan.as_json()}
        spent = cpu_seconds(lambda: generation.run(store, parameters, report))
        made = store.value("SELECT count(*) FROM pairs")
    report.close()
    shutil.rmtree(copy)
    assert made == REQUESTS, made
    return spent


async def send_all(calls: list[Call], plan: Plan) -> None:
    """Theirs: a client, a semaphore, the same requests, and each answer read as JSON and dropped."""
    import httpx2
    from google import genai
    from google.genai import types

    limits = httpx2.Limits(max_connections=plan.concurrency, max_keepalive_connections=plan.concurrency)
    options = types.HttpOptions(
        base_url=plan.base_url,
        api_version=plan.api_version,
        timeout=plan.timeout_seconds * 1000,
        retry_options=types.HttpRetryOptions(attempts=1),
        async_client_args={"transport": httpx2.AsyncHTTPTransport(limits=limits)},
    )
    client = genai.Client(api_key=KEY, vertexai=False, http_options=options).aio
    free = asyncio.Semaphore(plan.concurrency)

    async def send(call: Call) -> dict[str, Any]:
        config = _config(call, plan.service_tier).model_copy(update={"should_return_http_response": False})
        async with free:
            response = await client.models.generate_content(
                model=call.model, contents=_contents(call), config=config
            )
        answer: dict[str, Any] = json.loads(response.text or "")
        return answer

    answers = await asyncio.gather(*map(send, calls))
    assert all(answer["answer"] for answer in answers)
    await client.aclose()


def prepared_project(folder: Path, plan: Plan) -> Path:
    """A project with pictures that may leave, all of them prepared for sending."""
    pictures = draw_photographs(folder / "pictures", PICTURES, SIZE, NOISE)[0].parent
    project = folder / "project"
    create_project(project)
    report = Report(folder)
    with Store(project) as store:
        scan.run(store, scan.parameters_for(pictures, licence="CC0-1.0", may_leave=True), report)
        for planned in plan_requests(store, plan, bank_of(plan)):
            picture = picture_of(store, planned.image_id)
            prepare_pixels(cache_of(project), planned.sha256, picture, plan.recipe, planned.redactions)
    report.close()
    return project


def calls_of(project: Path, plan: Plan) -> list[Call]:
    """What the job will send, for the bare loop."""
    with Store(project) as store:
        return [
            Call(
                model=plan.model,
                system=planned.prompt.system,
                user=planned.prompt.user,
                schema=planned.prompt.schema,
                pixels=pixels,
                max_output_tokens=planned.max_output_tokens,
            )
            for planned in plan_requests(store, plan, bank_of(plan))
            for pixels in [
                prepare_pixels(
                    cache_of(project),
                    planned.sha256,
                    picture_of(store, planned.image_id),
                    plan.recipe,
                    planned.redactions,
                )
            ]
        ]


def cache_of(project: Path) -> Path:
    """Where a project keeps prepared pictures."""
    return project / "cache" / "pixels"


@contextmanager
def rehearsal_server() -> Iterator[str]:
    """The address of a rehearsal server in a process of its own."""
    command = [sys.executable, "-m", "dermagui.demo.server", "--until-stdin-ends"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline())["base_url"]
        finally:
            server.stdin.close()
