"""The set-up: locks, wheel, the check of the machine, and the nets that conftest.py spreads."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import socket
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "packaging" / "locks"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PIN = re.compile(
    r"(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; [^\\]+)?(?P<hashes>(?: --hash=sha256:[0-9a-f]{64})+)"
)


def read_lock(name: str) -> dict[str, Version]:
    """The versions that a lock pins; fails on any line that is not one pinned and hashed package."""
    text = (LOCKS / name).read_text(encoding="utf-8").replace(" \\\n   ", "")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    pins = [PIN.fullmatch(line) for line in lines]
    assert [line for line, pin in zip(lines, pins, strict=True) if pin is None] == []
    versions = {pin["name"]: Version(pin["version"]) for pin in pins if pin}
    assert len(versions) == len(lines), "a package is pinned twice"
    return versions


def unlocked(requirements: list[str], lock: dict[str, Version]) -> list[str]:
    """The requirements that a lock does not meet."""
    wanted = [Requirement(text) for text in requirements]
    return [str(need) for need in wanted if need.name not in lock or lock[need.name] not in need.specifier]


@pytest.mark.parametrize("name", ["app.txt", "dev.txt", "build.txt"])
def test_a_lock_is_hashed_and_holds_no_address(name: str) -> None:
    assert len(read_lock(name)) > 30
    text = (LOCKS / name).read_text(encoding="utf-8")
    assert re.findall(r"\w+://|--(?:extra-)?index|--find-links|@|(?:^|\s)/\w", text) == []


def test_the_locks_agree() -> None:
    app, dev, build = read_lock("app.txt"), read_lock("dev.txt"), read_lock("build.txt")
    for other in (dev, build):
        assert {name: version for name, version in app.items() if other.get(name) != version} == {}
    assert {name for name in dev.keys() & build.keys() if dev[name] != build[name]} == set()


def test_the_locks_meet_every_requirement() -> None:
    later = [line for line in (LOCKS / "later.in").read_text().splitlines() if not line.startswith("#")]
    assert later == ["llama-cpp-python"]
    needed = [text for text in PROJECT["dependencies"] if Requirement(text).name not in later]
    assert len(needed) == len(PROJECT["dependencies"]) - 1
    assert unlocked(needed, read_lock("app.txt")) == []
    assert unlocked(PROJECT["optional-dependencies"]["dev"], read_lock("dev.txt")) == []


def test_the_pyside_that_loses_references_is_shut_out() -> None:
    (pyside,) = [
        need for text in PROJECT["dependencies"] if (need := Requirement(text)).name == "pyside6-essentials"
    ]
    assert "6.12.0" not in pyside.specifier
    assert pyside.marker is None
    assert read_lock("app.txt")["pyside6-essentials"] != Version("6.12.0")


@pytest.mark.slow
def test_the_wheel_brings_the_resources_and_nothing_of_the_workshop(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", tmp_path, ROOT], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("dermagui-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    resources = {
        path.relative_to(ROOT / "resources") for path in (ROOT / "resources").rglob("*") if path.is_file()
    }
    assert {f"dermagui/_resources/{path.as_posix()}" for path in resources} <= names
    locks = {path.name for path in LOCKS.glob("train-*.txt")} | {"llama.txt"}
    assert {f"dermagui/_resources/locks/{name}" for name in locks} <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"dermagui"}
    assert [name for name in names if name.endswith("licenses/LICENSE")]


def load_check_system() -> ModuleType:
    """packaging/check_system.py as a module; it lies in no package."""
    spec = importlib.util.spec_from_file_location("check_system", ROOT / "packaging" / "check_system.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_old_python_can_read_the_check() -> None:
    source = (ROOT / "packaging" / "check_system.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 6))
    assert "__future__" not in source


@pytest.mark.parametrize(
    ("version", "found"), [((3, 9), 1), ((3, 10), 1), ((3, 11), 0), ((3, 13), 0), ((4, 0), 0)]
)
def test_an_old_python_is_named(version: tuple[int, int], found: int) -> None:
    faults = load_check_system().python_faults(version)
    assert len(faults) == found
    assert all(
        f"{version[0]}.{version[1]}" in fault and "make PYTHON=python3.11" in fault for fault in faults
    )


@pytest.mark.parametrize(
    ("name", "version", "found"), [("glibc", "2.28", 1), ("glibc", "2.36", 0), ("", "", 0)]
)
def test_an_old_c_library_is_named(name: str, version: str, found: int) -> None:
    assert len(load_check_system().glibc_faults(name, version)) == found


def test_a_missing_part_of_python_is_named_with_its_package() -> None:
    check = load_check_system()
    (fault,) = check.module_faults(("json", "ensurepip_that_is_not_there"))
    assert "lacks ensurepip_that_is_not_there." in fault
    assert "-venv" in fault
    assert check.module_faults(check.MODULES) == []


def test_a_missing_system_library_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    check = load_check_system()
    libraries = (("libnot_there.so.1", "libnot1", "not-there"), ("libgone.so.2", "libgone2", "gone"))
    monkeypatch.setattr(check.shutil, "which", lambda tool: f"/bin/{tool}" if tool == "apt" else None)
    (fault,) = check.library_faults(libraries)
    assert "libnot_there.so.1 libgone.so.2" in fault
    assert fault.splitlines()[1:] == ["    sudo apt install libnot1 libgone2"]
    monkeypatch.setattr(check.shutil, "which", lambda tool: None)
    assert "sudo dnf install not-there gone" in check.library_faults(libraries)[0]


def test_a_window_needs_a_screen_and_more_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    check = load_check_system()
    monkeypatch.setattr(check, "can_load", lambda name: "xcb" not in name)
    assert check.library_faults(check.QT_LIBRARIES) == [], "tests need no screen"
    (fault,) = check.window_faults({})
    assert "no screen" in fault
    (fault,) = check.window_faults({"DISPLAY": ":0"})
    assert "libxcb-cursor0" in fault
    assert check.window_faults({"WAYLAND_DISPLAY": "wayland-0"}) == []
    assert check.window_faults({"DISPLAY": ":0", "QT_QPA_PLATFORM": "offscreen"}) == []


def test_the_check_for_ci_is_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").splitlines()[-1] == "exec make test"


@pytest.mark.parametrize("host", ["192.0.2.1", "0.0.0.0"])
def test_no_test_reaches_another_computer(host: str) -> None:
    with socket.socket() as link:
        with pytest.raises(RuntimeError, match="leave this computer"):
            link.connect((host, 9))
        with pytest.raises(RuntimeError, match="leave this computer"):
            link.connect_ex((host, 9))
        with pytest.raises(RuntimeError, match="leave this computer"):
            link.bind((host, 0))


def test_no_test_asks_for_the_name_of_another_computer() -> None:
    with pytest.raises(RuntimeError, match=r"leave this computer.*dermagui\.invalid"):
        socket.getaddrinfo("dermagui.invalid", 443)


def test_loopback_stays_open() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as link,
    ):
        link.sendall(b"here")
        with server.accept()[0] as accepted:
            assert accepted.recv(4) == b"here"


def test_the_children_of_a_test_are_offline_too() -> None:
    script = "import socket; socket.create_connection(('192.0.2.1', 9), timeout=1)"
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "a test tried to leave this computer" in child.stderr


def test_a_test_has_an_empty_data_folder_and_no_key(dermagui_home: Path, tmp_path: Path) -> None:
    assert os.environ["DERMAGUI_HOME"] == str(dermagui_home)
    assert list(dermagui_home.iterdir()) == []
    assert not dermagui_home.is_relative_to(tmp_path)
    assert [name for name in os.environ if name.startswith(("GEMINI_", "GOOGLE_"))] == []


@pytest.mark.slow
def test_a_thread_that_is_left_running_fails_its_test(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "offline").symlink_to(ROOT / "tests" / "offline")
    (tmp_path / "test_threads.py").write_text(
        "import threading, time\n"
        "def test_leaves_one():\n    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "def test_joins_one():\n    one = threading.Thread(target=int)\n    one.start()\n    one.join()\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        tmp_path,
        tmp_path,
    ]
    inner = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert inner.returncode == 1
    assert "threads that this test started and left running" in inner.stdout
    assert "2 passed, 1 error" in inner.stdout
