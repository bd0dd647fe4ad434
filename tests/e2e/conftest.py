"""The processes that these tests start look like those of a user; see ``tests/fakes/app_only``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

APP_ONLY = Path(__file__).parents[1] / "fakes" / "app_only"


@pytest.fixture(autouse=True)
def app_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the folder before that of every test."""
    monkeypatch.setenv("PYTHONPATH", str(APP_ONLY), prepend=os.pathsep)
