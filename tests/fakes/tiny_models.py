"""Writes vision models of random weights as GGUF files: complete, small, the same for the same seed.

Three pairs of a text model and its projector load in llama.cpp and answer about a picture, each another
path through the engine. ``hostile_models.py`` makes the broken ones out of them.

* ``llama_pair``: 16 tokens for every picture, plain positions
* ``qwen_pair``: tokens by the size of the picture, positions in two dimensions (M-RoPE)
* ``gemma_pair``: 16 tokens that see each other in both directions, a sliding window in the text model

The scale of the weights matters: with smaller ones no word depends on the picture.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from gguf import GGUFWriter
from numpy.typing import NDArray

Value = bool | int | float | str | list[int] | list[float] | list[str]
Fields = dict[str, Value]
Tensor = NDArray[np.float32] | NDArray[np.float16]
Tensors = dict[str, Tensor]

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TURN_TOKENS = ("<|im_start|>", "<|im_end|>")
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6


@dataclass(frozen=True)
class Pair:
    """A text model and the projector that goes with it."""

    model: Path
    projector: Path


@dataclass(frozen=True)
class TextShape:
    """The sizes of a text model; ``special`` are control tokens beyond those of the turns."""

    architecture: str = "llama"
    width: int = 64
    hidden: int = 128
    layers: int = 2
    heads: int = 4
    key_heads: int = 2
    context: int = 4096
    vocabulary: int = 0
    special: tuple[str, ...] = ()

    @property
    def head_width(self) -> int:
        return self.width // self.heads


@dataclass(frozen=True)
class VisionShape:
    """The sizes of an image encoder; ``projected`` is the width of the text model."""

    projector: str = "mlp"
    width: int = 32
    hidden: int = 64
    layers: int = 2
    heads: int = 2
    image: int = 56
    patch: int = 14
    projected: int = 64

    @property
    def patches(self) -> int:
        return (self.image // self.patch) ** 2


QWEN_TEXT = TextShape("qwen2vl", special=("<|vision_start|>", "<|vision_end|>", "<|image_pad|>"))
QWEN_VISION = VisionShape("qwen2vl_merger")
GEMMA_TEXT = TextShape("gemma3", special=("<start_of_image>", "<end_of_image>"))
GEMMA_VISION = VisionShape("gemma3", image=112)
GEMMA_WINDOW = 64

BENCHMARK_TEXT = TextShape(
    width=1024, hidden=2816, layers=12, heads=16, key_heads=8, context=8192, vocabulary=32_000
)
BENCHMARK_VISION = VisionShape(width=768, hidden=3072, layers=12, heads=12, image=224, projected=1024)


def llama_pair(folder: Path, seed: int = 0) -> Pair:
    """``llama`` with the projector of LLaVA: any picture is squeezed to 56 × 56 and becomes 16 tokens."""
    model = write_text_model(folder / "llama.gguf", TextShape(), seed)
    return Pair(model, write_llava_projector(folder / "llama-mmproj.gguf", VisionShape(), seed))


def qwen_pair(folder: Path, seed: int = 0) -> Pair:
    """``qwen2vl``: a token for each 28 × 28 pixels, at positions that count rows and columns."""
    tensors = text_tensors(QWEN_TEXT, seed)
    draw = Draw(seed + 1)
    for layer in range(QWEN_TEXT.layers):
        for name in "qkv":
            rows = tensors[f"blk.{layer}.attn_{name}.weight"].shape[0]
            tensors[f"blk.{layer}.attn_{name}.bias"] = draw(rows)
    fields = text_fields(QWEN_TEXT) | {"qwen2vl.rope.dimension_sections": [2, 3, 3, 0]}
    model = write_gguf(folder / "qwen.gguf", QWEN_TEXT.architecture, fields, tensors)
    return Pair(model, write_qwen_projector(folder / "qwen-mmproj.gguf", QWEN_VISION, seed))


def gemma_pair(folder: Path, seed: int = 0, window: int = GEMMA_WINDOW) -> Pair:
    """``gemma3``: 16 image tokens of which each sees all; the text looks back by ``window`` tokens only."""
    shape, tensors = GEMMA_TEXT, text_tensors(GEMMA_TEXT, seed)
    for layer in range(shape.layers):
        for name, width in {
            "post_attention_norm": shape.width,
            "post_ffw_norm": shape.width,
            "attn_q_norm": shape.head_width,
            "attn_k_norm": shape.head_width,
        }.items():
            tensors[f"blk.{layer}.{name}.weight"] = ones(width)
    fields = text_fields(shape) | {
        "gemma3.attention.sliding_window": window,
        "gemma3.attention.key_length": shape.head_width,
        "gemma3.attention.value_length": shape.head_width,
    }
    model = write_gguf(folder / "gemma.gguf", shape.architecture, fields, tensors)
    return Pair(model, write_gemma_projector(folder / "gemma-mmproj.gguf", GEMMA_VISION, seed))


def write_adapter(path: Path, shape: TextShape | None = None, rank: int = 4, seed: int = 0) -> Path:
    """A LoRA for the attention of ``llama_pair``; with another ``shape`` one that does not fit it."""
    shape, draw = shape or TextShape(), Draw(seed)
    tensors: Tensors = {}
    for layer in range(shape.layers):
        for name, rows in (("attn_q", shape.width), ("attn_v", shape.key_heads * shape.head_width)):
            tensors[f"blk.{layer}.{name}.weight.lora_a"] = draw(rank, shape.width)
            tensors[f"blk.{layer}.{name}.weight.lora_b"] = draw(rows, rank)
    fields: Fields = {"general.type": "adapter", "adapter.type": "lora", "adapter.lora.alpha": 8.0}
    return write_gguf(path, shape.architecture, fields, tensors)


def write_misfit_adapter(path: Path) -> Path:
    """A LoRA for a model of half the width."""
    return write_adapter(path, replace(TextShape(), width=32))


def write_text_model(path: Path, shape: TextShape, seed: int = 0, half: bool = False) -> Path:
    """A ``llama`` of any size; ``half`` stores its matrices as F16."""
    fields = text_fields(shape) | ({"general.file_type": 1} if half else {})
    return write_gguf(path, shape.architecture, fields, text_tensors(shape, seed, half))


def text_fields(shape: TextShape) -> Fields:
    """The header of a text model: its sizes, and a vocabulary of bytes and letters that covers any text."""
    sizes: Fields = {
        "context_length": shape.context,
        "embedding_length": shape.width,
        "block_count": shape.layers,
        "feed_forward_length": shape.hidden,
        "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.key_heads,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.dimension_count": shape.head_width,
        "rope.freq_base": 10_000.0,
        "vocab_size": len(vocabulary(shape)),
    }
    fields: Fields = {"general.name": f"random {shape.architecture}", "general.file_type": 0}
    return fields | {f"{shape.architecture}.{name}": size for name, size in sizes.items()} | tokenizer(shape)


def tokenizer(shape: TextShape) -> Fields:
    """The fields of the vocabulary and the chat template."""
    pieces = vocabulary(shape)
    names = [name for name, _ in pieces]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": names,
        "tokenizer.ggml.scores": [-float(place) for place in range(len(pieces))],
        "tokenizer.ggml.token_type": [kind for _, kind in pieces],
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.eot_token_id": names.index("<|im_end|>"),
        "tokenizer.ggml.add_bos_token": shape.architecture != "qwen2vl",
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.chat_template": CHAT_TEMPLATE,
    }


def vocabulary(shape: TextShape) -> list[tuple[str, int]]:
    """Pieces and their kinds in the order of their ids, filled up to ``shape.vocabulary`` with idle ones."""
    pieces = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)]
    pieces += [(f"<0x{byte:02X}>", BYTE) for byte in range(256)]
    pieces += [(name, CONTROL) for name in (*TURN_TOKENS, *shape.special)]
    letters = [chr(code) for code in range(33, 127)]
    words = ["▁", *letters, *(f"▁{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")]
    idle = (f"▁idle{number}" for number in range(shape.vocabulary - len(pieces) - len(words)))
    return pieces + [(word, NORMAL) for word in (*words, *idle)]


class Draw:
    """Random matrices, one after the other, the same for the same seed."""

    def __init__(self, seed: int, half: bool = False) -> None:
        self._generator = np.random.default_rng(seed)
        self._half = half

    def __call__(self, *shape: int, scale: float = 0.25) -> Tensor:
        drawn = self._generator.standard_normal(shape, dtype=np.float32) * np.float32(scale)
        return drawn.astype(np.float16) if self._half and len(shape) > 1 else drawn


def ones(width: int) -> Tensor:
    """The weight of a normalization that changes nothing."""
    return np.ones(width, dtype=np.float32)


def text_tensors(shape: TextShape, seed: int, half: bool = False) -> Tensors:
    """The weights of a text model as numpy has them: rows are outputs."""
    draw, words = Draw(seed, half), len(vocabulary(shape))
    width, keys = shape.width, shape.key_heads * shape.head_width
    shrink = (64 / width) ** 0.5
    tensors: Tensors = {
        "token_embd.weight": draw(words, width, scale=0.5),
        "output_norm.weight": ones(width),
        "output.weight": draw(words, width, scale=0.3 * shrink),
    }
    scale = 0.25 * shrink
    for layer in range(shape.layers):
        block: Tensors = {
            "attn_norm.weight": ones(width),
            "attn_q.weight": draw(width, width, scale=scale),
            "attn_k.weight": draw(keys, width, scale=scale),
            "attn_v.weight": draw(keys, width, scale=scale),
            "attn_output.weight": draw(width, width, scale=scale),
            "ffn_norm.weight": ones(width),
            "ffn_gate.weight": draw(shape.hidden, width, scale=scale),
            "ffn_up.weight": draw(shape.hidden, width, scale=scale),
            "ffn_down.weight": draw(width, shape.hidden, scale=scale),
        }
        tensors |= {f"blk.{layer}.{name}": tensor for name, tensor in block.items()}
    return tensors


def vision_fields(shape: VisionShape, **more: Value) -> Fields:
    """The header of a projector file."""
    sizes: Fields = {
        "embedding_length": shape.width,
        "feed_forward_length": shape.hidden,
        "block_count": shape.layers,
        "attention.head_count": shape.heads,
        "attention.layer_norm_epsilon": 1e-5,
        "projection_dim": shape.projected,
        "image_size": shape.image,
        "patch_size": shape.patch,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        **more,
    }
    return {
        "general.type": "mmproj",
        "clip.has_vision_encoder": True,
        "clip.projector_type": shape.projector,
        "clip.use_gelu": shape.projector != "qwen2vl_merger",
        **{f"clip.vision.{name}": value for name, value in sizes.items()},
    }


def vision_tensors(shape: VisionShape, draw: Draw) -> Tensors:
    """The weights that all our image encoders have; the convolution of the patches has to be F16."""
    width = shape.width
    patches = draw(width, 3, shape.patch, shape.patch, scale=0.1).astype(np.float16)
    tensors: Tensors = {"v.patch_embd.weight": patches, **linear("v.post_ln", draw, width)}
    scale = 0.25 * (32 / width) ** 0.5
    for layer in range(shape.layers):
        block = f"v.blk.{layer}"
        for name in ("ln1", "ln2"):
            tensors |= linear(f"{block}.{name}", draw, width)
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            tensors |= linear(f"{block}.{name}", draw, width, width, scale=scale)
        tensors |= linear(f"{block}.ffn_up", draw, shape.hidden, width, scale=scale)
        tensors |= linear(f"{block}.ffn_down", draw, width, shape.hidden, scale=scale)
    return tensors


def linear(name: str, draw: Draw, rows: int, columns: int | None = None, scale: float = 0.25) -> Tensors:
    """Weight and bias of a layer, or of a normalization where it has no columns."""
    weight = ones(rows) if columns is None else draw(rows, columns, scale=scale)
    return {f"{name}.weight": weight, f"{name}.bias": draw(rows, scale=0.02)}


def write_llava_projector(
    path: Path, shape: VisionShape, seed: int = 0, changes: Mapping[str, Value] | None = None
) -> Path:
    """The projector of LLaVA 1.5: two layers after an encoder with a class token.

    ``changes`` are other facts in its header than those of ``shape``.
    """
    draw = Draw(seed + 100)
    tensors = vision_tensors(shape, draw) | {
        "v.class_embd": draw(shape.width),
        "v.position_embd.weight": draw(shape.patches + 1, shape.width),
        **linear("v.pre_ln", draw, shape.width),
        **linear("mm.0", draw, shape.projected, shape.width),
        **linear("mm.2", draw, shape.projected, shape.projected),
    }
    return write_gguf(path, "clip", {**vision_fields(shape), **(changes or {})}, tensors)


def write_qwen_projector(path: Path, shape: VisionShape, seed: int = 0) -> Path:
    """The projector of Qwen2-VL: four patches become one token; a picture keeps its shape."""
    draw, merged = Draw(seed + 200), 4 * shape.width
    second = draw(shape.width, 3, shape.patch, shape.patch, scale=0.1).astype(np.float16)
    tensors = vision_tensors(shape, draw) | {
        "v.patch_embd.weight.1": second,
        **linear("mm.0", draw, merged, merged, scale=0.1),
        **linear("mm.2", draw, shape.projected, merged, scale=0.1),
    }
    return write_gguf(path, "clip", vision_fields(shape, spatial_merge_size=2), tensors)


def write_gemma_projector(path: Path, shape: VisionShape, seed: int = 0) -> Path:
    """The projector of Gemma 3: 2 × 2 patches are averaged, normalized and projected."""
    draw = Draw(seed + 300)
    tensors = vision_tensors(shape, draw) | {
        "v.patch_embd.bias": draw(shape.width, scale=0.02),
        "v.position_embd.weight": draw(shape.patches, shape.width),
        "mm.soft_emb_norm.weight": ones(shape.width),
        "mm.input_projection.weight": draw(shape.width, shape.projected),
    }
    fields = vision_fields(shape) | {"clip.vision.projector.scale_factor": 2}
    return write_gguf(path, "clip", fields, tensors)


def write_gguf(
    path: Path, architecture: str, fields: Mapping[str, Value], tensors: Mapping[str, Tensor]
) -> Path:
    """A GGUF file of these fields and tensors; whole numbers are stored as uint32, others as float32."""
    writer = GGUFWriter(path, architecture)
    for name, value in fields.items():
        match value:
            case bool():
                writer.add_bool(name, value)
            case int():
                writer.add_uint32(name, value)
            case float():
                writer.add_float32(name, value)
            case str():
                writer.add_string(name, value)
            case _:
                writer.add_array(name, value)
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def benchmark_pair(folder: Path) -> Pair:
    """207 million parameters as Q4_0 and an image encoder of 86 million, in ``folder``, made if missing.

    The first call takes 12 seconds, 1 GB of disk and 0.5 GB of memory, and needs llama_cpp to quantize.
    """
    sizes = hashlib.sha256(repr((BENCHMARK_TEXT, BENCHMARK_VISION)).encode()).hexdigest()[:8]
    pair = Pair(folder / f"{sizes}-q4_0.gguf", folder / f"{sizes}-mmproj.gguf")
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "part.gguf"
    if not pair.projector.exists():
        write_llava_projector(part, BENCHMARK_VISION).replace(pair.projector)
    if not pair.model.exists():
        plain = write_text_model(folder / "plain.gguf", BENCHMARK_TEXT, half=True)
        quantize(plain, part).replace(pair.model)
        plain.unlink()
    return pair


def quantize(source: Path, target: Path) -> Path:
    """``source`` as Q4_0 in ``target``."""
    from tests.fakes.raw_engine import llama, silence

    silence()
    parameters = llama.llama_model_quantize_default_params()
    parameters.ftype = llama.LLAMA_FTYPE_MOSTLY_Q4_0
    if code := llama.llama_model_quantize(bytes(source), bytes(target), ctypes.byref(parameters)):
        raise RuntimeError(f"llama_model_quantize returned {code}")
    return target
