"""Weights that were trained elsewhere, without any folder of ours, come home like those of a training."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from dermagui.chat.bundle import find_bundle
from dermagui.errors import DermaError
from dermagui.jobs.report import Report
from dermagui.storage.database import Store
from dermagui.training import adopt as adopting
from dermagui.training.adopt import adopt, has_weights, read_weights
from dermagui.training.environment import worker_script
from tests.fakes import command_line
from tests.fakes.command_line import run
from tests.training.conftest import clean_environment, make_job_folder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, python: str) -> Path:
    """An adapter and the merged model, as another program would leave them."""
    folder = tmp_path_factory.mktemp("elsewhere")
    job = make_job_folder(tmp_path_factory.mktemp("jobs") / "tuned", tiny_base, steps=40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DERMAGUI_HOME", str(tmp_path_factory.mktemp("home")))
        for script, *given in (
            ("trainer", job),
            ("merge", tiny_base, job / "adapter", folder / "merged"),
        ):
            command = [python, str(worker_script(script)), *map(str, given)]
            subprocess.run(command, check=True, capture_output=True, env=clean_environment())
    (folder / "lora").mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy2(job / "adapter" / name, folder / "lora")
    return folder


@pytest.mark.parametrize("kind", ["lora", "merged"])
def test_bare_weights_come_home(
    elsewhere: Path,
    kind: str,
    spots: Path,
    tiny_base: Path,
    ready: Path,
    engine: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(command_line, "PATIENCE_SECONDS", 900)
    back = run("train-import", spots, elsewhere / kind, "--base", tiny_base, "--json").json
    assert (back["name"], back["weights"]) == (kind, "adapter" if kind == "lora" else "model")
    (told,) = run("train-status", spots, "--json").json["trainings"]
    assert (told["outcome"], told["recipe"], told["step"]) == ("adopted", "adopted", 0)
    assert "learning_rate" not in told["settings"], "nobody knows it"
    assert "nothing to go on with" in run("train-resume", spots, kind, code=3).err
    home_again = run("bundle", "build", spots, kind, "--quant", "F16", "--json").json
    assert home_again["parity"][0]["faults"] == []
    about = find_bundle(kind).about
    assert (about.dataset, about.source) == (None, "trained elsewhere, on what is not known")
    assert "not a dataset of this project" in (find_bundle(kind).folder / "README.md").read_text()


def test_an_adapter_that_does_not_fit_its_base_is_refused(
    elsewhere: Path, tmp_path: Path, tiny_base: Path, python: str, ready: Path
) -> None:
    """peft leaves out what it finds no layer for and fills up what a file lacks: both would pass as tuned."""
    too_many = Path(shutil.copytree(elsewhere / "lora", tmp_path / "too_many"))
    told = json.loads((too_many / "adapter_config.json").read_bytes())
    blind = sorted({*told["target_modules"]} - {"fc1", "fc2"})  # which only the image part has
    assert len(blind) < len(told["target_modules"])
    (too_many / "adapter_config.json").write_text(json.dumps(told | {"target_modules": blind}))
    renamed = Path(shutil.copytree(elsewhere / "lora", tmp_path / "renamed"))
    weights = renamed / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes().replace(b".lora_B.weight", b".lora_C.weight", 1))
    for folder, reason in ((too_many, "tensors of the adapter"), (renamed, "missing adapter keys")):
        command = [python, str(worker_script("merge")), str(tiny_base), str(folder), str(tmp_path / "merged")]
        done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), check=False)
        assert done.returncode, folder.name
        assert reason in done.stderr
        assert not (tmp_path / "merged").exists()


def test_what_lies_in_a_folder_is_seen(elsewhere: Path, tmp_path: Path) -> None:
    lora, merged = read_weights(elsewhere / "lora"), read_weights(elsewhere / "merged")
    assert (lora.name, lora.settings) == (
        "adapter",
        {"method": "lora", "rank": 16, "alpha": 16, "train_vision": True},
    )
    assert [path.name for path in lora.files] == ["adapter_config.json", "adapter_model.safetensors"]
    assert merged.name == "model"
    assert {"config.json", "tokenizer.model"} <= {path.name for path in merged.files}
    assert not has_weights(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert not has_weights(tmp_path), "a configuration alone is no model"


def test_weights_that_cannot_be_taken_leave_nothing_behind(
    elsewhere: Path, tmp_path: Path, spots: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lora = Path(shutil.copytree(elsewhere / "lora", tmp_path / "lora"))
    told = json.loads((lora / "adapter_config.json").read_bytes())
    (lora / "adapter_config.json").write_text(json.dumps(told | {"base_model_name_or_path": "some/one"}))
    other = Path(shutil.copytree(elsewhere / "merged", tmp_path / "other"))
    config = json.loads((other / "config.json").read_bytes())
    (other / "config.json").write_text(json.dumps(config | {"model_type": "qwen3_vl"}))
    (tmp_path / "job").mkdir()
    report = Report(tmp_path / "job")
    usage = shutil.disk_usage(tmp_path)
    small = usage._replace(free=1000)
    with Store(spots) as store:
        for folder, base, free, code in (
            (lora, None, usage, "train.base_unnamed"),
            (other, tiny_base, usage, "train.other_base"),
            (lora, tiny_base, small, "train.no_room_home"),
            (lora, tmp_path / "gone", usage, "train.no_base"),
        ):
            monkeypatch.setattr(adopting.shutil, "disk_usage", lambda _, free=free: free)
            with pytest.raises(DermaError) as raised:
                adopt(store, folder, base, "", report)
            assert raised.value.code == code
        assert not list(store.rows("SELECT * FROM trainings"))
    report.close()
    place = spots / "training"
    assert not place.exists() or not list(place.iterdir())
