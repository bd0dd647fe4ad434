"""Pairs without a picture, from a file of the user's own, mixed into what a training learns from."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from dermagui.errors import DataError, from_os_error
from dermagui.paths import display_path
from dermagui.records import Split
from dermagui.training.folder import FILES

Line = dict[str, Any]


def read_texts(path: Path) -> list[Line]:
    """The pairs of a file of lines ``{"question": ..., "answer": ...}``, as the trainer reads them.

    Raises ``DataError`` ``train.bad_texts`` with the number of the line; what the disk refuses.
    """
    lines: list[Line] = []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise from_os_error(error, path) from error
    except UnicodeDecodeError as error:
        raise DataError("train.bad_texts", path=display_path(path), line=1) from error
    for number, raw in enumerate(text.splitlines(), 1):
        if raw.strip():
            try:
                lines.append(_line(number, json.loads(raw)))
            except (ValueError, KeyError, TypeError) as error:
                raise DataError("train.bad_texts", path=display_path(path), line=number) from error
    return lines


def _line(number: int, told: Line) -> Line:
    messages = []
    for role, name in (("user", "question"), ("assistant", "answer")):
        if not isinstance(told[name], str) or not told[name].strip():
            raise ValueError(name)
        messages.append({"role": role, "content": [{"type": "text", "text": told[name]}]})
    return {"id": f"text-{number}", "images": [], "messages": messages}


def mix_texts(folder: Path, texts: list[Line], share: float, seed: int) -> tuple[int, int]:
    """Adds so many texts that they are a share of what is learnt; returns how many, and how many were wanted.

    Which of them is drawn by the seed. What is held out stays about pictures.
    """
    path = folder / FILES[Split.TRAIN]
    with path.open(encoding="utf-8") as file:
        pairs = sum(1 for _ in file)
    wanted = round(pairs * share / (1 - share))
    chosen = random.Random(seed).sample(texts, min(wanted, len(texts)))
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in chosen)
    return len(chosen), wanted
