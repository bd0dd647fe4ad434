"""Errors are codes and plain values, and stay so on their way through processes."""

from __future__ import annotations

import errno
import json
import os
import pickle
from pathlib import Path

import pytest

from dermagui.errors import DataError, DermaError, ServiceError, Stopped, UserError, from_os_error


@pytest.mark.parametrize("kind", [UserError, ServiceError, DataError, Stopped])
def test_an_error_survives_the_way_between_processes(kind: type[DermaError]) -> None:
    error = kind("image.truncated", path="a ü.png", count=3)
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert (back.code, back.values) == (error.code, error.values)
    assert str(back) == str(error) == "image.truncated (path='a ü.png', count=3)"
    assert str(kind("job.stopped")) == "job.stopped"


REFUSALS = {
    errno.ENOSPC: "disk.full",
    errno.EDQUOT: "disk.full",
    errno.EACCES: "disk.not_writable",
    errno.EPERM: "disk.not_writable",
    errno.EROFS: "disk.not_writable",
    errno.ENOENT: "disk.gone",
    errno.ENAMETOOLONG: "disk.name_too_long",
    errno.EIO: "disk.failed",
}


@pytest.mark.parametrize("number", REFUSALS)
def test_what_the_disk_refused_is_told_with_its_place(number: int) -> None:
    error = from_os_error(OSError(number, os.strerror(number)), "/a place")
    assert isinstance(error, UserError)
    assert (error.code, error.values["path"]) == (REFUSALS[number], "/a place")
    named = from_os_error(OSError(number, os.strerror(number), b"/a \xff file"), "/a place")
    assert named.values["path"] == r"/a \xff file"


def test_real_refusals_are_recognised(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as gone:
        (tmp_path / "nowhere" / "x").read_bytes()
    assert from_os_error(gone.value, tmp_path).values["path"] == str(tmp_path / "nowhere" / "x")
    with pytest.raises(OSError, match="name too long") as long:
        (tmp_path / ("x" * 300)).write_bytes(b"")
    assert from_os_error(long.value, tmp_path).code == "disk.name_too_long"


def test_an_error_without_a_number_still_tells_something() -> None:
    error = from_os_error(OSError("the drive is on fire"), Path("/a"))
    assert (error.code, error.values["detail"]) == ("disk.failed", "the drive is on fire")
    json.dumps(error.values)
    by_descriptor = OSError(errno.EIO, "I/O error", 5)
    assert from_os_error(by_descriptor, "/a").values["path"] == "/a"
