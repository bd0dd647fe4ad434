"""The user's settings, each declared once: key, type, default. Form, file and command line follow.

A machine policy file (``paths.policy_file()``) wins over what the user set, and is shown as such.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dermagui import paths
from dermagui.errors import UserError

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Setting:
    """A declared setting. ``choices`` is empty where anything of the type will do."""

    key: str
    default: Value
    choices: tuple[str, ...] = ()

    def parse(self, text: str) -> Value:
        """The value that a text stands for. Raises ``UserError`` ``settings.bad_value``."""
        try:
            text.encode()  # bytes of the command line that are no UTF-8 could not be kept
            return self.check(_PARSERS[type(self.default)](text))
        except (ValueError, KeyError) as error:
            raise self._bad(text) from error

    def check(self, value: object) -> Value:
        """The value itself, where it has this setting's type and is one of its choices."""
        if isinstance(self.default, float) and type(value) is int:
            value = float(value)
        if type(value) is not type(self.default) or (self.choices and value not in self.choices):
            raise self._bad(value)
        if type(value) is int and value < 1:  # every number here counts something
            raise self._bad(value)
        assert isinstance(value, (str, int, float, bool))
        return value

    def _bad(self, value: object) -> UserError:
        wanted = ", ".join(self.choices) or type(self.default).__name__
        return UserError("settings.bad_value", key=self.key, value=str(value), wanted=wanted)


_PARSERS: dict[type, Callable[[str], Value]] = {
    str: str,
    int: int,
    float: float,
    bool: {"true": True, "false": False}.__getitem__,
}

SETTINGS = {
    setting.key: setting
    for setting in (
        Setting("person.name", ""),
        Setting("window.theme", "system", ("system", "light", "dark")),
        Setting("gemini.model", "gemini-3.5-flash-lite"),
        Setting("gemini.base_url", "https://generativelanguage.googleapis.com"),
        Setting("gemini.api_version", "v1"),
        Setting("gemini.key_tier", "undeclared", ("undeclared", "free", "paid")),
        Setting("gemini.service_tier", "standard", ("standard", "flex")),
        Setting("gemini.timeout_seconds", 300),
        Setting("generation.concurrency", 8),
        Setting("generation.questions", 2),
        Setting("generation.metadata", "hidden", ("hidden", "given", "none")),
        Setting("generation.longest_side", 1024),
        Setting("generation.max_output_tokens", 2048),
        Setting("generation.bank", "general-en"),
        Setting("chat.idle_minutes", 10),
        Setting("hub.endpoint", "https://huggingface.co"),
        # Where the hub sends whoever asks for a large file; a dot in front means every host below.
        Setting("hub.redirect_hosts", ".huggingface.co .hf.co"),
    )
}


def get(key: str) -> Value:
    """The value that holds: the policy's, else the user's, else the default.

    Raises ``UserError``: ``settings.unreadable``, ``settings.bad_value``, ``settings.bad_policy``.
    """
    setting, fixed = SETTINGS[key], policy()
    if key in fixed:
        try:
            return setting.check(fixed[key])
        except UserError as error:  # the user cannot mend it, so it is told who can
            raise UserError("settings.bad_policy", **error.values, path=str(paths.policy_file())) from error
    own = _read(settings_file())
    return setting.check(own[key]) if key in own else setting.default


def text(key: str) -> str:
    """A setting that is text."""
    return str(get(key))


def number(key: str) -> int:
    """A setting that is a whole number."""
    return int(get(key))


def policy() -> dict[str, object]:
    """What whoever runs this machine has fixed, by key."""
    return _read(paths.policy_file())


def settings_file() -> Path:
    """Where the user's own values lie; only what differs from the default."""
    return paths.config_folder() / "settings.toml"


def set_value(key: str, text: str) -> Value:
    """Sets a value from its text and keeps it; what the file holds of no known setting is dropped.

    Raises ``UserError``: ``settings.unknown``, ``settings.bad_value``, ``settings.locked``.
    """
    if key not in SETTINGS:
        raise UserError("settings.unknown", key=key)
    if key in policy():
        raise UserError("settings.locked", key=key, path=str(paths.policy_file()))
    value = SETTINGS[key].parse(text)
    values = {**_read(settings_file()), key: value}
    _write(settings_file(), {k: v for k, v in values.items() if k in SETTINGS and v != SETTINGS[k].default})
    return value


def _read(path: Path) -> dict[str, object]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError("settings.unreadable", path=str(path), detail=str(error)) from error
    import tomllib  # most people have no such file, and the window waits for this

    try:
        tables = tomllib.loads(text)
    except ValueError as error:
        raise UserError("settings.unreadable", path=str(path), detail=str(error)) from error
    return {
        f"{table}.{name}": value
        for table, values in tables.items()
        if isinstance(values, dict)
        for name, value in values.items()
    }


def _write(path: Path, values: dict[str, object]) -> None:
    tables: dict[str, list[str]] = {}
    for key, value in sorted(values.items()):
        table, _, name = key.partition(".")
        # JSON's texts are TOML's, but for the one sign that JSON does not mind.
        text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        tables.setdefault(table, []).append(f"{name} = {text}")
    text = "\n".join(f"[{table}]\n" + "\n".join(lines) + "\n" for table, lines in tables.items())
    beside = path.with_suffix(".new")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)
