"""Native work on GGUF files, for processes of their own: quantizing, and what a model gives right answers."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dermagui.chat.protocol import ChatTurn, Load, Rgb, Sampling
from dermagui.library.pixels import pixels
from dermagui.records import Picture, PixelRecipe, Role

_TENSOR = re.compile(rb"\[ *(?P<done>\d+)/ *(?P<total>\d+)\] ")
"""How llama.cpp begins to tell of a tensor that it makes smaller."""
_WARNING = 3


@dataclass(frozen=True, slots=True)
class Score:
    """What a model gives one reference answer."""

    log_probability: float
    """Of the whole reference, natural logarithm."""
    tokens: int
    first: int
    """The likeliest first token."""
    prompt_tokens: int
    size: tuple[int, int]
    """Width and height in pixels that the model got; (0, 0) without a picture."""
    exact: bool
    """Whether the image encoder took these very pixels."""


def quantize(source: Path, target: Path, quantization: str, told: Path | None = None) -> int:
    """Makes a smaller file of a 16-bit one, beside its place and then in it; returns its size in bytes.

    ``told`` is a file that holds how many tensors are done, and of how many. Raises ``RuntimeError`` where
    llama.cpp refuses; what it says from warnings up goes to the process's own output.
    """
    import ctypes

    from dermagui.chat.worker.native import llama
    from dermagui.jobs.workers import physical_cores

    def hear(level: int, text: bytes, _: object) -> None:
        if told and (found := _TENSOR.match(text)):
            told.write_text(f"{int(found['done'])} {int(found['total'])}")
        elif level >= _WARNING:
            os.write(2, text)

    callback = llama.llama_log_callback(hear)  # kept as long as it may be called
    llama.llama_log_set(callback, None)
    wanted = llama.llama_model_quantize_default_params()
    wanted.ftype = getattr(llama, f"LLAMA_FTYPE_MOSTLY_{quantization}")
    wanted.nthread = physical_cores()
    part = target.with_name(target.name + ".part")
    code = llama.llama_model_quantize(str(source).encode(), str(part).encode(), ctypes.byref(wanted))
    if code:
        raise RuntimeError(f"llama_model_quantize: {code}")
    part.replace(target)
    return target.stat().st_size


def score_gguf(
    model: Path,
    mmproj: Path,
    rows: Sequence[dict[str, Any]],
    references: Sequence[Sequence[int]],
    folder: Path,
) -> list[dict[str, Any]]:
    """Scores each row (``messages``, ``images`` below ``folder``) with its reference in tokens, on the
    processor; ``Score`` as objects of JSON. Raises what ``Engine`` raises.
    """
    from dermagui.chat.worker.engine import Engine, started
    from dermagui.jobs.workers import physical_cores

    log = started()
    wanted = Load(str(model), str(mmproj), gpu_layers=0, threads=physical_cores())
    engine = Engine(wanted, log, lambda: False, lambda *_, **__: None)
    try:
        found = zip(rows, references, strict=True)
        return [asdict(_score(engine, row, reference, folder)) for row, reference in found]
    finally:
        engine.close()


def _score(engine: Any, row: dict[str, Any], reference: Sequence[int], folder: Path) -> Score:  # noqa: ANN401
    from dermagui.chat.worker.labels import log_sum

    result = engine.ask(turns_of(row, folder), Sampling(max_tokens=1))
    first = engine.context.logits()
    behind = engine.context.probe(list(reference[:-1])) if len(reference) > 1 else []
    told = [
        logits[token] - log_sum(logits) for logits, token in zip([first, *behind], reference, strict=True)
    ]
    seen = result.images[0] if result.images else {"width": 0, "height": 0, "exact": True}
    return Score(
        log_probability=sum(told),
        tokens=len(reference),
        first=first.index(max(first)),
        prompt_tokens=result.prompt_tokens,
        size=(seen["width"], seen["height"]),
        exact=bool(seen["exact"]),
    )


def turns_of(row: dict[str, Any], folder: Path) -> list[ChatTurn]:
    """The turns of a row up to its first answer, with its pictures as they lie in the folder."""
    pictures = [_rgb(folder / name) for name in row["images"]]
    turns: list[ChatTurn] = []
    for message in row["messages"]:
        if message["role"] == "assistant":
            break
        parts = message["content"]
        text = "".join(part["text"] for part in parts if part["type"] == "text")
        count = sum(part["type"] == "image" for part in parts)
        turns.append(ChatTurn(Role(message["role"]), text, tuple(pictures[:count])))
        del pictures[:count]
    return turns


def _rgb(path: Path) -> Rgb:
    made = pixels(Picture(str(path), 0), PixelRecipe(longest_side=None, codec="png"))
    return Rgb(made.sha256, made.width, made.height, made.rgb)
