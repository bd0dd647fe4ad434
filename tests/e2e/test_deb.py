"""The Debian package: built from the frozen folder, installed into an empty root, run there, and removed."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("dpkg-deb") and shutil.which("objdump")), reason="needs dpkg and binutils"
    ),
    pytest.mark.skipif(not importlib.util.find_spec("PyInstaller"), reason="make installs PyInstaller"),
]


_START = """
mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" &&
exec chroot "$1" /usr/bin/env -i HOME=/root /usr/bin/dermagui window --pictures /root/pictures
"""
"""What the kernel gives every system, and the program with nothing in its environment but a home."""


def said_by(*command: str | Path) -> str:
    """What a command prints; it must not fail."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    return done.stdout


@pytest.fixture(scope="module")
def package(app: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the frozen folder."""
    out = tmp_path_factory.mktemp("deb")
    return Path(
        said_by(sys.executable, ROOT / "packaging" / "build_deb.py", "--app", app, "--out", out).strip()
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty system, as dpkg knows one."""
    made = tmp_path / "root"
    for folder in ("info", "updates", "triggers"):
        (made / "var" / "lib" / "dpkg" / folder).mkdir(parents=True)
    (made / "var" / "lib" / "dpkg" / "status").touch()
    (made / "var" / "log").mkdir()
    return made


def dpkg(root: Path, *arguments: str | Path) -> str:
    """Installs or removes there; that root has no other packages to depend on."""
    return said_by("dpkg", f"--root={root}", "--force-depends,not-root,script-chrootless", *arguments)


def files_of(root: Path) -> set[str]:
    """All files but dpkg's own."""
    everything = (path.relative_to(root) for path in root.rglob("*") if not path.is_dir())
    return {os.fspath(path) for path in everything if path.parts[0] != "var"}


def depends_of(package: Path) -> list[str]:
    """The names of the packages that it depends on, the first of each choice."""
    said = said_by("dpkg-deb", "--field", package, "Depends")
    return [re.split(r"[ (|]", depended.strip())[0] for depended in said.split(",")]


def test_it_is_installed_run_and_removed(package: Path, root: Path, tmp_path: Path) -> None:
    dpkg(root, "--install", package)
    assert "usr/share/applications/org.dermagui.dermagui.desktop" in files_of(root)
    home = tmp_path / "home"
    home.mkdir()
    for arguments in (["--version"], ["new", home / "study"]):
        done = subprocess.run(
            [root / "usr" / "bin" / "dermagui", *arguments],
            env={"HOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert (home / "study" / "dermagui.db").is_file()
    dpkg(root, "--purge", "dermagui")
    assert files_of(root) == set()


def test_it_depends_on_what_its_libraries_need_and_lack(package: Path) -> None:
    """Each is a package that this machine knows; a library of our own is never among them."""
    depended = depends_of(package)
    assert {"libc6", "libgl1", "libegl1", "fontconfig-config"} <= set(depended)
    assert not [name for name in depended if name.startswith(("libqt6", "libpython", "python3"))]
    for name in depended:
        said_by("dpkg-query", "--show", name)


def may_change_root() -> bool:
    """Whether this process may have file systems of its own and another root."""
    if not (shutil.which("unshare") and shutil.which("chroot")):
        return False
    tried = subprocess.run(["unshare", "--mount", "chroot", "/", "true"], capture_output=True, check=False)
    return tried.returncode == 0


@pytest.mark.skipif(not may_change_root(), reason="only root may change the root")
def test_what_it_depends_on_is_all_that_it_needs(package: Path, root: Path) -> None:
    """It draws its window in a root in which nothing lies but the files of those packages, and of theirs."""
    for link in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / link).mkdir(parents=True)
        (root / link).symlink_to(f"usr/{link}")
    for name in closure(depends_of(package)):
        bring(root, name)
    dpkg(root, "--install", package)
    for folder in ("tmp", "root", "proc", "dev"):
        (root / folder).mkdir(exist_ok=True)
    (root / "start").write_text(_START, encoding="utf-8")
    said_by("unshare", "--mount", "--pid", "--fork", "sh", root / "start", root)
    assert (root / "root" / "pictures" / "light-none-library.png").stat().st_size > 10_000


def closure(names: list[str]) -> set[str]:
    """These packages, and those that they depend on, as they are installed here; and one that has ``env``."""
    found: set[str] = set()
    waiting = [*names, "coreutils"]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        query = ["dpkg-query", "--show", "--showformat=${db:Status-Status},${Pre-Depends},${Depends}", name]
        shown = subprocess.run(query, capture_output=True, text=True, check=False)
        state, *wanted = re.split(r"[,|]", shown.stdout)
        if state == "installed":  # one of several that would do, or a name that another package provides
            found.add(name)
            waiting += [re.split(r"[ :(]", part.strip())[0] for part in wanted if part.strip()]
    return found


def bring(root: Path, name: str) -> None:
    """Copies the files of a package from this machine."""
    for line in said_by("dpkg-query", "--listfiles", name).splitlines():
        source = Path(line)
        place = root / "usr" / line[1:] if re.match(r"/(bin|sbin|lib|lib64)/", line) else root / line[1:]
        if source.is_dir() and not source.is_symlink():
            place.mkdir(parents=True, exist_ok=True)
        elif (source.exists() or source.is_symlink()) and not place.exists() and not place.is_symlink():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, place, follow_symlinks=False)


@pytest.mark.skipif(not shutil.which("appstreamcli"), reason="needs appstream")
def test_software_centres_understand_it(package: Path, root: Path) -> None:
    dpkg(root, "--install", package)
    share = root / "usr" / "share"
    said_by("appstreamcli", "validate", "--no-net", *(share / "metainfo").iterdir())
    if shutil.which("desktop-file-validate"):
        said_by("desktop-file-validate", *(share / "applications").iterdir())
