"""A new project's database for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dermagui.storage.database import Store
from tests.fakes.projects import new_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An open database in ``tmp_path / "project"``."""
    with new_store(tmp_path / "project") as store:
        yield store


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A database that the examples of a property test share."""
    with new_store(tmp_path_factory.mktemp("shared") / "project") as store:
        yield store
