"""The window's pictures in the report: what is claimed of them, and what is said where there are none."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dermagui.demo import showing
from dermagui.demo.report import write_report
from dermagui.demo.showing import SCALES, show_window
from dermagui.demo.steps import Shell, Tour

_CHILD = """
import json, os, sys
from pathlib import Path
from PIL import Image
out, rows = Path(sys.argv[3]), json.loads(os.environ["ROWS"])
(out / "small").mkdir(parents=True)
scale = round(100 * float(os.environ["QT_SCALE_FACTOR"]))
rows = [row | {"scale": scale} for row in rows if row["scale"] in (scale, None)]
for row in rows:
    picture = Image.new("RGB", (8, 8), tuple(row.pop("colour", (scale, 0, 0))))
    for folder in (out, out / "small"):
        picture.save(folder / row["file"])
(out / "pictures.json").write_text(json.dumps(rows))
assert "GEMINI_API_KEY" not in os.environ
"""


@pytest.fixture
def tour(tmp_path: Path) -> Tour:
    """A tour whose project nobody looks at."""
    work = tmp_path / "report" / "work"
    work.mkdir(parents=True)
    shell = Shell(work, work / "home", "canary-of-this-test")
    return Tour(tmp_path / "report", tmp_path, None, shell, {})


def _row(view: str, look: str, *, scale: int | None = None, job: int | None = None) -> dict[str, Any]:
    file = f"{look}-project-{view}.png"
    return {"file": file, "view": view, "look": look, "state": "project", "scale": scale, "job": job}


def _complete() -> list[dict[str, Any]]:
    """Two looks at each scale, each with a page and two pictures of a run of its own."""
    rows = []
    for n, (look, scale) in enumerate((look, scale) for look in ("light", "dark") for scale in SCALES):
        rows.append(_row("library", look, scale=scale))
        rows += [
            _row(f"generate-running-{k}", look, scale=scale, job=100 + n) | {"colour": [n, k, 9]}
            for k in (1, 2)
        ]
    return rows


def _show(tour: Tour, monkeypatch: pytest.MonkeyPatch, child: str, rows: object = ()) -> list[bool | None]:
    monkeypatch.setenv("ROWS", json.dumps(rows))
    monkeypatch.setattr(showing, "program", lambda: [sys.executable, "-c", child])
    write_report(tour, 1.0, show_window(tour))
    return [claim.holds for claim in tour.stages[-1].claims]


def test_every_picture_stands_in_the_report_and_leads_to_its_full_size(
    tour: Tour, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _show(tour, monkeypatch, _CHILD, _complete()) == [True, True]
    page = (tour.out / "index.html").read_text(encoding="utf-8")
    for scale in SCALES:
        for look in ("light", "dark"):
            name = f"{scale}/{look}-project-library.png"
            assert f'<a href="window/{name}">' in page
            assert (tour.out / "window" / name).is_file()
            assert f'src="window/{scale}/small/{look}-project-library.png"' in page
    assert "process 103 at work" in page
    assert page.count("<summary>Generate: 8 pictures") == 1


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        pytest.param(lambda rows: rows.pop(0), [False, True], id="a page lacks in one look"),
        pytest.param(lambda rows: [r.update(job=None) for r in rows], [True, False], id="no run lived"),
        pytest.param(lambda rows: [r.update(job=7) for r in rows if r["job"]], [True, False], id="one run"),
        pytest.param(lambda rows: [r.update(colour=[1, 1, 1]) for r in rows], [True, False], id="no move"),
        pytest.param(
            lambda rows: rows.__setitem__(slice(None), [r for r in rows if r["look"] == "light"]),
            [False, True],
            id="nothing in the dark",
        ),
    ],
)
def test_no_line_holds_when_the_pictures_lack_it(
    tour: Tour, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Any], object], expected: list[bool]
) -> None:
    rows = _complete()
    spoil(rows)
    assert _show(tour, monkeypatch, _CHILD, rows) == expected


@pytest.mark.parametrize(
    ("child", "holds", "words"),
    [
        (
            "raise ImportError('libEGL.so.1: cannot open shared object file')",
            None,
            "ImportError: libEGL.so.1",
        ),
        ("import sys; sys.exit('the window fell over')", False, "the window fell over"),
        ("import os; os._exit(6)", False, "it said nothing"),
    ],
)
def test_where_no_window_can_be_drawn_one_line_says_why(
    tour: Tour, monkeypatch: pytest.MonkeyPatch, child: str, holds: bool | None, words: str
) -> None:
    assert _show(tour, monkeypatch, child) == [holds]
    assert words in tour.stages[-1].claims[0].found
    assert "The window in pictures" not in (tour.out / "index.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_window_draws_itself_in_both_looks_and_sizes(
    tour: Tour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real one, with the demo's project: the pictures are looked at, pixel by pixel."""
    from dermagui.demo.project import make_demo_project

    make_demo_project(tmp_path / "made").rename(tour.project)
    before = {path: path.read_bytes() for path in tour.project.glob("*.db")}
    pictures = {(p.view, p.look, p.state, p.scale): p for p in show_window(tour)}
    assert [claim.holds for claim in tour.stages[-1].claims] == [True, True], tour.stages[-1]
    assert {path: path.read_bytes() for path in tour.project.glob("*.db")} == before, "it showed a copy"
    for (view, look, state, scale), picture in pictures.items():
        with Image.open(picture.path) as image:
            grey = image.convert("L").resize((64, 40))
            colours = len(image.convert("RGB").resize((320, 200)).getcolors(64_000) or [])
        assert colours > 20, f"{picture.path}: next to nothing is drawn"
        middle = sorted(grey.tobytes())[64 * 20]
        assert (middle > 128) == (look == "light") or view.startswith(("review", "library")), picture.path
        if scale == 200:
            with Image.open(picture.path) as image, Image.open(pictures[view, look, state, 100].path) as half:
                # A sheet may find other line breaks at another scale, a window keeps its size.
                assert abs(image.width / half.width - 2) < 0.1, picture.path
