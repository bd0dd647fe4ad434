"""The frozen app: built, moved away from its sources, started with an empty environment, run end to end."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from tests.fakes import tiny_models

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="run on Linux only so far"),
    pytest.mark.skipif(not importlib.util.find_spec("PyInstaller"), reason="make installs PyInstaller"),
]

_VIEWS = ("light-none-library.png", "dark-empty-library.png", "light-empty-generate.png")
_FEWEST_LETTERS = 12
"""A line with no more different shapes than that is one of boxes."""


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


def test_the_window_paints_what_it_paints_outside(app: Path, tmp_path: Path) -> None:
    """Pictures that the windowed program takes of itself: without fonts it would paint boxes and end well."""
    frozen = _pictures([app / "dermagui"], {"HOME": str(tmp_path)}, tmp_path / "frozen")
    other = _pictures([sys.executable, "-m", "dermagui"], {"HOME": str(tmp_path)}, tmp_path / "other")
    for name in _VIEWS:
        assert len(_letters(frozen / name)) > _FEWEST_LETTERS
        with Image.open(frozen / name) as ours, Image.open(other / name) as theirs:
            differing = ImageChops.difference(ours.convert("L"), theirs.convert("L"))
        assert ImageStat.Stat(differing).mean[0] < 1, name


def test_boxes_are_not_taken_for_letters(app: Path, tmp_path: Path) -> None:
    """The same look at the same program on a computer without fonts fails."""
    (tmp_path / "fonts").mkdir()
    configuration = tmp_path / "fonts.conf"
    configuration.write_text(f"<fontconfig><dir>{tmp_path / 'fonts'}</dir></fontconfig>", encoding="utf-8")
    bare = {"HOME": str(tmp_path), "FONTCONFIG_FILE": str(configuration)}
    pictures = _pictures([app / "dermagui"], bare, tmp_path / "pictures")
    for name in _VIEWS:
        assert len(_letters(pictures / name)) <= _FEWEST_LETTERS


def _pictures(program: list[str | Path], environment: dict[str, str], folder: Path) -> Path:
    done = subprocess.run(
        [*program, "window", "--pictures", folder],
        env=environment,
        cwd=ROOT if program[0] == sys.executable else folder.parent,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    assert "Traceback" not in done.stderr, done.stderr[-2_000:]
    return folder


def _letters(picture: Path) -> set[bytes]:
    """The different shapes between blank columns in the line at the foot, which says what this is not for."""
    with Image.open(picture) as image:
        line = image.convert("L").crop((0, image.height - 22, image.width // 2, image.height - 2))
    paper = line.getpixel((line.width - 1, 10))
    ink = line.point([255 * (abs(value - paper) > 60) for value in range(256)])  # type: ignore[operator]
    shapes, shape = set(), b""
    for x in range(ink.width):
        column = ink.crop((x, 0, x + 1, ink.height)).tobytes()
        if any(column):
            shape += column
        else:
            shapes.add(shape)
            shape = b""
    return shapes - {b""}


def test_the_frozen_program_chats(app: Path, tmp_path: Path) -> None:
    """Its llama.cpp lies inside and answers as the one outside does."""
    arguments = ["chat", "--model", str(tiny_models.llama_pair(tmp_path).model), "--prompt", "What is seen?"]
    arguments += ["--max-tokens", "8", "--threads", "1", "--gpu-layers", "0", "--json"]
    frozen = run(app, tmp_path / "home", *arguments)
    assert frozen.returncode == 0, frozen.stderr[-2_000:]
    other = subprocess.run(
        [sys.executable, "-m", "dermagui", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert other.returncode == 0, other.stderr[-2_000:]
    said = [json.loads(output)["tokens"] for output in (frozen.stdout, other.stdout)]
    assert said[0]
    assert said[0] == said[1]
