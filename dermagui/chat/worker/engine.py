"""Answers questions with a loaded model: prompt, pictures, context and tokens put together."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dermagui.chat.prompt import Part, Text, parts_of_prompt
from dermagui.chat.protocol import Adapter, ChatTurn, Load, Rgb, Sampling
from dermagui.chat.worker.context import Context
from dermagui.chat.worker.images import Images, Unit
from dermagui.chat.worker.labels import log_probabilities, tokens_of_labels
from dermagui.chat.worker.model import Halt, Model
from dermagui.chat.worker.native import NativeLog, llama
from dermagui.chat.worker.sampling import grammar_of, sampler
from dermagui.errors import Stopped, UserError

Tell = Callable[..., None]
"""Tells an event with its values: ``progress`` (doing, done, total), ``token`` (id, text)."""


@dataclass(slots=True)
class Result:
    """How an answer came about, as far as it came."""

    tokens: list[int] = field(default_factory=list)
    ended: str = "stopped"
    """``end`` (the model said so), ``length``, ``context`` (no room left) or ``stopped``."""
    seconds: dict[str, float] = field(default_factory=lambda: {"encode": 0.0, "prompt": 0.0, "generate": 0.0})
    prompt_tokens: int = 0
    reused_tokens: int = 0
    images: list[dict[str, object]] = field(default_factory=list)
    """What was seen: sha256, width, height, tokens, exact."""
    labels: list[float] = field(default_factory=list)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Adds the seconds that are spent inside."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[what] += time.perf_counter() - start


class Engine:
    """A model in memory, with what it has seen and read."""

    def __init__(self, wanted: Load, log: NativeLog, halt: Halt, tell: Tell) -> None:
        """Loads the model; raises what ``Model`` raises."""
        self._halt = halt
        self._tell = tell
        self.model = Model(wanted, log, halt, lambda part: tell("progress", doing="load", done=part, total=1))
        self.images = Images(self.model)
        self.context = Context(self.model, self.images, halt)

    def close(self) -> None:
        """Frees everything."""
        self.images.close()
        self.context.close()
        self.model.close()

    def encode(self, image: Rgb) -> Result:
        """Sends a picture through the image encoder ahead of any question."""
        result = Result()
        self._see([image], result)
        self.images.forget_oldest()
        result.ended = "end"
        return result

    def ask(
        self,
        turns: Sequence[ChatTurn],
        sampling: Sampling,
        adapters: Sequence[Adapter] = (),
        schema: str | None = None,
    ) -> Result:
        """Answers the last turn, token by token. ``stopped`` is an outcome like any other."""
        grammar = None if schema is None else grammar_of(schema)
        result = Result()
        try:
            units, _ = self._read(turns, adapters, result)
            words = [unit for unit in units if isinstance(unit, int)]
            with result.timed("generate"), sampler(self.model, sampling, grammar, words) as chain:
                self._generate(chain, sampling.max_tokens, result)
        except Stopped:
            result.ended = "stopped"
        self.images.forget_oldest()
        return result

    def classify(
        self, turns: Sequence[ChatTurn], labels: Sequence[str], adapters: Sequence[Adapter] = ()
    ) -> Result:
        """The log-probability of each label as the answer to the last turn; the likeliest is the answer."""
        result = Result()
        try:
            _, words_before = self._read(turns, adapters, result)
            with result.timed("generate"):
                tokens = tokens_of_labels(self.model, labels, words_before)
                result.labels = log_probabilities(self.context, tokens)
            best = tokens[result.labels.index(max(result.labels))]
            result.tokens = [token for token in best if not self.model.ends_turn(token)]
            result.ended = "end"
        except Stopped:
            result.ended = "stopped"
        self.images.forget_oldest()
        return result

    def _read(
        self, turns: Sequence[ChatTurn], adapters: Sequence[Adapter], result: Result
    ) -> tuple[list[Unit], str]:
        """Evaluates the prompt; returns its units, and the words at its end."""
        if self.model.wear(adapters):
            self.context.clear()
        parts = parts_of_prompt(self.model.template, turns, self.model.ends, self._looks_special)
        last = parts[-1] if turns and parts else None
        if not isinstance(last, Text):
            raise UserError("chat.nothing_asked")
        self._see([part for part in parts if isinstance(part, Rgb)], result)
        units = self._units(parts)
        with result.timed("prompt"):
            result.reused_tokens = self.context.evaluate(
                units, lambda done, total: self._tell("progress", doing="prompt", done=done, total=total)
            )
        result.prompt_tokens = self.model.context_tokens - self.context.room
        return units, last.text

    def _looks_special(self, text: str) -> bool:
        return self.model.tokens(text) != self.model.tokens(text, special=False)

    def _see(self, images: Sequence[Rgb], result: Result) -> None:
        for done, image in enumerate(images):
            if self._halt():
                raise Stopped("chat.stopped")
            if not self.images.knows(image):
                self._tell("progress", doing="encode", done=done, total=len(images))
            with result.timed("encode"):
                seen = self.images.see(image)
            result.images.append(
                {
                    "sha256": image.sha256,
                    "width": image.width,
                    "height": image.height,
                    "tokens": seen.tokens,
                    "exact": image.exact and len(seen.pieces) == 1,
                }
            )

    def _units(self, parts: Sequence[Part]) -> list[Unit]:
        units: list[Unit] = []
        for part in parts:
            match part:
                case Text():
                    units += self.model.tokens(part.text, special=part.special)
                case Rgb():
                    units += self.images.see(part).units
                case _:
                    units += part
        first = [unit for unit in units[:1] if isinstance(unit, int)]
        return [*self.model.begins(first), *units]

    def _generate(self, chain: Any, most: int, result: Result) -> None:  # noqa: ANN401, a pointer of C
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            token = llama.llama_sampler_sample(chain, self.model.context, -1)
            if self.model.ends_turn(token):
                result.ended = "end"
                break
            result.tokens.append(token)
            self._tell("token", id=token, text=decoder.decode(self.model.piece(token)))
            if len(result.tokens) >= most or self.context.room < 1:
                result.ended = "length" if len(result.tokens) >= most else "context"
                break
            if self._halt():
                raise Stopped("chat.stopped")
            self.context.add(token)
        if rest := decoder.decode(b"", final=True):
            self._tell("token", id=None, text=rest)


def started() -> NativeLog:
    """Makes llama.cpp ready, once in a process; its log has to be kept as long as it works."""
    log = NativeLog()
    llama.llama_backend_init()
    return log
