"""The ways out and home through the page: built, stopped, judged, chatted with; packed and brought back."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from dermagui.chat.bundle import find_bundle, scan_bundles
from dermagui.storage.database import Store
from dermagui.storage.jobs import list_jobs
from dermagui.storage.trainings import list_trainings
from dermagui.training import home
from dermagui.ui.chat.page import ChatPage
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.train.page import TrainPage
from dermagui.ui.train.words import STAGES, Light
from dermagui.ui.window import Window
from tests.fakes.train_page import (
    DONE,
    Wait,
    accept,
    click,
    make_base,
    make_run,
    open_page,
    run_events,
    tell,
    train_page,
)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are done by ``tests/fakes/scripted_home.py``."""
    command = [sys.executable, "-m", "tests.fakes.scripted_home"]
    monkeypatch.setattr("dermagui.jobs.launch.program", lambda: command)


def _to_model(window: Window, project: Path, wait_until: Wait) -> TrainPage:
    """The station Model of a project with a finished training."""
    make_run(project, "a1", DONE)
    window.desk.open_project(project)
    wait_until(lambda: window.desk.project is not None)
    window.show_page("train")
    page = window.pages["train"]
    assert isinstance(page, TrainPage)
    page.show_station(4)
    wait_until(lambda: page.model.training.currentText() == "run-a1")
    return page


def test_a_model_is_built_stopped_built_again_and_chatted_with(
    window: Window, own_demo: Path, scripted: None, wait_until: Wait
) -> None:
    page = _to_model(window, own_demo, wait_until)
    button = page.model.build_button
    QTest.keyClicks(page.model.name, "by-clicks")
    click(button.start)
    wait_until(lambda: button.said == "Merging what was tuned into the base")
    assert not button.start.isVisible()
    click(button.stop)
    wait_until(lambda: not button.is_running)
    wait_until(button.start.isVisible)
    with Store(own_demo) as store:
        assert [row["state"] for row in list_jobs(store) if row["kind"] == "bundle"] == ["stopped"]
    assert "by-clicks" not in scan_bundles()
    assert page.model.light is Light.AMBER

    (own_demo / "go").touch()
    click(button.start)
    wait_until(page.model.gates["clinical"].isVisible)
    assert "passed" in page.model.gates["parity"].text
    assert "0.0123" in page.model.gates["parity"].text
    assert "Malignant ones found: 0.90" in page.model.gates["clinical"].text
    assert button.said.startswith("Asking base and tuned model about held-out pictures")
    (own_demo / "go on").touch()
    wait_until(lambda: page.model.cards)
    assert not page.model.gates["parity"].isVisible()  # what they said stands on the card now
    assert page.model.light is Light.GREEN
    assert page.road.buttons[4].accessibleName() == "5  Model: Ready"
    (card,) = page.model.cards
    assert "passed" in card.parity.text
    assert "Malignant ones found: 0.90" in card.clinical.text
    (card.folder / "README.md").write_text("# by-clicks\n\nWhat a reader must know.", encoding="utf-8")
    click(card.card.fold)
    wait_until(lambda: "What a reader must know." in card.card.text.toPlainText())
    click(card.chat)
    chat = window.page
    assert isinstance(chat, ChatPage)
    wait_until(lambda: chat.parts.models.name == "by-clicks")


def test_a_model_that_is_not_the_first_is_the_one_that_answers(
    window: Window, own_demo: Path, scripted: None, wait_until: Wait
) -> None:
    for name in ("go", "go on"):
        (own_demo / name).touch()
    page = _to_model(window, own_demo, wait_until)
    for count, name in enumerate(("a-first", "b-second"), 1):
        page.model.name.setText(name)
        click(page.model.build_button.start)
        wait_until(lambda count=count: len(page.model.cards) == count)
        wait_until(lambda: not page.model.build_button.is_running)
    window.desk.close_project()
    wait_until(lambda: window.desk.project is None)
    window.desk.open_project(own_demo)
    wait_until(lambda: page.model.light is Light.GREEN)  # without a look at that station
    assert [card.name for card in page.model.cards] == ["a-first", "b-second"]
    window.show_page("chat")
    chat = window.page
    assert isinstance(chat, ChatPage)
    wait_until(lambda: chat.parts.models.name == "a-first")
    window.show_page("train")
    wait_until(lambda: window.desk.is_idle)
    click(next(card for card in page.model.cards if card.name == "b-second").chat)
    wait_until(lambda: chat.parts.models.name == "b-second")
    assert find_bundle("b-second").about.ready


def test_a_training_is_packed_for_elsewhere_and_its_result_brought_back(
    desk: Desk,
    jobs: Jobs,
    own_demo: Path,
    tmp_path: Path,
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accept(own_demo)
    away = tmp_path / "away"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(away), ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(away))
    with train_page(desk, jobs) as page:
        open_page(page, own_demo, wait_until)
        page.data.simulated.setChecked(True)
        page.show_station(2)
        page.recipe.base.setText(str(make_base(tmp_path / "base")))
        QTest.keyClicks(page.recipe.name, "elsewhere")
        wait_until(lambda: page.recipe.light is Light.AMBER)
        page.action("train.export").trigger()
        wait_until(page.bar.isVisible)
        assert str(away) in page.bar.text
        assert (away / "README.md").exists()
        assert {path.name for path in away.iterdir()} >= {"trainer.py", "images", "train.jsonl", "locks"}
        wait_until(lambda: page.run.history.rowCount() == 1)
        assert page.run.history.item(0, 1).text() == "Packed for another computer"  # type: ignore[union-attr]

        page.action("train.import").trigger()
        wait_until(lambda: "no finished training" in page.bar.text)
        tell(away, run_events(DONE, alive=False, at=1.0), 1.0)
        (away / "adapter").mkdir()
        (away / "adapter" / "adapter_model.safetensors").write_bytes(b"weights")
        page.action("train.import").trigger()
        wait_until(lambda: page.run.light is Light.GREEN)
        wait_until(lambda: page.model.training.currentText() == "elsewhere")
        assert "elsewhere" in page.bar.text
    with Store(own_demo) as store:
        (row,) = list_trainings(store)
    assert row["outcome"] == "done"
    weights = own_demo / "training" / row["uid"] / "adapter" / "adapter_model.safetensors"
    assert weights.read_bytes() == b"weights"


def test_bare_weights_are_imported_on_the_base_that_is_chosen(
    desk: Desk,
    jobs: Jobs,
    own_demo: Path,
    tmp_path: Path,
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accept(own_demo, rehearsed=False)
    weights = tmp_path / "lora"
    weights.mkdir()
    (weights / "adapter_config.json").write_text('{"r": 4, "lora_alpha": 4}', encoding="utf-8")
    head = json.dumps({"a.lora_A.weight": {"dtype": "BF16", "shape": [4, 8], "data_offsets": [0, 64]}})
    data = len(head).to_bytes(8, "little") + head.encode() + bytes(64)
    (weights / "adapter_model.safetensors").write_bytes(data)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(weights))
    with train_page(desk, jobs) as page:
        open_page(page, own_demo, wait_until)
        page.show_station(2)
        page.action("train.import").trigger()
        wait_until(lambda: "choose that base on the station Recipe" in page.bar.text)
        page.recipe.base.setText(str(make_base(tmp_path / "base")))
        QTest.keyClicks(page.recipe.name, "adopted-one")
        wait_until(lambda: page.recipe.light is Light.AMBER)
        page.action("train.import").trigger()
        wait_until(lambda: page.model.training.currentText() == "adopted-one")
        assert page.run.light is Light.GREEN
        assert page.run.history.item(0, 1).text() == "Weights from elsewhere"  # type: ignore[union-attr]


def test_every_stage_of_the_way_home_has_its_words() -> None:
    assert set(home._STAGES) <= set(STAGES)
