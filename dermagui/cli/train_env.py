"""``dermagui train-env``: the environment that trainings run in, apart from the program."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from dermagui.cli.console import Arguments, Commands, ask, json_argument, print_json, say


def declare(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("train-env", help="the environment that trainings run in")
    parser.add_argument("action", choices=("check", "install", "remove", "bundle"))
    parser.add_argument(
        "--cpu", action="store_true", help="for a computer without a GPU: tests and tiny models"
    )
    parser.add_argument(
        "--offline", type=Path, metavar="DIR", help="a folder that `bundle` made: nothing is fetched"
    )
    parser.add_argument("--python", type=Path, metavar="PATH", help="an existing Python with all packages")
    parser.add_argument(
        "--repair", action="store_true", help="install: remove what is there and make it anew"
    )
    parser.add_argument(
        "--base", type=Path, metavar="FOLDER|NAME", help="check: whether this model would fit"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    json_argument(parser)
    parser.set_defaults(run=_run)


def _run(arguments: Arguments) -> int:
    actions = {"check": _check, "install": _install, "remove": _remove, "bundle": _bundle}
    return actions[arguments.action](arguments)


def _check(arguments: Arguments) -> int:
    from dermagui.errors import DermaError
    from dermagui.texts import sentence
    from dermagui.training.base_model import find_base, read_base
    from dermagui.training.environment import find_environment, training_folder
    from dermagui.training.fitting import estimate, fit_light
    from dermagui.training.hardware import light, look
    from dermagui.training.recipe import list_recipes

    hardware = look(training_folder())
    lights = {recipe.name: light(recipe, hardware) for recipe in list_recipes()}
    fits = {}
    if arguments.base:
        base = read_base(find_base(arguments.base))
        fits = {recipe.name: estimate(base, recipe.settings) for recipe in list_recipes()}
        lights = {name: fit_light(fit, hardware) for name, fit in fits.items()}
    try:
        environment, problem = asdict(find_environment()), ""
    except DermaError as error:
        environment, problem = None, sentence(error.code, error.values)
    if arguments.json:
        print_json(
            {
                "hardware": hardware.as_json(),
                "recipes": lights,
                "fits": {name: fit.as_json() for name, fit in fits.items()},
                "environment": environment,
                "problem": problem,
            }
        )
        return 0
    for card in hardware.cards:
        say(f"{card.name}: {card.free_bytes / 1e9:.1f} of {card.total_bytes / 1e9:.1f} GB free")
    if not hardware.cards:
        say("No NVIDIA card was found: real models cannot be trained on this computer, tiny ones can.")
    memory, disk = hardware.memory_bytes / 1e9, hardware.disk_free_bytes / 1e9
    say(f"{memory:.0f} GB memory, {disk:.0f} GB free on the disk")
    for name, colour in lights.items():
        wanted = f", about {fits[name].total / 1e9:.1f} GB" if name in fits else ""
        say(f"  {name}: {colour}{wanted}")
    say(problem or "The training environment is ready.")
    return 0


def _install(arguments: Arguments) -> int:
    from dermagui.training.hardware import DISK_BYTES, DOWNLOAD_BYTES
    from dermagui.training.install import VERIFIED, install, make_plan, repair, take_python

    if arguments.python:
        environment = take_python(arguments.python, say)
    else:
        plan = make_plan(arguments.cpu, offline=arguments.offline)
        kind = "cpu" if arguments.cpu else "gpu"
        fetched = 0 if arguments.offline else DOWNLOAD_BYTES[kind]
        say(f"About {fetched / 1e9:.1f} GB to fetch, {DISK_BYTES[kind] / 1e9:.1f} GB of disk.")
        if plan.kind not in VERIFIED:
            say("These versions were put together for this platform, but never yet run on it.")
        if not arguments.yes and not ask("Go on?"):
            return 4
        environment = (repair if arguments.repair else install)(plan, say)
    if arguments.json:
        print_json(asdict(environment))
    else:
        say(f"Ready: {environment.python}, torch {environment.versions['torch']}.")
    return 0


def _remove(arguments: Arguments) -> int:
    from dermagui.training.install import remove

    remove()
    if arguments.json:
        print_json({})
    else:
        say("The training environment is gone.")
    return 0


def _bundle(arguments: Arguments) -> int:
    from dermagui.errors import UserError
    from dermagui.training.install import make_offline_folder, make_plan

    if arguments.offline is None:
        raise UserError("train.offline_unnamed")
    make_offline_folder(make_plan(arguments.cpu), arguments.offline, say)
    if arguments.json:
        print_json({"folder": str(arguments.offline)})
    else:
        say(f"Take {arguments.offline} along: `dermagui train-env install --offline {arguments.offline}`.")
    return 0
