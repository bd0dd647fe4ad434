"""Runs the real command line in processes of its own, and reads what it left behind without its help."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.referee import Post, Question, Referee, numbered_picture

FAKES = Path(__file__).parent
CANARY_KEY = "canary-key-that-nobody-may-find-7Q9Z"
PATIENCE_SECONDS = 120
NOT_HERE = 77
"""See ``unprivileged.py``."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Row:
        """The one JSON object that stdout must be."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


def start(
    *arguments: str | os.PathLike[str],
    environment: Mapping[str, str] | None = None,
    unprivileged: bool = False,
    folder: Path | None = None,
) -> subprocess.Popen[str]:
    """Starts ``dermagui ARGUMENTS`` as a user would, with the canary as key."""
    held = [os.fspath(FAKES / "unprivileged.py")] if unprivileged else []
    return subprocess.Popen(
        [sys.executable, *held, "-m", "dermagui", *map(os.fspath, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "GEMINI_API_KEY": CANARY_KEY, **(environment or {})},
        cwd=folder,
    )


def finish(process: subprocess.Popen[str]) -> Done:
    """Waits for a command; a Python trace on its stderr fails the test."""
    try:
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"a command did not end:\n{out}\n{err}") from None
    if process.returncode == NOT_HERE:
        pytest.skip("root cannot be held to file permissions here")
    assert "Traceback" not in err, err
    return Done(process.returncode, out, err)


def run(
    *arguments: str | os.PathLike[str],
    code: int = 0,
    environment: Mapping[str, str] | None = None,
    unprivileged: bool = False,
    folder: Path | None = None,
) -> Done:
    """Runs a command to its end and checks its exit code."""
    done = finish(start(*arguments, environment=environment, unprivileged=unprivileged, folder=folder))
    assert done.code == code, f"exit code {done.code}, not {code}:\n{done.err}\n{done.out}"
    return done


def new_project(folder: Path, pictures: Path, *options: str) -> Path:
    """A project with the pictures of a folder, which may leave."""
    run("new", folder)
    run("add", folder, pictures, "--may-leave", *options)
    return folder


def draw_pictures(folder: Path, numbers: Sequence[int]) -> Path:
    """A folder of numbered pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        numbered_picture(number).save(folder / f"{number:04}.png")
    return folder


def gemini(project: Path, referee: Referee | str, *options: str) -> list[str]:
    """The arguments of a generation that asks the referee, and nobody before."""
    url = referee if isinstance(referee, str) else referee.url
    given = ["generate", str(project), "--provider", "gemini", "--base-url", url]
    return [*given, "--accept-terms", "A Person", "--yes", *options]


def read(project: Path, query: str, *values: object) -> list[Row]:
    """Rows straight from the database's file."""
    with sqlite3.connect(f"{(project / 'dermagui.db').as_uri()}?mode=ro", uri=True, timeout=30) as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute(query, values)]
    connection.close()
    return rows


def requests(project: Path) -> list[Row]:
    """Every attempt in the order in which they were written, with prompt and pixels as objects."""
    rows = read(project, "SELECT * FROM requests ORDER BY id")
    for row in rows:
        row["prompt"], row["pixels"] = json.loads(row["prompt"]), json.loads(row["pixels"])
    return rows


def states(project: Path) -> Counter[str]:
    """How many attempts are in each state."""
    return Counter(row["state"] for row in requests(project))


def question_of_row(row: Row) -> Question:
    """What a row says that it asked."""
    return Question(row["pixels"]["sha256"], row["prompt"]["system"], row["prompt"]["user"])


def asked_by_rows(rows: Sequence[Row]) -> Counter[tuple[Question, int]]:
    """How often the rows say that each question was asked, at each length of the answer."""
    return Counter((question_of_row(row), row["prompt"]["max_output_tokens"]) for row in rows)


def asked_by_posts(posts: Sequence[Post]) -> Counter[tuple[Question, int]]:
    """How often the referee was asked each question."""
    return Counter((post.question, post.max_output_tokens) for post in posts)


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Waits for something that must come; fails where it does not."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.02)


def start_until(referee: Referee, arguments: Sequence[str], in_flight: int) -> subprocess.Popen[str]:
    """Starts a generation, and waits until so many of its requests are with the referee, which holds them."""
    referee.hold()
    process = start(*arguments)
    wanted = len(referee.posts) + in_flight
    wait_until(lambda: len(referee.posts) >= wanted or process.poll() is not None, "requests in flight")
    assert process.poll() is None, finish(process).err
    return process


def latest_job(project: Path) -> Row:
    """The newest job as ``status --json`` tells it."""
    jobs = run("status", project, "--json").json["jobs"]
    return dict(max(jobs, key=lambda job: job["id"]))
