"""A tuned model comes home: it answers in the chat as it was trained to, and whatever differs is caught."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dermagui.chat.bundle import find_bundle
from dermagui.chat.gguf_header import read_header
from dermagui.chat.protocol import ChatTurn, Sampling
from dermagui.chat.session import Answer, ModelFiles, Room, Session
from dermagui.errors import DataError
from dermagui.jobs.report import Report
from dermagui.records import Picture, Role
from dermagui.training import home, parity
from dermagui.training.base_model import read_base
from dermagui.training.card import clinical_in_words
from dermagui.training.environment import worker_script
from dermagui.training.folder import write_image
from dermagui.training.scoring import Score
from tests.fakes import command_line
from tests.fakes.command_line import run
from tests.training.conftest import (
    COLOURS,
    QUESTION,
    MakeJob,
    clean_environment,
    make_job_folder,
    set_up,
    write_lines,
)

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Tuned:
    """A trained job with its files, and what the trained model gives the probes."""

    folder: Path
    files: home.Files
    probes: list[dict[str, Any]]
    trained: list[dict[str, Any]]


def train(folder: Path, python: str) -> None:
    subprocess.run(
        [python, str(worker_script("trainer")), str(folder)],
        check=True,
        capture_output=True,
        env=clean_environment(),
    )


def bring_home(folder: Path, base: Path, python: str, report: Report) -> home.Files:
    """Merged and converted."""
    files = home.Files(folder / "home")
    files.folder.mkdir()
    weights = folder / "adapter"
    home.run_program([python, worker_script("merge"), base, weights, files.merged], files.log, report)
    home.convert(python, files.merged, files.text, "f16", files.log, report)
    home.convert(python, files.merged, files.mmproj, "f16", files.log, report, image_part=True)
    return files


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    """A job's report that nobody reads."""
    report = Report(tmp_path_factory.mktemp("job"))
    yield report
    report.close()


@pytest.fixture(scope="module")
def tuned(
    tmp_path_factory: pytest.TempPathFactory,
    training_home: Path,
    tiny_base: Path,
    python: str,
    report: Report,
    engine: None,
) -> Iterator[Tuned]:
    """A tiny model that learnt colours, made once for all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DERMAGUI_HOME", str(tmp_path_factory.mktemp("home")))
        set_up(training_home)
        folder = make_job_folder(tmp_path_factory.mktemp("jobs") / "tuned", tiny_base, steps=40, held_out=16)
        yield make_tuned(folder, tiny_base, python, report)


def make_tuned(folder: Path, tiny_base: Path, python: str, report: Report) -> Tuned:
    """Trains, merges, converts and scores."""
    train(folder, python)
    files = bring_home(folder, tiny_base, python, report)
    lines = (folder / "eval.jsonl").read_text().splitlines()
    probes = parity.choose_probes([json.loads(line) for line in lines])
    rows, scores = folder / "parity.jsonl", folder / "scores.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in probes))
    command = [python, worker_script("score"), tiny_base, folder / "adapter", rows, scores]
    home.run_program(command, files.log, report)
    return Tuned(folder, files, probes, parity.read_scores(scores))


def scored(tuned: Tuned, model: Path, mmproj: Path, report: Report) -> list[Score]:
    return home.score_files(model, mmproj, tuned.probes, tuned.trained, tuned.folder, report)


def damage(source: Path, target: Path) -> Path:
    """The same file with part of one tensor turned round, as a bad disk or a bad copy leaves it."""
    data = bytearray(source.read_bytes())
    start = len(data) - len(data) // 4
    data[start : start + 20_000] = bytes(reversed(data[start : start + 20_000]))
    target.write_bytes(data)
    return target


def judged(tuned: Tuned, model: Path, mmproj: Path, report: Report, kind: str = "F16") -> parity.Verdict:
    return parity.judge(tuned.trained, scored(tuned, model, mmproj, report), kind)


@pytest.fixture(scope="module")
def other(
    tmp_path_factory: pytest.TempPathFactory, tuned: Tuned, tiny_base: Path, python: str, report: Report
) -> home.Files:
    """The files of another training of the same base."""
    folder = make_job_folder(tmp_path_factory.mktemp("jobs") / "other", tiny_base, steps=3)
    train(folder, python)
    return bring_home(folder, tiny_base, python, report)


def test_the_gate_lets_the_right_files_pass(tuned: Tuned, ready: Path, report: Report) -> None:
    text, mmproj = tuned.files.text, tuned.files.mmproj
    right = judged(tuned, text, mmproj, report)
    assert right.passed, right
    assert right.first_tokens_equal == right.probes == 16
    assert right.difference < 0.002
    assert right.shuffled_score < right.true_score - 0.3
    small = tuned.files.folder / "Q8_0.gguf"
    home.run_native(home.quantize, (text, small, "Q8_0"), tuned.folder / "quantized.json", report)
    assert judged(tuned, small, mmproj, report, "Q8_0").passed


def test_the_gate_stops_a_damaged_tensor(tuned: Tuned, ready: Path, report: Report) -> None:
    damaged = damage(tuned.files.text, tuned.folder / "damaged.gguf")
    assert "difference" in judged(tuned, damaged, tuned.files.mmproj, report).faults


def test_the_gate_stops_the_adapter_of_another_training(
    tuned: Tuned, other: home.Files, ready: Path, report: Report
) -> None:
    assert "difference" in judged(tuned, other.text, other.mmproj, report).faults


def test_the_gate_stops_the_image_part_of_another_training(
    tuned: Tuned, other: home.Files, ready: Path, report: Report
) -> None:
    assert "difference" in judged(tuned, tuned.files.text, other.mmproj, report).faults


def test_a_file_that_answers_alike_whatever_it_is_shown_did_not_look() -> None:
    told = {"log_probability": -1.0, "first": 7, "prompt_tokens": 40, "size": [112, 112]}
    blind = Score(-1.0, 4, 7, 40, (112, 112), True)
    assert parity.judge([told, told], [blind, blind], "F16").faults == ("shuffled",)


def test_smaller_files_may_lie_off_as_far_as_the_recipe_says() -> None:
    told = {"log_probability": -1.0, "first": 7, "prompt_tokens": 40, "size": [112, 112]}
    found = [Score(-1.4, 4, 3, 40, (112, 112), True), Score(-1.5, 4, 3, 40, (112, 112), True)]
    for kind, limit, faults in (
        ("Q4_K_M", 0.2, ()),
        ("Q4_K_M", 0.1, ("difference",)),
        ("Q8_0", 0.2, ("difference",)),
        ("F16", 0.2, ("first_token", "difference")),
    ):
        assert parity.judge([told, told], found, kind, limit).faults == faults, kind


def colour_of(row: dict[str, Any]) -> str:
    said: str = row["messages"][1]["content"][0]["text"]
    return next(colour for colour in COLOURS if colour in said)


def side_of_colour(row: dict[str, Any]) -> str:
    """A lie that a spot's metadata tells, so that there is something to miss."""
    return "benign" if colour_of(row) == "white" else "malignant"


def test_a_training_becomes_a_bundle_that_answers_in_the_chat(
    spots: Path, tuned: Tuned, tiny_base: Path, ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_line, "PATIENCE_SECONDS", 900)
    from dermagui.storage.database import Store
    from dermagui.storage.trainings import add_training
    from tests.training.conftest import SETTINGS

    place = spots / "training" / "the-uid"
    place.parent.mkdir()
    shutil.copytree(tuned.folder, place)
    shutil.rmtree(place / "home")
    rows = [json.loads(line) for line in (place / "eval.jsonl").read_text().splitlines()]
    told = [row | {"diagnosis": colour_of(row), "malignancy": side_of_colour(row)} for row in rows]
    write_lines(place / "eval.jsonl", told)
    with Store(spots) as store:
        add_training(
            store,
            uid="the-uid",
            name="spots",
            dataset_uid=None,
            base=str(tiny_base),
            recipe={"name": "tiny", **SETTINGS},
            seed=1,
            simulated=False,
        )
    done = run("bundle", "build", spots, "spots", "--quant", "Q4_K_M", "--out", spots / "copy", "--json")
    assert [one["quantization"] for one in done.json["parity"]] == ["F16", "Q4_K_M"]
    assert not [path for path in (place / "home").rglob("*.gguf*")]
    bundle = find_bundle("spots")
    clinical = done.json["clinical"]
    assert clinical == bundle.about.gates["clinical"]
    assert clinical["labels"] == sorted(COLOURS)
    for side in ("base", "tuned"):
        assert clinical[side]["accuracy"]["n"] == clinical[side]["refusals"]["n"] == 16
        assert clinical[side]["malignant_sensitivity"]["n"] == 12
    assert clinical["base"]["refusals"]["value"] == 1, "random weights name no label"
    assert clinical["tuned"]["refusals"]["value"] < 1
    assert clinical["state"] in ("passed", "fell", "one_class", "worse")
    assert bundle.about.ready is done.json["ready"] is (clinical["state"] == "passed")
    card = (bundle.folder / "README.md").read_text()
    assert "Not a medical device" in card
    assert bundle.files["model"].sha256 in card
    assert "n = 12)" in card
    assert clinical_in_words(clinical).split(":")[0] in card
    assert bundle.about.training_run == "the-uid"
    assert bundle.quantization == "Q4_K_M"
    model, mmproj = bundle.path("model"), bundle.path("mmproj")
    assert model is not None
    assert "Q4_K" in {tensor.type for tensor in read_header(model).tensors} or bundle.size_bytes < 5_000_000
    right = 0
    with Session(ModelFiles(model, mmproj), Room(threads=1)) as session:
        for row in tuned.probes[:8]:
            picture = session.see(Picture(tuned.folder / row["images"][0]))
            asked = [ChatTurn(Role.USER, QUESTION, (picture,))]
            (answer,) = (e for e in session.ask(asked, Sampling(max_tokens=16)) if isinstance(e, Answer))
            assert answer.images[0]["exact"]
            right += answer.text == row["messages"][1]["content"][0]["text"]
    assert right >= 6
    assert clinical_in_words(clinical) in run("bundle", "check", "spots").err
    told = {path.name: path.read_bytes() for path in bundle.folder.iterdir()}
    assert {path.name: path.read_bytes() for path in (spots / "copy").iterdir()} == told
    # All of that is told at once and not after the work.
    for wrong, said in (
        (["--name", "DermatoLlama-x"], "Llama"),
        ([], "There is a model spots already"),
        (["--name", "a/b"], "will not do as a name"),
        (["--name", "other", "--out", spots / "copy"], "exists already"),
    ):
        refused = run("bundle", "build", spots, "spots", *wrong, code=3).err
        assert said in refused
        assert "merge" not in refused


def test_an_adapter_file_holds_every_tensor_or_is_not_made(
    tuned: Tuned, make_job: MakeJob, tiny_base: Path, python: str, ready: Path, report: Report
) -> None:
    base = read_base(tiny_base)
    assert home.make_adapter(tuned.folder, base, tuned.folder / "adapter", report) is None
    job = tuned.folder / "job.json"
    before = job.read_text()
    job.write_text(before.replace('"train_vision": true', '"train_vision": false'))
    with pytest.raises(DataError) as raised:
        home.make_adapter(tuned.folder, base, tuned.folder / "adapter", report)
    job.write_text(before)
    assert raised.value.code == "train.adapter_incomplete"

    folder = make_job("language", steps=1, train_vision=False)
    train(folder, python)
    (folder / "home").mkdir()
    made = home.make_adapter(folder, base, folder / "adapter", report)
    assert made is not None
    assert len(read_header(made).tensors) == 28


def test_a_prompt_of_other_length_or_another_size_is_no_equal_input() -> None:
    told = {"log_probability": -1.0, "first": 7, "prompt_tokens": 40, "size": [112, 112]}
    good = Score(-1.0, 4, 7, 40, (112, 112), True)
    other = replace(good, log_probability=-9.0)
    assert parity.judge([told, told | {"log_probability": -9.0}], [good, other], "F16").passed
    for score in (
        replace(good, prompt_tokens=92),
        replace(good, size=(100, 112)),
        replace(good, exact=False),
    ):
        verdict = parity.judge([told, told | {"log_probability": -9.0}], [score, other], "F16")
        assert verdict.faults == ("inputs",)


def test_the_chat_shows_the_model_the_very_pixels_that_it_learnt_from(
    tmp_path: Path, tuned: Tuned, tiny_base: Path
) -> None:
    """A picture that is no square: training fills it up itself, in the chat llama.cpp does."""
    original = tmp_path / "wide.png"
    Image.effect_noise((300, 190), 60).convert("RGB").save(original)
    base = read_base(tiny_base)
    assert base.wants_square
    rendered = tmp_path / "rendered.png"
    write_image(base.pixel_recipe(512), base.wants_square, (rendered, Picture(original), ()))
    with Image.open(rendered) as picture:
        assert picture.size == (112, 112)
    labels = ["The lesion is red.", "The lesion is blue.", "The lesion is white."]
    told: list[dict[str, float]] = []
    with Session(ModelFiles(tuned.files.text, tuned.files.mmproj), Room(threads=1)) as session:
        for path in (original, rendered):
            turns = [ChatTurn(Role.USER, QUESTION, (session.see(Picture(path)),))]
            (answer,) = (e for e in session.classify(turns, labels) if isinstance(e, Answer))
            told.append({one["label"]: one["log_probability"] for one in answer.labels})
    assert told[0] == pytest.approx(told[1], abs=1e-3)
