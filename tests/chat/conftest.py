"""The compiled engine and models of random weights for its tests."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

from tests.fakes import tiny_models
from tests.fakes.tiny_models import Pair

STAMP = Path(__file__).parents[2] / ".venv" / "llama.stamp"


@pytest.fixture(scope="session")
def engine() -> ModuleType:
    """``tests.fakes.raw_engine``; skipped until llama-cpp-python is compiled, failed where it must be."""
    if importlib.util.find_spec("llama_cpp") is None:
        if os.environ.get("CI") or STAMP.exists():
            pytest.fail("llama-cpp-python is missing: make .venv/llama.stamp")
        pytest.skip("llama-cpp-python is not compiled yet: make .venv/llama.stamp")
    from tests.fakes import raw_engine

    raw_engine.silence()
    return raw_engine


@pytest.fixture(scope="session")
def llama_pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A ``llama`` with a projector that makes 16 tokens of any picture."""
    return tiny_models.llama_pair(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def qwen_pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A ``qwen2vl``: tokens by the size of the picture, positions in two dimensions."""
    return tiny_models.qwen_pair(tmp_path_factory.mktemp("qwen"))


@pytest.fixture(scope="session")
def gemma_pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A ``gemma3``: image tokens that see each other, a sliding window."""
    return tiny_models.gemma_pair(tmp_path_factory.mktemp("gemma"))
