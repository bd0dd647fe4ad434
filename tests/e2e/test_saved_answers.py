"""Answers that an ended process had saved and not yet used: each is used, or is told and stays saved."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.fakes import command_line as cl
from tests.fakes.referee import Post, Referee, Reply

TOLD = "does not pass today's checks"


def good_but_for_two(post: Post) -> Reply:
    """No JSON about the pictures 0 and 1."""
    return Reply.says(post, "A brown spot, but no JSON.") if post.picture < 2 else Reply.good(post)


def answered_by_an_older_version(project: Path, body: str | None, picture: cl.Row) -> None:
    """What a process leaves that ends after it saved an answer, which its own checks let pass."""
    with sqlite3.connect(project / "dermagui.db") as connection:
        connection.execute(
            "UPDATE requests SET state = 'answered', code = 'answer.ok', response = coalesce(?, response) "
            "WHERE id = ?",
            (body, picture["id"]),
        )
    connection.close()


def pairs_by_request(project: Path) -> dict[str, int]:
    """How many pairs were made of each request that has any."""
    rows = cl.read(project, "SELECT request_uid, count(*) AS pairs FROM pairs GROUP BY 1")
    return {row["request_uid"]: row["pairs"] for row in rows}


@pytest.mark.slow
def test_an_answer_that_todays_checks_refuse_is_told_and_stays_saved(tmp_path: Path) -> None:
    """It is not asked, and not paid, again; what is good beside it becomes a pair, once."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(4)))
    with Referee(good_but_for_two) as referee:
        arguments = cl.gemini(project, referee, "--questions", "1")
        cl.run(*arguments)
        refused = {post.question.pixels: post.picture for post in referee.posts}
        rows = cl.requests(project)
        last = {refused[row["pixels"]["sha256"]]: row for row in rows}
        assert [last[picture]["state"] for picture in range(4)] == ["invalid"] * 2 + ["answered"] * 2
        answered_by_an_older_version(project, None, last[0])
        answered_by_an_older_version(project, last[2]["response"], last[1])
        saved, sent = cl.requests(project), len(referee.posts)
        for _ in range(2):
            done = cl.run(*arguments)
            (told,) = [line for line in done.err.splitlines() if TOLD in line]
            assert f"image {last[0]['image_id']} " in told
            assert last[0]["uid"] in told
            assert told.endswith("it is no JSON object (Expecting value: line 1 column 1 (char 0)).")
            assert len(referee.posts) == sent
            assert cl.requests(project) == saved
            assert pairs_by_request(project) == {last[picture]["uid"]: 1 for picture in (1, 2, 3)}
