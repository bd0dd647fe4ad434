"""Pictures on their way into the composer: from files, the Library's selection, the clipboard."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog, QWidget

from dermagui.errors import DermaError
from dermagui.ui.chat import desk_work
from dermagui.ui.chat.composer import Composer
from dermagui.ui.chat.desk_work import Thumb
from dermagui.ui.desk import Desk
from dermagui.ui.shell.words import whole
from dermagui.ui.widgets.bar import Bar, Level

if TYPE_CHECKING:
    from dermagui.chat.keeping import Attachment

_MOST_PICTURES = 8
"""Of one question: more would fill the context of most models."""


class Attaching(QObject):
    """Brings pictures into the composer; what cannot be brought is told."""

    failed = Signal(object)
    """A ``DermaError``."""

    def __init__(self, desk: Desk, composer: Composer, bar: Bar, page: QWidget) -> None:
        super().__init__(page)
        self._desk, self._composer, self._bar, self._page = desk, composer, bar, page
        composer.files_given.connect(self.take_paths)
        composer.image_given.connect(self._take_image)

    def choose(self) -> None:
        """Asks for picture files."""
        names, _ = QFileDialog.getOpenFileNames(self._page, self.tr("Attach pictures"))
        self.take_paths([Path(name) for name in names])

    def take_selected(self) -> None:
        """Attaches what is selected in the Library."""
        numbers = self._desk.selected_images()
        if len(numbers) > _MOST_PICTURES:
            self._bar.tell(
                self.tr("{count} images are selected; choose {most} at most for one question.").format(
                    count=whole(len(numbers)), most=_MOST_PICTURES
                )
            )
            return
        take = partial(desk_work.take_from_library, image_ids=numbers)
        self._desk.ask(take, self._on_library_taken, owner=self, failed=self.failed.emit)

    def _on_library_taken(self, taken: list[tuple[Attachment | None, str]]) -> None:
        if taken:
            self._work(partial(desk_work.thumbs_of, taken))
        else:
            self._bar.tell(self.tr("No image is selected in the Library."), Level.INFO)

    def take_paths(self, paths: list[Path]) -> None:
        """Attaches files."""
        if paths:
            take = partial(desk_work.take_files, paths)
            self._desk.work(take, self._on_files_taken, owner=self, failed=self.failed.emit)

    def _on_files_taken(self, taken: tuple[list[Thumb], list[DermaError]]) -> None:
        thumbs, errors = taken
        self._add(tuple(thumbs))
        if errors:
            self.failed.emit(errors[0])

    def _take_image(self, image: QImage) -> None:
        name = self.tr("From the clipboard")
        self._work(lambda: (desk_work.take_image(image, name),))

    def _work(self, make: Callable[[], tuple[Thumb, ...]]) -> None:
        self._desk.work(make, self._add, owner=self, failed=self.failed.emit)

    def _add(self, thumbs: tuple[Thumb, ...]) -> None:
        for thumb in thumbs:
            self._composer.add(thumb)
