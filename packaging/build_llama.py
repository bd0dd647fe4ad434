"""Puts llama-cpp-python into the environment that runs this file, compiled once per machine.

``.venv/bin/python packaging/build_llama.py``: the package index has only its source. The finished wheel is
kept in the user's cache, in a folder named by version, CMake settings and platform, whose ``build.json``
spells out all three; the next environment on this machine takes it from there.

``LLAMA_WHEEL``     a finished wheel to install instead of compiling
``DERMAGUI_WHEELS`` where wheels are kept, instead of the user's cache
``CMAKE_ARGS``      settings for CMake beyond ours, such as ``-DGGML_CUDA=ON`` or ``-DGGML_VULKAN=ON``
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from check_system import install_line
from platformdirs import user_cache_path

HERE = Path(__file__).resolve().parent
SOURCE_LOCK = HERE / "locks" / "llama.txt"
TOOLS_LOCK = HERE / "locks" / "llama-tools.txt"

# llama.cpp reads this at the end of its own project() call. The Python package forces that library on,
# nothing in it links it, and it is a third of the whole compilation.
PROJECT_INCLUDE = 'set(LLAMA_BUILD_COMMON OFF CACHE BOOL "" FORCE)\n'

SETTINGS = (
    "-DGGML_NATIVE=OFF",  # else the wheel dies on a processor older than the one that built it
    "-DMTMD_VIDEO=OFF",  # it starts ffmpeg; our pixels come from Pillow
    "-DLLAMA_ALL_WARNINGS=OFF",
    # One name and one copy of each library: a wheel knows no links, three names would be three files.
    "-DCMAKE_PLATFORM_NO_VERSIONED_SONAME=ON",
    *(["-DGGML_OPENMP=OFF"] if sys.platform == "win32" else []),  # its DLL gets lost or mixed up there
)

# The libraries a second time, and C headers: nothing looks for them outside the package.
NOT_IN_THE_WHEEL = ("/lib/", "/include/", "/bin/")

BUILD_WHEEL = (
    "import json, sys; from scikit_build_core.build import build_wheel;"
    " build_wheel(sys.argv[1], json.loads(sys.argv[2]))"
)

STEP = re.compile(r"\[(\d+)/(\d+)\] ")


class Failure(Exception):
    """The set-up cannot go on; the text says why and what to do."""


@dataclass(frozen=True)
class Build:
    """All that the compiled libraries depend on, and so the key of the cache.

    ``settings`` are CMake's arguments, ``include`` is a file for it, ``libc`` is empty but on Linux.
    """

    version: str
    settings: list[str]
    include: str
    platform: str
    libc: str


def main() -> int:
    """Finds or builds the wheel, installs it and tries it; returns the exit code."""
    try:
        wheel = wanted_wheel(locked_version(SOURCE_LOCK.read_text(encoding="utf-8")))
        install_wheel(wheel)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def locked_version(lock: str) -> str:
    """The version of llama-cpp-python that a lock pins."""
    found = re.search(r"^llama-cpp-python==(\S+)", lock, re.MULTILINE)
    if found is None:
        raise Failure(f"{SOURCE_LOCK} pins no llama-cpp-python.")
    return found[1]


def wanted_wheel(version: str) -> Path:
    """The wheel that the user names, else the one in the cache, built first if it is not there."""
    if named := os.environ.get("LLAMA_WHEEL"):
        return named_wheel(Path(named), version)
    build = build_for_this_machine(version)
    folder = wheel_folder(build)
    with one_builder(folder):
        if wheel := finished_wheel(folder):
            print(f"llama-cpp-python {version}: already compiled on this machine, {wheel}")
            return wheel
        return build_wheel(folder, build)


@contextmanager
def one_builder(folder: Path) -> Iterator[None]:
    """Waits for another process that compiles the same, and removes what a killed one left behind."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        if sys.platform != "win32":  # there, two of them compile side by side
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(
                    f"Another process compiles it; waiting. Its story is in {folder / 'build.log'}",
                    flush=True,
                )
                fcntl.flock(lock, fcntl.LOCK_EX)
            for left in folder.glob("building-*"):
                shutil.rmtree(left, ignore_errors=True)
        yield


def named_wheel(wheel: Path, version: str) -> Path:
    """``LLAMA_WHEEL`` if it is a wheel of the locked version."""
    if not wheel.is_file():
        raise Failure(f"LLAMA_WHEEL names {wheel}, which is not there.")
    if not re.fullmatch(rf"llama_cpp_python-{re.escape(version)}-.*\.whl", wheel.name):
        raise Failure(f"LLAMA_WHEEL names {wheel.name}; needed is a wheel of llama_cpp_python-{version}.")
    return wheel


def build_for_this_machine(version: str) -> Build:
    """What this machine and the caller's environment ask for."""
    settings = [*SETTINGS, *shlex.split(os.environ.get("CMAKE_ARGS", ""))]
    return Build(version, settings, PROJECT_INCLUDE, sysconfig.get_platform(), " ".join(platform.libc_ver()))


def wheel_folder(build: Build) -> Path:
    """The folder of the cache that one kind of build has for itself."""
    root = os.environ.get("DERMAGUI_WHEELS") or user_cache_path("dermagui", appauthor=False) / "wheels"
    key = hashlib.sha256(json.dumps(asdict(build)).encode()).hexdigest()[:12]
    return Path(root).absolute() / f"llama-cpp-python-{build.version}-{key}"


def finished_wheel(folder: Path) -> Path | None:
    """The wheel in a folder of the cache, or None; a wheel lies there complete or not at all."""
    return next(folder.glob("*.whl"), None)


def build_wheel(folder: Path, build: Build) -> Path:
    """Compiles in a temporary folder beside ``folder``, and moves the wheel there when it is complete."""
    check_compiler()
    (folder / "build.json").write_text(json.dumps(asdict(build), indent=2) + "\n", encoding="utf-8")
    print(
        f"llama-cpp-python {build.version} has no binary on the package index. Compiling it, once for this\n"
        f"machine: 5 to 15 minutes of one core, 600 MB of disk meanwhile. It will be kept in\n{folder}",
        flush=True,
    )
    with (
        tempfile.TemporaryDirectory(prefix="building-", dir=folder, ignore_cleanup_errors=True) as work,
        (folder / "build.log").open("w+b") as log,
    ):
        wheel = compile_in(Path(work), build, log)
        return wheel.replace(folder / wheel.name)


def compile_in(work: Path, build: Build, log: BinaryIO) -> Path:
    """Fetches tools and source by their hashes into ``work`` and returns the new wheel there."""
    tools, source, wheels = work / "tools", work / "source", work / "wheels"
    environment = build_environment(work, tools, build)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    lock = ["--require-hashes", "--requirement"]
    install = [*pip, "install", "--only-binary", ":all:", "--target", str(tools)]
    fetch = [*pip, "download", "--no-deps", "--no-build-isolation", "--no-binary", "llama-cpp-python"]
    run_logged([*install, *lock, TOOLS_LOCK], log)
    run_logged([*fetch, "--dest", str(source), *lock, SOURCE_LOCK], log, environment)
    (archive,) = source.glob("*.tar.gz")
    shutil.unpack_archive(archive, source)
    # Not by pip: it would look into a cache of wheels that does not know our settings.
    command = [
        sys.executable,
        "-c",
        BUILD_WHEEL,
        str(wheels),
        json.dumps({"wheel.exclude": NOT_IN_THE_WHEEL}),
    ]
    run_logged(command, log, environment, source / archive.name.removesuffix(".tar.gz"))
    (wheel,) = wheels.glob("*.whl")
    return wheel


def build_environment(work: Path, tools: Path, build: Build) -> dict[str, str]:
    """The caller's environment with our tools before all others and our settings for CMake."""
    include = work / "include.cmake"
    include.write_text(build.include, encoding="utf-8")
    settings = shlex.join([f"-DCMAKE_PROJECT_llama.cpp_INCLUDE={include.as_posix()}", *build.settings])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SKBUILD_")}
    path = os.pathsep.join([str(tools / "bin"), kept.get("PATH", "")])
    if sys.platform != "win32":
        # A failed assertion names its source file: the folders of this user are nobody's business.
        kept |= dict.fromkeys(("CFLAGS", "CXXFLAGS"), shlex.quote(f"-ffile-prefix-map={work}=."))
    return kept | {"PYTHONPATH": str(tools), "PATH": path, "CMAKE_ARGS": settings}


def run_logged(
    command: Sequence[str | Path],
    log: BinaryIO,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> None:
    """Runs a command and shows its steps; what it says goes into ``log``. Failure with the end of that."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as child:
        assert child.stdout is not None
        show_steps(copied(child.stdout, log))
    if child.returncode:
        log.seek(0)
        last = log.read().decode("utf-8", "replace").splitlines()[-30:]
        raise Failure(
            "\n".join([*last, "", f"Compiling llama-cpp-python failed; its story is in {log.name}"])
        )


def copied(lines: Iterable[bytes], log: BinaryIO) -> Iterator[str]:
    """The lines as text, each once it is in the log."""
    for line in lines:
        log.write(line)
        log.flush()
        yield line.decode("utf-8", "replace")


def show_steps(lines: Iterable[str]) -> None:
    """Condenses ninja's ``[12/136] c++ …``: one changing line on a terminal, ten lines elsewhere."""
    on_terminal, tenths = sys.stdout.isatty(), 0
    for done, total in (map(int, step.groups()) for line in lines if (step := STEP.match(line))):
        if on_terminal:
            print(f"\r  {done} of {total} steps", end="\n" if done == total else "", flush=True)
        elif done * 10 // total > tenths:
            tenths = done * 10 // total
            print(f"  {done} of {total} steps", flush=True)


def check_compiler() -> None:
    """Failure with the line that installs a C++ compiler, where CMake would find none."""
    if sys.platform == "win32" or os.environ.get("CXX") or any(map(shutil.which, ("c++", "g++", "clang++"))):
        return
    line = "    xcode-select --install"
    if sys.platform != "darwin":
        line = install_line("build-essential", "gcc-c++")
    raise Failure(
        f"llama-cpp-python has to be compiled, and there is no C++ compiler. Install one with\n{line}"
    )


def install_wheel(wheel: Path) -> None:
    """Installs the wheel, and loads it in a process of its own, which may die of a foreign processor."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    options = ["--quiet", "--no-index", "--no-deps", "--force-reinstall"]
    load = "import llama_cpp, llama_cpp.mtmd_cpp; llama_cpp.llama_backend_init()"
    if subprocess.run([*pip, *options, wheel], check=False).returncode:
        raise Failure(f"{wheel} cannot be installed.")
    if code := subprocess.run([sys.executable, "-c", load], check=False).returncode:
        raise Failure(
            f"{wheel} does not load on this machine (exit code {code}). Delete its folder, and it will be"
            " compiled anew."
        )


if __name__ == "__main__":
    sys.exit(main())
