"""Pictures as a model sees them: encoded once, kept, and taken up again at every later question."""

from __future__ import annotations

import ctypes
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dermagui.chat.protocol import Rgb
from dermagui.chat.worker.model import Model
from dermagui.chat.worker.native import mtmd
from dermagui.errors import DataError, ServiceError, UserError

KEPT_BYTES = 256 << 20
"""Of encoded pictures, some hundred of them; those that were not asked about for longest go first."""

_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class ImageChunk:
    """A piece of a picture in a prompt: what a token is for text.

    ``positions`` is how far the text after it moves on; with M-RoPE that is less than ``tokens``.
    """

    image: tuple[str, int, int]
    place: int
    tokens: int
    positions: int


Unit = int | ImageChunk
"""What a prompt is made of: a token of text, or a piece of a picture."""


@dataclass(slots=True)
class SeenImage:
    """A picture that went through the image encoder."""

    units: list[Unit] = field(default_factory=list)
    """The words that the model wants around a picture, and its pieces."""
    pieces: list[tuple[Any, Any]] = field(default_factory=list)
    """For each piece what llama.cpp wants to know of it, without pixels, and its embedding."""

    @property
    def tokens(self) -> int:
        """How many tokens the pieces have together."""
        return sum(unit.tokens for unit in self.units if isinstance(unit, ImageChunk))

    @property
    def size_bytes(self) -> int:
        """Of its embeddings."""
        return sum(ctypes.sizeof(embedding) for _, embedding in self.pieces)

    def free(self) -> None:
        """Frees what llama.cpp keeps of it."""
        for chunk, _ in self.pieces:
            mtmd.mtmd_input_chunk_free(chunk)
        self.pieces.clear()


class Images:
    """The pictures that a model has seen."""

    def __init__(self, model: Model, kept_bytes: int = KEPT_BYTES) -> None:
        self._model = model
        self._kept_bytes = kept_bytes
        self._seen: OrderedDict[tuple[str, int, int], SeenImage] = OrderedDict()

    def see(self, image: Rgb) -> SeenImage:
        """The picture, encoded now if it is new.

        Raises ``UserError``: ``chat.cannot_see``, ``chat.image_too_large``; ``DataError``
        ``chat.image_failed``. Nothing can interrupt the encoder.
        """
        if image.key not in self._seen:
            if self._model.vision is None:
                raise UserError("chat.cannot_see")
            self._seen[image.key] = self._encode(image)
        self._seen.move_to_end(image.key)
        return self._seen[image.key]

    def knows(self, image: Rgb) -> bool:
        """Whether a picture is encoded already."""
        return image.key in self._seen

    def embedding(self, chunk: ImageChunk) -> tuple[Any, Any]:
        """What is decoded for a piece of a picture that was seen for this question."""
        return self._seen[chunk.image].pieces[chunk.place]

    def forget_oldest(self) -> None:
        """Frees what is too much. Between questions only: during one, all its pictures are needed."""
        sizes = {key: seen.size_bytes for key, seen in self._seen.items()}
        while len(self._seen) > 1 and sum(sizes[key] for key in self._seen) > self._kept_bytes:
            self._seen.popitem(last=False)[1].free()

    def close(self) -> None:
        """Frees everything."""
        while self._seen:
            self._seen.popitem()[1].free()

    def _encode(self, image: Rgb) -> SeenImage:
        seen = SeenImage()
        try:
            with _tokenized(self._model, image) as chunks:
                for place in range(mtmd.mtmd_input_chunks_size(chunks)):
                    self._add_chunk(seen, image, mtmd.mtmd_input_chunks_get(chunks, place))
        except BaseException:
            seen.free()
            raise
        return seen

    def _add_chunk(self, seen: SeenImage, image: Rgb, chunk: object) -> None:
        if mtmd.mtmd_input_chunk_get_type(chunk) == mtmd.MTMD_INPUT_CHUNK_TYPE_TEXT:
            count = ctypes.c_size_t()
            tokens = mtmd.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(count))
            seen.units += tokens[: count.value]
            return
        tokens = mtmd.mtmd_input_chunk_get_n_tokens(chunk)
        self._refuse_too_large(chunk, tokens)
        embedding = self._run_encoder(chunk, tokens)
        seen.units.append(
            ImageChunk(image.key, len(seen.pieces), tokens, mtmd.mtmd_input_chunk_get_n_pos(chunk))
        )
        seen.pieces.append((mtmd.mtmd_input_chunk_get_placeholder(chunk), embedding))

    def _refuse_too_large(self, chunk: object, tokens: int) -> None:
        """Where each token of a picture sees all of it, llama.cpp ends the process unless it fits a batch."""
        whole = mtmd.mtmd_decode_use_non_causal(self._model.vision, chunk)
        most = self._model.batch_tokens if whole else self._model.context_tokens
        if tokens > most:
            raise UserError("chat.image_too_large", tokens=tokens, most=most)

    def _run_encoder(self, chunk: object, tokens: int) -> object:
        if mtmd.mtmd_encode_chunk(self._model.vision, chunk):
            raise ServiceError("chat.failed", detail=self._model.error())
        numbers = tokens * self._model.embedding_length
        embedding = (ctypes.c_float * numbers)()
        output = mtmd.mtmd_get_output_embd(self._model.vision)
        ctypes.memmove(embedding, output, numbers * _FLOAT_BYTES)
        return embedding


@contextmanager
def _tokenized(model: Model, image: Rgb) -> Iterator[Any]:
    """The pieces of a picture, made from rows: llama.cpp never reads a picture file for us."""
    if len(image.rows) != image.width * image.height * 3:
        raise DataError("chat.image_failed", detail="its size is not that of its rows")
    rows = (ctypes.c_uint8 * len(image.rows)).from_buffer_copy(image.rows)
    bitmap = mtmd.mtmd_bitmap_init(image.width, image.height, rows)
    chunks = mtmd.mtmd_input_chunks_init()
    try:
        part = mtmd.mtmd_input_part(bitmap=bitmap)
        parts = (ctypes.POINTER(mtmd.mtmd_input_part) * 1)(ctypes.pointer(part))
        if mtmd.mtmd_tokenize_from_parts(model.vision, chunks, parts, 1, False):
            raise DataError("chat.image_failed", detail=model.error())
        yield chunks
    finally:
        mtmd.mtmd_input_chunks_free(chunks)
        mtmd.mtmd_bitmap_free(bitmap)


def embedding_pointer(embedding: object) -> object:
    """An embedding as llama.cpp takes it."""
    return ctypes.cast(embedding, ctypes.POINTER(ctypes.c_float))  # type: ignore[arg-type]
