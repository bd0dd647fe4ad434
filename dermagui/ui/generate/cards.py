"""Cards of the third column: a request as it would be sent, or an answer with its flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QLocale, Qt
from PySide6.QtGui import QImage, QPalette, QPixmap
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from dermagui.errors import DermaError
from dermagui.paths import display_path
from dermagui.records import FlagKind
from dermagui.ui import texts, theme
from dermagui.ui.generate import choices
from dermagui.ui.library.field_words import field_label
from dermagui.ui.shell.words import money

if TYPE_CHECKING:
    from dermagui.generation.preview import Preview

_PICTURE_PIXELS = 256
_THUMBNAIL_PIXELS = 96


class Cards(QScrollArea):
    """A column of cards, each as high as what it says."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QFrame.Shape.NoFrame)
        inside = QWidget()
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(0, 0, theme.GRID, 0)
        self._column.setSpacing(theme.GRID)
        self._column.addStretch(1)
        self.setWidget(inside)

    def show_cards(self, cards: Sequence[QWidget]) -> None:
        """Shows these in place of those."""
        while self._column.count() > 1:
            part = self._column.takeAt(0)
            widget = part.widget() if part else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for card in cards:
            self.add_card(card)

    def add_card(self, card: QWidget, *, most: int | None = None) -> None:
        """Adds one at the end; with ``most`` it comes first, and the oldest go."""
        self._column.insertWidget(0 if most else self._column.count() - 1, card)
        while most and self._column.count() - 1 > most:
            part = self._column.takeAt(self._column.count() - 2)
            widget = part.widget() if part else None
            if widget is not None:
                widget.deleteLater()


class Card(QFrame):
    """Paragraphs under each other; the text of each can be selected."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        self.setBackgroundRole(QPalette.ColorRole.Base)
        self._column = QVBoxLayout(self)
        self._column.setSpacing(theme.GRID)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def say(self, text: str, tint: tuple[str, str] | None = None, *, bold: bool = False) -> QLabel:
        """Adds a paragraph of plain text."""
        label = QLabel(text)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        font = label.font()
        font.setBold(bold)
        label.setFont(font)
        if tint is not None:
            palette = label.palette()
            palette.setColor(QPalette.ColorRole.WindowText, theme.colour(tint, palette))
            label.setPalette(palette)
        self._column.addWidget(label)
        return label

    def show_picture(self, picture: QImage, words: str) -> None:
        """Adds a picture on neutral grey; ``words`` tell it to who cannot see it."""
        label = QLabel()
        label.setAccessibleName(words)
        label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        label.setAutoFillBackground(True)
        palette = label.palette()
        palette.setColor(QPalette.ColorRole.Window, theme.PICTURE_GREY)
        label.setPalette(palette)
        label.setPixmap(
            QPixmap.fromImage(picture).scaled(
                _PICTURE_PIXELS,
                _PICTURE_PIXELS,
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
        )
        self._column.addWidget(label)


class PreviewCard(Card):
    """Exactly what one request would send: the picture, the prompt, and what stays here."""

    def __init__(self, preview: Preview, picture: QImage, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        pixels, prompt = preview.pixels, preview.request.prompt
        size = self.tr("{width} × {height} pixels, {bytes} bytes, SHA-256 of the pixels {hash}…").format(
            width=pixels.width,
            height=pixels.height,
            bytes=QLocale().toString(len(pixels.encoded)),
            hash=pixels.sha256[:16],
        )
        self.show_picture(
            picture, self.tr("Image {image} as it would be sent").format(image=preview.request.image_id)
        )
        self.say(size)
        self._say_fields(preview)
        self.say(self.tr("What the model is told"), bold=True)
        self.say(prompt.system)
        self.say(prompt.user)

    def _say_fields(self, preview: Preview) -> None:
        prompt = preview.request.prompt
        for text, fields in (
            (self.tr("The model is told, and must not repeat: {fields}"), prompt.hinted),
            (self.tr("Stands in the question: {fields}"), prompt.given),
            (self.tr("Stays here: {fields}"), prompt.withheld),
        ):
            if fields:
                self.say(text.format(fields=", ".join(field_label(name) for name in fields)))
        for found in preview.findings:
            sent = found.place in preview.sent
            text = (
                self.tr("May identify a person, and would be sent: {value} ({tag} in {place})")
                if sent
                else self.tr("May identify a person, and stays here: {value} ({tag} in {place})")
            )
            said = text.format(value=display_path(found.value), tag=found.tag, place=found.place)
            self.say(said, theme.DANGER if sent else None, bold=sent)


class AnswerCard(Card):
    """A picture, the question about it, its answer, what the checks found in it, and what it cost."""

    def __init__(self, event: Mapping[str, Any], *, paid: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.picture_key = (str(event.get("sha256", "")), int(event.get("frame", 0)))
        self._picture = QLabel()
        self._picture.setAccessibleName(self.tr("Image {image}").format(image=event["image"]))
        self._picture.setFixedWidth(_THUMBNAIL_PIXELS)
        self._picture.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignHCenter)
        words = QVBoxLayout()
        words.setSpacing(theme.GRID)
        row = QHBoxLayout()
        row.setSpacing(2 * theme.GRID)
        row.addWidget(self._picture)
        row.addLayout(words, 1)
        self._column.addLayout(row)
        self._column = words
        for flag in event["flags"]:
            text = choices.words(choices.FLAGS[FlagKind(flag["kind"])])
            self.say("⚑ " + text.format(evidence=flag["evidence"]), theme.WARNING, bold=True)
        self.say(str(event["question"]), bold=True)
        self.say(str(event["answer"]))
        if paid and "cost_micro_usd" in event:
            cost = self.say(self.tr("{sum} paid").format(sum=money(event["cost_micro_usd"])))
            cost.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        words.addStretch(1)

    @property
    def wants_picture(self) -> bool:
        """Whether its picture is not shown yet."""
        return self._picture.pixmap().isNull()

    def show_thumbnail(self, picture: QPixmap) -> None:
        """Shows the picture; one that is not there leaves its place empty."""
        if not picture.isNull():
            self._picture.setPixmap(
                picture.scaled(
                    _THUMBNAIL_PIXELS,
                    _THUMBNAIL_PIXELS,
                    Qt.AspectRatioMode.KeepAspectRatio,
                    Qt.TransformationMode.SmoothTransformation,
                )
            )


def preview_card(found: tuple[Preview, QImage] | DermaError) -> Card:
    """A request as it would be sent, or why it cannot be shown."""
    if not isinstance(found, DermaError):
        return PreviewCard(*found)
    card = Card()
    card.say(texts.worded(found), theme.DANGER)
    return card
