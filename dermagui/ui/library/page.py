"""The images of the project: found, shown, added, described, compared and forgotten."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from dermagui.jobs.work import Parameters
from dermagui.library.scan import parameters_for
from dermagui.library.understand import Understood, understand
from dermagui.paths import display_path
from dermagui.records import Source
from dermagui.storage import filters
from dermagui.storage.filters import Filter
from dermagui.ui import theme
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.library.adding import AddingSheet
from dermagui.ui.library.additions import Additions
from dermagui.ui.library.compare import MOST, Compare
from dermagui.ui.library.detail import Detail
from dermagui.ui.library.filter_bar import FilterBar
from dermagui.ui.library.forgetting import Forgetting
from dermagui.ui.library.found import FoundPanel
from dermagui.ui.library.images_view import ImagesView
from dermagui.ui.library.model import ImagesModel
from dermagui.ui.library.shelf import Shelf, Shelves, first_lost, read_shelves
from dermagui.ui.library.source import SourcePanel
from dermagui.ui.library.thumbnails import Thumbnails
from dermagui.ui.library.tools import Tools
from dermagui.ui.page import Page
from dermagui.ui.widgets.bar import Bar, Level
from dermagui.ui.widgets.empty import Empty
from dermagui.ui.widgets.pages import Pages

_SHOWN = frozenset({"files", "metadata", "sources", "pairs", "verdicts"})


class LibraryPage(Page):
    """Left the shelves, in the middle the images or what is being done with them, right the details."""

    name: ClassVar[str] = "library"

    def __init__(self, desk: Desk, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(desk, jobs, parent)
        self.model = ImagesModel(desk, self)
        self.thumbnails = Thumbnails(desk)
        self.view = ImagesView(self.model, self.thumbnails)
        self.filter_bar = FilterBar(desk)
        self.shelf = Shelf()
        self.bar = Bar()
        self.found = FoundPanel(desk)
        self.tools = Tools(self.action)
        self.sheet = AddingSheet()
        self.source = SourcePanel(desk)
        self.comparison = Compare(desk)
        self.forgetting = Forgetting(desk)
        self._detail = Detail(desk)
        self._lost: Source | None = None
        self._shelves = Shelves()
        self.additions = Additions(desk, jobs, self)
        self._middle = Pages()
        self._build()
        self._connect()
        self.setAcceptDrops(True)
        self._on_view_selection_changed()

    # -- building -------------------------------------------------------------------------------

    def _build(self) -> None:
        self.empty = Empty(
            self.tr("Your pictures come here as soon as you add the folder that they lie in."),
            self.tr("Add a folder…"),
        )
        self.empty.pressed.connect(self.add_folder)
        self._images = QWidget()
        images = QVBoxLayout(self._images)
        images.setContentsMargins(0, 0, 0, 0)
        images.setSpacing(theme.GRID)
        images.addWidget(self.found)
        images.addWidget(self.filter_bar)
        images.addWidget(self.view, 1)
        for widget in (self.empty, self._images, self.sheet, self.source, self.comparison, self.forgetting):
            self._middle.addWidget(widget)
        across = QSplitter(Qt.Orientation.Horizontal)
        across.addWidget(self.shelf)
        across.addWidget(self._middle)
        across.setStretchFactor(1, 1)
        across.setSizes([theme.GRID * 28, theme.GRID * 100])
        across.setChildrenCollapsible(False)
        across.setHandleWidth(theme.GRID)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.GRID, theme.GRID, theme.GRID, theme.GRID)
        layout.setSpacing(theme.GRID)
        layout.addWidget(self.bar)
        layout.addWidget(self.tools)
        layout.addWidget(across, 1)

    def _connect(self) -> None:
        self.model.listed.connect(self._on_model_listed)
        self.desk.selected_images = self.view.selected_numbers
        self.view.selection_changed.connect(self._on_view_selection_changed)
        self.filter_bar.changed.connect(self.show_filter)
        self.filter_bar.saving_asked.connect(self._on_filter_bar_saving_asked)
        self.shelf.filter_chosen.connect(self.show_filter)
        self.shelf.filter_removed.connect(lambda name: self._save_filter(name, None))
        self.sheet.accepted.connect(self._on_sheet_accepted)
        for signal in (
            self.sheet.cancelled,
            self.source.closed,
            self.comparison.closed,
            self.forgetting.closed,
        ):
            signal.connect(self.back_to_images)
        self.shelf.source_opened.connect(self._show_source)
        self.source.finding_asked.connect(self._find_images_of)
        self.forgetting.forgotten.connect(self._on_forgetting_forgotten)
        self.view.opened.connect(lambda _: self._detail.picture.setFocus())
        self.additions.failed.connect(self.bar.tell_error)
        self.additions.moved.connect(self._on_additions_moved)
        self.additions.done.connect(self.found.look)
        self.found.filter_chosen.connect(self.show_filter)
        self.found.proposal.taken.connect(self.source.show_changed)
        self.tools.slider.valueChanged.connect(lambda _: self.view.show_side(self.tools.side_pixels))

    # -- what is shown --------------------------------------------------------------------------

    @property
    def detail(self) -> QWidget:
        return self._detail

    @property
    def _may_write(self) -> bool:
        return self.desk.project is not None and not self.desk.read_only

    def show_project(self) -> None:
        self.bar.hide()
        for id_ in ("library.folder", "library.metadata", "library.again", "library.save"):
            self.action(id_).setEnabled(self._may_write)
        self._lost = None
        self.back_to_images()
        self.thumbnails.clear()
        self.model.forget_reading()
        self.model.clear()
        self._shelves = Shelves()
        self.additions.clear()
        self.found.clear()
        self.shelf.show_shelves(self._shelves, Filter())
        self.filter_bar.show_filter(Filter(), {})
        self.view.show_side(self.tools.side_pixels)
        self.show_changes(_SHOWN)

    def show_changes(self, kinds: frozenset[str]) -> None:
        if self.desk.project is None or not kinds & _SHOWN:
            return
        self.model.refresh()
        self._detail.show_number(self.view.current_number, again=True)
        self.desk.ask(read_shelves, self._on_shelves_read, owner=self)

    def show_filter(self, wanted: Filter) -> None:
        """Shows what this filter finds."""
        self._middle.setCurrentWidget(self._images)
        self.model.show_filter(wanted)
        self.filter_bar.show_filter(wanted, self._shelves.names)
        self.shelf.show_filter(wanted)

    def _on_shelves_read(self, shelves: Shelves) -> None:
        self._shelves = shelves
        self.shelf.show_shelves(shelves, self.model.filter)
        self.filter_bar.show_filter(self.model.filter, shelves.names)
        self.found.show_sources(shelves.sources)
        self._tell_missing()

    def _tell_missing(self) -> None:
        """A source whose folder is not there gets a bar with the button that finds it."""
        sources = list(self._shelves.sources)
        self.desk.work(partial(first_lost, sources), self._on_lost, owner=self)

    def _on_lost(self, lost: Source | None) -> None:
        known = [source.id for source in self._shelves.sources]
        if lost == self._lost or (lost is not None and lost.id not in known):
            return
        if lost is None:
            self.bar.hide()
        else:
            text = self.tr("The images of “{name}” are not where they were: there is no folder {path}.")
            said = text.format(name=lost.name, path=display_path(lost.root))
            find = partial(self._find_images_of, lost.id)
            self.bar.tell(said, Level.WARNING, self.tr("Find the images…"), find)
        self._lost = lost

    def _on_model_listed(self) -> None:
        self._show_count()
        if self._middle.currentWidget() in (self.empty, self._images):
            self._show_images_or_why_not()

    def _show_images_or_why_not(self) -> None:
        nothing = not self.model.numbers and self.model.filter == Filter()
        self._middle.setCurrentWidget(self.empty if nothing else self._images)

    def _show_count(self) -> None:
        if self.desk.project is None:
            self.tools.count.clear()
        else:
            self.tools.show_count(len(self.model.numbers), self.view.selected_count)

    def _on_view_selection_changed(self) -> None:
        self._detail.show_number(self.view.current_number)
        self._show_count()
        self.action("library.compare").setEnabled(2 <= self.view.selected_count <= 4)
        self.action("library.forget").setEnabled(self.view.selected_count == 1 and self._may_write)

    # -- what the user does ---------------------------------------------------------------------

    def focus_search(self) -> None:
        self._middle.setCurrentWidget(self._images)
        self.filter_bar.search.setFocus()
        self.filter_bar.search.selectAll()

    def toggle_table(self) -> None:
        """Ctrl+T."""
        self.view.show_table(not self.view.shows_table)
        self.tools.show_table(self.view.shows_table)

    def enlarge(self) -> None:
        """Ctrl++."""
        self.tools.slider.setValue(self.tools.slider.value() + 1)

    def reduce(self) -> None:
        """Ctrl+-."""
        self.tools.slider.setValue(self.tools.slider.value() - 1)

    def show_all(self) -> None:
        """Takes every condition away."""
        self.filter_bar.search.clear()
        self.show_filter(Filter())

    def save_filter(self) -> None:
        """Ctrl+S."""
        self.filter_bar.ask_name()

    def _on_filter_bar_saving_asked(self, name: str) -> None:
        self._save_filter(name, self.model.filter)

    def _save_filter(self, name: str, wanted: Filter | None) -> None:
        self.desk.ask(
            lambda store: filters.save_filter(store, name, wanted),
            owner=self,
            failed=self.bar.tell_error,
            changes=frozenset({"sources"}),
        )

    # -- adding ---------------------------------------------------------------------------------

    def add_folder(self) -> None:
        """Asks for a folder of pictures."""
        folder = QFileDialog.getExistingDirectory(self, self.tr("The folder that your pictures lie in"))
        if folder:
            self.understand([Path(folder)])

    def add_metadata(self) -> None:
        """Asks for a table about the pictures."""
        kinds = self.tr("Tables") + " (*.csv *.tsv *.xlsx *.json *.jsonl)"
        path, _ = QFileDialog.getOpenFileName(self, self.tr("A table about your pictures"), "", kinds)
        if path:
            self.understand([Path(path)])

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls() and self._may_write:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        event.acceptProposedAction()
        self.take_paths(paths)

    def take_paths(self, paths: list[Path]) -> None:
        """Says what was dropped."""
        if paths:
            self.understand(paths)

    def understand(self, paths: list[Path]) -> None:
        """Says what these folders and files are, before anything is done with them."""
        folder = self.desk.folder
        if folder is None:
            return
        self._middle.setCurrentWidget(self.sheet)
        self.sheet.show_reading()
        self.desk.work(partial(understand, paths, folder), self._on_understood, owner=self)

    def _on_understood(self, found: Understood) -> None:
        self.sheet.show_understood(found, self._shelves.sources)

    def _on_sheet_accepted(self, jobs: list[Parameters]) -> None:
        self.back_to_images()
        self.found.clear()
        self.additions.add(jobs)

    def look_again(self) -> None:
        """Looks through the folder of the chosen source again, or through all of them."""
        chosen = self.shelf.source_id
        self.found.clear()
        roots = [Path(source.root) for source in self._shelves.sources if chosen in (None, source.id)]
        self.additions.add(parameters_for(root) for root in roots)

    def back_to_images(self) -> None:
        """Leaves the sheet, the source or the comparison."""
        self.comparison.clear()
        self._middle.setCurrentWidget(self._images)
        self._show_images_or_why_not()
        self.view.focus()

    # -- sources --------------------------------------------------------------------------------

    def show_source(self) -> None:
        """Shows the page of the chosen source, of the selected image's, or of the first."""
        row = self.view.current_row
        card = self.model.card(row) if row is not None else None
        first = self._shelves.sources[0].id if self._shelves.sources else None
        chosen = self.shelf.source_id or (card.source_id if card else None) or first
        if chosen is not None:
            self._show_source(chosen)

    def _show_source(self, source_id: int) -> None:
        for source in self._shelves.sources:
            if source.id == source_id:
                self.source.show_source(source)
                self._middle.setCurrentWidget(self.source)

    def _find_images_of(self, source_id: int) -> None:
        folder = QFileDialog.getExistingDirectory(self, self.tr("Where the images lie now"))
        if folder:
            self.move_source(source_id, Path(folder))

    def move_source(self, source_id: int, folder: Path) -> None:
        """Takes a folder for the place of a source, if the same images are there."""
        self.additions.move_source(source_id, folder)

    def _on_additions_moved(self) -> None:
        self.bar.hide()
        self.back_to_images()

    # -- comparing and forgetting ---------------------------------------------------------------

    def compare(self) -> None:
        """Shows the selected images side by side."""
        if 2 <= self.view.selected_count <= MOST:
            self.comparison.show_images(self.view.selected_numbers())
            self._middle.setCurrentWidget(self.comparison)

    def forget(self) -> None:
        """Asks what is to be forgotten of the selected image."""
        row = self.view.current_row
        card = self.model.card(row) if row is not None else None
        if card is not None:
            self.forgetting.show_card(card)
            self._middle.setCurrentWidget(self.forgetting)

    def _on_forgetting_forgotten(self, said: str) -> None:
        self.thumbnails.clear()
        self.back_to_images()
        self.bar.tell(said, Level.DONE)
