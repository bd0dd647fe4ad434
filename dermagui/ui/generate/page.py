"""Plans and runs that ask about the images."""

from __future__ import annotations

from typing import ClassVar

from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from dermagui.storage import requests
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.page import Page


class GeneratePage(Page):
    """Plans and runs that ask about the images."""

    name: ClassVar[str] = "generate"

    def __init__(self, desk: Desk, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(desk, jobs, parent)
        self._count = QLabel()
        layout = QVBoxLayout(self)
        layout.addWidget(self._count)

    def show_project(self) -> None:
        self._count.clear()
        self.show_changes(frozenset())

    def show_changes(self, kinds: frozenset[str]) -> None:
        self.desk.ask(requests.count_requests, lambda found: self._count.setText(str(found)), owner=self)
