"""The engine at its lowest: a model, its projector and the C functions, without the loop of the app.

For tests of what llama.cpp itself does. It may crash: what is expected to goes through ``in_a_child``.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import llama_cpp as llama
import numpy as np
from llama_cpp import mtmd_cpp as mtmd
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).parents[2]


class Refused(Exception):
    """The engine returned NULL for a file."""


@llama.llama_log_callback
def _say_nothing(level: int, text: bytes, user_data: int) -> None:
    pass


def silence() -> None:
    """Keeps the libraries from writing to descriptor 2."""
    llama.llama_log_set(_say_nothing, ctypes.c_void_p())
    mtmd.mtmd_helper_log_set(_say_nothing, ctypes.c_void_p())


class RawEngine:
    """A loaded pair with an empty context; ``projector`` None is text only. Refused if a file is."""

    def __init__(
        self, model: Path, projector: Path | None = None, *, context: int = 512, physical_batch: int = 512
    ) -> None:
        self.model = self.context = self.vision = None
        self.position = 0
        try:
            self.model = _given(llama.llama_model_load_from_file(bytes(model), _model_parameters()), model)
            self.vocabulary = llama.llama_model_get_vocab(self.model)
            self.context = _given(
                llama.llama_init_from_model(self.model, _context_parameters(context, physical_batch)), model
            )
            if projector:
                parameters = mtmd.mtmd_context_params_default()
                parameters.n_threads, parameters.use_gpu = 1, False
                loaded = mtmd.mtmd_init_from_file(bytes(projector), self.model, parameters)
                self.vision = _given(loaded, projector)
        except Refused:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees everything once."""
        if self.vision:
            mtmd.mtmd_free(self.vision)
        if self.context:
            llama.llama_free(self.context)
        if self.model:
            llama.llama_model_free(self.model)
        self.model = self.context = self.vision = None

    def tokens(self, text: str) -> list[int]:
        """The ids of a text, special ones among them."""
        raw, room = text.encode(), len(text.encode()) + 8
        ids = (llama.llama_token * room)()
        count = llama.llama_tokenize(self.vocabulary, raw, len(raw), ids, room, True, True)
        return list(ids[:count])

    def decode(self, tokens: Sequence[int]) -> int:
        """Evaluates tokens after those before; returns the code of ``llama_decode``, 0 if it worked."""
        ids = (llama.llama_token * len(tokens))(*tokens)
        code = int(llama.llama_decode(self.context, llama.llama_batch_get_one(ids, len(tokens))))
        self.position += 0 if code else len(tokens)
        return code

    def look(self, text: str, *pictures: Image.Image) -> int:
        """Evaluates a text with a marker for each picture; returns the number of positions that it took."""
        bitmaps = [bitmap(picture) for picture in pictures]
        before, past = self.position, llama.llama_pos(0)
        try:
            with chunks(self.vision, text, bitmaps) as parts:
                code = mtmd.mtmd_helper_eval_chunks(
                    self.vision, self.context, parts, self.position, 0, 512, True, ctypes.byref(past)
                )
        finally:
            for one in bitmaps:
                mtmd.mtmd_bitmap_free(one)
        if code:
            raise RuntimeError(f"mtmd_helper_eval_chunks returned {code}")
        self.position = past.value
        return self.position - before

    def logits(self) -> NDArray[np.float32]:
        """A copy of the logits after the last token."""
        words = llama.llama_vocab_n_tokens(self.vocabulary)
        return np.ctypeslib.as_array(llama.llama_get_logits_ith(self.context, -1), (words,)).copy()

    def forget(self) -> None:
        """Empties the context."""
        llama.llama_memory_clear(llama.llama_get_memory(self.context), True)
        self.position = 0


def bitmap(picture: Image.Image) -> int:
    """A picture as the engine takes it: RGB, row by row; the caller frees it."""
    raw = picture.convert("RGB").tobytes()
    pixels = (ctypes.c_uint8 * len(raw)).from_buffer_copy(raw)
    return int(mtmd.mtmd_bitmap_init(*picture.size, pixels))


@contextmanager
def chunks(vision: int, text: str, bitmaps: Sequence[int]) -> Iterator[int]:
    """The text and the pictures cut into chunks."""
    parts = mtmd.mtmd_input_chunks_init()
    try:
        raw = text.encode()
        wanted = mtmd.mtmd_input_text(text=raw, text_len=len(raw), add_special=True, parse_special=True)
        images = (mtmd.mtmd_bitmap_p_ctypes * len(bitmaps))(*bitmaps)
        code = mtmd.mtmd_tokenize(vision, parts, ctypes.byref(wanted), images, len(bitmaps))
        if code:
            raise RuntimeError(f"mtmd_tokenize returned {code}")
        yield parts
    finally:
        mtmd.mtmd_input_chunks_free(parts)


def _model_parameters() -> llama.llama_model_params:
    parameters = llama.llama_model_default_params()
    parameters.n_gpu_layers = 0
    return parameters


def _context_parameters(context: int, physical_batch: int) -> llama.llama_context_params:
    parameters = llama.llama_context_default_params()
    parameters.n_ctx, parameters.n_batch, parameters.n_ubatch = context, 512, physical_batch
    parameters.n_threads = parameters.n_threads_batch = 1
    return parameters


def _given(pointer: int | None, path: Path) -> int:
    if not pointer:
        raise Refused(path.name)
    return pointer


def in_a_child(code: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs Python code that sees this module as ``engine`` and its arguments in ``sys.argv[1:]``.

    ``environment`` is added to ours. The engine is kept from starting a debugger on its own dying process,
    which it does by default.
    """
    start = "import sys\nfrom pathlib import Path\nfrom tests.fakes import raw_engine as engine\n"
    return subprocess.run(
        [sys.executable, "-c", start + code, *arguments],
        cwd=ROOT,
        env=os.environ | {"GGML_NO_BACKTRACE": "1"} | environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=120,
        check=False,
    )
