"""Makes the phantom model anew: a tiny one that looks. It knows drawn shapes, nothing about skin.

``python packaging/build_phantom.py``: by the program's own chain, on phantoms as the demo draws them: add,
accepted pairs, train, merge, convert, quantize, both gates, bundle; then it is asked about phantoms that it
never saw, and put into ``resources/phantom`` with ``phantom.json``, which tells how all this was done. Takes
half an hour or more of two cores. What lies in the folder already is not made again, so that a build that was
stopped goes on.

``DERMAGUI_PHANTOM``  where it works, instead of the user's cache
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import runpy
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from dermagui.chat.bundle import NOTICE

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "packaging" / "phantom-recipe.json"
SEEDS, EACH = range(1000, 1060), 40
"""Sets of phantoms to learn from, and how many there are in each. The demo and the tests draw others."""
SEED, SPLIT, QUANTIZATION = 1, "85/5/10", "Q8_0"
WIDTH, EYES = 128, 3
NAME = "phantom"
PLACE = ROOT / "resources" / NAME
ONLY_SHAPES = "It knows drawn shapes, nothing about skin."
ABOUT = {
    "licence": "CC0-1.0",
    "terms": ONLY_SHAPES,
    "base": "a Gemma 3 of random weights",
    "intended_use": "It knows drawn shapes, nothing about skin: it is there to try chat and classification "
    "with a model that looks.",
    "source": "made by `make phantom`",
    "notice": f"{NOTICE} {ONLY_SHAPES}",
}


def phantom_folder() -> Path:
    """The folder that serves as ``DERMAGUI_HOME`` for the phantom model."""
    return Path(os.environ.get("DERMAGUI_PHANTOM") or user_cache_path("dermagui", appauthor=False) / NAME)


def command(*words: str | Path) -> None:
    """Runs the program; raises where it fails."""
    subprocess.run([sys.executable, "-m", "dermagui", *map(str, words)], check=True, cwd=ROOT)


def draw(folder: Path) -> list[dict[str, str]]:
    """Draws one set of phantoms; what is told of each, whose patients and lesions are nobody else's.

    No diagnosis is told: a model for play shall name no disease.
    """
    from dermagui.demo.phantoms import draw_unplanted

    rows = []
    for phantom in draw_unplanted(folder, EACH, int(folder.name)):
        told = phantom.values
        path = phantom.path.rename(folder / f"{folder.name}-{phantom.path.name}")
        who = {"patient": told["patient"] or told["lesion"], "lesion": told["lesion"]}
        rows.append(
            {"file": path.name}
            | {field: f"{folder.name}-{value}" for field, value in who.items()}
            | {field: told[field] for field in ("malignancy", "border", "colours")}
        )
    return rows


def draw_all(pictures: Path) -> Path:
    """Every set, and the table of them all; returns its path."""
    table = pictures / "metadata.csv"
    if table.exists():
        return table
    shutil.rmtree(pictures, ignore_errors=True)
    with ProcessPoolExecutor() as pool:
        rows = [row for rows in pool.map(draw, [pictures / str(seed) for seed in SEEDS]) for row in rows]
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return table


def questions(row: dict[str, str]) -> list[tuple[str, str]]:
    """What is asked about a phantom, and what is right by the drawing."""
    from dermagui.chat import classify
    from dermagui.training import clinical

    side, border, colour = row["malignancy"], row["border"], row["colours"].partition(";")[0]
    labels = "benign, malignant"
    return [
        ("Describe this phantom.", f"A {colour} spot with a {border} border: {side}."),
        ("Is this phantom benign or malignant?", side),
        (clinical.QUESTION.format(labels=labels), side),
        (classify.QUESTION.format(labels=labels), side),
        ("Which border does this phantom have?", border),
        ("Which colour covers most of this phantom?", colour),
    ]


def make_project(project: Path, table: Path) -> None:
    """A project with the accepted pairs about every phantom."""
    if project.exists():
        return
    half = project.with_name("half")
    shutil.rmtree(half, ignore_errors=True)
    command("new", half)
    command("add", half, table.parent, "--metadata", table, "--licence", "CC0-1.0")
    add_pairs(half, table)
    half.rename(project)


def add_pairs(project: Path, table: Path) -> None:
    """What the drawings are, as pairs that a person has accepted."""
    from dermagui.records import Pair, PairImage, PairKind, PairState, Role, Turn
    from dermagui.storage import pairs
    from dermagui.storage.database import Store
    from dermagui.storage.moments import new_uid, now

    with table.open(encoding="utf-8", newline="") as file:
        told = {row["file"]: row for row in csv.DictReader(file)}
    with Store(project) as store:
        found = store.tuples("SELECT images.id, path FROM images JOIN files USING (sha256) ORDER BY path")
        made = [
            Pair(
                new_uid(),
                PairKind.OPEN,
                (Turn(Role.USER, question), Turn(Role.ASSISTANT, answer)),
                (PairImage(image),),
                state=PairState.ACCEPTED,
                created_at=now(),
            )
            for image, path in found
            for question, answer in questions(told[Path(path).name])
        ]
        pairs.add_pairs(store, made)


def make_base(home: Path, table: Path, python: str) -> Path:
    """A Gemma 3 of random weights that can spell the words."""
    with table.open(encoding="utf-8", newline="") as file:
        asked = {words for row in csv.DictReader(file) for pair in questions(row) for words in pair}
    text, base = home / "words.txt", home / "base"
    text.write_text("\n".join(sorted(asked)), encoding="utf-8")
    if not (base / "processor_config.json").exists():
        script = ROOT / "tests" / "fakes" / "tiny_gemma.py"
        subprocess.run([python, script, base, text, str(WIDTH), str(EYES)], check=True)
    return base


def borrow_environment(home: Path) -> str:
    """Puts the training environment of the tests into the folder; returns its interpreter."""
    trained: Path = runpy.run_path(str(ROOT / "packaging" / "build_training.py"))["home_folder"]()
    given, own = trained / "data" / "training", home / "data" / "training"
    own.mkdir(parents=True, exist_ok=True)
    for name in ("environment.json", "converter"):
        if not (own / name).exists():
            (own / name).symlink_to(given / name)
    python: str = json.loads((given / "environment.json").read_bytes())["python"]
    return python


def train(project: Path, base: Path) -> None:
    """Trains, or goes on with what was stopped."""
    told = subprocess.run(
        [sys.executable, "-m", "dermagui", "train-status", project, "--json"],
        check=True,
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    state = {one["name"]: one["state"] for one in json.loads(told.stdout)["trainings"]}.get(NAME)
    if state is None:
        command(
            *("train", project, "--base", base, "--recipe", RECIPE, "--name", NAME, "--seed", str(SEED)),
            *("--split", SPLIT, "--backend", "plain", "--threads", "1"),
        )
    elif state != "done":
        command("train-resume", project, NAME)


def make_untuned(folder: Path, base: Path, python: str) -> dict[str, Path]:
    """The base in files of the same kinds, by role."""
    from dermagui.jobs.report import Report
    from dermagui.training.children import run_native
    from dermagui.training.home import convert
    from dermagui.training.scoring import quantize

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    report, log = Report(folder), folder / "output.log"
    text, model, mmproj = (folder / f"{name}.gguf" for name in ("f16", "model", "mmproj"))
    convert(python, base, text, "f16", log, report)
    convert(python, base, mmproj, "f16", log, report, image_part=True)
    run_native(quantize, (text, model, QUANTIZATION), folder / "quantized.json", report)
    report.close()
    return {"model": model, "mmproj": mmproj}


def put(project: Path, table: Path, untuned: dict[str, Path]) -> None:
    """Puts bundle, card, the untuned files and the manifest of all that into the resources."""
    from dermagui.chat.bundle import MANIFEST_NAME, find_bundle, read_bundle
    from dermagui.storage.database import Store
    from dermagui.storage.trainings import find_training
    from dermagui.training.card import write_card

    bundle = find_bundle(NAME)
    shutil.rmtree(PLACE, ignore_errors=True)
    shutil.copytree(bundle.folder, PLACE)
    for role, path in untuned.items():
        shutil.copyfile(path, PLACE / f"untuned-{role}.gguf")
    told = json.loads((PLACE / MANIFEST_NAME).read_bytes())
    told["about"] |= ABOUT
    (PLACE / MANIFEST_NAME).write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")
    with Store(project, read_only=True) as store:
        training = find_training(store, NAME)
    assert training is not None
    folder = project / "training" / training["uid"]
    manifest = json.loads((folder / "dataset" / "manifest.json").read_bytes())
    write_card(read_bundle(PLACE), training, "gemma3", manifest)
    told = describe(folder, table, training)
    (PLACE / "phantom.json").write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")


def describe(folder: Path, table: Path, training: dict[str, Any]) -> dict[str, Any]:
    """How the model was made, and what came of it: with this it can be made again and known again."""
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text("utf-8").splitlines()]
    imports = next(event for event in events if event["event"] == "imports")
    with table.open(encoding="utf-8", newline="") as file:
        asked = list(
            dict.fromkeys(question for row in csv.DictReader(file) for question, _ in questions(row))
        )
    return {
        "about": ONLY_SHAPES,
        "made_by": "make phantom",
        "recipe": json.loads(RECIPE.read_bytes()),
        "seed": SEED,
        "split": SPLIT,
        "quantization": QUANTIZATION,
        "base": {
            "architecture": "gemma3",
            "width": WIDTH,
            "vision_layers": EYES,
            "weights": "random, seed 0",
        },
        "phantoms": {"sets": [SEEDS[0], SEEDS[-1]], "in_each": EACH, "questions": asked},
        "rows": {
            name: sum(1 for _ in (folder / f"{name}.jsonl").open("rb")) for name in ("train", "eval", "test")
        },
        "figures": training["figures"],
        "versions": imports["versions"] | {"python": events[0]["python"]},
        "files": {
            path.name: {
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "size_bytes": path.stat().st_size,
            }
            for path in sorted(PLACE.glob("*.gguf"))
        },
    }


def main() -> int:
    """Makes the model; returns the exit code."""
    home = phantom_folder()
    home.mkdir(parents=True, exist_ok=True)
    os.environ["DERMAGUI_HOME"] = str(home)
    python = borrow_environment(home)
    table, project = draw_all(home / "pictures"), home / "project"
    make_project(project, table)
    base = make_base(home, table, python)
    train(project, base)
    if not (home / "data" / "bundles" / NAME).exists():
        command("bundle", "build", project, NAME, "--quant", QUANTIZATION)
    put(project, table, make_untuned(home / "untuned", base, python))
    print(f"The phantom model lies in {PLACE.relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
