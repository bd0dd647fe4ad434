"""What the tuned model gives the right answers: ``python score.py BASE WEIGHTS ROWS OUT``.

The other half of the parity gate: the model as it was trained, with its adapter on and nothing merged, in
32 bits, so that whatever merging, converting or quantizing loses shows up. ``ROWS`` is a file like
``train.jsonl``, with its pictures beside it; ``OUT`` gets a line for each row:
``tokens`` (the reference), ``prompt_tokens``, ``log_probability`` (of the whole reference), ``first`` (the
likeliest first token), ``size`` (width and height in pixels that the model got).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from merge import load_tuned
from trainer import Collator, load_processor, read_rows


def input_size(encoded: dict[str, Any], patch: int) -> list[int]:
    """Width and height of the pixels that a model is given: of a grid of patches, or of a tensor of rows."""
    if "image_grid_thw" in encoded:
        _, rows, columns = encoded["image_grid_thw"][0].tolist()
        return [columns * patch, rows * patch]
    if "pixel_values" in encoded:
        height, width = encoded["pixel_values"].shape[-2:]
        return [width, height]
    return []


def score(model: Any, collator: Collator, row: dict[str, Any]) -> dict[str, Any]:
    """One line of the result."""
    import torch

    encoded = collator.encode(row)
    labels = encoded.pop("labels")
    tensors = {
        key: (torch.tensor([value]) if isinstance(value, list) else value).to(model.device)
        for key, value in encoded.items()
    }
    with torch.no_grad():
        logits = model(**tensors).logits[0].float().log_softmax(-1)
    learnt = [place for place, label in enumerate(labels) if label >= 0]
    tokens = [labels[place] for place in learnt]
    told = [logits[place - 1, labels[place]].item() for place in learnt]
    return {
        "tokens": tokens,
        "prompt_tokens": learnt[0],
        "log_probability": sum(told),
        "first": int(logits[learnt[0] - 1].argmax()),
        "size": input_size(encoded, getattr(model.config.vision_config, "patch_size", 0)),
    }


def main(base: str, weights: Path, rows: Path, out: Path) -> int:
    """Scores every row."""
    import torch

    model = load_tuned(base, weights, torch.float32)
    model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    collator = Collator(load_processor(base), rows.parent)
    with out.open("w", encoding="utf-8") as file:
        for row in read_rows(rows):
            file.write(json.dumps(score(model, collator, row)) + "\n")
            file.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])))
