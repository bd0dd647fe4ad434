"""How a training goes: read from its folder, whoever started it and whether or not anybody looked on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from dermagui.jobs.report import STOP_NAME, read_events
from dermagui.jobs.work import is_alive


class RunState(StrEnum):
    """What can be said of a training. ``DIED``: its process is gone and never said that it ended."""

    PREPARED = "prepared"
    RUNNING = "running"
    STOPPING = "stopping"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"
    OUT_OF_MEMORY = "out_of_memory"
    DIED = "died"


@dataclass(slots=True)
class RunView:
    """A training as its events tell it; of a step that was done twice, the later one holds."""

    state: RunState = RunState.PREPARED
    backend: str = ""
    reason: str = ""
    """Why this backend."""
    versions: dict[str, str] = field(default_factory=dict)
    device: str = ""
    trainable: int = 0
    parameters: int = 0
    total: int = 0
    """Steps that there will be."""
    steps: dict[int, dict[str, Any]] = field(default_factory=dict)
    """By number: loss, learning_rate, grad_norm, tokens_per_second, images_per_second, memory_bytes, at."""
    evals: dict[int, float] = field(default_factory=dict)
    probes: dict[int, list[str]] = field(default_factory=dict)
    """By step, 0 being the base: the answers to the probes in order."""
    saved: int = 0
    """The newest checkpoint."""
    memory_faults: list[dict[str, Any]] = field(default_factory=list)
    failure: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    last_at: float = 0.0
    """Seconds since 1970 of the last event, heartbeats included."""

    @property
    def step(self) -> int:
        """The last step that was done."""
        return max(self.steps, default=0)

    @property
    def seconds_left(self) -> float | None:
        """What is left at the pace of the last steps; None before there is a pace."""
        last = sorted(self.steps)[-20:]
        if len(last) < 2 or self.state is not RunState.RUNNING:
            return None
        seconds = self.steps[last[-1]]["at"] - self.steps[last[0]]["at"]
        return float(seconds / (len(last) - 1) * (self.total - last[-1]))


def read_run(folder: Path) -> RunView:
    """What the folder of a training tells now."""
    events, _ = read_events(folder)
    view, process = RunView(), (0, 0.0)
    ended: RunState | None = None
    for event in events:
        view.last_at = float(event.get("at", view.last_at))
        if event["event"] == "start":
            process, ended = (event["pid"], event["process_started"]), None
            view.failure, view.figures = "", {}
        # Of several processes, those that lose one that ran out of memory fail too.
        said = _take(view, event)
        ended = ended if ended is RunState.OUT_OF_MEMORY else said or ended
    if process[0]:
        alive = is_alive(*process)
        asked = (folder / STOP_NAME).exists()
        view.state = ended or (
            RunState.DIED if not alive else RunState.STOPPING if asked else RunState.RUNNING
        )
    return view


def _take(view: RunView, event: dict[str, Any]) -> RunState | None:
    """Puts one event into the view; returns the state that it ends a run with."""
    match event["event"]:
        case "imports":
            view.backend, view.reason, view.versions = event["backend"], event["reason"], event["versions"]
        case "ready":
            view.device, view.trainable, view.parameters = event["device"], event["trainable"], event["total"]
            # Whatever was done behind the checkpoint is done again.
            view.steps = {n: step for n, step in view.steps.items() if n <= (event["resumed"] or 0)}
        case "step":
            view.total = event["total"]
            view.steps[event["step"]] = {
                k: v for k, v in event.items() if k not in ("event", "step", "total")
            }
        case "eval":
            view.evals[event["step"]] = event["loss"]
        case "probes":
            view.probes[event["step"]] = [told["answer"] for told in event["answers"]]
        case "saved":
            view.saved = event["step"]
        case "oom":
            view.memory_faults.append(event)
            return RunState.OUT_OF_MEMORY if event["final"] else None
        case "failed":
            view.failure = f"{event['kind']}: {event['detail']}"
            return RunState.FAILED
        case "done":
            view.figures = {k: v for k, v in event.items() if k not in ("event", "at")}
            return RunState.STOPPED if event["stopped"] else RunState.DONE
    return None


def figures_of(view: RunView) -> dict[str, object]:
    """What a training came to, as its row keeps it."""
    first = view.steps[min(view.steps)]["loss"] if view.steps else None
    last = view.steps[view.step]["loss"] if view.steps else None
    return {
        "steps": view.step,
        "first_loss": first,
        "last_loss": last,
        "best_eval_loss": view.figures.get("best_eval_loss"),
        "best_step": view.figures.get("best_step"),
        "weights": view.figures.get("weights", ""),
        "backend": view.backend,
        "why": view.reason,
        "device": view.device,
        "versions": view.versions,
    }
