"""A language in which every text stands in brackets and is longer: nothing passes by ``tr``, nothing is cut.

What is no wording is told by where it comes from: the database, the disk, or a list of names with reasons.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from html import unescape
from pathlib import Path

import pytest
from PySide6.QtCore import QAbstractItemModel, QAbstractListModel, QModelIndex, Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QLabel,
    QLineEdit,
    QMenu,
    QTextBrowser,
    QToolButton,
    QWidget,
)

from dermagui.chat.catalogue import load_catalogue
from dermagui.generation import run as generation
from dermagui.library.fields import known_fields
from dermagui.ui import scenes
from dermagui.ui.chat import model_scenes as models
from dermagui.ui.chat import scenes as chat
from dermagui.ui.library.field_words import FIELDS
from dermagui.ui.train import scenes as train
from dermagui.ui.window import Window
from tests.fakes.walking import Brackets, in_brackets, shown_texts

NAMES = {
    "dermagui": "the program",
    "general-en": "the bank of questions that ships",
    "127.0.0.1": "an address",
    "Empty": "a project",
    scenes.REVIEWER: "a person",
    **dict.fromkeys(("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0"), "a licence"),
    **dict.fromkeys(
        ("jpeg", "JPEG", "PNG", "png", "bytes", "kB", "KiB", "MiB", "sha256"), "a format or a unit"
    ),
    "DermaSynth": "a format of others",
    **dict.fromkeys(("bfloat16", "float16"), "a kind of number"),
    **dict.fromkeys((*train.MADE_UP, *chat.MADE_UP, *models.MADE_UP), "data of a view"),
    **{
        text: "a model that is suggested, and its terms, which are accepted in these very words"
        for model in load_catalogue()
        for text in (model.title, model.licence, model.quantization, model.terms)
    },
}
"""What is the same in every language → what it is."""
PROMPT = "You are a teacher of dermatology"
"""How a prompt begins, which is shown word for word as it is sent."""
_ROWS_AT_MOST = 30


class Longer(Brackets):
    """The same, a third longer, as many a language is."""

    def translate(self, context: str, text: str, disambiguation: str | None = None, n: int = -1) -> str:
        return super().translate(context, text + "~" * (len(text) // 3), disambiguation, n)


@pytest.fixture
def longer(application: QApplication) -> Iterator[None]:
    """The language."""
    translator = Longer()
    application.installTranslator(translator)
    yield
    application.removeTranslator(translator)


def data_of(project: Path) -> list[str]:
    """All words that stand in a project's database, in its files, their names and paths."""
    found = set(project.parts) | {str(project)}
    with closing(sqlite3.connect(project / "dermagui.db")) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        roots = [Path(os.fsdecode(root)) for (root,) in database.execute("SELECT root FROM sources")]
        # A bank names its questions by keys, which are shown as words.
        keys = [key for (key,) in database.execute("SELECT key FROM questions")]
        found |= {key.replace("_", " ").capitalize() for key in keys}
        for table in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    found |= set(_texts_in(value))
    for folder in (project, *roots):
        inside = [folder, *folder.rglob("*")]
        found |= {str(path) for path in inside} | {path.name for path in inside}
        tables = [path.read_text("utf-8", "replace") for path in inside if path.suffix == ".csv"]
        found |= {cell for table in tables for cell in re.split("[,\n]", table)}
    lines = {line.strip() for text in found for line in text.splitlines()}
    return [text for text in found | lines if len(text) > 1]


def _texts_in(value: object) -> Iterator[str]:
    """A value and, where it is JSON, what is in it; a hash is shown by its beginning."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return
    yield value
    if re.fullmatch("[0-9a-f]{64}", value):
        yield value[:16]
    with suppress(ValueError):
        yield from _leaves(json.loads(value))


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _leaves(one)


def all_texts(top: QWidget) -> Iterator[tuple[str, str]]:
    """Whose text, and the text: of widgets, their actions and menus, of documents, and of rows of lists."""
    yield from shown_texts(top)
    for widget in [top, *top.findChildren(QWidget)]:
        if not widget.isVisible() and not isinstance(widget, QMenu):
            continue
        who = f"{type(widget).__name__} {widget.objectName()}"
        for action in widget.actions():
            yield from ((f"an action of {who}", text) for text in (action.text(), action.toolTip()))
        if isinstance(widget, QTextBrowser):
            yield from ((who, line) for line in widget.toPlainText().splitlines())
        if isinstance(widget, QAbstractItemView) and widget.model() is not None:
            yield from ((f"a row of {who}", text) for text in _cells(widget.model()))


def _cells(model: QAbstractItemModel) -> Iterator[str]:
    roles = (
        Qt.ItemDataRole.DisplayRole,
        Qt.ItemDataRole.ToolTipRole,
        Qt.ItemDataRole.AccessibleTextRole,
    )
    for row in range(min(model.rowCount(QModelIndex()), _ROWS_AT_MOST)):
        for column in range(1 if isinstance(model, QAbstractListModel) else model.columnCount(QModelIndex())):
            for role in roles:
                found = model.index(row, column).data(role)
                yield from found.splitlines() if isinstance(found, str) else ()


def is_wording(text: str, known: list[str]) -> bool:
    """Whether words are left that nobody translated, once data and names are taken out."""
    text = unescape(re.sub("<[^>]+>", " ", text))
    for word in known:
        text = text.replace(word, " ")
    if not re.search(r"[^\W\d_]{2}", text):
        return False
    return not in_brackets(text)


def cut_texts(top: QWidget) -> Iterator[str]:
    """Buttons and labels that are narrower than their words."""
    for widget in top.findChildren(QWidget):
        lines = isinstance(widget, QLabel) and not widget.wordWrap() and not widget.pixmap()
        button = isinstance(widget, QAbstractButton) and not isinstance(widget.parent(), QLineEdit)
        if not widget.isVisible() or not (lines or button):
            continue
        wanted = widget.sizeHint().width()
        if wanted > widget.width() + 1 and re.search(r"\w{2}", widget.text()):
            yield f"{type(widget).__name__} {widget.text()!r}: {widget.width()} of {wanted} pixels"


def test_no_word_of_a_window_in_use_passes_by_tr(
    longer: None, window: Window, application: QApplication, own_demo: Path
) -> None:
    window.desk.open_project(own_demo)
    scenes.settle(application, window)
    terms = generation.terms()  # what is accepted is this very text; its points have ids for translators
    known = [*data_of(own_demo), *NAMES, *(point.text for point in terms.points), terms.note, terms.service]
    known.sort(key=len, reverse=True)
    wrong, seen = set(), 0
    for views in (scenes.all_views, scenes.working_views):
        for name, view in views(window, application):
            texts = list(all_texts(view))
            seen += sum(in_brackets(text) for _, text in texts)
            texts = [text for text in texts if not text[1].startswith(PROMPT)]
            wrong |= {f"{name}: {who}: {text!r}" for who, text in texts if is_wording(text, known)}
    assert seen > 1_000, "the language is not spoken"
    assert not wrong, "\n".join(sorted(wrong))


def test_the_fields_that_are_known_have_words() -> None:
    assert {name: field.label for name, field in known_fields().items()} == FIELDS


def test_longer_words_are_not_cut(
    longer: None, window: Window, application: QApplication, own_demo: Path
) -> None:
    window.desk.open_project(own_demo)
    scenes.settle(application, window)
    wrong = set()
    for views in (scenes.all_views, scenes.working_views):
        for name, view in views(window, application):
            wrong |= {f"{name}: {text}" for text in cut_texts(view)}
    assert not wrong, "\n".join(sorted(wrong))


def test_what_passes_by_is_seen_in_rows_documents_and_actions(
    longer: None, application: QApplication
) -> None:
    from PySide6.QtGui import QAction
    from PySide6.QtWidgets import QListWidget, QVBoxLayout

    top = QWidget()
    column = QVBoxLayout(top)
    rows, browser = QListWidget(), QTextBrowser()
    rows.addItem("a plain row")
    browser.setHtml("<p>a plain line</p>")
    top.addAction(QAction("A plain action", top))
    for widget in (rows, browser):
        column.addWidget(widget)
    top.show()
    texts = {text for _, text in all_texts(top) if is_wording(text, [])}
    assert {"a plain row", "a plain line", "A plain action"} <= texts
    assert not is_wording("⟦Flagged:⟧ repeats melanoma", ["repeats", "melanoma"])
    assert is_wording("⟦Flagged:⟧ repeats melanoma", ["melanoma"])
    button = QToolButton(top)
    button.setText("much longer than it is wide")
    button.setFixedWidth(20)
    button.show()
    assert any("much longer" in cut for cut in cut_texts(top))
    top.close()
    top.deleteLater()
