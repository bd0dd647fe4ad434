"""``dermagui settings``: shows the settings, or sets one."""

from __future__ import annotations

from dermagui.cli.console import Arguments, Commands, json_argument, print_json, say


def declare(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("settings", help="show the settings, or set one")
    parser.add_argument("key", nargs="?")
    parser.add_argument("value", nargs="?")
    json_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: Arguments) -> int:
    """Shows or sets."""
    from dermagui import settings
    from dermagui.errors import UserError

    if arguments.key is not None and arguments.key not in settings.SETTINGS:
        raise UserError("settings.unknown", key=arguments.key, known=list(settings.SETTINGS))
    if arguments.value is not None:
        say(f"{arguments.key} = {settings.set_value(arguments.key, arguments.value)}")
        return 0
    shown = {key: settings.get(key) for key in ([arguments.key] if arguments.key else settings.SETTINGS)}
    locked = settings.policy()
    if arguments.json:
        print_json({"settings": shown, "locked": sorted(locked)})
        return 0
    say(f"Kept in {settings.settings_file()}; your own prices go into prices.json beside it.")
    for key, value in shown.items():
        print(f"{key} = {value}" + (" (fixed by this machine's policy)" if key in locked else ""))
    return 0
