"""Moments and identities: UTC times as text, and identities that sort by time."""

from __future__ import annotations

import os
import time
import uuid
from datetime import UTC, datetime


def now() -> str:
    """The present time, UTC, ISO 8601 with milliseconds: ``2026-03-01T09:30:00.123Z``."""
    return as_text(datetime.now(UTC))


def as_text(moment: datetime) -> str:
    """A moment with a time zone as the text that the database keeps."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_uid(after: str = "") -> str:
    """A UUID of version 7 (RFC 9562): milliseconds, then the fraction of one, then chance.

    It sorts behind the uid ``after`` even if the clock was set back, or another computer's is ahead.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    uid = _uid(milliseconds, (rest << 12) // 1_000_000)
    return uid if uid > after else _uid((uuid.UUID(after).int >> 80) + 1, 0)


def _uid(milliseconds: int, fraction: int) -> str:
    chance = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    return str(uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | chance))
