"""A model that the service does not list for this key: it is said, and the first answer decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from dermagui.texts import sentence
from tests.fakes import command_line as cl
from tests.fakes.referee import Referee, Reply

MODEL = "gemini-3.5-flash-lite"


@pytest.mark.slow
@pytest.mark.parametrize("listed", [["gemini-3.8-flash", "gemini-3.7-flash"], []])
def test_a_model_that_is_not_listed_is_warned_about(tmp_path: Path, listed: list[str]) -> None:
    """By its name and by the names that there are; the list alone keeps nobody from asking."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(4)))
    with Referee() as referee:
        referee.models = listed
        done = cl.run(*cl.gemini(project, referee, "--questions", "1", "--limit", "2"))
        assert len(referee.posts) == 2
        assert cl.states(project) == {"answered": 2}
        said = {"model": MODEL, "known": ", ".join(listed) or "none"}
        assert f"  {sentence('model.not_listed', said)}" in done.err.splitlines()
        referee.models = [*listed, MODEL]
        assert "does not list" not in cl.run(*cl.gemini(project, referee, "--questions", "1")).err
    assert cl.states(project) == {"answered": 4}


@pytest.mark.slow
def test_a_model_that_is_gone_ends_the_run_at_its_first_answer(tmp_path: Path) -> None:
    """With a sentence that names it, after the warning; a person has to choose another one."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(6)))
    with Referee(lambda post: Reply.error(404, "It is not found.")) as referee:
        referee.models = ["gemini-3.8-flash"]
        done = cl.run(*cl.gemini(project, referee, "--questions", "1", "--concurrency", "1"), code=3)
        assert len(referee.posts) == 1
    assert sentence("model.not_listed", {"model": MODEL, "known": "gemini-3.8-flash"}) in done.err
    (told,) = [line for line in done.err.splitlines() if line.startswith("dermagui: ")]
    assert MODEL in told
