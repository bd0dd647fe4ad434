"""The processes that these tests start look like those of a user; see ``tests/fakes/app_only``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APP_ONLY = ROOT / "tests" / "fakes" / "app_only"


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


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The frozen folder, at another place than the one in which it was built."""
    built = subprocess.run(
        [sys.executable, "packaging/build_app.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr[-2_000:]
    place = tmp_path_factory.mktemp("frozen") / "dermagui"
    (ROOT / "dist" / "dermagui").rename(place)
    return place
