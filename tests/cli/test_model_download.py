"""``dermagui model download`` as a user types it, against a hub that has the names of the catalogue."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dermagui import settings
from dermagui.chat.catalogue import MMPROJ, MODEL, find_model, load_catalogue
from dermagui.chat.hub import RemoteFile
from tests.fakes import tiny_models
from tests.fakes.command_line import run
from tests.fakes.hub import Hub

TOKEN = "hf_canaryTokenThatNobodyMayFind42"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub that holds a tiny model under every name of the catalogue; it knows ada's token."""
    pair = tiny_models.llama_pair(tmp_path)
    bodies = {MODEL: pair.model.read_bytes(), MMPROJ: pair.projector.read_bytes()}
    files = {
        (model.repo, file.path): bodies[role]
        for model in load_catalogue()
        for role, file in model.files.items()
    }
    with Hub(files) as hub:
        hub.tokens[TOKEN] = "ada"
        settings.set_value("hub.endpoint", hub.endpoint)
        yield hub


def test_without_a_name_it_lists_what_there_is() -> None:
    told = run("model", "download")
    assert all(model.name in told.out and model.licence in told.out for model in load_catalogue())
    listed = run("model", "download", "--json").json["models"]
    assert [model["name"] for model in listed] == [model.name for model in load_catalogue()]
    assert all(model["size_bytes"] > 0 for model in listed)


def test_a_name_that_is_not_in_the_catalogue(hub: Hub) -> None:
    run("model", "download", "dermatollama", code=3)
    assert hub.seen == []


def test_a_model_is_downloaded_and_kept(hub: Hub) -> None:
    told = run("model", "download", "smolvlm2-2.2b", "--json")
    assert told.json["name"] == "smolvlm2-2.2b"
    assert run("model", "list", "--json").json["models"][0]["name"] == "smolvlm2-2.2b"
    run("model", "download", "smolvlm2-2.2b", code=3)


def test_terms_are_shown_and_accepted_once(hub: Hub) -> None:
    medical = find_model("medgemma-4b")
    refused = run("model", "download", "medgemma-4b", code=3)
    assert medical.terms in refused.err
    assert medical.terms_link in refused.err
    assert hub.seen == []
    assert medical.terms in run("model", "download", "medgemma-4b", "--accept-terms", "Ada").err
    run("model", "remove", "medgemma-4b")
    assert medical.terms not in run("model", "download", "medgemma-4b").err


def test_the_token_reaches_the_hub_and_no_file(hub: Hub) -> None:
    hub.gated.add(find_model("qwen3-vl-4b").repo)
    hub.members.add(TOKEN)
    run("model", "download", "qwen3-vl-4b", code=3)
    run("model", "download", "qwen3-vl-4b", environment={"HF_TOKEN": TOKEN})
    assert {seen.authorization for seen in hub.seen if seen.status < 300} == {f"Bearer {TOKEN}"}
    files = [path for path in Path(os.environ["DERMAGUI_HOME"]).rglob("*") if path.is_file()]
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]


def test_a_token_can_be_tried(hub: Hub) -> None:
    told = run("key", "test", "huggingface", environment={"HF_TOKEN": TOKEN})
    assert "ada" in told.err
    assert TOKEN not in told.err
    run("key", "test", "huggingface", environment={"HF_TOKEN": "hf_somebodyElses1"}, code=3)
    run("key", "test", "huggingface", code=3)


def test_a_download_can_be_repeated_where_it_was_refused(hub: Hub) -> None:
    gone = find_model("qwen3-vl-8b")
    projector = gone.files[MMPROJ].path
    body = hub.files.pop((gone.repo, projector))
    run("model", "download", gone.name, code=3)
    hub.files[gone.repo, projector] = body
    run("model", "download", gone.name)


def test_a_token_is_not_shown() -> None:
    from dermagui.chat.hub import Hub as Opened

    assert TOKEN not in repr(Opened("https://hub.example", TOKEN))
    assert "commit" in repr(RemoteFile("a/b", "c", "commit", "0" * 64, 1))
