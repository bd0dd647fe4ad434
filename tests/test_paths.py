"""Where things lie, names that are no UTF-8, and folders that lie on a server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dermagui import paths

MOUNTS = r"""sysfs /sys sysfs rw 0 0
/dev/sda1 / ext4 rw,relatime 0 0
server:/export /mnt/nfs nfs4 rw 0 0
//nas/share /mnt/two\040words cifs rw 0 0
tmpfs /mnt/nfs/cache tmpfs rw 0 0
user@host: /home/ada/Über\011tab fuse.sshfs rw 0 0
systemd-1 /auto autofs rw 0 0
server:/auto /auto nfs rw 0 0
gvfsd-fuse /run/user/1000/gvfs fuse.gvfsd-fuse rw 0 0
/dev/sdb1 /mnt/nf ext4 rw 0 0
C:\134 /mnt/c 9p rw 0 0
server:/over /over nfs rw 0 0
/dev/sdc1 /over xfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "on_network"),
    [
        ("/home/ada", False),
        ("/mnt/nfs", True),
        ("/mnt/nfs/a/b", True),
        ("/mnt/nfs/cache/a", False),
        ("/mnt/nfs-not", False),
        ("/mnt/nf/a", False),
        ("/mnt/two words/a", True),
        ("/home/ada/Über\ttab/x", True),
        ("/auto/a", True),
        ("/run/user/1000/gvfs/smb-share:server=nas", True),
        ("/mnt/c/Users", True),
        ("/over/a", False),
    ],
)
def test_a_folder_is_as_far_away_as_the_mount_that_is_nearest_to_it(
    folder: str, on_network: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda path, **how: MOUNTS)
    assert paths.is_network_folder(Path(folder)) is on_network


def test_this_folder_is_looked_up_in_the_real_table(tmp_path: Path) -> None:
    assert paths.is_network_folder(tmp_path) is False


def test_without_a_mount_table_a_folder_is_taken_for_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, **how: str) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", fail)
    assert paths.is_network_folder(Path("/mnt/nfs")) is False


def test_one_variable_moves_everything_of_the_user(dermagui_home: Path) -> None:
    folders = [paths.data_folder(), paths.config_folder(), paths.log_folder()]
    assert all(folder.is_dir() and folder.parent == dermagui_home for folder in folders)
    assert len(set(folders)) == 3


def test_the_machines_policy_does_not_move_with_the_user(dermagui_home: Path) -> None:
    assert dermagui_home not in paths.policy_file().parents


def test_resources_are_there() -> None:
    assert {"banks", "forms", "prices", "terms"} <= {path.name for path in paths.resources().iterdir()}


def test_resources_of_a_frozen_program_lie_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys._MEIPASS", str(tmp_path), raising=False)
    with pytest.raises(FileNotFoundError):
        paths.resources()
    (tmp_path / "resources" / "banks").mkdir(parents=True)
    assert paths.resources() == tmp_path / "resources"


def test_any_name_can_be_shown_and_sent() -> None:
    raw = b"/f/\xff\xfe \xc3\xa4.png"
    for path in (raw, os.fsdecode(raw), Path(os.fsdecode(raw))):
        assert paths.display_path(path) == r"/f/\xff\xfe ä.png"
    assert paths.display_path("/f/ü.png") == "/f/ü.png"
