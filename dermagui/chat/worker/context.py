"""The context of a model: what it has read and said so far, evaluated once and kept.

The next question begins with everything that was said before. Only what is new behind the longest common
beginning is evaluated, and always the last units, whose logits are what comes next.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, takewhile

from dermagui.chat.worker.images import ImageChunk, Images, Unit, embedding_pointer
from dermagui.chat.worker.model import Halt, Model
from dermagui.chat.worker.native import llama, mtmd
from dermagui.errors import ServiceError, Stopped, UserError

LAST = 2
"""Units that are always evaluated again. One alone would take another way through the processor than the
same one among others, and its logits would differ in the last digits.
"""

_DONE, _NO_ROOM, _ABORTED = 0, 1, 2

Progress = Callable[[int, int], None]


class Context:
    """The units whose keys and values are in memory, in order."""

    def __init__(self, model: Model, images: Images, halt: Halt) -> None:
        self._model = model
        self._images = images
        self._halt = halt
        self._memory = llama.llama_get_memory(model.context)
        self._batch = llama.llama_batch_init(model.batch_tokens, 0, 1)
        self._units: list[Unit] = []
        self._tokens = self._positions = 0

    def close(self) -> None:
        """Frees the batch; the memory goes with the model."""
        llama.llama_batch_free(self._batch)

    def clear(self) -> None:
        """Forgets everything, such as after another adapter was put on."""
        llama.llama_memory_clear(self._memory, True)
        self._units = []
        self._tokens = self._positions = 0

    @property
    def room(self) -> int:
        """How many tokens more there is room for."""
        return int(self._model.context_tokens) - self._tokens

    def evaluate(self, units: Sequence[Unit], tell: Progress = lambda done, total: None) -> int:
        """Brings the context to exactly these units; returns how many of their tokens were there already.

        Raises ``UserError`` ``chat.too_long``; ``Stopped``, with what was evaluated kept for the next time.
        """
        total = sum(map(tokens_of, units))
        if total > self._model.context_tokens:
            raise UserError("chat.too_long", tokens=total, most=self._model.context_tokens)
        self._cut(max(0, min(common(self._units, units), len(units) - LAST)))
        reused = done = self._tokens
        for batch in batches(units[len(self._units) :], self._model.batch_tokens):
            if self._halt():
                raise Stopped("chat.stopped")
            self._decode(batch)
            done += sum(map(tokens_of, batch))
            tell(done, total)
        return reused

    def add(self, token: int) -> None:
        """Evaluates one token behind all others."""
        self._decode([token])

    def probe(self, tokens: Sequence[int]) -> list[list[float]]:
        """The logits behind each of these tokens, were they to come next; the context stays as it is."""
        before = list(self._units)
        try:
            self._decode(tokens, every=True)
            return [self.logits(place) for place in range(len(tokens))]
        finally:
            self._cut(len(before))
            if len(self._units) < len(before):  # this kind of memory cannot be cut, only emptied
                self.evaluate(before)

    def logits(self, place: int = -1) -> list[float]:
        """The logits behind a token of the last batch; -1: behind the last one."""
        found = llama.llama_get_logits_ith(self._model.context, place)
        if not found:
            raise ServiceError("chat.failed", detail="no logits")
        numbers: list[float] = found[: llama.llama_vocab_n_tokens(self._model.vocabulary)]
        return numbers

    def _cut(self, count: int) -> None:
        """Forgets all but the first units; everything, where the memory is of a kind that cannot be cut."""
        if count == len(self._units):
            return
        kept = self._units[:count]
        positions = sum(map(positions_of, kept))
        if llama.llama_memory_seq_rm(self._memory, 0, positions, -1):
            self._units = kept
            self._tokens, self._positions = sum(map(tokens_of, kept)), positions
        else:
            self.clear()

    def _decode(self, batch: Sequence[Unit], *, every: bool = False) -> None:
        position = self._positions
        if isinstance(batch[0], ImageChunk):
            code = self._decode_image(batch[0], position)
        else:
            self._fill(batch, position, every)
            code = llama.llama_decode(self._model.context, self._batch)
        if code == _DONE:
            self._units += batch
            self._tokens += sum(map(tokens_of, batch))
            self._positions += sum(map(positions_of, batch))
            return
        # Parts of the batch may have been evaluated; the units that we know are what has to be left.
        if not llama.llama_memory_seq_rm(self._memory, 0, position, -1):
            self.clear()
        if code == _ABORTED or self._halt():
            raise Stopped("chat.stopped")
        if code == _NO_ROOM:
            raise UserError("chat.too_long", tokens=len(self._units), most=self._model.context_tokens)
        raise ServiceError("chat.failed", detail=self._model.error())

    def _fill(self, batch: Sequence[Unit], position: int, every: bool) -> None:
        self._batch.n_tokens = len(batch)
        for place, token in enumerate(batch):
            self._batch.token[place] = token
            self._batch.pos[place] = position + place
            self._batch.n_seq_id[place] = 1
            self._batch.seq_id[place][0] = 0
            self._batch.logits[place] = every or place == len(batch) - 1

    def _decode_image(self, chunk: ImageChunk, position: int) -> int:
        """Positions of images are llama.cpp's own business: with M-RoPE they count rows and columns."""
        known, embedding = self._images.embedding(chunk)
        code: int = mtmd.mtmd_helper_decode_image_chunk(
            self._model.vision,
            self._model.context,
            known,
            embedding_pointer(embedding),
            position,
            0,
            self._model.batch_tokens,
            ctypes.byref(llama.llama_pos()),
            mtmd.mtmd_helper_post_decode_callback(),
            None,
        )
        return code


def tokens_of(unit: Unit) -> int:
    """How much of the context a unit takes."""
    return unit.tokens if isinstance(unit, ImageChunk) else 1


def positions_of(unit: Unit) -> int:
    """How far what follows a unit moves on."""
    return unit.positions if isinstance(unit, ImageChunk) else 1


def common(first: Sequence[Unit], second: Sequence[Unit]) -> int:
    """The length of the longest common beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def batches(units: Sequence[Unit], size: int) -> Iterator[Sequence[Unit]]:
    """Runs of text in equal parts of at most so many tokens, and pieces of pictures one by one.

    Equal, so that none is a single token, which would be evaluated in another way than among others.
    """
    for is_image, group in groupby(units, lambda unit: isinstance(unit, ImageChunk)):
        run = list(group)
        parts = len(run) if is_image else -(-len(run) // size)
        for part in range(parts):
            yield run[part * len(run) // parts : (part + 1) * len(run) // parts]
