"""Review: one picture, one pair, one key. What is decided is an event in the project's database."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QMenu, QPushButton, QWidget

from dermagui import settings
from dermagui.datasets.export import check as check_export
from dermagui.errors import UserError
from dermagui.jobs.report import Event
from dermagui.jobs.work import Parameters
from dermagui.records import PairState
from dermagui.review.queue import Order, Place, Spot
from dermagui.storage.queues import QueueFilter
from dermagui.ui import texts
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.review import desk_work
from dermagui.ui.review.desk_work import Opened
from dermagui.ui.review.export_counts import count_exportables
from dermagui.ui.review.export_sheet import ExportSheet, export_words, out_of
from dermagui.ui.review.pair_page import PairPage
from dermagui.ui.widgets.bar import Level
from dermagui.ui.widgets.key_icon import follow_action

_OWN = frozenset({"verdicts"})
"""What this page changes itself; other processes are told of as having changed more."""


class ReviewPage(PairPage):
    """Whose queue it is, which pairs are in it, and what is there when there is none."""

    def __init__(self, desk: Desk, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(desk, jobs, parent)
        self._opened: Opened | None = None
        self._people = QMenu(self)
        self.parts.reviewer.clicked.connect(self.action("review.reviewer").trigger)
        self._exports: dict[str, Parameters] = {}
        self._left_out: dict[str, list[str]] = {}
        jobs.told.connect(self._on_jobs_told)
        self.parts.strip.chosen.connect(self._on_strip_chosen)
        self.parts.strip.searched.connect(self._on_strip_searched)
        self.parts.names.named.connect(self._on_names_named)

    # -- opening --------------------------------------------------------------------------------

    def show_project(self) -> None:
        self.person = self._opened = self._shown = None
        self._editing = self._counting = False
        self.deciding.forget()
        self.pictures.clear()
        self.parts.bar.hide()
        self.parts.verdict.show_status("")
        self.parts.verdict.show_editing(False)
        self.walk.begin("", [])
        self.parts.strip.begin_anew()
        self._update_actions()
        if self.desk.project is None:
            self._tell(self.tr("Open a project to review its pairs."))
        elif name := settings.text("person.name"):
            self._open(name)
        else:
            self.ask_name()

    def show_changes(self, kinds: frozenset[str]) -> None:
        if self.person is None or kinds <= _OWN:
            return
        if self._shown is None and "pairs" in kinds and not self.walk.is_search:
            self._open(self.person.name)
        else:
            self.walk.refresh(quietly=True)
            self._count()

    def _open(self, name: str, place: Place | None = None) -> None:
        work = partial(desk_work.open_review, name=name, place=place)
        self.desk.ask(work, self._on_opened, owner=self, failed=self.parts.bar.tell_error)

    def _on_opened(self, opened: Opened) -> None:
        self._opened, self.person = opened, opened.person
        self.parts.show_opened(opened)
        self._shown, self._counting = None, False
        self.walk.begin(opened.person.uid, opened.spots, opened.queue)
        self._count()

    def ask_name(self) -> None:
        """Asks who reviews."""
        self.parts.show_only(self.parts.names)
        self.parts.names.ask(settings.text("person.name"))
        self._update_actions()

    def _on_names_named(self, name: str) -> None:
        self.leave()
        self._stop_editing()
        try:
            settings.set_value("person.name", name)
        except UserError as error:
            self.parts.bar.tell_error(error)
            return
        self.parts.bar.hide()
        self._open(name)

    def choose_reviewer(self) -> None:
        """Offers the people of this project, anybody else, and to write one's impression first."""
        self._people.clear()
        for name in self._opened.people if self._opened else ():
            self._people.addAction(name.replace("&", "&&"), partial(self._on_names_named, name))
        self._people.addSeparator()
        self._people.addAction(self.tr("Somebody else…"), self.ask_name)
        self._people.addSeparator()
        self._people.addAction(self.action("review.impression"))
        button = self.parts.reviewer
        self._people.popup(button.mapToGlobal(button.rect().bottomLeft()))

    # -- which pairs ----------------------------------------------------------------------------

    def _on_strip_chosen(self) -> None:
        self._choose(self.parts.strip.wanted, self.parts.strip.order)

    def _choose(self, wanted: QueueFilter, order: Order) -> None:
        if self.person is not None:
            self._keep_draft()
            self._stop_editing()
            self.parts.strip.search.clear()
            self._open(self.person.name, Place(wanted, order))

    def _on_strip_searched(self, words: str) -> None:
        if self.person is None:
            return
        self.leave()
        self._stop_editing()
        if words:
            self.desk.ask(partial(desk_work.find_pairs, words=words), self._on_found, owner=self)
        elif self.walk.is_search:
            self._open(self.person.name)

    def _on_found(self, spots: tuple[Spot, ...]) -> None:
        if self.person is not None:
            self._shown = None
            self.walk.begin(self.person.uid, spots)

    def focus_search(self) -> None:
        self.parts.strip.search.setFocus()
        self.parts.strip.search.selectAll()

    def start_again(self) -> None:
        """From the first pair of this choice."""
        self._on_strip_chosen()

    def show_everything(self) -> None:
        """All pairs, whatever became of them."""
        self._choose(QueueFilter(state=None), self.parts.strip.order)

    # -- no pair in view ------------------------------------------------------------------------

    def _show_end(self) -> None:
        if not self.walk.settled or self._opened is None:
            return
        if not self._opened.has_pairs:
            button = QPushButton(self.tr("Go to Generate"))
            button.clicked.connect(partial(self.wants.emit, "generate"))
            self._tell(self.tr("There are no pairs yet. Generate asks a model about your images."), button)
        elif self.walk.is_empty:
            buttons = self._button("everything"), self._button("export")
            left = self.parts.strip.wanted == QueueFilter()
            words = self.tr("Nothing is left to decide.") if left else self.tr("No pair is like that.")
            self._tell(words, *buttons)
        else:
            ways = [self._button(name) for name in ("again", "everything", "export")]
            self._tell(self.tr("That was the last pair of this choice."), *ways)

    def _tell(self, words: str, *buttons: QPushButton) -> None:
        self.parts.empty.tell(words, *buttons)
        self.parts.show_only(self.parts.empty)
        self._update_actions()

    def _button(self, name: str) -> QPushButton:
        button = QPushButton()
        follow_action(button, self.action(f"review.{name}"))
        return button

    # -- export ---------------------------------------------------------------------------------

    def export(self) -> None:
        """Asks how and where to write what was accepted, then lets a job do it."""
        self._ask_export(None)

    def _ask_export(self, before: Parameters | None) -> None:
        sheet = ExportSheet(self, before)
        sheet.asked.connect(partial(self._on_export_asked, sheet))
        sheet.wants_flagged.connect(partial(self._look_at_flagged, sheet))
        self.desk.ask(count_exportables, sheet.show_exportables, owner=sheet, failed=sheet.show_problem)
        sheet.open()

    def _look_at_flagged(self, sheet: ExportSheet) -> None:
        sheet.reject()
        self._choose(QueueFilter(state=PairState.ACCEPTED, flagged=True), self.parts.strip.order)

    def _on_export_asked(self, sheet: ExportSheet, parameters: Parameters) -> None:
        def started(job_id: str) -> None:
            self._exports[job_id] = parameters
            self._left_out[job_id] = []
            self.parts.bar.tell(self.tr("Writing the dataset …"), Level.INFO)
            sheet.accept()

        def begin(_: None) -> None:
            self.jobs.start("export", parameters, started=started, failed=sheet.show_problem)

        look = partial(check_export, parameters=parameters)
        self.desk.ask(look, begin, owner=sheet, failed=sheet.show_problem)

    def _on_jobs_told(self, job_id: str, event: Event) -> None:
        if job_id not in self._exports:
            return
        if event["event"] == "warning" and event["code"] == "export.refused_rows":
            self._left_out[job_id].append(texts.sentence(event["code"], event["values"]))
        if event["event"] == "end":
            self._show_exported(event, self._exports.pop(job_id), self._left_out.pop(job_id))

    def _show_exported(self, event: Event, parameters: Parameters, left_out: list[str]) -> None:
        out = out_of(parameters)
        if event["figures"]:
            show = partial(QDesktopServices.openUrl, QUrl.fromLocalFile(str(out)))
            level = Level.WARNING if left_out or not event["figures"]["train"] else Level.DONE
            words = " ".join([export_words(event["figures"], out), *left_out])
            self.parts.bar.tell(words, level, self.tr("Show folder"), show)
        elif event["error"]:
            words = texts.sentence(event["error"]["code"], event["error"]["values"])
            again = partial(self._ask_export, parameters)
            self.parts.bar.tell(words, Level.ERROR, self.tr("Export again…"), again)
        else:
            self.parts.bar.hide()
