"""The story of a job: ``events.jsonl`` in its folder, appended by the job, followed by whoever looks on.

Every line is one JSON object with ``at`` (UTC) and ``event``:
``progress`` (done, total, unit), ``warning`` (code, values), ``heartbeat``, ``end`` (state, figures,
error, not_before), and what a kind of job tells besides, such as ``preview``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from dermagui.errors import Stopped
from dermagui.records import Progress
from dermagui.storage.moments import now

EVENTS_NAME = "events.jsonl"
STOP_NAME = "STOP"
_PROGRESS_SECONDS = 0.1
_LOOK_SECONDS = 0.05

Event = dict[str, Any]


class Report:
    """What a job's function is given to speak with, and to ask whether it should stop."""

    def __init__(self, folder: Path, secret: str | None = None) -> None:
        """``secret`` is what came on the child's standard input; it is never written anywhere."""
        self.folder = folder
        self.secret = secret
        self._stop_asked = False
        self._next_progress = 0.0
        self._next_look = 0.0
        # What is no Unicode in a name becomes the escape that JSON has for it.
        self._file = (folder / EVENTS_NAME).open(
            "a", encoding="utf-8", errors="backslashreplace", buffering=1
        )

    def tell(self, event: str, **values: object) -> None:
        """Appends an event. A full disk must not end a job whose truth lies in the database."""
        with suppress(OSError):
            self._file.write(json.dumps({"at": now(), "event": event, **values}, ensure_ascii=False) + "\n")

    def progress(self, progress: Progress) -> None:
        """Tells how far the job is, at most ten times a second; the last one is always told."""
        moment = time.monotonic()
        if progress.done == progress.total or moment >= self._next_progress:
            self._next_progress = moment + _PROGRESS_SECONDS
            self.tell("progress", done=progress.done, total=progress.total, unit=progress.unit)

    def warn(self, code: str, **values: object) -> None:
        """Tells something that the user should know and that does not end the job."""
        self.tell("warning", code=code, values=values)

    def ask_to_stop(self) -> None:
        """Asks the job to stop from inside its process, as a signal handler does."""
        self._stop_asked = True

    def stop_asked(self) -> bool:
        """Whether somebody asked the job to stop; cheap enough to ask in every round."""
        moment = time.monotonic()
        if not self._stop_asked and moment >= self._next_look:
            self._next_look = moment + _LOOK_SECONDS
            self._stop_asked = (self.folder / STOP_NAME).exists()
        return self._stop_asked

    def stop_if_asked(self) -> None:
        """Raises ``Stopped`` ``job.stopped`` where somebody asked the job to stop."""
        if self.stop_asked():
            raise Stopped("job.stopped")

    def close(self) -> None:
        """Closes the story."""
        with suppress(OSError):
            self._file.close()


def follow(folder: Path, is_running: Callable[[], bool], *, poll_seconds: float = 0.05) -> Iterator[Event]:
    """The events of a job from its beginning to its end, as they come.

    Ends after the ``end`` event, or when ``is_running`` says no and nothing more was written.
    """
    position = 0
    while True:
        running = is_running()
        events, position = read_events(folder, position)
        for event in events:
            yield event
            if event["event"] == "end":
                return
        if not running:
            return
        if not events:
            time.sleep(poll_seconds)


def read_events(folder: Path, position: int = 0) -> tuple[list[Event], int]:
    """The complete lines from a byte position on, and the position after them.

    A line that a killed process left half-written is skipped.
    """
    try:
        with (folder / EVENTS_NAME).open("rb") as file:
            file.seek(position)
            text = file.read()
    except FileNotFoundError:
        return [], position
    whole = text[: text.rfind(b"\n") + 1]
    events = []
    for line in whole.splitlines():
        with suppress(ValueError):
            events.append(json.loads(line))
    return events, position + len(whole)


def last_events(folder: Path, size_bytes: int = 65_536) -> list[Event]:
    """The newest events of a job, as many as stand in the last bytes of its story."""
    try:
        size = (folder / EVENTS_NAME).stat().st_size
    except OSError:
        return []
    return read_events(folder, max(0, size - size_bytes))[0]
