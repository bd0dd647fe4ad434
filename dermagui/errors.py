"""The whole error tree of dermagui.

::

    DermaError            code and values, never wording (``texts.py`` words every code)
    ├── UserError         the user can mend it: a wrong path, a missing licence, a full disk
    ├── ServiceError      a remote service said no or did not answer
    ├── DataError         a file or an answer is not what it claims to be
    └── Stopped           the work was stopped, parked or reached its budget; running again continues it

Anything else that is raised is our own bug.
"""

from __future__ import annotations

import errno
import os

from dermagui.paths import display_path


class DermaError(Exception):
    """An expected failure, told by a code such as ``image.truncated`` and its values.

    Values must be plain (str, int, float, bool, None or lists of these): they travel through
    ``events.jsonl`` and through the database.
    """

    def __init__(self, code: str, **values: object) -> None:
        super().__init__(code, values)
        self.code = code
        self.values = values

    def __str__(self) -> str:
        details = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        return f"{self.code} ({details})" if details else self.code

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.code, self.values)


class UserError(DermaError):
    """Something that the user can mend."""


class ServiceError(DermaError):
    """A remote service refused or failed."""


class DataError(DermaError):
    """A file or an answer is not what it claims to be."""


class Stopped(DermaError):
    """Work ended before its end on purpose; what is done is kept, running again continues."""


def _rebuild(kind: type[DermaError], code: str, values: dict[str, object]) -> DermaError:
    return kind(code, **values)


def from_os_error(error: OSError, place: str | os.PathLike[str]) -> UserError:
    """What the disk refused, as an error with a cure: full, not writable, gone, or failed."""
    known = {
        errno.ENOSPC: "disk.full",
        errno.EDQUOT: "disk.full",
        errno.EACCES: "disk.not_writable",
        errno.EPERM: "disk.not_writable",
        errno.EROFS: "disk.not_writable",
        errno.ENOENT: "disk.gone",
        errno.ENOTDIR: "disk.not_a_folder",
        errno.EEXIST: "disk.not_a_folder",
        errno.ENAMETOOLONG: "disk.name_too_long",
    }
    path = display_path(error.filename if isinstance(error.filename, (str, bytes)) else place)
    return UserError(
        known.get(error.errno or 0, "disk.failed"), path=path, detail=error.strerror or str(error)
    )
