"""``dermagui ledger``: all that ever left this computer: when, where to, why, how much, which images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dermagui.cli.console import Arguments, Commands, json_argument, print_json
from dermagui.errors import DermaError


def declare(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("ledger", help="tell everything that ever left this computer")
    json_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: Arguments) -> int:
    """Tells it."""
    entries = list(ledger_entries())
    if arguments.json:
        print_json({"ledger": entries})
        return 0
    for entry in entries:
        image = f" image {entry['image_sha256'][:12]}" if entry.get("image_sha256") else ""
        state = f" {entry['state']}" if entry.get("state") else ""
        print(
            f"{entry['at']} {entry['purpose']} to {entry['host']}: "
            f"{entry.get('bytes', 0):,} bytes{image}{state}"
        )
    return 0


def ledger_entries() -> Iterator[dict[str, Any]]:
    """The ledger with each run's requests in the place of its line, where its project can be opened."""
    from dermagui.network import read_ledger

    for entry in read_ledger():
        if "run" not in entry:
            yield entry
            continue
        try:
            yield from _requests_of(Path(entry["project"]), entry["run"])
        except DermaError as error:
            yield entry | {"project_unreadable": error.code}


def _requests_of(project: Path, run_uid: str) -> Iterator[dict[str, Any]]:
    from dermagui.storage.database import Store
    from dermagui.storage.requests import ledger_rows

    with Store(project, read_only=True) as store:
        for row in ledger_rows(store, run_uid):
            yield row | {"project": str(project)}
