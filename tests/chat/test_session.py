"""A chat with a real child: streaming, turns, stopping, and leaving nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import psutil
import pytest
from PIL import Image

from dermagui.chat.protocol import Adapter, ChatTurn, Rgb, Sampling
from dermagui.chat.session import Answer, ModelFiles, Piece, Room, Session, Step
from dermagui.errors import DermaError, UserError
from dermagui.records import Picture
from tests.fakes.chatting import ENDLESS, ENDLESS_ROOM, ENDLESS_SCHEMA, answer_of, noise, said, user
from tests.fakes.hostile_models import write_broken_template
from tests.fakes.tiny_models import CHAT_TEMPLATE, Pair, write_adapter

PICTURE = noise(56, 56)
QUESTION = user("What is this?", PICTURE)


def open_session(pair: Pair, room: Room | None = None, grace_seconds: float = 30) -> Session:
    return Session(ModelFiles(pair.model, pair.projector), room, grace_seconds=grace_seconds)


@pytest.fixture(scope="module")
def kept(engine: ModuleType, llama_pair: Pair) -> Iterator[Session]:
    """One session for many questions."""
    with open_session(llama_pair, ENDLESS_ROOM) as session:
        yield session


def process_of(session: Session) -> psutil.Process:
    assert session._child is not None
    return psutil.Process(session._child.process.pid)


def eventually(is_so: Callable[[], bool]) -> bool:
    """Whether something becomes true before the patience of a minute ends."""
    end = time.monotonic() + 180
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def test_an_answer_comes_in_pieces_and_then_whole(kept: Session) -> None:
    events = list(kept.ask([QUESTION], Sampling(12)))
    pieces = [event for event in events if isinstance(event, Piece)]
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert "".join(piece.text for piece in pieces) == answer.text
    assert tuple(piece.token for piece in pieces if piece.token is not None) == answer.tokens
    assert (len(answer.tokens), answer.ended) == (12, "length")
    assert {event.doing for event in events if isinstance(event, Step)} >= {"prompt"}


def test_an_answer_tells_what_was_seen_and_how_long_it_took(llama_pair: Pair) -> None:
    with open_session(llama_pair) as session:
        answer = answer_of(session.ask([QUESTION], Sampling(4)))
        assert answer.images == [
            {"sha256": PICTURE.sha256, "width": 56, "height": 56, "tokens": 16, "exact": True}
        ]
        assert set(answer.seconds) == {"load", "encode", "prompt", "generate"}
        assert all(seconds > 0 for seconds in answer.seconds.values())
        assert session.loaded["sees"] is True
        assert session.loaded["gpu_layers"] == 0
        later = answer_of(session.ask([QUESTION, said(answer), user("Sure?")], Sampling(4)))
        assert later.seconds["load"] < answer.seconds["load"]
        assert later.reused_tokens == answer.prompt_tokens + len(answer.tokens) - 1


def test_a_second_turn_reads_only_what_is_new(kept: Session) -> None:
    first = answer_of(kept.ask([QUESTION], Sampling(8)))
    second = answer_of(kept.ask([QUESTION, said(first), user("Sure?")], Sampling(8)))
    assert second.reused_tokens == first.prompt_tokens + len(first.tokens) - 1
    assert second.prompt_tokens - second.reused_tokens < first.prompt_tokens


def test_a_picture_can_be_encoded_ahead(kept: Session) -> None:
    other = noise(56, 56, 9)
    ahead = answer_of(kept.encode(other))
    assert ahead.images[0]["tokens"] == 16
    assert ahead.ended == "end"
    events = list(kept.ask([user("And this?", other)], Sampling(4)))
    assert not [event for event in events if isinstance(event, Step) and event.doing == "encode"]


def test_labels_come_likeliest_first(kept: Session) -> None:
    answer = answer_of(kept.classify([QUESTION], ["nevus", "melanoma", "wart"]))
    numbers = [label["log_probability"] for label in answer.labels]
    assert numbers == sorted(numbers, reverse=True)
    assert answer.text == answer.labels[0]["label"]
    follow = answer_of(kept.ask([QUESTION, said(answer), user("Why?")], Sampling(4)))
    assert follow.reused_tokens >= answer.prompt_tokens


def test_a_schema_and_an_adapter_arrive(kept: Session, tmp_path: Path) -> None:
    schema = '{"enum": ["nevus", "melanoma"]}'
    assert json.loads(answer_of(kept.ask([QUESTION], schema=schema)).text) in ("nevus", "melanoma")
    plain = answer_of(kept.ask([QUESTION], Sampling(16)))
    lora = str(write_adapter(tmp_path / "lora.gguf"))
    worn = answer_of(kept.ask([QUESTION], Sampling(16), adapters=[Adapter(lora)]))
    off = answer_of(kept.ask([QUESTION], Sampling(16), adapters=[Adapter(lora, 0)]))
    assert plain.tokens == off.tokens != worn.tokens
    assert worn.reused_tokens == 0


def test_another_template_can_be_given(engine: ModuleType, llama_pair: Pair, tmp_path: Path) -> None:
    broken = write_broken_template(tmp_path / "broken.gguf")
    with pytest.raises(DermaError) as raised:
        Session(ModelFiles(broken))
    assert raised.value.code == "chat.template_syntax"
    with Session(ModelFiles(broken, template=CHAT_TEMPLATE)) as session:
        mended = answer_of(session.ask([user("Hello")], Sampling(4)))
    with Session(ModelFiles(llama_pair.model)) as session:
        assert answer_of(session.ask([user("Hello")], Sampling(4))).tokens == mended.tokens


def test_pictures_are_made_to_the_measure_of_the_model(
    engine: ModuleType, qwen_pair: Pair, tmp_path: Path
) -> None:
    path = tmp_path / "lesion.png"
    Image.effect_noise((600, 450), 60).convert("RGB").save(path)
    with open_session(qwen_pair, Room(image_tokens=64)) as session:
        image = session.see(Picture(path))
        answer = answer_of(session.ask([user("What?", image)], Sampling(2)))
    (seen,) = answer.images
    assert seen["tokens"] == (image.width // 28) * (image.height // 28) <= 64
    assert (seen["sha256"], seen["exact"]) == (image.sha256, True)


def test_a_blind_model_says_so_before_anything_is_loaded(llama_pair: Pair, tmp_path: Path) -> None:
    with Session(ModelFiles(llama_pair.model)) as session, pytest.raises(UserError) as raised:
        session.see(Picture(tmp_path / "any.png"))
    assert raised.value.code == "chat.cannot_see"


# stopping


def test_a_stop_from_another_thread_ends_the_answer(kept: Session) -> None:
    pieces = 0
    stopper = threading.Thread(target=kept.stop)
    for event in kept.ask([QUESTION], ENDLESS, schema=ENDLESS_SCHEMA):
        if isinstance(event, Piece):
            pieces += 1
            if pieces == 3:
                stopper.start()
    stopper.join()
    assert isinstance(event, Answer)
    assert event.ended == "stopped"
    assert 3 <= len(event.tokens) < 60_000
    assert answer_of(kept.ask([QUESTION], Sampling(4))).ended == "length"


def test_a_stop_between_pieces_ends_the_answer(kept: Session) -> None:
    child = process_of(kept).pid
    events = kept.ask([QUESTION], ENDLESS, schema=ENDLESS_SCHEMA)
    for event in events:
        if isinstance(event, Piece):
            kept.stop()
            break
    answer = answer_of(events)
    assert answer.ended == "stopped"
    assert process_of(kept).pid == child


def test_a_stop_while_reading_ends_the_question(kept: Session) -> None:
    long = user("many words " * 4000)
    events = kept.ask([long], ENDLESS)
    for event in events:
        if isinstance(event, Step) and event.doing == "prompt":
            kept.stop()
            break
    answer = answer_of(events)
    assert (answer.ended, answer.text) == ("stopped", "")
    assert answer_of(kept.ask([QUESTION], Sampling(4))).ended == "length"


def test_leaving_an_answer_early_stops_it(kept: Session) -> None:
    wanted = answer_of(kept.ask([QUESTION], Sampling(8))).tokens
    child = process_of(kept).pid
    for event in kept.ask([QUESTION], ENDLESS, schema=ENDLESS_SCHEMA):
        if isinstance(event, Piece):
            break
    assert answer_of(kept.ask([QUESTION], Sampling(8))).tokens == wanted
    assert process_of(kept).pid == child


def test_what_nobody_listened_to_does_not_get_into_the_next_answer(kept: Session) -> None:
    """Such as where the listener failed, and its error still holds the question."""
    wanted = answer_of(kept.ask([user("Hello")], Sampling(8))).tokens
    unheard = kept.ask([user("Hello")], ENDLESS, schema=ENDLESS_SCHEMA)
    while not isinstance(next(unheard), Piece):
        pass
    answer = answer_of(kept.ask([user("Hello")], Sampling(8)))
    assert (answer.tokens, answer.ended) == (wanted, "length")
    child = kept._child
    assert answer_of(unheard).ended == "stopped"
    unheard.close()
    assert answer_of(kept.ask([user("Hello")], Sampling(8))).tokens == wanted
    assert kept._child is child


def test_a_stop_before_a_question_does_not_stop_it(kept: Session) -> None:
    kept.stop()
    assert answer_of(kept.ask([QUESTION], Sampling(4))).ended == "length"


def test_a_child_that_hears_nothing_is_ended_and_the_next_question_works(
    engine: ModuleType, llama_pair: Pair
) -> None:
    """Nothing stops an image encoder; here the whole child is held by the system instead."""
    with open_session(llama_pair, ENDLESS_ROOM, grace_seconds=0.2) as session:
        wanted = answer_of(session.ask([QUESTION], Sampling(8))).tokens
        deaf = process_of(session)
        events = session.ask([QUESTION], ENDLESS, schema=ENDLESS_SCHEMA)
        for event in events:
            if isinstance(event, Piece):
                deaf.suspend()
                session.stop()
                break
        answer = answer_of(events)
        assert answer.ended == "stopped"
        assert answer.tokens
        assert not deaf.is_running()
        assert answer_of(session.ask([QUESTION], Sampling(8))).tokens == wanted
        assert process_of(session).pid != deaf.pid


def test_a_stop_while_the_child_starts_ends_the_question(engine: ModuleType, llama_pair: Pair) -> None:
    with open_session(llama_pair) as session:
        stopper = threading.Timer(0.05, session.stop)
        stopper.start()
        answer = answer_of(session.ask([QUESTION], ENDLESS, schema=ENDLESS_SCHEMA))
        stopper.join()
        assert (answer.ended, answer.text) == ("stopped", "")
        assert answer_of(session.ask([QUESTION], Sampling(4))).ended == "length"


# nothing is left behind


def descriptors() -> set[str]:
    """The open descriptors of this process, and what they are."""
    open_ones = set()
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that lists them
            open_ones.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
    return open_ones


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_closing_leaves_no_process_no_descriptor_and_no_thread(engine: ModuleType, llama_pair: Pair) -> None:
    before, threads, children = descriptors(), threading.active_count(), psutil.Process().children()
    for _ in range(2):
        session = open_session(llama_pair)
        answer_of(session.ask([QUESTION], Sampling(2)))
        assert len(psutil.Process().children()) == len(children) + 1
        session.close()
        session.close()
    assert descriptors() == before
    assert psutil.Process().children() == children
    assert threading.active_count() == threads


def test_a_closed_session_opens_again_with_the_next_question(engine: ModuleType, llama_pair: Pair) -> None:
    with open_session(llama_pair) as session:
        first = answer_of(session.ask([QUESTION], Sampling(4)))
        session.close()
        assert answer_of(session.ask([QUESTION], Sampling(4))).tokens == first.tokens


def test_the_child_listens_on_no_port_and_its_key_is_nowhere_to_be_read(kept: Session) -> None:
    answer_of(kept.ask([QUESTION], Sampling(2)))
    child = process_of(kept)
    assert child.net_connections(kind="inet") == []
    *_, command, address = child.cmdline()
    assert command == "chat-worker"
    assert not Path(address).parent.exists()
    told = " ".join([*child.cmdline(), *child.environ().values()])
    assert not [word for word in told.split() if len(word) == 64 and set(word) <= set("0123456789abcdef")]


ORPHAN = """
import os, signal, sys
from pathlib import Path
from dermagui.chat.protocol import ChatTurn, Sampling
from dermagui.chat.session import ModelFiles, Piece, Room, Session
from dermagui.records import Role
session = Session(ModelFiles(Path(sys.argv[1])), Room(context_tokens=65_536))
for event in session.ask([ChatTurn(Role.USER, "Hello")], Sampling(100_000), schema=sys.argv[2]):
    if isinstance(event, Piece):
        print(session._child.process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills by a signal")
def test_the_child_ends_with_a_caller_that_is_killed(engine: ModuleType, llama_pair: Pair) -> None:
    run = subprocess.run(
        [sys.executable, "-c", ORPHAN, llama_pair.model, ENDLESS_SCHEMA],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert eventually(lambda: not psutil.pid_exists(int(run.stdout)))


def test_a_child_whose_caller_never_comes_ends(engine: ModuleType, tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "dermagui", "chat-worker", str(tmp_path / "s")], stdin=subprocess.PIPE
    )
    assert child.stdin is not None
    child.stdin.write(b"00" * 32 + b"\n")
    child.stdin.flush()
    assert eventually((tmp_path / "s").exists)
    child.stdin.close()
    assert child.wait(60) == 0


CLOSED = """
import os, sys
for descriptor in (0, 1, 2):
    os.close(descriptor)
sys.stdin = sys.stdout = sys.stderr = None
from pathlib import Path
from dermagui.chat.protocol import ChatTurn, Sampling
from dermagui.chat.session import ModelFiles, Session
from dermagui.records import Role
with Session(ModelFiles(Path(sys.argv[1]))) as session:
    *_, answer = session.ask([ChatTurn(Role.USER, "Hello")], Sampling(8))
Path(sys.argv[2]).write_text(repr(answer.tokens))
"""


def test_a_windowed_program_without_descriptors_can_chat(
    engine: ModuleType, llama_pair: Pair, tmp_path: Path
) -> None:
    told = tmp_path / "answer"
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(CLOSED), llama_pair.model, told], check=False)
    assert run.returncode == 0
    with Session(ModelFiles(llama_pair.model)) as session:
        answer = answer_of(session.ask([user("Hello")], Sampling(8)))
    assert told.read_text() == repr(answer.tokens)


def test_a_users_long_temporary_folder_is_no_obstacle(
    engine: ModuleType, llama_pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 20)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with Session(ModelFiles(llama_pair.model)) as session:
        assert answer_of(session.ask([user("Hello")], Sampling(2))).tokens
    assert not list(long.iterdir())


def test_turns_travel_with_each_picture_once(kept: Session) -> None:
    from dermagui.chat.protocol import turns_from_json, turns_to_json

    same = Rgb(PICTURE.sha256, 56, 56, PICTURE.rows)
    turns: list[ChatTurn] = [QUESTION, user("And?", same, noise(28, 28, 4))]
    message, blobs = turns_to_json(turns)
    assert len(blobs) == 2
    assert turns_from_json(json.loads(json.dumps(message)), blobs) == turns
