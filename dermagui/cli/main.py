"""Reads the command line, runs the command, and turns what happened into an exit code.

0 done · 1 our bug · 2 wrong usage · 3 a problem that the user can mend · 4 stopped, parked or budget
reached: running again continues.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from dermagui import __version__
from dermagui.errors import DermaError, Stopped, from_os_error

DONE, BUG, USAGE, USER, RESUMABLE = range(5)

COMMANDS = (
    "new",
    "add",
    "images",
    "generate",
    "status",
    "review",
    "export",
    "train",
    "train_env",
    "bundle",
    "forget",
    "ledger",
    "airplane",
    "key",
    "settings",
    "model",
    "chat",
    "chats",
    "classify",
    "reference",
    "demo",
    "job",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    parser = _parser()
    parsed, rest = parser.parse_known_args(arguments)
    if rest:
        # argparse loses positional arguments that come after options; only ``review`` takes any number.
        if "pairs" not in parsed or any(text.startswith("-") for text in rest):
            _refuse(parser, parsed.command, rest)
        parsed.pairs += rest
    from dermagui.cli.console import say_error
    from dermagui.logs import start_logging

    start_logging(to_stderr=parsed.command == "job")
    try:
        code = int(parsed.run(parsed))
        sys.stdout.flush()
        return code
    except Stopped as error:
        say_error(error)
        return RESUMABLE
    except DermaError as error:
        say_error(error)
        return USER
    except UnicodeEncodeError:
        say_error(DermaError("text.not_unicode"))
        return USER
    except BrokenPipeError:
        # Whoever read our output has gone; what Python still holds of it must not fail at the very end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        say_error(from_os_error(error, error.filename or "."))
        return USER
    except KeyboardInterrupt:
        return RESUMABLE
    except Exception:
        import logging
        import traceback

        from dermagui.logs import redacted

        logging.getLogger(__name__).exception("a command failed")
        sys.stderr.write(redacted(traceback.format_exc()))
        say_error(DermaError("bug"))
        return BUG


def _refuse(parser: argparse.ArgumentParser, command: str, rest: list[str]) -> NoReturn:
    """Ends with the usage of the command itself, and the option that was perhaps meant."""
    import difflib

    parsers = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    chosen: argparse.ArgumentParser = parsers.choices[command]
    options = [option for action in chosen._actions for option in action.option_strings]
    near = [found for text in rest for found in difflib.get_close_matches(text, options, 1)]
    meant = f"; perhaps {' '.join(near)}?" if near else ""
    chosen.error(f"nothing is known of {' '.join(rest)}{meant}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dermagui",
        description="From a folder of skin images to reviewed image-text pairs and a model of one's own. "
        "Research use only. Not a medical device. Do not use for diagnosis.",
    )
    parser.add_argument("--version", action="version", version=f"dermagui {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(f"dermagui.cli.{name}").declare(commands)
    for each in (parser, *commands.choices.values()):
        each.allow_abbrev = False  # an option cut short is not said: --all is not --all-unflagged
    return parser
