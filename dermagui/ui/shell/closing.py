"""The one modal question: what becomes of a running job when the window closes."""

from __future__ import annotations

from enum import Enum, auto

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QMessageBox, QWidget


class Answer(Enum):
    """What the user wants of a job that runs."""

    KEEP = auto()
    STOP = auto()
    STAY = auto()
    """The window must not close."""


def ask_about_jobs(parent: QWidget) -> Answer:
    """Asks, and waits for the answer."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setText(QCoreApplication.translate("closing", "A job is still running."))
    box.setInformativeText(
        QCoreApplication.translate(
            "closing", "It can run on without the window and is found again at the next start, or stop now."
        )
    )
    keep = box.addButton(
        QCoreApplication.translate("closing", "Keep running"), QMessageBox.ButtonRole.AcceptRole
    )
    stop = box.addButton(
        QCoreApplication.translate("closing", "Stop it"), QMessageBox.ButtonRole.DestructiveRole
    )
    box.addButton(QCoreApplication.translate("closing", "Cancel"), QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(keep)
    box.exec()
    clicked = box.clickedButton()
    box.deleteLater()
    if clicked is keep:
        return Answer.KEEP
    return Answer.STOP if clicked is stop else Answer.STAY
