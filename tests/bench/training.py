"""A training's steps against a bare loop of trl over the same rows, model and settings.

Both are children in the training environment, with one thread and a tiny model, and tell the processor time
of their steps alone: what it costs that ours tells its story, beats, looks for STOP and masks by parts.
"""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from dermagui.training.environment import worker_script

from .measure import Ratio, cost, in_turn, say, temporary_folder

ROOT = Path(__file__).parents[2]
STEPS = 60
ROUNDS = 3

WATCHED = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import transformers
marks = []
class Watch(transformers.TrainerCallback):
    def on_step_begin(self, args, state, control, **_):
        if not marks or state.global_step == 10:
            marks[:] = [time.process_time()]
    def on_train_end(self, args, state, control, **_):
        marks.append(time.process_time())
folder = Path(sys.argv[2])
"""
"""The first ten steps warm up and are not counted."""

OURS = """
import trainer
made = trainer.make_trainer
def make(*given):
    found = made(*given)
    found.add_callback(Watch())
    return found
trainer.make_trainer = make
trainer.main(folder)
"""

THEIRS = """
import torch
from datasets import Dataset, Image
from peft import LoraConfig
from transformers import AutoModelForImageTextToText, AutoProcessor
from trl import SFTConfig, SFTTrainer
job = json.loads((folder / "job.json").read_text())
torch.set_num_threads(1)
rows = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
def said(row, n):
    parts = row["messages"][n]["content"]
    return [{"role": row["messages"][n]["role"], "content": parts[-1]["text"]}]
data = Dataset.from_dict({
    "images": [[str(folder / name) for name in row["images"]] for row in rows],
    "prompt": [said(row, 0) for row in rows],
    "completion": [said(row, 1) for row in rows],
}).cast_column("images", [Image()])
import trainer
model = AutoModelForImageTextToText.from_pretrained(job["base"], dtype=torch.float32)
recipe = job["recipe"]
config = LoraConfig(r=recipe["rank"], lora_alpha=recipe["alpha"],
                    target_modules=trainer.linear_layers(model, True))
SFTTrainer(
    model=model, peft_config=config, train_dataset=data, callbacks=[Watch()],
    processing_class=AutoProcessor.from_pretrained(job["base"]),
    args=SFTConfig(output_dir=str(folder / "out"), max_steps=job["max_steps"],
        per_device_train_batch_size=recipe["batch"], learning_rate=recipe["learning_rate"],
        lr_scheduler_type="constant", use_cpu=True, bf16=False, gradient_checkpointing=False,
        logging_steps=1, save_strategy="no", report_to="none", disable_tqdm=True, max_length=None, seed=1),
).train()
"""

TOLD = "print('spent', marks[-1] - marks[0])"


def measure() -> list[Ratio]:
    """One ratio; none, with a line, where the training environment is not made."""
    home: Path = runpy.run_path(str(ROOT / "packaging" / "build_training.py"))["home_folder"]()
    made = home / "data" / "training" / "environment.json"
    if not made.exists():
        say("training: left out, since its environment is not made (make .venv/training.stamp)")
        return []
    python = json.loads(made.read_bytes())["python"]
    folder = _prepare(python, temporary_folder() / "training")
    say(f"training {STEPS} steps, again and again")
    seconds = in_turn(_child(python, OURS, folder), _child(python, THEIRS, folder), ROUNDS)
    per_step = (seconds[0] / (STEPS - 10), seconds[1] / (STEPS - 10))
    return [cost("processor time of a step / of a bare trl loop", per_step, at_most=1.1)]


def _prepare(python: str, folder: Path) -> Path:
    from tests.training.conftest import COLOURS, FAKES, QUESTION, answer, clean_environment, make_job_folder

    folder.mkdir()
    words = folder / "words.txt"
    words.write_text("\n".join([QUESTION, *map(answer, COLOURS)]), encoding="utf-8")
    command = [python, str(FAKES / "tiny_llava.py"), str(folder / "base"), str(words)]
    subprocess.run(command, check=True, capture_output=True, env=clean_environment())
    job = make_job_folder(folder / "job", folder / "base", steps=STEPS, train=32, save_steps=10_000)
    (job / "probes.jsonl").write_text("")
    return job


def _child(python: str, code: str, folder: Path) -> Callable[[], float]:
    from tests.training.conftest import clean_environment

    def run() -> float:
        for name in ("checkpoints", "adapter"):
            shutil.rmtree(folder / name, ignore_errors=True)
        scripts = os.fspath(worker_script("trainer").parent)
        command = [python, "-c", WATCHED + code + TOLD, scripts, os.fspath(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=clean_environment())
        line = next(line for line in done.stdout.splitlines() if line.startswith("spent"))
        return float(line.split()[1])

    return run
