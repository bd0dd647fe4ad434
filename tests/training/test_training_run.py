"""A training by the command line, from accepted pairs to tuned weights, and what is then told of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.fakes.command_line import run
from tests.fakes.hub import COMMIT, Hub
from tests.training.conftest import COLOURS, SETTINGS, answer, clean_environment

pytestmark = pytest.mark.slow

NAME = "tiny-lab/Tiny"


def write_recipe(folder: Path, **settings: object) -> Path:
    """A recipe of the user's own."""
    words = dict.fromkeys(("title", "purpose", "base", "licence", "terms"), "")
    told = {"name": "tiny", **words, "gated": False, "becomes_gguf": True, "gpu_gb": 0, "unverified": False}
    path = folder / "tiny.json"
    path.write_text(json.dumps(told | {"settings": SETTINGS | settings}))
    return path


def test_a_base_of_the_hub_is_fetched_and_then_trained_without_a_network(
    tmp_path: Path, spots: Path, tiny_base: Path, ready: Path
) -> None:
    recipe = write_recipe(tmp_path, probes=0)
    given = ["--base", NAME, "--yes", "--recipe", recipe, "--max-steps", "1", "--threads", "1", "--json"]
    with Hub({(NAME, path.name): path.read_bytes() for path in tiny_base.iterdir()}) as hub:
        run("settings", "hub.endpoint", hub.endpoint)
        hub.gated.add(NAME)
        hub.members.add("hf_ours")
        hub.tokens["hf_ours"] = "Ada"
        figures = run("train", spots, *given, "--name", "first", environment={"HF_TOKEN": "hf_ours"}).json
    assert figures["steps"] == 1
    assert len({seen.path for seen in hub.bodies()}) == len([path for path in tiny_base.iterdir()]) + 1
    assert all(seen.user_agent.startswith("dermagui/") for seen in hub.seen), "the trainer asks nobody"
    (one,) = run("train-status", spots, "--json").json["trainings"]
    assert (one["origin"]["name"], one["origin"]["commit"]) == (NAME, COMMIT)
    away = tmp_path / "away"
    run("train", spots, *given[:-1], "--name", "second", "--export-job", away)
    assert f"hf download {NAME} --revision {COMMIT}" in (away / "README.md").read_text()
    log = next((spots / "training").glob("*/output.log")).read_text()
    assert "hf_ours" not in log


def test_accepted_pairs_tune_a_model(tmp_path: Path, spots: Path, tiny_base: Path, ready: Path) -> None:
    given = ["--base", tiny_base, "--recipe", write_recipe(tmp_path), "--max-steps", "40", "--name", "first"]
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
    recipe = write_recipe(tmp_path, probes=0, save_steps=2)
    out = tmp_path / "away"
    given = ["--base", tiny_base, "--recipe", recipe, "--max-steps", "2", "--name", "away"]
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
