"""What came back is saved, whatever the database does; and a refusal of everything ends the run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dermagui.errors import Stopped, UserError
from dermagui.generation import landing
from dermagui.generation import sending as module
from dermagui.generation.cost import Budget
from dermagui.generation.landing import Unanswered
from dermagui.generation.plan import Plan, Planned
from dermagui.generation.prompt import build_prompt
from dermagui.generation.sending import Sending
from dermagui.generation.service import Call, Reply
from dermagui.jobs.report import Report, read_events
from dermagui.records import ChosenQuestion, MetadataMode, PairKind, Pixels, Price, Question
from dermagui.storage import requests
from dermagui.storage.database import Store
from dermagui.storage.requests import Settlement
from tests.fakes.projects import add_images, add_run, new_store

ANSWER = """{"candidates": [{"finishReason": "STOP", "content": {"parts": [{"text":
    "{\\"answer\\": \\"A brown macule with an even border.\\"}"}]}}]}"""
PRICE = Price("a-model", "standard", 1, 1, 1, "2026-01-01", None, "")


class Answers:
    """Gives the same reply to all; ``host`` as the client has it."""

    host = "service.example"

    def __init__(self, reply: Reply) -> None:
        self.reply, self.asked = reply, 0

    async def generate(self, call: Call) -> Reply:
        self.asked += 1
        await asyncio.sleep(0)
        return self.reply


def send(
    store: Store, folder: Path, patch: pytest.MonkeyPatch, reply: Reply, count: int, concurrency: int = 2
) -> tuple[Sending, Answers, Exception | None]:
    """Sends so many questions about one image, whose picture is there already."""
    (image,) = add_images(store, 1)
    picture = Pixels(b"jpeg", b"", 1, 1, "image/jpeg", "0" * 64)
    patch.setattr(module, "prepared_pixels", lambda *_: picture)
    patch.setattr(module.images, "picture_of", lambda *_: None)
    patch.setattr(landing, "_SAVE_AGAIN_SECONDS", 0.01)
    question = Question("look", "observation", PairKind.OPEN, 1, ("What is seen?",))
    chosen = ChosenQuestion(question, 0, "What is seen?")
    prompt = build_prompt(chosen, {}, MetadataMode.NONE)
    left = [
        Unanswered(Planned(image, "ab" * 32, 0, (), chosen, prompt, {}, 100, f"f{n}")) for n in range(count)
    ]
    plan, client = Plan("gemini", "a-model", "https://x.example", concurrency=concurrency), Answers(reply)
    (folder / "job").mkdir()
    report = Report(folder / "job", None)
    sending = Sending(store, plan, add_run(store), PRICE, Budget(None, 0), report, lambda _: None)
    try:
        asyncio.run(sending.work(left, client))  # type: ignore[arg-type]
    except Exception as error:
        return sending, client, error
    finally:
        report.close()
    return sending, client, None


@pytest.mark.parametrize("error", [UserError("project.busy", path=""), KeyError("a bug")])
def test_a_save_that_fails_loses_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    failures = [error] * (1 if isinstance(error, KeyError) else 3)
    settle = requests.settle_attempts

    def fail_first(store: Store, settlements: list[Settlement]) -> None:
        if failures:
            raise failures.pop()
        settle(store, settlements)

    monkeypatch.setattr(requests, "settle_attempts", fail_first)
    with new_store(tmp_path / "project") as store:
        _, client, raised = send(store, tmp_path, monkeypatch, Reply(body=ANSWER), 9)
        assert raised is error
        assert requests.count_requests(store) == {"answered": client.asked}
        assert 0 < client.asked < 9, "nothing more is sent"


def test_a_refusal_of_everything_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Reply(http_status=400, status="INVALID_ARGUMENT", message="No such field.")
    with new_store(tmp_path / "project") as store:
        _, client, raised = send(store, tmp_path, monkeypatch, refusal, 20)
    assert isinstance(raised, UserError)
    assert (raised.code, raised.values["message"]) == ("request.refused", "No such field.")
    assert 5 <= client.asked <= 6


def test_a_body_that_nests_too_deeply_is_no_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with new_store(tmp_path / "project") as store:
        _, client, raised = send(store, tmp_path, monkeypatch, Reply(body="[" * 200_000), 1)
        assert raised is None
        assert requests.count_requests(store) == {"invalid": client.asked}


def test_what_reached_nobody_was_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "retry_delay_seconds", lambda *_: 0.01)
    refused = Reply(http_status=0, transport="connect", message="Connection refused")
    with new_store(tmp_path / "project") as store:
        sending, client, raised = send(store, tmp_path, monkeypatch, refused, 3)
        assert requests.count_requests(store) == {"retryable": client.asked}
    assert isinstance(raised, Stopped)
    assert (raised.code, sending.sent) == ("network.no_connection", 0)
    assert sending.counts["retryable"] == client.asked > 0


def test_how_long_the_rest_takes_is_told_once_something_was_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_HEARTBEAT_SECONDS", 0)
    with new_store(tmp_path / "project") as store:
        send(store, tmp_path, monkeypatch, Reply(body=ANSWER), 9, concurrency=1)
    beats = [event for event in read_events(tmp_path / "job")[0] if event["event"] == "heartbeat"]
    told = [(sum(beat["counts"].values()), beat["seconds_left"]) for beat in beats]
    assert [seconds for done, seconds in told if not done] == [None] * sum(not done for done, _ in told)
    assert all(seconds >= 0 for done, seconds in told if done)
    assert told[-1] == (9, 0)
