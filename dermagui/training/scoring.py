"""What a GGUF model gives the right answers, computed by the chat's own engine in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dermagui.chat.protocol import ChatTurn, Load, Rgb, Sampling
from dermagui.library.pixels import pixels
from dermagui.records import Picture, PixelRecipe, Role


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


def score_gguf(
    model: Path,
    mmproj: Path,
    rows: Sequence[dict[str, Any]],
    references: Sequence[Sequence[int]],
    folder: Path,
) -> list[Score]:
    """Scores each row (``messages``, ``images`` below ``folder``) with its reference in tokens.

    Runs in a child: native code may end its process. Raises what ``Engine`` raises.
    """
    from dermagui.chat.worker.engine import Engine, started

    log = started()
    wanted = Load(str(model), str(mmproj), gpu_layers=0)
    engine = Engine(wanted, log, lambda: False, lambda *_, **__: None)
    try:
        found = zip(rows, references, strict=True)
        return [_score(engine, row, reference, folder) for row, reference in found]
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
