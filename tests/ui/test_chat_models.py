"""Where models come from: the catalogue on loopback, files, adapters; and that they go when idle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QPushButton

from dermagui import settings
from dermagui.chat import bundle_files, catalogue, download
from dermagui.chat.bundle import find_bundle, list_bundles
from dermagui.chat.catalogue import MMPROJ, MODEL, CatalogueModel, HubFile
from dermagui.project import Project, home_project
from dermagui.ui.chat.page import ChatPage
from dermagui.ui.window import Window
from tests.fakes.answering import Script, start_scripted
from tests.fakes.chat_page import ask, make_bundle, open_chat
from tests.fakes.hub import Hub, Mishap
from tests.fakes.tiny_models import Pair, llama_pair, qwen_pair, write_adapter

Wait = Callable[[Callable[[], object]], None]
REPO = "tiny-lab/Tiny-GGUF"
PAUSE_AFTER = 300_000


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    return start_scripted(monkeypatch)


@pytest.fixture
def page(script: Script, window: Window, wait_until: Wait) -> ChatPage:
    """The page of somebody who has no model yet."""
    window.show_page("chat")
    page = window.page
    assert isinstance(page, ChatPage)
    wait_until(lambda: any(card.isVisible() for card in page.choosing.sheet.offers.values()))
    return page


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A catalogue of one model with terms of its own, and the hub that has it."""
    (tmp_path / "hub").mkdir()
    pair = llama_pair(tmp_path / "hub")
    files = {(REPO, "tiny.gguf"): pair.model.read_bytes(), (REPO, "mmproj.gguf"): pair.projector.read_bytes()}
    model = CatalogueModel(
        name="tiny",
        title="Tiny",
        purpose="For tests.",
        base="tiny-lab/Tiny",
        repo=REPO,
        revision="main",
        quantization="F32",
        files={
            MODEL: HubFile("tiny.gguf", pair.model.stat().st_size, unverified=True),
            MMPROJ: HubFile("mmproj.gguf", pair.projector.stat().st_size),
        },
        memory_bytes=10_000_000,
        image_note="",
        licence="Tiny licence",
        terms="Be kind.",
        terms_link="https://tiny.example/terms",
        terms_date="2026-11-21",
        gated=True,
    )
    monkeypatch.setattr(catalogue, "load_catalogue", lambda: (model,))
    with Hub(files) as server:
        settings.set_value("hub.endpoint", server.endpoint)
        yield server


def click(button: QPushButton) -> None:
    assert button.isVisible(), button.text()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def accept(page: ChatPage) -> None:
    """Reads the terms of the offered model and accepts them."""
    card = page.choosing.sheet.offers["tiny"]
    click(card.download)
    assert not card.terms.accept.isEnabled()
    QTest.keyClicks(card.terms.name, "Ada")
    QTest.keyClick(card.terms.read, Qt.Key.Key_Space)
    click(card.terms.accept)


def choose(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """The user will choose this file or folder."""
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(path))


def pair_in(folder: Path, make: Callable[[Path], Pair] = llama_pair) -> Pair:
    folder.mkdir()
    return make(folder)


def test_without_a_model_the_page_leads_to_one_and_offers_nothing_else(page: ChatPage) -> None:
    needing = ("send", "attach", "selected", "again", "edit", "new", "private", "compare", "classify")
    assert not [name for name in needing if page.action(f"chat.{name}").isEnabled()]
    sheet = page.choosing.sheet
    assert not [
        button.text() for button in page.parts.history.findChildren(QPushButton) if button.isEnabled()
    ]
    assert not sheet.back.isVisible()
    assert "has to lie on this computer" in sheet._lead.text()
    assert set(sheet.offers) == {model.name for model in catalogue.load_catalogue()}
    card = sheet.offers["medgemma-4b"]
    assert "(size unverified)" in card.facts.text()
    assert "Health AI Developer Foundations" in card.facts.text()
    assert "of memory" in sheet._lead.text()
    asked: list[str] = []
    page.wants.connect(asked.append)
    click(sheet.train)
    assert asked == ["train"]


def test_the_model_that_ships_is_tried_by_one_click_and_says_what_it_knows(
    page: ChatPage, wait_until: Wait
) -> None:
    click(page.choosing.sheet.phantom)
    wait_until(lambda: page.parts.models.name == "phantom")
    wait_until(lambda: page.action("chat.send").isEnabled())
    assert not page.choosing.sheet.isVisible()
    assert "it knows drawn shapes, nothing about skin" in page.parts.models._about.text()
    page.choosing.look()
    wait_until(lambda: page.choosing.cards)
    assert [card.name for card in page.choosing.cards] == ["phantom"]


def test_terms_are_accepted_and_the_model_downloaded_and_chosen(
    offered: Hub, page: ChatPage, wait_until: Wait
) -> None:
    facts = page.choosing.sheet.offers["tiny"].facts.text()
    assert "may ask for an account" in facts
    assert "Tiny licence" in facts
    accept(page)
    wait_until(lambda: page.parts.models.card)
    assert page.parts.models.name == "tiny"
    assert not page.parts.is_in_view(page.choosing.sheet)
    assert "tiny is ready to chat" in page.parts.bar.text
    assert find_bundle("tiny").path("mmproj") is not None
    with Project(home_project()) as home:
        accepted = download.accepted_terms(home.store, catalogue.load_catalogue()[0])
    assert accepted is not None
    assert accepted["name"] == "Ada"
    assert ask(page, "2 words", wait_until) == "word0 word1 "


def test_a_download_is_cancelled_and_goes_on_where_it_was(
    offered: Hub, page: ChatPage, wait_until: Wait
) -> None:
    go_on = threading.Event()
    offered.mishaps.append(Mishap(after=PAUSE_AFTER, cut=True, wait_for=go_on))
    accept(page)
    card = page.choosing.sheet.offers["tiny"]
    wait_until(lambda: card.progress.isVisible() and card.progress.value() > 0)
    assert not card.download.isVisible()
    click(card.stop)
    go_on.set()
    wait_until(card.download.isVisible)
    assert card.download.text().startswith("Go on:")
    assert not list_bundles()
    click(card.download)
    wait_until(lambda: page.parts.models.card)
    assert any(seen.start for seen in offered.bodies()), "it began anew"


def test_a_download_that_fails_says_why(offered: Hub, page: ChatPage, wait_until: Wait) -> None:
    offered.gated.add(REPO)
    accept(page)
    wait_until(page.parts.bar.isVisible)
    assert "only to whom its owner lets in" in page.parts.bar.text
    assert "dermagui key" not in page.parts.bar.text
    wait_until(page.choosing.sheet.offers["tiny"].download.isVisible)


def test_a_file_of_ones_own_is_told_with_its_image_part_and_added(
    page: ChatPage, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = pair_in(tmp_path / "own")
    choose(monkeypatch, pair.model)
    sheet = page.choosing.sheet
    click(sheet.file)
    wait_until(lambda: sheet.found)
    assert sheet.found[0].about.text() == f"It sees through {pair.projector.name}."
    wait_until(sheet.found[0].add.isVisible)
    QTest.keyClick(sheet.found[0].add, Qt.Key.Key_Space)
    wait_until(lambda: page.parts.models.card)
    assert find_bundle("llama").files["mmproj"].origin == pair.projector.name
    assert page.parts.composer.draft.hasFocus()


def test_a_folder_shows_its_models_and_another_image_part_can_be_chosen(
    page: ChatPage, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, elsewhere = tmp_path / "models", tmp_path / "elsewhere"
    folder.mkdir()
    pair_in(folder / "a")
    lonely = pair_in(folder / "b", qwen_pair)
    elsewhere.mkdir()
    moved = lonely.projector.rename(elsewhere / lonely.projector.name)
    choose(monkeypatch, folder)
    sheet = page.choosing.sheet
    click(sheet.folder)
    wait_until(lambda: len(sheet.found) == 2)
    assert [card.found.path.name for card in sheet.found] == ["llama.gguf", "qwen.gguf"]
    assert "without one it reads text only" in sheet.found[1].about.text()
    choose(monkeypatch, moved)
    wait_until(sheet.found[1].other.isVisible)
    click(sheet.found[1].other)
    assert sheet.found[1].about.text() == f"It sees through {moved.name}."
    wait_until(sheet.found[1].add.isVisible)
    click(sheet.found[1].add)
    wait_until(lambda: page.parts.models.card)
    assert find_bundle("qwen").image is not None


def test_what_is_no_model_is_told_in_the_bar(
    page: ChatPage, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, pair_in(tmp_path / "own").projector)
    click(page.choosing.sheet.file)
    wait_until(page.parts.bar.isVisible)
    assert "is the image part of a model" in page.parts.bar.text
    (tmp_path / "empty").mkdir()
    page.parts.bar.hide()
    choose(monkeypatch, tmp_path / "empty")
    click(page.choosing.sheet.folder)
    wait_until(page.parts.bar.isVisible)
    assert "There is no model in" in page.parts.bar.text
    assert not page.choosing.sheet.found


def test_adding_is_cancelled_and_leaves_nothing(
    page: ChatPage, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    hash_file = bundle_files.hash_file

    def wait_and_hash(*told: object) -> tuple[str, int]:
        assert go_on.wait(60)
        return hash_file(*told)  # type: ignore[arg-type]

    monkeypatch.setattr(bundle_files, "hash_file", wait_and_hash)
    pair = pair_in(tmp_path / "own")
    sheet = page.choosing.sheet
    page.take_paths([pair.model])
    wait_until(lambda: sheet.found and sheet.found[0].add.isVisible())
    click(sheet.found[0].add)
    wait_until(sheet.found[0].stop.isVisible)
    assert not sheet.found[0].add.isVisible()
    click(sheet.found[0].stop)
    go_on.set()
    wait_until(sheet.found[0].add.isVisible)
    assert page.parts.bar.text == "Cancelled."
    assert not list_bundles()
    click(sheet.found[0].add)
    wait_until(lambda: page.parts.models.card)


def test_one_more_model_is_added_from_the_chat_and_back(
    script: Script, window: Window, tmp_path: Path, wait_until: Wait
) -> None:
    make_bundle(tmp_path / "model")
    page = open_chat(window, wait_until)
    QTest.keyClicks(page.parts.composer.draft, "half a question")
    QTest.keyClick(page, Qt.Key.Key_M, Qt.KeyboardModifier.ControlModifier)
    wait_until(lambda: page.choosing.sheet.back.isVisible())
    assert "has to lie" not in page.choosing.sheet._lead.text()
    window.desk.rows_changed.emit(frozenset({"jobs"}))
    wait_until(lambda: window.desk.is_idle)
    assert page.parts.is_in_view(page.choosing.sheet), "a look at the rows must not close it"
    QTest.keyClick(page.choosing.sheet.back, Qt.Key.Key_Space)
    assert page.parts.composer.draft.hasFocus()
    assert page.parts.composer.text == "half a question"


def test_the_model_and_its_settings_are_remembered(
    script: Script, tmp_path: Path, window: Window, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bundle(tmp_path / "a", "alpha")
    make_bundle(tmp_path / "b", "beta")
    page = open_chat(window, wait_until)
    assert page.parts.models.name == "alpha"
    picker = page.parts.models.picker
    picker.setFocus()
    QTest.keyClick(picker, Qt.Key.Key_Down)
    page.parts.settings.advanced.setChecked(True)
    page.parts.settings.max_tokens.setValue(99)
    page.parts.settings.temperature.setValue(0.7)
    lora = write_adapter(tmp_path / "lora.gguf")
    choose(monkeypatch, lora)
    page.choosing.choose_adapter()
    wait_until(lambda: page.parts.settings.adapter.path == lora)
    page.parts.settings.adapter.scale.setValue(0.5)
    window.close()
    other = Window()
    other.show()
    later = open_chat(other, wait_until)
    assert later.parts.models.name == "beta"
    assert later.parts.settings.advanced.isChecked()
    assert later.parts.settings.max_tokens.value() == 99
    assert later.parts.settings.temperature.value() == 0.7
    assert [(one.path, one.scale) for one in later.parts.settings.adapter.adapters] == [(str(lora), 0.5)]
    later.parts.models.choose("alpha")
    assert later.parts.settings.adapter.path is None, "an adapter belongs to its model"
    other.close()
    other.deleteLater()


def test_an_adapter_goes_with_the_question_and_one_that_does_not_fit_is_refused(
    script: Script, tmp_path: Path, window: Window, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bundle(tmp_path / "model")
    page = open_chat(window, wait_until)
    choose(monkeypatch, tmp_path / "model" / "llama.gguf")
    page.choosing.choose_adapter()
    wait_until(page.parts.bar.isVisible)
    assert "is no adapter" in page.parts.bar.text
    assert page.parts.settings.adapter.path is None
    lora = write_adapter(tmp_path / "lora.gguf")
    choose(monkeypatch, lora)
    page.choosing.choose_adapter()
    wait_until(lambda: page.parts.settings.adapter.path)
    ask(page, "2 words", wait_until)
    assert [one["path"] for one in script.asked[-1]["adapters"]] == [str(lora)]
    assert "lora.gguf × 1" in page.parts.conversation.turns[-1]._quiet.text()
    page.parts.settings.adapter._take(None, 1.0)
    ask(page, "2 words", wait_until)
    assert not script.asked[-1]["adapters"]


def test_a_model_nobody_asks_gives_its_memory_back_and_comes_again_by_itself(
    script: Script, tmp_path: Path, window: Window, wait_until: Wait
) -> None:
    settings.set_value("chat.idle_minutes", "7")
    make_bundle(tmp_path / "model")
    page = open_chat(window, wait_until)
    ask(page, "2 words", wait_until)
    assert page.engine.idle.isActive()
    assert page.engine.idle.interval() == 7 * 60_000
    page.engine.idle.timeout.emit()
    wait_until(lambda: script.children[0].is_gone)
    assert ask(page, "3 words", wait_until) == "word0 word1 word2 "
    assert len(script.children) == 2
