"""``dermagui add``: adds a folder of images, or looks through it again, with a table of metadata."""

from __future__ import annotations

import os
from pathlib import Path

from dermagui.cli.console import (
    Arguments,
    Commands,
    counts_line,
    json_argument,
    print_json,
    project_argument,
    say,
)
from dermagui.errors import UserError
from dermagui.paths import display_path
from dermagui.texts import sentence


def declare(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("add", help="add a folder of images, or look through it again")
    project_argument(parser)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of images; it is only read")
    parser.add_argument(
        "--metadata", type=Path, metavar="FILE", help="CSV, TSV, XLSX or JSON about the images"
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help="which column means which field (several times), or one JSON file with them",
    )
    parser.add_argument("--licence", metavar="TEXT", help="licence of the images, such as CC-BY-4.0")
    parser.add_argument("--attribution", metavar="TEXT", help="whom an export has to name")
    parser.add_argument(
        "--non-commercial", action="store_const", const=True, help="the licence forbids commercial use"
    )
    parser.add_argument(
        "--may-leave",
        action="store_const",
        const=True,
        help="these images may leave this computer (default: no)",
    )
    parser.add_argument(
        "--stay-here", dest="may_leave", action="store_const", const=False, help="take that back"
    )
    parser.add_argument("--inline", action="store_true", help="work in this process, for debugging")
    json_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: Arguments) -> int:
    """Runs the job and tells what it found."""
    from dermagui.cli.job import run_job
    from dermagui.library.metadata import check_table
    from dermagui.library.scan import parameters_for
    from dermagui.project import Project

    Project(arguments.project).close()
    if arguments.folder.is_file():
        raise UserError("folder.is_file", path=display_path(arguments.folder))
    if arguments.metadata:  # before a long scan, and before anything is written
        check_table(arguments.metadata, arguments.map)
    table = os.fsencode(arguments.metadata.resolve()).hex() if arguments.metadata else None
    parameters = parameters_for(
        arguments.folder,
        licence=arguments.licence,
        attribution=arguments.attribution,
        non_commercial=arguments.non_commercial,
        may_leave=arguments.may_leave,
        metadata=table,
        map=arguments.map,
    )
    code, end = run_job(arguments.project, "add", parameters, inline=arguments.inline)
    figures = end["figures"]
    if arguments.json:
        print_json(figures)
    if figures:
        metadata = figures.pop("metadata", None)
        figures.pop("source", None)
        say(f"Files: {counts_line(figures)}.")
        if metadata:
            mapping = metadata.pop("mapping")
            say(f"Metadata: {counts_line(metadata)}.")
            say("Columns: " + ", ".join(f"{name}={','.join(found)}" for name, found in mapping.items()) + ".")
            if metadata["rows"] and not metadata["matched"]:
                say(sentence("metadata.none_matched", {"columns": mapping.get("image") or ["none"]}))
    return code
