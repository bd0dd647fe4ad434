"""The station Run: starts a training, shows how it goes, stops it, goes on with it; all trainings so far."""

from __future__ import annotations

import time
from functools import partial

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QAction, QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from dermagui.storage.trainings import list_trainings
from dermagui.training.launch import stop_training
from dermagui.training.run_state import RunState, RunView
from dermagui.ui import theme
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.shell.words import time_left, whole
from dermagui.ui.train.card_view import CardView
from dermagui.ui.train.desk_work import Probe, Run, RunReader, probes_of, run_card_of
from dermagui.ui.train.history import History, how_it_stands
from dermagui.ui.train.parts import (
    JobButton,
    action_button,
    buttons_row,
    say,
    sentence_label,
    subtitle,
    word_button,
)
from dermagui.ui.train.probes import ProbesView
from dermagui.ui.train.station import Station
from dermagui.ui.train.words import STATES, Light, figure, gigabytes, words
from dermagui.ui.widgets.bar import Bar
from dermagui.ui.widgets.curve import Curve, Line

_LOOK_MILLISECONDS = 2_000
_QUIET_SECONDS = 60
"""A trainer tells every few seconds that it lives; after so long its silence is named."""
_LIVE = (RunState.RUNNING, RunState.STOPPING)
_CAN_GO_ON = (RunState.STOPPED, RunState.FAILED, RunState.OUT_OF_MEMORY, RunState.DIED)


class RunStation(Station):
    """Reads the folders of the trainings, so that one is found again whoever started it."""

    runs_read = Signal()
    """Other trainings, or other news of them, are in ``runs``."""
    recipe_wanted = Signal()
    """The user wants other settings."""

    def __init__(
        self, desk: Desk, jobs: Jobs, bar: Bar, begin: JobButton, stop: QAction, resume: QAction
    ) -> None:
        super().__init__(self.tr("Run"), desk, jobs, bar)
        self.runs: list[Run] = []
        self.begin = begin
        self._stop, self._resume = stop, resume
        self._chosen = ""
        self._shown_probes: object = None
        self._reader = RunReader()
        self._reading = False
        self.history = History()
        self._told = sentence_label()
        self._card = sentence_label(quiet=True)
        self.card = CardView(self.tr("Run card"), self.tr("Run card"))
        self.loss = Curve(self.tr("Loss"))
        self.rate = Curve(self.tr("Learning rate"))
        self.probes = ProbesView()
        self._below = QWidget()
        self.change = word_button(self.tr("Change the recipe"), self.recipe_wanted.emit)
        self._probes_title = subtitle(self.tr("Probes: the same pictures, asked at every evaluation"))
        self._timer = QTimer(self, interval=_LOOK_MILLISECONDS)
        self._build()
        self._timer.timeout.connect(self.look)
        self.card.wanted.connect(self._read_card)
        self.history.chosen.connect(self.look_at)
        self._show_run()
        self.shine(Light.OPEN, self.tr("Nothing was trained yet."))

    def _build(self) -> None:
        self.next.setText(self.tr("Next: Model"))
        curves = QHBoxLayout()
        curves.setSpacing(2 * theme.GRID)
        curves.addWidget(self.loss, 3)
        curves.addWidget(self.rate, 2)
        below = QVBoxLayout(self._below)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(self.column.spacing())
        below.addWidget(subtitle(self.tr("Trainings so far")))
        below.addWidget(self.history)
        actions = (action_button(self._stop, "stop"), action_button(self._resume, "start"))
        below.addLayout(buttons_row(*actions, self.change))
        below.addWidget(self._told)
        below.addLayout(curves)
        for widget in (self._card, self.card, self._probes_title, self.probes):
            below.addWidget(widget)
        self.column.addWidget(self.begin)
        self.column.addWidget(self._below)
        self.column.addStretch(1)

    # -- looking --------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._timer.stop()

    def forget(self) -> None:
        """Another project: nothing of the one before is shown."""
        self.runs, self._chosen, self._reading = [], "", False
        self._reader = RunReader()
        self._show_run()

    def look(self) -> None:
        if not self._reading and self.desk.project is not None:
            self._reading = True
            self.desk.ask(list_trainings, self._on_rows, owner=self, failed=self._on_failed)

    def _on_failed(self, error: object) -> None:
        self._reading = False

    def _on_rows(self, rows: list[dict[str, object]]) -> None:
        folder = self.desk.folder
        if folder is None:
            self._reading = False
            return
        read = partial(self._reader.read, folder, rows)
        self.desk.work(read, partial(self._on_read, folder), owner=self, failed=self._on_failed)

    def _on_read(self, folder: object, runs: list[Run]) -> None:
        self._reading = False
        if folder != self.desk.folder:
            return
        known = {run.row["uid"] for run in self.runs}
        new = next((run.row["uid"] for run in runs if run.row["uid"] not in known), "")
        self.runs = runs
        if new or not self._chosen:
            self._chosen = runs[0].row["uid"] if runs else ""
        self.history.show_runs(runs, self._chosen)
        self._show_run()
        self._judge()
        self.runs_read.emit()

    def look_at(self, uid: str) -> None:
        """Shows the training with that uid."""
        self._chosen = uid
        self.history.choose(uid)
        self._show_run()

    @property
    def chosen(self) -> Run | None:
        """The training that is looked at."""
        return next((run for run in self.runs if run.row["uid"] == self._chosen), None)

    def _judge(self) -> None:
        live = [run for run in self.runs if run.view.state in _LIVE]
        finished = [run for run in self.runs if run.has_weights]
        if live:
            said = self.tr("{name} is under way; the window may be closed meanwhile.")
            self.shine(Light.BUSY, said.format(name=live[0].row["name"]))
        elif finished:
            said = self.tr("{name} can be made a model for the chat.").format(name=finished[0].row["name"])
            self.shine(Light.GREEN, said)
        elif self.runs:
            self.shine(Light.RED, self.tr("No training came to its end; what happened stands below."))
        else:
            self.shine(Light.OPEN, self.tr("Nothing was trained yet."))

    # -- one training ---------------------------------------------------------------------------

    def _show_run(self) -> None:
        run = self.chosen
        view = run.view if run else RunView()
        self._below.setVisible(run is not None)
        self.change.setVisible(view.state is RunState.OUT_OF_MEMORY)
        for curve in (self.loss, self.rate):
            curve.setVisible(bool(view.steps))
        self._stop.setEnabled(view.state in _LIVE)
        self._resume.setEnabled(
            view.state in _CAN_GO_ON and not self.begin.is_running and not self.desk.read_only
        )
        if run is not None:
            self._told.setText(how_it_stands(run) if run.is_adopted else self._state_words(view))
            say(self._card, self._card_words(run))
            self._show_curves(view)
        self._show_probes(run)
        self._read_card()

    def _show_curves(self, view: RunView) -> None:
        steps = sorted(view.steps.items())
        lines = [Line(self.tr("learnt from"), tuple((n, step["loss"]) for n, step in steps))]
        if view.evals:
            lines.append(Line(self.tr("held out"), tuple(sorted(view.evals.items()))))
        self.loss.show_lines(lines, view.total)
        rates = tuple(
            (n, step["learning_rate"]) for n, step in steps if step.get("learning_rate") is not None
        )
        self.rate.show_lines([Line(self.tr("rate"), rates)], view.total)

    def _state_words(self, view: RunView) -> str:
        told = [words(STATES[view.state])]
        if view.total:
            told.append(
                self.tr("step {step} of {total}").format(step=whole(view.step), total=whole(view.total))
            )
        if view.seconds_left is not None:
            told.append(time_left(view.seconds_left))
        memory = view.steps[view.step].get("memory_bytes") if view.steps else None
        if memory and view.state in _LIVE:
            told.append(self.tr("{size} memory in use").format(size=gigabytes(memory)))
        quiet = time.time() - view.last_at
        if view.state in _LIVE and view.last_at and quiet > _QUIET_SECONDS:
            told.append(self.tr("nothing heard for {seconds} s").format(seconds=whole(round(quiet))))
        sentence = " · ".join(told)
        return f"{sentence}\n{self._end_words(view)}".strip()

    def _end_words(self, view: RunView) -> str:
        saved = self.tr("the checkpoint of step {step} is kept").format(step=whole(view.saved))
        match view.state:
            case RunState.DIED:
                told = self.tr(
                    "Its process is gone and never said why: switched off, ended from outside, "
                    "or out of memory"
                )
                return f"{told}; {saved}." if view.saved else f"{told}."
            case RunState.FAILED:
                return view.failure
            case RunState.OUT_OF_MEMORY:
                return self.tr(
                    "Even one pair at a time did not fit; choose smaller pictures, four bits, a smaller "
                    "base, or leave the image part alone."
                )
            case RunState.STOPPED:
                return f"{saved[:1].upper()}{saved[1:]}."
        return ""

    def _card_words(self, run: Run) -> str:
        view, told = run.view, []
        if view.backend:
            text = self.tr("Trained with {backend} ({why}) on {device}.")
            told.append(text.format(backend=view.backend, why=view.reason, device=view.device or "?"))
        if view.parameters:
            text = self.tr("{trainable} of {all} numbers are tuned.")
            told.append(text.format(trainable=whole(view.trainable), all=whole(view.parameters)))
        if view.evals:
            best = min(view.evals, key=lambda step: view.evals[step])
            text = self.tr("Best on held-out pairs: {loss} at step {step}.")
            told.append(text.format(loss=figure(view.evals[best]), step=whole(best)))
        if run.row["simulated"]:
            told.append(self.tr("It learnt from a rehearsal, and knows nothing about skin."))
        told.append(self.tr("Base: {base}.").format(base=run.row["base"]))
        if view.versions:
            named = ", ".join(f"{name} {version}" for name, version in view.versions.items())
            told.append(self.tr("Versions: {named}.").format(named=named))
        return " ".join(told)

    def _show_probes(self, run: Run | None) -> None:
        mark = (run.row["uid"], sorted(run.view.probes)) if run else None
        if mark == self._shown_probes:
            return
        self._shown_probes = mark
        if run is None or not run.view.probes:
            self._on_probes_read(mark, [])
        else:
            self.desk.work(
                partial(probes_of, run, self.devicePixelRatioF()),
                partial(self._on_probes_read, mark),
                owner=self,
            )

    def _on_probes_read(self, mark: object, probes: list[Probe]) -> None:
        if mark == self._shown_probes:
            self.probes.show_probes(probes)
            self._probes_title.setVisible(bool(probes))

    def _read_card(self) -> None:
        if self.card.is_open and self.chosen is not None:
            uid = self.chosen.row["uid"]
            read = partial(run_card_of, uid=uid)
            self.desk.ask(read, partial(self._on_card_read, uid), owner=self, failed=self.bar.tell_error)

    def _on_card_read(self, uid: str, text: str) -> None:
        if uid == self._chosen:
            self.card.show_markdown(text)

    # -- doing ----------------------------------------------------------------------------------

    def stop(self) -> None:
        """Asks the training that is looked at to save and end, whoever started it."""
        run, folder = self.chosen, self.desk.folder
        if run is not None and folder is not None:
            ask = partial(stop_training, folder, run.row)
            self.desk.work(ask, lambda _: self.look(), owner=self, failed=self.bar.tell_error)

    def resume(self) -> None:
        """Goes on with the training that is looked at, from its last checkpoint."""
        run = self.chosen
        if run is not None:
            self.begin.begin({"resume": run.row["uid"]})
