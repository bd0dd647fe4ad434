"""Where everything on the page Review stands."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from dermagui.review.reading import Reading
from dermagui.ui import theme
from dermagui.ui.review.desk_work import Opened
from dermagui.ui.review.filter_strip import Choices, FilterStrip
from dermagui.ui.review.pair_view import MEASURE_CHARACTERS, PairView
from dermagui.ui.review.picture_pane import PicturePane
from dermagui.ui.review.pictures import Pictures
from dermagui.ui.review.reviewer import EmptyPanel, NamePanel
from dermagui.ui.review.verdict_box import VerdictBox
from dermagui.ui.widgets.bar import Bar
from dermagui.ui.widgets.key_icon import follow_action


class Parts:
    """The widgets of the page, laid out in it."""

    def __init__(self, page: QWidget, action: Callable[[str], QAction], pictures: Pictures) -> None:
        self.bar = Bar()
        self.strip = FilterStrip()
        self.reviewer = QPushButton()
        self.names = NamePanel()
        self.empty = EmptyPanel()
        self.pane = PicturePane(pictures)
        self.pair = PairView()
        self.verdict = VerdictBox(action)
        self.stack = QStackedWidget()
        self.head = QWidget()
        self._scroll = QScrollArea()
        for button, name in (
            (self.pane.zoom_button, "zoom"),
            (self.pane.metadata_button, "metadata"),
            (self.pane.next_button, "image"),
            (self.pane.back_button, "previous"),
            (self.pane.on_button, "next"),
        ):
            follow_action(button, action(f"review.{name}"))
        export = action("review.export")
        self.export = QPushButton(QCoreApplication.translate("review", "Export…"))
        self.export.setAccessibleName(export.toolTip())
        self.export.setToolTip(export.toolTip())
        self.export.clicked.connect(export.trigger)
        export.enabledChanged.connect(self.export.setEnabled)
        self.pair.cursor_moved.connect(lambda at: self._scroll.ensureVisible(at.x(), at.y()))
        self._build(page)

    def _build(self, page: QWidget) -> None:
        head = QHBoxLayout(self.head)
        head.setContentsMargins(2 * theme.GRID, theme.GRID, 2 * theme.GRID, theme.GRID)
        head.setSpacing(theme.GRID)
        head.addWidget(self.strip, 1)
        head.addWidget(self.reviewer)
        head.addWidget(self.export)
        middle = QSplitter(Qt.Orientation.Horizontal)
        middle.setChildrenCollapsible(False)
        middle.addWidget(self.pane)
        middle.addWidget(self._build_right())
        middle.setStretchFactor(0, 2)
        middle.setStretchFactor(1, 1)
        for widget in (self.empty, self.names, middle):
            self.stack.addWidget(widget)
        self.middle = middle
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.bar)
        column.addWidget(self.head)
        column.addWidget(self.stack, 1)

    def _build_right(self) -> QWidget:
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidget(self.pair)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        right = QWidget()
        right.setMinimumWidth(MEASURE_CHARACTERS * right.fontMetrics().averageCharWidth() * 6 // 7)
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        line = QFrame()
        line.setFrameShape(QFrame.Shape.HLine)
        line.setForegroundRole(theme.LINE)
        column.addWidget(self._scroll, 1)
        column.addWidget(line)
        column.addWidget(self.verdict)
        return right

    def show_only(self, widget: QWidget) -> None:
        """Brings one of the three pictures of the page into view: empty, the name, the pair."""
        self.stack.setCurrentWidget(widget)
        self.head.setVisible(widget is not self.names)

    def show_opened(self, opened: Opened) -> None:
        """Shows whose queue this is, and what it may be filtered by."""
        self.reviewer.setText(opened.person.name.replace("&", "&&"))
        words = QCoreApplication.translate("review", "Reviewer: {name}")
        self.reviewer.setAccessibleName(words.format(name=opened.person.name))
        self.strip.show_choices(Choices(opened.question_keys, opened.sources))
        self.strip.show_filter(opened.place.wanted, opened.place.order, opened.person.uid)

    def show_pair(self, reading: Reading) -> None:
        """Shows the pictures of another pair, and what this reviewer said of it before."""
        self.pane.show_sights(reading.sights)
        self.verdict.show_said(reading.said)
        self.scroll_to_top()

    def edit(self, reading: Reading) -> None:
        """Lets the turns be edited; Tab goes from the picture's side through the fields to the verdict."""
        self.pair.edit(reading)
        before: QWidget = self.pane.on_button
        for field in self.pair.fields:
            QWidget.setTabOrder(before, field)
            before = field

    def scroll(self, pages: int) -> None:
        """Moves the text by so many screens of it."""
        bar = self._scroll.verticalScrollBar()
        bar.setValue(bar.value() + pages * bar.pageStep())

    def scroll_to_top(self) -> None:
        """Shows the beginning of the text."""
        self._scroll.verticalScrollBar().setValue(0)
