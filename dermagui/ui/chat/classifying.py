"""Lets a model rank the user's own labels: for a picture at once, for many images as a job of the project."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from dermagui.errors import DermaError
from dermagui.records import Role
from dermagui.ui import texts
from dermagui.ui.chat.classify_view import ClassifyView
from dermagui.ui.chat.desk_work import Thumb
from dermagui.ui.chat.engine import Answered, Engine, Question, Said
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.shell import state
from dermagui.ui.shell.words import whole
from dermagui.ui.widgets.bar import Bar, Level

if TYPE_CHECKING:
    from dermagui.jobs.report import Event
    from dermagui.jobs.work import Parameters
    from dermagui.storage.database import Store

_LABELS, _FIELD = "chat/labels", "chat/label_field"
_USUAL_FIELD = "diagnosis"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which images of a project: those of a source, those that are selected, or all."""

    source: str | None = None
    image_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Classified:
    """What a model said of an image: the two likeliest labels, and the code of how clear that is."""

    image: int
    name: str
    first: str
    second: str
    code: str


class Classifying(QObject):
    """Asks the chat's engine, or starts the job; what a person finds right becomes that person's label."""

    changed = Signal()
    given_back = Signal(str, object)
    """A question that was not answered, and its picture."""
    failed = Signal(object)
    """A ``DermaError``."""

    def __init__(self, desk: Desk, jobs: Jobs, engine: Engine, bar: Bar, view: ClassifyView) -> None:
        super().__init__(view)
        self._desk, self._jobs, self._engine, self._bar = desk, jobs, engine, bar
        self._asked: tuple[str, list[Thumb]] | None = None
        self._job: tuple[str, Parameters] | None = None
        self._shown: Parameters | None = None
        """Of the job whose answers stand in the table."""
        self.is_private = False
        """Whether labels that are written now may not be remembered."""
        self.view = view
        kept = state.window_state()
        self.view.labels_text.setPlainText(str(kept.value(_LABELS, "")))
        self.view.field.setText(str(kept.value(_FIELD, "")) or _USUAL_FIELD)
        self.view.changed.connect(self._on_changed)
        self.view.promoted.connect(self.promote)
        engine.answered.connect(self._on_answered)
        engine.failed.connect(self._on_failed)
        jobs.told.connect(self._on_told)

    @property
    def is_busy(self) -> bool:
        """Whether the model looks at a picture."""
        return self._asked is not None

    @property
    def can_ask(self) -> bool:
        """Whether there is something to choose from."""
        return len(self.view.labels) > 1

    def _on_changed(self) -> None:
        if not self.is_private:
            state.window_state().setValue(_LABELS, self.view.labels_text.toPlainText())
            state.window_state().setValue(_FIELD, self.view.field.text())
        self._allow_many()
        self.changed.emit()

    def _allow_many(self) -> None:
        may = self._desk.project is not None and not self._desk.read_only and self._job is None
        self.view.start.setEnabled(may and self.can_ask)
        self.view.scope.setEnabled(may)

    # -- one picture ----------------------------------------------------------------------------

    def ask(self, text: str, thumbs: list[Thumb], how: Question) -> None:
        """Asks of one picture; ``text`` is a question of the user's own, in which {labels} may stand."""
        from dermagui.chat.classify import QUESTION, check_labels

        if len(thumbs) != 1:
            self._bar.tell(self.tr("Attach one picture to be classified."), Level.INFO)
            self.given_back.emit(text, thumbs)
            return
        try:
            labels = check_labels(self.view.labels)
        except DermaError as error:
            self.failed.emit(error)
            self.given_back.emit(text, thumbs)
            return
        told = (text or QUESTION).replace("{labels}", ", ".join(labels))
        pictures = tuple(thumb.attachment for thumb in thumbs if thumb.attachment)
        self._asked = (text, thumbs)
        self.view.show_ranking([], "")
        turns = (Said(Role.USER, told, pictures),)
        self._engine.ask(replace(how, turns=turns, adapters=(), labels=tuple(labels)))
        self.changed.emit()

    def stop(self) -> None:
        """Ends the look at a picture."""
        if self._asked is not None:
            self._engine.stop()

    def _on_answered(self, answered: Answered) -> None:
        from dermagui.chat.classify import preference_in_words, ranked

        if self._asked is None:
            return
        found = ranked({one["label"]: one["log_probability"] for one in answered.answer.labels})
        self._give_back()  # the picture stays, for other labels
        if len(found) > 1:
            self.view.show_ranking(found, texts.sentence(*preference_in_words(found)))
        self.changed.emit()

    def _on_failed(self, _: DermaError) -> None:
        if self._asked is not None:
            self._give_back()
            self.changed.emit()

    def _give_back(self) -> None:
        asked, self._asked = self._asked, None
        if asked is not None:
            self.given_back.emit(*asked)

    # -- many images ----------------------------------------------------------------------------

    def show_scopes(self) -> None:
        """Reads which images there are."""
        selected = tuple(self._desk.selected_images())
        self._allow_many()
        if self._desk.project is None:
            self.view.show_scopes([])
            self.view.told.setText(self.tr("Open a project to classify its images."))
            return
        self.view.told.clear()
        self._desk.ask(
            _names_of_sources, partial(self._on_scopes, selected), owner=self, failed=self.failed.emit
        )

    def _on_scopes(self, selected: tuple[int, ...], names: list[str]) -> None:
        scopes = [(self.tr("All images"), Scope())]
        scopes += [(self.tr("Source: {name}").format(name=name), Scope(source=name)) for name in names]
        if selected:
            told = self.tr("The Library's selection: {count}").format(count=whole(len(selected)))
            scopes.insert(0, (told, Scope(image_ids=selected)))
        self.view.show_scopes(scopes)

    def start(self, model: str, text: str) -> None:
        """Starts the job for the chosen images."""
        from dermagui.chat.classify import QUESTION, classify_parameters

        scope = self.view.scope.currentData()
        if not isinstance(scope, Scope):
            return
        make = partial(
            classify_parameters,
            called=model,
            labels=self.view.labels,
            field=self.view.field.text().strip() or _USUAL_FIELD,
            source=scope.source,
            image_ids=scope.image_ids,
            question=text or QUESTION,
        )
        self.view.start.setEnabled(False)
        self._desk.ask(make, self._begin, owner=self, failed=self._on_refused)

    def _begin(self, parameters: Parameters) -> None:
        def begun(job_id: str) -> None:
            self._job = (job_id, parameters)
            self.view.told.setText(self.tr("The job runs; it can be followed and paused under Jobs."))
            self._allow_many()

        self._jobs.start("classify", parameters, started=begun, failed=self._on_refused)

    def _on_refused(self, error: DermaError) -> None:
        self._allow_many()
        self.failed.emit(error)

    def _on_told(self, job_id: str, event: Event) -> None:
        if self._job is None or self._job[0] != job_id or event["event"] != "end":
            return
        parameters, self._job = self._job[1], None
        self._allow_many()
        error = event.get("error")
        if error:
            self.failed.emit(DermaError(error["code"], **error["values"]))
        self._read(parameters)

    def _read(self, parameters: Parameters) -> None:
        read = partial(_classified, parameters=parameters)
        self._desk.ask(read, partial(self._on_read, parameters), owner=self, failed=self.failed.emit)

    def _on_read(self, parameters: Parameters, rows: list[Classified]) -> None:
        self._shown = parameters
        self.view.show_rows(rows)
        told = self.tr("Classified: {count}. These are statements of {model}, in the metadata as such.")
        self.view.told.setText(told.format(count=whole(len(rows)), model=parameters["model"]))

    def clear(self) -> None:
        """Another project."""
        self.stop()
        self._asked = self._job = self._shown = None
        self.view.show_rows([])
        self.view.show_ranking([], "")
        self.show_scopes()

    # -- what a person finds right --------------------------------------------------------------

    def promote(self) -> None:
        """What the model said of the selected images becomes the user's own statement."""
        if self._shown is None:
            return
        ids, field = [row.image for row in self.view.selected], str(self._shown["field"])
        promote = partial(_promote, ids=ids, field=field, model=str(self._shown["model"]))
        self._desk.ask(
            promote,
            partial(self._on_promoted, ids, field),
            owner=self,
            failed=self.failed.emit,
            changes=frozenset({"metadata"}),
        )

    def _on_promoted(self, ids: list[int], field: str, count: int) -> None:
        told = self.tr("Labelled by you now: {count} files.").format(count=whole(count))
        self._bar.tell(told, Level.DONE, self.tr("Take back"), partial(self._take_back, ids, field))

    def _take_back(self, ids: list[int], field: str) -> None:
        back = partial(_take_back, ids=ids, field=field)
        changes = frozenset({"metadata"})
        self._desk.ask(back, owner=self, failed=self.failed.emit, changes=changes)


def _names_of_sources(store: Store) -> list[str]:
    from dermagui.storage.sources import list_sources

    return [source.name for source in list_sources(store)]


def _classified(store: Store, parameters: Parameters) -> list[Classified]:
    from dermagui.chat.classify import preference_in_words, ranked
    from dermagui.storage.classifications import answers_of

    rows = []
    for row in answers_of(
        store, parameters["key"], source_id=parameters["source_id"], image_ids=parameters["images"]
    ):
        found = ranked(row["scores"])
        name = Path(row["path"] or row["sha256"][:12]).name
        code, _ = preference_in_words(found)
        rows.append(Classified(row["image"], name, found[0].label, found[1].label, code))
    return rows


def _promote(store: Store, ids: list[int], field: str, model: str) -> int:
    from dermagui import settings
    from dermagui.storage import classifications, people

    who = people.person(store, settings.text("person.name"))
    return classifications.promote(store, who, ids, field, model)


def _take_back(store: Store, ids: list[int], field: str) -> int:
    from dermagui import settings
    from dermagui.storage import classifications, people

    who = people.person(store, settings.text("person.name"))
    return classifications.take_back(store, who, ids, field)
