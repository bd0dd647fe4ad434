"""The training environment: what it is given, must have, and how it is made; and the hardware's lights."""

from __future__ import annotations

import io
import os
import re
import sys
import tarfile
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from dermagui.errors import DermaError
from dermagui.network import set_airplane
from dermagui.training import install
from dermagui.training.environment import PRIVACY, find_environment, trainer_environment, use_python
from dermagui.training.hardware import Card, Hardware, light, parse_cards
from dermagui.training.recipe import find_recipe

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "packaging" / "locks"


def pins(name: str) -> dict[str, Version]:
    found = re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", (LOCKS / name).read_text(), re.MULTILINE)
    return {package: Version(version) for package, version in found}


def test_a_trainer_gets_no_key_no_package_of_ours_and_no_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "canary")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    given = trainer_environment()
    assert "canary" not in given.values()
    assert "PYTHONPATH" not in given
    assert {name: given[name] for name in PRIVACY} == PRIVACY
    for name in ("UNSLOTH_DISABLE_STATISTICS", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "UNSLOTH_OFFLINE"):
        assert given[name] == "1"
    assert given["UNSLOTH_AUTO_INSTALL"] == "0"


def test_a_python_without_the_packages_is_refused_by_name() -> None:
    with pytest.raises(DermaError) as raised:
        use_python(Path(sys.executable))
    assert raised.value.code == "train.packages_missing"
    assert "torch" in str(raised.value.values["missing"])
    with pytest.raises(DermaError) as raised:
        find_environment()
    assert raised.value.code == "train.no_environment"


def test_what_is_no_python_is_told() -> None:
    with pytest.raises(DermaError) as raised:
        use_python(Path("/bin/false"))
    assert raised.value.code == "train.environment_broken"


@pytest.mark.skipif(os.name == "nt", reason="a script with a shebang")
def test_an_interpreter_that_has_gone_is_told(tmp_path: Path) -> None:
    python = tmp_path / "python"
    names = '","'.join(f'{name}":"1' for name in ("torch", "transformers", "trl", "peft", "accelerate"))
    more = '"datasets":"4","safetensors":"1","sentencepiece":"1"'
    python.write_text(
        f'#!/bin/sh\necho \'{{"python":"3.12","versions":{{"{names}",{more}}},"cuda":false}}\'\n'
    )
    python.chmod(0o755)
    assert use_python(python).versions["torch"] == "1"
    assert find_environment().python == str(python)
    python.unlink()
    with pytest.raises(DermaError) as raised:
        find_environment()
    assert raised.value.code == "train.environment_broken"


def test_nothing_is_fetched_in_airplane_mode() -> None:
    set_airplane(True)
    with pytest.raises(DermaError) as raised:
        install.install(install.make_plan(cpu=True), lambda _: None)
    assert raised.value.code == "network.airplane"


def test_an_installation_without_room_begins_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(install.DISK_BYTES, "cpu", 1 << 60)
    with pytest.raises(DermaError) as raised:
        install.install(install.make_plan(cpu=True), lambda _: None)
    assert raised.value.code == "train.no_room"


def test_an_offline_folder_that_lacks_packages_fails_and_leaves_no_environment(tmp_path: Path) -> None:
    with pytest.raises(DermaError) as raised:
        install.install(install.make_plan(cpu=True, offline=tmp_path), lambda _: None)
    assert raised.value.code == "train.install_failed"
    with pytest.raises(DermaError):
        find_environment()


def test_the_converter_is_taken_out_and_nothing_else(tmp_path: Path) -> None:
    archive = tmp_path / "x.tar.gz"
    root = "llama_cpp_python-1/vendor/llama.cpp"
    names = [f"{root}/{name}" for name in ("convert_hf_to_gguf.py", "convert_lora_to_gguf.py", "LICENSE")]
    names += [f"{root}/conversion/a.py", f"{root}/gguf-py/gguf/b.py", f"{root}/src/c.cpp", "x/setup.py"]
    names += [f"{root}/conversion/../../../../../escaped.py"]
    with tarfile.open(archive, "w:gz") as packed:
        for name in names[:-1]:
            packed.addfile(tarfile.TarInfo(name), io.BytesIO())
    install.unpack_converter(archive, tmp_path / "converter")
    found = {
        path.relative_to(tmp_path / "converter").as_posix()
        for path in (tmp_path / "converter").rglob("*")
        if path.is_file()
    }
    assert found == {
        *("convert_hf_to_gguf.py", "convert_lora_to_gguf.py", "LICENSE", "conversion/a.py"),
        "gguf-py/gguf/b.py",
    }
    with tarfile.open(archive, "w:gz") as packed:
        packed.addfile(tarfile.TarInfo(names[-1]), io.BytesIO())
    with pytest.raises((DermaError, tarfile.TarError)):
        install.unpack_converter(archive, tmp_path / "converter")
    assert not (tmp_path.parent / "escaped.py").exists()
    assert (tmp_path / "converter" / "convert_hf_to_gguf.py").exists()


def test_the_locks_are_what_unsloth_works_with() -> None:
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["train"]
    needs = {need.name: need.specifier for need in map(Requirement, extra)}
    torch = dict(line.split("==") for line in (LOCKS / "train-cpu-torch.txt").read_text().split())["torch"]
    assert torch in needs["torch"]
    for name in ("train-cpu.txt", "train-linux.txt", "train-windows.txt"):
        found = pins(name)
        wanted = needs.keys() - ({"torch", "unsloth"} if name == "train-cpu.txt" else {"torch"})
        assert {one for one in wanted if found[one] not in needs[one]} == set(), name
        assert found["trl"] == Version("1.14.0"), "1.15.0 dies where there is no Triton"
    assert pins("train-linux.txt")["torch"] in needs["torch"]
    assert "torch" not in pins("train-windows.txt")
    assert "torch" not in pins("train-cpu.txt")
    text = "".join(path.read_text() for path in LOCKS.glob("train-*.txt"))
    assert re.findall(r"\w+://|--(?:extra-)?index|--find-links|@", text) == []


def test_what_the_driver_says_is_read() -> None:
    told = "NVIDIA RTX 4090, 555.42, 24564, 20000\nNVIDIA X, 5, [N/A], [N/A]\nnonsense\n"
    assert parse_cards(told) == (Card("NVIDIA RTX 4090", "555.42", 24564 << 20, 20000 << 20),)
    assert parse_cards("") == ()


def test_the_light_goes_by_what_is_free() -> None:
    card = Card("x", "1", 24 << 30, int(12.5e9))
    hardware = Hardware((card,), 1, 1, "linux")
    assert light(find_recipe("default"), hardware) == "amber"
    assert light(find_recipe("small-gpu"), hardware) == "green"
    assert light(find_recipe("quality"), hardware) == "red"
    assert light(find_recipe("small-gpu"), replace(hardware, cards=())) == "red"


def test_the_way_home_is_llama_cpps_and_never_unsloths() -> None:
    """Its export fetches and compiles programs, and asks nobody."""
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "dermagui").rglob("*.py")}
    named = ("save_pretrained_gguf", "push_to_hub", "save_pretrained_merged", "unsloth_zoo", "unsloth.save")
    assert sources
    assert [path for path, text in sources.items() for name in named if name in text] == []
    using = {
        path.stem for path, text in sources.items() if "from unsloth" in text or "import unsloth" in text
    }
    assert using == {"trainer"}
