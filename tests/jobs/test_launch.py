"""Jobs as real processes: started, followed, stopped, killed, orphaned; and where their secret is not."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from dermagui.jobs.launch import program, start_child, stop_job
from dermagui.jobs.report import STOP_NAME, read_events
from dermagui.jobs.work import claim, is_alive, job_folder
from dermagui.library.scan import parameters_for
from dermagui.storage import jobs
from dermagui.storage.database import Store
from dermagui.texts import sentence
from tests.fakes.command_line import (
    CANARY_KEY,
    Row,
    draw_pictures,
    finish,
    gemini,
    new_project,
    run,
    start,
    states,
    wait_until,
)
from tests.fakes.projects import new_store
from tests.fakes.referee import Referee, Reply

FAKES = Path(__file__).parents[1] / "fakes"


@pytest.fixture(autouse=True)
def app_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children load what a user's would, and nothing that only tests have."""
    monkeypatch.setenv("PYTHONPATH", str(FAKES / "app_only"), prepend=os.pathsep)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three pictures."""
    return draw_pictures(tmp_path_factory.mktemp("pictures"), range(3))


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """A project that holds the pictures, for copying."""
    return new_project(tmp_path_factory.mktemp("added") / "project", pictures)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    with new_store(tmp_path / "project") as store:
        return store.folder


@pytest.fixture
def referee() -> Iterator[Referee]:
    """A service that takes requests and does not answer yet.

    Once released, an answer still takes longer than a job lets pass between two looks for its STOP file.
    """
    with Referee(lambda post: Reply.good(post, delay_seconds=0.2)) as referee:
        referee.hold()
        yield referee


def newest_job(project: Path) -> Row:
    """The newest job as the list has it."""
    with Store(project, read_only=True) as store:
        return jobs.list_jobs(store)[0]


@dataclass
class InFlight:
    """A generation of three requests, two of which the service has and does not answer."""

    command: subprocess.Popen[str]
    project: Path
    process: psutil.Process
    job: Row

    @property
    def stop_file(self) -> Path:
        return job_folder(self.project, self.job["id"]) / STOP_NAME


@pytest.fixture
def in_flight(tmp_path: Path, added: Path, referee: Referee) -> Iterator[InFlight]:
    project = shutil.copytree(added, tmp_path / "sent")
    with start(*gemini(project, referee, "--concurrency", "2", "--questions", "1")) as command:
        wait_until(lambda: referee.in_flight == 2, "two requests in flight")
        job = newest_job(project)
        process = psutil.Process(job["pid"])
        yield InFlight(command, project, process, job)
        with suppress(psutil.NoSuchProcess):
            process.kill()  # where the test failed, and did not end it itself


def test_a_job_is_a_process_with_a_story(project: Path, pictures: Path) -> None:
    found = run("add", project, pictures, "--json").json
    job = newest_job(project)
    folder = job_folder(project, job["id"])
    events, _ = read_events(folder)
    assert found["new"] == 3
    assert (job["kind"], job["state"], job["figures"]) == ("add", "done", found)
    assert job["pid"] != os.getpid()
    assert [event["event"] for event in events].index("end") == len(events) - 1
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    learned = [event for event in events if event["event"] == "progress" and event["unit"] == "files"]
    assert (learned[-1]["done"], learned[-1]["total"]) == (3, 3)
    assert events[-1]["figures"] == found
    assert sorted(path.name for path in folder.iterdir()) == ["events.jsonl", "job.json", "output.log"]
    assert (folder / "output.log").read_text(encoding="utf-8") == ""


def test_a_job_that_fails_tells_why_and_what_to_do(project: Path, tmp_path: Path) -> None:
    done = run("add", project, tmp_path / "nowhere", code=3)
    assert sentence("folder.not_found", {"path": str(tmp_path / "nowhere")}) in done.err
    assert (done.out, newest_job(project)["state"]) == ("", "failed")


def test_the_secret_is_in_no_file_no_argument_and_no_environment(
    in_flight: InFlight, referee: Referee, dermagui_home: Path
) -> None:
    processes = [in_flight.process, *in_flight.process.children(recursive=True)]
    assert len(processes) > 1
    for process in processes:
        assert CANARY_KEY not in " ".join(process.cmdline())
        assert CANARY_KEY not in " ".join(process.environ().values())
    referee.release()
    assert finish(in_flight.command).code == 0
    assert {post.headers["x-goog-api-key"] for post in referee.posts} == {CANARY_KEY}, "it did come through"
    places = (in_flight.project, dermagui_home)
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path for path in files if CANARY_KEY.encode() in path.read_bytes()] == []


def test_the_second_job_of_a_kind_is_refused_while_the_first_runs(
    in_flight: InFlight, referee: Referee, pictures: Path
) -> None:
    second = run(*gemini(in_flight.project, referee), code=3)
    assert sentence("job.already_running", {"kind": "generate"}) in second.err
    run("add", in_flight.project, pictures)
    assert in_flight.process.is_running()
    referee.release()
    assert finish(in_flight.command).code == 0
    assert len(referee.posts) == 3


def ask_with_the_file(in_flight: InFlight) -> None:
    in_flight.stop_file.touch()


def ask_with_a_signal(in_flight: InFlight) -> None:
    """As the system does when it shuts down."""
    in_flight.process.send_signal(signal.SIGTERM)
    status = Path(f"/proc/{in_flight.process.pid}/status")
    wait_until(lambda: re.search(r"ShdPnd:\t0+\n", status.read_text()), "that the signal came")


def ask_at_the_keyboard(in_flight: InFlight) -> None:
    in_flight.command.send_signal(signal.SIGINT)
    wait_until(in_flight.stop_file.exists, "the STOP file")


@pytest.mark.parametrize("ask", [ask_with_the_file, ask_with_a_signal, ask_at_the_keyboard])
def test_stopping_waits_for_what_is_in_flight_and_keeps_it(
    in_flight: InFlight, referee: Referee, ask: Callable[[InFlight], None]
) -> None:
    ask(in_flight)
    referee.release()
    assert finish(in_flight.command).code == 4
    assert newest_job(in_flight.project)["state"] == "stopped"
    assert states(in_flight.project) == {"answered": 2}
    assert len(referee.posts) == 2


def test_a_killed_job_died_and_another_one_finishes_its_work(in_flight: InFlight, referee: Referee) -> None:
    in_flight.process.kill()
    told = finish(in_flight.command)
    assert (told.code, sentence("job.died", {}) in told.err) == (4, True)
    (row, *_) = run("status", in_flight.project, "--json").json["jobs"]
    assert (row["id"], row["state"]) == (in_flight.job["id"], "died")
    referee.release()
    run(*gemini(in_flight.project, referee, "--questions", "1", "--resend-unknown"))
    with Store(in_flight.project) as store:
        ended = {row["id"]: row["state"] for row in jobs.list_jobs(store) if row["kind"] == "generate"}
    assert ended.pop(in_flight.job["id"]) == "died"
    assert list(ended.values()) == ["done"]


def test_a_job_that_does_not_stop_is_ended_with_all_that_it_started(in_flight: InFlight) -> None:
    process = in_flight.process
    family = {member.pid: member.create_time() for member in [process, *process.children(recursive=True)]}
    stop_job(in_flight.project, in_flight.job, grace_seconds=0.5)
    finish(in_flight.command)
    assert [pid for pid, started in family.items() if is_alive(pid, started)] == []


def test_stopping_a_job_that_is_over_does_nothing(project: Path, pictures: Path) -> None:
    run("add", project, pictures)
    job = newest_job(project)
    stop_job(project, job)
    assert not (job_folder(project, job["id"]) / STOP_NAME).exists()


CLAIM_AND_STOP = """
import sys
from pathlib import Path
from dermagui.jobs.launch import stop_job
from dermagui.jobs.work import claim
from dermagui.storage import jobs
from dermagui.storage.database import Store
with Store(Path(sys.argv[1])) as store:
    claim(store, "add", {})
    stop_job(store.folder, jobs.list_jobs(store)[0], grace_seconds=0)
    print("alive")
"""


def test_stopping_never_ends_the_process_that_asks_for_it(project: Path) -> None:
    """Until its own process has taken a job over, it stands on the list under its starter."""
    command = [sys.executable, "-c", CLAIM_AND_STOP, str(project)]
    assert subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout == "alive\n"
    assert (job_folder(project, newest_job(project)["id"]) / STOP_NAME).exists()


CLAIM = """
import json, os, sys
from pathlib import Path
from dermagui.jobs.launch import start_child
from dermagui.jobs.work import claim
from dermagui.project import Project
folder, then, parameters = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
with Project(folder) as project:
    job = claim(project.store, "add", parameters)
if then == "start":
    start_child(folder, job)
print(job, flush=True)
os._exit(9)
"""


def launcher_that_dies(project: Path, then: str, parameters: dict[str, Any]) -> str:
    """Somebody who claims a job, perhaps starts it, and is killed; returns the job's id."""
    command = [sys.executable, "-c", CLAIM, str(project), then, json.dumps(parameters)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 9
    return done.stdout.strip()


def test_a_launcher_that_dies_right_after_its_claim_blocks_nobody(project: Path, pictures: Path) -> None:
    job = launcher_that_dies(project, "die", parameters_for(pictures))
    assert run("status", project, "--json").json["jobs"][0]["state"] == "died"
    assert run("add", project, pictures, "--json").json["new"] == 3
    late = start("job", project, job)
    assert sentence("job.died", {}) in finish(late).err
    assert late.returncode == 3
    with Store(project) as store:
        ended = {row["id"]: row["state"] for row in jobs.list_jobs(store)}
    assert ended[job] == "died", "its own process came too late, and left the work alone"


def test_a_job_lives_on_when_its_launcher_has_died(project: Path, pictures: Path) -> None:
    job = launcher_that_dies(project, "start", parameters_for(pictures))
    wait_until(lambda: newest_job(project)["state"] in ("done", "failed", "crashed"), "the job's own end")
    assert (newest_job(project)["id"], newest_job(project)["state"]) == (job, "done")


def test_a_child_that_dies_before_it_reads_its_secret_is_no_error(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dermagui.jobs.launch.program", lambda: [sys.executable, "-c", ""])
    with Store(project) as store:
        job = claim(store, "add", {})
    child = start_child(project, job, "secret" * 100_000)
    assert child.wait() == 0


def test_a_frozen_program_starts_its_console_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", "/opt/dermagui/dermagui")
    name = "dermagui-console.exe" if os.name == "nt" else "dermagui-console"
    assert program() == [str(Path("/opt/dermagui") / name)]
