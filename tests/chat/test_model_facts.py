"""What a file is, told from its header."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dermagui.chat.gguf_header import read_header
from dermagui.chat.model_facts import LONGEST_NAME, GgufKind, ModelFacts, describe
from tests.fakes import hostile_models, tiny_models
from tests.fakes.tiny_models import Fields, TextShape, VisionShape


def facts_of(path: Path) -> ModelFacts:
    """What a file is."""
    return describe(read_header(path))


def model_with(path: Path, changes: Fields) -> ModelFacts:
    """A tiny model of which some facts differ."""
    return facts_of(hostile_models.write_changed_model(path, changes))


def projector_with(path: Path, changes: Fields, **tensors: np.ndarray) -> ModelFacts:
    """A projector of nothing but a header, and the tensors that are named (``__`` for a dot)."""
    named = {name.replace("__", "."): tensor for name, tensor in tensors.items()}
    some = named or {"x": np.zeros(4, dtype=np.float32)}
    fields = tiny_models.vision_fields(VisionShape()) | changes
    return facts_of(tiny_models.write_gguf(path, "clip", fields, some))


def test_a_language_model(tmp_path: Path) -> None:
    facts = facts_of(tiny_models.qwen_pair(tmp_path).model)
    shape = tiny_models.QWEN_TEXT
    assert facts.kind is GgufKind.MODEL
    assert (facts.architecture, facts.name) == ("qwen2vl", "random qwen2vl")
    assert (facts.layers, facts.embedding_length, facts.heads) == (shape.layers, shape.width, shape.heads)
    assert (facts.kv_heads, facts.head_length) == (shape.key_heads, shape.head_width)
    assert facts.kv_numbers_per_token == 2 * shape.layers * shape.key_heads * shape.head_width
    assert facts.vocabulary == len(tiny_models.vocabulary(shape))
    assert facts.context_length == shape.context
    assert facts.feed_forward_length == shape.hidden
    assert (facts.quantization, bool(facts.template), facts.projector) == ("F32", True, None)
    assert facts.parameters * 4 == facts.weight_bytes < facts.file_bytes


def test_projectors(tmp_path: Path) -> None:
    llama = facts_of(tiny_models.llama_pair(tmp_path).projector)
    qwen = facts_of(tiny_models.qwen_pair(tmp_path).projector).projector
    gemma = facts_of(tiny_models.gemma_pair(tmp_path).projector).projector
    assert llama.kind is GgufKind.PROJECTOR
    assert llama.projector
    assert qwen
    assert gemma
    assert (llama.projector.type, llama.projector.sees, llama.projector.hears) == ("mlp", True, False)
    assert (llama.projector.width, llama.projector.merge, llama.projector.image_size) == (64, 1, 56)
    assert (llama.projector.min_tokens, llama.projector.max_tokens) == (16, 16)
    assert (qwen.width, qwen.merge, qwen.min_tokens, qwen.max_tokens) == (64, 2, 8, 4096)
    assert (gemma.width, gemma.merge, gemma.min_tokens, gemma.max_tokens) == (64, 2, 16, 16)


def test_the_width_of_a_projector_is_that_of_its_last_layer(tmp_path: Path) -> None:
    """Files of the old LLaVA scripts name the width of CLIP's own text side."""
    last = np.zeros((4096, 8), dtype=np.float32)
    old = projector_with(tmp_path / "old.gguf", {"clip.vision.projection_dim": 768}, mm__2__weight=last)
    assert old.projector
    assert old.projector.width == 4096
    said = projector_with(tmp_path / "new.gguf", {"clip.projector_type": "not yet known"})
    assert said.projector
    assert said.projector.width == 64
    assert said.projector.max_tokens is None


def test_deepstack_layers_are_counted(tmp_path: Path) -> None:
    layer = np.zeros((4, 4), dtype=np.float32)
    facts = projector_with(
        tmp_path / "deep.gguf",
        {"clip.projector_type": "qwen3vl_merger"},
        v__deepstack__5__fc1__weight=layer,
        v__deepstack__5__fc2__weight=layer,
        v__deepstack__11__fc1__weight=layer,
    )
    assert facts.projector
    assert facts.projector.deepstack_layers == 2


def test_limits_in_pixels_become_tokens(tmp_path: Path) -> None:
    facts = projector_with(
        tmp_path / "pixels.gguf",
        {
            "clip.projector_type": "dots_ocr",
            "clip.vision.projector.scale_factor": 2,
            "clip.vision.image_min_pixels": 28 * 28 * 4,
            "clip.vision.image_max_pixels": 28 * 28 * 1000,
        },
    )
    assert facts.projector
    assert (facts.projector.min_tokens, facts.projector.max_tokens) == (4, 1000)


def test_a_projector_that_only_hears(tmp_path: Path) -> None:
    facts = projector_with(
        tmp_path / "ear.gguf",
        {
            "clip.has_vision_encoder": False,
            "clip.has_audio_encoder": True,
            "clip.projector_type": "ultravox",
            "clip.vision.patch_size": 0,
        },
    )
    assert facts.projector
    assert (facts.projector.sees, facts.projector.hears) == (False, True)


def test_what_is_no_model(tmp_path: Path) -> None:
    assert facts_of(tiny_models.write_adapter(tmp_path / "lora.gguf")).kind is GgufKind.ADAPTER
    weights = {"x": np.zeros(4, dtype=np.float32)}
    matrix = tiny_models.write_gguf(tmp_path / "i.gguf", "llama", {"general.type": "imatrix"}, weights)
    assert facts_of(matrix).kind is GgufKind.OTHER
    painter = tiny_models.write_gguf(tmp_path / "flux.gguf", "flux", {}, weights)
    assert facts_of(painter).kind is GgufKind.OTHER
    words = tiny_models.write_gguf(tmp_path / "v.gguf", "llama", tiny_models.text_fields(TextShape()), {})
    assert facts_of(words).kind is GgufKind.OTHER


def test_key_heads_may_differ_from_layer_to_layer(tmp_path: Path) -> None:
    facts = model_with(tmp_path / "m.gguf", {"llama.attention.head_count_kv": [0, 2]})
    assert facts.kv_heads == 2
    assert facts.kv_numbers_per_token == 2 * 2 * 16
    lengths: Fields = {"llama.attention.key_length": 32, "llama.attention.value_length": 8}
    assert model_with(tmp_path / "l.gguf", lengths).kv_numbers_per_token == 2 * 2 * (32 + 8)


def test_without_a_recipe_the_commonest_type_is_named(tmp_path: Path) -> None:
    model = tiny_models.write_text_model(tmp_path / "half.gguf", TextShape(), half=True)
    assert facts_of(model).quantization == "F16"
    assert model_with(tmp_path / "m.gguf", {"general.file_type": 15}).quantization == "Q4_K_M"
    assert model_with(tmp_path / "n.gguf", {"general.file_type": 9999}).quantization == "F32"


def test_a_name_cannot_move_the_cursor_of_a_terminal(tmp_path: Path) -> None:
    facts = model_with(tmp_path / "m.gguf", {"general.name": "\x1b[2J\nnice\u202e" + "x" * 5000})
    assert facts.name.isprintable()
    assert facts.name.startswith("[2J nice")
    assert len(facts.name) <= LONGEST_NAME


@pytest.mark.parametrize("wrong", hostile_models.WRONG_FACTS.values(), ids=hostile_models.WRONG_FACTS.keys())
def test_wrong_facts_are_told_and_break_nothing(tmp_path: Path, wrong: Fields) -> None:
    facts = model_with(tmp_path / "m.gguf", wrong)
    assert facts.kind is GgufKind.MODEL
    assert facts.parameters == model_with(tmp_path / "right.gguf", {}).parameters
