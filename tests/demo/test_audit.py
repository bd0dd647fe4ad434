"""The audit of two books that agree, and of the same books after one lie each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dermagui.demo.audit import (
    Books,
    audit_books,
    audit_money,
    audit_slips,
    audit_states,
    changed_files,
    files_with,
    fingerprint_files,
)
from dermagui.demo.post_log import Post
from dermagui.demo.steps import Claim
from dermagui.generation.cost import cost_micro_usd
from dermagui.records import Price, Usage

PRICE = Price("practice", "paid", 0.3, 2.5, 0.03, "2026-01-01", None, "made for this test")
CONCURRENCY = 2


def make_post(number: int, name: str, fault: str, slip: str, answer: str) -> Post:
    """A line of the server's book whose answer was delivered."""
    post = Post(number, "", "practice", "generateContent", "tice", f"server-{name}", ("i1",), fault, slip)
    post.status = {"unavailable": 503, "quota_minute": 429}.get(fault, 200)
    post.response_id = answer
    post.prompt_tokens, post.answer_tokens = (1500, 90) if answer else (0, 0)
    post.complete = post.finished = True
    return post


@dataclass
class Draft:
    """Two books that can be changed before they are compared."""

    posts: list[Post] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    pairs: list[dict[str, Any]] = field(default_factory=list)
    answered_before: set[str] = field(default_factory=set)

    def send(
        self,
        name: str,
        state: str,
        *,
        fault: str = "",
        slip: str = "",
        answer: str = "",
        flag: str = "",
        settled: str = "",
        arrives: bool = True,
    ) -> None:
        """One attempt in both books. What is unknown may have arrived, and been answered, all the same."""
        if arrives:
            self.posts.append(make_post(len(self.posts) + 1, name, fault, slip, answer))
        known = answer if state != "unknown" else ""
        uid = f"r{len(self.rows)}"
        self.rows.append(
            {
                "uid": uid,
                "fingerprint": f"ours-{name}",
                "state": state,
                "code": "",
                "settled": settled,
                "cost_micro_usd": cost_micro_usd(Usage(prompt=1500, answer=90), PRICE) if known else 0,
                "response_id": known,
            }
        )
        if state == "answered":
            self.pairs.append({"request_uid": uid, "flags": [{"kind": flag}] if flag else []})

    def claims(self) -> Iterator[Claim]:
        books = Books(self.posts, self.rows, self.pairs)
        yield from audit_books(books, CONCURRENCY, self.answered_before)
        yield audit_money(books, PRICE)
        yield from audit_states(books)
        yield from audit_slips(books)

    def post(self, answer: str) -> Post:
        return next(post for post in self.posts if post.response_id == answer)

    def row(self, answer: str) -> dict[str, Any]:
        return next(row for row in self.rows if row["response_id"] == answer)


def honest() -> Draft:
    """Every outcome once; a kill that leaves one unanswered and one that never arrived; then the rest."""
    draft = Draft()
    draft.send("plain", "answered", answer="a1")
    draft.send("busy", "retryable", fault="unavailable")
    draft.send("busy", "answered", answer="a2")
    draft.send("hasty", "quota_minute", fault="quota_minute")
    draft.send("hasty", "answered", answer="a3", slip="leak", flag="leak")
    draft.send("odd", "invalid", fault="wrong_schema", answer="a4")
    draft.send("odd", "answered", answer="a5", slip="wrong", flag="contradiction")
    draft.send("cut", "truncated", fault="max_tokens", answer="a6")
    draft.send("cut, longer", "answered", answer="a7", slip="refusal", flag="refusal")
    draft.send("shy", "blocked", fault="blocked", answer="a8")
    draft.answered_before = {"a1", "a2", "a3", "a5", "a7"}
    draft.send("in the air", "unknown", answer="a9", settled="resend")
    draft.send("not yet out", "unknown", arrives=False, settled="resend")
    draft.send("in the air", "answered", answer="a10", slip="duplicate")
    draft.send("not yet out", "answered", answer="a11", slip="duplicate", flag="duplicate")
    return draft


def test_honest_books_hold() -> None:
    wrong = [claim for claim in honest().claims() if claim.holds is not True]
    assert wrong == []


def pay_twice(draft: Draft) -> None:
    post = deepcopy(draft.post("a1"))
    post.number, post.response_id = len(draft.posts) + 1, "a99"
    draft.posts.append(post)


def pay_twice_and_book_it(draft: Draft) -> None:
    draft.send("plain", "answered", answer="a99")


def resend_without_a_word(draft: Draft) -> None:
    next(row for row in draft.rows if row["fingerprint"] == "ours-in the air")["settled"] = ""


def resend_what_was_blocked(draft: Draft) -> None:
    draft.send("shy", "blocked", fault="blocked", answer="a99")


def lose_a_post(draft: Draft) -> None:
    draft.posts.remove(draft.post("a1"))


def lose_a_refused_post(draft: Draft) -> None:
    draft.posts.remove(next(post for post in draft.posts if post.fault == "unavailable"))


def lose_a_committed_answer(draft: Draft) -> None:
    draft.rows.remove(draft.row("a2"))


def lose_a_delivered_answer(draft: Draft) -> None:
    draft.row("a11").update(response_id="", state="retryable", cost_micro_usd=0)


def charge_too_much(draft: Draft) -> None:
    draft.row("a1")["cost_micro_usd"] += 1


def leave_too_many_unknown(draft: Draft) -> None:
    draft.send("one more", "unknown", arrives=False)


def kill_at_the_wrong_moment(draft: Draft) -> None:
    draft.rows = [row for row in draft.rows if row["state"] != "unknown"]


def call_a_block_an_answer(draft: Draft) -> None:
    draft.row("a8")["state"] = "answered"


def overlook_a_leak(draft: Draft) -> None:
    draft.pairs[2]["flags"] = []


def overlook_a_repetition(draft: Draft) -> None:
    draft.pairs[-1]["flags"] = []


@pytest.mark.parametrize(
    ("lie", "caught_by"),
    [
        (pay_twice, "Paid twice"),
        (pay_twice, "Every POST"),
        (pay_twice_and_book_it, "Paid twice"),
        (resend_without_a_word, "Paid twice"),
        (resend_what_was_blocked, "Paid twice"),
        (lose_a_post, "Every row without a POST"),
        (lose_a_refused_post, "Every row without a POST"),
        (lose_a_committed_answer, "Answers lost"),
        (lose_a_committed_answer, "Every POST"),
        (lose_a_delivered_answer, "Answers lost"),
        (charge_too_much, "Our sum"),
        (leave_too_many_unknown, "The kill left"),
        (kill_at_the_wrong_moment, "The kill left"),
        (call_a_block_an_answer, "Told apart: blocked"),
        (overlook_a_leak, "Planted and flagged: leaks"),
        (overlook_a_repetition, "Planted and flagged: repetitions"),
    ],
)
def test_a_lie_is_caught(lie: Callable[[Draft], None], caught_by: str) -> None:
    draft = honest()
    lie(draft)
    untrue = [claim.text for claim in draft.claims() if claim.holds is False]
    assert [text for text in untrue if text.startswith(caught_by)], untrue


def test_what_nobody_planted_does_not_count() -> None:
    draft = honest()
    for post in draft.posts:
        post.slip = ""
    slips = [claim for claim in draft.claims() if claim.text.startswith("Planted")]
    assert [claim.holds for claim in slips] == [None] * 4


@pytest.mark.parametrize("change", ["content", "time", "new", "gone", "none"])
def test_a_changed_original_is_seen(tmp_path: Path, change: str) -> None:
    original = tmp_path / "folder" / "a b.jpg"
    original.parent.mkdir()
    original.write_bytes(b"one")
    before = fingerprint_files(tmp_path)
    status = original.stat()
    if change == "content":
        original.write_bytes(b"two")
        os.utime(original, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "time":
        os.utime(original, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    elif change == "new":
        (tmp_path / "thumbs.db").touch()
    elif change == "gone":
        original.unlink()
    changed = changed_files(before, fingerprint_files(tmp_path))
    assert changed == {"none": [], "new": ["thumbs.db"]}.get(change, [os.path.join("folder", "a b.jpg")])


def test_a_key_is_found_in_contents_and_in_names(tmp_path: Path) -> None:
    (tmp_path / "clean.txt").write_bytes(b"nothing")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "table.db").write_bytes(b"\0\xff" * 5000 + b"canary-7\0")
    (tmp_path / "canary-7.txt").touch()
    found = files_with([b"canary-7", b"absent"], [tmp_path])
    assert found == {tmp_path / "deep" / "table.db": 1, tmp_path / "canary-7.txt": 1}
