"""``dermagui export``: writes a dataset: a frozen export with splits, manifest and card."""

from __future__ import annotations

import argparse
from pathlib import Path

from dermagui.cli.console import (
    Arguments,
    Commands,
    counts_line,
    json_argument,
    positive_number,
    print_json,
    project_argument,
    say,
)
from dermagui.records import ExportFormat


def declare(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("export", help="write a dataset of pairs, with splits, manifest and card")
    project_argument(parser)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to make; it must not exist or be empty")
    parser.add_argument("--format", choices=[name.value for name in ExportFormat], required=True)
    parser.add_argument("--state", choices=("accepted", "all"), default="accepted")
    parser.add_argument("--simulated", action="store_true", help="include pairs of a rehearsal")
    parser.add_argument(
        "--unflagged", action="store_true", help="leave out what a check flagged and nobody has rewritten"
    )
    parser.add_argument(
        "--split", default="80/10/10", metavar="TRAIN/VALIDATION/TEST", help="shares in percent"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument(
        "--longest-side", type=positive_number, default=1024, metavar="PIXELS", help="size of the pictures"
    )
    parser.add_argument(
        "--keep-names", action="store_true", help="keep patient ids and file names as they are"
    )
    parser.add_argument("--no-images", action="store_true", help="write no pictures")
    parser.add_argument("--inline", action="store_true", help=argparse.SUPPRESS)
    json_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: Arguments) -> int:
    """Runs the job and tells what was written."""
    from dermagui.cli.job import run_job
    from dermagui.datasets.export import export_parameters

    parameters = export_parameters(
        arguments.out,
        ExportFormat(arguments.format),
        state=arguments.state,
        simulated=arguments.simulated,
        unflagged=arguments.unflagged,
        split=arguments.split,
        seed=arguments.seed,
        longest_side=arguments.longest_side,
        keep_names=arguments.keep_names,
        images=not arguments.no_images,
    )
    code, end = run_job(arguments.project, "export", parameters, inline=arguments.inline)
    if arguments.json:
        print_json(end["figures"])
    if end["figures"]:
        say(f"Wrote {counts_line(end['figures'])} to {arguments.out}.")
    return code
