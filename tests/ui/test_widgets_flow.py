"""Widgets in a row go on in the next line."""

from __future__ import annotations

from PySide6.QtWidgets import QApplication, QLabel, QWidget

from dermagui.ui.widgets.flow import FlowLayout


def _label(width: int) -> QLabel:
    made = QLabel()
    made.setFixedSize(width, 20)
    return made


def test_a_full_line_is_followed_by_another(application: QApplication) -> None:
    window = QWidget()
    flow = FlowLayout(window)
    labels = [_label(60) for _ in range(4)]
    for label in labels[1:]:
        flow.addWidget(label)
    flow.insert_widget(0, labels[0])
    labels[2].hide()
    window.resize(140, 200)
    window.show()
    application.processEvents()
    assert [(label.x(), label.y()) for label in labels if label.isVisible()] == [(0, 0), (68, 0), (0, 28)]
    assert (flow.heightForWidth(140), flow.heightForWidth(1000), flow.heightForWidth(10)) == (48, 20, 76)
    window.deleteLater()


def test_what_was_taken_is_laid_out_no_more(application: QApplication) -> None:
    window = QWidget()
    flow = FlowLayout(window)
    flow.addWidget(_label(60))
    taken = flow.takeAt(0)
    assert taken is not None
    assert (flow.count(), flow.takeAt(0), flow.itemAt(0), flow.heightForWidth(100)) == (0, None, None, 0)
    window.deleteLater()
