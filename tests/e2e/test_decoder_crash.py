"""A file that makes its decoder crash: the process that decodes it is gone, and nothing else is."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from dermagui.texts import sentence
from tests.fakes import command_line as cl

CRASHING = Path(__file__).parents[1] / "fakes" / "crashing_decoder"
KILLED, FAULTY = 401, 402
"""Widths of pictures that no process survives, see ``crashing_decoder``."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals"),
]


def crashing() -> dict[str, str]:
    """An environment in which the decoder crashes."""
    return {"PYTHONPATH": os.pathsep.join([str(CRASHING), os.environ["PYTHONPATH"]])}


def states(project: Path) -> dict[str, str]:
    """Every file of the project by its name, and what became of it."""
    rows = cl.read(project, "SELECT path, state, error FROM files")
    return {row["path"]: json.loads(row["error"])["code"] if row["error"] else row["state"] for row in rows}


@pytest.mark.parametrize("deadly", [(KILLED,), (FAULTY,), (KILLED, FAULTY, KILLED)])
def test_a_decoder_that_crashes_costs_only_its_own_file(tmp_path: Path, deadly: tuple[int, ...]) -> None:
    """All others are indexed, the crash is told, and the next look ends the same way."""
    pictures = cl.draw_pictures(tmp_path / "pictures", range(12))
    bad = [f"0005 {number}.png" for number in range(len(deadly))]  # in the middle of the walk
    for name, width in zip(bad, deadly, strict=True):
        Image.new("RGB", (width, 30), (9, 9, width % 256)).save(pictures / name)
    project = tmp_path / "project"
    cl.run("new", project)
    done = cl.run("add", project, pictures, "--json", environment=crashing())
    assert (done.json["new"], done.json["unreadable"]) == (12 + len(bad), len(bad))
    for name in bad:
        assert sentence("image.crashed_decoder", {"path": name}) in done.err
    healthy = {f"{number:04}.png": "ready" for number in range(12)}
    assert states(project) == healthy | dict.fromkeys(bad, "image.crashed_decoder")
    assert cl.run("status", project, "--json").json["images"]["ready"] == 12
    again = cl.run("add", project, pictures, "--json", environment=crashing()).json
    assert (again["new"], again["unchanged"], again["unreadable"]) == (0, 12, len(bad))


def test_what_could_not_be_read_is_tried_again(tmp_path: Path) -> None:
    """Decoders, drives and permissions are mended without a trace in the file's size or time."""
    pictures = cl.draw_pictures(tmp_path / "pictures", range(2))
    Image.new("RGB", (KILLED, 30)).save(pictures / "bad.png")
    project = tmp_path / "project"
    cl.run("new", project)
    cl.run("add", project, pictures, environment=crashing())
    assert states(project)["bad.png"] == "image.crashed_decoder"
    again = cl.run("add", project, pictures, "--json").json
    assert (again["changed"], again["unchanged"], again["unreadable"]) == (1, 2, 0)
    assert states(project)["bad.png"] == "ready"


def test_a_picture_that_kills_its_worker_costs_its_own_requests_only(tmp_path: Path) -> None:
    """The scan, which decodes it small, had passed; the full size does not."""
    pictures = cl.draw_pictures(tmp_path / "pictures", range(12))
    Image.effect_noise((KILLED, 300), 50).convert("RGB").save(pictures / "0005 killer.png")
    project = tmp_path / "project"
    cl.run("new", project)
    cl.run("add", project, pictures, "--may-leave")
    arguments = ("generate", project, "--provider", "practice", "--questions", "1", "--json")
    done = cl.run(*arguments, environment=crashing())
    assert (done.code, done.json["sent"], done.json["left"]) == (0, 12, 0)
    assert done.err.count(sentence("image.crashed_decoder", {"path": str(pictures / "0005 killer.png")})) == 1
    assert cl.run(*arguments).json["sent"] == 1  # where its decoder lives, it is not left out for ever
