"""A model on this computer answers a plan: real processes, a model of random weights, a real child."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import Popen
from types import ModuleType

import psutil
import pytest

from dermagui.chat.session import Answer, Session
from dermagui.errors import DataError, DermaError, ServiceError, UserError
from dermagui.generation.local import LocalModel, name_model, recipe_of
from dermagui.generation.plan import Plan
from dermagui.generation.service import Call
from dermagui.library.pixels import pixels
from dermagui.records import Picture, RequestState
from dermagui.storage import requests as stored
from tests.fakes.command_line import (
    Done,
    Row,
    draw_pictures,
    finish,
    latest_job,
    read,
    requests,
    run,
    start,
    states,
    wait_until,
)
from tests.fakes.hostile_models import WRONG_FACTS, cut_short, write_changed_model, write_mllama
from tests.fakes.projects import add_images, add_run, attempt, new_store
from tests.fakes.tiny_models import Pair

PICTURES = 4
SETTLED_SECONDS = 0.5
"""How long a request must have been under way, before a model that was frozen, to be the one that is."""

only_signals = pytest.mark.skipif(sys.platform == "win32", reason="freezes a process by a signal")


@pytest.fixture
def model(engine: ModuleType, llama_pair: Pair) -> Path:
    """A model, with its projector beside it."""
    return llama_pair.model


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose pictures must not leave this computer."""
    folder = tmp_path / "project"
    run("new", folder)
    run("add", folder, draw_pictures(tmp_path / "pictures", range(PICTURES)))
    return folder


def local(project: Path, model: Path | str, *options: str | Path) -> list[str | Path]:
    """The arguments of a generation by a local model."""
    return ["generate", project, "--provider", "local", "--model", str(model), *options]


def generate(project: Path, model: Path | str, *options: str | Path, code: int = 0) -> Done:
    return run(*local(project, model, *options), code=code)


def figures(done: Done) -> tuple[int, int]:
    """How many requests were put, and how many are left."""
    return done.json["sent"], done.json["left"]


# from the first question to the exported pairs


def test_from_a_picture_that_must_not_leave_to_an_export_that_names_the_model(
    project: Path, model: Path, tmp_path: Path
) -> None:
    done = generate(project, model, "--json")
    assert figures(done) == (2 * PICTURES, 0)
    assert done.json["counts"] == {"answered": 2 * PICTURES}
    told = run("status", project, "--json").json
    assert sum(told["pairs"].values()) == told["requests"]["answered"] == told["attempts"] == 2 * PICTURES
    assert set(told["money"].values()) == {0, "USD"}
    assert run("ledger", "--json").json == {"ledger": []}
    _check_rows(project)
    uids = [row["uid"] for row in read(project, "SELECT uid FROM pairs")]
    run("review", project, "accept", *uids, "--as", "A Person")
    export = tmp_path / "export"
    run("export", project, export, "--format", "messages")
    manifest = json.loads((export / "manifest.json").read_text())
    (generator,) = manifest["generators"]
    version = f"llama.gguf@F32;mmproj={_sha256(model.with_name('llama-mmproj.gguf'))};model={_sha256(model)}"
    assert (generator["provider"], generator["model"]) == ("local", version)
    lines = [line for file in export.rglob("*.jsonl") for line in file.read_text().splitlines()]
    assert len(lines) == 2 * PICTURES
    assert all(version in line and '"local"' in line for line in lines)


def _check_rows(project: Path) -> None:
    """What is kept of each request: the picture that the model saw, how it answered, and no host."""
    for row in requests(project):
        response = json.loads(row["response"])
        (seen,) = response["local"]["images"]
        assert (row["pixels"]["sha256"], row["pixels"]["width"]) == (seen["sha256"], seen["width"])
        assert seen["exact"]
        assert row["pixels"]["recipe"].endswith("png-88")
        assert (row["host"], row["sent_bytes"], row["cost_micro_usd"]) == ("", 0, 0)
        assert json.loads(row["usage"])["image"] == seen["tokens"] == 16
        assert response["local"]["sampling"]["temperature"] > 0
    (kept,) = read(project, "SELECT * FROM runs")
    assert (kept["provider"], kept["terms_date"], kept["simulated"]) == ("local", "", 0)
    assert kept["sdk_version"].startswith("llama-cpp-python ")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_was_answered_is_not_asked_again_whatever_the_model_is_called(
    project: Path, model: Path, tmp_path: Path
) -> None:
    assert figures(generate(project, model, "--json")) == (2 * PICTURES, 0)
    again = generate(project, model)
    assert "Nothing is left" in again.err
    moved = shutil.copytree(model.parent, tmp_path / "elsewhere") / model.name
    assert figures(generate(project, moved.rename(moved.with_name("renamed.gguf")), "--json")) == (0, 0)
    run("model", "add", model, "--name", "tiny")
    assert figures(generate(project, "tiny", "--json")) == (0, 0)
    with moved.with_name("renamed.gguf").open("ab") as file:
        file.write(bytes(32))  # another model, whatever it is called
    other = generate(project, moved.with_name("renamed.gguf"), "--limit", "1", "--json")
    assert figures(other) == (1, 0)


def test_a_preview_shows_what_the_model_gets(project: Path, model: Path, tmp_path: Path) -> None:
    look = tmp_path / "look"
    done = generate(project, model, "--preview", look)
    assert "would be put to the model on this computer" in done.out
    assert states(project) == {}
    generate(project, model)
    shown = (look / "1.txt").read_text()
    assert requests(project)[0]["pixels"]["sha256"] in shown
    assert requests(project)[0]["prompt"]["user"] in shown


def test_the_time_ends_a_run_that_can_be_continued(project: Path, model: Path) -> None:
    ended = generate(project, model, "--time-budget", "0.000001", "--json", code=4)
    assert figures(ended) == (1, 2 * PICTURES - 1), "one at least, however short the time"
    assert "The time of" in ended.err
    rest = generate(project, model, "--time-budget", "60", "--json")
    assert figures(rest) == (2 * PICTURES - 1, 0)
    assert latest_job(project)["state"] == "done"


# what happens to processes


@pytest.fixture
def running(project: Path, model: Path) -> Iterator[tuple[Popen[str], psutil.Process]]:
    """A generation in mid-answer: its model is frozen while a request is with it."""
    process = start(*local(project, model, "--json"))
    found: list[psutil.Process] = []

    def look() -> bool:
        found[:] = [child for child in _children(process) if "chat-worker" in _command(child)]
        return bool(found)

    wait_until(lambda: look() or process.poll() is not None, "the model's process")
    assert found, finish(process).err
    found[0].send_signal(signal.SIGSTOP)
    wait_until(lambda: _under_way(project) is not None, "a request with the frozen model")
    yield process, found[0]
    if found[0].is_running():
        found[0].kill()
    if process.stdout and not process.stdout.closed:
        process.kill()
        process.communicate()


def _children(process: Popen[str]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _under_way(project: Path) -> Row | None:
    """The request that stays with the model."""
    before = read(project, "SELECT uid FROM requests WHERE state = 'sending'")
    time.sleep(SETTLED_SECONDS)
    after = read(project, "SELECT uid FROM requests WHERE state = 'sending'")
    return after[0] if before == after and after else None


@only_signals
def test_a_crash_of_the_model_costs_one_request(
    project: Path, model: Path, running: tuple[Popen[str], psutil.Process]
) -> None:
    process, child = running
    child.kill()
    done = finish(process)
    assert done.code == 4
    assert "The model's process ended while" in done.err
    (row,) = [row for row in requests(project) if row["state"] != "answered"]
    assert (row["state"], row["code"]) == ("retryable", "local.died")
    assert states(project)["answered"] == 2 * PICTURES - 1, "another process answers the rest"
    assert figures(generate(project, model, "--json")) == (1, 0)
    assert sum(run("status", project, "--json").json["pairs"].values()) == 2 * PICTURES


@only_signals
def test_a_job_that_is_killed_in_mid_answer_goes_on_without_a_question(
    project: Path, model: Path, running: tuple[Popen[str], psutil.Process]
) -> None:
    process, child = running
    (job,) = [found for found in _children(process) if "job" in _command(found)]
    answered = states(project)["answered"]
    job.kill()
    assert finish(process).code == 4
    child.send_signal(signal.SIGCONT)
    wait_until(lambda: not child.is_running(), "the model's process ends with the job")
    again = generate(project, model, "--json")
    assert figures(again) == (2 * PICTURES - answered, 0)
    assert "billed" not in again.err
    assert again.json["unknown_after_crash"] == 0
    (row,) = [row for row in requests(project) if row["state"] != "answered"]
    assert (row["state"], row["code"]) == ("retryable", "local.process_ended")
    assert sum(run("status", project, "--json").json["pairs"].values()) == 2 * PICTURES


@only_signals
def test_a_stop_does_not_wait_for_an_answer_that_does_not_come(
    project: Path, model: Path, running: tuple[Popen[str], psutil.Process]
) -> None:
    process, child = running
    (project / "jobs" / latest_job(project)["id"] / "STOP").touch()
    done = finish(process)
    assert done.code == 4
    assert "run it again" in done.err
    assert not child.is_running()
    (row,) = [row for row in requests(project) if row["state"] != "answered"]
    assert (row["state"], row["code"]) == ("retryable", "job.stopped")
    put, left = figures(generate(project, model, "--json"))
    assert (put > 0, left) == (True, 0)
    assert states(project)["answered"] == 2 * PICTURES


def test_what_an_ended_process_left_is_unknown_only_where_it_went_out(tmp_path: Path) -> None:
    with new_store(tmp_path / "project") as store:
        (image,) = add_images(store, 1)
        uid = add_run(store)
        here, out = replace(attempt(uid, image, "here"), host=""), attempt(uid, image, "out")
        stored.begin_attempts(store, [here, out])
        assert stored.mark_unknown(store) == 1
        found = stored.histories(store)
    assert found["here"].state is RequestState.RETRYABLE
    assert found["out"].state is RequestState.UNKNOWN


# what cannot be done


def test_a_model_that_cannot_look_is_told_in_one_sentence(project: Path, model: Path, tmp_path: Path) -> None:
    blind = Path(shutil.copy(model, tmp_path / "blind.gguf"))
    cut = cut_short(model, tmp_path / "cut")["last byte"]
    told = {
        generate(project, cut, "--mmproj", model.with_name("llama-mmproj.gguf"), code=3).err: cut.name,
        generate(project, blind, code=3).err: "blind.gguf has no image part",
        generate(project, "no-such-bundle", code=3).err: "no-such-bundle",
        generate(project, write_mllama(tmp_path / "mllama.gguf"), code=3).err: "mllama",
        generate(project, blind, "--mmproj", model, code=3).err: "is no image part of a model",
        run("generate", project, "--provider", "local", code=3).err: "Say which model answers",
    }
    for err, words in told.items():
        assert words in err
        assert len([line for line in err.splitlines() if line.startswith("dermagui:")]) == 1
    assert states(project) == {}


@pytest.mark.parametrize(
    ("fact", "put", "words"), [("no heads", 0, "could not be loaded"), ("no layers", 2, "3 times in a row")]
)
def test_a_model_that_cannot_be_loaded_ends_the_job(
    project: Path, model: Path, tmp_path: Path, fact: str, put: int, words: str
) -> None:
    """The first is refused by the engine, the other one ends its process each time."""
    broken = write_changed_model(tmp_path / "broken.gguf", WRONG_FACTS[fact])
    done = generate(project, broken, "--mmproj", model.with_name("llama-mmproj.gguf"), code=3)
    assert words in done.err
    assert len([line for line in done.err.splitlines() if line.startswith("dermagui:")]) == 1
    codes = [row["code"] for row in requests(project)]
    assert codes.count("local.died") == put
    assert len(codes) == put + 1


@pytest.mark.parametrize(
    "options",
    [["--budget", "1"], ["--flex"], ["--concurrency", "4"], ["--longest-side", "64"], ["--tier", "paid"]],
)
def test_an_option_without_meaning_is_not_passed_over(project: Path, options: list[str]) -> None:
    done = generate(project, "any.gguf", *options, code=3)
    assert options[0] in done.err


# one request


def plan_of(pair: Pair) -> Plan:
    name, version, files = name_model(str(pair.model), None)
    return Plan("local", name, "", model_version=version, model_files=files, max_output_tokens=64)


def ask(
    pair: Pair, folder: Path, times: int, patch: pytest.MonkeyPatch, errors: list[DermaError]
) -> list[str]:
    """Asks so often, where the session fails like this and then answers; returns how each attempt ended."""
    plan = plan_of(pair)
    picture = Picture(next(draw_pictures(folder / "one", [7]).iterdir()))
    made = pixels(picture, recipe_of(plan, picture))
    call = Call(plan.model, "Be brief.", "What?", {"type": "object"}, made, 64)

    def fail(*_: object, **__: object) -> Iterator[Answer]:
        if errors:
            raise errors.pop(0)
        yield Answer("{}", ended="end")

    async def all_of_them() -> list[str]:
        async with LocalModel(plan, lambda: False) as model:
            replies = [await model.generate(call) for _ in range(times)]
        return [reply.failure.code if reply.failure else reply.body[:1] for reply in replies]

    patch.setattr(Session, "ask", fail)
    return asyncio.run(all_of_them())


def died() -> ServiceError:
    return ServiceError("chat.died", reason="SIGSEGV", while_doing="chat.while_encode", detail="")


def test_only_a_row_of_crashes_ends_the_run(
    llama_pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    too_long = UserError("chat.too_long", tokens=9, most=8)
    mixed: list[DermaError] = [died(), died(), too_long]
    ended = ask(llama_pair, tmp_path, 4, monkeypatch, mixed)
    assert ended == ["local.died", "local.died", "chat.too_long", "{"]
    with pytest.raises(ServiceError) as raised:
        ask(llama_pair, tmp_path, 3, monkeypatch, [died(), died(), died()])
    assert (raised.value.code, raised.value.values["count"]) == ("local.keeps_dying", 3)


def test_what_is_wrong_with_the_model_ends_the_run_at_once(
    llama_pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError) as raised:
        ask(llama_pair, tmp_path, 1, monkeypatch, [DataError("chat.load_failed", path="x", detail="y")])
    assert raised.value.code == "chat.load_failed"
