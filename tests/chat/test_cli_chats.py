"""``dermagui chats``, run as a user does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dermagui.project import create_project, home_project
from dermagui.records import Role
from dermagui.storage import chats
from dermagui.storage.chats import StoredTurn
from dermagui.storage.database import Store
from tests.fakes.command_line import run


@pytest.mark.parametrize("in_project", [True, False])
def test_chats_are_listed_found_written_and_removed(tmp_path: Path, in_project: bool) -> None:
    create_project(tmp_path / "project")
    of = ("--project", tmp_path / "project") if in_project else ()
    with Store(tmp_path / "project" if in_project else home_project()) as store:
        uids = []
        for words in ("A naevus.", "A scar."):
            uid = chats.add_chat(store, model="m", model_sha256="", quantization="", adapters=[], settings={})
            chats.add_turns(store, uid, [StoredTurn(Role.USER, "What?"), StoredTurn(Role.ASSISTANT, words)])
            uids.append(uid)
    listed = run("chats", "list", *of, "--json").json["chats"]
    assert {row["uid"] for row in listed} == set(uids)
    (found,) = run("chats", "list", "--find", "naev", *of, "--json").json["chats"]
    assert (found["uid"], found["title"]) == (uids[0], "What?")
    run("chats", "export", uids[0], tmp_path / "out.json", *of)
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["turns"][1]["text"] == "A naevus."
    assert run("chats", "remove", uids[0], *of, "--json").json == {"removed": 1}
    assert [row["uid"] for row in run("chats", "list", *of, "--json").json["chats"]] == [uids[1]]
    assert "chat" in run("chats", "export", uids[0], tmp_path / "gone.md", *of, code=3).err
    assert not (tmp_path / "gone.md").exists()
