"""Makes one 16-bit model of a base and what was trained: ``python merge.py BASE WEIGHTS OUT``.

``WEIGHTS`` is the folder of an adapter, or of a whole model. ``OUT`` is written beside its place and renamed.
"""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

FROM_THE_BASE = ("tokenizer.model",)
"""What transformers no longer saves with a model, and a conversion reads."""


def load_tuned(base: str, weights: Path, dtype: Any) -> Any:
    """The model as it was trained: the base wearing its adapter, or the whole model."""
    from transformers import AutoModelForImageTextToText

    if not (weights / "adapter_config.json").exists():
        return AutoModelForImageTextToText.from_pretrained(weights, dtype=dtype)
    from peft import PeftModel

    model = AutoModelForImageTextToText.from_pretrained(base, dtype=dtype)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Found missing adapter keys")
        worn = PeftModel.from_pretrained(model, str(weights))
    refuse_what_is_left_over(worn, weights)
    return worn


def refuse_what_is_left_over(model: Any, weights: Path) -> None:
    """Raises ``ValueError`` where the base has no place for every tensor of the adapter: peft drops those,
    and what would come home is another model, or the bare base.
    """
    with (weights / "adapter_model.safetensors").open("rb") as file:
        head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    given = sum(".lora_" in name for name in head)
    taken = sum(".lora_" in name for name, _ in model.named_parameters())
    if given != taken:
        raise ValueError(f"this base takes {taken} of the {given} tensors of the adapter")


def name_special_tokens(folder: Path, tokenizer: Any) -> None:
    """Writes which tokens are special where a conversion looks for it.

    transformers 5 leaves that to ``tokenizer.json``. Without it the marks of a Gemma's turns become ordinary
    words of the GGUF file, and every prompt is spelt out letter by letter.
    """
    path = folder / "tokenizer_config.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    told["added_tokens_decoder"] = {
        str(number): {"content": token.content, "special": token.special}
        for number, token in tokenizer.added_tokens_decoder.items()
    }
    path.write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")


def main(base: str, weights: Path, out: Path) -> int:
    """Merges in 32 bits, so that nothing is rounded twice, and saves in 16."""
    import torch
    from transformers import AutoProcessor

    model = load_tuned(base, weights, torch.float32)
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload(safe_merge=True)
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    model.to(torch.float16).save_pretrained(part)
    processor = AutoProcessor.from_pretrained(base)
    processor.save_pretrained(part)
    name_special_tokens(part, processor.tokenizer)
    for name in FROM_THE_BASE:
        if (Path(base) / name).is_file():
            shutil.copy2(Path(base) / name, part / name)
    part.rename(out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
