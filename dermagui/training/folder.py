"""Makes the folder of a training: a frozen dataset, pictures as the model gets them, rows, settings.

``training/UID/`` of the project holds what ``worker/trainer.py`` describes, and ``dataset/`` beside it: the
export that the rows come from, with its manifest and card. Names of pictures in it are pseudonyms.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from dermagui.datasets import export
from dermagui.datasets.formats import read_rows
from dermagui.datasets.gathering import Gathered, gather, rows_of
from dermagui.datasets.messages import to_messages
from dermagui.datasets.rows import express
from dermagui.errors import DataError, UserError
from dermagui.jobs.report import Report
from dermagui.jobs.workers import worker_pool
from dermagui.library.pixels import pixels
from dermagui.paths import display_path
from dermagui.records import ExportFormat, ExportRow, Picture, PixelRecipe, Progress, Region, Role, Split
from dermagui.storage import images
from dermagui.storage.database import Row, Store
from dermagui.storage.trainings import find_training
from dermagui.training.base_model import BaseModel

FILES = {Split.TRAIN: "train.jsonl", Split.VALIDATION: "eval.jsonl", Split.TEST: "test.jsonl"}
FEWEST_PAIRS = 8
_LONGEST_ANSWER = 8_000
_NAMED_AT_MOST = 10
FILL = (0, 0, 0)
"""What llama.cpp fills a picture up with that has to be a square."""


def runs_folder(project: Path) -> Path:
    """Where the trainings of a project lie."""
    return project / "training"


def make_dataset(store: Store, folder: Path, parameters: dict[str, Any], report: Report) -> list[ExportRow]:
    """Freezes the pairs into ``folder``/dataset, as an export without pictures; returns its rows."""
    out = folder / "dataset"
    wanted = export.export_parameters(
        out,
        ExportFormat.MESSAGES,
        state=parameters["state"],
        simulated=parameters["simulated"],
        split=parameters["split"],
        seed=parameters["seed"],
        images=False,
    )
    export.write_dataset(store, wanted, report)
    rows: list[ExportRow] = []
    for path in sorted(out.glob("*.jsonl")):
        with path.open("rb") as file:
            rows += read_rows(file, ExportFormat.MESSAGES)
    return rows


def chosen(rows: Sequence[ExportRow], most: int) -> list[ExportRow]:
    """The rows that are used: of those for training at most so many, evenly over the dataset."""
    train = [row for row in rows if row.split is Split.TRAIN]
    if not most or len(train) <= most:
        return list(rows)
    kept = {train[n * len(train) // most].uid for n in range(most)}
    return [row for row in rows if row.split is not Split.TRAIN or row.uid in kept]


def longest_rows(store: Store, parameters: dict[str, Any], count: int) -> list[ExportRow]:
    """The pairs with the longest texts, all of them to learn from; nothing is frozen for that.

    Raises ``UserError`` ``train.too_few`` where there is none.
    """
    wanted = {"state": parameters["state"], "simulated": parameters["simulated"], "keep_names": False}
    rows = rows_of(gather(store, {**wanted, "format": ExportFormat.MESSAGES}))
    if not rows:
        raise UserError("train.too_few", count=0, least=FEWEST_PAIRS)
    longest = sorted(rows, key=lambda row: -sum(len(turn.text) for turn in row.turns))
    return [replace(row, split=Split.TRAIN) for row in longest[:count]]


def lint(rows: Sequence[ExportRow], tell: Callable[..., None]) -> None:
    """Tells what is dubious about a dataset. Raises ``UserError`` ``train.too_few`` where it cannot be used.

    Leaks between the splits and missing pictures are the export's own findings.
    """
    train = [row for row in rows if row.split is Split.TRAIN]
    if len(train) < FEWEST_PAIRS:
        raise UserError("train.too_few", count=len(train), least=FEWEST_PAIRS)
    if all(row.split is not Split.VALIDATION for row in rows):
        tell("train.no_held_out")
    long = [row.uid for row in rows if sum(len(turn.text) for turn in row.turns) > _LONGEST_ANSWER]
    if long:
        tell("train.long_pairs", count=len(long), pairs=long[:_NAMED_AT_MOST])
    if simulated := sum(bool(row.provenance.get("simulated")) for row in rows):
        tell("train.simulated_pairs", count=simulated)
    _lint_balance(train, tell)


def _lint_balance(train: Sequence[ExportRow], tell: Callable[..., None]) -> None:
    for name in ("malignancy", "diagnosis"):
        found = Counter(str(said) for row in train if (said := row.provenance.get(name)))
        if len(found) > 1:
            (most, many), (least, few) = found.most_common()[0], found.most_common()[-1]
            if many > 10 * few:
                tell("train.unbalanced", field=name, most=most, many=many, least=least, few=few)
        elif found and name == "malignancy":
            tell("train.one_class", field=name, value=next(iter(found)))


def write_rows(folder: Path, rows: Iterable[ExportRow], probes: int) -> dict[str, int]:
    """Writes a line for each row into the file of its split, and the probes; returns how many of each."""
    by_split: dict[Split, list[dict[str, Any]]] = {split: [] for split in FILES}
    for row in rows:
        by_split[row.split].append(line_of(row))
    for split, name in FILES.items():
        _write_lines(folder / name, by_split[split])
    held_out = by_split[Split.VALIDATION] or by_split[Split.TRAIN]
    _write_lines(folder / "probes.jsonl", [line for line in held_out if line["images"]][:probes])
    return {split.value: len(lines) for split, lines in by_split.items()}


def line_of(row: ExportRow) -> dict[str, Any]:
    """A row as the trainer reads it. A bare caption gets its picture as the question."""
    messages = to_messages(express(row.kind, row.turns, row.payload), len(row.images))
    names = [Path(name).with_suffix(".png").as_posix() for name in row.images]
    truth = {name: row.provenance.get(name, "") for name in ("malignancy", "diagnosis")}
    return {"id": row.uid, "images": names, "messages": messages, **truth}


def answer_of(line: Mapping[str, Any]) -> str:
    """The first answer of a line."""
    return _first_text(line, Role.ASSISTANT)


def question_of(line: Mapping[str, Any]) -> str:
    """The first question of a line."""
    return _first_text(line, Role.USER)


def _first_text(line: Mapping[str, Any], role: Role) -> str:
    said = next(message for message in line["messages"] if message["role"] == role.value)
    return "".join(part["text"] for part in said["content"] if part["type"] == "text")


def _write_lines(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def write_images(
    store: Store, folder: Path, rows: Sequence[ExportRow], base: BaseModel, side: int, report: Report
) -> int:
    """Renders every picture of the rows as the model will get it; returns how many.

    Raises ``UserError`` ``image.originals_missing``, and what ``library.pixels`` raises.
    """
    wanted = {name for row in rows for name in row.images}
    every = {"state": "all", "format": ExportFormat.MESSAGES, "simulated": True, "keep_names": False}
    gathered = gather(store, every)
    places = {gathered.image_name(image): image for image in gathered.origins}
    (folder / "images").mkdir()
    recipe = base.pixel_recipe(side)
    work = [_work(gathered, folder, name, places[name]) for name in sorted(wanted)]
    with worker_pool(min(os.cpu_count() or 1, max(1, len(work)))) as pool:
        drawn = pool.map(partial(write_image, recipe, base.wants_square), work, chunksize=4)
        for done, _ in enumerate(drawn, 1):
            report.progress(Progress(done, len(work), "pictures"))
            if report.stop_asked():
                pool.shutdown(cancel_futures=True)
                report.stop_if_asked()
    return len(work)


_Work = tuple[Path, Picture, tuple[Region, ...]]


def _work(gathered: Gathered, folder: Path, name: str, image: int) -> _Work:
    picture = images.picture_of(gathered.store, image)
    return (folder / name).with_suffix(".png"), picture, images.redactions_of(gathered.store, image)


def write_image(recipe: PixelRecipe, square: bool, work: _Work) -> None:
    """What a worker does: one picture, in the middle of a square where the model wants one."""
    path, picture, redactions = work
    made = pixels(picture, recipe, redactions)
    if not square:
        path.write_bytes(made.encoded)
        return
    image = Image.frombytes("RGB", (made.width, made.height), made.rgb)
    side = max(image.size)
    filled = Image.new("RGB", (side, side), FILL)
    filled.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    filled.save(path, "PNG")


def remove_folder(folder: Path) -> None:
    """Removes what a training that did not come to be had begun."""
    shutil.rmtree(folder, ignore_errors=True)


def get_training(store: Store, name: str) -> Row:
    """A training by name or uid. Raises ``UserError`` ``train.not_found``."""
    training = find_training(store, name)
    if training is None:
        raise UserError("train.not_found", name=name)
    return training


def weights_of(folder: Path) -> Path:
    """The tuned weights of a training. Raises ``DataError`` ``train.no_weights``."""
    for name in ("adapter", "model"):
        if (folder / name).is_dir():
            return folder / name
    raise DataError("train.no_weights", path=display_path(folder))
