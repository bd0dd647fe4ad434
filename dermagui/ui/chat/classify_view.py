"""The user's own labels ranked by a model: for one picture, and for many; with what may be made of that."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractTableModel, QLocale, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QTableView,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from dermagui.ui import theme
from dermagui.ui.chat.words import surety

if TYPE_CHECKING:
    from dermagui.chat.classify import Ranked
    from dermagui.ui.chat.classifying import Classified, Scope

_LINES = 5
_TABLE_LINES = 12
_MOST_RANKED = 8
"""More labels than these are scrolled."""


class ClassifiedModel(QAbstractTableModel):
    """What a model said of many images, one a row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Classified] = []

    def show_rows(self, rows: list[Classified]) -> None:
        """Shows these."""
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | QPersistentModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else 4

    def data(
        self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if not index.isValid() or role != Qt.ItemDataRole.DisplayRole:
            return None
        row = self.rows[index.row()]
        return (row.name, row.first, surety(row.code), row.second)[index.column()]

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation is not Qt.Orientation.Horizontal or role != Qt.ItemDataRole.DisplayRole:
            return None
        return (
            self.tr("Picture"),
            self.tr("More likely by this model"),
            self.tr("How clearly"),
            self.tr("Less likely"),
        )[section]


class ClassifyView(QWidget):
    """``many_wanted``: the images of the chosen scope are to be classified; ``promoted``: the selected rows
    are right, says the user.
    """

    changed = Signal()
    many_wanted = Signal()
    promoted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.field = QLineEdit()
        self.labels_text = QPlainTextEdit()
        self.labels_text.setTabChangesFocus(True)
        self.labels_text.setFixedHeight(_LINES * self.fontMetrics().lineSpacing() + 2 * theme.GRID)
        self.labels_text.setPlaceholderText(
            self.tr("One label a line, or commas between; for example:\nnaevus\nmelanoma")
        )
        self.sentence = _quiet("")
        self.sentence.setForegroundRole(QPalette.ColorRole.WindowText)
        self.ranking = QTreeWidget()
        self.ranking.setRootIsDecorated(False)
        self.ranking.setHeaderLabels([self.tr("Label"), self.tr("Log-probability, not calibrated")])
        self.ranking.setAccessibleName(self.tr("The labels, the most likely by this model first"))
        self.ranking.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.ranking.header().setStretchLastSection(False)
        self.ranking.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.scope = QComboBox()
        self.scope.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.scope.setMinimumContentsLength(20)
        self.start = QPushButton(self.tr("Classify these"))
        self.told = _quiet("")
        self.model = ClassifiedModel()
        self.table = QTableView()
        self.promote = QPushButton(self.tr("The selected ones are right: make them my labels"))
        for button in (self.start, self.promote):
            button.setAutoDefault(False)
        self._build()
        self._connect()
        self.show_rows([])
        self.show_ranking([], "")

    def _build(self) -> None:
        form = QFormLayout()
        form.setSpacing(theme.GRID)
        form.addRow(self.tr("What the la&bels name"), self.field)
        form.addRow(self.tr("&Labels"), self.labels_text)
        self.table.setModel(self.model)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        self.table.setMinimumHeight(_TABLE_LINES * self.fontMetrics().lineSpacing())
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.setAccessibleName(self.tr("What the model says of each picture"))
        many = QHBoxLayout()
        many.setSpacing(theme.GRID)
        label = QLabel(self.tr("&Of the project"))
        label.setBuddy(self.scope)
        for widget in (label, self.scope, self.start):
            many.addWidget(widget)
        many.setStretch(1, 1)
        inside = QWidget()
        outer = QVBoxLayout(inside)
        outer.setContentsMargins(0, 0, theme.GRID, 0)
        outer.setSpacing(theme.GRID)
        outer.addLayout(form)
        outer.addWidget(
            _quiet(
                self.tr(
                    "Attach one picture and send, or classify many below. The order says which label is more "
                    "or less likely by this model; it is not calibrated, and says nothing of how often the "
                    "model is right. No label of a model counts until a person makes it theirs."
                )
            )
        )
        outer.addWidget(self.sentence)
        outer.addWidget(self.ranking)
        outer.addLayout(many)
        outer.addWidget(self.told)
        outer.addWidget(self.table, 1)
        outer.addWidget(self.promote, 0, Qt.AlignmentFlag.AlignLeft)
        outer.addStretch(0)
        scroll = QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setAccessibleName(self.tr("Labels and what the model says of them"))
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scroll)

    def _connect(self) -> None:
        self.field.textChanged.connect(self.changed)
        self.labels_text.textChanged.connect(self.changed)
        self.start.clicked.connect(self.many_wanted)
        self.promote.clicked.connect(self.promoted)
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._show_whether_selected())

    @property
    def labels(self) -> list[str]:
        """The labels as they were written, without empty lines."""
        return [part.strip() for part in re.split(r"[\n,;]", self.labels_text.toPlainText()) if part.strip()]

    def show_ranking(self, found: Sequence[Ranked], sentence: str) -> None:
        """The ranking of one picture, and its sentence."""
        self.sentence.setText(sentence)
        self.ranking.clear()
        for one in found:
            number = QLocale().toString(one.log_probability, "f", 2)
            line = QTreeWidgetItem([one.label, number])
            line.setTextAlignment(1, Qt.AlignmentFlag.AlignRight)
            self.ranking.addTopLevelItem(line)
        rows = self.ranking.sizeHintForRow(0) * min(len(found), _MOST_RANKED)
        self.ranking.setFixedHeight(rows + self.ranking.header().sizeHint().height() + theme.GRID)
        for widget in (self.sentence, self.ranking):
            widget.setVisible(bool(found))

    def show_scopes(self, scopes: Sequence[tuple[str, Scope]]) -> None:
        """Which images there are to classify; none without a project."""
        before = self.scope.currentIndex()
        self.scope.clear()
        for text, scope in scopes:
            self.scope.addItem(text, scope)
        self.scope.setCurrentIndex(min(max(before, 0), self.scope.count() - 1))

    def show_rows(self, rows: list[Classified]) -> None:
        """What a model said of many images."""
        self.model.show_rows(rows)
        for widget in (self.table, self.promote):
            widget.setVisible(bool(rows))
        self._show_whether_selected()

    @property
    def selected(self) -> list[Classified]:
        """The rows that are selected."""
        return [self.model.rows[index.row()] for index in self.table.selectionModel().selectedRows()]

    def _show_whether_selected(self) -> None:
        self.promote.setEnabled(self.table.selectionModel().hasSelection())


def _quiet(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
    return label
