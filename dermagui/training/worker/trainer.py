"""Fine-tunes a vision model in the training environment: ``python trainer.py JOBFOLDER [BASE]``.

Imports nothing of the app, so that a job folder can be carried to any computer that has a GPU. The folder:

=================  ==========================================================================================
``job.json``       ``recipe`` (see ``resources/recipes``), ``base`` (a folder or a name of the hub),
                   ``backend`` (auto, plain, unsloth), ``seed``, ``max_steps``, ``threads``
``train.jsonl``    a line for each pair: ``messages``, ``images`` (paths below the folder)
``eval.jsonl``     the same, held out; may be empty
``probes.jsonl``   the same; they are asked before, at each evaluation and at the end
``events.jsonl``   what happened, appended a line at a time
``STOP``           once it is there, the run saves and ends with exit code 0
``checkpoints/``   what a run that was interrupted goes on from when it is started again
``adapter/``       the tuned weights, or ``model/`` where all weights were trained
=================  ==========================================================================================

Exit codes: 0 done or stopped, 1 a fault, 5 out of memory even at one pair a step. Of several processes the
first that runs out of memory ends them all; started again, they go on with one pair each at a time.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import json
import os
import random
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import psutil

OUT_OF_MEMORY = 5
_HEARTBEAT_SECONDS = 5.0
_IGNORED = -100
"""The label of what is not learnt: everything but answers."""
_QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "UNSLOTH_DISABLE_STATISTICS": "1",
    "UNSLOTH_AUTO_INSTALL": "0",
    "UNSLOTH_LLAMA_CPP_OFFLINE": "1",
}
"""Holds wherever the script is started, by hand on another computer too."""
_NO_NETWORK = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "UNSLOTH_OFFLINE")
"""Set as well where the base lies in a folder, so that nothing has to be fetched."""

Row = dict[str, Any]
Message = dict[str, Any]


class Story:
    """Appends events; only the first of several processes speaks, but each of what ends them all."""

    def __init__(self, folder: Path) -> None:
        self._speaks = os.environ.get("RANK", "0") == "0"
        self._lock = threading.Lock()
        self._file: TextIO = (folder / "events.jsonl").open("a", encoding="utf-8", buffering=1)

    def tell(self, event: str, **values: object) -> None:
        """One line: ``at`` (seconds since 1970), ``event``, and values. A full disk ends no training."""
        if self._speaks:
            self.cry(event, **values)

    def cry(self, event: str, **values: object) -> None:
        """The same from any process."""
        line = json.dumps({"at": round(time.time(), 3), "event": event, **values}, ensure_ascii=False)
        with self._lock:
            try:
                self._file.write(line + "\n")
            except OSError as error:
                sys.stderr.write(f"event lost: {error}\n")

    def beat(self) -> None:
        """Tells every few seconds that the process lives, from a thread of its own."""

        def beat() -> None:
            while True:
                time.sleep(_HEARTBEAT_SECONDS)
                self.tell("heartbeat")

        threading.Thread(target=beat, daemon=True).start()


def read_rows(path: Path) -> list[Row]:
    """The pairs of a file; none where it does not exist."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def open_images(folder: Path, row: Row) -> list[Any]:
    """The pictures of a pair as RGB, at the size in which they were written."""
    from PIL import Image

    pictures = []
    for name in row["images"]:
        with Image.open(folder / name) as picture:
            pictures.append(picture.convert("RGB"))
    return pictures


def load_processor(base: str) -> Any:
    """Tokenizer and image processor of a model, as llama.cpp will ask it later.

    Gemma's processor puts blank lines around a picture, llama.cpp does not: what is trained is what will be
    asked.
    """
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(base)
    if hasattr(processor, "full_image_sequence"):
        processor.full_image_sequence = processor.full_image_sequence.strip("\n")
    return processor


def segments(processor: Any, messages: Sequence[Message]) -> list[tuple[str, bool]]:
    """The text of a dialogue in parts, each with whether it is to be learnt: the answers, and their ends.

    Parts are made into tokens one by one, as in a chat, where the question is there before the answer.
    """
    parts, before = [], ""
    for place, message in enumerate(messages):
        if message["role"] == "assistant":
            asked = processor.apply_chat_template(messages[:place], add_generation_prompt=True)
            answered = processor.apply_chat_template(messages[: place + 1]).rstrip("\n")
            if not answered.startswith(asked) or not asked.startswith(before):
                raise ValueError("the chat template does not put an answer behind its question")
            parts += [(asked[len(before) :], False), (answered[len(asked) :], True)]
            before = answered
    return parts


class Collator:
    """Pairs → a batch of tensors: tokens, pixels, and labels on answers only."""

    def __init__(self, processor: Any, folder: Path) -> None:
        self.processor = processor
        self.folder = folder
        rows = read_rows(folder / "train.jsonl")
        self.mean_images = sum(len(row["images"]) for row in rows) / max(1, len(rows))

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        """A batch, padded on the right."""
        import torch

        encoded = [self.encode(row) for row in rows]
        length = max(len(one["input_ids"]) for one in encoded)
        fill = {"input_ids": self.processor.tokenizer.pad_token_id or 0, "labels": _IGNORED}
        batch = {}
        for key in {key for one in encoded for key in one}:
            values = [one[key] for one in encoded if key in one]
            if isinstance(values[0], list):
                # A pair without pictures has none of the numbers that mark their tokens.
                values = [one.get(key, [0] * len(one["input_ids"])) for one in encoded]
                padded = [value + [fill.get(key, 0)] * (length - len(value)) for value in values]
                batch[key] = torch.tensor(padded)
            else:
                batch[key] = torch.cat(values)
        return batch

    def encode(self, row: Row) -> dict[str, Any]:
        """Lists with a number for each token, and tensors of the pictures."""
        whole: dict[str, Any] = {"labels": []}
        for place, (text, learnt) in enumerate(segments(self.processor, row["messages"])):
            first = place == 0
            part = self.tokens(text, open_images(self.folder, row) if first else [], first)
            count = len(part["input_ids"])
            whole["labels"] += part["input_ids"] if learnt else [_IGNORED] * count
            for key, value in part.items():
                whole[key] = whole.get(key, []) + value if isinstance(value, list) else value
            for key in [key for key, value in whole.items() if isinstance(value, list)]:
                whole[key] += [0] * (len(whole["labels"]) - len(whole[key]))
        return whole

    def tokens(self, text: str, images: list[Any], first: bool = True) -> dict[str, Any]:
        """The tokens of a text, and of the pictures in it; what begins a dialogue begins like one."""
        begin = self.processor.tokenizer.bos_token
        special = bool(begin) and not text.startswith(begin) and first
        if not first:
            return dict(self.processor.tokenizer(text, add_special_tokens=False))
        told = self.processor(
            text=[text], images=images or None, add_special_tokens=special, return_tensors="pt"
        )
        length = told["input_ids"].shape[1]
        return {
            key: value[0].tolist() if tuple(value.shape) == (1, length) else value
            for key, value in told.items()
        }


def linear_layers(model: Any, with_vision: bool) -> list[str]:
    """The names of the layers that get an adapter: all linear ones but the output."""
    import torch

    output = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and module is not output
        and (with_vision or not any(word in name for word in ("vision", "visual", "multi_modal")))
    ]


def load_plain(job: Row) -> Any:
    """The base with fresh adapters, or whole where all of it is trained."""
    import torch
    from transformers import AutoModelForImageTextToText, BitsAndBytesConfig

    recipe = job["recipe"]
    dtype = getattr(torch, recipe["dtype"]) if torch.cuda.is_available() else torch.float32
    options: dict[str, Any] = {"dtype": dtype}
    if recipe["load_in_4bit"]:
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=dtype,
            bnb_4bit_use_double_quant=True,
        )
    if torch.cuda.is_available() and "RANK" not in os.environ:
        options["device_map"] = {"": 0}
    model = AutoModelForImageTextToText.from_pretrained(job["base"], **options)
    if recipe["method"] == "full":
        return model
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    if recipe["load_in_4bit"]:
        model = prepare_model_for_kbit_training(model)
    config = LoraConfig(
        r=recipe["rank"],
        lora_alpha=recipe["alpha"],
        lora_dropout=recipe["dropout"],
        target_modules=linear_layers(model, recipe["train_vision"]),
    )
    return get_peft_model(model, config)


def load_unsloth(job: Row) -> Any:
    """The same through unsloth, which needs a GPU."""
    from unsloth import FastVisionModel

    recipe = job["recipe"]
    model, _ = FastVisionModel.from_pretrained(
        job["base"],
        load_in_4bit=recipe["load_in_4bit"],
        full_finetuning=recipe["method"] == "full",
        use_gradient_checkpointing="unsloth" if recipe["gradient_checkpointing"] else False,
        use_exact_model_name=True,
        local_files_only=Path(job["base"]).is_dir(),
    )
    if recipe["method"] == "full":
        return model
    return FastVisionModel.get_peft_model(
        model,
        r=recipe["rank"],
        lora_alpha=recipe["alpha"],
        lora_dropout=recipe["dropout"],
        finetune_vision_layers=recipe["train_vision"],
        random_state=job["seed"],
    )


def choose_backend(wanted: str) -> tuple[str, str]:
    """The backend, and why: unsloth where it is installed and there is a GPU."""
    if wanted != "auto":
        return wanted, "asked for"
    if importlib.util.find_spec("unsloth") is None:
        return "plain", "unsloth is not installed"
    import torch

    if not torch.cuda.is_available():
        return "plain", "unsloth trains vision models on a GPU only"
    return "unsloth", "unsloth is installed and there is a GPU"


def generate(model: Any, collator: Collator, row: Row, max_tokens: int = 64) -> str:
    """What the model says to the last question of a pair: the likeliest token each time."""
    import torch

    tokenizer = collator.processor.tokenizer
    (question, _), *_ = segments(collator.processor, row["messages"])
    told = collator.tokens(question, open_images(collator.folder, row))
    tensors = {
        key: (torch.tensor([value]) if isinstance(value, list) else value).to(model.device)
        for key, value in told.items()
    }
    was_training = model.training
    model.eval()
    with torch.no_grad():
        answer = model.generate(**tensors, max_new_tokens=max_tokens, do_sample=False)
    model.train(was_training)
    said: str = tokenizer.decode(answer[0, tensors["input_ids"].shape[1] :], skip_special_tokens=True)
    return said.strip()


def memory_bytes() -> int:
    """The most memory that the run has taken so far: of the GPU, else of the process."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_reserved())
    return int(psutil.Process().memory_info().rss)


def make_callback(story: Story, folder: Path, collator: Collator, probes: Sequence[Row]) -> Any:
    """Tells the story of a training while it runs, and stops it when asked."""
    import torch
    from transformers import TrainerCallback

    class Teller(TrainerCallback):
        """Lives as long as one call of ``train``."""

        def __init__(self) -> None:
            self.moment, self.tokens, self.stopped = time.monotonic(), 0.0, False

        def ask_probes(self, model: Any, step: int) -> None:
            answers = [{"place": n, "answer": generate(model, collator, row)} for n, row in enumerate(probes)]
            if answers:
                story.tell("probes", step=step, answers=answers)

        def on_train_begin(self, _: Any, state: Any, control: Any, model: Any, **__: Any) -> None:
            if state.global_step == 0:
                self.ask_probes(model, 0)
            self.moment = time.monotonic()

        def on_log(self, args: Any, state: Any, control: Any, logs: Row, **__: Any) -> None:
            if "loss" not in logs:
                return
            now = time.monotonic()
            seconds, tokens = now - self.moment, logs.get("num_tokens", 0.0) - self.tokens
            pairs = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
            images = collator.mean_images * pairs
            self.moment, self.tokens = now, logs.get("num_tokens", 0.0)
            story.tell(
                "step",
                step=state.global_step,
                total=state.max_steps,
                loss=logs["loss"],
                learning_rate=logs.get("learning_rate"),
                grad_norm=logs.get("grad_norm"),
                tokens_per_second=round(tokens / max(seconds, 1e-9), 1),
                images_per_second=round(images / max(seconds, 1e-9), 2),
                memory_bytes=memory_bytes(),
            )

        def on_evaluate(self, _: Any, state: Any, control: Any, metrics: Row, model: Any, **__: Any) -> None:
            story.tell("eval", step=state.global_step, loss=metrics.get("eval_loss"))
            self.ask_probes(model, state.global_step)
            self.moment = time.monotonic()

        def on_save(self, _: Any, state: Any, control: Any, **__: Any) -> None:
            story.tell("saved", step=state.global_step)

        def on_step_end(self, args: Any, state: Any, control: Any, **__: Any) -> Any:
            asked = (folder / "STOP").exists()
            if torch.distributed.is_initialized():
                votes = torch.tensor([int(asked)], device=args.device)
                torch.distributed.all_reduce(votes, op=torch.distributed.ReduceOp.MAX)
                asked = bool(votes.item())
            if asked:
                self.stopped = control.should_save = control.should_training_stop = True
            return control

    return Teller()


def arguments_of(job: Row, folder: Path, has_eval: bool, batch: int, accumulation: int) -> Any:
    """The settings of a run as trl takes them."""
    import torch
    from trl import SFTConfig

    recipe, on_gpu = job["recipe"], torch.cuda.is_available()
    every = "steps" if has_eval else "no"
    return SFTConfig(
        output_dir=str(folder / "checkpoints"),
        per_device_train_batch_size=batch,
        per_device_eval_batch_size=batch,
        gradient_accumulation_steps=accumulation,
        num_train_epochs=recipe["epochs"],
        max_steps=job.get("max_steps") or -1,
        learning_rate=recipe["learning_rate"],
        lr_scheduler_type=recipe["scheduler"],
        warmup_steps=recipe["warmup"],
        weight_decay=recipe["weight_decay"],
        optim=recipe["optimizer"] if on_gpu else "adamw_torch",
        bf16=on_gpu and recipe["dtype"] == "bfloat16",
        fp16=on_gpu and recipe["dtype"] == "float16",
        use_cpu=not on_gpu,
        gradient_checkpointing=bool(recipe["gradient_checkpointing"]),
        seed=job["seed"],
        data_seed=job["seed"],
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_steps=recipe["save_steps"],
        save_total_limit=2,
        eval_strategy=every,
        eval_steps=recipe["save_steps"] if has_eval else None,
        restore_callback_states_from_checkpoint=True,  # patience goes on where it was
        load_best_model_at_end=has_eval,
        metric_for_best_model="eval_loss" if has_eval else None,
        greater_is_better=False if has_eval else None,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=on_gpu,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
    )


def make_trainer(
    model: Any, job: Row, folder: Path, collator: Collator, callback: Any, batch: int, accumulation: int
) -> Any:
    """trl's trainer over the rows of the folder."""
    from datasets import Dataset
    from transformers import EarlyStoppingCallback
    from trl import SFTTrainer

    def rows(name: str) -> Any:
        # Messages as text: Arrow would make their parts all of one shape.
        found = read_rows(folder / name)
        return Dataset.from_dict({"row": [json.dumps(row) for row in found]}) if found else None

    held_out = rows("eval.jsonl")
    patience = job["recipe"]["patience"]
    callbacks = [callback]
    if held_out is not None and patience:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=patience))
    return SFTTrainer(
        model=model,
        args=arguments_of(job, folder, held_out is not None, batch, accumulation),
        train_dataset=rows("train.jsonl"),
        eval_dataset=held_out,
        data_collator=lambda found: collator([json.loads(row["row"]) for row in found]),
        processing_class=collator.processor,
        callbacks=callbacks,
    )


def last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end: the trainer's state is written last."""
    found = [path for path in (folder / "checkpoints").glob("checkpoint-*") if path.name[11:].isdigit()]
    whole = [path for path in found if (path / "trainer_state.json").exists()]
    return str(max(whole, key=lambda path: int(path.name[11:]))) if whole else None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is short, whichever library raised it."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "out of memory" in str(error).lower()


def ran_out_before(folder: Path) -> bool:
    """Whether memory did not suffice for more than one pair a step when this was tried last."""
    faults = [row for row in read_rows(folder / "events.jsonl") if row["event"] == "oom"]
    return any(fault["batch"] > 1 for fault in faults)


def end_all(batch: int) -> None:
    """Ends this process at once, and by that the others: they wait for it in the middle of a step, where no
    retry could meet them. Whoever launched them ends them then.
    """
    advice = "Start the same command again: it goes on from its last checkpoint, with one pair at a time."
    if batch == 1:
        advice = "One pair at a time was too much: take a smaller base, smaller pictures or four bits."
    sys.stderr.write(f"Out of memory. {advice}\n")
    sys.stderr.flush()
    os._exit(OUT_OF_MEMORY)


def run_training(job: Row, folder: Path, story: Story, backend: str) -> Row:
    """Trains, once more at one pair a step where memory did not suffice; what the ``done`` event says."""
    import torch

    processor = load_processor(job["base"])
    collator = Collator(processor, folder)
    callback = make_callback(story, folder, collator, read_rows(folder / "probes.jsonl"))
    recipe = job["recipe"]
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    # As many pairs a step as the recipe says, however many processes there are.
    batch, accumulation = recipe["batch"], max(1, recipe["accumulation"] // processes)
    if processes > 1 and ran_out_before(folder):
        batch, accumulation = 1, batch * accumulation
    while True:
        torch.manual_seed(job["seed"])
        model = load_unsloth(job) if backend == "unsloth" else load_plain(job)
        if recipe["method"] == "full":
            # The trainer reads a checkpoint by the names in memory. Under those of the base's own files it
            # would find none of its weights, say so in its log, and go on with those that it has.
            model.save_pretrained = functools.partial(model.save_pretrained, save_original_format=False)
        trainer = make_trainer(model, job, folder, collator, callback, batch, accumulation)
        trainable = sum(weights.numel() for weights in model.parameters() if weights.requires_grad)
        resumed = last_checkpoint(folder)
        story.tell(
            "ready",
            trainable=trainable,
            total=sum(weights.numel() for weights in model.parameters()),
            batch=batch,
            accumulation=accumulation,
            processes=processes,
            resumed=resumed and int(resumed.rpartition("-")[2]),
            device=torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        )
        try:
            outcome = trainer.train(resume_from_checkpoint=resumed)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            final = batch == 1 or processes > 1
            story.cry("oom", batch=batch, accumulation=accumulation, final=final, detail=str(error)[:300])
            if processes > 1:
                end_all(batch)
            if final:
                raise SystemExit(OUT_OF_MEMORY) from error
        else:
            break
        batch, accumulation = 1, batch * accumulation
        del model, trainer
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return finish(trainer, processor, folder, job, callback.stopped, outcome)


def finish(trainer: Any, processor: Any, folder: Path, job: Row, stopped: bool, outcome: Any) -> Row:
    """Writes the tuned weights beside their place and puts them there."""
    name = "model" if job["recipe"]["method"] == "full" else "adapter"
    part = folder / f"{name}.part"
    vars(trainer.model).pop("save_pretrained", None)  # what leaves here bears the names of the base's files
    trainer.save_model(str(part))
    if trainer.is_world_process_zero():
        processor.save_pretrained(part)
        if (folder / name).exists():
            (folder / name).rename(folder / f"{name}.before-{time.time_ns()}")
        part.rename(folder / name)
    state = trainer.state
    return {
        "stopped": stopped,
        "ended_early": not stopped and state.global_step < state.max_steps,
        "step": state.global_step,
        "total": state.max_steps,
        "loss": outcome.training_loss,
        "best_step": getattr(state, "best_global_step", None),
        "best_eval_loss": state.best_metric,
        "weights": name,
    }


def main(folder: Path, base: str | None = None) -> int:
    """Runs the job of a folder, on a base that lies elsewhere than it says where one is named."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    job["base"] = base or job["base"]
    offline = dict.fromkeys(_NO_NETWORK, "1") if Path(job["base"]).is_dir() else {}
    for name, value in (_QUIET | offline).items():
        os.environ.setdefault(name, value)
    story = Story(folder)
    started = psutil.Process().create_time()
    story.tell("start", pid=os.getpid(), process_started=started, python=sys.version.split()[0])
    story.beat()
    backend, reason = choose_backend(job["backend"])
    if backend == "unsloth":
        import unsloth  # noqa: F401  before the libraries that it changes
    import torch
    import transformers

    transformers.set_seed(job["seed"])
    random.seed(job["seed"])
    if job.get("threads"):
        torch.set_num_threads(job["threads"])
    names = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")
    versions = {name: importlib.metadata.version(name) for name in names}
    story.tell("imports", backend=backend, reason=reason, versions=versions)
    try:
        figures = run_training(job, folder, story, backend)
    except Exception as error:
        story.cry("failed", kind=type(error).__name__, detail=str(error)[:500])
        raise
    story.tell("done", **figures)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), *sys.argv[2:3]))
