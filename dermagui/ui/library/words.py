"""Counts in words: one thing is not called many."""

from __future__ import annotations

from PySide6.QtCore import QLocale


def counted(count: int, one: str, many: str) -> str:
    """``one`` where there is just one; else ``many``, with the number in place of ``{count}``."""
    return (one if count == 1 else many).format(count=QLocale().toString(count))
