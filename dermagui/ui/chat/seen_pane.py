"""What the model saw: the exact pixels of a picture, their size, tokens and hash."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from dermagui.errors import DermaError
from dermagui.ui import theme
from dermagui.ui.desk import Desk
from dermagui.ui.shell.words import whole
from dermagui.ui.widgets.picture import PictureView, halved

if TYPE_CHECKING:
    from dermagui.chat.keeping import Attachment
    from dermagui.records import Pixels
    from dermagui.storage.chats import ChatImage


class SeenPane(QWidget):
    """One picture as the model was given it, or that none was yet."""

    def __init__(self) -> None:
        super().__init__()
        title = QLabel(self.tr("What the model saw"))
        title.setFont(theme.heading_font(title.font()))
        self.view = PictureView()
        self.view.setAccessibleName(self.tr("The picture as the model saw it"))
        self._facts = QLabel()
        self._facts.setWordWrap(True)
        self._facts.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._facts.setAccessibleName(self.tr("About what the model saw"))
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.GRID, theme.GRID, theme.GRID, theme.GRID)
        column.setSpacing(theme.GRID)
        column.addWidget(title)
        column.addWidget(self.view, 1)
        column.addWidget(self._facts)
        column.addStretch(0)
        self.show_nothing()

    @property
    def facts(self) -> str:
        """What is said of the picture."""
        return self._facts.text()

    def show_nothing(self) -> None:
        """No picture was asked about yet."""
        self.view.setVisible(False)
        self._facts.setText(
            self.tr("Ask about a picture: here stand the very pixels that the model got of it.")
        )

    def look(self, desk: Desk, image: ChatImage, attachment: Attachment | None) -> None:
        """Makes the pixels of a picture of a chat once more, and says whether they are what the model saw."""
        from dermagui.chat.keeping import seen_again

        if attachment is None:
            self.show_seen(None, image.pixels)
            return

        def show(made: tuple[Pixels, bool]) -> None:
            pixels, is_same = made
            shown = QImage(
                pixels.rgb, pixels.width, pixels.height, 3 * pixels.width, QImage.Format.Format_RGB888
            )
            self.show_seen(shown.copy(), image.pixels, is_same)

        def cannot(_: DermaError) -> None:
            self.show_seen(None, image.pixels)

        desk.work(partial(seen_again, attachment.picture, image), show, owner=self, failed=cannot)

    def show_seen(self, image: QImage | None, told: Mapping[str, Any], is_same: bool = True) -> None:
        """Shows pixels with what is known of them; without an image, what was kept."""
        self.view.setVisible(image is not None)
        if image is not None:
            self.view.show_image(*halved(image))
        lines = [
            self.tr("{width} × {height} pixels").format(
                width=whole(int(told.get("width", 0))), height=whole(int(told.get("height", 0)))
            )
        ]
        if "tokens" in told:
            lines.append(self.tr("{count} tokens").format(count=whole(int(told["tokens"]))))
        if not told.get("exact", True):
            lines.append(self.tr("The model cuts it into tiles of its own."))
        digest = str(told.get("sha256", ""))
        # In two lines: a word of 64 letters would decide how wide the pane is.
        lines += [self.tr("SHA-256 of the pixels:"), digest[:32], digest[32:]]
        if image is None:
            lines.append(self.tr("Its file cannot be found any more."))
        elif not is_same:
            lines.append(self.tr("The file gives other pixels today: this is not what the model saw."))
        self._facts.setText("\n".join(lines))
