"""Kills, full disks, lost networks, interrupts: nothing paid is lost, nothing is paid twice in silence."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from dermagui.jobs.workers import processes_with
from tests.fakes import command_line as cl
from tests.fakes.disks import full, small_disk
from tests.fakes.referee import Post, Referee, Reply

CONCURRENCY = 64
KILLS = 20


def check_each_asked_once(project: Path, referee: Referee, questions: int) -> None:
    """So many questions were asked and answered, and each of them once; every POST has its row."""
    asked = cl.asked_by_posts(referee.read_posts)
    assert (len(asked), set(asked.values())) == (questions, {1})
    assert not asked - cl.asked_by_rows(cl.requests(project))
    assert cl.states(project)["answered"] == questions


class Books:
    """What is known of a project before a kill, to hold what it says afterwards against."""

    def __init__(self, project: Path, referee: Referee) -> None:
        self.project, self.referee = project, referee
        self.answers: dict[str, str] = {}
        self.unknown: set[str] = set()
        self.allowed: Counter[str] = Counter()

    def allow_resend(self) -> None:
        """A person says that what is unknown may be sent, and perhaps paid, again."""
        self.allowed.update(
            row["fingerprint"] for row in cl.requests(self.project) if row["uid"] in self.unknown
        )

    def check(self) -> None:
        """Every promise about a kill."""
        rows = cl.requests(self.project)
        posts, written = cl.asked_by_posts(self.referee.read_posts), cl.asked_by_rows(rows)
        open_rows = [row for row in rows if row["state"] in ("sending", "unknown")]
        assert not posts - written, "a POST without a row"
        assert not (written - posts) - cl.asked_by_rows(open_rows), "a row without a POST that is not unknown"
        unknown = {row["uid"] for row in open_rows}
        assert self.unknown <= unknown
        assert len(unknown - self.unknown) <= CONCURRENCY
        answers = {row["uid"]: row["response"] for row in rows if row["state"] == "answered"}
        assert self.answers.items() <= answers.items(), "an answer is gone"
        self.unknown, self.answers = unknown, answers
        self.check_resent(rows)

    def check_resent(self, rows: list[cl.Row]) -> None:
        """What may have been paid was sent again only as often as a person said so."""
        resent: Counter[str] = Counter()
        last: dict[str, str] = {}
        for row in rows:
            before = last.get(row["fingerprint"], "retryable")
            assert before in ("retryable", "sending", "unknown"), f"sent again after it was {before}"
            resent[row["fingerprint"]] += before != "retryable"
            last[row["fingerprint"]] = row["state"]
        assert not resent - self.allowed, "sent again in silence"

    @property
    def closed(self) -> int:
        """How many questions are answered or unknown, so that nothing sends them by itself."""
        last = {row["fingerprint"]: row["state"] for row in cl.requests(self.project)}
        return sum(state in ("answered", "sending", "unknown") for state in last.values())


def hiccup(post: Post) -> Reply:
    """A 503 at the first asking of every ninth picture, and answers of different speed."""
    if post.picture % 9 == 0 and post.nth == 1:
        return Reply.error(503)
    return Reply.good(post, delay_seconds=post.number % 5 / 50)


@pytest.mark.slow
def test_twenty_kills(tmp_path: Path) -> None:
    """The job is killed at random moments, at the largest concurrency, and run again."""
    seed = int(os.environ.get("DERMAGUI_TEST_SEED") or random.randrange(2**32))
    print(f"DERMAGUI_TEST_SEED={seed}")  # noqa: T201 - shown where the test fails
    chance = random.Random(seed)
    pictures, questions = 100, 5
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(pictures)))
    with Referee(hiccup) as referee:
        arguments = cl.gemini(
            project, referee, "--questions", str(questions), "--concurrency", str(CONCURRENCY)
        )
        books = Books(project, referee)
        for _ in range(KILLS):
            left, options = pictures * questions - books.closed, []
            if left < CONCURRENCY:
                books.allow_resend()
                left, options = pictures * questions - len(books.answers), ["--resend-unknown"]
            run_and_kill(
                project, referee, [*arguments, *options], chance.randrange(min(left, 2 * CONCURRENCY))
            )
            books.check()
        cl.run(*arguments)
        books.check()
        assert books.closed == pictures * questions
        assert {row["state"] for row in cl.requests(project)} <= {"answered", "unknown", "retryable"}
        books.allow_resend()
        cl.run(*arguments, "--resend-unknown")
        books.check_resent(cl.requests(project))
    check_end(project, pictures * questions)
    cl.wait_until(lambda: not processes_of_this_test(), "the end of the workers of a killed job")


def processes_of_this_test() -> list[int]:
    """Processes that were started with the data folder of this test."""
    return processes_with("DERMAGUI_HOME", os.environ["DERMAGUI_HOME"])


def run_and_kill(project: Path, referee: Referee, arguments: list[str], posts: int) -> None:
    """Starts a generation, and kills its job when that many POSTs have come."""
    earlier = cl.read(project, "SELECT max(id) AS id FROM jobs")[0]["id"]
    process = cl.start(*arguments)
    pid = job_process(project, process, earlier)
    last = len(referee.posts) + posts

    def kill(post: Post) -> None:
        if post.number >= last:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    referee.on_post = kill
    if posts == 0:
        os.kill(pid, signal.SIGKILL)
    done = cl.finish(process)
    referee.on_post = lambda post: None
    assert done.code == 4, f"this run was not killed: {done.err}"


def job_process(project: Path, process: subprocess.Popen[str], earlier: str) -> int:
    """The process of the job that a command has started."""
    query = "SELECT pid FROM jobs WHERE id > ? AND pid <> ?"
    cl.wait_until(
        lambda: cl.read(project, query, earlier, process.pid) or process.poll() is not None, "a job"
    )
    pid = int(cl.read(project, query, earlier, process.pid)[0]["pid"])
    assert psutil.Process(pid).ppid() == process.pid
    return pid


def check_end(project: Path, questions: int) -> None:
    """Everything is answered, and each answer became one pair."""
    rows = cl.requests(project)
    answered = {row["uid"]: row["fingerprint"] for row in rows if row["state"] == "answered"}
    assert len(answered) == len(set(answered.values())) == questions
    pairs = cl.read(project, "SELECT request_uid FROM pairs")
    assert sorted(pair["request_uid"] for pair in pairs) == sorted(answered)


@pytest.mark.slow
def test_an_interrupt_saves_what_is_in_flight(tmp_path: Path) -> None:
    """Ctrl+C ends the run when that has come; a second one leaves it to itself."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(20)))
    with Referee() as referee:
        arguments = cl.gemini(project, referee, "--questions", "1", "--concurrency", "6")
        process = cl.start_until(referee, arguments, 6)
        process.send_signal(signal.SIGINT)
        cl.wait_until(lambda: list(project.glob("jobs/*/STOP")), "the wish to stop")
        referee.release()
        assert cl.finish(process).code == 4
        assert (len(referee.posts), cl.states(project)) == (6, {"answered": 6})
        assert cl.latest_job(project)["state"] == "stopped"

        process = cl.start_until(referee, arguments, 6)
        process.send_signal(signal.SIGINT)
        cl.wait_until(lambda: len(list(project.glob("jobs/*/STOP"))) == 2, "the wish to stop")
        process.send_signal(signal.SIGINT)
        assert cl.finish(process).code == 4
        assert cl.latest_job(project)["state"] == "running"
        referee.release()
        cl.wait_until(lambda: cl.latest_job(project)["state"] == "stopped", "the end in the background")
        assert cl.states(project) == {"answered": 12}

        cl.run(*arguments)
    check_each_asked_once(project, referee, 20)


@pytest.mark.slow
def test_a_job_outlives_the_command_that_started_it(tmp_path: Path) -> None:
    """Whoever looks later finds it running, and then done."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(4)))
    with Referee() as referee:
        process = cl.start_until(referee, cl.gemini(project, referee, "--questions", "1"), 4)
        process.kill()
        process.communicate()
        assert cl.latest_job(project)["state"] == "running"
        referee.release()
        cl.wait_until(lambda: cl.latest_job(project)["state"] == "done", "the end in the background")
    check_each_asked_once(project, referee, 4)


@pytest.mark.slow
def test_the_network_goes_and_comes_back(tmp_path: Path) -> None:
    """What was under way is unknown; what could not be sent is sent once it is back, in the same run."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(20)))
    with Referee() as referee:
        arguments = cl.gemini(project, referee, "--questions", "1", "--concurrency", "6")
        process = cl.start_until(referee, arguments, 6)
        referee.stop()
        cl.wait_until(lambda: cl.states(project)["retryable"], "a refused connection")
        referee.release()
        referee.start()
        done = cl.finish(process)
        assert done.code == 0, done.err
    rows = cl.requests(project)
    assert Counter(row["state"] for row in rows if row["state"] != "retryable") == {
        "unknown": 6,
        "answered": 14,
    }
    unsent = cl.asked_by_rows(rows) - cl.asked_by_posts(referee.read_posts)
    assert unsent == cl.asked_by_rows([row for row in rows if row["state"] == "retryable"])
    assert not cl.asked_by_posts(referee.read_posts) - cl.asked_by_rows(rows)
    assert len(referee.posts) == 20


@pytest.mark.slow
def test_a_service_that_cannot_be_reached_ends_the_run_and_costs_nothing(tmp_path: Path) -> None:
    """After a few tries the run ends resumable; it does not try each of its requests in vain."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(40)))
    with Referee() as referee:
        arguments = cl.gemini(project, referee, "--questions", "1", "--concurrency", "4")
        referee.stop()
        done = cl.run(*arguments, code=4)
        assert "connection" in done.err
        told = cl.run("status", project, "--json").json
        assert set(told["requests"]) == {"retryable"}
        assert told["attempts"] <= 40
        assert told["money"] == {"spent": 0, "reserved": 0, "at_risk": 0, "simulated": 0, "currency": "USD"}
        referee.start()
        cl.run(*arguments)
    check_each_asked_once(project, referee, 40)


@pytest.mark.slow
def test_a_disk_that_fills_up_costs_no_answer(tmp_path: Path) -> None:
    """What was in flight is saved in the room that was kept for it, and a later run goes on."""
    pictures = cl.draw_pictures(tmp_path / "pictures", range(60))
    with small_disk(tmp_path / "disk", 24 * 1024) as disk, Referee(long_winded) as referee:
        project = cl.new_project(disk / "project", pictures)
        arguments = cl.gemini(project, referee, "--questions", "1", "--concurrency", "8")
        for answered in (0, 20):  # with the first answers, and in the middle of a run
            process = cl.start_until(referee, arguments, 8)
            if answered:
                referee.release()
                cl.wait_until(lambda: len(referee.posts) >= 20, "a run that is under way")
                referee.hold()
                cl.wait_until(lambda: referee.in_flight == 8, "requests in flight")
            with full(disk):
                referee.release()
                done = cl.finish(process)
                assert done.code == 3, done.err
                assert "full" in done.err
                check_nothing_lost(project, referee)
        cl.run(*arguments)
        check_each_asked_once(project, referee, 60)


def long_winded(post: Post) -> Reply:
    """An answer that takes room."""
    return Reply.good(
        post, f"Answer {post.number}. " + "A long story about a brown spot. " * 300, delay_seconds=0.1
    )


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_no_answer(tmp_path: Path) -> None:
    """As the system does where memory runs out: the run ends in order, and goes on later."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(30)))
    with Referee() as referee:
        arguments = cl.gemini(project, referee, "--questions", "1", "--concurrency", "4")
        earlier = cl.read(project, "SELECT max(id) AS id FROM jobs")[0]["id"]
        process = cl.start_until(referee, arguments, 4)
        job = psutil.Process(job_process(project, process, earlier))
        workers = [child for child in job.children() if "spawn_main" in " ".join(child.cmdline())]
        assert workers
        workers[0].kill()
        referee.release()
        done = cl.finish(process)
        assert done.code in (0, 3, 4), done.err
        check_nothing_lost(project, referee)
        cl.run(*arguments)
    check_each_asked_once(project, referee, 30)


def check_nothing_lost(project: Path, referee: Referee) -> None:
    """Each answer that left the referee is in the project."""
    delivered = {post.reply["responseId"] for post in referee.read_posts if post.delivered}
    kept = {row["response_id"] for row in cl.requests(project) if row["state"] == "answered"}
    assert kept == delivered
    assert len(cl.requests(project)) == len(referee.posts)
