"""The tour's stage with the phantom model: a tiny one that looks, asked about phantoms that it never saw.

It came of this program's own training, on other drawings of the same kind (``make phantom``). It knows drawn
shapes and nothing about skin; what is shown is that the chain teaches a model to look.
"""

from __future__ import annotations

import csv
import importlib.util
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dermagui.demo.phantoms import Phantom, draw_unplanted
from dermagui.demo.steps import Nature, Shown, Stage, Tour
from dermagui.paths import resources
from dermagui.training.clinical import Rate, wilson

MODEL = "phantom"
SIDES = ("benign", "malignant")
UNSEEN = 48
SEED = 2026
"""It learnt from the sets 1000 to 1059; ``packaging/build_phantom.py``."""
QUESTION = "Describe this phantom."

_TITLE = "A model that looks"
_STORY = (
    "A tiny model comes with the program. It learnt from drawn phantoms, by this program's own training, and "
    "knows drawn shapes, nothing about skin. "
)
_PROJECT, _PICTURES = "unseen", "unseen-pictures"
_SHOWN = 3
_SMALL = ("--gpu-layers", "0", "--threads", "1")
"""Several threads would wait for each other longer than they work."""


@dataclass(frozen=True, slots=True)
class Found:
    """How often an answer was right, each with its 95 % interval."""

    tuned: Rate
    untuned: Rate
    """The same model with the random weights that training began with."""
    shuffled: Rate
    """The tuned model, shown a phantom other than the one that is asked about."""
    majority: Rate
    """Saying always what is most frequent."""


def can_ask() -> bool:
    """Whether the chat engine is installed."""
    return importlib.util.find_spec("llama_cpp") is not None


def untuned_files() -> dict[str, Path]:
    """By role, the files of the model as it was before training."""
    return {role: resources() / "phantom" / f"untuned-{role}.gguf" for role in ("model", "mmproj")}


def count_right(truth: Mapping[str, str], tuned: Mapping[str, str], untuned: Mapping[str, str]) -> Found:
    """Compares answers with what was drawn, all by the name of the picture.

    The question is the same for all, so that a phantom's answer with another picture is the answer that the
    other picture got: that of the picture half a set away, which is of another lesion.
    """
    names = sorted(truth)
    n, half = len(names), len(names) // 2
    others = dict(zip(names, names[half:] + names[:half], strict=True))
    most = Counter(truth.values()).most_common(1)[0][1]
    return Found(
        tuned=wilson(sum(tuned[name] == truth[name] for name in names), n),
        untuned=wilson(sum(untuned[name] == truth[name] for name in names), n),
        shuffled=wilson(sum(tuned[others[name]] == truth[name] for name in names), n),
        majority=wilson(most, n),
    )


def ask_phantom(tour: Tour) -> None:
    """Draws phantoms that nobody saw, lets the model before and after training choose, and counts."""
    if not can_ask():
        story = f"{_STORY}It was not asked: the chat engine is not installed (make .venv/llama.stamp)."
        tour.stage(_TITLE, story, Nature.NOT_RUN)
        return
    story = (
        f"{_STORY}Here it is asked about {UNSEEN} phantoms that it never saw, before and after training. "
        "Shown another phantom than the one that is asked about, it has to do worse: else it would not look."
    )
    stage = tour.stage(_TITLE, story)
    drawn = draw_unplanted(tour.work / _PICTURES, UNSEEN, SEED)
    tour.shell.run(stage, "new", _PROJECT)
    tour.shell.run(stage, "add", _PROJECT, _PICTURES)
    before = _copy_untuned(tour.work / "untuned")
    answers = [_choose(tour, stage, model) for model in ([MODEL], before)]
    truth = {phantom.path.name: phantom.values["malignancy"] for phantom in drawn}
    claim_found(stage, count_right(truth, *answers))
    _show(tour, stage, drawn[:: UNSEEN // _SHOWN])


def _copy_untuned(folder: Path) -> list[str]:
    """Puts the files where the stage's commands name them shortly."""
    folder.mkdir()
    for role, path in untuned_files().items():
        shutil.copyfile(path, folder / f"{role}.gguf")
    return ["untuned/model.gguf", "--mmproj", "untuned/mmproj.gguf"]


def _choose(tour: Tour, stage: Stage, model: list[str]) -> dict[str, str]:
    """The label that a model chooses, by the name of the picture."""
    table = tour.work / f"{Path(model[0]).parts[0]}.csv"
    wanted = ["--model", *model, "--labels", ",".join(SIDES), "--field", "malignancy"]
    tour.shell.run(stage, "classify", _PROJECT, *wanted, *_SMALL, "--csv", table.name)
    with table.open(encoding="utf-8-sig", newline="") as file:
        return {Path(row["path"]).name: row["label"] for row in csv.DictReader(file)}


def claim_found(stage: Stage, found: Found) -> None:
    """What has to hold where a model looks: beyond its interval, it is right oftener than what does not."""
    rates = {
        "right, tuned": found.tuned,
        "right, untuned": found.untuned,
        "right, with another picture": found.shuffled,
        "right, always the most frequent": found.majority,
    }
    stage.figures = {name: in_words(rate) for name, rate in rates.items()}
    right = f"{round(found.tuned.value * found.tuned.n)} of {found.tuned.n}"
    for text, rate in (
        ("Tuned, it beats always naming the most frequent", found.majority),
        ("Tuned, it beats itself before training", found.untuned),
        ("With another picture it is worse, so that it looks", found.shuffled),
    ):
        headline = ("unseen phantoms named rightly", right) if rate is found.majority else None
        told = f"{in_words(found.tuned)} against {in_words(rate)}"
        stage.claim(text, told, found.tuned.low > rate.value, headline)


def in_words(rate: Rate) -> str:
    """A share with its interval."""
    return f"{rate.value:.0%} (95 % interval {rate.low:.0%} to {rate.high:.0%}, n = {rate.n})"


def _show(tour: Tour, stage: Stage, phantoms: list[Phantom]) -> None:
    for number, phantom in enumerate(phantoms, 1):
        name = phantom.path.relative_to(tour.work).as_posix()
        asked = ["--image", name, "--prompt", QUESTION, *_SMALL, "--json"]
        said = tour.shell.run(stage, "chat", "--model", MODEL, *asked).json
        drawn = ", ".join(phantom.values[field] for field in ("colours", "border", "malignancy"))
        lines = (("Question", QUESTION), ("Answer", said["answers"][-1]), ("Drawn", drawn))
        kept = tour.keep_picture(phantom.path, f"unseen-{number}{phantom.path.suffix}")
        stage.pictures.append(Shown(kept, Nature.REAL, lines))
