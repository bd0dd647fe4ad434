"""Makes a tiny Gemma 3 of random weights, like a base from the hub: ``python tiny_gemma.py FOLDER TEXT
[WIDTH EYES]``.

Runs in the training environment. ``TEXT`` is a file whose words the tokenizer learns. Widths of 256, so that
K-quants are real, unless another ``WIDTH`` is named; ``EYES`` are the layers that look. All layers see a
window, as the first five of a real one do.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import sentencepiece
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AddedToken,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3Processor,
    GemmaTokenizer,
)
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

WIDTH, LAYERS, SIDE, PATCH, IMAGE_TOKENS = 256, 2, 112, 14, 16
MARKS = ("<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<image_soft_token>")
TEMPLATE = (
    "{{ bos_token }}{%- for message in messages -%}"
    "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\\n' }}"
    "{%- if message['content'] is string -%}{{ message['content'] | trim }}{%- else -%}"
    "{%- for part in message['content'] -%}{%- if part['type'] == 'image' -%}{{ '<start_of_image>' }}"
    "{%- elif part['type'] == 'text' -%}{{ part['text'] | trim }}{%- endif -%}{%- endfor -%}{%- endif -%}"
    "{{ '<end_of_turn>\\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}"
)


def learn_words(text: str) -> bytes:
    """A SentencePiece model of the text, with Gemma's marks and every byte."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.splitlines() * 20),
        model_writer=model,
        vocab_size=420,
        hard_vocab_limit=False,
        model_type="bpe",
        byte_fallback=True,
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        pad_piece="<pad>",
        bos_piece="<bos>",
        eos_piece="<eos>",
        user_defined_symbols=list(MARKS),
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


def make_tokenizer(words: bytes) -> GemmaTokenizer:
    """The same words as transformers reads them: merges in the order of their scores."""
    model = sentencepiece.SentencePieceProcessor(model_proto=words)
    vocabulary = {model.id_to_piece(n): n for n in range(len(model))}
    plain = {
        piece: n
        for piece, n in vocabulary.items()
        if piece not in MARKS and not (model.is_control(n) or model.is_byte(n) or model.is_unknown(n))
    }
    merges = []
    for piece in sorted(plain, key=lambda piece: -model.get_score(plain[piece])):
        halves = [(piece[:cut], piece[cut:]) for cut in range(1, len(piece))]
        known = [(left, right) for left, right in halves if left in plain and right in plain]
        merges += sorted(known, key=lambda pair: (plain[pair[0]], plain[pair[1]]))
    names = dict(zip(("boi_token", "eoi_token", "image_token"), MARKS[2:], strict=True))
    tokenizer = GemmaTokenizer(vocab=vocabulary, merges=merges, mask_token=None, extra_special_tokens=names)
    tokenizer.add_tokens([AddedToken(mark, special=True) for mark in MARKS])
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def make_config(vocabulary: dict[str, int], width: int, eyes: int) -> Gemma3Config:
    """A Gemma 3 in small."""
    shape = {"hidden_size": width, "intermediate_size": 2 * width, "num_attention_heads": 4}
    return Gemma3Config(
        text_config={
            **shape,
            "vocab_size": len(vocabulary),
            "num_hidden_layers": LAYERS,
            "num_key_value_heads": 2,
            "head_dim": width // 4,
            "query_pre_attn_scalar": width // 4,
            "sliding_window": 512,
            "layer_types": ["sliding_attention"] * LAYERS,
            "max_position_embeddings": 2048,
            # With the usual 0.02 the frozen output could not be moved by adapters.
            "initializer_range": 0.1,
            "pad_token_id": 0,
            "eos_token_id": 1,
            "bos_token_id": 2,
            "tie_word_embeddings": True,
        },
        vision_config={**shape, "num_hidden_layers": eyes, "image_size": SIDE, "patch_size": PATCH},
        mm_tokens_per_image=IMAGE_TOKENS,
        boi_token_index=vocabulary[MARKS[2]],
        eoi_token_index=vocabulary[MARKS[3]],
        image_token_index=vocabulary[MARKS[4]],
        eos_token_id=[1, vocabulary[MARKS[1]]],
        tie_word_embeddings=True,
    )


def main(folder: Path, text: str, width: int = WIDTH, eyes: int = LAYERS) -> None:
    """Writes the base."""
    folder.mkdir(parents=True)
    words = learn_words(text)
    (folder / "tokenizer.model").write_bytes(words)
    tokenizer = make_tokenizer(words)
    torch.manual_seed(0)
    model = Gemma3ForConditionalGeneration(make_config(tokenizer.get_vocab(), width, eyes))
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=width**-0.5)
    model.generation_config.eos_token_id = model.config.eos_token_id
    model.save_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    # One made from a config is saved with shorter names than those of Google's files, which conversion knows.
    named = {re.sub(r"vision_tower\.", "vision_tower.vision_model.", name): w for name, w in weights.items()}
    save_file(named, folder / "model.safetensors", metadata={"format": "pt"})
    size = {"height": SIDE, "width": SIDE}
    images = Gemma3ImageProcessorPil(size=size, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    processor = Gemma3Processor(images, tokenizer, chat_template=TEMPLATE, image_seq_length=IMAGE_TOKENS)
    processor.save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="utf-8"), *map(int, sys.argv[3:]))
