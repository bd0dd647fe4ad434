"""The page Train: a road of five stations, from accepted pairs to a model of one's own in the chat."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QFileDialog, QFrame, QScrollArea, QVBoxLayout, QWidget

from dermagui.errors import DermaError, UserError
from dermagui.jobs.report import Event
from dermagui.records import JobState
from dermagui.training.import_job import import_parameters
from dermagui.ui import theme
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.page import Page
from dermagui.ui.train.computer import ComputerStation
from dermagui.ui.train.data import DataStation
from dermagui.ui.train.model import ModelStation
from dermagui.ui.train.parts import JobButton, action_button
from dermagui.ui.train.recipe import RecipeStation
from dermagui.ui.train.run import RunStation
from dermagui.ui.train.station import Road, Station
from dermagui.ui.train.words import gigabytes
from dermagui.ui.widgets.bar import Bar, Level
from dermagui.ui.widgets.new_folder import ask_new_folder
from dermagui.ui.widgets.pages import Pages

_DATA_KINDS = frozenset({"pairs", "verdicts", "files", "metadata", "sources", "jobs"})


class TrainPage(Page):
    """Every station reads for itself; the page shows one, lights the road, and passes on what jobs tell."""

    name: ClassVar[str] = "train"

    def __init__(self, desk: Desk, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(desk, jobs, parent)
        self.bar = Bar()
        self._buttons = {
            kind: JobButton(kind, jobs, self.action(id_), self._tell)
            for kind, id_ in (
                ("train_check", "train.check"),
                ("train_env", "train.install"),
                ("train", "train.start"),
                ("bundle", "train.build"),
                ("train_import", "train.import"),
            )
        }
        of_kind = self._buttons
        self.data = DataStation(desk, jobs, self.bar, of_kind["train_check"])
        self.computer = ComputerStation(desk, jobs, self.bar, of_kind["train_env"])
        self.recipe = RecipeStation(desk, jobs, self.bar, self.data, self.computer)
        self.run = RunStation(
            desk,
            jobs,
            self.bar,
            of_kind["train"],
            self.action("train.stop"),
            self.action("train.resume"),
        )
        self.model = ModelStation(desk, jobs, self.bar, of_kind["bundle"], self.run)
        self.stations: list[Station] = [self.data, self.computer, self.recipe, self.run, self.model]
        self.road = Road([station.title for station in self.stations])
        self._stack = Pages()
        self._scrolls: list[QScrollArea] = []
        self._scroll = QTimer(self, singleShot=True, interval=0)
        self._build()
        self._connect()

    def _build(self) -> None:
        self.recipe.elsewhere.addWidget(action_button(self.action("train.one_step")))
        self.recipe.elsewhere.addWidget(action_button(self.action("train.export")))
        self.recipe.elsewhere.addWidget(self._buttons["train_import"])
        self.recipe.elsewhere.addStretch(1)
        for station in self.stations:
            scroll = QScrollArea()
            scroll.setWidgetResizable(True)
            scroll.setFrameShape(QFrame.Shape.NoFrame)
            scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            scroll.setWidget(station)
            self._scrolls.append(scroll)
            whole = QWidget()
            rows = QVBoxLayout(whole)
            rows.setContentsMargins(0, 0, 0, 0)
            rows.setSpacing(0)
            rows.addWidget(station.head)
            rows.addWidget(scroll, 1)
            self._stack.addWidget(whole)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.GRID, theme.GRID, theme.GRID, 0)
        column.setSpacing(theme.GRID)
        column.addWidget(self.bar)
        column.addWidget(self.road)
        column.addWidget(self._stack, 1)

    def _connect(self) -> None:
        self.road.chosen.connect(self.show_station)
        for n, station in enumerate(self.stations):
            station.lit.connect(lambda n=n: self._light(n))
            station.ahead.connect(self.next_station)
            station.wants.connect(self.wants)
            self._light(n)
        self.model.asked.connect(self.wants_model)
        self.recipe.download.failed.connect(self._tell)
        self.recipe.download.button.begun.connect(self.bar.hide)
        self.run.recipe_wanted.connect(lambda: self.show_station(self.stations.index(self.recipe)))
        self.recipe.fold.toggled.connect(lambda on: self._scroll.start() if on else None)
        self._scroll.timeout.connect(lambda: self.bring_up(self.recipe.form))
        for kind, button in self._buttons.items():
            button.begun.connect(self.bar.hide)
            button.ended.connect(partial(self._on_job_ended, kind))
        self.jobs.changed.connect(self._on_jobs_changed)
        self.jobs.told.connect(self._on_jobs_told)

    # -- what the window calls ------------------------------------------------------------------

    def show_project(self) -> None:
        self.bar.hide()
        self.run.forget()
        self._on_jobs_changed()
        if self.desk.project is not None:
            self._look_everywhere()

    def show_changes(self, kinds: frozenset[str]) -> None:
        if kinds & _DATA_KINDS:
            self._look_everywhere()

    def _look_everywhere(self) -> None:
        for station in self.stations:
            station.look()

    # -- the road -------------------------------------------------------------------------------

    @property
    def station(self) -> int:
        """Number of the station in view."""
        return self._stack.currentIndex()

    def show_station(self, n: int) -> None:
        """Brings a station into view."""
        self._stack.setCurrentIndex(n)
        self.road.show_station(n)
        if self.desk.project is not None:
            self.stations[n].look()

    def bring_up(self, part: QWidget) -> None:
        """Scrolls until the part of a station can be seen, or its beginning."""
        self._scrolls[self.station].ensureWidgetVisible(part)

    def next_station(self) -> None:
        """Goes on by one."""
        self.show_station(min(self.station + 1, len(self.stations) - 1))

    def last_station(self) -> None:
        """Goes back by one."""
        self.show_station(max(0, self.station - 1))

    def _light(self, n: int) -> None:
        station = self.stations[n]
        self.road.show_light(n, station.light, station.said)
        if station is self.computer:
            self.recipe.look()

    # -- actions --------------------------------------------------------------------------------

    def check(self) -> None:
        """Looks at all pairs and pictures."""
        self.data.check()

    def install(self) -> None:
        """Makes or mends the training environment."""
        self.computer.install()

    def start(self) -> None:
        """Starts a training with what the stations say."""
        self._start()

    def one_step(self) -> None:
        """Does a single step, which tells whether this computer is up to it."""
        self._start(one_step=True)

    def export_job(self) -> None:
        """Packs a training for another computer into a new folder."""
        found = ask_new_folder(self, self.tr("A new folder for the training"), self.tr("training"))
        if found:
            self._start(export=found)

    def import_job(self) -> None:
        """Brings back the folder of a training that was done elsewhere, or bare weights, which know neither
        their base nor a name: those of the station Recipe are theirs.
        """
        found = QFileDialog.getExistingDirectory(self, self.tr("The folder that came back"))
        if found:
            self._buttons["train_import"].begin(
                import_parameters(Path(found), self.recipe.base_folder, self.recipe.name.text().strip())
            )

    def _start(self, *, one_step: bool = False, export: Path | None = None) -> None:
        try:
            parameters = self.recipe.parameters(one_step=one_step, export=export)
        except UserError as error:
            self._tell(error)
            self.show_station(self.stations.index(self.recipe))
            return
        self._buttons["train"].begin(parameters)
        self.show_station(self.stations.index(self.run))

    def stop(self) -> None:
        """Asks the training that is looked at to save and end."""
        self.run.stop()

    def resume(self) -> None:
        """Goes on with the training that is looked at."""
        self.run.resume()

    def build(self) -> None:
        """Makes a model for the chat of the training that is chosen."""
        self.model.build()

    # -- jobs -----------------------------------------------------------------------------------

    def _on_jobs_changed(self) -> None:
        for button in self._buttons.values():
            button.follow_running()
        self.run.look()

    def _on_jobs_told(self, job_id: str, event: Event) -> None:
        for kind, button in self._buttons.items():
            if button.takes(job_id):
                if kind == "bundle":
                    self.model.hear(event)
                button.hear(event)

    def _on_job_ended(self, kind: str, event: Event) -> None:
        self._look_everywhere()
        figures = event.get("figures") or {}
        if event["state"] != JobState.DONE:
            return
        if figures.get("trial"):
            text = self.tr("One step worked on {device} with {backend}; it took {size} of memory at most.")
            told = text.format(
                device=figures["device"],
                backend=figures["backend"],
                size=gigabytes(figures["memory_bytes"] or 0),
            )
            self.bar.tell(told, Level.DONE)
        elif figures.get("exported"):
            text = self.tr("{path} holds all that another computer needs; its README.md tells how to go on.")
            self.bar.tell(text.format(path=figures["exported"]), Level.DONE)
        elif kind == "train_import":
            text = self.tr("The training {name} is back, and can be made a model for the chat.")
            self.bar.tell(text.format(name=figures["name"]), Level.DONE)

    def _tell(self, error: DermaError) -> None:
        if error.code == "network.airplane":
            self.bar.tell_error(error, self.tr("Open privacy"), lambda: self.wants.emit("privacy"))
        elif error.code in ("hub.gated", "hub.token_refused", "train.base_gated"):
            self.bar.tell_error(error, self.tr("Open settings"), lambda: self.wants.emit("settings"))
        else:
            self.bar.tell_error(error)
