"""A chat with a model, from the caller's side: asks its child, passes on what comes, survives its crashes.

Everything happens in the caller's thread; only ``stop`` may come from another one. A question carries the
whole chat, so that a child which died, or was ended, is replaced without a trace: the next question starts
another one, which loads the model and reads everything anew.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from dermagui.chat.child import Child, ChildGone
from dermagui.chat.memory import BATCH_TOKENS, DEFAULT_IMAGE_TOKENS, memory_needed
from dermagui.chat.model_facts import ModelFacts, ProjectorFacts
from dermagui.chat.pairing import read_file, refuse_projector, refuse_unusable
from dermagui.chat.pictures import seen_by
from dermagui.chat.prompt import check_template
from dermagui.chat.protocol import (
    Adapter,
    ChatTurn,
    Load,
    Message,
    Rgb,
    Sampling,
    error_from_json,
    images_to_json,
    turns_to_json,
)
from dermagui.errors import DermaError, ServiceError, UserError
from dermagui.jobs.workers import memory_bytes, physical_cores
from dermagui.records import Picture, Region

GRACE_SECONDS = 3.0
"""How long a child that was asked to stop may go on before it is ended: nothing else stops an encoder."""

_LOOK_SECONDS = 0.1
_FIRST = {"load": "load", "encode": "encode"}
_DOING = {
    "start": "chat.while_start",
    "load": "chat.while_load",
    "encode": "chat.while_encode",
    "prompt": "chat.while_prompt",
    "generate": "chat.while_generate",
}


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What to chat with."""

    model: Path
    mmproj: Path | None = None
    template: str | None = None
    """A chat template that is used instead of the model's own."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much room a chat gets. None: what fits this computer."""

    context_tokens: int = 4096
    image_tokens: int = DEFAULT_IMAGE_TOKENS
    """The most tokens of one picture, where the model leaves that free."""
    gpu_layers: int | None = None
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """How far the child is with ``load``, ``encode`` or ``prompt``."""

    doing: str
    done: float
    total: float


@dataclass(frozen=True, slots=True)
class Piece:
    """The next part of an answer: a token, and the letters that it completed."""

    text: str
    token: int | None


@dataclass(slots=True)
class Answer:
    """How a question was answered, as far as it came."""

    text: str = ""
    tokens: tuple[int, ...] = ()
    ended: str = "stopped"
    """``end`` (the model said so), ``length``, ``context`` (no room left) or ``stopped``."""
    seconds: dict[str, float] = field(
        default_factory=lambda: {"load": 0.0, "encode": 0.0, "prompt": 0.0, "generate": 0.0}
    )
    prompt_tokens: int = 0
    reused_tokens: int = 0
    images: list[dict[str, Any]] = field(default_factory=list)
    """Of each picture what the model saw: sha256 of its RGB8 rows, width, height, tokens, exact."""
    labels: list[dict[str, Any]] = field(default_factory=list)
    """The likeliest first: label, log_probability."""


Event = Step | Piece | Answer


class Session:
    """A chat with one model. Close it, or use it with ``with``."""

    def __init__(
        self, files: ModelFiles, room: Room | None = None, *, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        """Looks into the files and starts nothing yet.

        Raises ``UserError`` ``chat.context_too_large``, and what ``read_header``, ``refuse_unusable``,
        ``refuse_projector`` and ``check_template`` raise.
        """
        model = read_file(files.model)
        refuse_unusable(model)
        check_template(files.template or model.facts.template)
        self.model: ModelFacts = model.facts
        self.mmproj: ModelFacts | None = None
        if files.mmproj is not None:
            mmproj = read_file(files.mmproj)
            refuse_projector(model, mmproj)
            self.mmproj = mmproj.facts
        room = room or Room()
        self._room = replace(room, image_tokens=image_tokens(self.projector, room.image_tokens))
        self._load = _load_request(files, self._room, self.model, self.mmproj)
        self._grace_seconds = grace_seconds
        self._child: Child | None = None
        self._number = 0
        self._stopped = 0
        self._unheard = False
        self._deadline: float | None = None
        self._doing = "start"
        self.loaded: dict[str, Any] = {}
        """What the child says of the loaded model: context_tokens, gpu_layers, device, threads, sees,
        has_template; empty before the first question.
        """

    @property
    def projector(self) -> ProjectorFacts | None:
        """How the model sees; None where it does not."""
        return self.mmproj.projector if self.mmproj else None

    def see(self, picture: Picture, redactions: tuple[Region, ...] = ()) -> Rgb:
        """A picture as this model will get it; raises what ``pictures.seen_by`` raises."""
        return seen_by(self.projector, picture, self._room.image_tokens, redactions)

    def ask(
        self,
        turns: Sequence[ChatTurn],
        sampling: Sampling | None = None,
        *,
        adapters: Sequence[Adapter] = (),
        schema: str | None = None,
    ) -> Iterator[Event]:
        """Asks the last turn; the last event is the ``Answer``. Leaving the loop early stops the child.

        Raises ``ServiceError``: ``chat.died``, ``chat.failed``; ``UserError``: ``chat.too_long``,
        ``chat.cannot_see``, ``chat.image_too_large``, ``chat.bad_schema``, ``chat.context_too_large``,
        ``chat.cpu_too_old``, ``chat.nothing_asked``; ``DataError``: ``chat.load_failed``,
        ``chat.mmproj_failed``, ``chat.adapter_failed``, ``chat.template_error``, ``chat.image_failed``.
        The next question may be asked all the same.
        """
        told, images = turns_to_json(turns)
        request = {"do": "ask", **told, **_of_question(adapters)}
        yield from self._answered(
            request | {"sampling": asdict(sampling or Sampling()), "schema": schema}, images, Answer()
        )

    def classify(
        self, turns: Sequence[ChatTurn], labels: Sequence[str], *, adapters: Sequence[Adapter] = ()
    ) -> Iterator[Event]:
        """Asks which label is the answer to the last turn, like ``ask``. Raises ``chat.bad_labels`` too."""
        told, images = turns_to_json(turns)
        request = {"do": "classify", **told, **_of_question(adapters), "labels": list(labels)}
        yield from self._answered(request, images, Answer(), labels)

    def encode(self, image: Rgb) -> Iterator[Event]:
        """Sends a picture through the image encoder ahead of any question, like ``ask``."""
        told, rows = images_to_json([image])
        yield from self._answered({"do": "encode", **told}, rows, Answer())

    def load(self) -> Iterator[Step]:
        """Starts the child and loads the model, unless that is done; raises like ``ask``."""
        self._deadline = None
        yield from self._bring_up()

    def stop(self) -> None:
        """Ends the present question within a token or a batch; after the grace time, ends the child."""
        self._deadline = time.monotonic() + self._grace_seconds
        child = self._child
        if child is not None:
            with suppress(ChildGone):  # whoever reads from it finds that out
                child.send({"do": "stop", "number": self._number})

    def close(self) -> None:
        """Ends the child; may be called again."""
        self.loaded, self._unheard = {}, False
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _bring_up(self) -> Iterator[Step]:
        if self._child is not None and self._child.is_gone:
            self.close()
        if self._child is None:
            self._child = self._start()
        if self._child is None or self.loaded:
            return
        for message in self._exchange({"do": "load", "load": asdict(self._load)}, ()):
            if message["event"] == "progress":
                yield _step(message)
            elif message.get("ended") != "stopped":
                self.loaded = {key: message[key] for key in message if key not in ("event", "number")}

    def _answered(
        self, request: Message, blobs: Sequence[bytes], answer: Answer, labels: Sequence[str] = ()
    ) -> Iterator[Event]:
        self._deadline = None
        start = time.perf_counter()
        yield from self._bring_up()
        answer.seconds["load"] = time.perf_counter() - start
        texts: list[str] = []
        tokens: list[int] = []
        if self.loaded and self._deadline is None:
            for message in self._exchange(request, blobs):
                if message["event"] == "tokens":
                    for token, text in message["tokens"]:
                        texts.append(text)
                        tokens += () if token is None else (token,)
                        yield Piece(text, token)
                elif message["event"] == "progress":
                    yield _step(message)
                else:
                    answer.text, answer.tokens = "".join(texts), tuple(tokens)
                    _complete(answer, message, labels)
        yield answer

    def _start(self) -> Child | None:
        """A new child; None where the caller meanwhile wanted no answer any more."""
        self._doing = "start"
        try:
            return Child(lambda: self._deadline is not None)
        except ChildGone as gone:
            if self._deadline is not None:
                return None
            raise self._death(gone.reason, gone.detail) from gone

    def _exchange(self, request: Message, blobs: Sequence[bytes]) -> Iterator[Message]:
        """Sends a request and passes on what comes back, up to its end. One that nobody listened to until its
        end, such as for an error of the listener, is stopped, and what still comes of it is dropped.
        """
        child = self._child
        assert child is not None
        unheard, self._unheard = self._unheard, True
        number = self._number = self._number + 1
        self._doing = _FIRST.get(request["do"], "prompt")
        ended = False
        try:
            if unheard:
                child.send({"do": "stop", "number": number - 1})
            child.send({**request, "number": number}, blobs)
            while not ended and number == self._number:
                message = self._next(child)
                if message["event"] == "error":
                    raise self._failure(message)
                ended = message["event"] == "done"
                yield message
        except ChildGone as gone:
            reason, detail = child.end(), child.last_words()
            if self._doing == "load" or self.loaded.get("gpu_layers"):
                # Where a graphics card has too little memory, llama.cpp may end the process.
                self._load = replace(self._load, gpu_layers=0)
            self.close()
            raise self._death(reason, detail) from gone
        except GeneratorExit:
            if not ended and number == self._number:
                self._give_up(child)
            raise
        except DermaError:
            raise
        except BaseException:  # an interrupt may have come in the middle of a message
            self.close()
            raise

    def _next(self, child: Child) -> Message:
        while True:
            if self._deadline is not None and not self._goes_on(child):
                child.end(patience_seconds=0.5)
                self.close()
                return {"event": "done", "ended": "stopped"}
            message = child.receive(_LOOK_SECONDS)
            if message is not None and message["number"] in (self._number, 0) and message["event"] != "ready":
                self._unheard = message["event"] not in ("done", "error")
                self._doing = message.get(
                    "doing", "generate" if message["event"] == "tokens" else self._doing
                )
                return message

    def _goes_on(self, child: Child) -> bool:
        """Whether to wait for a child that was asked to stop, which is asked once more for each request."""
        if self._stopped != self._number:
            self._stopped = self._number
            child.send({"do": "stop", "number": self._number})
        return self._deadline is None or time.monotonic() < self._deadline

    def _give_up(self, child: Child) -> None:
        """The caller went away in the middle of an answer: the child is to be ready for the next question."""
        self.stop()
        try:
            while self._next(child)["event"] not in ("done", "error"):
                pass
        except ChildGone:
            self.close()

    def _failure(self, message: Message) -> DermaError:
        if message["number"] == 0:  # it could not even begin, and is gone
            self.close()
        return error_from_json(message)

    def _death(self, reason: str, detail: str) -> ServiceError:
        return ServiceError("chat.died", reason=reason, while_doing=_DOING[self._doing], detail=detail)


def random_seed() -> int:
    """A seed for ``Sampling``, to be told with the answer."""
    return secrets.randbits(31)


def _of_question(adapters: Sequence[Adapter]) -> Message:
    return {
        "adapters": [asdict(replace(adapter, path=os.path.abspath(adapter.path))) for adapter in adapters]
    }


def _step(message: Message) -> Step:
    return Step(message["doing"], message["done"], message["total"])


def _complete(answer: Answer, message: Message, labels: Sequence[str]) -> None:
    answer.ended = message["ended"]
    answer.seconds |= message.get("seconds", {})
    answer.prompt_tokens = message.get("prompt_tokens", 0)
    answer.reused_tokens = message.get("reused_tokens", 0)
    answer.images = message.get("images", [])
    if message.get("labels"):
        found = zip(labels, message["labels"], strict=True)
        ranked = sorted(found, key=lambda pair: -pair[1])
        answer.labels = [{"label": label, "log_probability": number} for label, number in ranked]
        answer.text, answer.tokens = ranked[0][0], tuple(message["tokens"])


def image_tokens(projector: ProjectorFacts | None, wanted: int) -> int:
    """Tokens of one picture at most, within what the projector knows."""
    if projector is None:
        return 0
    return max(projector.min_tokens or 1, min(wanted, projector.max_tokens or wanted))


def _load_request(files: ModelFiles, room: Room, model: ModelFacts, mmproj: ModelFacts | None) -> Load:
    memory = memory_needed(model, mmproj, room.context_tokens, room.image_tokens)
    needed = memory.kv + memory.compute
    if needed > memory_bytes():  # llama.cpp would fill the memory for minutes before it gave up
        detail = f"{needed / 1e9:,.0f} GB"
        raise UserError("chat.context_too_large", context_tokens=room.context_tokens, detail=detail)
    on_card = memory_needed(model, mmproj, room.context_tokens, room.image_tokens, fused=True)
    return Load(
        model=os.path.abspath(files.model),
        mmproj=os.path.abspath(files.mmproj) if files.mmproj else None,
        template=files.template,
        context_tokens=room.context_tokens,
        batch_tokens=BATCH_TOKENS,
        image_tokens=room.image_tokens,
        gpu_layers=room.gpu_layers,
        threads=room.threads or physical_cores(),
        gpu_layer_bytes=(on_card.weights + on_card.kv) // (model.layers + 1),
        gpu_fixed_bytes=on_card.compute + on_card.projector,
    )
