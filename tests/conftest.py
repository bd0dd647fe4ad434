"""What every test stands on: a data folder of its own, no key, no keyring, no network, no thread left over.

The children that a test starts inherit all of it through their environment.
"""

from __future__ import annotations

import os
import runpy
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

OFFLINE_FOLDER = Path(__file__).parent / "offline"
KEY_PREFIXES = ("GEMINI_", "GOOGLE_", "HF_", "HUGGING_FACE_")

# Threads that a library starts once and keeps for as long as the process lives: tqdm's and fsspec's.
LASTING_THREADS = ("TMonitor", "fsspecIO")

# A deadline would measure how busy the machine is.
settings.register_profile("dermagui", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dermagui")


def pytest_configure(config: pytest.Config) -> None:
    """Closes the network and cleans the environment before the first test module is imported."""
    runpy.run_path(str(OFFLINE_FOLDER / "sitecustomize.py"))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts so what runs in its background, and every child that a test interrupts inherits it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = tempfile.TemporaryDirectory(prefix="dermagui-tests-")
    config.add_cleanup(folder.cleanup)
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    for name in [name for name in os.environ if name.startswith(KEY_PREFIXES)]:
        patch.delenv(name)
    for name, value in _environment(Path(folder.name)).items():
        patch.setenv(name, value)
    patch.setenv("PYTHONPATH", str(OFFLINE_FOLDER), prepend=os.pathsep)


def _environment(folder: Path) -> dict[str, str]:
    return {
        "DERMAGUI_HOME": str(folder / "dermagui"),
        "HF_HOME": str(folder / "huggingface"),
        "HF_HUB_OFFLINE": "1",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }


@pytest.fixture(autouse=True)
def dermagui_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of this one test, empty, and not inside its ``tmp_path``."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("DERMAGUI_HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Fails a test that ends while a thread which it started still runs."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before and not _lasts(thread)]
    for thread in left:
        thread.join(timeout=30)
    names = [thread.name for thread in left if thread.is_alive()]
    assert not names, f"threads that this test started and left running: {', '.join(names)}"


def _lasts(thread: threading.Thread) -> bool:
    return thread.name in LASTING_THREADS or type(thread).__name__ in LASTING_THREADS
