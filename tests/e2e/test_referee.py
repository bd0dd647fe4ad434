"""A referee that counts: what was sent against what the project says, with every fault and after kills.

It is written from the wire format alone and shares no code with dermagui.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import pytest

from tests.fakes import command_line as cl
from tests.fakes.referee import INFO, Post, Referee, Reply

PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel"
PER_DAY = "GenerateRequestsPerDayPerProjectPerModel"
Script = Callable[[Post], Reply]


def first(*replies: Callable[[Post], Reply]) -> Script:
    """These replies to the first POSTs of a question, good ones after them."""
    return lambda post: (replies[post.nth - 1] if post.nth <= len(replies) else Reply.good)(post)


def always(reply: Reply) -> Script:
    """The same to every POST."""
    return lambda post: reply


def cut_short(post: Post) -> Reply:
    """An answer that ended at its limit."""
    return Reply.says(post, '{"answer": "A brown sp', finish="MAX_TOKENS")


# What the referee does with a picture, and how its attempts must end, one after the other.
TABLE: dict[str, tuple[Script, list[str]]] = {
    "dropped before it was read": (Reply.good, ["unknown"]),
    "good": (Reply.good, ["answered"]),
    "late": (lambda post: Reply.good(post, delay_seconds=1), ["answered"]),
    "fenced": (lambda post: Reply.says(post, f"```json\n{Reply.good(post).text}\n```"), ["answered"]),
    "other model": (lambda post: Reply.good(post, model="gemini-of-another-day"), ["answered"]),
    "503": (first(always(Reply.error(503))), ["retryable", "answered"]),
    "500 twice": (first(*[always(Reply.error(500))] * 2), ["retryable", "retryable", "answered"]),
    "500 in HTML": (
        first(always(Reply(b"<html>Bad Gateway</html>", 502, (("Content-Type", "text/html"),)))),
        ["retryable", "answered"],
    ),
    "quota of the minute": (first(always(Reply.quota(PER_MINUTE, 0.2))), ["quota_minute", "answered"]),
    "prompt blocked": (
        lambda post: Reply.nothing(post, promptFeedback={"blockReason": "PROHIBITED_CONTENT"}),
        ["blocked"],
    ),
    "SAFETY": (lambda post: Reply.stopped(post, "SAFETY"), ["blocked"]),
    "RECITATION": (lambda post: Reply.stopped(post, "RECITATION"), ["blocked"]),
    "truncated once": (first(cut_short), ["truncated", "answered"]),
    "truncated always": (cut_short, ["truncated", "truncated"]),
    "bad JSON once": (first(lambda post: Reply.says(post, '{"answer": ')), ["invalid", "answered"]),
    "never the schema": (
        lambda post: Reply.says(post, '{"answer": 3, "more": true}'),
        ["invalid", "invalid", "invalid"],
    ),
    "empty answer": (first(lambda post: Reply.says(post, '{"answer": " "}')), ["invalid", "answered"]),
    "no candidates": (first(Reply.nothing), ["invalid", "answered"]),
    "unknown finish": (lambda post: Reply.stopped(post, "A_REASON_OF_NEXT_YEAR"), ["invalid"]),
    "no JSON body": (first(always(Reply(b"<html>Log in first</html>"))), ["invalid", "answered"]),
    "dropped before the reply": (always(Reply(cut="before")), ["unknown"]),
    "dropped midway": (lambda post: Reply(Reply.good(post).body, cut="midway"), ["unknown"]),
    "no reply": (always(Reply(hang=True)), ["unknown"]),
    "garbled compression": (
        always(Reply(b"this is not gzip", headers=(("Content-Encoding", "gzip"),))),
        ["unknown"],
    ),
    "refused": (always(Reply.error(400, "Unable to process input image.")), ["permanent"]),
    "refused in a list": (
        always(Reply(b'[{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "no"}}]', 400)),
        ["permanent"],
    ),
    "too large": (always(Reply.error(413)), ["permanent"]),
}


@pytest.mark.slow
def test_every_outcome_is_its_own_state_with_its_own_action(tmp_path: Path) -> None:
    """POSTs equal attempts; an unchanged run sends nothing; what is unknown waits for a person."""
    cl.run("settings", "gemini.timeout_seconds", "6")
    names = list(TABLE)
    pictures = cl.draw_pictures(tmp_path / "pictures", [0])
    project = cl.new_project(tmp_path / "project", pictures)
    cl.draw_pictures(pictures, range(len(names)))
    cl.run("add", project, pictures)
    with Referee(lambda post: TABLE[names[post.picture]][0](post), unread=[1]) as referee:
        arguments = cl.gemini(project, referee, "--questions", "1", "--concurrency", "32")
        alone = cl.run(*arguments, "--limit", "1", "--json").json
        assert (len(referee.posts), alone["sent"], cl.states(project)) == (1, 1, {"unknown": 1})
        done = cl.run(*arguments, "--json")
        check_attempts(project, referee, names)
        assert done.json["sent"] == len(referee.posts) - 1

        before = len(referee.posts)
        again = cl.run(*arguments, "--json")
        assert (again.json["sent"], len(referee.posts)) == (0, before)
        cl.run("add", project, pictures)
        assert cl.run(*arguments, "--json").json["sent"] == 0
        assert len(referee.posts) == before

        unknown = cl.states(project)["unknown"]
        told = cl.run("status", project, "--json").json
        assert told["requests"]["unknown"] == unknown
        assert told["money"]["at_risk"] > 0
        referee.script = Reply.good
        cl.run(*arguments, "--resend-unknown")
        assert len(referee.posts) == before + unknown
        assert (
            cl.states(project)["answered"] == sum("answered" in ends for _, ends in TABLE.values()) + unknown
        )
        cl.run(*arguments, "--resend-unknown")
        assert len(referee.posts) == before + unknown


def check_attempts(project: Path, referee: Referee, names: list[str]) -> None:
    """Each POST has its row and each row its POST, and each picture's attempts ended as the table says."""
    rows = cl.requests(project)
    assert len(rows) == len(referee.posts) == cl.run("status", project, "--json").json["attempts"]
    assert not cl.asked_by_posts(referee.read_posts) - cl.asked_by_rows(rows)
    ended: dict[str, list[str]] = {}
    paths = {file["image"]: file["path"] for file in cl.run("images", project, "--json").json["images"]}
    for row in rows:
        name = names[int(Path(paths[row["image_id"]]).stem)]
        ended.setdefault(name, []).append(row["state"])
    assert ended == {name: ends for name, (_, ends) in TABLE.items()}
    codes = {row["state"]: row["code"] for row in rows}
    assert all(codes.values()), codes
    check_larger_limit(referee, names)
    check_pairs(project, referee)


def check_larger_limit(referee: Referee, names: list[str]) -> None:
    """What was truncated is asked once more, with room for a longer answer."""
    for name in ("truncated once", "truncated always"):
        limits = [post.max_output_tokens for post in referee.read_posts if names[post.picture] == name]
        assert len(limits) == 2
        assert limits[1] > limits[0], limits


def check_pairs(project: Path, referee: Referee) -> None:
    """One pair for each answered request, with the words that were said; another model is flagged."""
    answered = [row for row in cl.requests(project) if row["state"] == "answered"]
    pairs = {pair["request_uid"]: pair for pair in cl.run("review", project, "list", "--json").json["pairs"]}
    assert set(pairs) == {row["uid"] for row in answered}
    said = {post.reply["responseId"]: post for post in referee.read_posts if post.reply.get("candidates")}
    for row in answered:
        assert pairs[row["uid"]]["turns"][-1]["text"] in Reply(said[row["response_id"]].reply).text
        flags = {flag["kind"] for flag in pairs[row["uid"]]["flags"]}
        assert ("model_differs" in flags) == (row["model_version"] == "gemini-of-another-day")
    assert any(row["model_version"] == "gemini-of-another-day" for row in answered)
