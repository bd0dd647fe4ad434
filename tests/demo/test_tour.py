"""The tour runs to its end and every line holds; and no line holds when one of the books, or a file, lies."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dermagui.datasets.manifest import NOTICE
from dermagui.demo import tour as tour_module
from dermagui.demo.audit import fingerprint_files
from dermagui.demo.leaving import check_nothing_is_left
from dermagui.demo.post_log import read_log
from dermagui.demo.rehearsal import Rehearsal
from dermagui.demo.steps import Nature, Ran, Shell, Tour, UnexpectedEnd
from dermagui.demo.tour import MARK, run_tour
from dermagui.errors import UserError

OWN_KEY = "the-users-own-key-0815"


@dataclass
class Page(HTMLParser):
    """What a reader of the report sees, as far as the tests ask."""

    rows: Counter[str] = field(default_factory=Counter)
    badges: Counter[str] = field(default_factory=Counter)
    links: list[str] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes rows of claims, badges, and everything that the page would load or lead to."""
        told = dict(attrs)
        if tag == "tr":
            self.rows[told.get("class") or ""] += 1
        if "badge" in (told.get("class") or "").split():
            self.badges[(told.get("class") or "").split()[1]] += 1
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        """Collects the words."""
        self.text += data


def read_page(out: Path) -> Page:
    page = Page()
    page.feed((out / "index.html").read_text(encoding="utf-8"))
    return page


@pytest.mark.slow
def test_the_tour_holds_from_folder_to_forgetting(
    tmp_path: Path, dermagui_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", OWN_KEY)
    # Half a hundred processes start: each would compile everything anew.
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "bytecode"))
    out = tmp_path / "report"
    command = [sys.executable, "-m", "dermagui", "demo", "--out", str(out)]
    ran = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr

    lines = ran.stdout.splitlines()[:-1]
    assert len(lines) > 50
    assert {line.split()[0] for line in lines} == {"true"}, "on phantoms every line applies, and holds"
    check_page(out, len(lines))
    check_counts(out, ran.stdout)

    assert not (dermagui_home / "data" / "ledger.jsonl").exists(), "the user's own ledger stays out of it"
    holders = [path for path in out.rglob("*") if path.is_file() and OWN_KEY.encode() in path.read_bytes()]
    assert holders == []


def check_page(out: Path, claims: int) -> None:
    page = read_page(out)
    assert page.rows["holds"] == claims
    assert not page.rows["untrue"] + page.rows["open"]
    assert NOTICE in page.text
    assert f"All {claims} lines hold" in page.text
    assert {"real", "rehearsed", "not"} <= page.badges.keys()
    assert Nature.NOT_RUN in page.text
    outside = [link for link in page.links if not link.startswith("#") and not (out / link).is_file()]
    assert outside == [], "the page loads nothing but what lies beside it"
    assert sum(link.endswith(".jpg") for link in page.links) > 5


def check_counts(out: Path, table: str) -> None:
    """The table says what the server's book and the database say when they are read without our help."""
    log = read_log(out / "work" / "server-log.jsonl")
    posts = [post for post in log.attempts if post.model == "practice"]
    with closing(sqlite3.connect(out / "work" / "project" / "dermagui.db")) as database:
        states = Counter(
            state for (state,) in database.execute("SELECT state FROM requests WHERE model = 'practice'")
        )
        jobs = Counter(state for (state,) in database.execute("SELECT state FROM jobs"))
    assert f"{len(posts)} POSTs, {states.total()} rows, 0 POSTs without a row" in table
    assert states["unknown"] > 0
    assert f"{states['unknown']} unknown, 8 in flight at most" in table
    assert jobs["died"] == 1
    assert {"unavailable", "quota_minute", "blocked", "max_tokens", "wrong_schema", "not_json"} <= {
        post.fault for post in posts
    }
    assert {"leak", "wrong", "duplicate", "refusal"} <= {post.slip for post in posts}
    assert re.search(r"USD spent, [1-9]\d* requests left", table)


def small_tour(tmp_path: Path) -> Tour:
    """A tour that has done nothing yet, with one original."""
    images, work = tmp_path / "images", tmp_path / "report" / "work"
    images.mkdir()
    work.mkdir(parents=True)
    (images / "a.jpg").write_bytes(b"a picture, for all that is known here")
    shell = Shell(work, work / "home", "canary-of-this-test")
    return Tour(tmp_path / "report", images, None, shell, fingerprint_files(images))


def last_claims(tour: Tour) -> dict[str, bool | None]:
    return {claim.text.split(":")[0]: claim.holds for claim in tour.stages[-1].claims}


def test_what_is_left_behind_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tour = small_tour(tmp_path)
    with Rehearsal(tour.shell, tour.work) as server:
        check_nothing_is_left(tour, server)
    assert set(last_claims(tour).values()) == {True}

    (tour.images / "a.jpg").write_bytes(b"a picture, for all that is KNOWN here")
    (tour.work / "forgotten.log").write_text(f"asked with {tour.shell.key}", encoding="utf-8")
    monkeypatch.setattr("dermagui.demo.rehearsal.PATIENCE_SECONDS", 0.2)
    keeper = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        env={**os.environ, "DERMAGUI_HOME": str(tour.shell.home)},
    )
    with Rehearsal(tour.shell, tour.work) as server:
        monkeypatch.setattr(server, "stop", lambda: None)
        check_nothing_is_left(tour, server)
        monkeypatch.undo()
    keeper.communicate()
    assert set(last_claims(tour).values()) == {False}
    assert len(last_claims(tour)) == 4


def test_the_key_in_the_words_of_a_command_is_seen(tmp_path: Path) -> None:
    tour = small_tour(tmp_path)
    stage = tour.stage("A stage", "that said too much")
    stage.runs.append(Ran("dermagui x", 0, 0.1, "", f"the key is {tour.shell.key}"))
    with Rehearsal(tour.shell, tour.work) as server:
        check_nothing_is_left(tour, server)
    assert [claim.holds for claim in tour.stages[-1].claims].count(False) == 1


def test_a_tour_that_breaks_off_says_so_in_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_off(tour: Tour) -> None:
        tour.stage("Only one", "and it fails <b>").claim("Something held before", "1 of 1", True)
        raise UnexpectedEnd(Ran("dermagui add", 1, 0.1, "", "Traceback"), 0)

    images = tmp_path / "images"
    images.mkdir()
    monkeypatch.setattr(tour_module, "_walk", break_off)
    assert run_tour(tmp_path / "report", images) == 1
    assert "FALSE  The stage came to its end" in capsys.readouterr().out
    page = read_page(tmp_path / "report")
    assert page.rows["untrue"] == page.rows["holds"] == 1
    assert "1 of 2 lines are untrue" in page.text
    assert "and it fails <b>" in page.text


def test_a_report_is_replaced_and_nothing_else_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tour_module, "_walk", lambda tour: tour.stage("x", "y").claim("z", "1", True))
    images = tmp_path / "images"
    images.mkdir()
    out = tmp_path / "report"
    out.mkdir()
    assert run_tour(out, images) == 0, "an empty folder is taken"
    (out / "left over").touch()
    assert run_tour(out, images) == 0
    assert not (out / "left over").exists()

    (out / MARK).unlink()
    (out / "thesis.txt").write_text("ten years of work", encoding="utf-8")
    with pytest.raises(UserError, match=r"^demo\.out_not_ours"):
        run_tour(out, images)
    assert (out / "thesis.txt").read_text(encoding="utf-8") == "ten years of work"
    with pytest.raises(UserError, match=r"^demo\.out_not_ours"):
        run_tour(out / "thesis.txt", images)


@pytest.mark.parametrize("out", ["images", "images/report", "."])
def test_a_report_never_lies_in_the_pictures_nor_around_them(tmp_path: Path, out: str) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").touch()
    with pytest.raises(UserError, match=r"^demo\.folders_overlap"):
        run_tour(tmp_path / out, tmp_path / "images")
    assert list((tmp_path / "images").iterdir()) == [tmp_path / "images" / "a.jpg"]


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    with pytest.raises(UserError, match=r"^folder\.not_found"):
        run_tour(tmp_path / "report", tmp_path / "nothing")
    (images / "words.jpg").write_text("not a picture", encoding="utf-8")
    with pytest.raises(UserError, match=r"^demo\.no_pictures"):
        run_tour(tmp_path / "report", images)
