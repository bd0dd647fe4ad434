"""A training by the command line, from accepted pairs to tuned weights, and what is then told of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.fakes.command_line import run
from tests.training.conftest import COLOURS, SETTINGS, answer, clean_environment

pytestmark = pytest.mark.slow


def test_accepted_pairs_tune_a_model(tmp_path: Path, spots: Path, tiny_base: Path, ready: Path) -> None:
    recipe = {
        "name": "tiny",
        "title": "",
        "purpose": "",
        "base": "",
        "licence": "",
        "terms": "",
        "gated": False,
    }
    told = recipe | {"becomes_gguf": True, "gpu_gb": 0, "unverified": False, "settings": SETTINGS}
    (tmp_path / "tiny.json").write_text(json.dumps(told))
    given = ["--base", tiny_base, "--recipe", tmp_path / "tiny.json", "--max-steps", "40", "--name", "first"]
    done = run("train", spots, *given, "--threads", "1", "--split", "70/20/10", "--json")
    figures = done.json
    assert figures["last_loss"] < figures["first_loss"] / 10
    assert figures["backend"] == "plain"
    assert "unsloth" in figures["why"]
    (view,) = run("train-status", spots, "--json").json["trainings"]
    assert (view["state"], view["step"], view["total"], view["name"]) == ("done", 40, 40, "first")
    (folder,) = (spots / "training").iterdir()
    assert (folder / "adapter" / "adapter_config.json").exists()
    assert {path.suffix for path in (folder / "images").iterdir()} == {".png"}
    # The window can find out what was asked and answered without the database.
    probes = [json.loads(line) for line in (folder / "probes.jsonl").read_text().splitlines()]
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    asked = {event["step"]: event["answers"] for event in events if event["event"] == "probes"}
    assert set(asked) == {0, 40}
    truths = [probe["messages"][1]["content"][0]["text"] for probe in probes]
    assert sum(one["answer"] == truths[one["place"]] for one in asked[40]) >= 3
    assert not any(one["answer"] in map(answer, COLOURS) for one in asked[0])
    assert "There is a training first already" in run("train", spots, *given, code=3).err

    forgotten = run("forget", spots, "00.png", "--json").json
    assert forgotten["removed"]["trainings_emptied"] == 1
    assert {path.name for path in folder.iterdir()} == {"adapter", "job.json", "events.jsonl"}
    assert "probes" not in (folder / "events.jsonl").read_text()
    (view,) = run("train-status", spots, "--json").json["trainings"]
    assert (view["state"], view["step"]) == ("done", 40)


def test_a_training_is_done_elsewhere_and_comes_back(
    tmp_path: Path, spots: Path, tiny_base: Path, python: str
) -> None:
    recipe = {
        "name": "tiny",
        "title": "",
        "purpose": "",
        "base": "",
        "licence": "",
        "terms": "",
        "gated": False,
    }
    settings = SETTINGS | {"probes": 0, "save_steps": 2}
    told = recipe | {"becomes_gguf": True, "gpu_gb": 0, "unverified": False, "settings": settings}
    (tmp_path / "tiny.json").write_text(json.dumps(told))
    out = tmp_path / "away"
    given = ["--base", tiny_base, "--recipe", tmp_path / "tiny.json", "--max-steps", "2", "--name", "away"]
    # So many texts that they are a fifth of all.
    texts = [json.dumps({"question": f"What is {n}?", "answer": "A number."}) for n in range(20)]
    (tmp_path / "texts.jsonl").write_text("\n".join(texts))
    given = ["--texts", tmp_path / "texts.jsonl", *given]
    # Neither an environment nor a GPU is needed for that.
    run("train", spots, *given, "--export-job", out)
    assert "exists already" in run("train", spots, *given[:-1], "b", "--export-job", out, code=3).err
    assert [one["name"] for one in run("train-status", spots, "--json").json["trainings"]] == ["away"]
    assert "no finished training" in run("train-import", spots, out, code=3).err
    moved = tmp_path / "base-of-the-other-computer"
    moved.symlink_to(tiny_base)
    environment = clean_environment()
    command = [python, "trainer.py", ".", str(moved)]
    subprocess.run(command, cwd=out, env=environment, check=True, capture_output=True)
    learnt = (out / "train.jsonl").read_bytes()
    assert learnt.count(b"A number.") == round(learnt.count(b"images/") / 4) > 0
    (out / "train.jsonl").write_bytes(learnt.replace(b"red", b"rod"))
    next((out / "images").iterdir()).rename(tmp_path / "picture.png")
    refused = run("train-import", spots, out, code=3).err
    assert "2 files differ" in refused
    assert "train.jsonl" in refused
    (out / "train.jsonl").write_bytes(learnt)
    missing = {path.name for path in next((spots / "training").glob("*/images")).iterdir()}
    (name,) = missing - {path.name for path in (out / "images").iterdir()}
    (tmp_path / "picture.png").rename(out / "images" / name)
    back = run("train-import", spots, out, "--json").json
    assert (back["name"], back["steps"], back["weights"]) == ("away", 2, "adapter")
    views = run("train-status", spots, "away", "--json").json["trainings"]
    assert [view["state"] for view in views] == ["done"]
    (tmp_path / "other").mkdir()
    assert "no training that this project" in run("train-import", spots, tmp_path / "other", code=3).err
