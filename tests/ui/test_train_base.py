"""A base comes by its name from a hub on loopback, through the page: named, stopped, gone on with, found."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtTest import QTest

from dermagui import settings
from dermagui.training.base_model import hub_folder
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.train.page import TrainPage
from dermagui.ui.train.words import Light
from tests.fakes.hub import Hub, Mishap
from tests.fakes.train_page import Wait, click, open_page, train_page

NAME = "tiny-lab/Tiny-VL"
CONFIG = {"model_type": "qwen3_vl", "vision_config": {"patch_size": 16}}
FILES = {"config.json": json.dumps(CONFIG).encode(), "model.safetensors": os.urandom(700_000)}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub with a base; nothing of its kind lies on this computer."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no cache"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with Hub({(NAME, path): body for path, body in FILES.items()}) as server:
        settings.set_value("hub.endpoint", server.endpoint)
        server.cards[NAME] = {"license": "other", "license_name": "tiny-licence"}
        yield server


@pytest.fixture
def page(desk: Desk, jobs: Jobs, own_demo: Path, server: Hub, wait_until: Wait) -> Iterator[TrainPage]:
    """The station Recipe with the name of the base typed, before anything was asked of the hub."""
    with train_page(desk, jobs) as made:
        open_page(made, own_demo, wait_until)
        made.show_station(2)
        QTest.keyClicks(made.recipe.base, NAME)
        wait_until(made.recipe.download.isVisible)
        assert server.seen == []
        yield made


def test_a_base_is_named_with_size_and_licence_then_it_comes(
    page: TrainPage, server: Hub, wait_until: Wait
) -> None:
    box = page.recipe.download
    assert page.recipe.light is Light.OPEN
    assert not box.button.isVisible()  # nothing comes that was not named
    click(box.look_up)
    wait_until(box.button.isVisible)
    assert "0.0 GB to download; licence: tiny-licence." in box.said
    assert not hub_folder(NAME).exists()
    click(box.button.start)
    wait_until(lambda: page.recipe.light is Light.AMBER)
    assert (hub_folder(NAME) / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert not box.isVisible()
    assert "can become a model for the chat" in page.recipe._base_said.text()
    assert page.recipe.parameters()["base"] == str(hub_folder(NAME))


def test_a_download_is_stopped_and_goes_on(page: TrainPage, server: Hub, wait_until: Wait) -> None:
    release = threading.Event()
    box = page.recipe.download
    click(box.look_up)
    wait_until(box.button.isVisible)
    server.mishaps = [None, Mishap(after=300_000, wait_for=release)]
    click(box.button.start)
    wait_until(lambda: box.button.said.endswith("bytes"))
    click(box.button.stop)
    release.set()
    wait_until(lambda: not box.button.is_running)
    assert not hub_folder(NAME).exists()
    wait_until(box.button.start.isVisible)
    click(box.button.start)
    wait_until(lambda: hub_folder(NAME).exists())
    wait_until(lambda: page.recipe.light is Light.AMBER)
    assert any(seen.start for seen in server.bodies()), "it began anew"


def test_a_gated_base_says_where_its_token_goes(page: TrainPage, server: Hub, wait_until: Wait) -> None:
    server.gated.add(NAME)
    click(page.recipe.download.look_up)
    wait_until(page.bar.isVisible)
    assert "gated" in page.bar.text
    wanted: list[str] = []
    page.wants.connect(wanted.append)
    click(page.bar._button)
    assert wanted == ["settings"]
    assert not page.recipe.download.button.isVisible()


def test_the_base_of_the_recipe_is_named_by_a_click_with_its_terms(
    page: TrainPage, server: Hub, wait_until: Wait
) -> None:
    page.recipe.choose("dermasynth-like")
    click(page.recipe.of_recipe)
    assert page.recipe.base.text() == "meta-llama/Llama-3.2-11B-Vision-Instruct"
    wait_until(lambda: "gated" in page.recipe._base_said.text())
    wait_until(page.recipe.download.isVisible)
