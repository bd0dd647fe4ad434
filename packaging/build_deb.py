"""Packs ``dist/dermagui``, which ``build_app.py`` made, as a Debian package for this machine's architecture.

``python packaging/build_deb.py [--app FOLDER] [--out FOLDER]`` prints where the package lies. It depends on
the packages of all libraries that are needed inside and do not lie there; and on a font, since Qt paints
empty boxes without one and complains of nothing.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINUX = ROOT / "packaging" / "linux"
ID = "org.dermagui.dermagui"
FONTS = "fontconfig-config, fonts-dejavu-core | fonts-freefont-ttf | fonts-noto-core"
CONTROL = """Package: dermagui
Version: {version}
Architecture: {architecture}
Maintainer: The authors of dermagui <dermagui@localhost>
Installed-Size: {size_kib}
Depends: {depends}
Section: science
Priority: optional
Description: from a folder of skin images to an AI model of one's own
 Images become pairs of questions and answers, people review them, a model is
 tuned with what was accepted, and it answers on this computer.
 .
 Research use only. Not a medical device. Do not use for diagnosis.
"""


def main() -> int:
    """Builds the package and says where it lies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--app", type=Path, default=ROOT / "dist" / "dermagui", help="the frozen folder")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where the package goes")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dermagui-deb-") as made:
        tree = Path(made) / "dermagui"
        lay_out(tree, chosen.app)
        write_control(tree)
        print(pack(tree, chosen.out))
    return 0


def lay_out(tree: Path, app: Path) -> None:
    """Puts every file where the installed system has it."""
    inside = tree / "usr" / "lib" / "dermagui"
    shutil.copytree(app, inside, symlinks=True)
    for path in inside.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o755 if path.parent == inside else 0o644)  # the two programs; libraries are not run
    link = tree / "usr" / "bin" / "dermagui"
    link.parent.mkdir(parents=True)
    link.symlink_to("../lib/dermagui/dermagui")
    share = tree / "usr" / "share"
    put(share / "applications" / f"{ID}.desktop", (LINUX / f"{ID}.desktop").read_bytes())
    put(share / "metainfo" / f"{ID}.metainfo.xml", metainfo().encode())
    icon = ROOT / "resources" / "icons" / "dermagui.svg"
    put(share / "icons" / "hicolor" / "scalable" / "apps" / f"{ID}.svg", icon.read_bytes())
    put(share / "doc" / "dermagui" / "copyright", (LINUX / "copyright").read_bytes())
    put(share / "doc" / "dermagui" / "changelog.gz", gzip.compress(changelog().encode(), mtime=0))


def put(path: Path, content: bytes) -> None:
    """Writes a file that everybody may read, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o644)


def version() -> str:
    """The version that the package dermagui names."""
    text = (ROOT / "dermagui" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    assert found is not None
    return found[1]


def metainfo() -> str:
    """What software centres show, with this version and the day of the build."""
    text = (LINUX / f"{ID}.metainfo.xml").read_text(encoding="utf-8")
    return text.replace("@VERSION@", version()).replace("@DATE@", time.strftime("%Y-%m-%d", built_at()))


def changelog() -> str:
    """The one entry that Debian wants to see."""
    day = time.strftime("%a, %d %b %Y %H:%M:%S +0000", built_at())
    return (
        f"dermagui ({version()}) unstable; urgency=medium\n\n  * This release.\n\n"
        f" -- The authors of dermagui <dermagui@localhost>  {day}\n"
    )


def built_at() -> time.struct_time:
    """The moment of the build, or the one that whoever builds reproducibly names."""
    return time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))


def write_control(tree: Path) -> None:
    """Writes what dpkg reads of the package."""
    size = sum(path.lstat().st_size for path in tree.rglob("*") if path.is_file())
    text = CONTROL.format(
        version=version(),
        architecture=said_by("dpkg", "--print-architecture").strip(),
        size_kib=size // 1024,
        depends=f"{library_packages(tree / 'usr' / 'lib' / 'dermagui')}, {FONTS}",
    )
    put(tree / "DEBIAN" / "control", text.encode())


def library_packages(inside: Path) -> str:
    """The packages of what is needed and does not lie inside, and the oldest C library that will do."""
    libraries = [path for path in inside.rglob("*.so*") if path.is_file() and not path.is_symlink()]
    told = said_by("objdump", "-p", *map(str, [inside / "dermagui", *libraries]))
    needed = set(re.findall(r"^\s+NEEDED\s+(\S+)", told, re.MULTILINE))
    lacking = needed - {path.name for path in inside.rglob("*.so*")}
    owners = owners_of(lacking)
    if without := lacking - owners.keys():
        sys.exit(f"No package of this machine has {', '.join(sorted(without))}.")
    oldest = max((int(part), int(rest)) for part, rest in re.findall(r"\bGLIBC_(\d+)\.(\d+)", told))
    names = sorted({*owners.values()} - {"libc6"})
    return ", ".join([f"libc6 (>= {oldest[0]}.{oldest[1]})", *names])


def owners_of(libraries: set[str]) -> dict[str, str]:
    """Library → package, of those that lie where the loader looks."""
    told = said_by("dpkg", "--search", *(f"*/{name}" for name in sorted(libraries)))
    found = re.findall(r"^([^:,\s]+)[^/]*: /\S*-linux-gnu/([^/\s]+)$", told, re.MULTILINE)
    return {name: package for package, name in found}


def pack(tree: Path, out: Path) -> Path:
    """Makes the package of the tree; all of it belongs to root, whoever builds."""
    out.mkdir(parents=True, exist_ok=True)
    package = out / f"dermagui_{version()}_{said_by('dpkg', '--print-architecture').strip()}.deb"
    said_by("dpkg-deb", "--root-owner-group", "-Zzstd", "-z12", "--build", str(tree), str(package))
    return package


def said_by(*command: str) -> str:
    """What a command prints; one that fails ends the build with its own words."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} failed: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
