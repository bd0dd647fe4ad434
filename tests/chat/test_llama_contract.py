"""What the app relies on in the pinned llama-cpp-python: names, structures and behaviour of its C functions.

A failure here after an upgrade says which promise of the library has changed.
"""

from __future__ import annotations

import ctypes
import importlib
import re
from importlib.metadata import requires, version
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from tests.fakes.tiny_models import Pair, write_adapter, write_misfit_adapter

pytestmark = pytest.mark.usefixtures("engine")

LOCKS = Path(__file__).parents[2] / "packaging" / "locks"

LLAMA_FUNCTIONS = """
    adapter_lora_free adapter_lora_init backend_free backend_init batch_free batch_get_one batch_init
    chat_builtin_templates context_default_params decode free get_logits_ith get_memory init_from_model
    log_set memory_can_shift memory_clear memory_seq_cp memory_seq_keep memory_seq_pos_max
    memory_seq_pos_min memory_seq_rm model_chat_template model_default_params model_desc model_free
    model_has_decoder model_has_encoder model_is_hybrid model_is_recurrent model_load_from_file
    model_meta_count model_meta_key_by_index model_meta_val_str model_meta_val_str_by_index
    model_n_ctx_train model_n_embd model_n_embd_inp model_n_layer model_n_params model_n_swa
    model_quantize model_quantize_default_params model_rope_type model_size n_batch n_ctx n_ubatch
    print_system_info sampler_accept sampler_chain_add sampler_chain_default_params sampler_chain_init
    sampler_free sampler_init_dist sampler_init_grammar sampler_init_greedy sampler_init_min_p
    sampler_init_penalties sampler_init_temp sampler_init_top_k sampler_init_top_p sampler_reset
    sampler_sample set_abort_callback set_adapters_lora set_causal_attn set_n_threads state_seq_get_data
    state_seq_get_size state_seq_load_file state_seq_save_file state_seq_set_data
    supports_gpu_offload supports_mmap synchronize time_us token_to_piece tokenize vocab_bos vocab_eos
    vocab_eot vocab_get_add_bos vocab_is_control vocab_is_eog vocab_n_tokens
"""

MTMD_FUNCTIONS = """
    bitmap_free bitmap_init bitmap_set_id context_params_default decode_use_mrope decode_use_non_causal
    default_marker encode_chunk free get_cap_from_file get_output_embd helper_decode_image_chunk
    helper_eval_chunk_single helper_eval_chunks helper_get_n_pos helper_get_n_tokens helper_log_set
    image_tokens_get_n_pos image_tokens_get_n_tokens image_tokens_get_nx image_tokens_get_ny init_from_file
    input_chunk_copy input_chunk_free input_chunk_get_id input_chunk_get_n_pos input_chunk_get_n_tokens
    input_chunk_get_tokens_image input_chunk_get_tokens_text input_chunk_get_type input_chunks_free
    input_chunks_get input_chunks_init input_chunks_size log_set support_vision tokenize
"""

RED = Image.new("RGB", (90, 60), "firebrick")
PROMPT = "<|im_start|>user\n<__media__>What is this?<|im_end|>\n<|im_start|>assistant\n"


def test_the_wheel_is_the_locked_one() -> None:
    pinned = re.findall(r"^llama-cpp-python==(\S+)", (LOCKS / "llama.txt").read_text(), re.MULTILINE)
    assert pinned == [version("llama-cpp-python")]


def test_the_lock_holds_what_the_wheel_needs() -> None:
    needed = [re.match(r"[\w-]+", need)[0] for need in requires("llama-cpp-python") if "extra" not in need]
    lock = (LOCKS / "app.txt").read_text()
    assert len(needed) > 3
    assert [name for name in needed if not re.search(rf"^{name}==", lock, re.MULTILINE)] == []


@pytest.mark.parametrize(
    ("module", "prefix", "names"),
    [("llama_cpp", "llama_", LLAMA_FUNCTIONS), ("mtmd_cpp", "mtmd_", MTMD_FUNCTIONS)],
)
def test_every_function_that_we_call_is_in_the_library(module: str, prefix: str, names: str) -> None:
    found = importlib.import_module(f"llama_cpp.{module}")
    assert [name for name in names.split() if not callable(getattr(found, prefix + name, None))] == []


def test_the_structures_have_the_layout_of_the_library(engine: ModuleType) -> None:
    llama, mtmd = engine.llama, engine.mtmd
    context = llama.llama_context_default_params()
    assert (context.n_ctx, context.n_batch, context.n_ubatch, context.n_seq_max) == (512, 2048, 512, 1)
    assert context.flash_attn_type == llama.LLAMA_FLASH_ATTN_TYPE_AUTO
    assert (context.type_k, context.type_v) == (llama.GGML_TYPE_F16, llama.GGML_TYPE_F16)
    assert (context.yarn_ext_factor, context.defrag_thold) == (-1.0, -1.0)
    assert (context.offload_kqv, context.swa_full, context.n_samplers) == (True, True, 0)
    model = llama.llama_model_default_params()
    assert (model.n_gpu_layers, model.vocab_only, model.check_tensors, model.no_alloc) == (
        -1,
        False,
        False,
        False,
    )
    vision = mtmd.mtmd_context_params_default()
    assert vision.media_marker == mtmd.mtmd_default_marker() == b"<__media__>"
    assert (vision.image_min_tokens, vision.image_max_tokens, vision.warmup) == (-1, -1, True)
    quantize = llama.llama_model_quantize_default_params()
    assert (quantize.dry_run, quantize.max_buf_size) == (False, 8 * 2**30)


def test_the_build_runs_on_older_processors_than_this(engine: ModuleType) -> None:
    said = engine.llama.llama_print_system_info().decode()
    assert "AVX512" not in said
    assert not engine.llama.llama_supports_gpu_offload()


def test_an_abort_stops_a_long_prompt_and_the_context_lives_on(engine: ModuleType, llama_pair: Pair) -> None:
    calls = []

    @engine.llama.ggml_abort_callback
    def stop(user_data: int) -> bool:
        calls.append(user_data)
        return len(calls) > 40

    with engine.RawEngine(llama_pair.model, context=2048, physical_batch=64) as raw:
        tokens = raw.tokens("abc " * 120)[:512]
        engine.llama.llama_set_abort_callback(raw.context, stop, None)
        assert raw.decode(tokens) == 2
        engine.llama.llama_set_abort_callback(raw.context, engine.llama.ggml_abort_callback(), None)
        reached = engine.llama.llama_memory_seq_pos_max(engine.llama.llama_get_memory(raw.context), 0)
        assert -1 <= reached < len(tokens) - 1
        raw.forget()
        assert raw.decode(tokens) == 0
        after = raw.logits()
    with engine.RawEngine(llama_pair.model, context=2048, physical_batch=64) as raw:
        raw.decode(tokens)
        assert np.array_equal(raw.logits(), after)


def test_a_context_that_is_full_says_so(engine: ModuleType, llama_pair: Pair) -> None:
    with engine.RawEngine(llama_pair.model, context=256) as raw:
        many = raw.tokens("x" * 200)
        assert [raw.decode(many), raw.decode(many), raw.decode(many[:40])] == [0, 1, 0]


def test_a_token_that_does_not_exist_is_refused(engine: ModuleType, llama_pair: Pair) -> None:
    with engine.RawEngine(llama_pair.model) as raw:
        assert raw.decode([10_000]) == -1
        assert raw.decode([-1]) == -1
        assert raw.decode([5]) == 0


def test_an_adapter_is_switched_scaled_and_leaves_no_trace(
    engine: ModuleType, llama_pair: Pair, tmp_path: Path
) -> None:
    with engine.RawEngine(llama_pair.model) as raw:
        adapter = engine.llama.llama_adapter_lora_init(
            raw.model, bytes(write_adapter(tmp_path / "lora.gguf"))
        )
        assert adapter

        def logits_with(*scales: float) -> np.ndarray:
            adapters = (engine.llama.llama_adapter_lora_p_ctypes * len(scales))(*[adapter] * len(scales))
            strengths = (ctypes.c_float * len(scales))(*scales)
            code = engine.llama.llama_set_adapters_lora(raw.context, adapters, len(scales), strengths)
            assert code == 0
            raw.forget()
            raw.decode(raw.tokens("a mole"))
            return raw.logits()

        plain, full, half, off = logits_with(), logits_with(1.0), logits_with(0.5), logits_with()
        assert np.array_equal(plain, off)
        assert np.abs(plain - full).max() > 0.1
        assert np.abs(full - half).max() > 0.01


def test_an_adapter_for_another_model_is_a_null_pointer_but_not_none(
    engine: ModuleType, llama_pair: Pair, tmp_path: Path
) -> None:
    misfit, model = write_misfit_adapter(tmp_path / "misfit.gguf"), llama_pair.model
    with engine.RawEngine(model) as raw:
        for path in (misfit, model, tmp_path / "missing.gguf"):
            adapter = engine.llama.llama_adapter_lora_init(raw.model, bytes(path))
            assert adapter is not None
            assert not adapter


def test_the_state_of_a_sequence_comes_back_bit_for_bit(engine: ModuleType, qwen_pair: Pair) -> None:
    with engine.RawEngine(qwen_pair.model, qwen_pair.projector) as raw:
        raw.look(PROMPT, RED)
        place, next_token = raw.position, raw.tokens("A")
        size = engine.llama.llama_state_seq_get_size(raw.context, 0)
        kept = (ctypes.c_uint8 * size)()
        assert engine.llama.llama_state_seq_get_data(raw.context, kept, size, 0) == size
        raw.decode(next_token)
        expected = raw.logits()
        raw.forget()
        assert engine.llama.llama_state_seq_set_data(raw.context, kept, size, 0) == size
        raw.position = place
        raw.decode(next_token)
        assert np.array_equal(raw.logits(), expected)


@pytest.mark.parametrize("name", ["llama_pair", "qwen_pair", "gemma_pair"])
def test_cached_image_embeddings_give_the_same_logits(
    engine: ModuleType, request: pytest.FixtureRequest, name: str
) -> None:
    llama, mtmd = engine.llama, engine.mtmd
    pair, past = request.getfixturevalue(name), llama.llama_pos(0)
    with engine.RawEngine(pair.model, pair.projector) as raw:
        raw.look("a<__media__>b", RED)
        expected, end = raw.logits(), raw.position
        raw.forget()
        picture = engine.bitmap(RED)
        with engine.chunks(raw.vision, "a<__media__>b", [picture]) as parts:
            for number in range(mtmd.mtmd_input_chunks_size(parts)):
                part = mtmd.mtmd_input_chunks_get(parts, number)
                here, there = (raw.vision, raw.context, part), (past.value, 0, 512)
                if mtmd.mtmd_input_chunk_get_type(part) == mtmd.MTMD_INPUT_CHUNK_TYPE_TEXT:
                    code = mtmd.mtmd_helper_eval_chunk_single(*here, *there, True, ctypes.byref(past))
                else:
                    assert mtmd.mtmd_encode_chunk(raw.vision, part) == 0
                    width = llama.llama_model_n_embd_inp(raw.model)
                    floats = width * mtmd.mtmd_input_chunk_get_n_tokens(part)
                    cached = (ctypes.c_float * floats)(*mtmd.mtmd_get_output_embd(raw.vision)[:floats])
                    code = mtmd.mtmd_helper_decode_image_chunk(
                        *here,
                        cached,
                        *there,
                        ctypes.byref(past),
                        mtmd.mtmd_helper_post_decode_callback(),
                        None,
                    )
                assert code == 0
        mtmd.mtmd_bitmap_free(picture)
        assert past.value == end
        assert np.array_equal(raw.logits(), expected)


def test_part_of_a_sequence_can_be_taken_back(engine: ModuleType, llama_pair: Pair) -> None:
    with engine.RawEngine(llama_pair.model) as raw:
        tokens = raw.tokens("one two three four")
        raw.decode(tokens)
        expected, half = raw.logits(), len(tokens) // 2
        assert engine.llama.llama_memory_seq_rm(engine.llama.llama_get_memory(raw.context), 0, half, -1)
        raw.position = half
        raw.decode(tokens[half:])
        assert np.abs(raw.logits() - expected).max() < 1e-4
