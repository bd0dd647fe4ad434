"""``dermagui key``: keeps the Gemini key in the system's keyring, tests it, removes it."""

from __future__ import annotations

import sys

from dermagui.cli.console import Arguments, Commands, say
from dermagui.errors import UserError


def declare(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("key", help="keep, show, test or remove your Gemini key")
    parser.add_argument("action", choices=("set", "show", "test", "remove"))
    parser.set_defaults(run=run)


def run(arguments: Arguments) -> int:
    """Does it. A key is read from the terminal or from standard input, never from an argument."""
    from dermagui import api_key

    if arguments.action == "set":
        api_key.store_key(_read())
        say("Kept the key in the system's keyring.")
    elif arguments.action == "remove":
        say("Removed the key." if api_key.remove_key() else "The keyring held no key.")
    elif arguments.action == "show":
        found = api_key.find_key()
        say(f"Key {found}." if found else "There is no key.")
    else:
        _test()
    return 0


def _read() -> str:
    if sys.stdin.isatty():
        import getpass

        return getpass.getpass("Gemini key: ")
    return sys.stdin.readline()


def _test() -> None:
    """Asks the service which models this key may use: that costs nothing and sends no image."""
    import asyncio

    from dermagui import settings
    from dermagui.api_key import find_key
    from dermagui.generation.gemini import Gemini, Service
    from dermagui.logs import hide

    key = find_key()
    if key is None:
        raise UserError("key.missing")
    hide(key.value)
    service = Service(
        key=key.value,
        base_url=settings.text("gemini.base_url"),
        api_version=settings.text("gemini.api_version"),
        timeout_seconds=60,
        service_tier="standard",
        connections=1,
    )

    async def models() -> list[str]:
        async with Gemini(service) as gemini:
            return await gemini.list_models()

    found = asyncio.run(models())
    say(f"The key {key} works. Models: {', '.join(found)}.")
