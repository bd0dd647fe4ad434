"""What the window remembers of itself: its geometry, the projects that were open, what was seen before."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings

from dermagui import paths

MOST_RECENT = 10
MODEL = "chat/model"
"""Under this key: the name of the bundle that was chosen for the chat last."""


def window_state() -> QSettings:
    """The INI file that holds it, beside the settings."""
    return QSettings(str(paths.config_folder() / "window.ini"), QSettings.Format.IniFormat)


def recent_projects() -> list[Path]:
    """The folders of the projects that were open, the last one first."""
    found = window_state().value("projects/recent", [])
    texts = found if isinstance(found, list) else [found]
    return [Path(text) for text in texts if isinstance(text, str) and text]


def remember_project(folder: Path) -> None:
    """Puts a folder first among the recent ones."""
    others = [path for path in recent_projects() if path != folder]
    window_state().setValue("projects/recent", [str(path) for path in [folder, *others][:MOST_RECENT]])


def forget_project(folder: Path) -> None:
    """Takes a folder off the recent ones."""
    left = [str(path) for path in recent_projects() if path != folder]
    window_state().setValue("projects/recent", left)


def is_set(key: str) -> bool:
    """Whether a mark was set here before."""
    return window_state().value(key, "") == "yes"


def set_mark(key: str, on: bool = True) -> None:
    """Sets or takes away a mark."""
    window_state().setValue(key, "yes" if on else "")


def kept_bytes(key: str) -> QByteArray:
    """Geometry as Qt packed it; empty where there is none."""
    found = window_state().value(key, QByteArray())
    return found if isinstance(found, QByteArray) else QByteArray()
