"""The user's own key for Gemini: in the system's keyring, in the environment, or for this time only.

A key never stands in a log, a project, an export, an argument or a trace.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from dermagui.errors import UserError

_SERVICE = "dermagui"
_ACCOUNT = "gemini"
_VARIABLES = ("GEMINI_API_KEY", "GOOGLE_API_KEY")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key and where it came from. Shown, it is its last four characters."""

    value: str = field(repr=False)
    origin: str

    @property
    def ending(self) -> str:
        """The last four characters, for telling keys apart."""
        return f"…{self.value[-4:]}" if len(self.value) > 8 else "…"

    def __str__(self) -> str:
        return f"{self.ending} ({self.origin})"


def check_key(value: str) -> str:
    """A key without the blanks around it. Raises ``UserError`` ``key.malformed``.

    Google has changed the look of keys before: anything of plain characters is taken.
    """
    value = value.strip()
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise UserError("key.malformed")
    return value


def find_key() -> ApiKey | None:
    """The key that holds: the keyring's, else the environment's; None where there is none."""
    stored = _keyring_value()
    if stored:
        return ApiKey(stored, "keyring")
    for variable in _VARIABLES:
        if os.environ.get(variable, "").strip():
            return ApiKey(check_key(os.environ[variable]), variable)
    return None


def store_key(value: str) -> None:
    """Keeps a key in the system's keyring. Raises ``UserError``: ``key.malformed``, ``key.no_keyring``."""
    import keyring
    from keyring.errors import KeyringError

    key = check_key(value)
    try:
        keyring.set_password(_SERVICE, _ACCOUNT, key)
    except KeyringError as error:
        raise UserError("key.no_keyring") from error
    if _keyring_value() != key:  # a keyring that is switched off takes everything and keeps nothing
        raise UserError("key.no_keyring")


def remove_key() -> bool:
    """Takes the key out of the keyring; False where there was none."""
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.delete_password(_SERVICE, _ACCOUNT)
    except KeyringError:
        return False
    return True


def _keyring_value() -> str | None:
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(_SERVICE, _ACCOUNT)
    except KeyringError:
        return None
