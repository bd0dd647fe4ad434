"""Whatever happens to the child: the caller lives, says what happened, and the next question works."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest

from dermagui.chat import session as sessions
from dermagui.chat.protocol import Adapter, Sampling
from dermagui.chat.session import ModelFiles, Piece, Room, Session
from dermagui.errors import DataError, DermaError, ServiceError, UserError
from tests.fakes.chatting import ENDLESS, ENDLESS_ROOM, ENDLESS_SCHEMA, answer_of, noise, user
from tests.fakes.disks import full, small_disk
from tests.fakes.hostile_models import (
    cut_short,
    damage_tensor,
    write_hostile_headers,
    write_hostile_models,
    write_mllama,
    write_wide_projector,
)
from tests.fakes.tiny_models import Pair, write_adapter, write_misfit_adapter

SHORT = Sampling(max_tokens=8)
PICTURE = noise(56, 56)
QUESTION = user("What is this?", PICTURE)


@pytest.fixture(scope="module")
def kept(engine: ModuleType, llama_pair: Pair) -> Iterator[Session]:
    """One session for many accidents."""
    with Session(ModelFiles(llama_pair.model, llama_pair.projector), ENDLESS_ROOM) as session:
        yield session


@pytest.fixture
def wanted(kept: Session) -> tuple[int, ...]:
    """The answer to the question, which has to stay the same."""
    return answer_of(kept.ask([QUESTION], SHORT)).tokens


def code_of(session: Session, **more: Any) -> str:  # noqa: ANN401, the arguments of ``ask``
    """The code with which a question fails."""
    with pytest.raises(DermaError) as raised:
        answer_of(session.ask(more.pop("turns", [QUESTION]), more.pop("sampling", SHORT), **more))
    return raised.value.code


def process_of(session: Session) -> psutil.Process:
    assert session._child is not None
    return psutil.Process(session._child.process.pid)


# what one must not ask of it


def test_a_question_that_cannot_be_answered_harms_no_other(
    kept: Session, wanted: tuple[int, ...], tmp_path: Path
) -> None:
    """Each of them ends a process that uses the library as it comes, or raises there."""
    child = process_of(kept).pid
    misfit = Adapter(str(write_misfit_adapter(tmp_path / "misfit.gguf")))
    assert code_of(kept, adapters=[misfit]) == "chat.adapter_failed"
    assert code_of(kept, schema='{"type": "no such type"}') == "chat.bad_schema"
    assert code_of(kept, turns=[user("a" * 70_000)]) == "chat.too_long"
    assert code_of(kept, turns=[user("?", replace(PICTURE, width=5600))]) == "chat.image_failed"
    assert code_of(kept, turns=[]) == "chat.nothing_asked"
    assert answer_of(kept.ask([QUESTION], SHORT)).tokens == wanted
    assert process_of(kept).pid == child


def test_an_adapter_that_was_refused_does_not_stay_half_on(
    kept: Session, wanted: tuple[int, ...], tmp_path: Path
) -> None:
    good = Adapter(str(write_adapter(tmp_path / "good.gguf")))
    misfit = Adapter(str(write_misfit_adapter(tmp_path / "misfit.gguf")))
    worn = answer_of(kept.ask([QUESTION], SHORT, adapters=[good])).tokens
    assert worn != wanted
    assert code_of(kept, adapters=[good, misfit]) == "chat.adapter_failed"
    assert answer_of(kept.ask([QUESTION], SHORT, adapters=[good])).tokens == worn
    assert answer_of(kept.ask([QUESTION], SHORT)).tokens == wanted


@pytest.mark.parametrize("context", [10**9, 2**31, 2**32 + 4096])
def test_a_context_that_no_memory_holds_is_refused_before_it_is_tried(llama_pair: Pair, context: int) -> None:
    with pytest.raises(UserError) as raised:
        Session(ModelFiles(llama_pair.model), Room(context_tokens=context))
    assert raised.value.code == "chat.context_too_large"
    assert raised.value.values["context_tokens"] == context


def test_eight_million_tokens_are_too_many_for_sixteen_gigabytes(
    llama_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys and values would fit; the attention of a CPU would not."""
    monkeypatch.setattr(sessions, "memory_bytes", lambda: 16 << 30)
    with pytest.raises(UserError) as raised:
        Session(ModelFiles(llama_pair.model), Room(context_tokens=8_000_000))
    assert raised.value.code == "chat.context_too_large"


def test_two_threads_ask_two_children(kept: Session, wanted: tuple[int, ...], llama_pair: Pair) -> None:
    """Two threads on one context make llama.cpp fail or crash; here each session has a process of its own."""
    files = ModelFiles(llama_pair.model, llama_pair.projector)
    with Session(files, ENDLESS_ROOM) as other, ThreadPoolExecutor(2) as threads:
        found = threads.map(lambda session: answer_of(session.ask([QUESTION], SHORT)).tokens, (kept, other))
        assert list(found) == [wanted, wanted]


# files that one must not load


def test_files_that_lie_are_refused_before_any_child_starts(llama_pair: Pair, tmp_path: Path) -> None:
    liars = [
        *write_hostile_headers(tmp_path / "headers").values(),
        *cut_short(llama_pair.model, tmp_path / "cut").values(),
        write_mllama(tmp_path / "mllama.gguf"),
        write_adapter(tmp_path / "lora.gguf"),
        llama_pair.projector,
        tmp_path / "missing.gguf",
    ]
    for path in liars:
        with pytest.raises((DataError, UserError)):
            Session(ModelFiles(path))
    for mmproj in (llama_pair.model, write_wide_projector(tmp_path / "wide.gguf")):
        with pytest.raises(UserError) as raised:
            Session(ModelFiles(llama_pair.model, mmproj))
        assert raised.value.code in ("chat.not_a_mmproj", "chat.mmproj_wrong_width")
    assert not psutil.Process().children() or all(
        "chat-worker" in child.cmdline() for child in psutil.Process().children()
    )


def outcome(model: Path) -> DermaError | None:
    """How a question to a model fails; None where it is answered."""
    try:
        with Session(ModelFiles(model)) as session:
            answer_of(session.ask([user("Hello")], SHORT))
    except DermaError as error:
        return error
    return None


@pytest.mark.slow
def test_a_model_with_a_wrong_fact_ends_at_most_its_child(engine: ModuleType, tmp_path: Path) -> None:
    """Some of them are refused by llama.cpp, some make it end its process."""
    outcomes = [outcome(path) for path in write_hostile_models(tmp_path / "models").values()]
    errors = [error for error in outcomes if error is not None]
    assert {error.code for error in errors} == {"chat.load_failed", "chat.died", "chat.context_too_large"}
    for died in (error for error in errors if error.code == "chat.died"):
        assert died.values["reason"] == "SIGABRT"
        assert died.values["while_doing"] == "chat.while_load"
        assert "GGML_ASSERT" in str(died.values["detail"])


def test_a_model_that_ends_its_child_says_why(engine: ModuleType, llama_pair: Pair, tmp_path: Path) -> None:
    models = write_hostile_models(tmp_path / "models")
    with Session(ModelFiles(models["no layers"])) as session:
        assert code_of(session, turns=[user("Hello")]) == "chat.died"
        assert code_of(session, turns=[user("Hello")]) == "chat.died"
    with Session(ModelFiles(models["no such architecture"])) as session:
        with pytest.raises(DataError) as raised:
            answer_of(session.ask([user("Hello")], SHORT))
        assert "no-such-architecture" in str(raised.value.values["detail"])


def test_a_damaged_tensor_answers_something_else(
    kept: Session, engine: ModuleType, llama_pair: Pair, tmp_path: Path
) -> None:
    """It loads, and only its hash tells: bundles keep one."""
    damaged = damage_tensor(llama_pair.model, tmp_path / "damaged.gguf")
    with Session(ModelFiles(damaged, llama_pair.projector)) as session:
        assert answer_of(session.ask([QUESTION], SHORT)).tokens


# what comes from outside


@pytest.mark.skipif(sys.platform == "win32", reason="ends by a signal")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGABRT", "SIGILL", "SIGBUS", "SIGTERM"])
def test_a_child_that_dies_in_mid_token_is_replaced(
    kept: Session, wanted: tuple[int, ...], name: str
) -> None:
    before = process_of(kept)
    pieces: list[Piece] = []

    def kill_at_the_fifth() -> None:
        for event in kept.ask([QUESTION], ENDLESS, schema=ENDLESS_SCHEMA):
            pieces.extend([event] if isinstance(event, Piece) else [])
            if len(pieces) == 5:
                before.send_signal(signal.Signals[name])

    with pytest.raises(ServiceError) as raised:
        kill_at_the_fifth()
    assert raised.value.code == "chat.died"
    assert raised.value.values["reason"] == name
    assert raised.value.values["while_doing"] == "chat.while_generate"
    assert len(pieces) >= 5
    assert not before.is_running()
    again = answer_of(kept.ask([QUESTION], SHORT))
    assert again.tokens == wanted
    assert again.reused_tokens == 0


@pytest.mark.skipif(sys.platform == "win32", reason="ends by a signal")
def test_a_child_that_died_unasked_is_replaced_without_a_word(kept: Session, wanted: tuple[int, ...]) -> None:
    """The system may have taken its memory while nobody looked."""
    gone = process_of(kept)
    gone.kill()
    gone.wait(10)
    assert answer_of(kept.ask([QUESTION], SHORT)).tokens == wanted
    assert process_of(kept).pid != gone.pid


@pytest.mark.skipif(sys.platform == "win32", reason="ends by a signal")
def test_after_a_death_on_a_graphics_card_the_cpu_answers(engine: ModuleType, llama_pair: Pair) -> None:
    with Session(ModelFiles(llama_pair.model, llama_pair.projector), ENDLESS_ROOM) as session:
        wanted = answer_of(session.ask([QUESTION], SHORT)).tokens
        for layers, then in ((0, None), (7, 0)):
            session.loaded["gpu_layers"] = layers
            events = session.ask([QUESTION], ENDLESS, schema=ENDLESS_SCHEMA)
            next(events)
            process_of(session).kill()
            with pytest.raises(ServiceError):
                list(events)
            assert session._load.gpu_layers == then
            assert answer_of(session.ask([QUESTION], SHORT)).tokens == wanted


@pytest.mark.skipif(sys.platform == "win32", reason="ends by a signal")
def test_a_child_that_dies_while_it_starts_says_so(
    engine: ModuleType, llama_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = [sys.executable, "-c", "import os; os.write(2, b'no such command'); os.abort()"]
    with Session(ModelFiles(llama_pair.model)) as session:
        with monkeypatch.context() as patch:
            patch.setattr("dermagui.chat.child.program", lambda: dying)
            with pytest.raises(ServiceError) as raised:
                answer_of(session.ask([user("Hello")], SHORT))
        assert raised.value.values == {
            "reason": "SIGABRT",
            "while_doing": "chat.while_start",
            "detail": "no such command",
        }
        assert answer_of(session.ask([user("Hello")], SHORT)).tokens


def test_a_fault_of_our_own_in_the_child_is_told_and_survived(
    kept: Session, wanted: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sessions, "asdict", lambda _: {"no": "such setting"})
        with pytest.raises(ServiceError) as raised:
            answer_of(kept.ask([QUESTION], SHORT))
    assert raised.value.values["reason"] == "exit 1"
    assert answer_of(kept.ask([QUESTION], SHORT)).tokens == wanted


@pytest.mark.parametrize("where", ["log", "temporary folder"])
def test_a_full_disk_ends_no_chat(
    engine: ModuleType, llama_pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        if where == "log":
            monkeypatch.setenv("DERMAGUI_HOME", str(disk))
            (disk / "logs").mkdir()
        else:
            monkeypatch.setattr("tempfile.tempdir", str(disk))
        with full(disk), Session(ModelFiles(llama_pair.model, llama_pair.projector)) as session:
            first = answer_of(session.ask([QUESTION], SHORT))
            misfit = Adapter(str(write_misfit_adapter(tmp_path / "misfit.gguf")))
            assert code_of(session, adapters=[misfit]) == "chat.adapter_failed"
            assert answer_of(session.ask([QUESTION], SHORT)).tokens == first.tokens


@pytest.mark.skipif(sys.platform != "linux", reason="reads limits")
def test_no_debugger_and_no_picture_of_the_memory(kept: Session) -> None:
    """What a child has in its memory are pictures of patients."""
    answer_of(kept.ask([QUESTION], SHORT))
    limits = Path(f"/proc/{process_of(kept).pid}/limits").read_text()
    (core,) = [line.split() for line in limits.splitlines() if line.startswith("Max core file size")]
    assert core[4:6] == ["0", "0"]
