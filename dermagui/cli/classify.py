"""``dermagui classify``: which of one's own labels a model finds likeliest, for every image."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from dermagui.jobs.work import Parameters
    from dermagui.project import Project


def declare(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("classify", help="let a model choose between labels of yours for each image")
    project_argument(parser)
    parser.add_argument("--model", required=True, metavar="M", help="name of a bundle, or a GGUF file")
    parser.add_argument("--mmproj", type=Path, metavar="FILE", help="its projector")
    parser.add_argument(
        "--labels", required=True, type=lambda text: text.split(","), metavar="A,B,C", help="to choose from"
    )
    parser.add_argument("--field", default="diagnosis", metavar="NAME", help="what the labels are values of")
    parser.add_argument("--source", metavar="S", help="only the images of this source")
    parser.add_argument("--prompt", metavar="TEXT", help="another question; {labels} stands for the labels")
    parser.add_argument("--csv", type=Path, metavar="OUT", help="write a table of the log-probabilities")
    parser.add_argument("--gpu-layers", type=int, metavar="N", help="on the graphics card (0: the CPU)")
    parser.add_argument(
        "--threads", type=positive_number, metavar="N", help="default: one for each core; 1 for a tiny model"
    )
    parser.add_argument(
        "--promote",
        metavar="NAME",
        help="afterwards, make the likeliest labels statements of this person; look at them first",
    )
    parser.add_argument("--inline", action="store_true", help=argparse.SUPPRESS)
    json_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: Arguments) -> int:
    """Runs the job, and writes the table of all that there is by now."""
    from dermagui.chat.classify import QUESTION, classify_parameters, write_table
    from dermagui.chat.finding import find_model
    from dermagui.cli.job import run_job
    from dermagui.project import Project

    notice = find_model(arguments.model, arguments.mmproj, looks=True).notice
    say(notice)
    with Project(arguments.project) as project:
        parameters = classify_parameters(
            project.store,
            arguments.model,
            arguments.labels,
            mmproj=arguments.mmproj,
            field=arguments.field,
            source=arguments.source,
            question=arguments.prompt or QUESTION,
            gpu_layers=arguments.gpu_layers,
            threads=arguments.threads,
        )
    code, end = run_job(arguments.project, "classify", parameters, inline=arguments.inline)
    figures = dict(end["figures"] or {})
    with Project(arguments.project) as project:
        if arguments.csv:
            figures["rows"] = write_table(project.store, parameters, arguments.csv)
            say(f"Wrote {figures['rows']:,} rows to {arguments.csv}. Log-probabilities are not calibrated.")
        if arguments.promote and code == 0:
            figures["promoted"] = _promote(project, parameters, arguments.promote)
    if arguments.json:
        print_json({**figures, "model": parameters["model"], "notice": notice})
    say(f"The model's answers: {counts_line(figures)}. They are no truth until a person promotes them.")
    return code


def _promote(project: Project, parameters: Parameters, name: str) -> int:
    from dermagui.storage import classifications, people

    store = project.store
    answered = classifications.answers_of(store, parameters["key"], source_id=parameters["source_id"])
    image_ids = [row["image"] for row in answered]
    who = people.person(store, name)
    return classifications.promote(store, who, image_ids, parameters["field"], parameters["model"])
