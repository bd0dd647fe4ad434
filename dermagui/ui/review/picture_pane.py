"""The left of the page: the picture of the pair, one of several where there are more, and its metadata."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from dermagui.errors import DermaError
from dermagui.review.reading import Sight
from dermagui.ui import texts, theme
from dermagui.ui.library.field_words import field_label
from dermagui.ui.review.pictures import Pictures
from dermagui.ui.shell.words import whole
from dermagui.ui.widgets.picture import PictureView


class PicturePane(QWidget):
    """Shows the pictures of one pair; knows what of them was really seen."""

    def __init__(self, pictures: Pictures, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pictures = pictures
        self._sights: tuple[Sight, ...] = ()
        self._index = 0
        self._metadata_shown = False
        self.image_seen = False
        """Whether a picture of this pair was on the screen."""
        self.metadata_seen = False
        """Whether metadata of this pair were on the screen."""
        self.view = PictureView()
        self._count = QLabel()
        self.zoom_button = QPushButton()
        self.metadata_button = QPushButton()
        self.next_button = QPushButton()
        self.back_button = QPushButton()
        self.on_button = QPushButton()
        self._metadata = QLabel()
        self._metadata.setTextFormat(Qt.TextFormat.RichText)
        self._metadata.setWordWrap(True)
        self._metadata.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._metadata.setContentsMargins(theme.GRID * 2, theme.GRID, theme.GRID * 2, 0)
        self._metadata.setAutoFillBackground(True)
        self._metadata.setBackgroundRole(QPalette.ColorRole.Window)
        self._build()
        pictures.arrived.connect(self._on_pictures_arrived)

    def _build(self) -> None:
        row = QHBoxLayout()
        row.setContentsMargins(theme.GRID * 2, theme.GRID, theme.GRID * 2, theme.GRID)
        row.setSpacing(theme.GRID)
        for widget in (self.zoom_button, self.metadata_button, self.next_button, self._count):
            row.addWidget(widget)
        row.addStretch(1)
        row.addWidget(self.back_button)
        row.addWidget(self.on_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.view, 1)
        column.addWidget(self._metadata)
        column.addLayout(row)
        self._metadata.hide()

    def show_sights(self, sights: tuple[Sight, ...]) -> None:
        """Shows the first picture of another pair; a pair without any says so. Metadata stay as they were."""
        self._sights, self._index = sights, 0
        self.image_seen = self.metadata_seen = False
        if not self.view.fits:
            self.view.zoom_fit()
        self._show()

    @property
    def seen(self) -> dict[str, bool]:
        """What of this pair was on the screen, by the names that a verdict keeps."""
        return {"image": self.image_seen, "metadata": self.metadata_seen}

    def show_next(self) -> None:
        """The next of several pictures, and after the last one the first."""
        if self._sights:
            self._index = (self._index + 1) % len(self._sights)
            self._show()

    def toggle_zoom(self) -> None:
        """Full size, or the whole picture again."""
        if self.view.fits:
            self.view.zoom_full()
        else:
            self.view.zoom_fit()

    def show_metadata(self, shown: bool) -> None:
        """Unfolds what is known of the picture, or folds it away."""
        self._metadata_shown = shown
        self._show_metadata()

    def _show(self) -> None:
        several = len(self._sights) > 1
        self._count.setVisible(several)
        self.next_button.setVisible(several)
        self.zoom_button.setEnabled(bool(self._sights))
        if not self._sights:
            self.view.show_text(self.tr("This pair has no picture."))
        else:
            self._count.setText(
                self.tr("Picture {n} of {count}").format(
                    n=whole(self._index + 1), count=whole(len(self._sights))
                )
            )
            self._show_picture(self._sights[self._index])
        self._show_metadata()

    def _show_picture(self, sight: Sight) -> None:
        found = self._pictures.levels(sight)
        if found is None:
            self.view.show_text(self.tr("The picture is being read …"))
            self._pictures.ask_for([sight])
        elif isinstance(found, DermaError):
            self.view.show_text(texts.worded(found))
        else:
            self.view.show_image(*found)
            self.image_seen = True

    def _show_metadata(self) -> None:
        sight = self._sights[self._index] if self._sights else None
        self._metadata.setVisible(self._metadata_shown and sight is not None)
        if not self._metadata_shown or sight is None:
            return
        rows = [
            f"<b>{escape(field_label(name))}</b>&nbsp;{escape(', '.join(values))}"
            for name, values in sorted(sight.fields.items())
        ]
        self._metadata.setText(
            " &nbsp;·&nbsp; ".join(rows) if rows else self.tr("Nothing is known of this picture.")
        )
        self.metadata_seen = self.metadata_seen or bool(rows)

    def _on_pictures_arrived(self, sight: Sight) -> None:
        if self._sights and self._sights[self._index] == sight and not self.view.has_image:
            self._show_picture(sight)
