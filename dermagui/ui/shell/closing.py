"""The one modal question: what becomes of a running job when the window closes."""

from __future__ import annotations

from enum import Enum, auto

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QAbstractButton, QMessageBox, QWidget


class Answer(Enum):
    """What the user wants of a job that runs."""

    KEEP = auto()
    STOP = auto()
    STAY = auto()
    """The window must not close."""


def ask_about_jobs(parent: QWidget) -> Answer:
    """Asks, and waits for the answer."""
    box, answers = build_question(parent)
    box.exec()
    box.deleteLater()
    return answers.get(box.clickedButton(), Answer.STAY)


def build_question(parent: QWidget) -> tuple[QMessageBox, dict[QAbstractButton, Answer]]:
    """The question, and what each of its buttons means."""
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
    stay = box.addButton(QCoreApplication.translate("closing", "Cancel"), QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(keep)
    return box, {keep: Answer.KEEP, stop: Answer.STOP, stay: Answer.STAY}
