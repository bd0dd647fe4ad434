"""Freezes dermagui into ``dist/dermagui``: one folder that needs no Python, with two programs in it.

``python packaging/build_app.py`` runs PyInstaller on ``dermagui.spec``, puts the licences of everything that
is inside into it, looks for what must not be there, and prints size and start-up.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
APP = ROOT / "dist" / "dermagui"
INSIDE = APP / "_internal"
LICENCES = ROOT / "build" / "licences"
LICENCES_OF_QT = ROOT / "resources" / "licences"
"""The wheels of Qt bring no texts of their own."""

FORBIDDEN = ("libreadline", "torch", "pandas", "pyarrow", "PySide6/Qt/qml", "libQt6Qml", "libQt6Quick")
"""What would bring the GPL or some hundred megabytes along."""

# Short ones such as /usr are everybody's.
PLACES = re.compile(
    b"|".join(re.escape(os.fsencode(place)) for place in (ROOT, sys.base_prefix) if len(str(place)) > 12)
    or b"(?!)"
)
"""Folders of this machine: this checkout, and where its Python lies."""


def main() -> int:
    """Builds, checks, and tells; 1 where something is inside that must not be."""
    gather_licences()
    freeze()
    strip_symbols()
    forget_places()
    gather_host_licences()
    faults = [*forbidden_files(), *host_paths()]
    for fault in faults:
        print(f"packaging/build_app.py: {fault}", file=sys.stderr)
    size_bytes = sum(path.stat().st_size for path in files_inside())
    print(f"{APP.relative_to(ROOT)}: {size_bytes / 1e6:.0f} MB, starts in {start_seconds():.2f} s")
    return 1 if faults else 0


def freeze() -> None:
    """Runs PyInstaller; equal sources give equal bytes."""
    command = [
        *(sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"),
        *("--distpath", str(ROOT / "dist"), "--workpath", str(ROOT / "build" / "pyinstaller")),
        str(ROOT / "packaging" / "dermagui.spec"),
    ]
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1767225600", "PYTHONHASHSEED": "0"}
    subprocess.run(command, check=True, env=environment, cwd=ROOT)


def strip_symbols() -> None:
    """Takes the symbols out of what was built on this machine. Wheels come stripped, and a second time
    breaks libraries whose pages were moved.
    """
    if sys.platform == "linux" and shutil.which("strip"):
        built_here = [*host_libraries(), *INSIDE.glob("python3*/lib-dynload/*.so")]
        subprocess.run(["strip", "--strip-unneeded", *built_here], check=True)


def gather_licences() -> None:
    """The licence texts of every locked package, of Python, and our own, below ``build/licences``."""
    shutil.rmtree(LICENCES, ignore_errors=True)
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "packaging" / "locks" / "app.txt").read_text(), re.MULTILINE)
    told = []
    for name in sorted({*locked, "llama-cpp-python"}):
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform
        texts = licence_files(package) or sorted(LICENCES_OF_QT.iterdir())
        copied = [copy_to(path, LICENCES / name) for path in texts]
        told.append(f"{name} {package.version}: {licence_of(package)} ({len(copied)} texts)")
    copy_to(ROOT / "LICENSE", LICENCES / "dermagui")
    copy_to(ROOT / "resources" / "LICENSE", LICENCES / "dermagui-resources")
    python = Path(sysconfig.get_path("stdlib")) / "LICENSE.txt"
    if python.is_file():
        copy_to(python, LICENCES / "python")
    (LICENCES / "packages.txt").write_text("\n".join(told) + "\n", encoding="utf-8")


def licence_files(package: importlib.metadata.Distribution) -> list[Path]:
    """The files of a package that look like its licence."""
    names = re.compile(r"(?i)(^|/)(licen[cs]e|copying|notice|authors)[^/]*$|/licenses/")
    found = [Path(str(package.locate_file(file))) for file in package.files or () if names.search(str(file))]
    return [path for path in found if path.is_file() and path.suffix not in (".py", ".pyc")]


def licence_of(package: importlib.metadata.Distribution) -> str:
    """What a package's metadata says its licence is, in one line."""
    metadata = package.metadata
    said = metadata.get_all("License-Expression") or [
        text.rpartition(" :: ")[2] for text in metadata.get_all("Classifier") or () if "Licen" in text
    ]
    text = "; ".join(said or metadata.get_all("License") or ["unknown"])
    return text.strip().splitlines()[0]


def gather_host_licences() -> None:
    """The licences of libraries that came from this machine and from no package, as Debian keeps them."""
    told = []
    for library in host_libraries():
        owner = owner_of(library.name)
        text = Path("/usr/share/doc") / owner / "copyright"
        if owner and text.is_file():
            copy_to(text, INSIDE / "licences" / "system" / owner)
        told.append(f"{library.name}: {owner or 'built with Python'}")
    (INSIDE / "licences" / "system.txt").write_text("\n".join(told) + "\n", encoding="utf-8")


def host_libraries() -> list[Path]:
    """The libraries at the top of the folder, where PyInstaller puts what it found on the machine."""
    return sorted(path for path in INSIDE.glob("*.so*") if path.is_file() and not path.is_symlink())


def owner_of(library: str) -> str:
    """The Debian package that a library belongs to, or an empty text."""
    if not shutil.which("dpkg"):
        return ""
    found = subprocess.run(["dpkg", "-S", f"*/{library}"], capture_output=True, text=True, check=False)
    return found.stdout.partition(":")[0].partition(",")[0].strip()


def forbidden_files() -> Iterator[str]:
    """Files that must not be inside."""
    for path in INSIDE.rglob("*"):
        name = path.relative_to(INSIDE).as_posix()
        if name.startswith(FORBIDDEN) or any(f"/{part}" in name for part in FORBIDDEN):
            yield f"{name} must not be inside"


def host_paths() -> Iterator[str]:
    """Files that name folders of this machine: its home, this checkout, or where Python lies."""
    for path in files_inside():
        found = PLACES.search(path.read_bytes())
        if found:
            yield f"{path.relative_to(APP)} names {found[0].decode()}"


def forget_places() -> None:
    """Writes as many other letters over the folders of this machine that libraries name, in search paths
    and as the home of the Python that they were built for; a frozen program uses neither. The last part
    of each stays: linkers keep no second copy of a text that another one ends with, such as the "3.11.7" of
    "/opt/python/3.11.7", and Python tells its version with it.
    """
    for path in files_inside():
        content = path.read_bytes()
        if PLACES.search(content):
            path.write_bytes(PLACES.sub(lambda found: nowhere(found[0]), content))


def nowhere(place: bytes) -> bytes:
    """A folder that is not there, with as long a name and the same last part."""
    folder, slash, last = place.rpartition(b"/")
    return b"/nonexistent".ljust(len(folder), b"-")[: len(folder)] + slash + last


def files_inside() -> Iterator[Path]:
    """All files of the app that are no links."""
    return (path for path in sorted(APP.rglob("*")) if path.is_file() and not path.is_symlink())


def start_seconds() -> float:
    """How long the console program takes to say its version, the second time."""
    command = [str(APP / ("dermagui-console" + (".exe" if os.name == "nt" else ""))), "--version"]
    for _ in range(2):
        start = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def copy_to(path: Path, folder: Path) -> Path:
    """Copies a file into a folder, which is made; where the name is taken, its folder's name goes along."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / path.name
    if target.exists():
        target = folder / f"{path.parent.name}-{path.name}"
    shutil.copyfile(path, target)
    return target


if __name__ == "__main__":
    sys.exit(main())
