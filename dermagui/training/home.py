"""The job that brings a tuned model home: merged, converted, quantized, compared, tested, a bundle."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dermagui.chat.bundle import About, Bundle, add_model, free_folder
from dermagui.chat.gguf_header import read_header
from dermagui.chat.session import ModelFiles
from dermagui.datasets.manifest import MANIFEST_NAME
from dermagui.errors import DataError, UserError, from_os_error
from dermagui.jobs.report import Report
from dermagui.jobs.work import Parameters
from dermagui.paths import display_path
from dermagui.records import Changes, Progress
from dermagui.storage.database import Row, Store
from dermagui.training.base_model import BaseModel, origin_of, read_base
from dermagui.training.card import CARD_NAME, write_card
from dermagui.training.children import run_native, run_program
from dermagui.training.clinical import Clinical, ask_cases, choose_cases, labels_of, untested
from dermagui.training.clinical import judge as judge_clinically
from dermagui.training.elsewhere import refuse_place
from dermagui.training.environment import converter_folder, find_environment, worker_script
from dermagui.training.folder import get_training, runs_folder, weights_of
from dermagui.training.launch import ADOPTED
from dermagui.training.parity import Verdict, choose_probes, judge, read_scores
from dermagui.training.recipe import PARITY_LIMIT, Recipe, list_recipes
from dermagui.training.run_state import RunState, read_run
from dermagui.training.scoring import Score, quantize, score_gguf

QUANTIZATIONS = ("Q4_K_M", "Q5_K_M", "Q8_0", "F16")
PROJECTORS = ("f16", "q8_0")
_STAGES = ("merge", "convert", "quantize", "compare", "clinical", "register")
_DISK_FACTOR = 4
"""Files of the tuned model and of its base lie side by side; together at most so often the base."""


@dataclass(frozen=True, slots=True)
class Files:
    """What is made on the way, all in one folder."""

    folder: Path

    @property
    def merged(self) -> Path:
        """One 16-bit model."""
        return self.folder / "merged"

    @property
    def text(self) -> Path:
        """Its language part as GGUF, 16 bits."""
        return self.folder / "f16.gguf"

    @property
    def mmproj(self) -> Path:
        """Its image part as GGUF: always made anew, since its tensors may have been trained."""
        return self.folder / "mmproj.gguf"

    @property
    def base(self) -> Path:
        """The same files of the base, to compare with."""
        return self.folder / "base"

    @property
    def log(self) -> Path:
        """What the programs said."""
        return self.folder / "output.log"


def build_parameters(
    training: str, quantization: str, *, name: str = "", mmproj: str = "f16", out: Path | None = None
) -> Parameters:
    """What the job is started with; ``out`` is a new folder for a copy of the bundle."""
    told = {"training": training, "quantization": quantization, "name": name, "mmproj": mmproj}
    return told | {"out": display_path(out.resolve()) if out else ""}


def run(store: Store, parameters: Parameters, report: Report) -> Changes:
    """Makes a bundle of a training. Nothing is registered that failed the comparison.

    Raises ``UserError``: ``train.not_finished``, ``train.cannot_come_home``, ``train.no_room_home``,
    ``train.export_exists``,
    ``train.not_a_llama``, ``train.no_probes``, what ``add_model`` raises; ``DataError``
    ``train.parity_failed``; ``ServiceError`` ``train.step_failed``; ``Stopped``.
    """
    training = get_training(store, parameters["training"])
    folder = runs_folder(store.folder) / training["uid"]
    if read_run(folder).state in (RunState.RUNNING, RunState.STOPPING):
        raise UserError("train.not_finished", name=training["name"])
    base, weights = read_base(Path(training["base"])), weights_of(folder)
    name = parameters["name"] or training["name"]
    out = Path(parameters["out"]) if parameters.get("out") else None
    if out:
        refuse_place(out)
    _refuse(base, name, folder)
    files = Files(folder / "home")
    shutil.rmtree(files.folder, ignore_errors=True)
    files.folder.mkdir()
    recipe = _recipe_of(training)
    limit = recipe.parity_limit if recipe else PARITY_LIMIT
    try:
        model = _make_files(files, base, weights, parameters, report, lambda stage: _tell(report, stage))
        verdicts = compare(folder, files, base, weights, model, parameters["quantization"], report, limit)
        adapter = make_adapter(folder, base, weights, report)
        clinical = _test_clinically(folder, files, base, model, parameters, report)
        _tell(report, "register")
        bundle = add_model(model, files.mmproj, name, report, _about(training, verdicts, clinical))
        # What adopted weights are asked about is not what they learnt from.
        manifest = None if training["outcome"] == ADOPTED else _manifest_of(folder)
        write_card(bundle, training, base.kind, manifest)
        if out:
            _copy(bundle, out)
    finally:
        _clear(files)
    figures = _figures(bundle, verdicts, clinical) | {"adapter": display_path(adapter) if adapter else ""}
    return Changes(("bundles",), figures)


def _copy(bundle: Bundle, out: Path) -> None:
    part = out.with_name(out.name + ".part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(bundle.folder, part)
        part.rename(out)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise from_os_error(error, out) from error


def _clear(files: Files) -> None:
    for folder in (files.merged, files.base):
        shutil.rmtree(folder, ignore_errors=True)
    for path in files.folder.glob("*.gguf*"):
        path.unlink()


def _refuse(base: BaseModel, name: str, folder: Path) -> None:
    if not base.becomes_gguf:
        raise UserError("train.cannot_come_home", kind=base.kind)
    if "llama" in name.lower() and "llama" not in base.kind:
        raise UserError("train.not_a_llama", name=name, kind=base.kind)
    free_folder(name)  # a name that will not do is told before hours of work
    needed = _DISK_FACTOR * sum(path.stat().st_size for path in base.folder.glob("*.safetensors"))
    if shutil.disk_usage(folder).free < needed:
        raise UserError("train.no_room_home", path=display_path(folder), bytes=needed)


def _tell(report: Report, stage: str) -> None:
    report.tell("stage", stage=stage)
    report.progress(Progress(_STAGES.index(stage), len(_STAGES), "stages"))


def _make_files(
    files: Files,
    base: BaseModel,
    weights: Path,
    parameters: Parameters,
    report: Report,
    tell: Callable[[str], None],
) -> Path:
    """Merges, converts, quantizes; returns the language part as it was asked for."""
    python = find_environment().python
    tell("merge")
    run_program([python, worker_script("merge"), base.folder, weights, files.merged], files.log, report)
    tell("convert")
    convert(python, files.merged, files.text, "f16", files.log, report)
    convert(python, files.merged, files.mmproj, parameters["mmproj"], files.log, report, image_part=True)
    tell("quantize")
    quantization = parameters["quantization"]
    if quantization == "F16":
        return files.text
    target = files.folder / f"{quantization}.gguf"
    told, out = files.folder / "quantized-progress", files.folder / "quantized.json"
    run_native(quantize, (files.text, target, quantization, told), out, report, told)
    return target


def convert(
    python: str, source: Path, target: Path, kind: str, log: Path, report: Report, *, image_part: bool = False
) -> None:
    """A merged model → a GGUF file of its language or of its image part, by llama.cpp's own program."""
    program = converter_folder() / "convert_hf_to_gguf.py"
    if not program.exists():
        raise UserError("train.no_converter")
    part = target.with_name(target.name + ".part")
    options: list[str | Path] = ["--outfile", part, "--outtype", kind]
    options += ["--mmproj"] if image_part else []
    run_program([python, program, source, *options], log, report)
    # The program puts a prefix before the names of image parts that it does not find there.
    (made,) = (path for path in (part, part.with_name(f"mmproj-{part.name}")) if path.exists())
    made.replace(target)


def make_adapter(folder: Path, base: BaseModel, weights: Path, report: Report) -> Path | None:
    """A small GGUF file to be put on the base, where only language was trained; else None.

    llama.cpp's program leaves tensors of the image part out without a word, so that they are counted.
    Raises ``DataError`` ``train.adapter_incomplete``.
    """
    recipe = json.loads((folder / "job.json").read_bytes())["recipe"]
    if recipe["method"] != "lora" or recipe["train_vision"]:
        return None
    target, log = folder / "adapter.gguf", folder / "home" / "output.log"
    part = target.with_name(target.name + ".part")
    program = converter_folder() / "convert_lora_to_gguf.py"
    options: list[str | Path] = ["--base", base.folder, "--outfile", part, "--outtype", "f16"]
    run_program([find_environment().python, program, weights, *options], log, report)
    found, wanted = len(read_header(part).tensors), count_tensors(weights / "adapter_model.safetensors")
    if found != wanted:
        part.unlink()
        raise DataError("train.adapter_incomplete", found=found, wanted=wanted)
    part.replace(target)
    return target


def count_tensors(path: Path) -> int:
    """How many tensors a safetensors file holds: its head is a length and as many bytes of JSON."""
    with path.open("rb") as file:
        head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return len(head.keys() - {"__metadata__"})


def compare(
    folder: Path,
    files: Files,
    base: BaseModel,
    weights: Path,
    model: Path,
    quantization: str,
    report: Report,
    limit: float,
) -> list[Verdict]:
    """The gate: the 16-bit files against the trained model, then what will be used, within ``limit`` where
    the file is smaller than Q8_0.

    Raises ``DataError`` ``train.parity_failed`` with the first verdict that is against it.
    """
    _tell(report, "compare")
    probes = choose_probes(_lines_of(folder, "test.jsonl", "eval.jsonl", "train.jsonl"))
    rows = folder / "parity.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in probes), encoding="utf-8")
    scores = files.folder / "trained.jsonl"
    python = find_environment().python
    run_program([python, worker_script("score"), base.folder, weights, rows, scores], files.log, report)
    trained = read_scores(scores)
    verdicts = []
    for path, kind in dict.fromkeys([(files.text, "F16"), (model, quantization)]):
        found = score_files(path, files.mmproj, probes, trained, folder, report)
        verdict = judge(trained, found, kind, limit)
        report.tell("parity", **asdict(verdict))
        verdicts.append(verdict)
        if not verdict.passed:
            raise DataError(
                "train.parity_failed",
                quantization=kind,
                faults=list(verdict.faults),
                difference=round(verdict.difference, 4),
                limit=verdict.limit,
            )
    return verdicts


def score_files(
    model: Path,
    mmproj: Path,
    probes: Sequence[dict[str, Any]],
    trained: Sequence[dict[str, Any]],
    folder: Path,
    report: Report,
) -> list[Score]:
    """What GGUF files give the references of the trained model, computed in a child."""
    references = [told["tokens"] for told in trained]
    out = model.with_suffix(".scores.json")
    out.unlink(missing_ok=True)
    told = run_native(score_gguf, (model, mmproj, list(probes), references, folder), out, report)
    return [Score(**{**one, "size": tuple(one["size"])}) for one in told]


def _lines_of(folder: Path, *names: str) -> list[dict[str, Any]]:
    """The rows that were not learnt from first: a gate must not depend on what was learnt by heart."""
    texts = [(folder / name).read_text(encoding="utf-8") for name in names if (folder / name).exists()]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def _test_clinically(
    folder: Path, files: Files, base: BaseModel, model: Path, parameters: Parameters, report: Report
) -> Clinical:
    """The second gate: tuned and base model about the pictures of the test split, or else of that for
    validation, by which the best moment of the training was chosen.
    """
    _tell(report, "clinical")
    found = (choose_cases(_lines_of(folder, name)) for name in ("test.jsonl", "eval.jsonl"))
    cases = next((cases for cases in found if len(labels_of(cases)) > 1), [])
    if not cases:
        clinical = untested()
    else:
        labels = labels_of(cases)
        tuned = ask_cases(ModelFiles(model, files.mmproj), cases, labels, folder, report)
        shutil.rmtree(files.merged)
        plain = Files(files.base)
        plain.folder.mkdir()
        before = _make_files(plain, base, base.folder, parameters, report, lambda _: None)
        given = ask_cases(ModelFiles(before, plain.mmproj), cases, labels, folder, report)
        clinical = judge_clinically(cases, given, tuned)
    report.tell("clinical", **clinical.told())
    return clinical


def _manifest_of(folder: Path) -> dict[str, Any] | None:
    path = folder / "dataset" / MANIFEST_NAME
    return json.loads(path.read_bytes()) if path.exists() else None


def _recipe_of(training: Row) -> Recipe | None:
    return next((one for one in list_recipes() if one.name == training["recipe"]["name"]), None)


def _about(training: Row, verdicts: Sequence[Verdict], clinical: Clinical) -> About:
    origin, recipe = origin_of(Path(training["base"])), _recipe_of(training)
    own = next((one for one in list_recipes() if one.base == origin.name), None)
    licence = own.licence if own else origin.licence
    if not origin.known and recipe:
        # Nobody knows what lies in that folder; what the recipe says holds for the base that it names.
        licence = f"not stated; that of {recipe.base}, which the recipe is made for, is {recipe.licence}"
        own = recipe
    adopted = training["outcome"] == ADOPTED
    note = " It learnt from a rehearsal, and knows nothing about skin." if training["simulated"] else ""
    return About(
        licence=licence,
        terms=own.terms if own else "",
        base=f"{origin.name}, {origin.commit[:12]}" if origin.commit else origin.name,
        intended_use=f"Research on the questions of its own dataset.{note}",
        source="trained elsewhere, on what is not known" if adopted else "trained on this computer",
        training_run=training["uid"],
        dataset=None if adopted else training["dataset_uid"],
        metrics={name: training["figures"].get(name) for name in ("last_loss", "best_eval_loss", "steps")}
        | {"clinical": {"base": clinical.told()["base"], "tuned": clinical.told()["tuned"]}},
        gates={"parity": [asdict(verdict) for verdict in verdicts], "clinical": clinical.told()},
    )


def _figures(bundle: Bundle, verdicts: Sequence[Verdict], clinical: Clinical) -> dict[str, object]:
    return {
        "bundle": bundle.name,
        "folder": display_path(bundle.folder),
        "size_bytes": bundle.size_bytes,
        "quantization": bundle.quantization,
        "parity": [asdict(verdict) for verdict in verdicts],
        "clinical": clinical.told(),
        "ready": bundle.about.ready,
        "card": display_path(bundle.folder / CARD_NAME),
    }
