"""Worker processes for what needs many cores: they end with whoever started them, however that ends."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process

import psutil


def worker_pool(workers: int) -> ProcessPoolExecutor:
    """A pool whose processes do not outlive a parent that was killed.

    Left alone they would wait for work for ever: each of them holds both ends of the pipe that it reads.
    """
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_end_with_parent)


def physical_cores() -> int:
    """The cores that this process may use, hyper-threads not counted: more threads only get in their way."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(psutil.cpu_count(logical=False) or allowed, allowed)


def memory_bytes() -> int:
    """The main memory of this computer."""
    return int(psutil.virtual_memory().total)


def _end_with_parent() -> None:
    threading.Thread(target=_wait_for_end_of_parent, name="end-with-parent", daemon=True).start()


def _wait_for_end_of_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def processes_with(variable: str, value: str) -> list[int]:
    """The numbers of the living processes, without this one, whose environment holds this variable so."""
    found = []
    for process in psutil.process_iter():
        try:
            is_ours = process.environ().get(variable) == value
            if is_ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue  # it ended meanwhile, or belongs to somebody else
    return found
