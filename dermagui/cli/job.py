"""The one table from kinds of jobs to their functions; starting, following and doing jobs."""

from __future__ import annotations

import importlib
import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dermagui.cli.console import Arguments, Commands, say, say_progress
from dermagui.errors import Stopped
from dermagui.texts import sentence

if TYPE_CHECKING:
    from dermagui.jobs.work import Parameters, Run

FUNCTIONS = {
    "add": "dermagui.library.scan",
    "generate": "dermagui.generation.run",
    "practice": "dermagui.demo.practice",
    "export": "dermagui.datasets.export",
    "classify": "dermagui.chat.classify",
    "download": "dermagui.chat.download",
    "base_download": "dermagui.training.base_download",
    "train": "dermagui.training.launch",
    "bundle": "dermagui.training.home",
    "train_check": "dermagui.training.data_check",
    "train_env": "dermagui.training.install_job",
    "train_import": "dermagui.training.import_job",
}
"""Kind → the module whose ``run`` does it."""

_EXIT_CODES = {"done": 0, "failed": 3, "stopped": 4, "waiting": 4, "died": 4}

Handlers = Mapping[str, Callable[[dict[str, Any]], None]]


def declare(commands: Commands) -> None:
    """The hidden command that a child process is started with."""
    parser = commands.add_parser("job")
    parser.add_argument("project", type=Path)
    parser.add_argument("id")
    parser.set_defaults(run=_do)


def function_of(kind: str, parameters: Parameters) -> Run:
    """The function that does a job. A rehearsal is a generation that brings its own server."""
    if kind == "generate" and parameters["plan"]["provider"] == "practice":
        kind = "practice"
    return cast("Run", importlib.import_module(FUNCTIONS[kind]).run)


def _do(arguments: Arguments) -> int:
    from dermagui.jobs.work import do_job, job_folder, take_over
    from dermagui.logs import hide
    from dermagui.project import Project

    secret = sys.stdin.readline().strip() or None
    if secret:
        hide(secret)
    description = json.loads(
        (job_folder(arguments.project, arguments.id) / "job.json").read_text(encoding="utf-8")
    )
    kind, parameters = description["kind"], description["parameters"]
    with Project(arguments.project) as project:
        take_over(project.store, arguments.id)
        do_job(project.store, arguments.id, kind, parameters, function_of(kind, parameters), secret)
    return 0


def run_job(
    project: Path,
    kind: str,
    parameters: Parameters,
    *,
    secret: str | None = None,
    inline: bool = False,
    handlers: Handlers | None = None,
) -> tuple[int, dict[str, Any]]:
    """Does a job in a process of its own, tells its story, and returns the exit code and its end.

    The end holds ``state``, ``figures`` and ``error``. An interrupt from the keyboard asks the job to
    stop; a second one does not wait for it.
    """
    from dermagui.jobs.launch import start_child
    from dermagui.jobs.report import STOP_NAME, follow
    from dermagui.jobs.work import claim, do_job, job_folder
    from dermagui.project import Project

    with Project(project) as opened:
        job_id = claim(opened.store, kind, parameters)
        if inline:
            do_job(opened.store, job_id, kind, parameters, function_of(kind, parameters), secret)
    folder = job_folder(project.resolve(), job_id)
    child = None if inline else start_child(project.resolve(), job_id, secret)
    end: dict[str, Any] = {}
    try:
        with _asking_to_stop(folder / STOP_NAME):
            for event in follow(folder, lambda: child is not None and child.poll() is None):
                _show(event, handlers or {})
                end = event if event["event"] == "end" else end
            if child is not None:
                child.wait()
    except KeyboardInterrupt:
        raise Stopped("job.stopping") from None
    return _ended(end, folder)


@contextmanager
def _asking_to_stop(stop: Path) -> Iterator[None]:
    """The first interrupt from the keyboard asks the job to stop, the second ends the waiting for it."""

    def ask(*_: object) -> None:
        if stop.exists():
            raise KeyboardInterrupt
        say("Stopping after what is in flight. Press Ctrl+C again not to wait for it.")
        stop.touch()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _ended(end: dict[str, Any], folder: Path) -> tuple[int, dict[str, Any]]:
    if not end:
        error = {"code": "job.died", "values": {}}
        end = {"state": "died", "figures": {}, "error": error}
    if end["error"]:
        say(f"dermagui: {sentence(end['error']['code'], end['error']['values'])}")
    if end["state"] in ("crashed", "died"):
        say(f"What the process printed: {folder / 'output.log'}")
    return _EXIT_CODES.get(end["state"], 1), end


def _show(event: dict[str, Any], handlers: Handlers) -> None:
    name = event["event"]
    if name in handlers:
        handlers[name](event)
    elif name == "progress":
        say_progress(event["done"], event["total"], event["unit"])
    elif name == "warning":
        say(f"  {sentence(event['code'], event['values'])}")
