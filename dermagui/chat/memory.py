"""How much memory a chat with a model needs, estimated from the headers before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from dermagui.chat.model_facts import ModelFacts

BATCH_TOKENS = 512
"""Tokens that are evaluated at once; never below the tokens of a picture that is attended as a whole."""
DEFAULT_IMAGE_TOKENS = 512
"""Tokens that a picture of free size is given on an ordinary computer."""

FIXED_BYTES = 32 << 20
"""For threads, allocators and the program itself."""

_F32_BYTES, _F16_BYTES = 4, 2


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of main or graphics memory, by what needs them."""

    weights: int
    kv: int
    """Keys and values of every position of the context."""
    compute: int
    projector: int
    """Weights and working memory of the image encoder."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.kv + self.compute + self.projector


def usual_image_tokens(mmproj: ModelFacts | None) -> int:
    """Tokens of one picture: what the projector fixes, or the usual number within its limits."""
    projector = mmproj.projector if mmproj else None
    if projector is None:
        return 0
    return max(projector.min_tokens or 0, min(projector.max_tokens or 0, DEFAULT_IMAGE_TOKENS))


def memory_needed(
    model: ModelFacts,
    mmproj: ModelFacts | None,
    context_tokens: int,
    image_tokens: int | None = None,
    *,
    batch_tokens: int = BATCH_TOKENS,
    kv_number_bytes: float = _F16_BYTES,
    fused: bool = False,
) -> Memory:
    """What a chat with so many tokens needs; pictures take part of the context.

    An estimate. It agreed with what llama.cpp reserves where that was measured, to the last byte for weights
    and for keys and values, within a twentieth for working memory. Keys and values are 2 x layers x tokens x
    KV heads x head length x bytes of a number; layers with a sliding window keep the whole context too,
    unless llama.cpp is told otherwise. Working memory is that of one batch at the widest place of the graph:
    the logits, the feed forward part with the attention mask, or attention itself. Where that is not
    ``fused``, as on a CPU, every head holds a number for each pair of tokens. A constant stands for threads
    and allocators; what the image encoder works with is a guess. Pages of a mapped file count as needed: a
    model that is swapped out answers a hundred times slower.
    """
    if image_tokens is None:
        image_tokens = usual_image_tokens(mmproj)
    batch, width = max(batch_tokens, image_tokens), model.embedding_length
    logits = _F32_BYTES * (model.vocabulary + 2 * width)
    mask = (_F16_BYTES if fused else _F32_BYTES) * context_tokens
    forward = _F32_BYTES * (3 * model.feed_forward_length + 4 * width) + mask
    attention = _F32_BYTES * (model.heads * context_tokens + 6 * width) + mask
    return Memory(
        weights=model.weight_bytes,
        kv=round(model.kv_numbers_per_token * context_tokens * kv_number_bytes),
        compute=FIXED_BYTES + batch * max(logits, forward, 0 if fused else attention),
        projector=_projector_bytes(mmproj, image_tokens) if mmproj else 0,
    )


def _projector_bytes(mmproj: ModelFacts, image_tokens: int) -> int:
    projector = mmproj.projector
    if projector is None:
        return mmproj.weight_bytes
    patches = image_tokens * projector.merge**2
    widest = 8 * projector.embedding_length + 2 * projector.feed_forward_length
    return mmproj.weight_bytes + patches * _F32_BYTES * widest
