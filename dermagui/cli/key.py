"""``dermagui key``: keeps the user's keys in the system's keyring, tests them, removes them."""

from __future__ import annotations

import sys
from typing import Any

from dermagui import api_key
from dermagui.api_key import GEMINI, HUGGINGFACE, VARIABLES, ApiKey
from dermagui.cli.console import Arguments, Commands, json_argument, print_json, say
from dermagui.errors import DermaError, UserError


def declare(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("key", help="keep, show, test or remove your key for Gemini or for the hub")
    parser.add_argument("action", choices=("set", "show", "test", "remove"))
    parser.add_argument(
        "service",
        nargs="?",
        choices=tuple(VARIABLES),
        default=GEMINI,
        help="whose key: gemini (default), or huggingface for models that ask for an account",
    )
    json_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: Arguments) -> int:
    """Does it. A key is read from the terminal or from standard input, never from an argument."""
    service = arguments.service
    if arguments.action == "set":
        api_key.store_key(_read(service), service)
        say("Kept the key in the system's keyring.")
    elif arguments.action == "remove":
        say("Removed the key." if api_key.remove_key(service) else "The keyring held no key.")
    elif arguments.action == "show":
        found = api_key.find_key(service)
        say(f"Key {found}." if found else "There is no key.")
    elif arguments.json:
        _print_test(service)
    else:
        _say_test(*_test(service))
    return 0


def _print_test(service: str) -> None:
    """The test as the window asks for it: what the key may do, or why not."""
    try:
        key, found = _test(service)
    except DermaError as error:
        print_json({"error": {"code": error.code, "values": error.values}})
        raise
    print_json({"key": str(key)} | found)


def _say_test(key: ApiKey, found: dict[str, Any]) -> None:
    more = f"It belongs to {found['owner']}" if "owner" in found else f"Models: {', '.join(found['models'])}"
    say(f"The key {key} works. {more}.")


def _read(service: str) -> str:
    if sys.stdin.isatty():
        import getpass

        return getpass.getpass(f"{service} key: ")
    return sys.stdin.readline()


def _test(service: str) -> tuple[ApiKey, dict[str, Any]]:
    """Asks the service about the key: free, and no image is sent. Its ``models``, or its ``owner``."""
    from dermagui.logs import hide

    key = api_key.find_key(service)
    if key is None:
        raise UserError("key.missing" if service == GEMINI else "key.missing_token")
    hide(key.value)
    return key, {GEMINI: _test_gemini, HUGGINGFACE: _test_huggingface}[service](key)


def _test_huggingface(key: ApiKey) -> dict[str, Any]:
    from dermagui.chat import hub

    with hub.connect(key.value) as opened:
        return {"owner": hub.owner_of_token(opened)}


def _test_gemini(key: ApiKey) -> dict[str, Any]:
    import asyncio

    from dermagui import settings
    from dermagui.generation.gemini import Gemini, Service

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

    return {"models": asyncio.run(models())}
