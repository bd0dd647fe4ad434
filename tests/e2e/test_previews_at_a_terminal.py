"""Five answers first, then the question whether the rest may follow: nothing goes that nobody agreed to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dermagui.texts import sentence
from tests.fakes import command_line as cl
from tests.fakes.referee import Referee
from tests.fakes.terminal import Terminal

pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="there is no pseudo-terminal here")

PICTURES = 8
FIRST, REST = "Send 5 of them now as a preview?", "Send the rest?"
NOT_CONFIRMED = sentence("generate.needs_yes", {})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of eight pictures."""
    return cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(PICTURES)))


def without_yes(project: Path, referee: Referee, *options: str) -> list[str]:
    """A generation that has to ask."""
    arguments = cl.gemini(project, referee, "--questions", "1", *options)
    return [argument for argument in arguments if argument != "--yes"]


def check_shown(terminal: Terminal, referee: Referee) -> None:
    """Five requests were sent, and each question and answer stands on the screen."""
    assert len(referee.posts) == 5
    for post in referee.posts:
        assert f"A: Answer {post.number}. A brown spot" in terminal.shown
    assert terminal.shown.count("  Q: ") == 5


@pytest.mark.slow
def test_after_a_yes_the_rest_follows(project: Path) -> None:
    """And no picture is asked about twice."""
    with Referee() as referee, Terminal(*without_yes(project, referee)) as terminal:
        terminal.wait_for(f"{FIRST} [y/N] ")
        assert referee.posts == []
        assert "8 requests to gemini-3.5-flash-lite" in terminal.shown
        terminal.say("y")
        terminal.wait_for(f"{REST} [y/N] ")
        check_shown(terminal, referee)
        terminal.say("yes")
        assert terminal.finish() == 0
    assert sorted(post.picture for post in referee.posts) == list(range(PICTURES))
    assert cl.states(project) == {"answered": PICTURES}


@pytest.mark.slow
def test_after_a_no_nothing_more_is_sent(project: Path) -> None:
    """What the previews cost is kept: their pairs are there."""
    with Referee() as referee, Terminal(*without_yes(project, referee)) as terminal:
        terminal.wait_for(f"{FIRST} [y/N] ")
        terminal.say("y")
        terminal.wait_for(f"{REST} [y/N] ")
        check_shown(terminal, referee)
        terminal.say("n")
        assert terminal.finish() == 3
        assert f"dermagui: {NOT_CONFIRMED}" in terminal.shown.splitlines()
        assert len(referee.posts) == 5
    assert cl.states(project) == {"answered": 5}
    assert len(cl.read(project, "SELECT uid FROM pairs")) == 5


@pytest.mark.slow
@pytest.mark.parametrize("word", ["", "yesterday"])
def test_whatever_is_no_yes_sends_nothing(project: Path, word: str) -> None:
    with Referee() as referee, Terminal(*without_yes(project, referee)) as terminal:
        terminal.wait_for(f"{FIRST} [y/N] ")
        terminal.say(word)
        assert terminal.finish() == 3
        assert NOT_CONFIRMED in terminal.shown
        assert referee.posts == []
    assert cl.requests(project) == []


@pytest.mark.slow
def test_without_a_terminal_nobody_is_asked_and_nothing_is_sent(project: Path) -> None:
    with Referee() as referee:
        done = cl.run(*without_yes(project, referee), code=3)
        assert referee.posts == []
    assert f"dermagui: {NOT_CONFIRMED}" in done.err.splitlines()
    assert FIRST not in done.err
    assert cl.requests(project) == []


@pytest.mark.slow
def test_where_the_previews_are_all_the_figures_are_told_all_the_same(tmp_path: Path) -> None:
    """``--json`` prints its object however the requests were sent."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(2)))
    with Referee() as referee, Terminal(*without_yes(project, referee, "--json")) as terminal:
        terminal.wait_for("Send 2 of them now as a preview? [y/N] ")
        terminal.say("y")
        assert terminal.finish() == 0
        assert len(referee.posts) == 2
    assert REST not in terminal.shown
    assert '"state": "done"' in terminal.shown
    assert '"sent": 2' in terminal.shown
