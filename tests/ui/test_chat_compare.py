"""Two models side by side, by keys and clicks, with scripted children: asked alike, hidden, chosen, kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from dermagui import settings
from dermagui.chat.side_by_side import order_of
from dermagui.storage.database import Store
from dermagui.storage.preferences import Preference, list_preferences
from dermagui.ui.chat import desk_work
from dermagui.ui.chat.page import ChatPage
from dermagui.ui.chat.shelf import Place
from dermagui.ui.window import Window
from tests.fakes.answering import Script, start_scripted
from tests.fakes.chat_page import attach, make_bundle, make_picture, open_chat, write

Wait = Callable[[Callable[[], object]], None]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Script:
    made = start_scripted(monkeypatch)
    for name in ("alpha", "beta"):
        make_bundle(tmp_path / name, name)
    settings.set_value("person.name", "Ada")
    return made


@pytest.fixture
def page(script: Script, window: Window, wait_until: Wait) -> ChatPage:
    """The page, about to compare alpha with beta."""
    page = open_chat(window, wait_until)
    QTest.keyClick(
        page, Qt.Key.Key_B, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    )
    wait_until(page.modes.comparing.view.isVisible)
    return page


@pytest.fixture
def project(page: ChatPage, window: Window, own_demo: Path, wait_until: Wait) -> Path:
    """A project, open."""
    window.desk.open_project(own_demo)
    wait_until(lambda: page.talk.place is Place.PROJECT and window.desk.is_idle)
    return own_demo


def answers(page: ChatPage) -> list[str]:
    return [column.words.toPlainText() for column in page.modes.comparing.view.columns]


def ask(page: ChatPage, text: str, wait_until: Wait) -> None:
    """Asks both, and waits for both answers."""
    write(page, text)
    wait_until(lambda: page.modes.comparing.view.columns[0].choose.isEnabled())


def differ(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model that is loaded second says something else."""
    usual = script.words

    def words(question: str, stopped: threading.Event) -> Iterator[str]:
        yield f"child{len(script.children)} "
        yield from usual(question, stopped)

    monkeypatch.setattr(script, "words", words)


def choices(project: Path) -> list[Preference]:
    with Store(project, read_only=True) as store:
        return list(list_preferences(store))


def loads(script: Script) -> list[str]:
    """Which models were loaded, in order."""
    return [Path(told["load"]["model"]).parent.name for told in script.asked if told["do"] == "load"]


def test_both_get_the_same_question_and_picture_and_the_chosen_answer_is_kept(
    page: ChatPage,
    script: Script,
    project: Path,
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
    window: Window,
) -> None:
    differ(script, monkeypatch)
    with Store(project, read_only=True) as store:
        number = store.value("SELECT id FROM images ORDER BY id")
    window.desk.selected_images = lambda: [number]
    QTest.keyClick(page, Qt.Key.Key_U, Qt.KeyboardModifier.ControlModifier)
    wait_until(lambda: page.parts.composer.thumbs)
    ask(page, "2 words", wait_until)
    view = page.modes.comparing.view
    assert view.blinded.isChecked()
    assert [column.title.text() for column in view.columns] == ["Answer A", "Answer B"]
    asked = [told for told in script.asked if told["do"] == "ask"]
    assert [told["turns"][-1]["text"] for told in asked] == ["2 words", "2 words"]
    assert asked[0]["images"] == asked[1]["images"] != []
    assert asked[0]["sampling"] == asked[1]["sampling"]
    told = answers(page)
    assert len(set(told)) == 2
    QTest.keyClick(view.columns[1].choose, Qt.Key.Key_Space)
    wait_until(lambda: page.parts.bar.text == "Your choice is kept.")
    (kept,) = choices(project)
    assert (kept.chosen.strip(), kept.rejected.strip()) == (told[1].strip(), told[0].strip())
    assert kept.turns[0].text == "2 words"
    assert kept.images == (number,)
    assert kept.blinded
    left, right = (("alpha", "beta")[place] for place in order_of(kept.seed, blinded=True))
    assert (kept.chosen_by["model"], kept.rejected_by["model"]) == (right, left)
    assert left in view.columns[0].title.text()
    assert view.columns[1].title.text().endswith("chosen")
    assert not view.hint.isVisible()
    assert not view.columns[0].choose.isEnabled(), "a choice is made once"


def test_which_is_which_is_shown_at_once_where_nobody_wants_it_hidden(
    page: ChatPage, project: Path, script: Script, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    differ(script, monkeypatch)
    view = page.modes.comparing.view
    view.blinded.setFocus()
    QTest.keyClick(view.blinded, Qt.Key.Key_Space)
    ask(page, "2 words", wait_until)
    assert [column.title.text() for column in view.columns] == ["Answer A · alpha", "Answer B · beta"]
    assert not view.reveal.isVisible()
    QTest.mouseClick(view.columns[0].choose, Qt.MouseButton.LeftButton)
    wait_until(lambda: choices(project))
    assert not choices(project)[0].blinded


def test_both_stay_loaded_where_memory_holds_them(page: ChatPage, script: Script, wait_until: Wait) -> None:
    assert "both stay loaded" in page.modes.comparing.view.memory.text()
    ask(page, "2 words", wait_until)
    ask(page, "3 words", wait_until)
    assert sorted(loads(script)) == ["alpha", "beta"]
    assert not any(child.is_gone for child in script.children)


def test_they_are_loaded_in_turn_where_memory_does_not_hold_both(
    page: ChatPage, script: Script, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = page.modes.comparing.view
    both = sum(card.memory_bytes for card in view.cards)
    monkeypatch.setattr(desk_work, "list_models", lambda _: (list(view._cards.values()), both))
    page.choosing.look()
    wait_until(lambda: "in its turn" in view.memory.text())
    ask(page, "2 words", wait_until)
    assert sorted(loads(script)) == ["alpha", "beta"]
    assert script.children[0].is_gone, "two models at once"


def test_who_looks_which_is_which_cannot_choose_any_more(
    page: ChatPage, project: Path, wait_until: Wait
) -> None:
    ask(page, "2 words", wait_until)
    view = page.modes.comparing.view
    wait_until(view.reveal.isVisible)
    QTest.mouseClick(view.reveal, Qt.MouseButton.LeftButton)
    assert sorted(column.title.text().split(" · ")[1] for column in view.columns) == ["alpha", "beta"]
    assert not any(column.choose.isEnabled() for column in view.columns)
    assert not choices(project)


def test_two_answers_that_say_the_same_are_no_choice(page: ChatPage, project: Path, wait_until: Wait) -> None:
    ask(page, "2 words", wait_until)
    view = page.modes.comparing.view
    QTest.mouseClick(view.columns[0].choose, Qt.MouseButton.LeftButton)
    wait_until(page.parts.bar.isVisible)
    assert "Both answers say the same" in page.parts.bar.text
    assert [column.title.text() for column in view.columns] == ["Answer A", "Answer B"]
    assert not choices(project)


def test_a_picture_that_is_not_in_the_project_cannot_be_chosen_about(
    page: ChatPage,
    project: Path,
    script: Script,
    tmp_path: Path,
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    differ(script, monkeypatch)
    attach(page, make_picture(tmp_path / "mole.png"), wait_until)
    ask(page, "2 words", wait_until)
    QTest.mouseClick(page.modes.comparing.view.columns[0].choose, Qt.MouseButton.LeftButton)
    wait_until(page.parts.bar.isVisible)
    assert "not in this project" in page.parts.bar.text
    assert page.modes.comparing.view.columns[0].choose.isEnabled()


def test_a_private_comparison_writes_nothing(
    page: ChatPage, project: Path, script: Script, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    differ(script, monkeypatch)
    page.new_private_chat()
    page.compare()
    ask(page, "2 kanarienvogel", wait_until)
    QTest.mouseClick(page.modes.comparing.view.columns[0].choose, Qt.MouseButton.LeftButton)
    wait_until(page.parts.bar.isVisible)
    assert "not kept" in page.parts.bar.text
    assert page.modes.comparing.view.hint.isVisible()
    assert not choices(project)
    page.desk.close_project()
    files = [path for path in project.rglob("*") if path.is_file()]
    assert not [path for path in files if b"kanarienvogel" in path.read_bytes()]


def test_a_crash_gives_the_question_back_and_starts_again(
    page: ChatPage, script: Script, wait_until: Wait
) -> None:
    write(page, "crash")
    wait_until(page.parts.bar.isVisible)
    assert "ended while it was answering" in page.parts.bar.text
    assert page.parts.composer.text == "crash"
    assert not page.modes.is_busy
    page.parts.composer.draft.setPlainText("2 words")
    QTest.mouseClick(page.parts.bar._button, Qt.MouseButton.LeftButton)
    wait_until(lambda: page.modes.comparing.view.columns[0].choose.isEnabled())
    assert answers(page) == ["word0 word1", "word0 word1"]


def test_it_is_stopped_and_nothing_of_it_becomes_a_chat(
    page: ChatPage, script: Script, wait_until: Wait
) -> None:
    write(page, "endless")
    wait_until(lambda: "word9" in answers(page)[0])
    QTest.keyClick(page, Qt.Key.Key_Period, Qt.KeyboardModifier.ControlModifier)
    wait_until(lambda: page.parts.composer.text == "endless")
    assert not page.modes.is_busy
    assert not page.talk.turns
    QTest.keyClick(page, Qt.Key.Key_B, Qt.KeyboardModifier.ControlModifier)
    assert page.parts.conversation.isVisible()
    assert not page.modes.comparing.view.isVisible()


def test_one_model_alone_is_not_compared(page: ChatPage, wait_until: Wait) -> None:
    view = page.modes.comparing.view
    view.pickers[1].setFocus()
    QTest.keyClick(view.pickers[1], Qt.Key.Key_Up)
    assert view.names == ("alpha", "alpha")
    assert view.memory.text() == "Choose two different models."
    assert not page.action("chat.send").isEnabled()
