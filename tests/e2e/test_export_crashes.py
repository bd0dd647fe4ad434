"""An export that is killed in its middle: its place stays empty, and the next export cleans up and works."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from PIL import Image

from dermagui.texts import sentence
from tests.fakes import command_line as cl
from tests.fakes.referee import Referee

CRASHING = Path(__file__).parents[1] / "fakes" / "crashing_decoder"
KILLED = 401
"""The width of a picture that kills its decoder, see ``crashing_decoder``."""
PICTURES = 40

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals"),
]


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with forty pairs, each about a picture of its own."""
    folder = tmp_path_factory.mktemp("export")
    pictures = cl.draw_pictures(folder / "pictures", range(PICTURES - 1))
    Image.new("RGB", (KILLED, 300), (200, 150, 120)).save(pictures / "wide.png")
    with pytest.MonkeyPatch.context() as patch, Referee() as referee:
        patch.setenv("DERMAGUI_HOME", str(folder / "home"))
        project = cl.new_project(folder / "project", pictures)
        cl.run(*cl.gemini(project, referee, "--questions", "1"))
    return project


def export(project: Path, out: Path, *options: str) -> list[str]:
    """The arguments of an export of all pairs."""
    return ["export", str(project), str(out), "--format", "messages", "--state", "all", *options]


def unfinished(out: Path) -> list[Path]:
    """What an export has written beside its place."""
    return sorted(out.parent.glob(f"{out.name}.*.part"))


def check_whole(out: Path) -> None:
    """All pairs and pictures are there, and nothing lies beside them."""
    rows = [line for path in out.glob("*.jsonl") for line in path.read_text("utf-8").splitlines()]
    assert len(rows) == len(list((out / "images").iterdir())) == PICTURES
    assert (out / "manifest.json").is_file()
    assert list(out.parent.iterdir()) == [out]


def start_and_kill(project: Path, out: Path) -> cl.Done:
    """Starts an export, and kills its job when its rows are written and its pictures are not."""
    (latest,) = cl.read(project, "SELECT max(id) AS id FROM jobs")
    before = unfinished(out)
    command = cl.start(*export(project, out))
    cl.wait_until(
        lambda: (
            any((folder / "images").is_dir() for folder in unfinished(out) if folder not in before)
            or command.poll() is not None
        ),
        "pictures",
    )
    query = "SELECT pid FROM jobs WHERE id > ? AND pid <> ?"
    job = psutil.Process(int(cl.read(project, query, latest["id"], command.pid)[0]["pid"]))
    assert job.ppid() == command.pid
    workers = job.children(recursive=True)
    job.kill()
    _, alive = psutil.wait_procs(workers, timeout=cl.PATIENCE_SECONDS)
    assert not alive, "a worker outlives its job"
    return cl.finish(command)


def test_an_export_that_is_killed_leaves_nothing_at_its_place(answered: Path, tmp_path: Path) -> None:
    out = tmp_path / "exports" / "out"
    for _ in range(2):  # the second finds what the first has left
        done = start_and_kill(answered, out)
        assert (done.code, out.exists()) == (4, False), done.err
        assert sentence("job.died", {}) in done.err
        assert cl.latest_job(answered)["state"] == "died"
        (left,) = unfinished(out)
        assert list(left.glob("*.jsonl"))
        assert cl.read(answered, "SELECT * FROM datasets") == []
    cl.run(*export(answered, out))
    check_whole(out)
    assert len(cl.read(answered, "SELECT * FROM datasets")) == 1


def test_a_worker_that_is_killed_ends_the_export_in_order(answered: Path, tmp_path: Path) -> None:
    """As the system does where memory runs out: one sentence, nothing left over, and it can be run again."""
    out = tmp_path / "exports" / "out"
    smaller = export(answered, out, "--longest-side", "200")
    paths = {"PYTHONPATH": os.pathsep.join([str(CRASHING), os.environ["PYTHONPATH"]])}
    done = cl.run(*smaller, code=4, environment=paths)
    assert f"dermagui: {sentence('job.died', {})}" in done.err.splitlines()
    assert list(out.parent.iterdir()) == []
    assert cl.latest_job(answered)["state"] == "stopped"
    cl.run(*smaller)
    check_whole(out)


def test_an_interrupt_ends_the_export_and_takes_its_files_along(answered: Path, tmp_path: Path) -> None:
    """Ctrl+C, as long as pictures are to be written."""
    out = tmp_path / "exports" / "out"
    command = cl.start(*export(answered, out))
    cl.wait_until(lambda: unfinished(out) or command.poll() is not None, "rows")
    command.send_signal(signal.SIGINT)
    done = cl.finish(command)
    assert (done.code, list(out.parent.iterdir())) == (4, []), done.err
    assert cl.latest_job(answered)["state"] == "stopped"
    cl.run(*export(answered, out))
    check_whole(out)
