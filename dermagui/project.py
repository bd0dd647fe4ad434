"""Opens a project folder: takes its lock, opens its database, and closes both again."""

from __future__ import annotations

import getpass
import json
import os
import platform
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from dermagui import paths
from dermagui.errors import UserError, from_os_error
from dermagui.storage.database import Store, create_database

LOCK_NAME = "dermagui.lock"


class Project:
    """An open project. ``held_by`` names another computer that has it open; then it is read-only."""

    def __init__(self, folder: Path) -> None:
        """Opens the project in ``folder``. Raises what ``Store`` raises."""
        self.folder = folder.resolve()
        if not (self.folder / paths.DATABASE_NAME).is_file():
            raise UserError("project.not_found", path=paths.display_path(folder))
        self._lock, self.held_by = _take_lock(self.folder / LOCK_NAME)
        try:
            self.store = Store(self.folder, read_only=self._lock is None)
        except BaseException:
            self._release()
            raise

    def close(self) -> None:
        """Closes the database and gives the lock back."""
        self.store.close()
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> Project:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def create_project(folder: Path) -> None:
    """Makes a new project in a folder that does not exist or is empty.

    Raises ``UserError``: ``project.exists``, ``project.folder_not_empty``, or what the disk refuses.
    """
    try:
        if (folder / paths.DATABASE_NAME).exists():
            raise UserError("project.exists", path=paths.display_path(folder))
        if folder.exists() and any(folder.iterdir()):
            raise UserError("project.folder_not_empty", path=paths.display_path(folder))
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("cache", "jobs"):
            (folder / name).mkdir()
    except OSError as error:
        raise from_os_error(error, folder) from error
    try:
        create_database(folder)
    except UserError:
        # A project that is half made would stand in the way of the next attempt.
        _empty(folder)
        raise


def copy_project(source: Path, folder: Path) -> None:
    """Saves a copy of a project, as it is at this moment, in a folder that does not exist or is empty.

    Pictures lie outside of projects and are not copied; caches are made anew. Raises what
    ``create_project`` and ``Store`` raise; then nothing is left in ``folder``.
    """
    if folder.resolve().is_relative_to(source.resolve()):
        raise UserError("project.copy_inside", path=paths.display_path(folder))
    create_project(folder)
    try:
        with Store(source, read_only=True) as store:
            store.copy_to(folder / paths.DATABASE_NAME)
    except BaseException:
        _empty(folder)
        raise


def home_project() -> Path:
    """The data folder as the place of the jobs that concern no project, such as downloads.

    It has a database of its own, made on first use; so such a job is claimed, started, followed, stopped
    and buried like every other. Raises what the disk refuses.
    """
    folder = paths.data_folder()
    create_database(folder)
    return folder


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.rmdir() if path.is_dir() else path.unlink()


def _identity() -> dict[str, str]:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in a bare container
        user = ""
    return {"computer": platform.node(), "user": user}


def _take_lock(path: Path) -> tuple[IO[str] | None, dict[str, str] | None]:
    """The lock that the processes of this computer share, or who else holds it.

    Whoever comes first holds the lock alone for a moment and writes down the computer's name; then
    everybody on that computer shares it.
    """
    try:
        lock = path.open("a+", encoding="utf-8")
    except OSError:
        return None, None
    for _ in range(40):
        if _lock_file(lock, shared=False):
            _sign(lock)
        if _lock_file(lock, shared=True):
            lock.seek(0)
            holder: dict[str, str] = {}
            with suppress(ValueError):
                holder = json.loads(lock.read())
            if holder.get("computer") in (None, platform.node()):
                return lock, None
            lock.close()
            return None, holder
        time.sleep(0.05)
    lock.close()
    raise UserError("project.busy", path=paths.display_path(path.parent))


def _sign(lock: IO[str]) -> None:
    try:
        lock.truncate(0)
        os.write(lock.fileno(), json.dumps(_identity()).encode())
    except OSError as error:
        lock.close()
        raise from_os_error(error, lock.name) from error


def _lock_file(file: IO[str], *, shared: bool) -> bool:
    """Locks a file without waiting; a lock that is held is changed. The lock ends with the file."""
    if sys.platform == "win32":
        return _lock_file_windows(file, shared)
    import fcntl

    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _lock_file_windows(file: IO[str], shared: bool) -> bool:
    """``LockFileEx`` on a byte far behind the text, which stays readable. Not yet run on Windows."""
    import ctypes
    import msvcrt
    from ctypes import wintypes

    class Overlapped(ctypes.Structure):
        _fields_ = [
            ("internal", ctypes.c_void_p),
            ("internal_high", ctypes.c_void_p),
            ("offset", wintypes.DWORD),
            ("offset_high", wintypes.DWORD),
            ("event", wintypes.HANDLE),
        ]

    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
    handle = msvcrt.get_osfhandle(file.fileno())  # type: ignore[attr-defined]
    far = ctypes.byref(Overlapped(offset=0, offset_high=1))
    if shared:  # Windows does not change a lock in place
        kernel.UnlockFileEx(handle, 0, 1, 0, far)
    fail_immediately, exclusive = 1, 2
    return bool(kernel.LockFileEx(handle, fail_immediately | (0 if shared else exclusive), 0, 1, 0, far))
