"""Opening and recognising files: by content, never waiting, every failure a code."""

from __future__ import annotations

import errno
import os
import pickle
import socket
from pathlib import Path

import pytest

from dermagui.errors import DataError
from dermagui.library import opening
from dermagui.library.facts import file_facts
from dermagui.library.opening import decoder_errors, file_error, open_file, recognise
from tests.library.example_pictures import one_of_each_format

ROOT_READS_ALL = hasattr(os, "geteuid") and os.geteuid() == 0


def code_of(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        open_file(path)
    return caught.value.code


def test_a_pipe_that_nobody_writes_to_does_not_block(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    assert code_of(pipe) == "image.not_regular"


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    door = tmp_path / "s.jpg"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(door))
        assert code_of(door) == "image.not_regular"
    assert code_of(tmp_path) == "image.not_regular"
    assert code_of(Path("/dev/zero")) == "image.not_regular"


def test_missing_empty_and_dangling(tmp_path: Path) -> None:
    assert code_of(tmp_path / "none.jpg") == "image.vanished"
    (tmp_path / "empty.jpg").touch()
    assert code_of(tmp_path / "empty.jpg") == "image.empty"
    (tmp_path / "link.jpg").symlink_to("nowhere.jpg")
    assert code_of(tmp_path / "link.jpg") == "image.vanished"
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    assert code_of(tmp_path / "self.jpg") == "image.vanished"


@pytest.mark.skipif(ROOT_READS_ALL, reason="root may read every file")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret.jpg"
    path.write_bytes(b"x")
    path.chmod(0)
    assert code_of(path) == "image.permission"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EACCES, "image.permission"),
        (errno.EPERM, "image.permission"),
        (errno.ESTALE, "image.vanished"),
        (errno.EIO, "image.read_failed"),
    ],
)
def test_errors_of_the_system_become_codes(number: int, code: str) -> None:
    assert file_error(OSError(number, "x")).code == code
    with pytest.raises(DataError) as caught, decoder_errors():
        raise OSError(number, "x")
    assert caught.value.code == code


@pytest.mark.parametrize("name", one_of_each_format())
def test_formats_are_told_by_content(tmp_path: Path, name: str) -> None:
    path = tmp_path / "wrong suffix.txt"
    path.write_bytes(one_of_each_format()[name])
    with open_file(path) as content:
        assert recognise(content) == name.partition("_")[0].replace("progressive", "jpeg")
        assert content.tell() == 0


@pytest.mark.parametrize(
    "content",
    [
        b"not a picture",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"8BPS\0\1",
        b"\xd7\xcd\xc6\x9a" + bytes(40),
        b"SIMPLE  =                    T",
        b"BM" + bytes(40),
        b"\0\0\0\x18ftypisom\0\0\2\0isomiso2mp41",
        bytes(4096),
        b"RIFF\0\0\0\0WAVEfmt ",
    ],
)
def test_what_is_no_format_of_ours_reaches_no_decoder(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(content)
    with open_file(path) as opened, pytest.raises(DataError, match=r"image\.not_an_image"):
        recognise(opened)


@pytest.mark.parametrize("name", one_of_each_format())
def test_large_files_are_read_from_the_disk_with_the_same_result(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "picture"
    path.write_bytes(one_of_each_format()[name])
    in_memory = file_facts(path)
    monkeypatch.setattr(opening, "IN_MEMORY_BYTES", 0)
    assert file_facts(path) == in_memory


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "image.too_large"),
        (EOFError(), "image.truncated"),
        (OSError("image file is truncated (3 bytes not processed)"), "image.truncated"),
        (SyntaxError("cannot handle 12-bit layers"), "image.unsupported_codec"),
        (KeyError(7), "image.corrupt"),
        (RecursionError("x" * 1000 + "\udcff"), "image.corrupt"),
    ],
)
def test_what_decoders_raise_becomes_a_plain_code(error: Exception, code: str) -> None:
    with pytest.raises(DataError) as caught, decoder_errors():
        raise error
    assert caught.value.code == code
    assert len(str(caught.value.values.get("detail", ""))) <= 200
    assert pickle.loads(pickle.dumps(caught.value)).values == caught.value.values


def test_a_stop_of_the_user_is_no_picture_error() -> None:
    with pytest.raises(KeyboardInterrupt), decoder_errors():
        raise KeyboardInterrupt
