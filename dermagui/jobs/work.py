"""Does a job: calls its function, and writes how it ended into the database and into its story."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import psutil

from dermagui.errors import DermaError, Stopped, from_os_error
from dermagui.jobs.report import Report
from dermagui.records import Changes, JobState
from dermagui.storage import jobs
from dermagui.storage.database import Store
from dermagui.storage.moments import new_uid

Parameters = dict[str, Any]
Run = Callable[[Store, Parameters, Report], Changes]

_log = logging.getLogger(__name__)


def job_folder(project: Path, job_id: str) -> Path:
    """Where a job keeps ``job.json``, ``events.jsonl``, ``output.log`` and ``STOP``."""
    return project / "jobs" / job_id


def claim(store: Store, kind: str, parameters: Parameters) -> str:
    """Puts a job on the list in the name of this process and makes its folder; returns its id.

    Raises ``UserError`` ``job.already_running``: at most one job of a kind runs in a project.
    """
    bury_dead(store)
    job_id = new_uid()
    folder = job_folder(store.folder, job_id)
    jobs.add_job(store, job_id, kind, parameters, *this_process())
    try:
        folder.mkdir(parents=True)
        description = {"id": job_id, "kind": kind, "parameters": parameters}
        (folder / "job.json").write_text(
            json.dumps(description, ensure_ascii=False, indent=1), encoding="utf-8"
        )
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        jobs.finish_job(store, job_id, JobState.FAILED, error={"code": "disk.failed", "values": {}})
        raise from_os_error(error, folder) from error
    return job_id


def take_over(store: Store, job_id: str) -> None:
    """Says that this process does the job now. Raises ``UserError`` ``job.died`` where it is over already:
    whoever started it had gone, and somebody took the job for dead.
    """
    jobs.set_process(store, job_id, *this_process())


def this_process() -> tuple[int, float]:
    """Number and start of this process, by which ``is_alive`` knows it again."""
    return os.getpid(), psutil.Process().create_time()


def do_job(
    store: Store, job_id: str, kind: str, parameters: Parameters, run: Run, secret: str | None = None
) -> None:
    """Runs a claimed job to its end; never raises what the job raised, but writes it down.

    A termination signal asks the job to stop. What is our own bug ends as ``crashed``, with the
    trace in ``output.log``.
    """
    report = Report(job_folder(store.folder, job_id), secret)
    before = signal.signal(signal.SIGTERM, lambda *_: report.ask_to_stop())
    try:
        changes = run(store, parameters, report)
        _end(store, report, job_id, JobState.DONE, changes.figures)
    except Stopped as stop:
        figures = cast(dict[str, object], stop.values.pop("figures", {}))
        not_before = cast(str | None, stop.values.get("not_before"))
        state = JobState.WAITING if not_before or stop.code == "job.waiting_for_key" else JobState.STOPPED
        _end(store, report, job_id, state, figures, stop, not_before)
    except DermaError as error:
        _end(store, report, job_id, JobState.FAILED, {}, error)
    except OSError as error:
        _end(store, report, job_id, JobState.FAILED, {}, from_os_error(error, store.folder))
    except Exception:
        _log.exception("the %s job crashed", kind)
        _end(store, report, job_id, JobState.CRASHED, {}, DermaError("job.crashed", kind=kind, job=job_id))
    finally:
        signal.signal(signal.SIGTERM, before)
        report.close()


def _end(
    store: Store,
    report: Report,
    job_id: str,
    state: JobState,
    figures: dict[str, object],
    error: DermaError | None = None,
    not_before: str | None = None,
) -> None:
    told: dict[str, object] | None = {"code": error.code, "values": error.values} if error else None
    try:
        jobs.finish_job(store, job_id, state, figures=figures, error=told, not_before=not_before)
    except DermaError as failure:
        # The disk is full: the list will say that the process is gone, the story says why.
        told = told or {"code": failure.code, "values": failure.values}
    report.tell("end", state=state, figures=figures, error=told, not_before=not_before)


def is_alive(pid: int | None, process_started: float | None) -> bool:
    """Whether the very process that took a job still runs: its number and its start must agree."""
    if not pid or not process_started:
        return False
    try:
        process = psutil.Process(pid)
        return bool(
            abs(process.create_time() - process_started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.Error:
        return False


def bury_dead(store: Store) -> None:
    """Jobs that say running but whose process is gone become ``died``."""
    with store.writing():  # so that no process takes a job over between the look and the burial
        for row in jobs.list_jobs(store, state=JobState.RUNNING):
            if not is_alive(row["pid"], row["process_started"]):
                jobs.finish_job(store, row["id"], JobState.DIED, error={"code": "job.died", "values": {}})
