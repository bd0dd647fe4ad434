"""``dermagui bundle build`` and ``check``: a tuned model becomes one that can be chatted with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from dermagui.cli.console import Arguments, Commands, json_argument, print_json, project_argument, say


def declare(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("bundle", help="bring a tuned model home for the chat, or check one")
    actions = parser.add_subparsers(dest="action", required=True)
    build = actions.add_parser("build", help="merge, convert, quantize, compare, register")
    project_argument(build)
    build.add_argument("training", metavar="RUN")
    build.add_argument("--quant", default="Q4_K_M", choices=("Q4_K_M", "Q5_K_M", "Q8_0", "F16"))
    build.add_argument("--mmproj", default="f16", choices=("f16", "q8_0"), help="size of the image part")
    build.add_argument("--name", default="", metavar="NAME", help="of the bundle; else that of the training")
    build.add_argument("--out", type=Path, metavar="DIR", help="a new folder for a copy of the bundle")
    build.add_argument("--inline", action="store_true", help=argparse.SUPPRESS)
    json_argument(build)
    build.set_defaults(run=_build)
    check = actions.add_parser("check", help="compare every file of a bundle with its hash")
    check.add_argument("bundle", metavar="BUNDLE")
    json_argument(check)
    check.set_defaults(run=_check)


def _build(arguments: Arguments) -> int:
    from dermagui.cli.job import run_job
    from dermagui.training.home import build_parameters

    parameters = build_parameters(
        arguments.training,
        arguments.quant,
        name=arguments.name,
        mmproj=arguments.mmproj,
        out=arguments.out,
    )
    code, end = run_job(
        arguments.project,
        "bundle",
        parameters,
        inline=arguments.inline,
        handlers={"stage": _say_stage, "parity": _say_parity, "clinical": _say_clinical},
    )
    figures = end["figures"]
    if arguments.json:
        print_json(figures)
    elif code == 0:
        say(f"{figures['bundle']}: {figures['size_bytes'] / 1e6:,.1f} MB; `dermagui chat` finds it.")
    return code


def _say_stage(event: dict[str, Any]) -> None:
    say(f"  {event['stage']}")


def _say_parity(event: dict[str, Any]) -> None:
    told = "like the trained model" if not event["faults"] else f"differs: {', '.join(event['faults'])}"
    say(f"  {event['quantization']}: {event['difference']:.5f} nats a token off, {told}")


def _say_clinical(told: dict[str, Any]) -> None:
    from dermagui.training.card import RATES, clinical_in_words, rate_in_words

    for name, title in RATES.items() if told["base"] else ():
        if name in told["base"]:  # bundles from before the specificity was told lack it
            tuned, base = (rate_in_words(told[side][name]) for side in ("tuned", "base"))
            say(f"  {title}: {tuned}; of the base {base}")
    say(clinical_in_words(told))


def _check(arguments: Arguments) -> int:
    from dermagui.chat.bundle import check_bundle, find_bundle
    from dermagui.cli.model import Console

    bundle = find_bundle(arguments.bundle)
    check_bundle(bundle, Console())
    about, clinical = bundle.about, bundle.about.gates.get("clinical")
    if arguments.json:
        told = {"bundle": bundle.name, "ready": about.ready, "gates": about.gates, "metrics": about.metrics}
        print_json({**told, "run": about.training_run})
    else:
        say(f"{bundle.name}: every file is as it was made.")
        if isinstance(clinical, dict):
            _say_clinical(clinical)
    return 0
