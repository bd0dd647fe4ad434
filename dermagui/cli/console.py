"""What the command line prints: one JSON object on stdout where asked for, all else on stderr."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, TypeAlias

from dermagui.errors import DermaError
from dermagui.texts import sentence

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Arguments: TypeAlias = argparse.Namespace

_state = {"line": ""}


def print_json(value: object) -> None:
    """One JSON object on stdout, and nothing else there."""
    print(json.dumps(value, ensure_ascii=True, indent=1, default=str))


def say(text: str = "") -> None:
    """A line for a person."""
    _clear_line()
    print(text, file=sys.stderr, flush=True)


def say_error(error: DermaError) -> None:
    """An error as one sentence with what to do."""
    say(f"dermagui: {sentence(error.code, error.values)}")


def say_progress(done: int, total: int | None, unit: str, more: str = "") -> None:
    """Progress in place on a terminal; elsewhere only its beginning and its end."""
    text = f"  {done:,} of {total:,} {unit}" if total else f"  {done:,} {unit}"
    if sys.stderr.isatty():
        _clear_line()
        _state["line"] = text + more
        print(_state["line"], end="", file=sys.stderr, flush=True)
    elif done == total:
        print(text + more, file=sys.stderr, flush=True)


def ask(question: str) -> bool:
    """A question that only an explicit yes answers with yes; without a terminal the answer is no."""
    _clear_line()
    if not sys.stdin.isatty():
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def usd(micro_usd: int) -> str:
    """Money for people: two digits, or as many as a small sum needs."""
    amount = micro_usd / 1_000_000
    return f"${amount:,.2f}" if amount >= 1 or micro_usd == 0 else f"${amount:.4f}"


def project_argument(parser: argparse.ArgumentParser) -> None:
    """The project that a command works on."""
    parser.add_argument("project", type=Path, metavar="PROJECT", help="folder of the project")


def json_argument(parser: argparse.ArgumentParser) -> None:
    """``--json`` of a command that tells something."""
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")


def positive_number(text: str) -> int:
    """An option's value that is a whole number above zero."""
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def counts_line(counts: dict[str, Any]) -> str:
    """Counts in one line, the zeros left out."""
    told = [
        f"{value:,} {name.replace('_', ' ')}"
        for name, value in counts.items()
        if value and type(value) is int
    ]
    return ", ".join(told) or "nothing"


def _clear_line() -> None:
    if _state["line"]:
        print("\r" + " " * len(_state["line"]) + "\r", end="", file=sys.stderr)
        _state["line"] = ""
