"""``dermagui new``: makes a project."""

from __future__ import annotations

from dermagui.cli.console import Arguments, Commands, project_argument, say


def declare(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("new", help="make a new project in an empty or new folder")
    project_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: Arguments) -> int:
    """Makes the project."""
    from dermagui.project import create_project

    create_project(arguments.project)
    say(f"Made the project {arguments.project}.")
    return 0
