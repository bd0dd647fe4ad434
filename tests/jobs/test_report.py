"""The story of a job: whole lines in order, followed while they come, whatever a killed process left."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dermagui.errors import Stopped
from dermagui.jobs.report import EVENTS_NAME, STOP_NAME, Report, follow, read_events
from dermagui.records import Progress
from tests.fakes import disks


@pytest.fixture
def report(tmp_path: Path) -> Iterator[Report]:
    report = Report(tmp_path)
    yield report
    report.close()


def told(folder: Path) -> list[dict[str, object]]:
    return [{k: v for k, v in event.items() if k != "at"} for event in read_events(folder)[0]]


def test_what_is_told_can_be_read_at_once(report: Report, tmp_path: Path) -> None:
    report.tell("answer", text="zwei\nZeilen \u2028 und \x85 ein \udcff", n=1)
    report.warn("image.empty", path="a.png")
    assert told(tmp_path) == [
        {"event": "answer", "text": "zwei\nZeilen \u2028 und \x85 ein \udcff", "n": 1},
        {"event": "warning", "code": "image.empty", "values": {"path": "a.png"}},
    ]
    assert read_events(tmp_path)[0][0]["at"].endswith("Z")


def test_progress_is_told_a_few_times_and_at_its_end(report: Report, tmp_path: Path) -> None:
    for done in range(1, 50_001):
        report.progress(Progress(done, 50_000, "files"))
    events = told(tmp_path)
    assert len(events) < 500
    assert events[-1] == {"event": "progress", "done": 50_000, "total": 50_000, "unit": "files"}
    assert [event["done"] for event in events] == sorted(event["done"] for event in events)  # type: ignore[type-var]


def test_a_half_written_line_is_waited_for_and_never_told(report: Report, tmp_path: Path) -> None:
    report.tell("first")
    with (tmp_path / EVENTS_NAME).open("ab") as file:
        file.write(b'{"event": "half')
        file.flush()
        events, position = read_events(tmp_path)
        assert [event["event"] for event in events] == ["first"]
        assert read_events(tmp_path, position) == ([], position)
        file.write(b' and half"}\n')
    events, position = read_events(tmp_path, position)
    assert [event["event"] for event in events] == ["half and half"]
    assert position == (tmp_path / EVENTS_NAME).stat().st_size


def test_a_line_that_two_processes_broke_is_skipped(report: Report, tmp_path: Path) -> None:
    with (tmp_path / EVENTS_NAME).open("ab") as file:
        file.write(b'{"event": "cut off by a ki\n\xff\xfe\n')
    report.tell("after")
    assert told(tmp_path) == [{"event": "after"}]


def test_no_story_yet_is_an_empty_one(tmp_path: Path) -> None:
    assert read_events(tmp_path, 7) == ([], 7)
    assert list(follow(tmp_path, lambda: False)) == []


def test_a_follower_hears_everything_once_and_in_order(report: Report, tmp_path: Path) -> None:
    def speak() -> None:
        for n in range(200):
            report.tell("answer", n=n)
            if n % 50 == 0:
                time.sleep(0.02)
        report.tell("end", state="done")
        report.tell("answer", n="after the end")

    speaker = threading.Thread(target=speak)
    speaker.start()
    heard = list(follow(tmp_path, lambda: True, poll_seconds=0.001))
    speaker.join()
    assert [event.get("n") for event in heard] == [*range(200), None]
    assert heard[-1]["event"] == "end"


def test_a_follower_leaves_when_the_process_is_gone_and_hears_its_last_words(
    report: Report, tmp_path: Path
) -> None:
    looks = iter([True, False])

    def is_running() -> bool:
        running = next(looks)
        report.tell("answer", running=running)  # between the look and the reading
        return running

    assert [event["running"] for event in follow(tmp_path, is_running)] == [True, False]


def test_stop_is_asked_for_by_a_file_or_from_inside(report: Report, tmp_path: Path) -> None:
    assert not report.stop_asked()
    report.stop_if_asked()
    (tmp_path / STOP_NAME).touch()
    deadline = time.monotonic() + 60
    while not report.stop_asked():
        assert time.monotonic() < deadline
    with pytest.raises(Stopped) as raised:
        report.stop_if_asked()
    assert raised.value.code == "job.stopped"


def test_a_signal_handler_may_ask_to_stop(report: Report) -> None:
    report.ask_to_stop()
    assert report.stop_asked()


def test_the_secret_is_not_told(tmp_path: Path) -> None:
    report = Report(tmp_path, secret="the-canary")
    report.tell("answer", text="x")
    report.close()
    assert "the-canary" not in (tmp_path / EVENTS_NAME).read_text(encoding="utf-8")


def test_a_full_disk_silences_the_story_and_not_the_job(tmp_path: Path) -> None:
    with disks.small_disk(tmp_path / "disk", 64) as disk:
        report = Report(disk)
        report.tell("first")
        with disks.full(disk):
            for _ in range(100):
                report.tell("answer", text="x" * 1000)
        report.tell("last")
        report.close()
        lines = (disk / EVENTS_NAME).read_bytes().splitlines()
        events = [event["event"] for event in read_events(disk)[0]]
    assert json.loads(lines[0])["event"] == "first"
    assert events[0] == "first"
    assert events[-1] == "last"
