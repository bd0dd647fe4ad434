"""The frozen app: built, moved away from its sources, started with an empty environment, run end to end."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="run on Linux only so far"),
    pytest.mark.skipif(not importlib.util.find_spec("PyInstaller"), reason="make installs PyInstaller"),
]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The frozen folder, at another place than the one in which it was built."""
    built = subprocess.run(
        [sys.executable, "packaging/build_app.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr[-2_000:]
    place = tmp_path_factory.mktemp("frozen") / "dermagui"
    (ROOT / "dist" / "dermagui").rename(place)
    return place


def run(app: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The console program with nothing in its environment but a home."""
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [app / "dermagui-console", *arguments],
        env={"HOME": str(home)},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_demo_runs_to_its_end(app: Path, tmp_path: Path) -> None:
    done = run(app, tmp_path / "home", "demo", "--out", "report")
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    assert (tmp_path / "home" / "report" / "index.html").stat().st_size > 10_000


def test_nothing_is_loaded_from_outside(app: Path, tmp_path: Path) -> None:
    """What the running program has mapped is its own folder's and the system's, never this checkout's."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "script").write_text("{}")
    child = subprocess.Popen(
        [app / "dermagui-console", "rehearsal-server", "--script", home / "script", "--log", home / "log"],
        env={"HOME": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert "base_url" in json.loads(child.stdout.readline())
    maps = Path(f"/proc/{child.pid}/maps").read_text(encoding="utf-8")
    child.communicate()
    places = {line.split(None, 5)[5] for line in maps.splitlines() if len(line.split(None, 5)) == 6}
    ours = {place for place in places if "/site-packages/" in place or place.startswith(os.fspath(ROOT))}
    assert not ours
    assert any(place.startswith(os.fspath(app)) for place in places)


def test_the_licences_of_everything_are_inside(app: Path) -> None:
    licences = app / "_internal" / "licences"
    told = (licences / "packages.txt").read_text(encoding="utf-8")
    for package in ("pyside6-essentials", "pillow", "google-genai", "sqlite-utils", "llama-cpp-python"):
        assert package in told
        assert any((licences / package).iterdir()), f"{package} has no licence text"
    assert "unknown" not in told
    named = (licences / "system.txt").read_text(encoding="utf-8").splitlines()
    libraries = {path.name for path in (app / "_internal").glob("*.so*") if not path.is_symlink()}
    assert {line.partition(":")[0] for line in named} == libraries
