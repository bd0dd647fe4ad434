"""The processes that these tests start look like those of a user; see ``tests/fakes/app_only``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

APP_ONLY = Path(__file__).parents[1] / "fakes" / "app_only"


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the children keep what Python compiles; where nothing is kept, each start takes seconds."""
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture(autouse=True)
def app_only(monkeypatch: pytest.MonkeyPatch, bytecode: Path) -> None:
    """Puts the folder before that of every test."""
    monkeypatch.setenv("PYTHONPATH", str(APP_ONLY), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(bytecode))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
