"""What a GGUF file is: a language model, the projector that lets one see, an adapter, or something else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dermagui.chat.ggml_types import FILE_TYPES
from dermagui.chat.gguf_header import Header, LongValue

LONGEST_NAME = 200


class GgufKind(StrEnum):
    """What a GGUF file can be used for."""

    MODEL = "model"
    PROJECTOR = "projector"
    ADAPTER = "adapter"
    OTHER = "other"
    """A vocabulary without weights, an importance matrix, a model that makes pictures."""


@dataclass(frozen=True, slots=True)
class ProjectorFacts:
    """How a projector (mmproj) turns a picture into tokens of a language model."""

    type: str
    """``clip.projector_type``, such as ``qwen2.5vl_merger``; empty where the file does not say it."""
    sees: bool
    hears: bool
    width: int
    """Numbers of one image token; the ``embedding_length`` of its language model."""
    deepstack_layers: int
    """Layers of the language model that get a further vector of that width with each image token."""
    image_size: int
    """Side in pixels of the square that it was made for; the largest one where sizes are free."""
    patch_size: int
    merge: int
    """Patches along each side of one image token; ``patch_size * merge`` pixels a token and side."""
    min_tokens: int | None
    max_tokens: int | None
    """Tokens of one picture; both the same where the size is fixed, None where only the engine knows."""
    embedding_length: int
    feed_forward_length: int


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What matters of a GGUF file before it is loaded. Numbers that the file does not say are 0."""

    kind: GgufKind
    architecture: str
    name: str
    parameters: int
    quantization: str
    """The usual name of the recipe, such as ``Q4_K_M``."""
    elements_by_type: dict[str, int]
    weight_bytes: int
    file_bytes: int
    context_length: int
    layers: int
    embedding_length: int
    feed_forward_length: int
    heads: int
    kv_heads: int
    """The most that any layer has."""
    head_length: int
    kv_numbers_per_token: int
    """Keys and values of one position, over all layers."""
    vocabulary: int
    deepstack_layers: int
    template: str
    """The chat template; empty where there is none, or one of a megabyte."""
    licence: str
    base: str
    projector: ProjectorFacts | None


# Type of a projector → the tensor whose given dimension is the width of its tokens. Source: the function
# clip_n_mmproj_embd of llama.cpp. The key projection_dim is no substitute: files made by the old LLaVA
# scripts hold the width of CLIP's own text side there.
_WIDTHS = {
    "adapter": ("adapter.linear.dense_4h_to_h.weight", 1),
    "gemma3": ("mm.input_projection.weight", 0),
    "gemma4v": ("mm.input_projection.weight", 1),
    "idefics3": ("mm.model.fc.weight", 1),
    "internvl": ("mm.3.weight", 1),
    "ldp": ("mm.model.mb_block.1.block.2.1.bias", 0),
    "ldpv2": ("mm.model.peg.0.bias", 0),
    "lfm2": ("mm.2.weight", 1),
    "llama4": ("mm.model.fc.weight", 1),
    "mlp": ("mm.2.weight", 1),
    "mlp_norm": ("mm.3.bias", 0),
    "pixtral": ("mm.2.weight", 1),
    "qwen2vl_merger": ("mm.2.weight", 1),
    "qwen2.5vl_merger": ("mm.2.weight", 1),
    "qwen3vl_merger": ("mm.2.weight", 1),
    "resampler": ("resampler.proj.weight", 0),
}

# Type → merge where the file does not say it. Source: clip.cpp of llama.cpp, as for the two tables below.
_MERGES = {
    "gemma3": 4,
    "gemma4v": 3,
    "glm4v": 2,
    "qwen2vl_merger": 2,
    "qwen2.5vl_merger": 2,
    "qwen3vl_merger": 2,
}

# Types that take pictures of any size, and how many tokens they make of one at least and at most.
_FREE_SIZES = {
    "gemma4v": (70, 1120),
    "glm4v": (8, 4096),
    "kimivl": (8, 1024),
    "lfm2": (64, 256),
    "pixtral": (8, 1024),
    "qwen2vl_merger": (8, 4096),
    "qwen2.5vl_merger": (8, 4096),
    "qwen3vl_merger": (8, 4096),
}

# Types that make the same square of every picture.
_FIXED_SIZES = ("gemma3", "janus_pro", "mlp", "mlp_norm")


def describe(header: Header) -> ModelFacts:
    """What a file is, from its header."""
    architecture = header.architecture
    layers = header.whole(f"{architecture}.block_count")
    embedding = header.whole(f"{architecture}.embedding_length")
    heads = max(_each_layer(header, f"{architecture}.attention.head_count"))
    head_length = header.whole(f"{architecture}.attention.key_length", embedding // heads if heads else 0)
    value_length = header.whole(f"{architecture}.attention.value_length", head_length)
    kv_heads = _each_layer(header, f"{architecture}.attention.head_count_kv", heads)
    return ModelFacts(
        kind=_kind(header),
        architecture=_plain(architecture),
        name=_plain(header.text("general.name")),
        parameters=header.parameters,
        quantization=_quantization(header),
        elements_by_type=header.elements_by_type,
        weight_bytes=header.tensor_bytes,
        file_bytes=header.size_bytes,
        context_length=header.whole(f"{architecture}.context_length"),
        layers=layers,
        embedding_length=embedding,
        feed_forward_length=max(_each_layer(header, f"{architecture}.feed_forward_length")),
        heads=heads,
        kv_heads=max(kv_heads),
        head_length=head_length,
        kv_numbers_per_token=(sum(kv_heads) if len(kv_heads) > 1 else kv_heads[0] * layers)
        * (head_length + value_length),
        vocabulary=_vocabulary(header),
        deepstack_layers=header.whole(f"{architecture}.n_deepstack_layers"),
        template=header.text("tokenizer.chat_template"),
        licence=_plain(header.text("general.license")),
        base=_plain(header.text("general.base_model.0.name")),
        projector=_projector(header) if architecture == "clip" else None,
    )


def _kind(header: Header) -> GgufKind:
    """The kind. Every language model has a tokenizer; models that make pictures have none."""
    kind = header.text("general.type")
    if kind == "adapter" or "adapter.type" in header.metadata:
        return GgufKind.ADAPTER
    if header.architecture == "clip":
        return GgufKind.PROJECTOR
    if kind in ("", "model") and header.tensors and header.text("tokenizer.ggml.model"):
        return GgufKind.MODEL
    return GgufKind.OTHER


def _quantization(header: Header) -> str:
    named = FILE_TYPES.get(header.whole("general.file_type", -1))
    return named or next(iter(header.elements_by_type), "")


def _each_layer(header: Header, key: str, otherwise: int = 0) -> list[int]:
    """A number that a file gives for every layer, or once for all of them; never empty."""
    value = header.metadata.get(key)
    if isinstance(value, tuple) and not isinstance(value, LongValue):
        return [number for number in value if type(number) is int and number >= 0] or [otherwise]
    return [header.whole(key, otherwise)]


def _vocabulary(header: Header) -> int:
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, LongValue):
        return tokens.length
    if isinstance(tokens, tuple):
        return len(tokens)
    return header.whole(f"{header.architecture}.vocab_size")


def _projector(header: Header) -> ProjectorFacts:
    kind = header.text("clip.projector_type") or header.text("clip.vision.projector_type")
    patch = header.whole("clip.vision.patch_size")
    image = header.whole("clip.vision.image_size")
    keys = ("clip.vision.spatial_merge_size", "clip.vision.projector.scale_factor")
    merge = next(filter(None, map(header.whole, keys)), _MERGES.get(kind, 1))
    least, most = _token_limits(header, kind, image, patch * merge)
    return ProjectorFacts(
        type=_plain(kind),
        sees=header.metadata.get("clip.has_vision_encoder") is True,
        hears=header.metadata.get("clip.has_audio_encoder") is True,
        width=_width(header, kind),
        deepstack_layers=sum(
            tensor.name.startswith("v.deepstack.") and tensor.name.endswith(".fc1.weight")
            for tensor in header.tensors
        ),
        image_size=image,
        patch_size=patch,
        merge=merge,
        min_tokens=least,
        max_tokens=most,
        embedding_length=header.whole("clip.vision.embedding_length"),
        feed_forward_length=header.whole("clip.vision.feed_forward_length"),
    )


def _token_limits(header: Header, kind: str, image: int, stride: int) -> tuple[int | None, int | None]:
    if not stride:
        return None, None
    if kind in _FIXED_SIZES:
        return (image // stride) ** 2, (image // stride) ** 2
    least, most = (header.whole(f"clip.vision.image_{end}_pixels") // stride**2 for end in ("min", "max"))
    return (least, most) if most else _FREE_SIZES.get(kind, (None, None))


def _width(header: Header, kind: str) -> int:
    name, dimension = _WIDTHS.get(kind, ("", 0))
    shape = next((tensor.shape for tensor in header.tensors if tensor.name == name), ())
    if dimension < len(shape):
        return shape[dimension]
    return header.whole("clip.vision.projection_dim")


def _plain(text: str) -> str:
    """A text of a stranger's file, fit for a terminal: no control characters, no endless line."""
    return "".join(sign if sign.isprintable() else " " for sign in text[:LONGEST_NAME]).strip()
