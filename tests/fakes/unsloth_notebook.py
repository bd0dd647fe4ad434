"""The loop of unsloth's vision notebooks over a job's pairs: ``python unsloth_notebook.py JOBFOLDER OUT``.

Only what unsloth documents is called: ``FastVisionModel``, its collator, trl's trainer; the settings are the
job's. ``OUT`` gets the moment of each step, and the most memory that was reserved. Nothing else is shared
with the trainer that it is compared with.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer
from unsloth import FastVisionModel
from unsloth.trainer import UnslothVisionDataCollator


class Clock(TrainerCallback):
    """Notes when each step ended."""

    def __init__(self) -> None:
        self.moments: list[float] = []

    def on_step_end(self, *_: object, **__: object) -> None:
        """One step is done."""
        self.moments.append(time.time())


def conversation(folder: Path, line: dict[str, Any]) -> dict[str, Any]:
    """A pair with its picture in it, as the notebooks have them."""
    pictures = [Image.open(folder / name).convert("RGB") for name in line["images"]]
    messages = []
    for message in line["messages"]:
        parts = [
            {"type": "image", "image": pictures.pop(0)} if part["type"] == "image" else part
            for part in message["content"]
        ]
        messages.append({"role": message["role"], "content": parts})
    return {"messages": messages}


def load(job: dict[str, Any]) -> tuple[Any, Any]:
    """The base with fresh adapters, and its processor."""
    recipe = job["recipe"]
    model, processor = FastVisionModel.from_pretrained(
        job["base"],
        load_in_4bit=recipe["load_in_4bit"],
        use_gradient_checkpointing="unsloth" if recipe["gradient_checkpointing"] else False,
    )
    model = FastVisionModel.get_peft_model(
        model,
        finetune_vision_layers=recipe["train_vision"],
        finetune_language_layers=True,
        finetune_attention_modules=True,
        finetune_mlp_modules=True,
        r=recipe["rank"],
        lora_alpha=recipe["alpha"],
        lora_dropout=recipe["dropout"],
        bias="none",
        random_state=job["seed"],
    )
    FastVisionModel.for_training(model)
    return model, processor


def main(folder: Path, out: Path) -> None:
    """Trains as many steps as the job says."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    recipe = job["recipe"]
    model, processor = load(job)
    lines = (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    clock = Clock()
    trainer = SFTTrainer(
        model=model,
        processing_class=processor,
        data_collator=UnslothVisionDataCollator(model, processor),
        train_dataset=[conversation(folder, json.loads(line)) for line in lines],
        callbacks=[clock],
        args=SFTConfig(
            output_dir=str(folder / "notebook"),
            per_device_train_batch_size=recipe["batch"],
            gradient_accumulation_steps=recipe["accumulation"],
            max_steps=job["max_steps"],
            learning_rate=recipe["learning_rate"],
            lr_scheduler_type=recipe["scheduler"],
            optim=recipe["optimizer"],
            weight_decay=recipe["weight_decay"],
            bf16=recipe["dtype"] == "bfloat16",
            fp16=recipe["dtype"] == "float16",
            logging_steps=1,
            save_strategy="no",
            seed=job["seed"],
            report_to="none",
            remove_unused_columns=False,
            dataset_text_field="",
            dataset_kwargs={"skip_prepare_dataset": True},
            max_length=2048,
        ),
    )
    trainer.train()
    told = {"moments": clock.moments, "memory_bytes": torch.cuda.max_memory_reserved()}
    out.write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
