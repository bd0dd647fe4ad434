"""Compares the rehearsal server's own book with ours, and files with what they were.

Pure functions on what was read from both: a POST that is missing, a POST too many, an answer that was lost
or a sum that differs makes a claim that does not hold. The two books know a request by different
fingerprints; the id of an answer, which both keep, ties them together.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dermagui.demo.answers import Slip
from dermagui.demo.faults import Fault
from dermagui.demo.post_log import Post
from dermagui.demo.steps import Claim
from dermagui.generation.cost import cost_micro_usd
from dermagui.records import FlagKind, Price, RequestState, Usage

Row = Mapping[str, Any]

_STATE_AFTER = {
    Fault.UNAVAILABLE: RequestState.RETRYABLE,
    Fault.QUOTA_MINUTE: RequestState.QUOTA_MINUTE,
    Fault.BLOCKED: RequestState.BLOCKED,
    Fault.MAX_TOKENS: RequestState.TRUNCATED,
    Fault.WRONG_SCHEMA: RequestState.INVALID,
    Fault.NOT_JSON: RequestState.INVALID,
}
"""How our book must call what the server did on purpose. After any other fault the answer is usable."""

_MAY_COME_AGAIN = {RequestState.RETRYABLE, RequestState.QUOTA_MINUTE, RequestState.INVALID}
"""What the table of outcomes sends again as it is; after a truncated answer, a longer one is asked for."""

_WORDS = {
    RequestState.RETRYABLE: "503 “overloaded”",
    RequestState.QUOTA_MINUTE: "429 “too many a minute”",
    RequestState.BLOCKED: "blocked by a safety filter",
    RequestState.TRUNCATED: "answers cut short",
    RequestState.INVALID: "answers that are not what was asked for",
    RequestState.ANSWERED: "usable answers",
}
_SLIPS = {
    Slip.LEAK: (FlagKind.LEAK, "leaks of the hidden hint"),
    Slip.WRONG: (FlagKind.CONTRADICTION, "contradictions of the label"),
    Slip.DUPLICATE: (FlagKind.DUPLICATE, "repetitions of an earlier answer"),
    Slip.REFUSAL: (FlagKind.REFUSAL, "refusals"),
}


@dataclass(frozen=True)
class Books:
    """The server's POSTs and our attempts about the same plan, and the pairs that came of it."""

    posts: Sequence[Post]
    rows: Sequence[Row]
    """As ``storage.requests.list_attempts`` gives them."""
    pairs: Sequence[Row] = ()
    """As ``review list --json`` prints them."""

    @cached_property
    def post_of(self) -> dict[str, Post]:
        """The POST of each answer, by the answer's id."""
        return {post.response_id: post for post in self.posts if post.response_id}

    @cached_property
    def row_of(self) -> dict[str, Row]:
        """The row of each answer, by the answer's id."""
        return {row["response_id"]: row for row in self.rows if row["response_id"]}

    @cached_property
    def names(self) -> dict[str, str]:
        """The server's fingerprint of a request → ours, where an answer ties the two together."""
        return {
            self.post_of[answer].fingerprint: row["fingerprint"]
            for answer, row in self.row_of.items()
            if answer in self.post_of
        }

    def count_posts(self, posts: Iterable[Post]) -> Counter[str]:
        """How many of these POSTs each request has, by our fingerprint; "" for all that nothing ties."""
        return Counter(self.names.get(post.fingerprint, "") for post in posts)

    def count_rows(self, rows: Iterable[Row]) -> Counter[str]:
        """The same of our rows."""
        tied = set(self.names.values())
        return Counter(row["fingerprint"] if row["fingerprint"] in tied else "" for row in rows)

    @cached_property
    def unknown(self) -> list[Row]:
        """Our rows that may have been paid, and whose answer never came."""
        return [row for row in self.rows if row["state"] == RequestState.UNKNOWN]


def audit_books(books: Books, concurrency: int, answered_before: Collection[str]) -> Iterator[Claim]:
    """The claims about requests; ``answered_before`` are the ids of answers committed before the kill."""
    without_row, without_post = _unmatched(books)
    never_came = len(books.rows) - len(books.posts)
    unknown = len(books.unknown)
    yield Claim(
        "Every POST that the server counted has its row in our database, written before it was sent",
        f"{len(books.posts)} POSTs, {len(books.rows)} rows, {without_row} POSTs without a row",
        without_row == 0,
        ("POSTs without a row of ours", f"{without_row} of {len(books.posts)}"),
    )
    yield Claim(
        "Every row without a POST is one that is called unknown",
        f"{never_came} rows never reached the server, {without_post} of them claim an outcome",
        without_post == 0 and 0 <= never_came <= unknown,
    )
    yield Claim(
        "The kill left no more unknown than were in flight",
        f"{unknown} unknown, {concurrency} in flight at most",
        0 < unknown <= concurrency,
    )
    gone, dropped = count_lost(books, answered_before)
    delivered = [answer for answer, post in books.post_of.items() if post.complete]
    here = sum(answer in books.row_of for answer in delivered)
    yield Claim(
        "Answers lost: 0",
        f"{len(answered_before)} committed before the kill, {gone} gone; "
        f"{here} of {len(delivered)} delivered are here, {dropped} unexplained",
        gone == dropped == 0,
        ("answers lost", f"{gone + dropped}"),
    )
    repeats = count_silent_repeats(books)
    headline = ("paid twice in silence", f"{repeats}")
    yield Claim("Paid twice in silence: 0", f"{repeats} of {len(books.posts)} POSTs", repeats == 0, headline)


def _unmatched(books: Books) -> tuple[int, int]:
    """POSTs that have no row, and rows that tell an outcome but have no POST; counted request by request."""
    posts, rows = books.count_posts(books.posts), books.count_rows(books.rows)
    return (posts - rows).total(), (books.count_rows(_told(books)) - posts).total()


def _told(books: Books) -> list[Row]:
    """The rows that tell how their POST ended."""
    open_states = {RequestState.UNKNOWN, RequestState.SENDING}
    rows = (row for row in books.rows if row["state"] not in open_states)
    return [row for row in rows if row["code"] != "network.no_connection"]


def count_lost(books: Books, answered_before: Collection[str]) -> tuple[int, int]:
    """Answers that were committed and are gone, and delivered ones that no row and no unknown explains.

    An unknown row explains one that was delivered as the process ended: if the request has such a row, and
    a POST that none of its other rows stands for.
    """
    answered = {row["response_id"] for row in books.rows if row["state"] == RequestState.ANSWERED}
    strangers = [
        post for answer, post in books.post_of.items() if post.complete and answer not in books.row_of
    ]
    free = books.count_posts(books.posts) - books.count_rows(_told(books))
    explained = free & books.count_rows(books.unknown)
    return len(set(answered_before) - answered), (books.count_posts(strangers) - explained).total()


def count_silent_repeats(books: Books) -> int:
    """How often a request was sent again that may have been paid, though nobody had said so."""
    of_request: dict[str, list[Post]] = {}
    for post in books.posts:
        of_request.setdefault(post.fingerprint, []).append(post)
    repeated = [post for posts in of_request.values() for post in posts[:-1] if not _may_come_again(post)]
    allowed = [row for row in books.unknown if row["settled"] == "resend"]
    return (books.count_posts(repeated) - books.count_rows(allowed)).total()


def _may_come_again(post: Post) -> bool:
    return post.complete and state_after(post) in _MAY_COME_AGAIN


def state_after(post: Post) -> RequestState:
    """How our book must call the end of a POST that got its whole answer."""
    return _STATE_AFTER.get(Fault(post.fault), RequestState.ANSWERED) if post.fault else RequestState.ANSWERED


def audit_states(books: Books) -> Iterator[Claim]:
    """Whether each thing that the server did on purpose stands under its right name in our book."""
    done = Counter(state_after(post) for post in books.posts if post.complete)
    booked = Counter(RequestState(row["state"]) for row in books.rows)
    mistaken = Counter(
        state_after(post)
        for answer, post in books.post_of.items()
        if answer in books.row_of and books.row_of[answer]["state"] != state_after(post)
    )
    for state, words in _WORDS.items():
        # What was delivered in the moment of the kill is booked as unknown.
        holds = not mistaken[state] and 0 <= done[state] - booked[state] <= len(books.unknown)
        yield Claim(
            f"Told apart: {words}",
            f"{done[state]} sent by the server, {booked[state]} booked as “{state}”",
            holds if done[state] or booked[state] else None,
        )


def audit_money(books: Books, price: Price) -> Claim:
    """Whether our sum is the price of what the server charged for the answers that reached us."""
    ours = sum(row["cost_micro_usd"] for row in books.rows)
    theirs = sum(
        cost_micro_usd(Usage(prompt=post.prompt_tokens, answer=post.answer_tokens), price)
        for answer, post in books.post_of.items()
        if answer in books.row_of
    )
    found = f"ours {ours / 1e6:.6f} USD, the server's tokens at the same price {theirs / 1e6:.6f} USD"
    return Claim("Our sum is the price of the tokens that the server charged", found, ours == theirs)


def audit_slips(books: Books) -> Iterator[Claim]:
    """Whether every answer that was spoilt on purpose, and reached us, carries its flag."""
    for slip, (flag, words) in _SLIPS.items():
        planted, flagged = _slips(books, slip, flag)
        text = f"Planted and flagged: {words}"
        if planted:
            found = f"{planted} planted, {flagged} flagged as “{flag}”"
            yield Claim(text, found, planted <= flagged, (f"{words} found", f"{flagged} of {planted}"))
        else:
            yield Claim(text, "not applicable: none could be planted", None)


def _slips(books: Books, slip: Slip, flag: FlagKind) -> tuple[int, int]:
    """How many answers with this slip came, and how many of their pairs carry the flag.

    Of answers that say the same, the first one about an image repeats nothing.
    """
    flags = {pair["request_uid"]: {found["kind"] for found in pair["flags"]} for pair in books.pairs}
    spoilt = [
        (post.image_hashes, flags[books.row_of[answer]["uid"]])
        for answer, post in books.post_of.items()
        if post.slip == slip and answer in books.row_of and books.row_of[answer]["uid"] in flags
    ]
    firsts = len({images for images, _ in spoilt}) if slip is Slip.DUPLICATE else 0
    return len(spoilt) - firsts, sum(flag in found for _, found in spoilt)


def fingerprint_files(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Every file of a folder: path within it → sha256, size in bytes, time of change in nanoseconds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            status = path.stat()
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            found[str(path.relative_to(folder))] = (sha256, status.st_size, status.st_mtime_ns)
    return found


def changed_files(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """The files that are new, gone or different."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def files_with(needles: Collection[bytes], folders: Iterable[Path]) -> dict[Path, int]:
    """The files below some folders that hold some of these byte strings, or are named so: path → how many."""
    found = {}
    for folder in folders:
        for path in (path for path in sorted(folder.rglob("*")) if path.is_file()):
            content = bytes(path.relative_to(folder)) + b"\0" + path.read_bytes()
            if count := sum(needle in content for needle in needles):
                found[path] = count
    return found
