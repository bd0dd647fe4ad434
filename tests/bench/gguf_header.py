"""The header of a model with a vocabulary of 152,000 words and its merges, against ``gguf.GGUFReader``."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import gguf
import numpy as np

from dermagui.chat.gguf_header import LongValue, read_header

from .measure import Ratio, cpu_seconds, in_turn, say, speed, temporary_folder

WORDS, MERGES = 152_064, 151_387
"""As many as a model of the Qwen family has."""
BLOCKS = 28

ROUNDS = 3
"""Few, since theirs takes ten seconds a round."""


def measure() -> list[Ratio]:
    """One ratio; the seconds are those of one file."""
    say(f"writing a vocabulary of {WORDS:,} words")
    path = write_header(temporary_folder() / "vocabulary.gguf")
    ours, theirs = read_header(path), gguf.GGUFReader(path)
    assert ours.metadata["tokenizer.ggml.merges"] == LongValue("text", MERGES)
    assert [tensor.name for tensor in ours.tensors] == [tensor.name for tensor in theirs.tensors]
    seconds = in_turn(
        lambda: cpu_seconds(lambda: read_header(path)),
        lambda: cpu_seconds(lambda: gguf.GGUFReader(path)),
        ROUNDS,
    )
    return [speed("header of a GGUF file / gguf.GGUFReader", seconds, at_least=20)]


def write_header(path: Path) -> Path:
    """A file with the header of a large model and the weights of a tiny one."""
    chance = random.Random(5)
    words = [f"{chance.getrandbits(chance.choice((8, 16, 24, 32))):x}" for _ in range(WORDS)]
    writer = gguf.GGUFWriter(path, "qwen2vl")
    writer.add_token_list(words)
    writer.add_token_types([1] * WORDS)
    writer.add_token_merges([f"{first} {second}" for first, second in itertools.pairwise(words)][:MERGES])
    weight = np.zeros((2, 32), dtype=np.float32)
    for block in range(BLOCKS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
            writer.add_tensor(f"blk.{block}.{name}.weight", weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
