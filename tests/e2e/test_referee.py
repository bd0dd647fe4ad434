"""A referee that counts: what was sent against what the project says, with every fault and after kills.

It is written from the wire format alone and shares no code with dermagui.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.fakes import command_line as cl
from tests.fakes.referee import INFO, Post, Referee, Reply

PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel"
PER_DAY = "GenerateRequestsPerDayPerProjectPerModel"
OTHER_MODEL = "gemini-of-another-day"
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
    "other model": (lambda post: Reply.good(post, model=OTHER_MODEL), ["answered"]),
    "503": (first(always(Reply.error(503))), ["retryable", "answered"]),
    "500 twice": (first(*[always(Reply.error(500))] * 2), ["retryable", "retryable", "answered"]),
    "500 in HTML": (
        first(always(Reply(b"<html>Bad Gateway</html>", 502, (("Content-Type", "text/html"),)))),
        ["retryable", "answered"],
    ),
    "quota of the minute": (first(always(Reply.quota(PER_MINUTE, 0.2))), ["quota_minute", "answered"]),
    "prompt blocked": (
        lambda post: Reply.nothing(post, "PROHIBITED_CONTENT"),
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
    "unknown finish": (lambda post: Reply.stopped(post, "A_REASON_OF_NEXT_YEAR"), ["permanent"]),
    "no JSON body": (first(always(Reply(b"<html>Log in first</html>"))), ["invalid", "answered"]),
    "dropped before the reply": (always(Reply(cut="before")), ["unknown"]),
    "dropped midway": (lambda post: Reply(Reply.good(post).body, cut="midway"), ["unknown"]),
    "no reply": (always(Reply(hang=True)), ["unknown"]),
    "garbled compression": (
        always(Reply(b"this is not gzip", headers=(("Content-Encoding", "gzip"),))),
        ["unknown"],
    ),
    "refused": (always(Reply.error(400, "Unable to process input image \ud83d.")), ["permanent"]),
    "refused in a list": (
        always(Reply(b'[{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "no"}}]', 400)),
        ["permanent"],
    ),
    "too large": (always(Reply.error(413)), ["permanent"]),
}

REFUSED = ("refused", "refused in a list", "too large")
"""What the service refused unpaid: worth another try, if somebody says so."""


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
        cl.run(*arguments, "--retry-refused")
        assert len(referee.posts) == before + unknown + len(REFUSED)

        cl.draw_pictures(pictures, [len(names)])
        cl.run("add", project, pictures)
        cl.run(*arguments)
        assert len(referee.posts) == before + unknown + len(REFUSED) + 1
        assert referee.posts[-1].picture == len(names)


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
    assert all(row["code"] for row in rows)
    check_larger_limit(referee, names)
    check_money(project, referee)
    check_pairs(project, referee)


def check_larger_limit(referee: Referee, names: list[str]) -> None:
    """What was truncated is asked once more, with room for a longer answer."""
    for name in ("truncated once", "truncated always"):
        limits = [post.max_output_tokens for post in referee.read_posts if names[post.picture] == name]
        assert len(limits) == 2
        assert limits[1] > limits[0], limits


def check_money(project: Path, referee: Referee) -> None:
    """What is booked is what the referee counted, at the listed price of the model, and nothing more."""
    counted = sum(price_of(post) for post in referee.posts if post.delivered)
    booked = cl.run("status", project, "--json").json["money"]["spent"] * 1_000_000
    assert abs(booked - counted) <= len(referee.posts) / 2, "each request is rounded to a micro-dollar"


def price_of(post: Post) -> float:
    """Micro-dollars: $0.30 for a million tokens that go in, $2.50 for a million that come out."""
    usage = post.reply.get("usageMetadata", {})
    out = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
    return float(usage.get("promptTokenCount", 0) * 0.30 + out * 2.50)


def check_pairs(project: Path, referee: Referee) -> None:
    """One pair for each answered request, with the words that were said; another model is flagged."""
    answered = [row for row in cl.requests(project) if row["state"] == "answered"]
    pairs = {pair["request_uid"]: pair for pair in cl.run("review", project, "list", "--json").json["pairs"]}
    assert set(pairs) == {row["uid"] for row in answered}
    said = {post.reply["responseId"]: post for post in referee.read_posts if post.reply.get("candidates")}
    for row in answered:
        assert pairs[row["uid"]]["turns"][-1]["text"] in Reply(said[row["response_id"]].reply).text
        flags = {flag["kind"] for flag in pairs[row["uid"]]["flags"]}
        assert ("model_differs" in flags) == (row["model_version"] == OTHER_MODEL)
    assert any(row["model_version"] == OTHER_MODEL for row in answered)


STOPS = {
    "not accept the key": Reply.error(
        400, "API key not valid.", details=[{"@type": INFO, "reason": "API_KEY_INVALID", "domain": "g"}]
    ),
    "country": Reply.error(400, "User location is not supported.", word="FAILED_PRECONDITION"),
    "credit": Reply.error(402, "Your prepaid credits are used up."),
    "may not": Reply.error(403, "The caller does not have permission."),
    "no model": Reply.error(404, "The model is not found."),
    "log-in": Reply(b"", 307, (("Location", "https://login.example.org/"),)),
}


@pytest.mark.slow
def test_what_a_person_must_mend_stops_the_run_within_what_is_in_flight(tmp_path: Path) -> None:
    """Each with a sentence of its own; once it is mended, the same requests go out again."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(9)))
    said: dict[str, str] = {}
    with Referee() as referee:
        arguments = cl.gemini(project, referee, "--questions", "1", "--concurrency", "4")
        for name, reply in STOPS.items():
            before = len(referee.posts)
            referee.script = always(reply)
            process = cl.start_until(referee, arguments, 4)
            referee.release()
            done = cl.finish(process)
            assert (done.code, len(referee.posts) - before) == (3, 4), done.err
            said[name] = done.err.strip().splitlines()[-1]
            assert cl.latest_job(project)["state"] == "failed"
        assert set(cl.states(project)) == {"permanent"}
        referee.script = Reply.good
        cl.run(*arguments)
    assert cl.states(project) == {"permanent": 4 * len(STOPS), "answered": 9}
    assert len(cl.requests(project)) == len(referee.posts)
    assert len(set(said.values())) == len(STOPS), said
    assert all(name in text.lower() for name, text in said.items()), said
    assert not any("login.example.org" in post.headers.get("host", "") for post in referee.posts)


@pytest.mark.slow
def test_a_quota_of_the_day_parks_the_run_until_midnight_in_the_west(tmp_path: Path) -> None:
    """Nothing more is sent; the job waits for its moment, and a later run goes on."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(9)))
    with Referee(always(Reply.quota(PER_DAY, 3.5))) as referee:
        arguments = cl.gemini(project, referee, "--questions", "1", "--concurrency", "3")
        process = cl.start_until(referee, arguments, 3)
        before = next_midnight_in_the_west()
        referee.release()
        done = cl.finish(process)
        assert (done.code, len(referee.posts)) == (4, 3), done.err
        job = cl.latest_job(project)
        not_before = datetime.fromisoformat(job["not_before"])
        assert (job["state"], not_before in (before, next_midnight_in_the_west())) == ("waiting", True)
        referee.script = Reply.good
        cl.run(*arguments)
    assert cl.states(project) == {"quota_day": 3, "answered": 9}
    assert len(referee.posts) == 12


def next_midnight_in_the_west() -> datetime:
    """When the next day begins where the service counts its days."""
    tomorrow = datetime.now(ZoneInfo("America/Los_Angeles")).date() + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=ZoneInfo("America/Los_Angeles"))


@pytest.mark.slow
def test_a_key_that_is_betrayed_as_free_gets_no_further_image(tmp_path: Path) -> None:
    """Until somebody says yes to that a second time."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(9)))
    with Referee(always(Reply.quota(f"{PER_MINUTE}-FreeTier", 0.1))) as referee:
        arguments = cl.gemini(project, referee, "--questions", "1", "--concurrency", "3")
        process = cl.start_until(referee, arguments, 3)
        referee.release()
        done = cl.finish(process)
        assert (done.code, len(referee.posts)) == (3, 3), done.err
        assert "free" in done.err
        referee.script = Reply.good
        assert "free" in cl.run(*arguments, code=3).err
        assert len(referee.posts) == 3
        cl.run(*arguments, "--free-tier-yes")
    assert cl.states(project) == {"quota_minute": 3, "answered": 9}
    assert len(referee.posts) == 12


@pytest.mark.slow
def test_a_budget_is_never_exceeded(tmp_path: Path) -> None:
    """Not even for a moment, whatever is in flight; a larger one goes on from there."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(24)))

    def dear(post: Post) -> Reply:
        reply = Reply.good(post, delay_seconds=0.2 + post.number % 3 / 10)
        assert isinstance(reply.body, dict)
        reply.body["usageMetadata"] |= {"candidatesTokenCount": 1500 + post.number}
        return reply

    with Referee(dear) as referee:
        arguments = cl.gemini(project, referee, "--questions", "1", "--concurrency", "16")
        assert spend(project, [*arguments, "--budget", "0.05"]) == 4
        assert 5 < len(referee.posts) < 24
        assert cl.states(project) == {"answered": len(referee.posts)}
        before = len(referee.posts)
        assert spend(project, [*arguments, "--budget", "0.05"]) == 4
        assert len(referee.posts) == before
        assert spend(project, [*arguments, "--budget", "0.2"]) == 0
        assert cl.states(project) == {"answered": 24}
        check_money(project, referee)


def spend(project: Path, arguments: list[str]) -> int:
    """Runs a generation and looks all the time whether its budget holds; returns the exit code."""
    limit = float(arguments[-1]) * 1_000_000
    query = """SELECT coalesce(sum(cost_micro_usd), 0) AS spent,
        coalesce(sum(CASE state WHEN 'sending' THEN reserved_micro_usd END), 0) AS reserved FROM requests"""
    process = cl.start(*arguments)
    most_reserved = 0
    while process.poll() is None:
        (money,) = cl.read(project, query)
        assert money["spent"] + money["reserved"] <= limit
        most_reserved = max(most_reserved, money["reserved"])
    done = cl.finish(process)
    (money,) = cl.read(project, query)
    assert (money["spent"] <= limit, money["reserved"]) == (True, 0)
    assert most_reserved or "Sent 0" in done.err, "this never looked while something was under way"
    return done.code


def test_airplane_mode_sends_nothing_and_writes_no_request(tmp_path: Path) -> None:
    """The service's own address is refused at once."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(2)))
    cl.run("airplane", "on")
    done = cl.run("generate", project, "--provider", "gemini", "--accept-terms", "A Person", "--yes", code=3)
    assert "airplane" in done.err.lower()
    assert cl.requests(project) == []
    assert cl.run("ledger", "--json").json == {"ledger": []}


@pytest.mark.slow
def test_only_one_generation_runs_in_a_project(tmp_path: Path) -> None:
    """The second says so and changes nothing; forgetting has to wait as well."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(3)))
    with Referee() as referee:
        arguments = cl.gemini(project, referee, "--questions", "1", "--concurrency", "2")
        process = cl.start_until(referee, arguments, 2)
        assert "running" in cl.run(*arguments, code=3).err
        assert "running" in cl.run("forget", project, "1", code=3).err
        told = cl.run("status", project, "--json").json
        assert (told["requests"], told["money"]["at_risk"]) == ({"sending": 2}, 0)
        assert told["money"]["reserved"] > 0
        referee.release()
        assert cl.finish(process).code == 0
    assert cl.states(project) == {"answered": 3}
    assert len(referee.posts) == 3


@pytest.mark.slow
def test_what_is_sent_is_the_picture_and_the_prompt_and_nothing_else(tmp_path: Path) -> None:
    """One POST at the service's address with the settings that keep the client from acting by itself."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(1)))
    with Referee() as referee:
        cl.run(*cl.gemini(project, referee, "--questions", "1"))
        (post,) = referee.posts
    assert post.path == "/v1/models/gemini-3.5-flash-lite:generateContent"
    assert post.headers["x-goog-api-key"] == cl.CANARY_KEY
    assert int(post.headers["x-server-timeout"]) < 300
    assert len(post.images) == 1
    assert set(post.body) <= {"contents", "systemInstruction", "generationConfig", "safetySettings", "store"}
    assert post.body["store"] is False
    assert set(post.body["generationConfig"]) == {"maxOutputTokens", "responseMimeType", "responseJsonSchema"}
    (row,) = cl.requests(project)
    ledger = {line["purpose"]: line for line in cl.run("ledger", "--json").json["ledger"]}
    assert set(ledger) == {"generate", "list_models"}
    assert ledger["list_models"]["bytes"] == 0
    sending = ledger["generate"]
    assert (sending["host"], sending["request"]) == ("127.0.0.1", row["uid"])
    assert row["sent_bytes"] == sending["bytes"] == int(post.headers["content-length"])
    assert sending["image_sha256"] == cl.run("images", project, "--json").json["images"][0]["sha256"]
