"""Buttons that follow an action: they say what it says, and may go before it does."""

from __future__ import annotations

import shiboken6
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QPushButton

from dermagui.ui.widgets.key_icon import follow_action


def test_a_button_follows_its_action_until_it_is_gone(application: QApplication) -> None:
    action = QAction("Accept")
    first, second = QPushButton(), QPushButton()
    for button in (first, second):
        follow_action(button, action)
    action.setText("Accept it")
    action.setEnabled(False)
    assert (first.text(), first.isEnabled()) == ("Accept it", False)
    shiboken6.delete(first)
    action.setText("Accept")  # the fixture fails where a slot raises
    action.setText("Accept all")
    assert second.text() == "Accept all"
    second.click()
    shiboken6.delete(second)
    action.setEnabled(True)
