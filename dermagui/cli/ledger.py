"""``dermagui ledger``: all that ever left this computer: when, where to, why, how much, which images."""

from __future__ import annotations

from dermagui.cli.console import Arguments, Commands, json_argument, print_json


def declare(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("ledger", help="tell everything that ever left this computer")
    json_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: Arguments) -> int:
    """Tells it."""
    from dermagui.storage.ledger import ledger_entries

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
