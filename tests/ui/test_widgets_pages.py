"""A stack of pages is as small as the page in view allows, and never smaller."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QSplitter, QVBoxLayout, QWidget

from dermagui.ui.widgets.pages import Pages


@pytest.mark.parametrize(("shown", "least"), [(0, 100), (1, 320)])
def test_a_split_leaves_the_page_in_view_the_width_that_it_wants(
    application: QApplication, shown: int, least: int
) -> None:
    top, pages = QWidget(), Pages()
    for width in (100, 320):
        page = QWidget()
        page.setMinimumWidth(width)
        pages.addWidget(page)
    pages.setCurrentIndex(shown)
    halves = QSplitter(Qt.Orientation.Horizontal)
    halves.setChildrenCollapsible(False)
    halves.addWidget(QWidget())
    halves.addWidget(pages)
    QVBoxLayout(top).addWidget(halves)
    top.resize(800, 200)
    top.show()
    halves.setSizes([800, 0])
    assert pages.width() == least
    top.close()
    top.deleteLater()
