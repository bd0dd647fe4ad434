"""The user's own labels ranked: a picture with a scripted child, a project with the job and a real engine."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QAbstractItemModelTester, QTest
from PySide6.QtWidgets import QLabel

from dermagui import paths, settings
from dermagui.records import Origin
from dermagui.storage.database import Store
from dermagui.ui.chat.classify_view import ClassifiedModel
from dermagui.ui.chat.classifying import Classified
from dermagui.ui.chat.page import ChatPage
from dermagui.ui.chat.shelf import Place
from dermagui.ui.window import Window
from tests.fakes.answering import Script, start_scripted
from tests.fakes.chat_page import attach, make_bundle, make_picture, open_chat

Wait = Callable[[Callable[[], object]], None]
CONTROL = Qt.KeyboardModifier.ControlModifier


def open_labels(window: Window, wait_until: Wait, labels: str = "naevus\nmelanoma") -> ChatPage:
    """The page, with these labels typed."""
    page = open_chat(window, wait_until)
    QTest.keyClick(page, Qt.Key.Key_K, CONTROL | Qt.KeyboardModifier.ShiftModifier)
    view = page.modes.classifying.view
    wait_until(view.isVisible)
    view.labels_text.setFocus()
    for line in labels.splitlines():
        QTest.keyClicks(view.labels_text, line)
        QTest.keyClick(view.labels_text, Qt.Key.Key_Return)
    return page


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    return start_scripted(monkeypatch)


@pytest.fixture
def page(script: Script, tmp_path: Path, window: Window, wait_until: Wait) -> ChatPage:
    make_bundle(tmp_path / "model")
    return open_labels(window, wait_until)


def ranking(page: ChatPage) -> list[str]:
    tree = page.modes.classifying.view.ranking
    lines = (tree.topLevelItem(place) for place in range(tree.topLevelItemCount()))
    return [line.text(0) for line in lines if line is not None]


def send(page: ChatPage) -> None:
    page.parts.composer.draft.setFocus()
    QTest.keyClick(page.parts.composer.draft, Qt.Key.Key_Return)


def test_a_picture_is_ranked_in_words_and_never_in_percent(
    page: ChatPage, script: Script, tmp_path: Path, wait_until: Wait
) -> None:
    attach(page, make_picture(tmp_path / "mole.png"), wait_until)
    send(page)
    wait_until(lambda: ranking(page))
    assert ranking(page) == ["naevus", "melanoma"]
    view = page.modes.classifying.view
    assert "leans towards naevus rather than melanoma" in view.sentence.text()
    shown = [label.text() for label in view.findChildren(QLabel)]
    assert not [text for text in shown if "%" in text]
    assert "not calibrated" in " ".join(shown)
    header = view.ranking.headerItem()
    assert header is not None
    assert "not calibrated" in header.text(1)
    asked = script.asked[-1]
    assert asked["labels"] == ["naevus", "melanoma"]
    assert "naevus, melanoma" in asked["turns"][-1]["text"]
    assert not page.talk.turns, "it is no chat"
    assert len(page.parts.composer.thumbs) == 1, "the picture stays, for other labels"


def test_a_question_of_ones_own_is_asked(
    page: ChatPage, script: Script, tmp_path: Path, wait_until: Wait
) -> None:
    attach(page, make_picture(tmp_path / "mole.png"), wait_until)
    QTest.keyClicks(page.parts.composer.draft, "Is it {labels}?")
    send(page)
    wait_until(lambda: ranking(page))
    assert script.asked[-1]["turns"][-1]["text"] == "Is it naevus, melanoma?"


def test_nothing_to_choose_from_or_to_look_at_is_told(
    page: ChatPage, script: Script, tmp_path: Path, wait_until: Wait
) -> None:
    QTest.keyClicks(page.parts.composer.draft, "What is it?")
    send(page)
    assert page.parts.bar.text == "Attach one picture to be classified."
    assert page.parts.composer.text == "What is it?"
    attach(page, make_picture(tmp_path / "mole.png"), wait_until)
    QTest.keyClicks(page.modes.classifying.view.labels_text, "naevus")
    send(page)
    assert "none of them empty or twice" in page.parts.bar.text
    page.modes.classifying.view.labels_text.setFocus()
    QTest.keyClick(page.modes.classifying.view.labels_text, Qt.Key.Key_A, CONTROL)
    QTest.keyClick(page.modes.classifying.view.labels_text, Qt.Key.Key_Delete)
    assert not page.action("chat.send").isEnabled()
    assert not script.asked


def test_a_look_is_stopped_and_can_be_asked_again(
    page: ChatPage, script: Script, tmp_path: Path, wait_until: Wait
) -> None:
    script.slow_load = True
    attach(page, make_picture(tmp_path / "mole.png"), wait_until)
    send(page)
    wait_until(lambda: page.parts.progress.value() == 300)
    assert not page.parts.composer.thumbs
    QTest.keyClick(page, Qt.Key.Key_Period, CONTROL)
    wait_until(lambda: page.parts.composer.thumbs)
    assert not ranking(page)
    script.slow_load = False
    send(page)
    wait_until(lambda: ranking(page))


def test_labels_are_remembered_and_without_a_project_there_is_no_job(
    page: ChatPage, window: Window, wait_until: Wait
) -> None:
    view = page.modes.classifying.view
    assert not view.start.isEnabled()
    assert "Open a project" in view.told.text()
    window.close()
    other = Window()
    other.show()
    later = open_chat(other, wait_until)
    assert later.modes.classifying.view.labels == ["naevus", "melanoma"]
    other.close()
    other.deleteLater()


def test_labels_of_a_private_chat_are_not_remembered(page: ChatPage) -> None:
    page.new_private_chat()
    page.classify()
    QTest.keyClicks(page.modes.classifying.view.labels_text, "kanarienvogel")
    files = [path for path in paths.config_folder().rglob("*") if path.is_file()]
    assert files, "the labels of before are there"
    assert not [path for path in files if b"kanarienvogel" in path.read_bytes()]


def test_the_table_of_answers_is_a_sound_model() -> None:
    model = ClassifiedModel()
    QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    model.show_rows([Classified(1, "a.png", "naevus", "melanoma", "classify.clear")])
    assert [model.data(model.index(0, column)) for column in range(4)] == [
        "a.png", "naevus", "clearly", "melanoma",
    ]  # fmt: skip
    model.show_rows([])
    assert model.rowCount() == 0


@pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is None, reason="llama-cpp-python is not compiled")
def test_the_images_of_a_project_are_classified_and_a_person_makes_labels_of_it(
    tmp_path: Path, window: Window, own_demo: Path, wait_until: Wait
) -> None:
    settings.set_value("person.name", "Ada")
    make_bundle(tmp_path / "model")
    window.desk.open_project(own_demo)
    wait_until(lambda: window.desk.project is not None)
    page = open_labels(window, wait_until)
    view = page.modes.classifying.view
    wait_until(lambda: page.talk.place is Place.PROJECT and view.start.isEnabled() and view.scope.count())
    QTest.keyClick(view.start, Qt.Key.Key_Space)
    wait_until(lambda: view.model.rows)
    assert re.search(r"statements of tiny F32", view.told.text())
    with Store(own_demo, read_only=True) as store:
        images = store.value("SELECT count(*) FROM images")
        said = "SELECT count(*) FROM metadata WHERE origin = ? AND field = 'diagnosis' AND vocabulary = ?"
        ours = "labels of the user"
        files = store.value("SELECT count(*) FROM files JOIN images USING (sha256)")
        assert len(view.model.rows) == images
        assert store.value(said, (Origin.MODEL, ours)) == files
        assert store.value(said, (Origin.PERSON, ours)) == 0, "no person said it"
    assert not view.promote.isEnabled()
    wait_until(view.table.isVisible)
    view.table.setFocus()
    QTest.keyClick(view.table, Qt.Key.Key_A, CONTROL)
    QTest.keyClick(view.promote, Qt.Key.Key_Space)
    wait_until(page.parts.bar.isVisible)
    assert f"Labelled by you now: {files} files" in page.parts.bar.text
    by_ada = "SELECT count(*) FROM metadata WHERE origin = 'person' AND origin_name = 'Ada'"
    with Store(own_demo, read_only=True) as store:
        assert store.value(by_ada) == files
    QTest.mouseClick(page.parts.bar._button, Qt.MouseButton.LeftButton)
    wait_until(lambda: _count(own_demo, by_ada) == 0)


def _count(project: Path, query: str) -> int:
    with Store(project, read_only=True) as store:
        return int(store.value(query))
