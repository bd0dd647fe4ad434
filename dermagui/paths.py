"""Where things lie: the user's folders, the resources that ship with the program, a project's parts.

``DERMAGUI_HOME`` moves everything that belongs to the user into one folder.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from platformdirs import PlatformDirs

_DIRS = PlatformDirs("dermagui", appauthor=False)

DATABASE_NAME = "dermagui.db"
"""The file that makes a folder a project."""


def data_folder() -> Path:
    """Things worth keeping: the ledger, the airplane flag, bundles."""
    return _folder("data", _DIRS.user_data_path)


def config_folder() -> Path:
    """Settings and the user's own price table."""
    return _folder("config", _DIRS.user_config_path)


def log_folder() -> Path:
    """Rotating logs of the program itself; never names of files or patients."""
    return _folder("logs", _DIRS.user_log_path)


def policy_file() -> Path:
    """The settings that whoever runs this machine has fixed for everybody on it."""
    return _DIRS.site_config_path / "policy.toml"


def resources() -> Path:
    """The folder of data that ships with the program: checkout, installed wheel or frozen."""
    frozen = getattr(sys, "_MEIPASS", None)
    package = Path(__file__).parent
    places = (
        [Path(frozen) / "resources"] if frozen else [package.parent / "resources", package / "_resources"]
    )
    for place in places:
        if (place / "banks").is_dir():
            return place
    raise FileNotFoundError(f"the program's resources are missing: looked in {', '.join(map(str, places))}")


def display_path(path: str | bytes | os.PathLike[str]) -> str:
    """A path as text that can be printed, stored and sent as JSON: bytes that are no UTF-8 are escaped."""
    raw = os.fsencode(path)
    return raw.decode("utf-8", "backslashreplace")


def is_network_folder(folder: Path) -> bool:
    """Whether a folder lies on a network file system, where SQLite's WAL must not be used.

    Linux reads the mount table, Windows asks for the drive's type; elsewhere the answer is no.
    """
    if sys.platform == "win32":
        import ctypes

        drive = os.path.splitdrive(folder.resolve())[0]
        return drive.startswith("\\\\") or ctypes.windll.kernel32.GetDriveTypeW(drive + "\\") == 4
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return _file_system(folder.resolve(), mounts).removeprefix("fuse.") in _NETWORK_FILE_SYSTEMS


_NETWORK_FILE_SYSTEMS = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "davfs", "sshfs", "rclone", "gvfsd-fuse"),
    *("ceph", "glusterfs", "beegfs", "gpfs", "lustre"),
}


def _file_system(folder: Path, mounts: list[str]) -> str:
    best, kind = "", ""
    for line in mounts:
        _, point, file_system, *_ = line.split(" ")
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point)
        if len(point) >= len(best) and (folder == Path(point) or Path(point) in folder.parents):
            best, kind = point, file_system
    return kind


def _folder(name: str, otherwise: Path) -> Path:
    home = os.environ.get("DERMAGUI_HOME")
    folder = Path(home) / name if home else otherwise
    folder.mkdir(parents=True, exist_ok=True)
    return folder
