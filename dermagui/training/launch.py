"""The training job: makes the folder, starts the trainer in its own environment, passes its story on.

The trainer needs nobody: it goes on where this job is killed, and ``run_state`` tells how it goes.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dermagui.errors import ServiceError, Stopped, UserError
from dermagui.jobs.launch import NEW_GROUP_WITHOUT_CONSOLE
from dermagui.jobs.report import STOP_NAME, Report, read_events
from dermagui.jobs.work import Parameters
from dermagui.paths import display_path
from dermagui.records import Changes, Progress
from dermagui.storage.database import Row, Store
from dermagui.storage.datasets import list_datasets
from dermagui.storage.moments import new_uid
from dermagui.storage.trainings import add_training, end_training, find_training
from dermagui.training import folder as folders
from dermagui.training.base_model import read_base
from dermagui.training.elsewhere import export_job, refuse_place
from dermagui.training.environment import find_environment, trainer_environment, worker_script
from dermagui.training.recipe import Recipe
from dermagui.training.run_state import RunState, RunView, figures_of, read_run
from dermagui.training.text_pairs import mix_texts, read_texts

ADOPTED = "adopted"
"""How a training ended, and the name of its recipe, whose weights came from elsewhere with no story."""

_LOOK_SECONDS = 0.2
_LONGEST_NAME = 60


def training_parameters(
    recipe: Recipe,
    base: Path,
    *,
    name: str = "",
    backend: str = "auto",
    max_steps: int | None = None,
    seed: int = 0,
    state: str = "accepted",
    simulated: bool = False,
    split: str = "80/10/10",
    threads: int | None = None,
    export: Path | None = None,
    texts: Path | None = None,
    text_share: float = 0.0,
    dry_run: bool = False,
) -> Parameters:
    """What the job is started with. ``texts`` is a file of pairs without pictures, ``text_share`` their part
    of all that is learnt; ``dry_run`` does one step and keeps nothing.
    """
    return {
        "recipe": recipe.name,
        "settings": recipe.settings,
        "base": display_path(base.resolve()),
        "name": name,
        "backend": backend,
        "max_steps": max_steps,
        "seed": seed,
        "state": state,
        "simulated": simulated,
        "split": split,
        "threads": threads,
        "export": display_path(export.resolve()) if export else "",
        "texts": display_path(texts.resolve()) if texts else "",
        "text_share": text_share,
        "dry_run": dry_run,
    }


def run(store: Store, parameters: Parameters, report: Report) -> Changes:
    """Trains, or goes on with the training that ``resume`` names, or makes a folder for elsewhere.

    Raises ``UserError``: ``train.no_environment``, ``train.no_base``, ``train.name_taken``,
    ``train.too_few``, ``train.out_of_memory``, ``train.running``, ``train.adopted``, what an export raises;
    ``ServiceError`` ``train.failed``; ``Stopped`` ``train.stopped``.
    """
    if parameters.get("export"):
        out = Path(parameters["export"])
        refuse_place(out)
        return export_job(store, prepare(store, parameters, report), out)
    python = find_environment().python
    if parameters.get("dry_run"):
        return try_one_step(store, parameters, python, report)
    if parameters.get("resume"):
        training = folders.get_training(store, parameters["resume"])
        if training["outcome"] == ADOPTED:
            raise UserError("train.adopted", name=training["name"])
    else:
        training = prepare(store, parameters, report)
    folder = folders.runs_folder(store.folder) / training["uid"]
    return train(store, training, folder, python, report)


def prepare(
    store: Store,
    parameters: Parameters,
    report: Report,
    fill: Callable[[Path], None] = lambda folder: None,
) -> Row:
    """Makes the folder of a new training and writes it down. It is complete or not there.

    ``fill`` puts more into it. ``known`` among the parameters are the settings that are written down where
    not all of them are known.
    """
    base = read_base(Path(parameters["base"]))
    uid = new_uid()
    name = parameters["name"] or f"{parameters['recipe']}-{uid[-6:]}"
    if find_training(store, name):
        raise UserError("train.name_taken", name=name)
    if len(name) > _LONGEST_NAME or not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise UserError("train.bad_name", name=name)
    folder = folders.runs_folder(store.folder) / uid
    folder.mkdir(parents=True)
    try:
        settings = parameters["settings"]
        rows = folders.make_dataset(store, folder, parameters, report)
        rows = folders.chosen(rows, settings["most_pairs"])
        folders.lint(rows, report.warn)
        counts = folders.write_rows(folder, rows, settings["probes"])
        if parameters.get("texts"):
            counts["texts"] = _mix(folder, parameters, report)
        counts["images"] = folders.write_images(store, folder, rows, base, settings["image_side"], report)
        fill(folder)
        _write_job(folder, parameters, uid, name)
    except BaseException:
        folders.remove_folder(folder)
        raise
    report.tell("prepared", uid=uid, name=name, counts=counts, kind=base.kind)
    if not base.becomes_gguf:
        report.warn("train.never_gguf", kind=base.kind)
    add_training(
        store,
        uid=uid,
        name=name,
        dataset_uid=list_datasets(store)[-1]["uid"],
        base=parameters["base"],
        recipe={"name": parameters["recipe"], **(parameters.get("known") or settings)},
        seed=parameters["seed"],
        simulated=any(row.provenance.get("simulated") for row in rows),
    )
    return folders.get_training(store, uid)


def _mix(folder: Path, parameters: Parameters, report: Report) -> int:
    texts = read_texts(Path(parameters["texts"]))
    added, wanted = mix_texts(folder, texts, parameters["text_share"], parameters["seed"])
    if added < wanted:
        report.warn("train.few_texts", count=added, wanted=wanted)
    return added


def try_one_step(store: Store, parameters: Parameters, python: str, report: Report) -> Changes:
    """One step on the pairs with the longest texts, in a folder that is removed; no training comes of it.

    The figures are what it took. Raises like ``run``.
    """
    settings = {**parameters["settings"], "probes": 0}
    base = read_base(Path(parameters["base"]))
    place = folders.runs_folder(store.folder)
    for left in place.glob("*.trial"):  # of one that was killed
        folders.remove_folder(left)
    folder = place / f"{new_uid()}.trial"
    folder.mkdir(parents=True)
    try:
        rows = folders.longest_rows(store, parameters, settings["batch"] * settings["accumulation"])
        folders.write_rows(folder, rows, 0)
        folders.write_images(store, folder, rows, base, settings["image_side"], report)
        only = {**parameters, "settings": settings, "max_steps": 1}
        _write_job(folder, only, new_uid(), "trial")
        _follow(start_trainer(folder, python), folder, 0, report)
        view = read_run(folder)
        _raise_unless_done("trial", view, figures_of(view))
        step = view.steps[1]
        taken = {name: step[name] for name in ("memory_bytes", "tokens_per_second", "images_per_second")}
        counted = {"trainable": view.trainable, "parameters": view.parameters}
        return Changes((), {"trial": True, **figures_of(view), **counted, **taken})
    finally:
        folders.remove_folder(folder)


def _write_job(folder: Path, parameters: Parameters, uid: str, name: str) -> None:
    told = {"recipe": parameters["settings"]}
    told |= {key: parameters[key] for key in ("base", "backend", "seed", "max_steps", "threads")}
    text = json.dumps({"id": uid, "name": name, **told}, ensure_ascii=False, indent=1)
    (folder / "job.json").write_text(text, encoding="utf-8")


def train(store: Store, training: Row, folder: Path, python: str, report: Report) -> Changes:
    """Runs the trainer on a folder to its end, and writes down how it ended."""
    if read_run(folder).state in (RunState.RUNNING, RunState.STOPPING):
        raise UserError("train.running", name=training["name"])
    (folder / STOP_NAME).unlink(missing_ok=True)
    start = read_events(folder)[1]
    child = start_trainer(folder, python)
    _follow(child, folder, start, report)
    view = read_run(folder)
    figures = figures_of(view)
    end_training(store, training["uid"], view.state.value, figures)
    _raise_unless_done(training["name"], view, figures)
    return Changes(("trainings", "datasets"), {"name": training["name"], "uid": training["uid"], **figures})


def start_trainer(folder: Path, python: str) -> subprocess.Popen[bytes]:
    """The trainer as a process of its own group, its output going to ``output.log``."""
    with (folder / "output.log").open("ab") as output:
        return subprocess.Popen(
            [python, str(worker_script("trainer")), str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=trainer_environment(),
            start_new_session=True,
            creationflags=NEW_GROUP_WITHOUT_CONSOLE,
        )


def _follow(child: subprocess.Popen[bytes], folder: Path, position: int, report: Report) -> None:
    while True:
        running = child.poll() is None
        events, position = read_events(folder, position)
        for event in events:
            _pass_on(event, report)
        if not running:
            return
        if report.stop_asked():
            (folder / STOP_NAME).touch()
        time.sleep(_LOOK_SECONDS)


def _pass_on(event: Mapping[str, Any], report: Report) -> None:
    name = event["event"]
    if name == "step":
        report.progress(Progress(event["step"], event["total"], "steps"))
    elif name == "imports" and event["backend"] == "plain" and event["reason"] != "asked for":
        report.warn("train.plain_backend", reason=event["reason"])
    elif name == "oom" and not event["final"]:
        report.warn("train.memory_retry", batch=event["batch"])
    told = {key: value for key, value in event.items() if key not in ("event", "at")}
    report.tell(name if name == "heartbeat" else f"train_{name}", **told)


def _raise_unless_done(name: str, view: RunView, figures: dict[str, object]) -> None:
    match view.state:
        case RunState.DONE:
            return
        case RunState.STOPPED:
            raise Stopped("train.stopped", name=name, step=view.step, figures=figures)
        case RunState.OUT_OF_MEMORY:
            raise UserError("train.out_of_memory", name=name)
        case _:
            raise ServiceError("train.failed", name=name, detail=view.failure or view.state.value)


def stop_training(project: Path, training: Row) -> RunView:
    """Asks a training to save and end, whoever started it; returns how it stood.

    Raises ``UserError`` ``train.not_running``.
    """
    folder = folders.runs_folder(project) / training["uid"]
    view = read_run(folder)
    if view.state not in (RunState.RUNNING, RunState.STOPPING):
        raise UserError("train.not_running", name=training["name"], state=view.state.value)
    (folder / STOP_NAME).touch()
    return view
