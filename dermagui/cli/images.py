"""``dermagui images``: every file of the project with its image, or the reason why it has none."""

from __future__ import annotations

from typing import Any

from dermagui.cli.console import Arguments, Commands, json_argument, print_json, project_argument
from dermagui.texts import sentence


def declare(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("images", help="list the files of a project and what is in them")
    project_argument(parser)
    json_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: Arguments) -> int:
    """Lists the files."""
    from dermagui.project import Project
    from dermagui.storage import images
    from dermagui.storage.metadata import fields_of_images

    with Project(arguments.project) as project:
        files = list(images.list_files(project.store))
        if arguments.json:
            said = fields_of_images(project.store, [file["image"] for file in files if file["image"]])
            for file in files:
                file["metadata"] = said.get(file["image"], {})
                if file["error"]:
                    file["code"] = file["error"]["code"]
                    file["error"] = _worded(file)
            print_json({"images": files})
            return 0
    print(f"{'image':>6} {'state':<10} {'size':<11} file")
    for file in files:
        size = f"{file['width']}x{file['height']}" if file["width"] else "-"
        pages = f" {file['frames']} pages" if file["frames"] > 1 else ""
        personal = f" personal data: {len(file['personal'])}" if file["personal"] else ""
        reason = f" {_worded(file)}" if file["error"] else ""
        told = f"{file['path']!r}{pages}{personal}{reason}"
        print(f"{file['image'] or '-':>6} {file['state']:<10} {size:<11} {told}")
    return 0


def _worded(file: dict[str, Any]) -> str:
    error = file["error"]
    return sentence(error["code"], {"path": file["path"], **error["values"]})
