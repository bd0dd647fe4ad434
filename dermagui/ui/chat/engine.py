"""The chat engine as the window holds it: a thread of its own, and no more than 30 repaints a second.

A ``Session`` belongs to one thread. What it says is collected there and handed over by one signal; however
fast a model answers, the window hears of it every 33 ms at most.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from dermagui import settings
from dermagui.errors import DermaError, UserError
from dermagui.records import Role
from dermagui.ui.desk import Desk

if TYPE_CHECKING:
    from dermagui.chat.finding import FoundModel
    from dermagui.chat.keeping import Asked, Attachment
    from dermagui.chat.protocol import Adapter, ChatTurn, Rgb, Sampling
    from dermagui.chat.session import Answer, Event, Room, Session

REPAINT_MILLISECONDS = 34
"""The least time between two signals about one answer: no more than 30 in a second."""


@dataclass(frozen=True, slots=True)
class Said:
    """One thing said in a chat, with the pictures that were shown with it."""

    role: Role
    text: str
    attachments: tuple[Attachment, ...] = ()
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A chat up to its last question, and how it is to be answered."""

    model: str
    """The name of a bundle, or the path of a GGUF file."""
    turns: tuple[Said, ...]
    sampling: Sampling
    room: Room
    adapters: tuple[Adapter, ...] = ()
    system: str = ""
    """Said before everything; it is part of the settings and not of the chat."""
    schema: str | None = None
    labels: tuple[str, ...] = ()
    """Where there are some, the answer is one of them."""
    task: str = ""
    """The id of a ``ChatTask``; empty for a question in the user's own words."""
    asked: Mapping[str, str] = field(default_factory=dict)
    """Of a task what stands in place of its words: ``task``, ``label``, ``own`` (what the user wrote)."""
    told: str = ""
    """What the model is told in place of the last turn's words: the same question, with passages."""
    passages: tuple[Mapping[str, object], ...] | None = None
    """Of the reference library, to which the answer is to keep."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer with all that is kept of it."""

    answer: Answer
    asked: Asked
    seen: tuple[tuple[Attachment, Rgb], ...]
    """Every picture that the model was shown for it, as it got it."""
    context_tokens: int
    left_out: int = 0
    """How many of the oldest questions did not fit and were not told to the model again."""
    has_template: bool = True


@dataclass(frozen=True, slots=True)
class Progress:
    """What comes before the first word: ``load``, ``encode`` or ``prompt``."""

    doing: str
    done: float
    total: float


@dataclass(slots=True)
class _News:
    """What the thread has to say since the window last heard."""

    text: str = ""
    progress: Progress | None = None
    end: Answered | DermaError | BaseException | None = None


class Engine(QObject):
    """Asks one question at a time. ``close`` ends thread and child; the closing of the desk does too."""

    started = Signal()
    progressed = Signal(object)
    """A ``Progress``."""
    grew = Signal(str)
    """The letters that were answered since the last time."""
    answered = Signal(object)
    """An ``Answered``: the question is over."""
    failed = Signal(object)
    """A ``DermaError``: the question is over, and may be asked again."""
    _woken = Signal()

    def __init__(self, desk: Desk, *, grace_seconds: float | None = None) -> None:
        super().__init__(desk)
        self._grace_seconds = grace_seconds
        self._thread: ThreadPoolExecutor | None = None
        self._answering: Future[None] | None = None
        self._session: Session | None = None
        self._found: FoundModel | None = None
        self._opened: tuple[str, Room] | None = None
        self._seen: dict[Attachment, Rgb] = {}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._news: _News | None = None
        self._is_busy = self._is_closed = False
        self._repaint = QTimer(self)
        self._repaint.setSingleShot(True)
        self._repaint.timeout.connect(self._tell)
        self._told_at = 0.0
        self.idle = QTimer(self)
        """Runs while a model is loaded that nobody asks anything; at its end memory is given back."""
        self.idle.setSingleShot(True)
        self.idle.timeout.connect(self.release)
        # Queued: the thread must never wait for the window.
        self._woken.connect(self._on_woken, Qt.ConnectionType.QueuedConnection)
        desk.closing.connect(self.close)

    # -- in the window's thread -----------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Whether a question is being answered."""
        return self._is_busy

    def ask(self, question: Question) -> None:
        """Begins to answer; the signals tell the rest. Does nothing while another one is under way."""
        self._begin(lambda: self._answer(question))

    def stop(self) -> None:
        """Ends the answer within a token, or the loading; what was said so far stays."""
        self._stop.set()
        session = self._session
        if session is not None and self._is_busy:
            session.stop()

    def release(self) -> None:
        """Ends the child, which gives back its memory; the next question loads the model again by itself."""
        self.idle.stop()
        if self._thread is not None and not self._is_busy:
            self._thread.submit(self._close_session)

    def finish(self) -> None:
        """Stops the answer, waits for its end and tells it: what it is to be kept in is about to close."""
        if self._answering is not None and self._is_busy:
            self.stop()
            wait([self._answering])
            self._tell()

    def close(self) -> None:
        """Ends everything and waits for it; nothing is asked or told from then on."""
        self.finish()
        self._is_closed = True
        self._repaint.stop()
        self.idle.stop()
        thread, self._thread = self._thread, None
        if thread is not None:
            self.stop()
            thread.submit(self._close_session)
            thread.shutdown(wait=True)
        self._is_busy = False

    def _begin(self, work: Callable[[], Answered]) -> None:
        if self._is_busy or self._is_closed:
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="chat")
        self._is_busy = True
        self.idle.stop()
        self._stop.clear()
        self._news = None
        self._answering = self._thread.submit(self._run, work)
        self.started.emit()

    def _on_woken(self) -> None:
        since = (time.monotonic() - self._told_at) * 1000
        if since >= REPAINT_MILLISECONDS:
            self._tell()
        elif not self._repaint.isActive() and not self._is_closed:
            self._repaint.start(max(1, round(REPAINT_MILLISECONDS - since)))

    def _tell(self) -> None:
        with self._lock:
            news, self._news = self._news, None
        if news is None or self._is_closed:
            return
        self._told_at = time.monotonic()
        if news.progress is not None:
            self.progressed.emit(news.progress)
        if news.text:
            self.grew.emit(news.text)
        if news.end is not None:
            self._is_busy = False
            self.idle.start(settings.number("chat.idle_minutes") * 60_000)
            if isinstance(news.end, Answered):
                self.answered.emit(news.end)
            elif isinstance(news.end, DermaError):
                self.failed.emit(news.end)
            else:
                raise news.end

    # -- in the engine's thread -----------------------------------------------------------------

    def _say(self, text: str = "", progress: Progress | None = None, end: object = None) -> None:
        """Adds to what the window will hear; wakes it where it has heard all before."""
        with self._lock:
            is_first = self._news is None
            news = self._news = self._news or _News()
            news.text += text
            news.progress = progress or news.progress
            news.end = end if end is not None else news.end  # type: ignore[assignment]
        if is_first:
            with suppress(RuntimeError):  # the window may be gone by now
                self._woken.emit()

    def _run(self, work: Callable[[], Answered]) -> None:
        try:
            self._say(end=work())
        except DermaError as error:
            self._say(end=error)
        except BaseException as error:  # raised again in the window, which shows what nobody expected
            self._say(end=error)

    def _answer(self, question: Question) -> Answered:
        session = self._session_for(question)
        turns, left_out = question.turns, 0
        while True:
            shown = [(picture, self._see(session, picture)) for turn in turns for picture in turn.attachments]
            try:
                return self._told(question, session, self._hear(session, question, turns), shown, left_out)
            except UserError as error:
                shorter = _without_oldest(turns)
                if error.code != "chat.too_long" or shorter is None:
                    raise
                turns, left_out = shorter, left_out + 1

    def _hear(self, session: Session, question: Question, turns: Sequence[Said]) -> Answer:
        from dermagui.chat.session import Answer, Piece, Step

        answer = Answer()
        if self._stop.is_set():
            return answer
        for event in self._events(session, question, turns):
            self._heed_stop(session)
            if isinstance(event, Piece):
                self._say(text=event.text)
            elif isinstance(event, Step):
                self._say(progress=Progress(event.doing, event.done, event.total))
            else:
                answer = event
        return answer

    def _events(self, session: Session, question: Question, turns: Sequence[Said]) -> Sequence[Event]:
        last = replace(turns[-1], text=question.told or turns[-1].text)
        told = [self._chat_turn(turn) for turn in (*turns[:-1], last)]
        if question.system.strip():
            told.insert(0, self._chat_turn(Said(Role.SYSTEM, question.system.strip())))
        if question.labels:
            events = session.classify(told, question.labels, adapters=question.adapters)
        else:
            events = session.ask(told, question.sampling, adapters=question.adapters, schema=question.schema)
        return events  # type: ignore[return-value]  # an iterator, read once

    def _chat_turn(self, turn: Said) -> ChatTurn:
        from dermagui.chat.protocol import ChatTurn

        return ChatTurn(turn.role, turn.text, tuple(self._seen[one] for one in turn.attachments), turn.tokens)

    def _heed_stop(self, session: Session) -> None:
        """A stop that came before the session had begun with this question was not meant for it then."""
        if self._stop.is_set():
            session.stop()

    def _session_for(self, question: Question) -> Session:
        """The session of the question's model; another model's is ended first, so that memory holds one."""
        from dermagui.chat.bundle_files import read_text
        from dermagui.chat.finding import find_model
        from dermagui.chat.session import GRACE_SECONDS, ModelFiles, Session

        wanted = (question.model, question.room)
        if self._session is None or wanted != self._opened:
            self._close_session()
            found = find_model(question.model, None, looks=True)
            template = found.paths.get("template")
            files = ModelFiles(
                found.paths["model"], found.paths.get("mmproj"), read_text(template) if template else None
            )
            grace = GRACE_SECONDS if self._grace_seconds is None else self._grace_seconds
            self._session = Session(files, question.room, grace_seconds=grace)
            self._found, self._opened = found, wanted
        return self._session

    def _close_session(self) -> None:
        session, self._session = self._session, None
        self._seen.clear()
        if session is not None:
            session.close()

    def _see(self, session: Session, picture: Attachment) -> Rgb:
        if picture not in self._seen:
            self._seen[picture] = session.see(picture.picture, picture.redactions)
        return self._seen[picture]

    def _told(
        self,
        question: Question,
        session: Session,
        answer: Answer,
        shown: list[tuple[Attachment, Rgb]],
        left_out: int,
    ) -> Answered:
        from dermagui.chat.keeping import Asked

        assert self._found is not None
        bundle = self._found.bundle
        for gone in self._seen.keys() - {picture for picture, _ in shown}:
            del self._seen[gone]  # a chat of many pictures must not keep the pixels of all others
        context_tokens = int(session.loaded.get("context_tokens", question.room.context_tokens))
        asked = Asked(
            self._found.name,
            bundle.files["model"].sha256 if bundle else "",
            session.model.quantization,
            question.adapters,
            question.sampling,
            context_tokens,
            question.task,
        )
        has_template = bool(session.loaded.get("has_template", True))
        return Answered(answer, asked, tuple(shown), context_tokens, left_out, has_template)


def _without_oldest(turns: tuple[Said, ...]) -> tuple[Said, ...] | None:
    """The turns without the oldest question and its answer, whose pictures go to the next question; None
    where only one question is left.
    """
    places = [place for place, turn in enumerate(turns) if turn.role is Role.USER]
    if len(places) < 2:
        return None
    gone, kept = turns[: places[1]], turns[places[1] :]
    pictures = tuple(one for turn in gone for one in turn.attachments)
    return replace(kept[0], attachments=(*pictures, *kept[0].attachments)), *kept[1:]
