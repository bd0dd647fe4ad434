"""Jobs in the window: started as children, followed, stopped, resumed, found again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QAbstractItemModelTester, QTest
from PySide6.QtWidgets import QApplication, QMessageBox, QPlainTextEdit, QTableView

from dermagui.datasets.export import export_parameters
from dermagui.demo.faults import Script
from dermagui.demo.server import RehearsalServer
from dermagui.jobs.launch import stop_job
from dermagui.jobs.report import STOP_NAME
from dermagui.jobs.work import job_folder
from dermagui.project import Project, copy_project, create_project
from dermagui.records import ExportFormat, JobState
from dermagui.storage import jobs
from dermagui.storage.database import Store
from dermagui.ui.jobs import Followed
from dermagui.ui.shell.jobs_page import JobsPage
from dermagui.ui.shell.words import job_words
from dermagui.ui.window import Window

Wait = Callable[[Callable[[], object]], None]


@pytest.fixture
def project(demo: Path, tmp_path: Path) -> Path:
    """A project of one's own, with pictures."""
    copy_project(demo, tmp_path / "study")
    return tmp_path / "study"


@pytest.fixture
def opened(window: Window, project: Path, wait_until: Wait) -> Iterator[Window]:
    """The window with that project, its jobs in view; what still runs afterwards is ended."""
    window.desk.open_project(project)
    window.show_jobs()
    wait_until(lambda: window.desk.project and window.desk.is_idle)
    yield window
    with Project(project) as left:
        for row in jobs.list_jobs(left.store, state=JobState.RUNNING):
            stop_job(project, row, grace_seconds=0)


@pytest.fixture
def slow_server() -> Iterator[RehearsalServer]:
    """A service that takes its time, so that a job still runs when somebody looks."""
    with RehearsalServer(Script(latency_seconds=(0.4, 0.5))) as server:
        yield server


def _parameters(window: Window, server: RehearsalServer) -> dict[str, Any]:
    """Those of the demo's generation, with more questions, at that server."""
    model = window.pages["jobs"]._model  # type: ignore[attr-defined]
    found = next(row["parameters"] for row in model.rows if row["kind"] == "generate")
    plan = found["plan"] | {"base_url": server.base_url, "questions": 12, "concurrency": 1}
    return found | {"plan": plan}


def _page(window: Window) -> JobsPage:
    page = window.pages["jobs"]
    assert isinstance(page, JobsPage)
    return page


def _cells(window: Window, row: int = 0) -> list[str]:
    model = window.page.findChild(QTableView).model()
    return [model.data(model.index(row, column)) for column in range(model.columnCount())]


def _start(window: Window, parameters: dict[str, Any], wait_until: Wait) -> str:
    started: list[str] = []
    window.jobs.start("generate", parameters, started=started.append)
    wait_until(lambda: started and started[0] in window.jobs.running)
    return started[0]


def test_what_was_done_is_found_again(opened: Window, wait_until: Wait) -> None:
    wait_until(lambda: _page(opened)._model.rowCount() == 2)
    assert _cells(opened)[:2] == ["Generating", "Done"]
    for name in ("resume", "retry", "stop", "pause"):
        assert not _page(opened).action(f"jobs.{name}").isEnabled(), name


def test_without_jobs_the_page_leads_to_the_first_one(
    window: Window, tmp_path: Path, wait_until: Wait
) -> None:
    create_project(tmp_path / "new")
    window.desk.open_project(tmp_path / "new")
    wait_until(lambda: window.desk.project)
    window.show_jobs()
    page = _page(window)
    wait_until(page._empty.isVisible)
    assert not page._table.isVisible()
    QTest.mouseClick(page._empty.button, Qt.MouseButton.LeftButton)
    assert window.page.name == "library"


@pytest.mark.parametrize(
    ("kind", "state", "figures", "resumes", "retries"),
    [
        ("generate", "done", {"left": 0, "counts": {"answered": 3}}, False, False),
        ("generate", "done", {"left": 4, "counts": {"answered": 3}}, True, False),
        ("generate", "done", {"left": 0, "counts": {"answered": 3, "blocked": 1}}, False, True),
        ("generate", "failed", None, True, True),
        ("generate", "running", None, False, False),
        ("export", "done", {"pairs": 3}, False, False),
        ("export", "died", None, True, False),
        ("add", "stopped", {"files": 3}, True, False),
    ],
)
def test_what_is_left_can_be_resumed_and_what_failed_retried(
    opened: Window,
    wait_until: Wait,
    kind: str,
    state: str,
    figures: dict[str, Any] | None,
    resumes: bool,
    retries: bool,
) -> None:
    page = _page(opened)
    wait_until(lambda: page._model.rowCount() == 2 and opened.desk.is_idle)
    row = page._model.rows[0] | {"kind": kind, "state": state, "figures": figures, "error": None}
    page._model.show_rows([row], {})
    page._table.selectRow(0)
    page._show_selected()
    assert page.action("jobs.resume").isEnabled() is resumes
    assert page.action("jobs.retry").isEnabled() is retries
    wait_until(lambda: opened.desk.is_idle)


@pytest.mark.parametrize(
    ("error", "parameters"),
    [
        ({"code": "train.stopped", "values": {"name": "first", "step": 4}}, {"resume": "first"}),
        ({"code": "job.died", "values": {}}, None),
    ],
)
def test_a_training_goes_on_and_is_not_begun_anew(
    opened: Window,
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
    error: dict[str, Any],
    parameters: dict[str, Any] | None,
) -> None:
    page = _page(opened)
    wait_until(lambda: page._model.rowCount() == 2 and opened.desk.is_idle)
    started: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(opened.jobs, "start", lambda kind, asked, **_: started.append((kind, asked)))
    row = {"kind": "train", "state": "stopped", "figures": {}, "error": error, "parameters": {"name": ""}}
    page._model.show_rows([page._model.rows[0] | row], {})
    page._table.selectRow(0)
    page.resume()
    wait_until(lambda: opened.desk.is_idle)
    assert started == ([("train", parameters)] if parameters else [])
    assert opened.page.name == ("jobs" if parameters else "train")


def test_a_job_is_followed_paused_and_resumed(
    opened: Window, wait_until: Wait, slow_server: RehearsalServer
) -> None:
    wait_until(lambda: _page(opened)._model.rowCount() == 2)
    tester = QAbstractItemModelTester(
        _page(opened)._model, QAbstractItemModelTester.FailureReportingMode.Fatal
    )
    first = _start(opened, _parameters(opened, slow_server), wait_until)
    wait_until(lambda: opened.jobs.running[first].progress.get("done", 0) > 0)
    strip = opened._job_strip
    assert "Generating" in strip.job.accessibleName()
    assert "requests" in strip.job.accessibleName()
    assert strip.stop.isVisible()
    wait_until(lambda: _cells(opened)[1] == "Running")
    QTest.mouseClick(strip.stop, Qt.MouseButton.LeftButton)
    assert strip.stop.accessibleName() == "Stop at once"
    wait_until(lambda: not opened.jobs.running and opened.desk.is_idle)
    wait_until(lambda: _cells(opened)[1] == "Paused")
    assert strip.job.accessibleName() == "No job is running"
    log = opened.page.findChild(QPlainTextEdit)
    opened.page.findChild(QTableView).selectRow(0)
    wait_until(lambda: "Paused" in log.toPlainText())
    assert "Questions asked: " in log.toPlainText()
    QTest.keyClick(opened.windowHandle(), Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    wait_until(lambda: opened.jobs.running and first not in opened.jobs.running)
    again = next(iter(opened.jobs.running.values())).row
    assert again["parameters"] == _parameters_of(opened, first)
    tester.deleteLater()


def test_a_job_is_stopped_at_once_with_what_it_started(
    opened: Window, wait_until: Wait, slow_server: RehearsalServer
) -> None:
    wait_until(lambda: _page(opened)._model.rowCount() == 2)
    job_id = _start(opened, _parameters(opened, slow_server), wait_until)
    wait_until(lambda: opened.jobs.running[job_id].progress.get("done", 0) > 0)
    wait_until(lambda: _cells(opened)[1] == "Running")
    with Store(opened.desk.folder, read_only=True) as store:
        row = jobs.find_job(store, job_id)
    process = psutil.Process(row["pid"])
    assert process.pid != os.getpid()
    opened.page.findChild(QTableView).selectRow(0)
    wait_until(opened.page.action("jobs.stop").isEnabled)
    QTest.keyClick(
        opened.windowHandle(),
        Qt.Key.Key_Period,
        Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
    )
    wait_until(lambda: not opened.jobs.running and opened.desk.is_idle)
    # It may hear of the wish to stop before it is ended.
    wait_until(lambda: _cells(opened)[1] in ("Ended too early", "Paused"))
    wait_until(lambda: _is_gone(process))
    assert opened.page.action("jobs.resume").isEnabled()


def test_the_end_of_a_job_is_told_however_fast_it_was(
    opened: Window, tmp_path: Path, wait_until: Wait
) -> None:
    """One that ended before anybody looked, and one whose story broke off before its end."""
    told: list[tuple[str, dict[str, Any]]] = []
    opened.jobs.told.connect(lambda job_id, event: told.append((job_id, event)))
    ids: list[str] = []
    parameters = export_parameters(tmp_path / "out", ExportFormat.MESSAGES)
    for _ in range(3):
        opened.jobs.start("export", parameters, started=ids.append)
        wait_until(lambda: ids and any(event["event"] == "end" for job, event in told if job == ids[-1]))
        wait_until(lambda: not opened.jobs.running)
    ends = [job for job, event in told if event["event"] == "end"]
    assert ends == ids, "each end is told once"


def test_a_job_that_was_over_before_the_look_is_told(
    opened: Window, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the process is done while the window is busy."""
    told: list[dict[str, Any]] = []
    opened.jobs.told.connect(lambda _, event: told.append(event))

    class Done:
        """A process that ended already."""

        returncode = 0

        def poll(self) -> int:
            return 0

    def start_child(project: Path, job_id: str, secret: str | None = None) -> Done:
        with Store(project) as store:
            jobs.finish_job(
                store, job_id, JobState.FAILED, error={"code": "export.nothing", "values": {"refused": 0}}
            )
        return Done()

    monkeypatch.setattr("dermagui.jobs.launch.start_child", start_child)
    opened.jobs.start("export", {}, started=lambda _: None)
    wait_until(lambda: told)
    assert told[-1]["event"] == "end"
    assert told[-1]["error"]["code"] == "export.nothing"
    wait_until(lambda: not opened.jobs.running)


def _is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _parameters_of(window: Window, job_id: str) -> dict[str, Any]:
    return next(row["parameters"] for row in _page(window)._model.rows if row["id"] == job_id)


def test_a_job_that_runs_is_found_by_the_next_window(
    opened: Window, project: Path, wait_until: Wait, slow_server: RehearsalServer
) -> None:
    wait_until(lambda: _page(opened)._model.rowCount() == 2)
    job_id = _start(opened, _parameters(opened, slow_server), wait_until)
    opened.close_project()
    assert not opened.jobs.running
    opened.desk.open_project(project)
    wait_until(lambda: job_id in opened.jobs.running)
    wait_until(lambda: opened.jobs.running[job_id].progress)


def _press(text: str) -> None:
    """Presses that button of the box that will be open in a moment."""

    def press() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        button = next(button for button in box.buttons() if button.text() == text)
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    QTimer.singleShot(50, press)


@pytest.mark.parametrize(
    ("answer", "closed", "stopped"),
    [("Cancel", False, False), ("Keep running", True, False), ("Stop it", True, True)],
)
def test_closing_asks_what_becomes_of_the_job(
    opened: Window,
    project: Path,
    wait_until: Wait,
    slow_server: RehearsalServer,
    answer: str,
    closed: bool,
    stopped: bool,
) -> None:
    wait_until(lambda: _page(opened)._model.rowCount() == 2)
    job_id = _start(opened, _parameters(opened, slow_server), wait_until)
    _press(answer)
    assert opened.close() is closed
    assert opened.isVisible() is not closed
    assert (job_folder(project, job_id) / STOP_NAME).exists() is stopped


def test_a_generation_that_sends_asks_for_the_key_when_it_is_resumed(
    opened: Window, wait_until: Wait, slow_server: RehearsalServer
) -> None:
    wait_until(lambda: _page(opened)._model.rowCount() == 2)
    parameters = _parameters(opened, slow_server)
    _page(opened)._start("generate", parameters | {"plan": parameters["plan"] | {"provider": "gemini"}})
    wait_until(_page(opened)._bar.isVisible)
    assert "no Gemini key" in _page(opened)._bar.text
    assert not opened.jobs.running
    _page(opened)._bar._button.click()
    assert opened.page.name == "settings"


def _told(seconds: float, done: int, total: int | None) -> dict[str, Any]:
    at = f"2026-01-01T00:00:{seconds:06.3f}Z"
    return {"event": "progress", "at": at, "done": done, "total": total, "unit": "requests"}


def test_time_left_is_reckoned_from_what_was_done_in_this_run() -> None:
    plan = {"provider": "gemini", "budget_micro_usd": 2_000_000}
    followed = Followed({"id": "1", "kind": "generate", "parameters": {"plan": plan}})
    assert followed.seconds_left() is None
    followed.hear(_told(0, 100, 300))
    assert followed.seconds_left() is None, "what was done before this run tells nothing of its speed"
    followed.hear(_told(10, 110, 300))
    assert followed.per_second() == pytest.approx(1)
    assert followed.seconds_left() == pytest.approx(190)
    followed.hear({"event": "heartbeat", "spent_micro_usd": 410_000})
    assert " · ".join(job_words(followed)) == (
        "Generating · 110 of 300 requests · 3 min left · $0.4100 of $2.00"
    )


def test_a_change_of_unit_begins_anew() -> None:
    followed = Followed({"id": "1", "kind": "add", "parameters": {}})
    followed.hear(_told(0, 0, None))
    followed.hear(_told(5, 50, None))
    assert followed.per_second() == pytest.approx(10)
    assert followed.seconds_left() is None
    followed.hear(_told(6, 0, 100) | {"unit": "files"})
    assert followed.per_second() is None


def test_rehearsed_money_is_not_shown() -> None:
    followed = Followed({"id": "1", "kind": "generate", "parameters": {"plan": {"provider": "practice"}}})
    followed.hear({"event": "heartbeat", "spent_micro_usd": 410_000})
    assert followed.money() == (None, None)
