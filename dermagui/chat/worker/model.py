"""A loaded model: its weights, its words, its image encoder, its context, and the adapters on it."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dermagui.chat.prompt import CHATML, Ends
from dermagui.chat.protocol import Adapter, Load
from dermagui.chat.worker.native import NativeLog, graphics_cards, llama, mtmd
from dermagui.errors import DataError, DermaError, ServiceError, Stopped, UserError
from dermagui.paths import display_path

LABEL_TOKENS = 32
"""Positions of one evaluation that can give logits: the longest label that is scored at once."""

MOST_CONTEXT_TOKENS = 2**31 - 1
"""What llama.cpp can count; it would take a larger number for a small one."""

_PIECE_BYTES = 256
_CARD_PART = 0.9
"""Of the free memory of a graphics card that we dare to take: others draw on it too."""

Progress = Callable[[float], None]
Halt = Callable[[], bool]


class Model:
    """Weights, vocabulary, image encoder and context in memory. Everything is freed by ``close``."""

    def __init__(self, wanted: Load, log: NativeLog, halt: Halt, tell: Progress) -> None:
        """Loads; raises ``DataError``: ``chat.load_failed``, ``chat.mmproj_failed``; ``UserError``
        ``chat.context_too_large``; ``Stopped`` where ``halt`` said so meanwhile.
        """
        self.wanted = wanted
        self._log = log
        self._halt = halt
        self._tell = tell
        self.pointer: Any = None
        self.vision: Any = None
        self.context: Any = None
        self.gpu_layers = 0
        self._adapters: dict[Adapter, Any] = {}
        self._adapter_files: dict[str, Any] = {}
        self._piece = ctypes.create_string_buffer(_PIECE_BYTES)
        self._abort = llama.ggml_abort_callback(lambda _: halt())
        self._load()

    def _load(self) -> None:
        attempts = list(layers_to_try(self._layers_that_fit()))
        for layers in attempts:
            try:
                self.gpu_layers = layers
                self._load_parts()
                break
            except DermaError as error:
                self.close()
                if layers == attempts[-1] or isinstance(error, Stopped):
                    raise
        self.vocabulary: Any = llama.llama_model_get_vocab(self.pointer)
        self.embedding_length = llama.llama_model_n_embd_inp(self.pointer)

    def _layers_that_fit(self) -> int:
        cards = graphics_cards()
        if not cards:
            return 0
        if self.wanted.gpu_layers is not None:
            return self.wanted.gpu_layers
        return layers_in(
            sum(card.free_bytes for card in cards), self.wanted.gpu_layer_bytes, self.wanted.gpu_fixed_bytes
        )

    def _load_parts(self) -> None:
        self._load_weights()
        if self.wanted.mmproj:
            self._load_vision(self.wanted.mmproj)
        self._make_context()

    def _load_weights(self) -> None:
        parameters = llama.llama_model_default_params()
        parameters.n_gpu_layers = self.gpu_layers
        on_progress = llama.llama_progress_callback(self._on_progress)
        parameters.progress_callback = on_progress
        self._log.take_error()
        self.pointer = llama.llama_model_load_from_file(os.fsencode(self.wanted.model), parameters)
        self._refuse_missing(self.pointer, "chat.load_failed", self.wanted.model)

    def _on_progress(self, part: float, _: object) -> bool:
        self._tell(part)
        return not self._halt()

    def _load_vision(self, path: str) -> None:
        parameters = mtmd.mtmd_context_params_default()
        parameters.use_gpu = self.gpu_layers > 0
        parameters.print_timings = False
        parameters.flash_attn_type = self._attention()
        parameters.warmup = False  # it encodes a picture of its own, which takes seconds on a CPU
        parameters.n_threads = self.wanted.threads
        self.vision = mtmd.mtmd_init_from_file(os.fsencode(path), self.pointer, parameters)
        self._refuse_missing(self.vision, "chat.mmproj_failed", path)
        if not mtmd.mtmd_support_vision(self.vision):
            raise DataError("chat.mmproj_failed", path=display_path(path), detail="no image encoder")

    def _refuse_missing(self, pointer: object, code: str, path: str) -> None:
        if self._halt():
            raise Stopped("chat.stopped")
        if not pointer:
            raise DataError(code, path=display_path(path), detail=self._log.take_error())

    def _make_context(self) -> None:
        if not 0 < self.wanted.context_tokens <= MOST_CONTEXT_TOKENS:
            raise self._too_large("no such number")
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = self.wanted.context_tokens
        parameters.n_batch = parameters.n_ubatch = self._batch_tokens()
        parameters.n_outputs_max = LABEL_TOKENS  # else room for the logits of a whole batch is taken
        parameters.n_threads = parameters.n_threads_batch = self.wanted.threads
        parameters.offload_kqv = self.gpu_layers > 0
        parameters.flash_attn_type = self._attention()
        parameters.abort_callback = self._abort
        self._log.take_error()
        self.context = llama.llama_init_from_model(self.pointer, parameters)
        if not self.context:
            raise self._too_large(self._log.take_error())
        self.context_tokens = llama.llama_n_ctx(self.context)
        self.batch_tokens = llama.llama_n_batch(self.context)

    def _too_large(self, detail: str) -> UserError:
        return UserError("chat.context_too_large", context_tokens=self.wanted.context_tokens, detail=detail)

    def _attention(self) -> int:
        """Fused attention where a graphics card works. On a CPU it halves the speed of the answer, and its
        sums of half precision make logits depend on what was evaluated at once.
        """
        automatic, disabled = llama.LLAMA_FLASH_ATTN_TYPE_AUTO, llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
        return int(automatic if self.gpu_layers else disabled)

    def _batch_tokens(self) -> int:
        """Where each token of a picture sees all of it, llama.cpp ends the process unless it fits a batch."""
        whole = self.vision and mtmd.mtmd_decode_use_non_causal(self.vision, None)
        return max(self.wanted.batch_tokens, self.wanted.image_tokens if whole else 1)

    @property
    def description(self) -> dict[str, object]:
        """What was loaded and where it works, for whoever asked for it."""
        cards = graphics_cards() if self.gpu_layers else []
        return {
            "context_tokens": self.context_tokens,
            "gpu_layers": self.gpu_layers,
            "device": cards[0].name if cards else "CPU",
            "threads": self.wanted.threads,
            "sees": self.vision is not None,
            "has_template": bool(self.wanted.template or self._own_template()),
        }

    @property
    def template(self) -> str:
        """The chat template: the one that was given, the model's own, or ChatML."""
        return self.wanted.template or self._own_template() or CHATML

    def _own_template(self) -> str:
        return (llama.llama_model_chat_template(self.pointer, None) or b"").decode("utf-8", "replace")

    @property
    def ends(self) -> Ends:
        """The words by which a text begins and ends."""
        tokens = llama.llama_vocab_bos(self.vocabulary), llama.llama_vocab_eos(self.vocabulary)
        bos, eos = (self.piece(token, special=True).decode("utf-8", "replace") for token in tokens)
        return Ends(bos, eos)

    def tokens(self, text: str, *, special: bool = True) -> list[int]:
        """The tokens of a text, without any at its beginning or end that is not there."""
        raw = text.encode("utf-8", "replace")
        room = len(raw) + 8
        while True:
            found = (llama.llama_token * room)()
            count = llama.llama_tokenize(self.vocabulary, raw, len(raw), found, room, False, special)
            if count >= 0:
                return list(found[:count])
            room = -count

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """The bytes of a token; they need not be whole letters. Control tokens have some with ``special``."""
        if token < 0:
            return b""
        while True:
            room = len(self._piece)
            count = llama.llama_token_to_piece(self.vocabulary, token, self._piece, room, 0, special)
            if count >= 0:
                return self._piece.raw[:count]
            self._piece = ctypes.create_string_buffer(-count)

    def begins(self, tokens: Sequence[int]) -> list[int]:
        """What has to come before these tokens: the sign of the beginning, unless a template wrote it."""
        bos = llama.llama_vocab_bos(self.vocabulary)
        wanted = llama.llama_vocab_get_add_bos(self.vocabulary) and bos >= 0
        return [bos] if wanted and list(tokens[:1]) != [bos] else []

    def ends_turn(self, token: int) -> bool:
        """Whether a token says that the answer is complete."""
        return bool(llama.llama_vocab_is_eog(self.vocabulary, token))

    @property
    def end_of_turn(self) -> int:
        """The token by which this model ends an answer."""
        eot: int = llama.llama_vocab_eot(self.vocabulary)
        return eot if eot >= 0 else int(llama.llama_vocab_eos(self.vocabulary))

    def wear(self, adapters: Sequence[Adapter]) -> bool:
        """Puts on these adapters and takes off all others; whether that changed anything.

        What was evaluated before such a change is worthless. Raises ``DataError`` ``chat.adapter_failed``.
        """
        wanted = {adapter: self._adapter(adapter) for adapter in adapters if adapter.scale}
        if list(wanted) == list(self._adapters):
            return False
        count = len(wanted)
        pointers = (llama.llama_adapter_lora_p_ctypes * count)(*wanted.values())
        scales = (ctypes.c_float * count)(*(adapter.scale for adapter in wanted))
        if llama.llama_set_adapters_lora(self.context, pointers, count, scales):
            raise ServiceError("chat.failed", detail=self._log.take_error())
        self._adapters = wanted
        return True

    def _adapter(self, adapter: Adapter) -> object:
        if adapter.path not in self._adapter_files:
            self._log.take_error()
            pointer = llama.llama_adapter_lora_init(self.pointer, os.fsencode(adapter.path))
            if not pointer:  # a null pointer, and not None
                detail = self._log.take_error()
                raise DataError("chat.adapter_failed", path=display_path(adapter.path), detail=detail)
            self._adapter_files[adapter.path] = pointer
        return self._adapter_files[adapter.path]

    def error(self) -> str:
        """What llama.cpp said was wrong."""
        return self._log.take_error()

    def close(self) -> None:
        """Frees everything; adapters go with their model."""
        for pointer, free in (
            (self.context, llama.llama_free),
            (self.vision, mtmd.mtmd_free),
            (self.pointer, llama.llama_model_free),
        ):
            if pointer:
                free(pointer)
        self.context = self.vision = self.pointer = None
        self._adapters, self._adapter_files = {}, {}


def layers_in(free_bytes: int, layer_bytes: int, fixed_bytes: int) -> int:
    """How many layers fit on a graphics card; llama.cpp itself stops at all that there are."""
    room = int(free_bytes * _CARD_PART) - fixed_bytes
    return max(0, room // layer_bytes) if layer_bytes else 0


def layers_to_try(layers: int) -> Iterator[int]:
    """So many layers on the graphics card, then half of them, and so on; at last the CPU alone."""
    while layers > 0:
        yield layers
        layers //= 2
    yield 0
