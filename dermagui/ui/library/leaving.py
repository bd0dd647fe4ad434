"""Asks before images of a source may leave: to whom they would go, how many they are, under which licence."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPalette
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from dermagui.records import Source
from dermagui.ui import theme
from dermagui.ui.library.words import counted
from dermagui.ui.widgets.danger import danger_button


class LeavingQuestion(QFrame):
    """Hidden until it asks. The key Escape and the button in focus keep the images here."""

    confirmed = Signal()
    kept = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        self.setBackgroundRole(QPalette.ColorRole.ToolTipBase)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.keep = QPushButton(self.tr("Keep them here"))
        self.keep.clicked.connect(self._on_keep_clicked)
        self.let = danger_button(self.tr("Yes, let them leave"))
        self.let.clicked.connect(self._on_let_clicked)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.keep)
        buttons.addWidget(self.let)
        column = QVBoxLayout(self)
        column.setContentsMargins(*(4 * [theme.GRID * 2]))
        column.setSpacing(theme.GRID)
        column.addWidget(self.text)
        column.addLayout(buttons)
        self.hide()

    def ask(self, source: Source, images: int) -> None:
        """Asks about the images of a source."""
        what = counted(
            images,
            self.tr("its 1 picture may be sent to Google"),
            self.tr("its {count} pictures may be sent to Google"),
        )
        said = self.tr("When you generate pairs of “{name}” with Google Gemini, {what}.")
        lines = [said.format(name=source.name, what=what), self._licence_text(source)]
        lines.append(self.tr("Nothing is sent now. What has been sent cannot be taken back."))
        self.text.setText("\n".join(lines))
        self.setAccessibleName(self.text.text())
        self.show()
        self.keep.setFocus()

    def _licence_text(self, source: Source) -> str:
        if not source.licence:
            return self.tr("Their licence is unknown: nobody has said that they may be passed on.")
        if source.non_commercial:
            text = self.tr("Their licence is {licence}, and it forbids commercial use.")
        else:
            text = self.tr("Their licence is {licence}.")
        return text.format(licence=source.licence)

    def event(self, event: QEvent) -> bool:
        """Keeps Escape, which is the page's way back, for the question while it is asked."""
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            event.accept()
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self._on_keep_clicked()
        else:
            super().keyPressEvent(event)

    def _on_keep_clicked(self) -> None:
        self.hide()
        self.kept.emit()

    def _on_let_clicked(self) -> None:
        self.hide()
        self.confirmed.emit()
