"""``dermagui demo``: the main job from folder to export, on drawn phantoms or on your own pictures."""

from __future__ import annotations

from pathlib import Path

from dermagui.cli.console import Arguments, Commands, print_json
from dermagui.errors import DermaError


def declare(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("demo", help="run the main job from end to end and write a report")
    parser.add_argument(
        "--out", type=Path, default=Path("report"), metavar="DIR", help="where the report goes"
    )
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="your own pictures instead of phantoms")
    parser.set_defaults(run=run)
    server = commands.add_parser("rehearsal-server")
    server.add_argument("--script", required=True)
    server.add_argument("--log", required=True)
    server.set_defaults(run=_serve)
    project = commands.add_parser("demo-project")
    project.add_argument("folder", type=Path)
    project.set_defaults(run=_make_project)


def _serve(arguments: Arguments) -> int:
    """The server that the demo talks to, as a child: the frozen app has no other way to start it."""
    from dermagui.demo.server import main

    main(["--script", arguments.script, "--log", arguments.log, "--until-stdin-ends"])
    return 0


def _make_project(arguments: Arguments) -> int:
    """Makes the project that the window opens as its demo, and tells where it is, or why there is none."""
    from dermagui.demo.project import make_demo_project

    try:
        print_json({"folder": str(make_demo_project(arguments.folder))})
    except DermaError as error:
        print_json({"error": {"code": error.code, "values": error.values}})
        raise
    return 0


def run(arguments: Arguments) -> int:
    """Runs the tour; 0 only if every line of its report is true."""
    from dermagui.demo.tour import run_tour

    return run_tour(arguments.out, arguments.images)
