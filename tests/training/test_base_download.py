"""A base model from a hub on loopback: named first, resumed, checked to the last small file, or not there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dermagui import network, settings
from dermagui.chat import download
from dermagui.chat.hub import RemoteFile
from dermagui.cli.job import run_job
from dermagui.errors import DermaError
from dermagui.jobs.launch import start_child
from dermagui.jobs.work import claim, job_folder
from dermagui.network import Purpose
from dermagui.project import Project, home_project
from dermagui.training.base_download import download_parameters, look_up
from dermagui.training.base_model import find_base, hub_folder, local_base, read_base
from tests.fakes.command_line import run
from tests.fakes.hub import COMMIT, Hub, Mishap, blob_of, wait_until

NAME = "tiny-lab/Tiny-VL"
TOKEN = "hf_canaryTokenThatNobodyMayFind42"
PAUSE_AFTER = 300_000
CONFIG = {"model_type": "qwen3_vl", "vision_config": {"patch_size": 16}}
WANTED = {
    "config.json": json.dumps(CONFIG).encode(),
    "model-00001-of-00002.safetensors": os.urandom(700_000),
    "model-00002-of-00002.safetensors": os.urandom(1_000),
    "model.safetensors.index.json": b"{}",
    "tokenizer.model": b"words",
    "merges.txt": b"a b\n",
    "chat_template.jinja": b"{{ messages }}",
    "LICENSE": b"Be kind.",
}
UNWANTED = {
    ".gitattributes": b"*.safetensors filter=lfs",
    "README.md": b"# Tiny",
    "modeling_tiny.py": b"import os",
    "pytorch_model.bin": b"pickled",
    "consolidated.safetensors": b"the same once more",
    "original/consolidated.00.json": b"{}",
}


@pytest.fixture
def server() -> Iterator[Hub]:
    """A hub with a base, and with what nobody needs of it."""
    with Hub({(NAME, path): body for path, body in (WANTED | UNWANTED).items()}) as server:
        settings.set_value("hub.endpoint", server.endpoint)
        server.cards[NAME] = {"license": "other", "license_name": "tiny-licence"}
        yield server


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where huggingface_hub would keep things of its own accord: nothing may ever be written there."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("HF_HOME", "HF_HUB_CACHE", "HF_XET_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(elsewhere / name))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "WAITS_SECONDS", (0, 0))
    yield elsewhere
    assert list(elsewhere.iterdir()) == []


def fetch(secret: str | None = None) -> dict[str, Any]:
    """Downloads the base in this process; returns how the job ended."""
    parameters = download_parameters(NAME)
    return run_job(home_project(), "base_download", parameters, secret=secret, inline=True)[1]


def code_of(end: dict[str, Any]) -> str:
    assert end["state"] == "failed", end
    assert not hub_folder(NAME).exists()
    return str(end["error"]["code"])


def gate(server: Hub, *members: str) -> None:
    """Lets nobody in but these tokens; one more belongs to somebody."""
    server.gated.add(NAME)
    server.tokens = {TOKEN: "Ada", "hf_of_a_stranger": "Eve"}
    server.members.update(members)


def kept_bytes(home: Path) -> int:
    return sum(
        path.stat().st_size for path in (home / "data" / "downloads").rglob("*.part") if path.is_file()
    )


def test_a_base_is_named_before_it_is_fetched(server: Hub) -> None:
    found = look_up(NAME, None)
    assert (found.commit, found.licence, found.gated) == (COMMIT, "tiny-licence", False)
    assert {file.path for file in found.files} == set(WANTED)
    assert found.size_bytes == sum(map(len, WANTED.values()))
    whole = {file.path: file for file in found.files}
    config = WANTED["config.json"]
    expected = RemoteFile(NAME, "config.json", COMMIT, "", len(config), blob_of(config))
    assert whole["config.json"] == expected
    assert len(whole["tokenizer.model"].sha256) == 64
    assert server.bodies() == [seen for seen in server.seen if seen.path.startswith("/api/models/")]


def test_a_base_arrives_whole_through_the_door(server: Hub, dermagui_home: Path) -> None:
    assert local_base(Path(NAME)) is None
    end = fetch()
    assert end["state"] == "done", end
    folder = find_base(Path(NAME))
    assert folder == hub_folder(NAME)
    assert read_base(folder).kind == "qwen3_vl"
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "origin.json"}
    assert found == WANTED
    origin = json.loads((folder / "origin.json").read_bytes())
    assert origin == {"name": NAME, "commit": COMMIT, "licence": "tiny-licence", "gated": False}
    assert end["figures"]["bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    assert not list((dermagui_home / "data" / "downloads").iterdir())
    ledger = list(network.read_ledger())
    assert len(ledger) == len(server.seen)
    assert {line["purpose"] for line in ledger} == {Purpose.DOWNLOAD}
    before = len(server.seen)
    assert fetch()["state"] == "done"
    assert len(server.seen) == before, "what is here is not asked for again"


@pytest.mark.parametrize("path", ["config.json", "model-00002-of-00002.safetensors"])
def test_a_file_that_did_not_arrive_as_it_was_sent_is_thrown_away(server: Hub, path: str) -> None:
    order = ["config.json", *(name for name in WANTED if name != "config.json")]
    server.mishaps = [Mishap(wrong=True) if name == path else None for name in order]
    end = fetch()
    assert code_of(end) == "hub.wrong_hash"
    assert end["error"]["values"]["path"] == path
    assert fetch()["state"] == "done"


def test_a_killed_download_goes_on_where_it_was(server: Hub, dermagui_home: Path) -> None:
    release = threading.Event()
    server.mishaps = [None, Mishap(after=PAUSE_AFTER, wait_for=release)]
    home = home_project()
    with Project(home) as opened:
        job_id = claim(opened.store, "base_download", download_parameters(NAME))
    child = start_child(home, job_id)
    try:
        wait_until(lambda: kept_bytes(dermagui_home) >= PAUSE_AFTER // 2)
        child.send_signal(signal.SIGKILL)
    finally:
        child.wait()
        release.set()
    assert job_folder(home, job_id).exists()
    assert local_base(Path(NAME)) is None, "half a base is none"
    kept = kept_bytes(dermagui_home)
    assert fetch()["state"] == "done"
    resumed = [seen.start for seen in server.seen if seen.status == 206]
    assert resumed == [kept]
    assert (
        hub_folder(NAME).joinpath("model-00001-of-00002.safetensors").read_bytes()
        == (WANTED["model-00001-of-00002.safetensors"])
    )


def test_a_gated_base_asks_for_a_token_before_anything_is_fetched(server: Hub) -> None:
    gate(server, TOKEN)
    for token, code in ((None, "train.base_gated"), ("hf_of_a_stranger", "hub.gated")):
        with pytest.raises(DermaError) as raised:
            look_up(NAME, token)
        assert raised.value.code == code
        assert code_of(fetch(token)) == code
    assert not [seen for seen in server.bodies() if "/resolve/" in seen.path]
    assert look_up(NAME, TOKEN).gated
    assert fetch(TOKEN)["state"] == "done"
    assert json.loads((hub_folder(NAME) / "origin.json").read_bytes())["gated"] is True


def test_in_airplane_mode_nothing_is_tried() -> None:
    network.set_airplane(True)
    with pytest.raises(DermaError) as raised:
        look_up(NAME, None)
    assert raised.value.code == "network.airplane"
    assert list(network.read_ledger()) == []


def test_a_disk_with_too_little_room_is_told_before_the_weights(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(Path.cwd())
    free = 500_000 + (64 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free))
    assert code_of(fetch()) == "hub.no_room"
    fetched = {seen.path.rpartition("/")[2] for seen in server.bodies() if "/resolve/" in seen.path}
    assert fetched == {"config.json"}


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"config.json": b"{}"}, "train.base_no_weights"),
        ({"config.json": b"{}", "pytorch_model.bin": b"pickled"}, "train.base_no_weights"),
        ({"model.safetensors": b"weights"}, "train.base_no_weights"),
        ({"config.json": b'{"model_type": "llama"}', "model.safetensors": b"w"}, "train.base_unusable"),
    ],
)
def test_what_cannot_be_trained_is_not_fetched(files: dict[str, bytes], code: str) -> None:
    with Hub({(NAME, path): body for path, body in files.items()}) as server:
        settings.set_value("hub.endpoint", server.endpoint)
        assert code_of(fetch()) == code
        assert not [seen for seen in server.bodies() if seen.path.endswith((".bin", ".safetensors"))]


@pytest.mark.parametrize(
    ("odd", "code"),
    [
        ({"blobId": None}, "hub.cannot_check"),
        ({"blobId": "1234"}, "hub.cannot_check"),
        ({"size": None}, "hub.cannot_check"),
        ({"lfs": {"sha256": "0", "size": 3, "pointerSize": 1}}, "hub.cannot_check"),
        ({"lfs": {"size": 3}}, "hub.not_a_hub"),
    ],
)
def test_a_hub_that_tells_too_little_is_not_believed(server: Hub, odd: dict[str, object], code: str) -> None:
    server.odd["config.json"] = odd
    with pytest.raises(DermaError) as raised:
        look_up(NAME, None)
    assert raised.value.code == code


def test_the_terms_of_a_base_are_shown_first_whichever_recipe_is_asked_for(tmp_path: Path) -> None:
    run("new", tmp_path / "study")
    name = "meta-llama/Llama-3.2-11B-Vision-Instruct"
    with Hub({(name, path): body for path, body in WANTED.items()}) as server:
        settings.set_value("hub.endpoint", server.endpoint)
        said = run("train", tmp_path / "study", "--base", name, "--recipe", "try-out", code=4).err
    assert said.index("European Union") < said.index("is not on this computer")


def test_the_command_says_what_it_would_fetch_and_fetches_nothing_unasked(
    server: Hub, tmp_path: Path
) -> None:
    run("new", tmp_path / "study")
    done = run("train", tmp_path / "study", "--base", NAME, "--recipe", "try-out", code=4)
    assert f"{NAME} is not on this computer: 0.00 GB to download, licence tiny-licence." in done.err
    assert "Nothing was downloaded" in done.err
    gate(server, TOKEN)
    refused = run("train", tmp_path / "study", "--base", NAME, "--yes", code=3)
    assert "keep a hub token" in refused.err
    assert not [seen for seen in server.bodies() if "/resolve/" in seen.path]
    token = {"HF_TOKEN": TOKEN}
    told = run("train", tmp_path / "study", "--base", NAME, "--yes", environment=token, code=3)
    assert "It is gated, and your hub token opens it." in told.err
    assert TOKEN not in told.err
    assert local_base(Path(NAME)) == hub_folder(NAME), "the base is here, whatever the training says then"
