"""Names that tell nobody who is meant, the same in every export of a project and in none of another."""

from __future__ import annotations

import hmac
import secrets
from base64 import b32encode

_LENGTH = 12
"""Characters of five bits: at a million names a collision has a chance of one in two million."""


def new_secret() -> bytes:
    """A key for one project: 32 random bytes that must never leave it."""
    return secrets.token_bytes(32)


def pseudonym(secret: bytes, kind: str, value: str) -> str:
    """A name such as ``P-K3V7QZ2MNB4A`` for a value of a kind (patient, lesion, image, …).

    Without the secret nobody can try out which of a list of patients it is. Raises ``ValueError`` for an
    empty secret or kind.
    """
    if not secret or not kind:
        raise ValueError("a pseudonym needs a secret and a kind")
    digest = hmac.digest(secret, f"{kind}\0{value}".encode("utf-8", "surrogatepass"), "sha256")
    return f"{kind[0].upper()}-{b32encode(digest).decode()[:_LENGTH]}"
