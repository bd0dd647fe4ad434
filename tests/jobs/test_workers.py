"""Worker processes do not outlive a parent that was killed, and work as any pool does while it lives."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid

from dermagui.jobs.workers import processes_with, worker_pool

_VARIABLE = "DERMAGUI_TEST_WORKERS"
_PARENT = """
import os, sys
from dermagui.jobs.workers import worker_pool
if __name__ == "__main__":
    with worker_pool(2) as pool:
        print(*{pool.submit(os.getpid).result() for _ in range(8)}, flush=True)
        sys.stdin.read()
"""


def test_a_pool_does_what_it_is_given() -> None:
    with worker_pool(2) as pool:
        assert list(pool.map(abs, [-1, 2, -3])) == [1, 2, 3]


def test_workers_end_with_a_parent_that_was_killed() -> None:
    mark = uuid.uuid4().hex
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, _VARIABLE: mark},
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    workers = {int(text) for text in parent.stdout.readline().split()}
    assert workers
    assert workers | {parent.pid} <= set(processes_with(_VARIABLE, mark))
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 120
    while (left := processes_with(_VARIABLE, mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    parent.stdin.close()
    parent.stdout.close()
    assert left == []
