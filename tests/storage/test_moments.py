"""Moments are UTC with milliseconds; identities sort by time, whatever the clock does."""

from __future__ import annotations

import re
import time
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest

from dermagui.storage.moments import as_text, new_uid, now


def test_a_moment_is_utc_with_milliseconds() -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    assert as_text(datetime(2026, 3, 1, 15, 0, 0, 123999, zone)) == "2026-03-01T09:30:00.123Z"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", now())


def test_identities_are_of_version_7_and_tell_their_time() -> None:
    before = time.time_ns() // 1_000_000
    uid = uuid.UUID(new_uid())
    assert (uid.version, uid.variant) == (7, uuid.RFC_4122)
    assert before <= uid.int >> 80 <= time.time_ns() // 1_000_000


def test_identities_differ_and_sort_by_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = time.time_ns()
    uids = []
    for n in range(1000):
        monkeypatch.setattr(time, "time_ns", lambda n=n: moment + n * 1000)
        uids.append(new_uid())
    assert uids == sorted(uids)
    assert len(set(uids)) == 1000


def test_an_identity_comes_after_another_even_if_the_clock_was_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ahead = int(datetime(2031, 1, 1, tzinfo=UTC).timestamp() * 1e9)
    monkeypatch.setattr(time, "time_ns", lambda: ahead)
    last = new_uid()
    monkeypatch.undo()
    for _ in range(100):
        following = new_uid(last)
        assert following > last
        assert uuid.UUID(following).version == 7
        last = following
    assert uuid.UUID(last).int >> 80 == ahead // 1_000_000 + 100
