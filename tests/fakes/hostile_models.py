"""Model files that are broken, or made to break what reads them. What an honest file has is in tiny_models.

``hostile_headers`` gives bytes that no reader may trust, ``hostile_models`` whole models of which one fact
is wrong, ``cut_short`` a model that ends too early, in each part of the file.
"""

from __future__ import annotations

import struct
from pathlib import Path

from tests.fakes.tiny_models import (
    CHAT_TEMPLATE,
    Fields,
    TextShape,
    Value,
    VisionShape,
    text_fields,
    text_tensors,
    write_gguf,
    write_llava_projector,
)

U8, U32, BOOL, STRING, ARRAY, U64 = 0, 4, 7, 8, 9, 10
NO_SUCH_TYPE = 99
HUGE = 2**62


def string(text: bytes | str, length: int | None = None) -> bytes:
    """A string with its length in front, or with another ``length`` than it has."""
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw) if length is None else length) + raw


def field(name: bytes | str, kind: int, value: bytes) -> bytes:
    """One field of a header."""
    return string(name) + struct.pack("<I", kind) + value


def array(kind: int, length: int, values: bytes = b"") -> bytes:
    """The value of a field that is an array, of whatever ``length`` it claims."""
    return struct.pack("<IQ", kind, length) + values


def tensor(
    name: bytes | str, sizes: list[int], kind: int = 0, offset: int = 0, count: int | None = None
) -> bytes:
    """What a header tells about one tensor; ``count`` is the number of sizes that it claims."""
    claimed = len(sizes) if count is None else count
    return string(name) + struct.pack(f"<I{len(sizes)}QIQ", claimed, *sizes, kind, offset)


def gguf(
    *parts: bytes,
    fields: int = 0,
    tensors: int = 0,
    magic: bytes = b"GGUF",
    version: int = 3,
    end: bytes = bytes(64),
) -> bytes:
    """A file of these parts that claims so many fields and tensors."""
    return magic + struct.pack("<IQQ", version, tensors, fields) + b"".join(parts) + end


ARCHITECTURE = field("general.architecture", STRING, string("llama"))
NESTED = 10_000


def hostile_headers() -> dict[str, bytes]:
    """Small files with a header that lies, named by their lie; every one has to be refused."""
    return {
        "empty": b"",
        "zeros": bytes(4096),
        "other magic": gguf(ARCHITECTURE, fields=1, magic=b"GGML"),
        "a picture": b"\x89PNG\r\n\x1a\n" + bytes(512),
        "version 0": gguf(ARCHITECTURE, fields=1, version=0),
        "version 1": gguf(ARCHITECTURE, fields=1, version=1),
        "version 4": gguf(ARCHITECTURE, fields=1, version=4),
        "big-endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0) + bytes(64),
        "no field at all": gguf(),
        "countless fields": gguf(ARCHITECTURE, fields=HUGE),
        "countless tensors": gguf(ARCHITECTURE, fields=1, tensors=HUGE),
        "counts beyond 63 bits": gguf(ARCHITECTURE, fields=2**64 - 1, tensors=2**64 - 1),
        "more fields than there are": gguf(ARCHITECTURE, fields=3, end=b""),
        "endless name": gguf(string("general.name", 2**40), fields=1),
        "name of 2^64 - 1 bytes": gguf(string("general.name", 2**64 - 1), fields=1),
        "endless text": gguf(ARCHITECTURE, field("general.name", STRING, string("short", HUGE)), fields=2),
        "endless numbers": gguf(ARCHITECTURE, field("numbers", ARRAY, array(U32, HUGE)), fields=2),
        "numbers whose bytes overflow": gguf(ARCHITECTURE, field("n", ARRAY, array(U64, 2**61)), fields=2),
        "endless words": gguf(
            ARCHITECTURE, field("tokenizer.ggml.tokens", ARRAY, array(STRING, 2**40)), fields=2
        ),
        "arrays in arrays": gguf(field("deep", ARRAY, array(ARRAY, 1) * NESTED + array(U8, 0)), fields=1),
        "value of no type": gguf(ARCHITECTURE, field("odd", NO_SUCH_TYPE, bytes(8)), fields=2),
        "array of no type": gguf(ARCHITECTURE, field("odd", ARRAY, array(NO_SUCH_TYPE, 1)), fields=2),
        "a name twice": gguf(ARCHITECTURE, ARCHITECTURE, fields=2),
        "alignment 0": gguf(ARCHITECTURE, field("general.alignment", U32, struct.pack("<I", 0)), fields=2),
        "alignment 3": gguf(ARCHITECTURE, field("general.alignment", U32, struct.pack("<I", 3)), fields=2),
        "tensor of countless sizes": gguf(
            ARCHITECTURE, tensor("x", [1], count=2**32 - 1), fields=1, tensors=1
        ),
        "tensor whose sizes overflow": gguf(ARCHITECTURE, tensor("x", [2**40, 2**40]), fields=1, tensors=1),
        "tensor of size 2^64 - 1": gguf(ARCHITECTURE, tensor("x", [2**64 - 1]), fields=1, tensors=1),
        "tensor larger than the file": gguf(ARCHITECTURE, tensor("x", [2**30]), fields=1, tensors=1),
        "tensor of no type": gguf(ARCHITECTURE, tensor("x", [16], kind=NO_SUCH_TYPE), fields=1, tensors=1),
        "tensor beyond the end": gguf(ARCHITECTURE, tensor("x", [16], offset=2**40), fields=1, tensors=1),
        "tensor between two places": gguf(ARCHITECTURE, tensor("x", [4], offset=5), fields=1, tensors=1),
        "a tensor twice": gguf(
            ARCHITECTURE, tensor("x", [4]), tensor("x", [4], offset=32), fields=1, tensors=2
        ),
        "part of a block": gguf(ARCHITECTURE, tensor("x", [31], kind=2), fields=1, tensors=1),
    }


def write_hostile_headers(folder: Path) -> dict[str, Path]:
    """``hostile_headers`` as files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{place:02}.gguf" for place, name in enumerate(hostile_headers())}
    for name, raw in hostile_headers().items():
        paths[name].write_bytes(raw)
    return paths


WRONG_FACTS: dict[str, Fields] = {
    "no such architecture": {"general.architecture": "no-such-architecture"},
    "no width": {"llama.embedding_length": 0},
    "no heads": {"llama.attention.head_count": 0},
    "no layers": {"llama.block_count": 0},
    "countless layers": {"llama.block_count": 2**31},
    "countless heads": {"llama.attention.head_count": 2**31},
    "another width": {"llama.embedding_length": 128},
    "heads that do not divide the width": {"llama.attention.head_count": 7},
    "text for a number": {"llama.block_count": "two"},
    "no tokenizer known": {"tokenizer.ggml.model": "no-such-tokenizer"},
    "fewer words than rows": {"tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>"]},
    "fewer scores than words": {"tokenizer.ggml.scores": [0.0]},
    "first word out of range": {"tokenizer.ggml.bos_token_id": 2**31},
}


def write_hostile_models(folder: Path) -> dict[str, Path]:
    """Models with all their weights of which one fact is wrong, named by it."""
    folder.mkdir(parents=True, exist_ok=True)
    return {
        name: write_changed_model(folder / f"{name.replace(' ', '-')}.gguf", wrong)
        for name, wrong in WRONG_FACTS.items()
    }


def write_changed_model(path: Path, changes: Fields) -> Path:
    """The model of ``llama_pair`` with other facts in its header."""
    fields: Fields = text_fields(TextShape()) | changes
    architecture = fields.pop("general.architecture", TextShape().architecture)
    return write_gguf(path, str(architecture), fields, text_tensors(TextShape(), seed=0))


def write_mllama(path: Path) -> Path:
    """Looks like Llama 3.2 Vision as others have stored it: one file, an architecture of its own."""
    fields: Fields = {
        name.replace("llama.", "mllama.", 1) if name.startswith("llama.") else name: value
        for name, value in text_fields(TextShape()).items()
    }
    vision: dict[str, Value] = {"block_count": 2, "image_size": 560, "patch_size": 14, "max_num_tiles": 4}
    fields |= {f"mllama.vision.{name}": value for name, value in vision.items()}
    return write_gguf(path, "mllama", fields, text_tensors(TextShape(), seed=0))


WRONG_PROJECTORS: dict[str, Fields] = {
    "no such projector": {"clip.projector_type": "no-such-projector"},
    "no encoder": {"clip.has_vision_encoder": False},
    "no patch": {"clip.vision.patch_size": 0},
    "picture too large": {"clip.vision.image_size": 2**30},
    "no vision width": {"clip.vision.embedding_length": 0},
    "no vision heads": {"clip.vision.attention.head_count": 0},
    "vision heads that do not divide the width": {"clip.vision.attention.head_count": 5},
    "more vision layers than there are": {"clip.vision.block_count": 3},
    "countless vision layers": {"clip.vision.block_count": 2**31 - 1},
    "another picture size": {"clip.vision.image_size": 112},
    "another patch": {"clip.vision.patch_size": 7},
    "means of two colours": {"clip.vision.image_mean": [0.5, 0.5]},
}


def write_hostile_projectors(folder: Path) -> dict[str, Path]:
    """The projector of ``llama_pair`` with one wrong fact, named by it."""
    folder.mkdir(parents=True, exist_ok=True)
    return {
        name: write_llava_projector(folder / f"{name.replace(' ', '-')}.gguf", VisionShape(), changes=wrong)
        for name, wrong in WRONG_PROJECTORS.items()
    }


def write_wide_projector(path: Path) -> Path:
    """A projector for a text model of twice the width."""
    return write_llava_projector(path, VisionShape(projected=128))


def write_broken_template(path: Path) -> Path:
    """A good model with a chat template that does not parse."""
    return write_changed_model(path, {"tokenizer.chat_template": CHAT_TEMPLATE + "{% if %}"})


def damage_tensor(model: Path, target: Path) -> Path:
    """A copy of which one bit of the last tensor is turned: it loads, and only its hash tells."""
    raw = bytearray(model.read_bytes())
    raw[-40] ^= 0x10
    target.write_bytes(raw)
    return target


def cut_short(model: Path, folder: Path) -> dict[str, Path]:
    """Copies that end too early, named by the part that is cut."""
    raw = model.read_bytes()
    folder.mkdir(parents=True, exist_ok=True)
    ends = {
        "magic": 2,
        "version": 6,
        "counts": 20,
        "first name": 30,
        "fields": raw.index(b"tokenizer.ggml.model"),
        "words": raw.index(b"<0x80>"),
        "tensor names": raw.index(b"blk.1.ffn_gate.weight") + 4,
        "first tensor": raw.index(b"blk.1.ffn_down.weight") + 4096,
        "last tensor": len(raw) - 4096,
        "last byte": len(raw) - 1,
    }
    paths = {part: folder / f"cut-in-{part.replace(' ', '-')}.gguf" for part in ends}
    for part, end in ends.items():
        paths[part].write_bytes(raw[:end])
    return paths
