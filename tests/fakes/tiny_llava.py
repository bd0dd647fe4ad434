"""Makes a tiny LLaVA of random weights, like a base from the hub: ``python tiny_llava.py FOLDER TEXT``.

Runs in the training environment. ``TEXT`` is a file whose words the tokenizer learns. Of the small models it
is the one that soonest learns to look: its answers are about its picture after a few dozen steps.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

WIDTH, SIDE, PATCH = 64, 56, 14
MARKS = ["<pad>", "<s>", "</s>", "<unk>", "<image>"]
TEMPLATE = (
    "{%- for message in messages -%}{{ message['role'] | upper + ': ' }}"
    "{%- for part in message['content'] -%}"
    "{{ '<image>' if part['type'] == 'image' else part['text'] }}{%- endfor -%}"
    "{{ '</s>' if message['role'] == 'assistant' else ' ' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ 'ASSISTANT: ' }}{%- endif -%}"
)


def make_tokenizer(text: str) -> PreTrainedTokenizerFast:
    """Pairs of bytes that are frequent in the text, and every byte."""
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=375, special_tokens=MARKS, initial_alphabet=alphabet, show_progress=False
    )
    words.train_from_iterator(text.splitlines() * 20, trainer)
    names = dict(zip(("pad_token", "bos_token", "eos_token", "unk_token"), MARKS, strict=False))
    return PreTrainedTokenizerFast(tokenizer_object=words, chat_template=TEMPLATE, **names)


def make_config(vocabulary: int) -> LlavaConfig:
    """A LLaVA in small. With the usual range of 0.02 the frozen output could not be moved by adapters."""
    shape = {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": 2}
    text = LlamaConfig(
        **shape,
        num_attention_heads=4,
        vocab_size=vocabulary,
        initializer_range=0.15,
        max_position_embeddings=512,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    vision = CLIPVisionConfig(**shape, num_attention_heads=4, image_size=SIDE, patch_size=PATCH)
    return LlavaConfig(vision_config=vision, text_config=text, image_token_index=4, vision_feature_layer=-1)


def main(folder: Path, text: str) -> None:
    """Writes the base."""
    tokenizer = make_tokenizer(text)
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(make_config(len(tokenizer)))
    for layer in (model.model.multi_modal_projector.linear_1, model.model.multi_modal_projector.linear_2):
        torch.nn.init.normal_(layer.weight, std=WIDTH**-0.5)
    model.generation_config.eos_token_id = 2
    model.save_pretrained(folder)
    images = CLIPImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}, do_center_crop=True
    )
    processor = LlavaProcessor(
        images,
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    )
    processor.save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="utf-8"))
