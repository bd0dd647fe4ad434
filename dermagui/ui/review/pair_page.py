"""One picture, one pair, one key: the part of the page Review that is about the pair in view."""

from __future__ import annotations

from dataclasses import replace
from functools import partial, partialmethod
from pathlib import Path
from typing import ClassVar

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QGuiApplication, QHideEvent, QShowEvent
from PySide6.QtWidgets import QMenu, QWidget

from dermagui.errors import DermaError
from dermagui.paths import display_path
from dermagui.records import Person, RejectReason, Turn, Verdict, VerdictKind, VerdictMethod
from dermagui.review.queue import Place
from dermagui.review.reading import Reading
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.page import Page
from dermagui.ui.review import desk_work
from dermagui.ui.review.deciding import Deciding, save_copy
from dermagui.ui.review.desk_work import Said
from dermagui.ui.review.layout import Parts
from dermagui.ui.review.pictures import Pictures
from dermagui.ui.review.stopwatch import Stopwatch
from dermagui.ui.review.walk import Walk
from dermagui.ui.review.words import REASONS, VERDICTS, translated
from dermagui.ui.shell import state
from dermagui.ui.widgets.bar import Level

_KEEP_MILLISECONDS = 700
"""So long after the last key a draft or a place is written."""
_IMPRESSION = "review/impression_first"


class PairPage(Page):
    """Shows the pair where the reviewer is, and takes what they say of it."""

    name: ClassVar[str] = "review"

    def __init__(self, desk: Desk, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(desk, jobs, parent)
        self.person: Person | None = None
        self.pictures = Pictures(desk)
        self.walk = Walk(desk)
        self.deciding = Deciding(desk)
        self.parts = Parts(self, self.action, self.pictures)
        self._shown: Reading | None = None
        self._hidden = False
        self._editing = False
        self._counting = False
        self._progress = (0, 0)
        self._metadata = False
        self._clock = Stopwatch()
        self._reasons = self._build_reasons()
        self._draft_timer, self._place_timer = self._build_timer(), self._build_timer()
        self.action("review.impression").setCheckable(True)
        self.action("review.impression").setChecked(state.is_set(_IMPRESSION))
        self.parts.verdict.ask_for_impression(state.is_set(_IMPRESSION))
        self._connect()

    def _connect(self) -> None:
        application = QGuiApplication.instance()
        if isinstance(application, QGuiApplication):
            # A function of its own would outlive the page.
            application.applicationStateChanged.connect(self._run_clock)
        self._draft_timer.timeout.connect(self._keep_draft)
        self._place_timer.timeout.connect(self._keep_place)
        self.walk.moved.connect(self._on_walk_moved)
        self.walk.read_ahead.connect(self._read_ahead)
        self.deciding.busy_changed.connect(self._update_actions)
        self.deciding.saved.connect(self._on_deciding_saved)
        self.deciding.not_saved.connect(self._on_deciding_not_saved)
        self.deciding.stepped.connect(self._on_deciding_stepped)
        self.deciding.not_stepped.connect(self._on_deciding_not_stepped)
        self.parts.pair.typed.connect(self._draft_timer.start)
        self.parts.verdict.committed.connect(self._on_verdict_committed)

    def _build_timer(self) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(_KEEP_MILLISECONDS)
        return timer

    def _build_reasons(self) -> QMenu:
        menu = QMenu(self)
        for n, reason in enumerate(RejectReason, 1):
            does = menu.addAction(f"&{n % 10}  {translated(REASONS[reason])}")
            does.triggered.connect(lambda *_, reason=reason: self._decide(VerdictKind.REJECT, reason))
        return menu

    # -- what is in view ------------------------------------------------------------------------

    def _on_walk_moved(self) -> None:
        reading, before = self.walk.reading, self._shown
        same = reading is not None and before is not None and reading.pair_id == before.pair_id
        if same and (self._editing or reading == before):
            return
        self._shown = reading
        if reading is None:
            self._show_end()
            return
        if not same:
            self._hidden = state.is_set(_IMPRESSION) and reading.said is None
            self._clock.restart()
            self._run_clock()
            self.parts.show_pair(reading)
            self._place_timer.start()
        self._show_text(reading)
        self._read_ahead()

    def _show_text(self, reading: Reading) -> None:
        self.parts.pair.show_reading(reading, answer_hidden=self._hidden)
        self.parts.show_only(self.parts.middle)
        if not self.parts.strip.has_focus:
            (self.parts.verdict.note if self._hidden else self.parts.pane.view).setFocus()
        self._update_actions()

    def _read_ahead(self) -> None:
        """Decodes the pictures of what is in view and of what comes next."""
        self.pictures.ask_for([sight for reading in self.walk.ahead() for sight in reading.sights])

    def _show_end(self) -> None:
        """Shows that there is no pair in view, and why."""
        raise NotImplementedError

    def _update_actions(self) -> None:
        named = self.person is not None and self.desk.project is not None
        reads = named and self._shown is not None and not self._editing
        writes = named and not self.desk.read_only and not self.deciding.busy
        on = dict.fromkeys(("accept", "reject", "unsure", "edit", "note"), reads and writes)
        on |= {f"rate_{n}": reads and writes and not self._hidden for n in range(1, 5)}
        on |= {"skip": reads, "next": reads, "previous": named and not self._editing}
        on |= dict.fromkeys(("undo", "redo"), writes and not self._editing)
        on |= dict.fromkeys(("zoom", "metadata", "down", "up"), self._shown is not None)
        on |= {"image": self._shown is not None and len(self._shown.sights) > 1}
        on |= {"save_edit": self._editing and writes, "leave_edit": True}
        on |= dict.fromkeys(("again", "everything", "impression", "export"), named)
        on |= {"reviewer": self.desk.project is not None}
        for name, enabled in on.items():
            self.action(f"review.{name}").setEnabled(enabled)
        self.parts.strip.setEnabled(named)

    def _count(self) -> None:
        if not self._counting and self.person is not None:
            self._counting = True
            wanted, uid = self.parts.strip.wanted, self.person.uid
            work = partial(desk_work.count_progress, wanted=wanted, person_uid=uid)
            self.desk.ask(work, self._on_counted, owner=self)

    def _on_counted(self, counted: tuple[int, int]) -> None:
        self._counting = False
        self._progress = counted
        self.parts.verdict.show_progress(*counted)

    def _count_one(self, said: Verdict | None) -> None:
        """One more was read, unless it had been before: counting anew takes long where verdicts are many."""
        if said is None or said.method is not VerdictMethod.READ:
            self._progress = (self._progress[0] + 1, self._progress[1])
            self.parts.verdict.show_progress(*self._progress)

    def go_on(self) -> None:
        """The next pair, with nothing said about this one."""
        self.parts.verdict.show_status("")
        self.walk.go_on()

    def go_back(self) -> None:
        """The pair before."""
        self.parts.verdict.show_status("")
        self.walk.go_back()

    def read_on(self) -> None:
        """The text further down."""
        self.parts.scroll(1)

    def read_back(self) -> None:
        """The text further up."""
        self.parts.scroll(-1)

    def toggle_zoom(self) -> None:
        """Full size, or the whole picture."""
        self.parts.pane.toggle_zoom()

    def show_next_image(self) -> None:
        """The next of several pictures of a pair."""
        self.parts.pane.show_next()

    def toggle_metadata(self) -> None:
        """Unfolds the metadata, or folds them away."""
        self._metadata = not self._metadata
        self.parts.pane.show_metadata(self._metadata)

    # -- saying something -----------------------------------------------------------------------

    def _rate(self, n: int) -> None:
        self.parts.verdict.rubric.rate(n)

    rate_1, rate_2 = partialmethod(_rate, 0), partialmethod(_rate, 1)
    rate_3, rate_4 = partialmethod(_rate, 2), partialmethod(_rate, 3)

    def accept(self) -> None:
        """The pair is good as it stands."""
        self._decide(VerdictKind.ACCEPT)

    def unsure(self) -> None:
        """Somebody else should look."""
        self._decide(VerdictKind.UNSURE)

    def reject(self) -> None:
        """Asks for the reason; its number rejects the pair."""
        if not self._wants_impression():
            button = self.parts.verdict.buttons["reject"]
            self._reasons.popup(button.mapToGlobal(button.rect().bottomLeft()))

    def write_note(self) -> None:
        """Puts the cursor into the line for a note."""
        self.parts.verdict.note.setFocus()

    def _decide(
        self, kind: VerdictKind, reason: RejectReason | None = None, turns: tuple[Turn, ...] = ()
    ) -> None:
        reading, person = self._shown, self.person
        in_view = self.walk.reading
        if reading is None or person is None or in_view is None or in_view.pair_id != reading.pair_id:
            return  # the next pair is on its way, and the key may have been meant for it
        if self._wants_impression():
            return
        note, rubric = self.parts.verdict.said
        seen = self.parts.pane.seen | {"flags": bool(reading.pair.flags), "answer": True}
        visible = tuple(name for name, was in seen.items() if was)
        said = Said(reading.pair.uid, kind, reason, turns, note, rubric, visible, self._clock.seconds)
        self.deciding.save(person, reading.pair_id, said)

    def _on_deciding_saved(self, pair_id: int, said: Said) -> None:
        self.parts.bar.hide()
        self.parts.verdict.show_saved(said.kind)
        self._stop_editing()
        if self._shown is not None and not self._counting:
            self._count_one(self._shown.said)
        self.walk.forget(pair_id)
        self.walk.go_on()

    def _on_deciding_not_saved(self, said: Said, error: DermaError) -> None:
        self.parts.verdict.show_status(self.tr("Not saved"))
        name = self.person.name if self.person else ""
        save = partial(save_copy, self.desk, said, name, self, self._on_copied)
        self.parts.bar.tell_error(error, self.tr("Save a copy…"), save)

    def _on_copied(self, path: Path) -> None:
        words = self.tr("A copy of the verdict lies in {path}.").format(path=display_path(path))
        self.parts.bar.tell(words, Level.DONE)

    def undo(self) -> None:
        """Takes back this reviewer's last verdict and goes to its pair."""
        if self.person is not None:
            self.deciding.undo(self.person)

    def redo(self) -> None:
        """Restores what was taken back last and goes to its pair."""
        if self.person is not None:
            self.deciding.redo(self.person)

    def _on_deciding_stepped(self, verdict: Verdict, pair_id: int | None, back: bool) -> None:
        self.parts.bar.hide()
        words = self.tr("Taken back: {verdict}") if back else self.tr("Restored: {verdict}")
        self.parts.verdict.show_status(words.format(verdict=translated(VERDICTS[verdict.kind])))
        self._shown = None
        if pair_id is not None:
            self.walk.go_to(pair_id)
        self._count()

    def _on_deciding_not_stepped(self, error: DermaError) -> None:
        words = {
            "verdict.nothing_to_undo": self.tr("Nothing to take back"),
            "verdict.nothing_to_redo": self.tr("Nothing to restore"),
        }
        if error.code in words:
            self.parts.verdict.show_status(words[error.code])
        else:
            self.parts.bar.tell_error(error)

    # -- one's own impression first -------------------------------------------------------------

    def toggle_impression(self) -> None:
        """Whether the answer waits until the reviewer has written a line."""
        first = not state.is_set(_IMPRESSION)
        state.set_mark(_IMPRESSION, first)
        self.action("review.impression").setChecked(first)
        self.parts.verdict.ask_for_impression(first)
        if self._shown is not None and not first and self._hidden:
            self._reveal()

    def _wants_impression(self) -> bool:
        """Whether the answer is still hidden; then the line is what comes first."""
        if self._hidden:
            self.parts.verdict.show_status(self.tr("Your impression first"))
            self.parts.verdict.note.setFocus()
        return self._hidden

    def _on_verdict_committed(self) -> None:
        if not self._hidden:
            self.parts.pane.view.setFocus()
        elif self.parts.verdict.said[0]:
            self._reveal()

    def _reveal(self) -> None:
        if self._shown is not None:
            self._hidden = False
            self.parts.verdict.lock_note()
            self._show_text(self._shown)

    # -- editing --------------------------------------------------------------------------------

    def edit(self) -> None:
        """Lets the question and the answer be written anew, from the draft where there is one."""
        if self._shown is not None and not self._wants_impression():
            self._editing = True
            self.parts.verdict.show_editing(True)
            self._update_actions()
            self.parts.edit(self._shown)

    def save_edit(self) -> None:
        """The pair is good as it was written here."""
        if not self._editing or self._shown is None:
            return
        turns = tuple(Turn(turn.role, turn.text.strip()) for turn in self.parts.pair.edited)
        if turns == self._shown.turns:
            self.parts.verdict.show_status(self.tr("Nothing was changed"))
        elif not all(turn.text for turn in turns):
            self.parts.bar.tell(self.tr("A question or an answer is empty."), Level.WARNING)
        else:
            self._draft_timer.stop()
            self._decide(VerdictKind.EDIT, turns=turns)

    def leave_edit(self) -> None:
        """Leaves the fields; a draft is kept, a search is over."""
        if self._editing:
            self._keep_draft()
            self._stop_editing()
            if self._shown is not None:
                self._show_text(self._shown)
        elif self.parts.strip.search.hasFocus():
            self.parts.strip.search.clear()
            self.parts.pane.view.setFocus()
        elif self.parts.names.isVisible() and self._shown is not None:
            self._show_text(self._shown)
        else:
            self.parts.pane.view.setFocus()

    def _stop_editing(self) -> None:
        self._editing = False
        self._draft_timer.stop()
        self.parts.verdict.show_editing(False)
        self._update_actions()

    def _keep_draft(self) -> None:
        """Keeps what stands in the fields, where it differs from what holds."""
        if self._editing and self._shown is not None and self.person is not None:
            turns = self.parts.pair.edited
            draft = () if turns == self._shown.turns else turns
            if draft != self._shown.draft:
                uid = self._shown.pair.uid
                self.deciding.keep_draft(self.person, uid, draft, self.parts.bar.tell_error)
                self._shown = replace(self._shown, draft=draft)
                self.walk.replace(self._shown)

    # -- coming and going -----------------------------------------------------------------------

    def leave(self) -> None:
        self._keep_draft()
        self._keep_place()

    def _keep_place(self) -> None:
        self._place_timer.stop()
        spot, queue = self.walk.spot, self.walk.queue
        if self._shown is None or self.person is None or spot is None or queue is None:
            return
        place = Place(queue.wanted, queue.order, spot.part, self._shown.pair.uid)
        work = partial(desk_work.keep_where, person=self.person, place=place)
        self.desk.ask(work, owner=self, failed=self.parts.bar.tell_error)

    def _run_clock(self) -> None:
        """Counts while the pair can be seen and nobody works in another program."""
        active = QGuiApplication.applicationState() is Qt.ApplicationState.ApplicationActive
        if active and self.isVisible():
            self._clock.run()
        else:
            self._clock.pause()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._run_clock()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._run_clock()
