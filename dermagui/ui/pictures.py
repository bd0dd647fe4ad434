"""Renders every page and dialog to PNG files: in both looks, without a project, with an empty and a full one.

They are what the report of ``dermagui demo`` shows of the window, and what its makers look at.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from PySide6.QtCore import QEvent, QLocale, Qt
from PySide6.QtWidgets import QApplication, QWidget

from dermagui import network
from dermagui.project import create_project
from dermagui.ui.scenes import all_views, dialog_views, page_views, running_views, settle, working_views
from dermagui.ui.theme import apply_theme
from dermagui.ui.window import Window

LIST_NAME = "pictures.json"
SMALL_WIDTH_PIXELS = 320
_SIZE = (1280, 800)


@dataclass(frozen=True, slots=True)
class Taken:
    """One picture, as ``pictures.json`` lists it; the small one lies under the same name in ``small/``."""

    file: str
    view: str
    """What is shown: a page, a page at work (``library-compare``), or a dialog."""
    look: str
    """``light`` or ``dark``."""
    state: str
    """``none`` without a project, ``empty`` with an empty one, ``project``."""
    scale: int
    """Per cent."""
    job: int | None
    """The number of the job's process that was running then."""


@dataclass(slots=True)
class _Album:
    folder: Path
    scale: int
    look: str = "light"
    taken: list[Taken] = field(default_factory=list)

    def take(self, state: str, view: str, widget: QWidget, job: int | None = None) -> None:
        """Saves what the widget looks like now, large and small."""
        name = f"{self.look}-{state}-{view}.png"
        picture = widget.grab()
        picture.save(os.fspath(self.folder / name))
        small = picture.scaledToWidth(
            min(SMALL_WIDTH_PIXELS, picture.width()), Qt.TransformationMode.SmoothTransformation
        )
        small.save(os.fspath(self.folder / "small" / name))
        self.taken.append(Taken(name, view, self.look, state, self.scale, job))

    def write_list(self) -> None:
        """Says what there is."""
        text = json.dumps([asdict(taken) for taken in self.taken], indent=1)
        (self.folder / LIST_NAME).write_text(text, encoding="utf-8")


def take_pictures(application: QApplication, out: Path, project: Path | None) -> int:
    """Writes ``LOOK-STATE-VIEW.png`` for all of it into a folder, with a list; the exit code.

    The window is that of somebody who never used it: settings, recent projects and the project that is
    shown are copies. Only the ledger is the user's own, to be read.
    """
    (out / "small").mkdir(parents=True, exist_ok=True)
    album = _Album(out.resolve(), round(100 * application.devicePixelRatio()))
    if QLocale().language() is QLocale.Language.C:
        QLocale.setDefault(QLocale(QLocale.Language.English))
    with _own_folders(project) as (empty, full):
        for look in ("light", "dark"):
            album.look = look
            apply_theme(application, look)
            window = Window()
            window.resize(*_SIZE)
            window.show()
            _take_all(window, application, album, empty, full)
            window.close()
            window.deleteLater()
            application.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    album.write_list()
    return 0


@contextmanager
def _own_folders(project: Path | None) -> Iterator[tuple[Path, Path | None]]:
    """An empty project and a copy of the one to be shown; the user's own folders are put out of reach."""
    ledger = network.ledger_file()
    with TemporaryDirectory() as made:
        folder = Path(made)
        os.environ["DERMAGUI_HOME"] = os.fspath(folder / "home")
        if ledger.is_file():
            shutil.copyfile(ledger, network.ledger_file())
        create_project(folder / "Empty")
        full = folder / project.name if project else None
        if project and full:
            shutil.copytree(project, full)
        yield folder / "Empty", full


def _take_all(
    window: Window, application: QApplication, album: _Album, empty: Path, full: Path | None
) -> None:
    for view, widget in all_views(window, application):
        album.take("none", view, widget)
    window.desk.open_project(empty)
    settle(application, window)
    for view, widget in page_views(window, application):
        album.take("empty", view, widget)
    if full is None:
        return
    window.desk.open_project(full)
    settle(application, window)
    for views in (page_views, dialog_views, working_views):
        for view, widget in views(window, application):
            album.take("project", view, widget)
    for view, widget, job in running_views(window, application):
        album.take("project", view, widget, job)
