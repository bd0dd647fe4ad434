"""Downloads of suggested models: jobs of the data folder, which belong to no project."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from dermagui.errors import DermaError
from dermagui.ui.chat import model_work
from dermagui.ui.chat.model_work import Offer
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs

if TYPE_CHECKING:
    from dermagui.chat.catalogue import CatalogueModel
    from dermagui.jobs.report import Event
    from dermagui.jobs.work import Parameters


class Downloads(QObject):
    """What is offered, and what of it is on its way. Nothing is read before the first ``look``."""

    offered = Signal(object)
    """A list of ``Offer``."""
    told = Signal(str, object)
    """The name of a model, and an event of the story of its download."""
    arrived = Signal(str)
    """The name of a model that can be chatted with now."""
    failed = Signal(object)
    """A ``DermaError``."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._home = Desk(self)
        self._jobs = Jobs(self._home)
        self._home.failed.connect(self.failed)
        self._home.project_changed.connect(self._read)
        self._jobs.told.connect(self._on_told)
        desk.closing.connect(self.close)

    def look(self) -> None:
        """Reads what is offered; ``offered`` tells it."""
        if self._home.project is not None:
            self._read()
            return
        from dermagui.project import home_project

        self._home.work(home_project, self._home.open_project, owner=self, failed=self.failed.emit)

    def progress_of(self, name: str) -> Event | None:
        """The newest progress of a model's download, which may be empty; None where none is under way."""
        job_id = self._job_of(name)
        return None if job_id is None else self._jobs.running[job_id].progress

    def begin(self, model: CatalogueModel, person: str = "") -> None:
        """Starts a download, or goes on with one; ``person`` accepts the terms of the model."""
        prepare = partial(model_work.prepare_download, model=model, person=person)
        self._home.ask(prepare, self._start, owner=self, failed=self.failed.emit)

    def stop(self, name: str) -> None:
        """Ends a download; what has arrived is kept."""
        job_id = self._job_of(name)
        if job_id is not None:
            self._jobs.stop(job_id)

    def close(self) -> None:
        """Lets no download go on unseen; each is resumed where it was."""
        self._jobs.ask_all_to_stop()
        self._home.close()
        self._jobs.let_go()

    def _start(self, prepared: tuple[Parameters, str | None]) -> None:
        parameters, token = prepared
        self._jobs.start(
            "download", parameters, secret=token, started=lambda _: self._read(), failed=self.failed.emit
        )

    def _read(self) -> None:
        self._home.ask(model_work.read_offers, self._on_read, owner=self, failed=self.failed.emit)

    def _on_read(self, offers: list[Offer]) -> None:
        self.offered.emit(offers)

    def _job_of(self, name: str) -> str | None:
        running = self._jobs.running.items()
        return next((id_ for id_, job in running if not job.is_over and _model_of(job.row) == name), None)

    def _on_told(self, job_id: str, event: Event) -> None:
        followed = self._jobs.running.get(job_id)
        name = _model_of(followed.row) if followed else ""
        if not name:
            return
        self.told.emit(name, event)
        if event["event"] == "end":
            self._read()
            error = event.get("error")
            if error:
                self.failed.emit(DermaError(error["code"], **error["values"]))
            elif event["state"] == "done":
                self.arrived.emit(name)


def _model_of(row: dict[str, object]) -> str:
    parameters = row["parameters"]
    model = parameters.get("model") if isinstance(parameters, dict) and row["kind"] == "download" else None
    return str(model["name"]) if isinstance(model, dict) else ""
