"""The rehearsal server's own book: every POST that it saw, in memory and as lines of JSON in a file."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from .faults import HARMLESS


@dataclass(slots=True)
class Post:
    """One POST, filled in while it is served. Hashes are SHA-256 in hex."""

    number: int
    """Running number from 1."""
    at: str
    """UTC, ISO 8601 with milliseconds."""
    model: str
    call: str
    """``generateContent``, ``countTokens``, or empty for an unknown address."""
    key_tail: str
    """The last four letters of the API key."""
    fingerprint: str = ""
    """Empty while, or because, the body was not read."""
    image_hashes: tuple[str, ...] = ()
    fault: str = ""
    slip: str = ""
    status: int = 0
    """Of the HTTP answer that was worked out; 0 where none was."""
    response_id: str = ""
    """Of the answer, as its receiver is told it too."""
    prompt_tokens: int = 0
    answer_tokens: int = 0
    """What the answer charges."""
    complete: bool = False
    """The whole response was handed to the operating system while the client was still there."""
    finished: bool = False


class PostLog:
    """Counts POSTs; with a path, each step of one is appended to the file and flushed at once."""

    def __init__(self, path: Path | None = None) -> None:
        self._posts: dict[int, Post] = {}
        self.in_flight = 0
        self.max_in_flight = 0
        self._file: TextIO | None = path.open("a", encoding="utf-8") if path else None

    def receive(self, model: str, call: str, key_tail: str) -> Post:
        """Open the account of a POST whose head has come."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        post = Post(len(self._posts) + 1, at, model, call, key_tail)
        self._note("received", post)
        return post

    def identify(self, post: Post) -> None:
        """Write down whose body has come, before anything is answered."""
        self._note("identified", post)

    def finish(self, post: Post) -> None:
        """Close the account of a POST, however it ended."""
        post.finished = True
        self._note("finished", post)

    @property
    def seen(self) -> tuple[Post, ...]:
        """Every POST in the order of their coming."""
        return tuple(self._posts.values())

    @property
    def attempts(self) -> tuple[Post, ...]:
        """The POSTs to generateContent alone."""
        return tuple(post for post in self.seen if post.call == "generateContent")

    @property
    def posts(self) -> int:
        """How many POSTs to generateContent came."""
        return len(self.attempts)

    @property
    def answered(self) -> int:
        """How many of them got a whole and usable answer."""
        usable = {"", *HARMLESS}
        return sum(post.complete and post.status == 200 and post.fault in usable for post in self.attempts)

    @property
    def by_fingerprint(self) -> Counter[str]:
        """How often each request to generateContent came."""
        return Counter(post.fingerprint for post in self.attempts if post.fingerprint)

    @property
    def by_fault(self) -> Counter[str]:
        """How often each fault happened."""
        return Counter(post.fault for post in self.attempts if post.fault)

    @property
    def by_slip(self) -> Counter[str]:
        """How often each slip was handed out in a whole answer."""
        return Counter(post.slip for post in self.attempts if post.slip and post.complete)

    def close(self) -> None:
        """Close the file; what is in memory stays."""
        if self._file:
            self._file.close()
            self._file = None

    def _note(self, event: str, post: Post) -> None:
        self._count(event, post)
        if self._file:
            self._file.write(json.dumps({"event": event, **asdict(post)}) + "\n")
            self._file.flush()

    def _count(self, event: str, post: Post) -> None:
        self._posts[post.number] = post
        self.in_flight += {"received": 1, "finished": -1}.get(event, 0)
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def replay(self, event: str, fields: dict[str, Any]) -> None:
        """Take over one line of a log file."""
        self._count(event, Post(**{**fields, "image_hashes": tuple(fields["image_hashes"])}))


def read_log(path: Path) -> PostLog:
    """Read a log file back, also one whose last line was cut off when its writer died."""
    log = PostLog()
    for line in path.read_text("utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            fields = json.loads(line)
            log.replay(fields.pop("event"), fields)
    return log
