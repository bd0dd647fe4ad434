"""The whole window: every page and dialog speaks the user's language, is heard, and loads nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication, QWidget

from dermagui.chat.catalogue import load_catalogue
from dermagui.network import Purpose, write_ledger
from dermagui.project import create_project
from dermagui.ui import actions, scenes
from dermagui.ui.pages import PAGES
from dermagui.ui.window import Window
from tests.fakes.walking import Brackets, accessible_faults, in_brackets, shown_texts

HEAVY = (
    "google.genai",
    "llama_cpp",
    "torch",
    "transformers",
    "numpy",
    "pandas",
    "pyarrow",
    "huggingface_hub",
)
# What is no wording: the names of the program and of a project.
SHIPPED_BANK = "General questions about skin images"
NO_WORDS = ("dermagui", "⟦Study⟧ - dermagui", SHIPPED_BANK, *(model.title for model in load_catalogue()))
"""Names that are the same in every language: the program, a project, the bank of questions that ships, the
suggested models.
"""

_OPEN_ALL = """
import json, sys
from pathlib import Path
from PySide6.QtWidgets import QApplication
from dermagui.ui import scenes
from dermagui.ui.window import Window
application = QApplication([])
heavy = sys.argv[2:]
window = Window()
window.show()
application.processEvents()
first = [name for name in heavy if name in sys.modules]
window.desk.open_project(Path(sys.argv[1]))
views = [name for name, _ in scenes.all_views(window, application)]
views += [name for name, _ in scenes.working_views(window, application)]
assert window.desk.project is not None
window.close()
print(json.dumps({"first": first, "after": [name for name in heavy if name in sys.modules], "views": views}))
"""


@pytest.fixture
def brackets(application: QApplication) -> Iterator[None]:
    """A language in which every text stands in brackets."""
    translator = Brackets()
    application.installTranslator(translator)
    yield
    application.removeTranslator(translator)


def _untranslated(widget: QWidget) -> list[str]:
    return [
        f"{who}: {text!r}"
        for who, text in shown_texts(widget)
        if not in_brackets(text) and text not in NO_WORDS
    ]


def test_no_text_of_any_page_or_dialog_passes_by_tr(
    brackets: None, window: Window, application: QApplication, tmp_path: Path
) -> None:
    found = {name: _untranslated(view) for name, view in scenes.all_views(window, application)}
    create_project(tmp_path / "⟦Study⟧")
    window.desk.open_project(tmp_path / "⟦Study⟧")
    views = scenes.all_views(window, application)
    found |= {f"{name} of an empty project": _untranslated(view) for name, view in views}
    assert {name: texts for name, texts in found.items() if texts} == {}


def test_every_page_and_dialog_can_be_heard(window: Window, application: QApplication, demo: Path) -> None:
    found = {name: accessible_faults(view) for name, view in scenes.all_views(window, application)}
    window.desk.open_project(demo)
    found |= {f"{n} of a project": accessible_faults(v) for n, v in scenes.all_views(window, application)}
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_the_walks_find_what_they_look_for(brackets: None, application: QApplication) -> None:
    from PySide6.QtWidgets import QLabel, QPushButton, QToolButton, QVBoxLayout

    widget = QWidget()
    column = QVBoxLayout(widget)
    for part in (QLabel("plain"), QToolButton(), QPushButton("Twice"), QPushButton("Twice")):
        column.addWidget(part)
    widget.show()
    assert any("plain" in fault for fault in _untranslated(widget))
    assert len(accessible_faults(widget)) == 2
    widget.close()
    widget.deleteLater()


def test_opening_every_page_loads_nothing_heavy(own_demo: Path) -> None:
    command = [sys.executable, "-c", _OPEN_ALL, str(own_demo), *HEAVY, "dermagui.ui.shell.privacy_page"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["first"], told["after"]) == ([], ["dermagui.ui.shell.privacy_page"]), "what comes is seen"
    assert {*PAGES, "welcome", "library-compare", "review-editing", "review-export"} <= set(told["views"])


def test_every_action_has_a_shortcut_of_its_own_where_it_works(window: Window) -> None:
    for name in PAGES:
        actions_here = [*window.actions(), *window.pages[name].actions()]
        assert [action.text() for action in actions_here if not action.shortcuts()] == []
        keys = [key.toString() for action in actions_here for key in action.shortcuts()]
        assert len(set(keys)) == len(keys), name


def test_the_order_of_the_focus_is_the_order_of_reading(
    window: Window, application: QApplication, demo: Path
) -> None:
    window.desk.open_project(demo)
    for host in ("hub.example.org", "localhost"):
        write_ledger(Purpose.DOWNLOAD, host, bytes=1)
    for name in ("jobs", "privacy", "settings"):
        window.show_page(name)
        scenes.settle(application, window)
        places = [widget.mapTo(window, widget.rect().topLeft()) for widget in _tab_stops(window.pages[name])]
        assert len(places) > 2
        rows = [(place.y() // 16, place.x()) for place in places]
        assert rows == sorted(rows), name


def _tab_stops(page: QWidget) -> list[QWidget]:
    """The widgets of a page in the order in which the Tab key walks through them."""
    stops, widget = [], page.nextInFocusChain()
    while widget is not page:
        takes = bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus) and widget.focusProxy() is None
        if takes and page.isAncestorOf(widget) and widget.isVisible() and widget.isEnabled():
            stops.append(widget)
        widget = widget.nextInFocusChain()
    return stops


class _Windows(QObject):
    """Keeps what was shown as a window of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.Show and isinstance(watched, QWidget) and watched.isWindow():
            self.shown.append(type(watched).__name__)
        return False


def test_no_part_of_a_page_is_a_window_of_its_own_while_it_is_made(
    application: QApplication, demo: Path, wait_until: Callable[[Callable[[], object]], None]
) -> None:
    """Such a window would flash up, and take the keys from the one that the user looks at."""
    windows = _Windows()
    application.installEventFilter(windows)
    window = Window()
    window.show()
    window.desk.open_project(demo)
    wait_until(lambda: window.desk.project)
    for name in PAGES:
        window.show_page(name)
        scenes.settle(application, window)
    window.close()
    window.deleteLater()
    application.removeEventFilter(windows)
    assert windows.shown == ["Window"]


def test_a_page_is_made_when_somebody_goes_there(
    window: Window, demo: Path, application: QApplication
) -> None:
    assert not window.pages, "the ways to a project need none"
    window.desk.open_project(demo)
    scenes.settle(application, window)
    assert list(window.pages) == ["library"]
    window.show_review()
    scenes.settle(application, window)
    assert list(window.pages) == ["library", "review"]


def test_every_page_fits_a_small_screen(window: Window, application: QApplication, demo: Path) -> None:
    window.desk.open_project(demo)
    for name in PAGES:
        window.show_page(name)
        scenes.settle(application, window)
        least = window.minimumSizeHint()
        assert least.width() <= 1280, name
        assert least.height() <= 700, name


def test_every_row_of_the_table_names_a_method(window: Window) -> None:
    for name in ("", *PAGES):
        owner = window.pages[name] if name else window
        for row in actions.rows_of(name):
            assert callable(getattr(owner, row.method)), row.id
            assert row.page == name, row.id


def test_no_widget_holds_an_icon_in_python(window: Window, application: QApplication) -> None:
    """The collector of garbage may end an icon's engine, which is in Python, before the icon: a crash."""
    views = [name for name, _ in scenes.all_views(window, application)]
    assert len(views) > len(PAGES)
    holders = {
        f"{type(widget).__name__}.{name}"
        for widget in [window, *window.findChildren(QWidget)]
        for name, value in vars(widget).items()
        if isinstance(value, QIcon)
    }
    assert not holders
