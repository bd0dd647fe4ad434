"""packaging/build_llama.py: which wheel is taken, what it is kept under, and what is said when it fails."""

from __future__ import annotations

import importlib
import io
import json
import shlex
import sys
import threading
import time
from pathlib import Path
from types import ModuleType

import pytest

from tests.test_setup import LOCKS, read_lock

VERSION = "1.2.3"
WHEEL = f"llama_cpp_python-{VERSION}-py3-none-any.whl"
VARIABLES = ("LLAMA_WHEEL", "DERMAGUI_WHEELS", "CMAKE_ARGS", "CXX", "CFLAGS", "SKBUILD_CMAKE_DEFINE")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The script as a module, with an empty cache of its own."""
    monkeypatch.syspath_prepend(LOCKS.parent)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DERMAGUI_WHEELS", str(tmp_path / "wheels"))
    return importlib.import_module("build_llama")


class Terminal(io.StringIO):
    """A stdout on which a line can be written over."""

    def isatty(self) -> bool:
        return True


def test_source_and_tools_are_pinned_by_their_hashes(script: ModuleType) -> None:
    assert list(read_lock("llama.txt")) == ["llama-cpp-python"]
    assert {"cmake", "ninja", "scikit-build-core"} < set(read_lock("llama-tools.txt"))
    for lock in (script.SOURCE_LOCK, script.TOOLS_LOCK):
        assert "://" not in lock.read_text(encoding="utf-8")
    version = script.locked_version(script.SOURCE_LOCK.read_text(encoding="utf-8"))
    assert version == str(read_lock("llama.txt")["llama-cpp-python"])
    with pytest.raises(script.Failure, match="pins no llama-cpp-python"):
        script.locked_version("llama-cpp==1\n")


def test_the_cache_has_a_folder_for_each_kind_of_build(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folders = [script.wheel_folder(script.build_for_this_machine(version)) for version in (VERSION, "1.2.4")]
    monkeypatch.setenv("CMAKE_ARGS", "-DGGML_VULKAN=ON '-DTWO=a b'")
    build = script.build_for_this_machine(VERSION)
    assert build.settings[-2:] == ["-DGGML_VULKAN=ON", "-DTWO=a b"]
    folders.append(script.wheel_folder(build))
    monkeypatch.delenv("CMAKE_ARGS")
    monkeypatch.setattr(script.platform, "libc_ver", lambda: ("glibc", "2.1"))
    folders.append(script.wheel_folder(script.build_for_this_machine(VERSION)))
    monkeypatch.setattr(script.sysconfig, "get_platform", lambda: "linux-sparc")
    folders.append(script.wheel_folder(script.build_for_this_machine(VERSION)))
    assert len(set(folders)) == 5
    assert {folder.parent for folder in folders} == {tmp_path / "wheels"}
    monkeypatch.delenv("DERMAGUI_WHEELS")
    usual = script.wheel_folder(build).parent
    assert usual == script.user_cache_path("dermagui", appauthor=False) / "wheels"


def test_a_wheel_in_the_cache_is_taken_and_nothing_compiled(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    folder = script.wheel_folder(script.build_for_this_machine(VERSION))
    folder.mkdir(parents=True)
    with pytest.raises(script.Failure, match=r"no C\+\+ compiler"):
        script.wanted_wheel(VERSION)
    (folder / WHEEL).touch()
    assert script.wanted_wheel(VERSION) == folder / WHEEL


def test_a_wheel_that_the_user_names_wins(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mine = tmp_path / WHEEL
    monkeypatch.setenv("LLAMA_WHEEL", str(mine))
    with pytest.raises(script.Failure, match="is not there"):
        script.wanted_wheel(VERSION)
    mine.touch()
    assert script.wanted_wheel(VERSION) == mine
    with pytest.raises(script.Failure, match=r"needed is a wheel of llama_cpp_python-1\.2\.4"):
        script.wanted_wheel("1.2.4")


@pytest.mark.parametrize(
    ("platform", "tool", "line"),
    [
        ("linux", "apt", "    sudo apt install build-essential"),
        ("linux", "dnf", "    sudo dnf install gcc-c++"),
        ("darwin", None, "    xcode-select --install"),
    ],
)
def test_a_missing_compiler_is_named_with_its_package(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, platform: str, tool: str | None, line: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(script.shutil, "which", lambda name: f"/bin/{name}" if name == tool else None)
    with pytest.raises(script.Failure) as failure:
        script.check_compiler()
    assert str(failure.value).splitlines()[1:] == [line]
    monkeypatch.setenv("CXX", "my-compiler")
    script.check_compiler()


def test_a_finished_build_is_kept_with_all_that_it_depends_on(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compile_in(work: Path, build: object, log: object) -> Path:
        (work / WHEEL).write_bytes(b"compiled")
        return work / WHEEL

    monkeypatch.setattr(script, "compile_in", compile_in)
    monkeypatch.setenv("CXX", "c++")
    wheel = script.wanted_wheel(VERSION)
    assert wheel.read_bytes() == b"compiled"
    assert sorted(path.name for path in wheel.parent.iterdir()) == ["build.json", "build.log", WHEEL, "lock"]
    kept = json.loads((wheel.parent / "build.json").read_text())
    assert kept["version"] == VERSION
    assert "-DGGML_NATIVE=OFF" in kept["settings"]
    assert kept["platform"] == script.sysconfig.get_platform()


def test_a_failed_build_leaves_no_wheel_and_tells_the_end_of_its_story(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    say = "for n in range(100): print('line', n)\nraise SystemExit(3)"

    def compile_in(work: Path, build: object, log: object) -> Path:
        (work / WHEEL).touch()
        script.run_logged([sys.executable, "-c", say], log)
        return work / WHEEL

    monkeypatch.setattr(script, "compile_in", compile_in)
    monkeypatch.setattr(script, "locked_version", lambda lock: VERSION)
    monkeypatch.setenv("CXX", "c++")
    assert script.main() == 1
    (log,) = Path(script.os.environ["DERMAGUI_WHEELS"]).glob("*/build.log")
    assert {path.name for path in log.parent.iterdir()} == {"build.json", "build.log", "lock"}
    assert log.read_text().splitlines()[0] == "line 0"
    told = capfd.readouterr().err.splitlines()
    assert told[0] == "line 70"
    assert told[-1].endswith(str(log))


def test_the_compiler_gets_our_settings_and_none_that_the_key_does_not_name(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CFLAGS", "-march=native")
    monkeypatch.setenv("SKBUILD_CMAKE_DEFINE", "GGML_NATIVE=ON")
    monkeypatch.setenv("PATH", "/usr/bin")
    work = tmp_path / "a folder"
    work.mkdir()
    build = script.build_for_this_machine(VERSION)
    environment = script.build_environment(work, work / "tools", build)
    include, *settings = shlex.split(environment["CMAKE_ARGS"])
    assert settings == build.settings
    name, path = include.split("=", 1)
    assert name == "-DCMAKE_PROJECT_llama.cpp_INCLUDE"
    assert Path(path).read_text() == build.include
    assert "LLAMA_BUILD_COMMON OFF" in build.include
    assert "SKBUILD_CMAKE_DEFINE" not in environment
    assert "native" not in environment["CFLAGS"]
    assert shlex.split(environment["CFLAGS"]) == [f"-ffile-prefix-map={work}=."]
    assert environment["PATH"].startswith(str(work / "tools" / "bin"))


def test_the_steps_are_one_changing_line_or_ten(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["-- Configuring", *(f"[{n}/131] /usr/bin/c++ -c {n}.cpp" for n in range(1, 132)), "done"]
    terminal, file = Terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", terminal)
    script.show_steps(lines)
    assert terminal.getvalue().startswith("\r  1 of 131 steps\r  2 of 131 steps")
    assert terminal.getvalue().endswith("\r  131 of 131 steps\n")
    monkeypatch.setattr(sys, "stdout", file)
    script.show_steps(lines)
    shown = file.getvalue().splitlines()
    assert len(shown) == 10
    assert shown[0] == "  14 of 131 steps"
    assert shown[-1] == "  131 of 131 steps"


@pytest.mark.skipif(sys.platform == "win32", reason="no such lock there")
def test_two_processes_compile_once_and_what_a_killed_one_left_goes(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left = tmp_path / "building-killed"
    left.mkdir()
    order: list[str] = []

    def second() -> None:
        with script.one_builder(tmp_path):
            order.append("second")

    other = threading.Thread(target=second)
    with script.one_builder(tmp_path):
        assert not left.exists()
        other.start()
        while "waiting" not in capsys.readouterr().out:
            time.sleep(0.01)
        order.append("first")
    other.join(60)
    assert order == ["first", "second"]
