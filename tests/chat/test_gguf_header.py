"""The header of a GGUF file: what gguf's own reader finds too, and nothing from a file that lies."""

from __future__ import annotations

import os
import random
import struct
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest

from dermagui.chat.ggml_types import FILE_TYPES, TENSOR_TYPES
from dermagui.chat.gguf_header import LONGEST_ARRAY, LONGEST_TEXT, LongValue, Tensor, read_header
from dermagui.chat.memory import memory_needed
from dermagui.chat.model_facts import describe
from dermagui.errors import DataError, UserError
from tests.fakes import hostile_models, tiny_models

MUTATIONS = 10_000
MEBIBYTE = 1 << 20

KNOWN_ONLY_TO_THE_ENGINE = {"Q2_0", "Q8_1"}
"""Newer in the engine than in the package that writes the fixtures, or of another size there by mistake."""


@pytest.mark.parametrize("pair", [tiny_models.llama_pair, tiny_models.qwen_pair, tiny_models.gemma_pair])
def test_the_header_agrees_with_the_reader_of_gguf(tmp_path: Path, pair: object) -> None:
    for path in vars(pair(tmp_path)).values():  # type: ignore[operator]
        header, theirs = read_header(path), gguf.GGUFReader(path)
        assert (header.version, header.alignment) == (3, theirs.alignment)
        assert (header.data_offset, header.size_bytes) == (theirs.data_offset, path.stat().st_size)
        assert [tensor_of(tensor, theirs.data_offset) for tensor in theirs.tensors] == [*header.tensors]
        assert header.parameters == sum(int(tensor.n_elements) for tensor in theirs.tensors)
        assert header.tensor_bytes == sum(int(tensor.n_bytes) for tensor in theirs.tensors)
        said = {key: field.contents() for key, field in theirs.fields.items() if not key.startswith("GGUF.")}
        assert header.metadata.keys() == said.keys()
        for key, value in header.metadata.items():
            if isinstance(value, LongValue):
                assert value.length == len(said[key]) > LONGEST_ARRAY
            else:
                assert (list(value) if isinstance(value, tuple) else value) == said[key], key


def tensor_of(theirs: gguf.ReaderTensor, data_offset: int) -> Tensor:
    """A tensor as gguf's reader tells it, in our words."""
    return Tensor(
        theirs.name,
        tuple(map(int, theirs.shape)),
        theirs.tensor_type.name,
        theirs.data_offset - data_offset,
        int(theirs.n_bytes),
    )


def test_every_type_of_tensor_has_the_size_that_ggml_gives_it() -> None:
    ours = {name: sizes for name, *sizes in TENSOR_TYPES.values() if name not in KNOWN_ONLY_TO_THE_ENGINE}
    theirs = {kind.name: [*sizes] for kind, sizes in gguf.GGML_QUANT_SIZES.items()}
    assert ours == {name: sizes for name, sizes in theirs.items() if name not in KNOWN_ONLY_TO_THE_ENGINE}
    for number, (name, _, _) in TENSOR_TYPES.items():
        assert name in KNOWN_ONLY_TO_THE_ENGINE or gguf.GGMLQuantizationType[name] == number


def test_every_file_type_has_its_usual_name() -> None:
    theirs = {kind.value: kind.name.split("_", 1)[1] for kind in gguf.LlamaFileType if kind.value < 1024}
    assert {n: name for n, name in FILE_TYPES.items() if name not in KNOWN_ONLY_TO_THE_ENGINE} == theirs


def test_every_kind_of_value_is_read(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "all.gguf", "llama")
    scalars = {
        "uint8": 255,
        "int8": -128,
        "uint16": 65_535,
        "int16": -32_768,
        "uint32": 2**32 - 1,
        "int32": -(2**31),
        "uint64": 2**64 - 1,
        "int64": -(2**63),
        "float32": 0.5,
        "float64": 1e-300,
        "bool": True,
        "string": "Größe ≤ 3 mm",
    }
    for kind, value in scalars.items():
        getattr(writer, f"add_{kind}")(f"a.{kind}", value)
    writer.add_array("short", [1, 2, 3])
    writer.add_array("words", ["a", "β"])
    writer.add_array("long", list(range(LONGEST_ARRAY + 1)))
    writer.add_array("vocabulary", [f"word {n}" for n in range(LONGEST_ARRAY + 1)])
    writer.add_string("tokenizer.chat_template", "{{ x }}" * 50_000)
    writer.add_string("tokenizer.json", "x" * (LONGEST_TEXT + 1))
    header = read_header(written(writer))
    assert {key[2:]: value for key, value in header.metadata.items() if key.startswith("a.")} == scalars
    assert header.metadata["short"] == (1, 2, 3)
    assert header.metadata["words"] == ("a", "β")
    assert header.metadata["long"] == LongValue("i32", LONGEST_ARRAY + 1)
    assert header.metadata["vocabulary"] == LongValue("text", LONGEST_ARRAY + 1)
    assert header.metadata["tokenizer.json"] == LongValue("text", LONGEST_TEXT + 1)
    assert header.text("tokenizer.chat_template") == "{{ x }}" * 50_000
    assert (header.architecture, header.text("short"), header.whole("a.int8", 7)) == ("llama", "", 7)


def written(writer: gguf.GGUFWriter) -> Path:
    """The file of a writer, closed."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert writer.path
    return writer.path


def test_types_and_another_alignment(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "q.gguf", "llama")
    writer.add_custom_alignment(128)
    writer.add_tensor("a.weight", np.zeros((3, 64), dtype=np.float16))
    writer.add_tensor(
        "b.weight", np.zeros((2, 144), dtype=np.uint8), raw_dtype=gguf.GGMLQuantizationType.Q4_K
    )
    header = read_header(written(writer))
    assert header.alignment == 128
    assert header.data_offset % 128 == 0
    assert header.tensors == (
        Tensor("a.weight", (64, 3), "F16", 0, 384),
        Tensor("b.weight", (256, 2), "Q4_K", 384, 288),
    )
    assert header.elements_by_type == {"Q4_K": 512, "F16": 192}


def test_the_second_version_has_the_same_layout(tmp_path: Path) -> None:
    path = tmp_path / "v2.gguf"
    path.write_bytes(hostile_models.gguf(hostile_models.ARCHITECTURE, fields=1, version=2))
    assert read_header(path).version == 2


CODES = {
    "empty": "gguf.truncated",
    "zeros": "gguf.not_gguf",
    "other magic": "gguf.not_gguf",
    "a picture": "gguf.not_gguf",
    "version 0": "gguf.version",
    "version 1": "gguf.version",
    "version 4": "gguf.version",
    "big-endian": "gguf.big_endian",
    "more fields than there are": "gguf.truncated",
    "tensor larger than the file": "gguf.truncated",
}


def test_hostile_headers_are_refused_by_name_and_without_memory(tmp_path: Path) -> None:
    paths = hostile_models.write_hostile_headers(tmp_path)
    tracemalloc.start()
    try:
        for name, path in paths.items():
            with pytest.raises(DataError) as refused:
                read_header(path)
            assert refused.value.code == CODES.get(name, "gguf.bad_header"), name
            assert refused.value.values["path"] == str(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * MEBIBYTE
    finally:
        tracemalloc.stop()


def test_a_download_that_was_interrupted_anywhere_is_truncated(tmp_path: Path) -> None:
    model = tiny_models.llama_pair(tmp_path).model
    for path in hostile_models.cut_short(model, tmp_path / "cut").values():
        with pytest.raises(DataError) as refused:
            read_header(path)
        assert refused.value.code == "gguf.truncated", path.name
        expected = refused.value.values["expected_bytes"]
        assert path.stat().st_size == refused.value.values["size_bytes"]
        assert isinstance(expected, int)
        assert path.stat().st_size < expected <= model.stat().st_size


def test_a_file_that_shrinks_while_it_is_read_is_truncated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_models.llama_pair(tmp_path).model
    before = os.stat(model)
    paths = hostile_models.cut_short(model, tmp_path / "cut")
    monkeypatch.setattr("dermagui.chat.gguf_header.os.stat", lambda path: before)
    for name in ("fields", "words", "tensor names"):
        with pytest.raises(DataError, match=r"gguf\.truncated"):
            read_header(paths[name])


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gguf\.not_gguf"):
        read_header(tmp_path)
    with pytest.raises(UserError, match=r"disk\.gone"):
        read_header(tmp_path / "missing.gguf")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.gguf")
        with pytest.raises(DataError, match=r"gguf\.not_gguf"):
            read_header(tmp_path / "pipe.gguf")


def write_part(path: Path, number: int, count: int) -> Path:
    """A part of a model that was split."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_uint16("split.no", number)
    writer.add_uint16("split.count", count)
    writer.add_tensor("x", np.zeros(4, dtype=np.float32))
    return written(writer)


def test_a_part_of_a_split_model_names_the_missing_parts(tmp_path: Path) -> None:
    names = [f"m-0000{part}-of-00003.gguf" for part in (1, 2, 3)]
    paths = [write_part(tmp_path / name, number, 3) for number, name in enumerate(names)]
    with pytest.raises(DataError) as whole:
        read_header(paths[0])
    assert whole.value.code == "gguf.split"
    assert whole.value.values["count"] == 3
    paths[1].unlink()
    with pytest.raises(DataError) as incomplete:
        read_header(paths[2])
    assert incomplete.value.code == "gguf.split_incomplete"
    assert incomplete.value.values["missing"] == [names[1]]
    with pytest.raises(DataError, match=r"gguf\.split "):
        read_header(write_part(tmp_path / "renamed.gguf", 0, 3))
    assert read_header(write_part(tmp_path / "one.gguf", 0, 1)).tensors


def test_a_vocabulary_is_passed_over(tmp_path: Path) -> None:
    """300,000 texts must leave no trace in memory."""
    writer = gguf.GGUFWriter(tmp_path / "words.gguf", "llama")
    writer.add_token_list([f"token {n}" for n in range(150_000)])
    writer.add_token_merges([f"token {n}" for n in range(150_000)])
    path = written(writer)
    tracemalloc.start()
    try:
        header = read_header(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert header.metadata["tokenizer.ggml.merges"] == LongValue("text", 150_000)
    assert peak < MEBIBYTE < path.stat().st_size


def test_what_is_kept_of_one_file_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "much.gguf"
    texts = [hostile_models.field(f"k{n}", 8, hostile_models.string("x" * LONGEST_TEXT)) for n in range(9)]
    path.write_bytes(hostile_models.gguf(*texts, fields=9))
    with pytest.raises(DataError) as refused:
        read_header(path)
    assert refused.value.values["detail"] == "metadata_size"


def test_texts_of_all_arrays_together_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "words.gguf"
    words = hostile_models.array(8, 2**21, bytes(8 * 2**21))
    path.write_bytes(
        hostile_models.gguf(*(hostile_models.field(f"k{n}", 9, words) for n in range(3)), fields=3)
    )
    with pytest.raises(DataError) as refused:
        read_header(path)
    assert refused.value.values["detail"] == "array_count"


def test_ten_thousand_mutated_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but a header or a refusal, in bounded memory; what is still a header can be described."""
    monkeypatch.setattr("dermagui.chat.gguf_header.LONGEST_ARRAY", 8)  # a small file with a long array
    model = small_model(tmp_path / "seed.gguf").read_bytes()
    path = tmp_path / "mutated.gguf"
    outcomes: Counter[str] = Counter()
    tracemalloc.start()
    try:
        for mutated in mutations(model, random.Random(4)):
            path.write_bytes(mutated)
            outcomes[outcome(path)] += 1
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert outcomes.total() == MUTATIONS
    assert peak < 16 * MEBIBYTE
    # The mutations reach every part of the reader, or they would prove nothing.
    codes = {"read", "gguf.truncated", "gguf.not_gguf", "gguf.version", "name_length", "name_text"}
    codes |= {"text_length", "value_type", "array_count", "tensor_type", "tensor_shape", "tensor_offset"}
    assert outcomes.keys() >= codes, outcomes


def outcome(path: Path) -> str:
    """``read``, or how it was refused."""
    try:
        facts = describe(read_header(path))
    except DataError as refused:
        return str(refused.values.get("detail", refused.code))
    assert memory_needed(facts, facts, 4096).total >= 0
    return "read"


def small_model(path: Path) -> Path:
    """A file with every kind of value and little else, so that most mutations hit something."""
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_custom_alignment(64)
    writer.add_uint16("split.count", 1)
    writer.add_string("clip.projector_type", "qwen2vl_merger")
    writer.add_array("clip.attention.head_count_kv", [1, 2, 3])
    writer.add_token_list([f"t{n}" for n in range(12)])
    writer.add_array("scores", [float(n) for n in range(12)])
    for name in ("context_length", "embedding_length", "block_count", "attention.head_count"):
        writer.add_uint32(f"clip.{name}", 8)
    for name in ("patch_size", "image_size", "spatial_merge_size", "image_max_pixels"):
        writer.add_uint32(f"clip.vision.{name}", 14)
    for layer in range(12):
        writer.add_tensor(f"mm.{layer}.weight", np.zeros((2, 8), dtype=np.float32))
    return written(writer)


def mutations(model: bytes, chance: random.Random) -> Iterator[bytes]:
    """Files of which bytes are turned, lengths inflated, parts cut out or doubled."""
    wholes = (0, 1, 2**8, 2**16, 2**31 - 1, 2**32, 2**40, 2**62, 2**63, 2**64 - 1)
    places = [*range(len(model))]
    for _ in range(MUTATIONS):
        mutated = bytearray(model)
        kind = chance.randrange(5)
        start = chance.choice(places)
        if kind == 0:
            for _ in range(chance.randrange(1, 9)):
                mutated[chance.choice(places)] = chance.randrange(256)
        elif kind == 1:
            size = chance.choice("IQ")
            raw = struct.pack(f"<{size}", chance.choice(wholes) % 2 ** (32 if size == "I" else 64))
            mutated[start : start + len(raw)] = raw
        elif kind == 2:
            del mutated[start:]
        elif kind == 3:
            del mutated[start : start + chance.randrange(1, 64)]
        else:
            mutated[start:start] = mutated[start : start + chance.randrange(1, 64)]
        yield bytes(mutated)
