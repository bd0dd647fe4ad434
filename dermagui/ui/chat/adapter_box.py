"""An adapter (LoRA) that a model wears while it answers: a file, and how strongly it works."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from dermagui.paths import display_path
from dermagui.ui import theme

if TYPE_CHECKING:
    from dermagui.chat.protocol import Adapter

STRONGEST = 4.0


class AdapterBox(QWidget):
    """One adapter or none. ``changed``: another one, or by the user another strength."""

    wanted = Signal()
    """The user wants to choose a file."""
    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.path: Path | None = None
        self._name = QLabel()
        self._name.setWordWrap(True)
        self.choose = QPushButton(self.tr("Choose an adapter…"))
        self.remove = QPushButton(self.tr("Without it"))
        self.scale = QDoubleSpinBox()
        self.scale.setRange(0.0, STRONGEST)
        self.scale.setSingleStep(0.1)
        self.scale.setValue(1.0)
        self.scale.setAccessibleName(self.tr("How strongly the adapter works"))
        self._strength = QLabel(self.tr("Strength"))
        for button in (self.choose, self.remove):
            button.setAutoDefault(False)
        self.choose.clicked.connect(self.wanted)
        self.remove.clicked.connect(lambda: self._take(None, 1.0))
        self.scale.valueChanged.connect(lambda _: self.changed.emit())
        buttons, strength = QHBoxLayout(), QHBoxLayout()
        for row, widgets in ((buttons, (self.choose, self.remove)), (strength, (self._strength, self.scale))):
            row.setSpacing(theme.GRID)
            for widget in widgets:
                row.addWidget(widget)
            row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID // 2)
        column.addWidget(self._name)
        column.addLayout(buttons)
        column.addLayout(strength)
        self.show_adapter(None, 1.0)

    @property
    def adapters(self) -> tuple[Adapter, ...]:
        """What the question is asked with."""
        from dermagui.chat.protocol import Adapter

        return (Adapter(str(self.path), self.scale.value()),) if self.path is not None else ()

    def show_adapter(self, path: Path | None, scale: float) -> None:
        """Shows this one, or that there is none."""
        self.path = path
        self._name.setText(display_path(path.name) if path else self.tr("None: the model as it is."))
        self._name.setToolTip(display_path(path) if path else "")
        self.scale.blockSignals(True)
        self.scale.setValue(scale)
        self.scale.blockSignals(False)
        for widget in (self.remove, self._strength, self.scale):
            widget.setVisible(path is not None)

    def take(self, path: Path) -> None:
        """The user chose this one."""
        self._take(path, self.scale.value())

    def _take(self, path: Path | None, scale: float) -> None:
        self.show_adapter(path, scale)
        self.changed.emit()
