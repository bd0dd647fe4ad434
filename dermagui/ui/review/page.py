"""Pairs and the verdicts about them."""

from __future__ import annotations

from typing import ClassVar

from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from dermagui.storage import pairs
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.page import Page


class ReviewPage(Page):
    """Pairs and the verdicts about them."""

    name: ClassVar[str] = "review"

    def __init__(self, desk: Desk, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(desk, jobs, parent)
        self._count = QLabel()
        layout = QVBoxLayout(self)
        layout.addWidget(self._count)

    def show_project(self) -> None:
        self._count.clear()
        self.show_changes(frozenset())

    def show_changes(self, kinds: frozenset[str]) -> None:
        self.desk.ask(pairs.count_pairs, lambda found: self._count.setText(str(found)), owner=self)
