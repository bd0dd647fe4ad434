"""How the environment is made, repaired and carried along, by a uv that only notes what it is told."""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
from pathlib import Path

import psutil
import pytest

from dermagui.errors import DermaError
from dermagui.network import set_airplane
from dermagui.training import install
from dermagui.training.environment import PRIVACY, find_environment, trainer_environment, training_folder
from dermagui.training.launch import start_trainer
from tests.fakes.command_line import run

pytestmark = pytest.mark.skipif(os.name == "nt", reason="programs with a shebang")

UV = """#!{python}
import json, os, sys
from pathlib import Path
given, folder = sys.argv[1:], Path({folder!r})
with (folder / "told.jsonl").open("a") as file:
    file.write(json.dumps(given) + "\\n")
if given[0] == "venv":
    python = Path(given[-1]) / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text((folder / "python").read_text())
    python.chmod(0o755)
elif given[:2] == ["python", "install"]:
    if (folder / "no-python").exists():
        sys.exit("no such host")
    python = Path(given[given.index("--install-dir") + 1]) / "cpython-3.11" / "bin" / "python3"
    python.parent.mkdir(parents=True)
    python.touch()
"""
PYTHON = """#!{python}
import shutil, sys
from pathlib import Path
folder = Path({folder!r})
if "--dest" in sys.argv:
    target = Path(sys.argv[sys.argv.index("--dest") + 1])
    target.mkdir(exist_ok=True)
    (target / "one.whl").touch()
    if "--no-binary" in sys.argv:
        shutil.copy(next(folder.glob("*.tar.gz")), target)
else:
    print((folder / "answer.json").read_text())
"""


class FakeUv:
    """A folder with a uv, what it was told, and what the Pythons that it makes say of themselves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name, text in (("uv", UV), ("python", PYTHON)):
            (folder / name).write_text(text.format(python=sys.executable, folder=str(folder)))
            (folder / name).chmod(0o755)
        self.plan = install.make_plan(cpu=True, offline=folder)
        self.versions = install.locked_versions(self.plan) | {"torch": "2.13.0+cpu"}
        self.answer()
        archive = folder / f"llama_cpp_python-{install.llama_version()}.tar.gz"
        with tarfile.open(archive, "w:gz") as packed:
            for name in install.CONVERTER_PARTS:
                inner = name if "." in name or name == "LICENSE" else f"{name}/x.py"
                packed.addfile(tarfile.TarInfo(f"x/vendor/llama.cpp/{inner}"), io.BytesIO())

    def answer(self, **changes: str) -> None:
        told = {"python": "3.11.9", "versions": self.versions | changes, "cuda": False}
        (self.folder / "answer.json").write_text(json.dumps(told))

    @property
    def told(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "told.jsonl").read_text().splitlines()]


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeUv:
    fake = FakeUv(tmp_path / "wheels")
    monkeypatch.setattr(install, "find_uv", lambda: str(fake.folder / "uv"))
    return fake


def ignore(_: str) -> None:
    """Nobody listens."""


def test_an_environment_must_hold_what_its_lock_names(uv: FakeUv) -> None:
    assert uv.versions["torch"] == "2.13.0+cpu"
    assert uv.versions["trl"] == "1.14.0"
    uv.answer(trl="1.15.0")
    with pytest.raises(DermaError) as raised:
        install.install(uv.plan, ignore)
    assert raised.value.code == "train.other_versions"
    assert raised.value.values["found"] == ["trl 1.15.0"]
    with pytest.raises(DermaError):
        find_environment()
    uv.answer()
    made = install.install(uv.plan, ignore)
    assert made == find_environment()
    assert made.verified
    assert all("--no-index" in told for told in uv.told if told[:2] == ["pip", "install"])


def test_a_repair_makes_anew_what_was_damaged_but_removes_nothing_that_it_cannot_make(uv: FakeUv) -> None:
    install.install(uv.plan, ignore)
    damaged = training_folder() / "env" / "lib.py"
    damaged.write_text("nonsense")
    (install.converter_folder() / "LICENSE").unlink()
    set_airplane(True)
    with pytest.raises(DermaError) as raised:
        install.repair(install.make_plan(cpu=True), ignore)
    assert raised.value.code == "network.airplane"
    assert damaged.exists()
    install.repair(uv.plan, ignore)  # out of a folder no network is needed
    assert not damaged.exists()
    assert (install.converter_folder() / "LICENSE").exists()
    assert find_environment().kind == "managed"


def test_an_offline_folder_brings_its_python_and_goes_on_where_it_broke_off(
    uv: FakeUv, tmp_path: Path
) -> None:
    out = tmp_path / "offline"
    (tmp_path / "offline.part").mkdir()
    (tmp_path / "offline.part" / "fetched-before.whl").touch()
    install.make_offline_folder(install.make_plan(cpu=True), out, ignore)
    assert {path.name for path in out.iterdir()} >= {"fetched-before.whl", "one.whl", "python"}
    assert next(told for told in uv.told if told[:2] == ["python", "install"])[-1] == "3.11"
    uv.folder.joinpath("told.jsonl").unlink()
    install.install(install.make_plan(cpu=True, offline=out), ignore)
    assert uv.told[0][uv.told[0].index("--python") + 1].startswith(str(out / "python"))


def test_an_offline_folder_without_a_python_says_so(uv: FakeUv, tmp_path: Path) -> None:
    (uv.folder / "no-python").touch()
    said: list[str] = []
    install.make_offline_folder(install.make_plan(cpu=True), tmp_path / "offline", said.append)
    assert "has to have Python 3.11 itself" in said[-1]
    assert not (tmp_path / "offline" / "python").exists()


def test_a_python_of_ones_own_gets_the_converter_too(uv: FakeUv) -> None:
    taken = install.take_python(uv.folder / "python", ignore)
    assert (taken.kind, taken.verified) == ("existing", False)
    assert install.has_converter()


def test_versions_that_were_never_tried_are_named_before_anything_is_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert install.make_plan(cpu=False).kind not in install.VERIFIED
    monkeypatch.undo()
    if sys.platform in ("linux", "win32"):
        refused = run("train-env", "install", code=4)
        assert "never yet run on it" in refused.out + refused.err
        assert "GB to fetch" in refused.out + refused.err


def test_what_is_launched_has_no_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables as the process itself has them, whatever stood in those of the program."""
    monkeypatch.setenv("UNSLOTH_DISABLE_STATISTICS", "")
    monkeypatch.setenv("GEMINI_API_KEY", "canary")
    python = tmp_path / "python"
    wait = f"#!{sys.executable}\nimport time\nprint('here', flush=True)\nwhile True: time.sleep(1)\n"
    python.write_text(wait)
    python.chmod(0o755)
    with start_trainer(tmp_path, str(python)) as child:
        try:
            while "here" not in (tmp_path / "output.log").read_text():
                assert child.poll() is None
            found = psutil.Process(child.pid).environ()
        finally:
            child.kill()
    named = (
        *("HF_HUB_OFFLINE=1", "TRANSFORMERS_OFFLINE=1", "HF_DATASETS_OFFLINE=1", "UNSLOTH_OFFLINE=1"),
        *("HF_HUB_DISABLE_TELEMETRY=1", "UNSLOTH_DISABLE_STATISTICS=1", "UNSLOTH_AUTO_INSTALL=0"),
    )
    assert {f"{name}={found.get(name)}" for name in PRIVACY} >= set(named)
    assert found["UNSLOTH_COMPILE_LOCATION"].startswith(str(training_folder()))
    assert "canary" not in found.values()
    assert found == found | {k: v for k, v in trainer_environment().items() if k in PRIVACY}
