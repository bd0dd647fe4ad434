"""Makes the training environment with uv, from a lock for each platform; removes it again.

What is done stays done: uv keeps what it fetched, so that an installation which broke off goes on when it is
started again. Only an environment that answered is written down.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dermagui import paths
from dermagui.errors import DataError, ServiceError, UserError, from_os_error
from dermagui.network import Purpose, airplane_is_on, write_ledger
from dermagui.training.children import end_family
from dermagui.training.environment import (
    OPTIONAL,
    PACKAGES,
    Environment,
    ask_python,
    converter_folder,
    training_folder,
    use_python,
)
from dermagui.training.hardware import DISK_BYTES

GPU_PYTHON = "3.12"
VERIFIED = ("cpu",)
"""Kinds whose lock was installed and trained with; the others were computed and never run here."""

CONVERTER_PARTS = ("conversion", "gguf-py", "convert_hf_to_gguf.py", "convert_lora_to_gguf.py", "LICENSE")

_LOOK_SECONDS = 0.2
_PIN = re.compile(r"^([a-z0-9-]+)==([^\s;+\\]+)", re.MULTILINE)

Say = Callable[[str], None]
Look = Callable[[], None]
"""Asked again and again while a program runs; what it raises ends that program."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an installation takes: the hashed lock, what is installed after it without hashes, and whence."""

    kind: str
    lock: Path
    later: Path | None
    python: str
    offline: Path | None = None
    """A folder of wheels; then nothing is fetched."""


def locks_folder() -> Path:
    """Where the locks lie: in a checkout, else among the resources."""
    checkout = paths.resources().parent / "packaging" / "locks"
    return checkout if checkout.is_dir() else paths.resources() / "locks"


def make_plan(cpu: bool, python: Path | None = None, offline: Path | None = None) -> Plan:
    """The plan for this platform. Raises ``UserError`` ``train.no_lock`` where there is none."""
    locks = locks_folder()
    if cpu:
        interpreter = os.fspath(python) if python else _own_python()
        return Plan("cpu", locks / "train-cpu.txt", locks / "train-cpu-torch.txt", interpreter, offline)
    known = {"linux": ("train-linux.txt", None), "win32": ("train-windows.txt", "train-windows-torch.txt")}
    if sys.platform not in known:
        raise UserError("train.no_lock", platform=sys.platform)
    lock, later = known[sys.platform]
    interpreter = os.fspath(python) if python else GPU_PYTHON
    return Plan(sys.platform, locks / lock, locks / later if later else None, interpreter, offline)


def _own_python() -> str:
    return GPU_PYTHON if getattr(sys, "frozen", False) else sys.executable


def go_on() -> None:
    """Nobody asks an installation to stop."""


def install(plan: Plan, say: Say, look: Look = go_on) -> Environment:
    """Makes the environment and fetches the converter.

    Raises ``UserError``: ``train.no_room``, ``train.no_uv``, ``network.airplane``; ``ServiceError``
    ``train.install_failed``; what ``use_python`` and ``look`` raise.
    """
    folder = training_folder()
    kind = "cpu" if plan.kind == "cpu" else "gpu"
    if shutil.disk_usage(folder).free < DISK_BYTES[kind]:
        raise UserError("train.no_room", path=paths.display_path(folder), bytes=DISK_BYTES[kind])
    if plan.offline is None:
        if airplane_is_on():
            raise UserError("network.airplane", host="the package index")
        write_ledger(Purpose.DOWNLOAD, "package index", what="training environment")
    uv = find_uv()
    env = folder / "env"
    say("Making the environment.")
    _run([uv, "venv", "--allow-existing", "--python", _interpreter(plan), os.fspath(env)], look)
    python = env / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [uv, "pip", "install", "--python", os.fspath(python), *_source(plan)]
    say("Installing packages; this takes minutes.")
    _run([*pip, "--require-hashes", "--no-deps", "-r", os.fspath(plan.lock)], look)
    if plan.later:
        _run([*pip, "--no-deps", *_backend(plan), "-r", os.fspath(plan.later)], look)
    look()
    install_converter(plan.offline, uv, python)
    return use_python(python, "managed", plan.kind in VERIFIED, locked_versions(plan))


def repair(plan: Plan, say: Say, look: Look = go_on) -> Environment:
    """Makes the environment anew, whatever became of it; uv need not fetch again what it still has.

    Raises like ``install``; before anything is removed where nothing can be fetched.
    """
    if plan.offline is None and airplane_is_on():
        raise UserError("network.airplane", host="the package index")
    find_uv()
    remove()
    return install(plan, say, look)


def take_python(python: Path, say: Say) -> Environment:
    """Takes a Python of the user's own, and fetches the converter for it, which no package brings.

    Raises what ``use_python`` and ``install`` raise; the Python is then taken, but for bringing models home.
    """
    environment = use_python(python)
    if not has_converter():
        if airplane_is_on():
            raise UserError("network.airplane", host="the package index")
        write_ledger(Purpose.DOWNLOAD, "package index", what="converter")
        say("Fetching the programs that turn a model into GGUF.")
        install_converter(None, find_uv(), python)
    return environment


def locked_versions(plan: Plan) -> dict[str, str]:
    """What the plan's locks say of the packages that an environment is asked for, without local parts."""
    found: dict[str, str] = {}
    for lock in (plan.lock, plan.later):
        if lock:
            found |= _PIN.findall(lock.read_text(encoding="utf-8"))
    return {name: version for name, version in found.items() if name in (*PACKAGES, *OPTIONAL)}


def _interpreter(plan: Plan) -> str:
    """The Python that lies in an offline folder, else the one that the plan names."""
    pattern = "python/*/python.exe" if os.name == "nt" else "python/*/bin/python3"
    found = sorted(plan.offline.glob(pattern)) if plan.offline else []
    return os.fspath(found[0]) if found else plan.python


def _source(plan: Plan) -> list[str]:
    return ["--offline", "--no-index", "--find-links", os.fspath(plan.offline)] if plan.offline else []


def _backend(plan: Plan) -> list[str]:
    """Where torch is had from: a folder that pip knows, else the index for its build that uv knows."""
    if plan.offline or "UV_FIND_LINKS" in _uv_environment():
        return []
    return ["--torch-backend", "cpu" if plan.kind == "cpu" else "auto"]


def find_uv() -> str:
    """The uv beside this program, else that of the system. Raises ``train.no_uv``."""
    name = "uv" + (".exe" if os.name == "nt" else "")
    beside = Path(sys.executable).with_name(name)
    found = os.fspath(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise UserError("train.no_uv")
    return found


def _uv_environment() -> Mapping[str, str]:
    """uv does not read what pip was told; whoever told pip where packages lie means it all the same."""
    environment = dict(os.environ)
    environment.pop("PYTHONPATH", None)
    environment.setdefault("UV_SYSTEM_CERTS", "1")  # a hospital's proxy is known to the system only
    told = _told_pip()
    for theirs, ours in (
        ("find-links", "UV_FIND_LINKS"),
        ("index-url", "UV_DEFAULT_INDEX"),
        ("cert", "SSL_CERT_FILE"),
    ):
        if theirs in told:
            environment.setdefault(ours, told[theirs])
    return environment


@cache
def _told_pip() -> dict[str, str]:
    """What pip's variables and its files of settings say; empty where this program has no pip."""
    if getattr(sys, "frozen", False):
        return {}
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    told: dict[str, str] = {}
    for line in listing.stdout.splitlines():
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2].lower().replace("_", "-")
        # Variables are named :env: and go before the files, as they do for pip.
        if name not in told or key.startswith(":env:"):
            told[name] = value.strip("'\"")
    return told


def _run(command: Sequence[str], look: Look = go_on) -> None:
    try:
        child = subprocess.Popen(
            command,
            env=_uv_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    except OSError as error:
        raise ServiceError("train.install_failed", detail=str(error)) from error
    with child:
        said = _wait_for(child, look)
    if child.returncode:
        raise ServiceError("train.install_failed", detail=said[-600:])


def _wait_for(child: subprocess.Popen[str], look: Look) -> str:
    """What the program said of its faults; it is ended where ``look`` raises."""
    try:
        while True:
            look()
            try:
                return child.communicate(timeout=_LOOK_SECONDS)[1]
            except subprocess.TimeoutExpired:
                continue
    except BaseException:
        end_family(child.pid)
        raise


def install_converter(offline: Path | None, uv: str, python: Path) -> None:
    """Takes the converter out of the source archive of the llama-cpp-python that this program runs."""
    if has_converter():
        return
    with tempfile.TemporaryDirectory(dir=training_folder()) as work:
        archive = _find_archive(offline) if offline else _fetch_archive(Path(work), uv, python)
        unpack_converter(archive, converter_folder())


def has_converter() -> bool:
    """Whether the programs are there that turn models into GGUF files."""
    return (converter_folder() / CONVERTER_PARTS[2]).exists()


def llama_version() -> str:
    """The version that this program was built with, as its lock has it."""
    lock = locks_folder() / "llama.txt"
    line = next(line for line in lock.read_text().splitlines() if line.startswith("llama-cpp-python=="))
    return line.split("==")[1].split()[0]


def make_offline_folder(plan: Plan, out: Path, say: Say) -> None:
    """Fetches all that an installation takes into a new folder, for a computer of this kind without network.

    A Python lies in it that fits the packages; where none can be had, that is said. What was fetched before
    an attempt broke off is not fetched again. Raises like ``install``, and ``UserError``
    ``train.export_exists``, ``train.no_offline``.
    """
    if out.exists():
        raise UserError("train.export_exists", path=paths.display_path(out))
    if plan.kind == "win32":  # pip would fetch a torch that knows no GPU
        raise UserError("train.no_offline")
    if airplane_is_on():
        raise UserError("network.airplane", host="the package index")
    write_ledger(Purpose.DOWNLOAD, "package index", what="training environment")
    uv, part = find_uv(), out.with_name(out.name + ".part")
    with tempfile.TemporaryDirectory(dir=training_folder()) as work:
        python = Path(work) / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        _run([uv, "venv", "--seed", "--python", plan.python, os.fspath(Path(work) / "env")])
        pip = [os.fspath(python), "-m", "pip", "download", "--no-deps", "--dest", os.fspath(part)]
        say("Fetching packages; this takes minutes.")
        _run([*pip, "--require-hashes", "-r", os.fspath(plan.lock)])
        if plan.later:
            _run([*pip, "-r", os.fspath(plan.later)])
        archive = _fetch_archive(Path(work), uv, python)
        shutil.move(archive, part / archive.name)
        _fetch_python(uv, python, part / "python", say)
    part.rename(out)


def _fetch_python(uv: str, python: Path, folder: Path, say: Say) -> None:
    """A Python of the version that the wheels were fetched for, which needs nothing of its computer."""
    version = ".".join(ask_python(python)["python"].split(".")[:2])
    say(f"Fetching Python {version}.")
    try:
        _run([uv, "python", "install", "--no-bin", "--install-dir", os.fspath(folder), version])
    except ServiceError:
        shutil.rmtree(folder, ignore_errors=True)
        say(f"It could not be fetched: the other computer has to have Python {version} itself.")


def _find_archive(folder: Path) -> Path:
    path = folder / f"llama_cpp_python-{llama_version()}.tar.gz"
    if not path.is_file():
        raise UserError("train.offline_incomplete", path=paths.display_path(path))
    return path


def _fetch_archive(work: Path, uv: str, python: Path) -> Path:
    """pip fetches archives and uv does not; its tools for building stay in a folder that is thrown away."""
    _run([uv, "pip", "install", "--python", os.fspath(python), "--target", os.fspath(work / "pip"), "pip"])
    lock = locks_folder() / "llama.txt"
    fetch = ["download", "--no-deps", "--no-binary", ":all:", "--require-hashes", "-r", os.fspath(lock)]
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from pip._internal.cli.main import main; main()"
    _run([os.fspath(python), "-c", code, os.fspath(work / "pip"), *fetch, "--dest", os.fspath(work)])
    (archive,) = work.glob("*.tar.gz")
    return archive


def unpack_converter(archive: Path, folder: Path) -> None:
    """The converter's files, beside their place and then in it. Raises ``train.converter_missing``."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with tarfile.open(archive) as packed:
            for member in packed:
                _, _, name = member.name.partition("/vendor/llama.cpp/")
                if member.isfile() and name.split("/")[0] in CONVERTER_PARTS:
                    member.name = name
                    packed.extract(member, part, filter="data")
        if not all((part / name).exists() for name in CONVERTER_PARTS):
            raise DataError("train.converter_missing", path=paths.display_path(archive))
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    except OSError as error:
        raise from_os_error(error, folder) from error


def remove() -> None:
    """Removes the environment that was made and the converter; an existing Python is only forgotten."""
    folder = training_folder()
    (folder / "environment.json").unlink(missing_ok=True)
    for name in ("env", "converter", "compiled"):
        shutil.rmtree(folder / name, ignore_errors=True)
