"""``dermagui forget``: removes an image or a patient, down to the free pages of the database."""

from __future__ import annotations

from dermagui.cli.console import (
    Arguments,
    Commands,
    counts_line,
    json_argument,
    print_json,
    project_argument,
    say,
)


def declare(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("forget", help="remove all that a project holds of an image or a patient")
    project_argument(parser)
    parser.add_argument(
        "what", metavar="IMAGE|PATIENT", help="number, sha256 or path of an image, or a patient's id"
    )
    json_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: Arguments) -> int:
    """Forgets. The user's own files are not touched."""
    from dermagui.library.forget import forget
    from dermagui.project import Project

    with Project(arguments.project) as project:
        found = forget(project.store, arguments.what)
    if arguments.json:
        print_json(found)
    say(f"Removed {counts_line(found['removed'])}. Your own files were not touched.")
    for path in found["exports"]:
        say(f"An earlier export still holds it: {path}")
    return 0
