"""The probes of a training: each picture with its question, and base and tuned answers side by side."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from dermagui.ui import theme
from dermagui.ui.train.desk_work import PROBE_SIDE, Probe
from dermagui.ui.train.parts import sentence_label, subtitle


class ProbesView(QWidget):
    """Shows the probes; what has not changed is left alone."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[_ProbeRow] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(2 * theme.GRID)

    def show_probes(self, probes: Sequence[Probe]) -> None:
        """Shows these in place of the ones before."""
        while len(self._rows) < len(probes):
            self._rows.append(_ProbeRow(len(self._rows) + 1))
            self._column.addWidget(self._rows[-1])
        for n, row in enumerate(self._rows):
            row.setVisible(n < len(probes))
            if n < len(probes):
                row.show_probe(probes[n])


class _ProbeRow(QWidget):
    def __init__(self, number: int) -> None:
        super().__init__()
        self._picture = QLabel()
        self._picture.setFixedSize(PROBE_SIDE, PROBE_SIDE)
        self._picture.setAccessibleName(self.tr("Picture of probe {number}").format(number=number))
        self._question, self._reference = sentence_label(), sentence_label()
        self._base, self._tuned = sentence_label(), sentence_label()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(2 * theme.GRID)
        grid.setVerticalSpacing(theme.GRID // 2)
        grid.addWidget(self._picture, 0, 0, 5, 1)
        grid.addWidget(self._question, 0, 1, 1, 3)
        columns = (
            (self.tr("As accepted"), self._reference),
            (self.tr("Base"), self._base),
            (self.tr("Tuned"), self._tuned),
        )
        for n, (title, label) in enumerate(columns, 1):
            grid.addWidget(subtitle(title), 1, n)
            grid.addWidget(label, 2, n, Qt.AlignmentFlag.AlignTop)
            grid.setColumnStretch(n, 1)
        grid.setRowStretch(4, 1)

    def show_probe(self, probe: Probe) -> None:
        """Shows one probe."""
        if probe.image is not None:
            self._picture.setPixmap(QPixmap.fromImage(probe.image))
        self._question.setText(probe.question)
        self._reference.setText(probe.reference)
        self._base.setText(probe.base or self.tr("not asked yet"))
        self._tuned.setText(probe.tuned or self.tr("not asked yet"))
