"""Every page and dialog of the window, at rest and in the midst of work: what pictures show and tests open.

Whoever walks through them gets name and widget of each when it has settled. ``working_views`` and
``running_views`` stand on a project with images, and write into it and into the settings: give them copies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QDialog, QWidget

from dermagui.jobs.work import is_alive
from dermagui.storage import sources
from dermagui.ui.chat.model_scenes import model_views
from dermagui.ui.chat.scenes import chat_views
from dermagui.ui.desk import Desk
from dermagui.ui.generate.page import GeneratePage
from dermagui.ui.library.page import LibraryPage
from dermagui.ui.pages import PAGES
from dermagui.ui.review.export_sheet import ExportSheet
from dermagui.ui.review.page import ReviewPage
from dermagui.ui.shell.closing import build_question
from dermagui.ui.shell.report import CrashDialog, ReportDialog
from dermagui.ui.shell.welcome import Welcome
from dermagui.ui.train.scenes import train_views

if TYPE_CHECKING:
    from dermagui.ui.window import Window

REVIEWER = "Dr. Example"
_LATENCY_SECONDS = (0.8, 1.2)
"""So slow that the run outlives its pictures on a busy machine."""
_PATIENCE_SECONDS = 120
_CALM_ROUNDS = 5
_SOON_MILLISECONDS = 5_000
"""A timer that is set to more waits for something that nobody does here, such as leaving a model unused."""
_TRACE = (
    'Traceback (most recent call last):\n  File "window.py", line 1, in example\nRuntimeError: an example'
)

Views = Iterator[tuple[str, QWidget]]


def all_views(window: Window, application: QApplication) -> Views:
    """The window with each page, then each dialog."""
    yield from page_views(window, application)
    yield from dialog_views(window, application)


def page_views(window: Window, application: QApplication) -> Views:
    """The window with each page of the rail."""
    for name in PAGES:
        window.show_page(name)
        settle(application, window)
        yield name, window


def dialog_views(window: Window, application: QApplication) -> Views:
    """What stands above the window; the pages of the welcome one by one."""
    window.show_page("library")
    for name, make in DIALOGS.items():
        dialog = make(window)
        settle(application, window)
        yield name, dialog
        if isinstance(dialog, Welcome):
            for n in range(1, dialog.stack.count()):
                dialog.onward.click()
                settle(application, window)
                yield f"{name}-{n + 1}", dialog
        dialog.reject()
        dialog.deleteLater()


def working_views(window: Window, application: QApplication) -> Views:
    """The pages in use, and their sheets."""

    def calm() -> None:
        settle(application, window)

    for views in (_library_views, _generate_views, _review_views, train_views, chat_views, model_views):
        yield from views(window, calm)


def running_views(window: Window, application: QApplication) -> Iterator[tuple[str, QWidget, int]]:
    """Generate and Jobs while a rehearsed run goes on: each with the number of its process, which lives.

    The answers come slowly, from a server on this computer, so that there is something to see.
    """
    with _run(window, application) as job_id:
        window.show_page("generate")
        for n in (1, 2):
            _wait(application, partial(_has_answers, window, job_id, n))
            yield f"generate-running-{n}", window, _living(window, job_id)
        window.show_page("jobs")
        settle(application, window)
        yield "jobs-running", window, _living(window, job_id)


def settle(application: QApplication, window: Window) -> None:
    """Lets events happen until nothing is under way any more."""
    calm = 0

    def is_calm() -> bool:
        nonlocal calm
        idle = all(desk.is_idle for desk in window.findChildren(Desk))  # downloads have one of their own
        calm = calm + 1 if idle and not _about_to_act(window) else 0
        return calm >= _CALM_ROUNDS

    _wait(application, is_calm)


def _about_to_act(window: Window) -> bool:
    """Whether something waits for a moment, such as a form that is looked at when nobody types."""
    timers = window.findChildren(QTimer)
    return any(t.isActive() and t.isSingleShot() and t.interval() <= _SOON_MILLISECONDS for t in timers)


def _wait(application: QApplication, is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while not is_true():
        if time.monotonic() > end:
            raise TimeoutError(f"the window did not get there within {_PATIENCE_SECONDS} s")
        application.processEvents()
        time.sleep(0.01)


# -- dialogs ----------------------------------------------------------------------------------------


def _newest(window: Window, kind: type[QDialog]) -> QDialog:
    return [dialog for dialog in window.findChildren(kind) if dialog.isVisible()][-1]


def _palette(window: Window) -> QDialog:
    window.show_palette()
    return _newest(window, QDialog)


def _keys(window: Window) -> QDialog:
    window.show_keys()
    return _newest(window, QDialog)


def _report(window: Window) -> QDialog:
    window.show_report()
    return _newest(window, ReportDialog)


def _crash(window: Window) -> QDialog:
    dialog = CrashDialog(_TRACE, window)
    dialog.open()
    return dialog


def _closing(window: Window) -> QDialog:
    question = build_question(window)[0]
    question.open()
    return question


def _welcome(window: Window) -> QDialog:
    window.show_welcome()
    return _newest(window, Welcome)


DIALOGS: dict[str, Callable[[Window], QDialog]] = {
    "palette": _palette,
    "keys": _keys,
    "report": _report,
    "crash": _crash,
    "closing": _closing,
    "welcome": _welcome,
}
"""Name → what opens it."""


# -- pages in use -----------------------------------------------------------------------------------


def _library_views(window: Window, calm: Callable[[], None]) -> Views:
    window.show_page("library")
    page = window.pages["library"]
    assert isinstance(page, LibraryPage)
    calm()
    numbers = page.model.numbers
    page.view.select_numbers(numbers[1:2], numbers[1])
    calm()
    yield "library-selected", window
    page.toggle_table()
    calm()
    yield "library-table", window
    page.toggle_table()
    page.view.select_numbers(numbers[:3], numbers[0])
    for name, go in (("compare", page.compare), ("source", page.show_source), ("forget", page.forget)):
        go()
        calm()
        yield f"library-{name}", window
    roots: list[Path] = []
    window.desk.ask(
        lambda store: [Path(source.root) for source in sources.list_sources(store)], roots.extend, owner=page
    )
    calm()
    page.understand(roots[:1])
    calm()
    yield "library-adding", window
    page.back_to_images()


def _generate_views(window: Window, calm: Callable[[], None]) -> Views:
    window.show_page("generate")
    page = window.pages["generate"]
    assert isinstance(page, GeneratePage)
    page.show_terms()
    calm()
    yield "generate-terms", window
    page.back()
    page.edit_bank()
    calm()
    yield "generate-bank", window
    page.editor.copy.click()
    calm()
    yield "generate-own-bank", window
    page.editor.leave()
    calm()


def _review_views(window: Window, calm: Callable[[], None]) -> Views:
    window.show_page("review")
    page = window.pages["review"]
    assert isinstance(page, ReviewPage)
    page.parts.names.named.emit(REVIEWER)
    calm()
    page.show_everything()
    calm()
    yield "review-pair", window
    page.toggle_metadata()
    page.edit()
    calm()
    yield "review-editing", window
    page.toggle_metadata()
    page.leave_edit()
    page.export()
    calm()
    for sheet in page.findChildren(ExportSheet):
        yield "review-export", sheet
        sheet.reject()


# -- a run ------------------------------------------------------------------------------------------


@contextmanager
def _run(window: Window, application: QApplication) -> Iterator[str]:
    """A run of questions that nobody asked yet; its id. It is stopped at the end."""
    from dermagui.demo.server import RehearsalServer, Script
    from dermagui.generation.plan import plan_from_settings

    with RehearsalServer(Script(latency_seconds=_LATENCY_SECONDS, leak_every=4)) as server:
        plan = plan_from_settings("practice")
        # Another seed draws other questions. One at a time: there shall be something left to look at.
        plan = replace(plan, base_url=server.base_url, seed=plan.seed + 1, concurrency=1)
        flags = {"resend_unknown": False, "retry_refused": False, "free_tier_yes": False}
        begun: list[str] = []
        window.jobs.start("generate", {"plan": plan.as_json(), **flags}, started=begun.append)
        _wait(application, lambda: bool(begun) and begun[0] in window.jobs.running)
        yield begun[0]
        window.jobs.stop(begun[0])
        _wait(application, lambda: begun[0] not in window.jobs.running)


def _has_answers(window: Window, job_id: str, least: int) -> bool:
    return int(window.jobs.running[job_id].progress.get("done", 0)) >= least


def _living(window: Window, job_id: str) -> int:
    row = window.jobs.running[job_id].row
    assert is_alive(row["pid"], row["process_started"])
    pid: int = row["pid"]
    return pid
