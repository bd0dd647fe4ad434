"""The row of buttons of a dialog: each system has them in an order of its own, and Tab must follow it."""

from __future__ import annotations

from itertools import pairwise

from PySide6.QtWidgets import QDialogButtonBox, QWidget


def tab_as_seen(box: QDialogButtonBox) -> None:
    """Lets Tab go from button to button as they stand, not as they were made; call it when all are there."""
    row = box.layout()
    places = [row.itemAt(n) for n in range(row.count())] if row is not None else []
    buttons = [widget for place in places if place is not None and (widget := place.widget()) is not None]
    for before, after in pairwise(buttons):
        QWidget.setTabOrder(before, after)
