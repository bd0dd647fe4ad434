"""The user's own keys, for Gemini and for the hub of models: in the system's keyring, in the environment,
or for this time only.

A key never stands in a log, a project, an export, an argument or a trace.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from dermagui.errors import UserError

GEMINI = "gemini"
HUGGINGFACE = "huggingface"

VARIABLES = {
    GEMINI: ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    HUGGINGFACE: ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
}
"""Service → the variables of the environment that may hold its key, the first that is set wins."""

_KEYRING = "dermagui"


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

    Services have changed the look of keys before: anything of plain characters is taken.
    """
    value = value.strip()
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise UserError("key.malformed")
    return value


def find_key(service: str = GEMINI) -> ApiKey | None:
    """The key of a service that holds: the keyring's, else the environment's; None where there is none."""
    stored = _keyring_value(service)
    if stored:
        return ApiKey(stored, "keyring")
    for variable in VARIABLES[service]:
        if os.environ.get(variable, "").strip():
            return ApiKey(check_key(os.environ[variable]), variable)
    return None


def store_key(value: str, service: str = GEMINI) -> None:
    """Keeps a key in the system's keyring. Raises ``UserError``: ``key.malformed``, ``key.no_keyring``."""
    import keyring
    from keyring.errors import KeyringError

    key = check_key(value)
    try:
        keyring.set_password(_KEYRING, service, key)
    except KeyringError as error:
        raise UserError("key.no_keyring", variable=VARIABLES[service][0]) from error
    if _keyring_value(service) != key:  # a keyring that is switched off takes everything and keeps nothing
        raise UserError("key.no_keyring", variable=VARIABLES[service][0])


def remove_key(service: str = GEMINI) -> bool:
    """Takes a key out of the keyring; False where there was none."""
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.delete_password(_KEYRING, service)
    except KeyringError:
        return False
    return True


def _keyring_value(service: str) -> str | None:
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(_KEYRING, service)
    except KeyringError:
        return None
