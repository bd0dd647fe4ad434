"""How much memory a chat needs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from dermagui.chat.gguf_header import read_header
from dermagui.chat.memory import DEFAULT_IMAGE_TOKENS, FIXED_BYTES, Memory, memory_needed, usual_image_tokens
from dermagui.chat.model_facts import ModelFacts, describe
from tests.fakes import tiny_models

MEBIBYTE = 1 << 20


@pytest.fixture
def qwen(tmp_path: Path) -> tuple[ModelFacts, ModelFacts]:
    """A model and its projector."""
    pair = tiny_models.qwen_pair(tmp_path)
    return describe(read_header(pair.model)), describe(read_header(pair.projector))


def of_size(facts: ModelFacts, layers: int, kv_heads: int, head_length: int, **more: int) -> ModelFacts:
    """A model as large as a real one."""
    return replace(facts, kv_numbers_per_token=2 * layers * kv_heads * head_length, **more)


@pytest.mark.parametrize(
    ("layers", "kv_heads", "head_length", "mebibytes"),
    [(28, 4, 128, 448), (32, 8, 128, 1024)],
    ids=["Qwen2.5 7B", "Llama 3 8B"],
)
def test_keys_and_values_are_what_llama_cpp_allocates(
    qwen: tuple[ModelFacts, ModelFacts], layers: int, kv_heads: int, head_length: int, mebibytes: int
) -> None:
    """The figures are those that llama.cpp prints for 8,192 tokens in F16."""
    memory = memory_needed(of_size(qwen[0], layers, kv_heads, head_length), None, 8192)
    assert memory.kv == mebibytes * MEBIBYTE
    halved = memory_needed(of_size(qwen[0], layers, kv_heads, head_length), None, 8192, kv_number_bytes=1)
    assert halved.kv * 2 == memory.kv


def test_working_memory_of_a_model_of_seven_billions(qwen: tuple[ModelFacts, ModelFacts]) -> None:
    model = of_size(
        qwen[0], 28, 4, 128, vocabulary=152_064, feed_forward_length=18_944, embedding_length=3584
    )
    assert 300 * MEBIBYTE < memory_needed(model, None, 8192).compute < 600 * MEBIBYTE


def test_weights_are_those_of_both_files(qwen: tuple[ModelFacts, ModelFacts]) -> None:
    model, mmproj = qwen
    alone, both = memory_needed(model, None, 4096), memory_needed(model, mmproj, 4096)
    assert (alone.weights, alone.projector) == (model.weight_bytes, 0)
    assert both.weights == alone.weights
    assert both.projector > mmproj.weight_bytes
    assert both.total == both.weights + both.kv + both.compute + both.projector


def test_more_of_anything_needs_more(qwen: tuple[ModelFacts, ModelFacts]) -> None:
    model, mmproj = qwen
    little = memory_needed(model, mmproj, 4096, 64)
    assert memory_needed(model, mmproj, 8192, 64).kv == 2 * little.kv
    assert memory_needed(model, mmproj, 4096, 1024).projector > little.projector
    assert memory_needed(model, mmproj, 4096, 1024).compute > little.compute, "a picture is one batch"


def test_the_usual_picture(tmp_path: Path, qwen: tuple[ModelFacts, ModelFacts]) -> None:
    fixed = describe(read_header(tiny_models.llama_pair(tmp_path).projector))
    assert usual_image_tokens(fixed) == 16
    assert usual_image_tokens(qwen[1]) == DEFAULT_IMAGE_TOKENS
    assert usual_image_tokens(None) == usual_image_tokens(qwen[0]) == 0
    assert memory_needed(*qwen, 4096) == memory_needed(*qwen, 4096, DEFAULT_IMAGE_TOKENS)


def test_the_sum() -> None:
    assert Memory(1, 20, 300, 4000).total == 4321


RESERVED = """
import ctypes, json, re
import llama_cpp
lines = []
hear = llama_cpp.llama_log_callback(lambda level, text, data: lines.append(text.decode()))
llama_cpp.llama_log_set(hear, ctypes.c_void_p())
model = llama_cpp.llama_model_load_from_file(sys.argv[1].encode(), llama_cpp.llama_model_default_params())
parameters = llama_cpp.llama_context_default_params()
parameters.n_ctx, parameters.n_batch, parameters.n_ubatch = int(sys.argv[2]), 512, 512
parameters.flash_attn_type = int(sys.argv[3])
context = llama_cpp.llama_init_from_model(model, parameters)
found = re.findall(r"(model|KV|compute) buffer size *= *([0-9.]+) MiB", "".join(lines))
print(json.dumps({name: float(size) for name, size in found}))
llama_cpp.llama_free(context)
llama_cpp.llama_model_free(model)
"""


@pytest.mark.parametrize(
    ("changes", "context"),
    [
        ({"vocabulary": 20_000}, 1024),
        ({"hidden": 8192}, 512),
        ({"hidden": 2048}, 32_768),
        ({"heads": 8, "key_heads": 4}, 16_384),
    ],
    ids=["logits", "feed forward", "attention mask", "heads"],
)
@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
def test_the_estimate_is_what_llama_cpp_reserves(
    engine: ModuleType, tmp_path: Path, changes: dict[str, int], context: int, fused: bool
) -> None:
    shape = replace(tiny_models.TextShape(width=256, context=32_768), **changes)
    path = tiny_models.write_text_model(tmp_path / "m.gguf", shape)
    ours = memory_needed(describe(read_header(path)), None, context, fused=fused)
    reserved = json.loads(engine.in_a_child(RESERVED, path, str(context), str(int(fused))).stdout)
    assert ours.weights / MEBIBYTE == pytest.approx(reserved["model"], abs=0.01)
    assert ours.kv / MEBIBYTE == pytest.approx(reserved["KV"], abs=0.01)
    assert (ours.compute - FIXED_BYTES) / MEBIBYTE == pytest.approx(reserved["compute"], rel=0.05)


def test_a_sliding_window_keeps_the_whole_context(engine: ModuleType, gemma_pair: tiny_models.Pair) -> None:
    ours = memory_needed(describe(read_header(gemma_pair.model)), None, 8192)
    reserved = json.loads(engine.in_a_child(RESERVED, gemma_pair.model, "8192", "0").stdout)
    assert ours.kv / MEBIBYTE == pytest.approx(reserved["KV"], abs=0.01)
