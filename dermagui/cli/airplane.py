"""``dermagui airplane``: nothing leaves this computer, at once and for every process of this user."""

from __future__ import annotations

from dermagui.cli.console import Arguments, Commands, say


def declare(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "airplane", help="turn airplane mode on or off: on, nothing leaves this computer"
    )
    parser.add_argument("state", choices=("on", "off"))
    parser.set_defaults(run=run)


def run(arguments: Arguments) -> int:
    """Turns it."""
    from dermagui.network import set_airplane

    set_airplane(arguments.state == "on")
    say(f"Airplane mode is {arguments.state}.")
    return 0
