"""The window as it is really started: one process, a second one that finds it, a signal that closes it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dermagui import paths
from dermagui.project import create_project
from dermagui.ui.pages import PAGES
from dermagui.ui.shell import state

_PATIENCE_SECONDS = 60


def _start(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dermagui", "window", *arguments]
    return subprocess.Popen(
        command, env={**os.environ, "QT_QPA_PLATFORM": "offscreen"}, stderr=subprocess.PIPE
    )


def _wait_for_project(folder: Path) -> None:
    """Waits until a window has opened that project."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while folder not in state.recent_projects():
        assert time.monotonic() < end, f"{folder} was not opened"
        time.sleep(0.05)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The first window, with a project open."""
    create_project(tmp_path / "first")
    with _start(str(tmp_path / "first")) as process:
        _wait_for_project(tmp_path / "first")
        yield process
        process.kill()


def test_a_second_start_ends_at_once_and_its_project_is_opened_by_the_first(
    started: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    create_project(tmp_path / "second")
    with _start(str(tmp_path / "second")) as second:
        assert second.wait(timeout=_PATIENCE_SECONDS) == 0
    _wait_for_project(tmp_path / "second")
    assert started.poll() is None


def test_a_signal_closes_the_window_in_order(started: subprocess.Popen[bytes], tmp_path: Path) -> None:
    started.send_signal(signal.SIGTERM)
    assert started.wait(timeout=_PATIENCE_SECONDS) == 0
    assert started.stderr is not None
    said = started.stderr.read().decode()
    assert "Traceback" not in said
    assert not (tmp_path / "first" / "dermagui.db-wal").exists(), "the log was not folded into the database"
    assert (paths.config_folder() / "window.ini").is_file()


def test_pictures_of_every_page_are_taken(tmp_path: Path) -> None:
    with _start("--pictures", str(tmp_path / "pictures")) as process:
        assert process.wait(timeout=_PATIENCE_SECONDS) == 0
    assert state.recent_projects() == [], "the empty project that was made for them is gone"
    names = {path.stem for path in (tmp_path / "pictures").glob("*.png")}
    for look in ("light", "dark"):
        for page in PAGES:
            assert {f"{look}-none-{page}", f"{look}-empty-{page}"} <= names
        assert {f"{look}-none-palette", f"{look}-none-welcome-4", f"{look}-none-closing"} <= names
