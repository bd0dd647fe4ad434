"""``dermagui train``, ``train-status``, ``train-stop``, ``-resume``, ``-import``: tunes a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dermagui.cli.console import (
    Arguments,
    Commands,
    ask,
    json_argument,
    positive_number,
    print_json,
    project_argument,
    say,
    say_progress,
)

if TYPE_CHECKING:
    from dermagui.training.history import PastRun


def declare(commands: Commands) -> None:
    """Declares the commands."""
    parser = commands.add_parser("train", help="tune a vision model on the accepted pairs of a project")
    project_argument(parser)
    parser.add_argument(
        "--base", type=Path, required=True, metavar="FOLDER|NAME", help="the model to start from"
    )
    parser.add_argument("--recipe", default="default", metavar="RECIPE", help="a recipe's name or JSON file")
    parser.add_argument("--backend", choices=("auto", "plain", "unsloth"), default="auto")
    parser.add_argument("--max-steps", type=positive_number, metavar="N")
    parser.add_argument("--name", default="", metavar="RUN")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--split", default="80/10/10", metavar="TRAIN/VALIDATION/TEST")
    parser.add_argument("--state", choices=("accepted", "all"), default="accepted")
    parser.add_argument("--simulated", action="store_true", help="include pairs of a rehearsal")
    parser.add_argument(
        "--texts", type=Path, metavar="FILE", help="pairs without pictures to mix in, as JSON"
    )
    parser.add_argument(
        "--text-share", type=_share, default=0.2, metavar="SHARE", help="their part of all pairs, below 1"
    )
    parser.add_argument("--dry-run", action="store_true", help="one step, to see that it fits; keeps nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask before a base model is downloaded")
    parser.add_argument("--export-job", type=Path, metavar="DIR", help="make a folder to train elsewhere")
    parser.add_argument("--threads", type=positive_number, metavar="N", help=argparse.SUPPRESS)
    parser.add_argument("--inline", action="store_true", help=argparse.SUPPRESS)
    json_argument(parser)
    parser.set_defaults(run=_train)
    for name, text, action in (
        ("train-status", "how trainings go", _status),
        ("train-stop", "ask a training to save and end", _stop),
        ("train-resume", "go on with a training from its last checkpoint", _resume),
        ("train-import", "bring back what was trained elsewhere", _import),
    ):
        parser = commands.add_parser(name, help=text)
        project_argument(parser)
        if name == "train-status":
            parser.add_argument("training", nargs="?", metavar="RUN")
        elif name == "train-import":
            parser.add_argument(
                "folder",
                type=Path,
                metavar="DIR",
                help="the folder of --export-job, a LoRA or a merged model",
            )
            parser.add_argument(
                "--base", type=Path, metavar="FOLDER|NAME", help="what a LoRA or a merged model came of"
            )
            parser.add_argument("--name", default="", metavar="RUN", help="what to call bare weights")
        else:
            parser.add_argument("training", metavar="RUN")
        json_argument(parser)
        parser.set_defaults(run=action)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
    return share


def _train(arguments: Arguments) -> int:
    from dermagui.training.base_model import local_base
    from dermagui.training.launch import training_parameters
    from dermagui.training.recipe import find_recipe, list_recipes

    recipe = find_recipe(arguments.recipe)
    # Terms are those of the base, whichever recipe it is trained with.
    named = next((one for one in list_recipes() if one.base == arguments.base.as_posix()), recipe)
    if named.terms:
        say(f"{named.base}, {named.licence}. {named.terms}")
    base = local_base(arguments.base)
    if base is None:
        code, base = _download(arguments)
        if code:
            return code
    parameters = training_parameters(
        recipe,
        base,
        name=arguments.name,
        backend=arguments.backend,
        max_steps=arguments.max_steps,
        seed=arguments.seed,
        state=arguments.state,
        simulated=arguments.simulated,
        split=arguments.split,
        threads=arguments.threads,
        export=arguments.export_job,
        texts=arguments.texts,
        text_share=arguments.text_share,
        dry_run=arguments.dry_run,
    )
    return _run(arguments, parameters, arguments.inline)


def _download(arguments: Arguments) -> tuple[int, Path]:
    """Brings a base from the hub, after saying what that means; returns the exit code, and its folder."""
    from dermagui.api_key import HUGGINGFACE, find_key
    from dermagui.cli.job import run_job
    from dermagui.cli.model import Console
    from dermagui.logs import hide
    from dermagui.project import home_project
    from dermagui.records import Progress
    from dermagui.training.base_download import download_parameters, look_up
    from dermagui.training.base_model import hub_folder

    name, key = arguments.base.as_posix(), find_key(HUGGINGFACE)
    token = key.value if key else None
    if token:
        hide(token)
    found = look_up(name, token)
    gate = " It is gated, and your hub token opens it." if found.gated else ""
    licence, weight = found.licence or "not stated", f"{found.size_bytes / 1e9:,.2f} GB"
    say(f"{name} is not on this computer: {weight} to download, licence {licence}.{gate}")
    if not arguments.yes and not ask("Go on?"):
        say("Nothing was downloaded. With --yes nobody is asked.")
        return 4, hub_folder(name)

    def show_progress(event: dict[str, Any]) -> None:
        Console().progress(Progress(event["done"], event["total"], event["unit"]))

    parameters, handlers = download_parameters(name), {"progress": show_progress}
    inline, home = arguments.inline, home_project()
    code, _ = run_job(home, "base_download", parameters, secret=token, inline=inline, handlers=handlers)
    return code, hub_folder(name)


def _resume(arguments: Arguments) -> int:
    return _run(arguments, {"resume": arguments.training}, False)


def _run(arguments: Arguments, parameters: dict[str, Any], inline: bool) -> int:
    from dermagui.cli.job import run_job

    handlers = {"prepared": _say_prepared, "train_step": _say_step, "train_eval": _say_eval}
    code, end = run_job(arguments.project, "train", parameters, inline=inline, handlers=handlers)
    figures = end["figures"]
    if arguments.json:
        print_json(figures)
    elif code == 0 and "exported" in figures:
        say(f"{figures['exported']} holds everything; its README.md tells how to go on.")
    elif code == 0 and figures.get("trial"):
        taken = figures["memory_bytes"] / 1e9
        say(f"One step went well on {figures['device']}: {taken:.1f} GB. No training was kept.")
    elif figures and code == 0:
        losses = f"{figures['first_loss']:.3f} → {figures['last_loss']:.3f}"
        say(f"{figures['name']}: {figures['steps']:,} steps, loss {losses}.")
    return code


def _say_prepared(event: dict[str, Any]) -> None:
    counts = event["counts"]
    say(
        f"{event['name']}: {counts['train']:,} pairs to learn from, {counts['validation']:,} to watch it by,"
        f" {counts['test']:,} kept for the end, {counts['images']:,} pictures."
    )


def _say_step(event: dict[str, Any]) -> None:
    say_progress(event["step"], event["total"], "steps", f", loss {event['loss']:.3f}")


def _say_eval(event: dict[str, Any]) -> None:
    say(f"  step {event['step']:,}: loss {event['loss']:.3f} on pairs that it does not learn from")


def _status(arguments: Arguments) -> int:
    from dermagui.project import Project
    from dermagui.training.card import run_card
    from dermagui.training.folder import get_training
    from dermagui.training.history import list_runs

    with Project(arguments.project) as project:
        name = arguments.training
        uid = get_training(project.store, name)["uid"] if name else ""
        runs = [run for run in reversed(list_runs(project.store)) if not uid or run.row["uid"] == uid]
    if arguments.json:
        print_json({"trainings": [run.as_json() for run in runs]})
    elif uid:
        print(run_card(runs[0]))
    else:
        for run in runs:
            _say_run(run)
    return 0


def _say_run(run: PastRun) -> None:
    told = run.as_json()
    left = f", {told['seconds_left']:,.0f} s left" if told["seconds_left"] else ""
    loss = f", loss {told['loss']:.3f}" if told["loss"] is not None else ""
    home = f", at home as {', '.join(model.name for model in run.models)}" if run.models else ""
    say(f"{told['name']}: {told['state']}, step {told['step']:,} of {told['total']:,}{loss}{left}{home}")


def _stop(arguments: Arguments) -> int:
    from dermagui.project import Project
    from dermagui.training.folder import get_training
    from dermagui.training.launch import stop_training

    with Project(arguments.project) as project:
        view = stop_training(project.store.folder, get_training(project.store, arguments.training))
    if arguments.json:
        print_json({"step": view.step, "total": view.total})
    else:
        say(f"{arguments.training} saves and ends after this step; `dermagui train-resume` goes on with it.")
    return 0


def _import(arguments: Arguments) -> int:
    from dermagui.cli.job import run_job
    from dermagui.training.base_model import find_base
    from dermagui.training.import_job import import_parameters

    base = find_base(arguments.base) if arguments.base else None
    parameters = import_parameters(arguments.folder.resolve(), base, arguments.name)
    code, end = run_job(arguments.project, "train_import", parameters)
    figures = end["figures"]
    if arguments.json:
        print_json(figures)
    elif not code:
        say(f"{figures['name']} is back; `dermagui bundle build` brings it into the chat.")
    return code
