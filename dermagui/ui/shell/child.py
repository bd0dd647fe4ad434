"""A command of this program in a process of its own, whose answer is one JSON object."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, cast

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment

from dermagui.errors import DermaError
from dermagui.jobs.launch import child_environment, program

Answer = dict[str, Any]


class Child(QObject):
    """Runs one command at a time and dies with its owner. For what may not be loaded in the window."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None
        self._then: Callable[[Answer], object] | None = None

    def run(self, arguments: list[str], then: Callable[[Answer], object]) -> None:
        """Starts the command; ``then`` gets what it printed, or ``{"error": …}``.

        Keys of the environment are passed on: unlike a job, the child asks for them itself.
        """
        self.stop()
        self._then = then
        command, *first = program()
        environment = QProcessEnvironment()
        for name, value in {**os.environ, **child_environment()}.items():
            environment.insert(name, value)
        process = QProcess(self)
        process.setProcessEnvironment(environment)
        process.finished.connect(self._on_process_finished)
        process.errorOccurred.connect(self._on_process_error)
        self._process = process
        process.start(command, [*first, *arguments])

    @property
    def is_running(self) -> bool:
        """Whether a command is under way."""
        return self._process is not None

    def stop(self) -> None:
        """Ends the process, if it still runs; nobody is called."""
        process, self._process = self._process, None
        if process is not None:
            process.blockSignals(True)
            process.kill()
            process.waitForFinished(2_000)
            process.deleteLater()

    @staticmethod
    def error_of(answer: Answer) -> DermaError:
        """The error that an answer tells."""
        told = answer["error"]
        return DermaError(told["code"], **told["values"])

    def _on_process_finished(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        text = cast(bytes, process.readAllStandardOutput().data()).decode("utf-8", "replace")
        process.deleteLater()
        try:
            answer = json.loads(text)
        except ValueError:
            answer = _DIED
        if self._then is not None:
            self._then(answer if isinstance(answer, dict) else _DIED)

    def _on_process_error(self, error: QProcess.ProcessError) -> None:
        if error is QProcess.ProcessError.FailedToStart:
            self._on_process_finished()


_DIED: Answer = {"error": {"code": "child.died", "values": {}}}
