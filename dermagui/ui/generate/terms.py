"""The summary of a service's terms, which a person reads and accepts before the first image is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from dermagui.ui import theme

if TYPE_CHECKING:
    from dermagui.generation.terms import Terms


class TermsSheet(QWidget):
    """Shows the points; ``accepted`` carries the name of the person who read and accepts them."""

    accepted = Signal(str)
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = QLabel()
        self._title.setFont(theme.heading_font(self._title.font()))
        self._title.setWordWrap(True)
        self._points = QLabel()
        self._points.setWordWrap(True)
        self._points.setTextFormat(Qt.TextFormat.PlainText)
        self._points.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._points.setMaximumWidth(90 * theme.GRID)
        self._points.setContentsMargins(0, 0, theme.GRID, 0)
        scroll = QScrollArea()
        scroll.setAccessibleName(self.tr("The terms in our words"))
        scroll.setWidgetResizable(True)
        scroll.setWidget(self._points)
        self.name = QLineEdit()
        self.name.textChanged.connect(self._show_whether_done)
        self.read = QCheckBox(self.tr("I have read this, and I am allowed to accept it"))
        self.read.toggled.connect(self._show_whether_done)
        self.accept = QPushButton(self.tr("Accept the terms"))
        self.accept.clicked.connect(lambda: self.accepted.emit(self.name.text().strip()))
        back = QPushButton(self.tr("Back, send nothing"))
        back.clicked.connect(self.left)
        form = QFormLayout()
        form.setSpacing(theme.GRID)
        form.addRow(self.tr("Your &name"), self.name)
        form.addRow("", self.read)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.GRID)
        buttons.addWidget(back)
        buttons.addStretch(1)
        buttons.addWidget(self.accept)
        layout = QVBoxLayout(self)
        layout.setSpacing(theme.GRID)
        layout.addWidget(self._title)
        layout.addWidget(scroll, 1)
        layout.addLayout(form)
        layout.addLayout(buttons)
        self._show_whether_done()

    def show_terms(self, terms: Terms, name: str) -> None:
        """Shows a summary, with the name that the settings know."""
        title = self.tr("The terms of {service}, of {date}, in our words")
        self._title.setText(title.format(service=terms.service, date=terms.terms_date))
        lines = [f"•  {point.text}" for point in terms.points]
        lines.append(self.tr("The terms themselves: {link}").format(link=terms.link))
        self._points.setText("\n\n".join(lines))
        self.name.setText(name)
        self.read.setChecked(False)

    def _show_whether_done(self) -> None:
        self.accept.setEnabled(bool(self.name.text().strip()) and self.read.isChecked())
