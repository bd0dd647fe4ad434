"""The question where a new folder shall lie: with a name proposed, so that nobody has to make one first."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QStandardPaths
from PySide6.QtWidgets import QFileDialog, QWidget


def ask_new_folder(parent: QWidget, title: str, proposed: str) -> Path | None:
    """The folder that was named, which need not exist; None if the question was left.

    ``proposed`` is a name; it is put into the user's documents. An existing folder may be named: whoever
    writes there looks whether it is empty.
    """
    documents = Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation))
    if not documents.is_dir():
        documents = Path.home()
    path, _ = QFileDialog.getSaveFileName(
        parent,
        title,
        str(documents / proposed),
        "",
        "",
        QFileDialog.Option.DontConfirmOverwrite,
    )
    return Path(path) if path else None
