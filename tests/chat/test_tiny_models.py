"""The models of random weights: complete, the same every time, and their answers depend on the picture."""

from __future__ import annotations

import base64
import ctypes
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest
from gguf import GGUFReader
from PIL import Image

from tests.fakes import tiny_models
from tests.fakes.tiny_models import Pair

if TYPE_CHECKING:
    from llama_cpp import Llama

PAIRS = ["llama_pair", "qwen_pair", "gemma_pair"]
RED, BLUE = (Image.new("RGB", (400, 300), colour) for colour in ("firebrick", "navy"))
QUESTION = "What is this?"


@pytest.fixture(params=PAIRS)
def pair(request: pytest.FixtureRequest) -> Pair:
    return request.getfixturevalue(request.param)


@contextmanager
def handler_chat(pair: Pair) -> Iterator[Llama]:
    """llama_cpp's own chat, as its documentation has it."""
    from llama_cpp import Llama
    from llama_cpp.llama_chat_format import MTMDChatHandler

    handler = MTMDChatHandler(str(pair.projector), verbose=False)
    chat = Llama(str(pair.model), chat_handler=handler, n_ctx=512, n_threads=1, verbose=False)
    try:
        yield chat
    finally:
        chat.close()


def answer(chat: Llama, picture: Image.Image) -> str:
    """Sixteen tokens of greedy text about a picture."""
    png = io.BytesIO()
    picture.save(png, "PNG")
    url = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
    parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": QUESTION}]
    done = chat.create_chat_completion(
        [{"role": "user", "content": parts}], temperature=0, repeat_penalty=1.0, max_tokens=16
    )
    return done["choices"][0]["message"]["content"]


@pytest.mark.usefixtures("engine")
def test_the_handler_of_llama_cpp_answers_about_the_picture(pair: Pair) -> None:
    with handler_chat(pair) as chat:
        red, again, blue = (answer(chat, picture) for picture in (RED, RED, BLUE))
    assert red == again != blue
    assert len(red) > 4
    with handler_chat(pair) as chat:
        assert answer(chat, RED) == red


def test_the_logits_depend_on_the_picture_and_on_nothing_else(engine: ModuleType, pair: Pair) -> None:
    prompt = f"<|im_start|>user\n<__media__>{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
    with engine.RawEngine(pair.model, pair.projector) as raw:
        seen = []
        for picture in (RED, RED, BLUE):
            raw.forget()
            raw.look(prompt, picture)
            seen.append(raw.logits())
    red, again, blue = seen
    assert np.array_equal(red, again)
    assert np.abs(red - blue).max() > 1
    assert np.isfinite(seen).all()


@pytest.mark.parametrize(
    ("name", "size", "tokens", "positions"),
    [
        ("llama_pair", (400, 300), 16, 16),
        ("llama_pair", (56, 56), 16, 16),
        ("qwen_pair", (400, 300), 14 * 11, 14),
        ("qwen_pair", (280, 560), 10 * 20, 20),
        ("gemma_pair", (400, 300), 16, 16),
    ],
)
def test_a_picture_takes_so_many_tokens_and_positions(
    engine: ModuleType,
    request: pytest.FixtureRequest,
    name: str,
    size: tuple[int, int],
    tokens: int,
    positions: int,
) -> None:
    from llama_cpp import mtmd_cpp as mtmd

    pair = request.getfixturevalue(name)
    with engine.RawEngine(pair.model, pair.projector) as raw:
        picture = engine.bitmap(Image.new("RGB", size))
        with engine.chunks(raw.vision, "a<__media__>b", [picture]) as parts:
            every = [mtmd.mtmd_input_chunks_get(parts, n) for n in range(mtmd.mtmd_input_chunks_size(parts))]
            (image,) = [
                part
                for part in every
                if mtmd.mtmd_input_chunk_get_type(part) == mtmd.MTMD_INPUT_CHUNK_TYPE_IMAGE
            ]
            assert mtmd.mtmd_input_chunk_get_n_tokens(image) == tokens
            assert mtmd.mtmd_input_chunk_get_n_pos(image) == positions
        mtmd.mtmd_bitmap_free(picture)
        assert mtmd.mtmd_decode_use_mrope(raw.vision) == (name == "qwen_pair")
        assert mtmd.mtmd_decode_use_non_causal(raw.vision, None) == (name == "gemma_pair")


def test_a_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for number, name in enumerate(PAIRS):
        make = getattr(tiny_models, name)
        folders = [tmp_path / f"{number}-{turn}" for turn in "abc"]
        for folder in folders:
            folder.mkdir()
        first, same, other = (make(folder, seed) for folder, seed in zip(folders, (7, 7, 8), strict=True))
        for part in ("model", "projector"):
            one, two, three = (getattr(made, part).read_bytes() for made in (first, same, other))
            assert one == two != three


@pytest.mark.parametrize(
    ("name", "architecture", "projector"),
    [
        ("llama_pair", "llama", "mlp"),
        ("qwen_pair", "qwen2vl", "qwen2vl_merger"),
        ("gemma_pair", "gemma3", "gemma3"),
    ],
)
def test_a_header_says_what_the_model_is(
    request: pytest.FixtureRequest, name: str, architecture: str, projector: str
) -> None:
    pair = request.getfixturevalue(name)
    model, vision = GGUFReader(pair.model), GGUFReader(pair.projector)
    assert model.fields["general.architecture"].contents() == architecture
    assert vision.fields["clip.projector_type"].contents() == projector
    width = model.fields[f"{architecture}.embedding_length"].contents()
    assert vision.fields["clip.vision.projection_dim"].contents() == width
    assert {tensor.name for tensor in model.tensors} >= {"token_embd.weight", "blk.1.ffn_down.weight"}


def test_any_text_comes_back_from_its_tokens(engine: ModuleType, llama_pair: Pair) -> None:
    import llama_cpp

    text = "Größe ≈ 5 mm, 皮膚 🩹 <tag>\n"
    with engine.RawEngine(llama_pair.model) as raw:
        pieces = b""
        for token in raw.tokens(text)[1:]:
            room = ctypes.create_string_buffer(64)
            length = llama_cpp.llama_token_to_piece(raw.vocabulary, token, room, 64, 0, True)
            pieces += room.raw[:length]
    assert pieces.decode() == text


@pytest.mark.slow
def test_the_model_of_the_benchmarks_is_quantized_and_made_once(
    engine: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tiny_models.TextShape(width=256, hidden=512, layers=2, heads=4, key_heads=2, vocabulary=1000)
    monkeypatch.setattr(tiny_models, "BENCHMARK_TEXT", small)
    monkeypatch.setattr(tiny_models, "BENCHMARK_VISION", tiny_models.VisionShape(projected=256))
    pair = tiny_models.benchmark_pair(tmp_path / "models")
    kinds = {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(pair.model).tensors}
    assert kinds["blk.0.ffn_up.weight"] == "Q4_0"
    assert set(pair.model.parent.iterdir()) == {pair.model, pair.projector}
    made = pair.model.stat().st_mtime_ns
    assert tiny_models.benchmark_pair(tmp_path / "models") == pair
    assert pair.model.stat().st_mtime_ns == made
    with engine.RawEngine(pair.model, pair.projector) as raw:
        raw.look("a<__media__>b", RED)
        assert np.isfinite(raw.logits()).all()
