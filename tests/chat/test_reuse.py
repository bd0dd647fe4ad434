"""What was read once is not read again, and nobody can tell the difference by the logits."""

from __future__ import annotations

import base64
import ctypes
import io
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from dermagui.chat.protocol import Adapter, ChatTurn, Rgb, Sampling
from dermagui.records import Role
from tests.fakes.chatting import noise, request_of, user
from tests.fakes.tiny_models import Pair, write_adapter

if TYPE_CHECKING:
    from pathlib import Path

    from dermagui.chat.worker.engine import Engine

PICTURE, OTHER = noise(56, 56, 1), noise(56, 56, 2)
SHORT = Sampling(max_tokens=8)


class Asked:
    """A model in this process, and what it tells."""

    def __init__(self, pair: Pair) -> None:
        from dermagui.chat.worker.engine import Engine, started

        self.told: list[dict[str, Any]] = []
        self.halted = False
        self.engine: Engine = Engine(request_of(pair, batch_tokens=32), started(), self.halt, self.tell)

    def halt(self) -> bool:
        return self.halted

    def tell(self, event: str, **values: object) -> None:
        self.told.append({"event": event, **values})

    def ask(
        self, *turns: ChatTurn, sampling: Sampling = SHORT, adapters: Sequence[Adapter] = ()
    ) -> tuple[ChatTurn, int]:
        """The answer as the next turn, and how many tokens were there already."""
        self.told.clear()
        result = self.engine.ask(turns, sampling, adapters)
        text = "".join(event["text"] for event in self.told if event["event"] == "token")
        return ChatTurn(Role.ASSISTANT, text, (), tuple(result.tokens)), result.reused_tokens

    def logits(self, *turns: ChatTurn, adapters: Sequence[Adapter] = ()) -> list[float]:
        """What the model thinks comes next, after it has read this."""
        self.ask(*turns, sampling=Sampling(max_tokens=1), adapters=adapters)
        return self.engine.context.logits()

    def cold_logits(self, *turns: ChatTurn, adapters: Sequence[Adapter] = ()) -> list[float]:
        """The same of a model that has read nothing before."""
        self.engine.context.clear()
        return self.logits(*turns, adapters=adapters)

    @property
    def read(self) -> int:
        """How many tokens are in the context."""
        return int(self.engine.model.context_tokens - self.engine.context.room)


@pytest.fixture(params=["llama_pair", "qwen_pair", "gemma_pair"])
def asked(request: pytest.FixtureRequest, engine: ModuleType) -> Iterator[Asked]:
    asked = Asked(request.getfixturevalue(request.param))
    yield asked
    asked.engine.close()
    engine.silence()


def difference(one: list[float], other: list[float]) -> float:
    """The largest difference of two lists of logits."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def test_what_is_reused_is_as_if_it_was_read_anew(asked: Asked) -> None:
    first, wrote = user("What is this?", PICTURE), ChatTurn(Role.ASSISTANT, "It is a mole.")
    asked.logits(first)
    for turns in [(first, wrote, user("And this?", OTHER)), (first, wrote, user("Sure?"))]:
        result = asked.engine.ask(turns, Sampling(max_tokens=1))
        warm = asked.engine.context.logits()
        assert result.reused_tokens > asked.engine.images.see(PICTURE).tokens
        assert asked.cold_logits(*turns) == warm


def test_what_the_model_wrote_itself_is_as_if_it_was_read(asked: Asked) -> None:
    """Nearly: a token alone goes another way through the processor than many at once."""
    first = user("What is this?", PICTURE)
    answer, _ = asked.ask(first)
    turns = (first, answer, user("And this?", OTHER))
    warm = asked.logits(*turns)
    assert difference(warm, asked.cold_logits(*turns)) < 1e-4


def test_all_that_was_said_is_reused_by_the_next_turn(asked: Asked) -> None:
    first = user("What is this?", PICTURE)
    answer, _ = asked.ask(first)
    read = asked.read
    _, reused = asked.ask(first, answer, user("Sure?"))
    assert reused == read


def test_a_question_asked_again_gives_the_same_answer_and_reads_almost_nothing(asked: Asked) -> None:
    first = user("What is this?", PICTURE)
    cold = asked.logits(first)
    assert asked.logits(first) == cold
    before, _ = asked.ask(first)
    again, reused = asked.ask(first)
    assert again == before
    assert reused > 16


def test_another_branch_of_a_chat_keeps_the_common_beginning(asked: Asked) -> None:
    first = user("What is this?", PICTURE)
    answer, _ = asked.ask(first)
    common = asked.read
    asked.ask(first, answer, user("Is it bad?"))
    _, reused = asked.ask(first, answer, user("Where is it?"))
    assert common <= reused < asked.read - len("Where is it?")


def test_a_swapped_picture_changes_what_the_model_thinks(asked: Asked) -> None:
    one = asked.logits(user("What is this?", PICTURE))
    other = asked.logits(user("What is this?", OTHER))
    assert difference(one, other) > 0.1
    assert asked.cold_logits(user("What is this?", OTHER)) == other


def test_equal_bytes_in_another_shape_are_another_picture(asked: Asked) -> None:
    wide = noise(112, 56)
    high = Rgb(wide.sha256, 56, 112, wide.rows)
    one = asked.logits(user("?", wide))
    assert not asked.engine.images.knows(high)
    assert difference(one, asked.logits(user("?", high))) > 0.1


def test_a_picture_goes_through_the_encoder_once(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    from dermagui.chat.worker import images

    runs = []
    encode = images.mtmd.mtmd_encode_chunk
    monkeypatch.setattr(images.mtmd, "mtmd_encode_chunk", lambda *told: runs.append(1) or encode(*told))
    asked.engine.encode(PICTURE)
    assert len(runs) == 1
    asked.ask(user("What?", PICTURE))
    asked.ask(user("Else?", PICTURE, PICTURE))
    asked.engine.context.clear()
    asked.ask(user("What?", PICTURE))
    assert len(runs) == 1
    asked.ask(user("What?", OTHER))
    assert len(runs) == 2


def test_memory_that_cannot_be_cut_is_read_anew(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recurrent and hybrid models refuse to forget a part."""
    from dermagui.chat.worker import context

    first, other = user("What is this?", PICTURE), user("What is that?", PICTURE)
    wanted = asked.cold_logits(first)
    labels = asked.engine.classify([first], ["nevus", "melanoma"]).labels
    asked.ask(other)
    monkeypatch.setattr(context.llama, "llama_memory_seq_rm", lambda *_: False)
    result = asked.engine.ask([first], Sampling(max_tokens=1))
    assert result.reused_tokens == 0
    assert asked.engine.context.logits() == wanted
    assert asked.engine.classify([first], ["nevus", "melanoma"]).labels == pytest.approx(labels, abs=1e-4)


def test_an_adapter_makes_everything_before_it_worthless(
    engine: ModuleType, llama_pair: Pair, tmp_path: Path
) -> None:
    asked = Asked(llama_pair)
    worn = Adapter(str(write_adapter(tmp_path / "lora.gguf")))
    question = user("What is this?", PICTURE)
    plain = asked.logits(question)
    tuned = asked.logits(question, adapters=[worn])
    assert difference(plain, tuned) > 0.1
    assert asked.cold_logits(question, adapters=[worn]) == tuned
    half = asked.logits(question, adapters=[Adapter(worn.path, 0.5)])
    assert half not in (plain, tuned)
    assert asked.logits(question, adapters=[Adapter(worn.path, 0.0)]) == plain
    assert asked.ask(question, adapters=[worn])[1] == 0
    asked.engine.close()
    engine.silence()


def test_pictures_beyond_the_limit_are_forgotten_oldest_first(engine: ModuleType, llama_pair: Pair) -> None:
    from dermagui.chat.worker.images import Images

    asked = Asked(llama_pair)
    size = 16 * 64 * ctypes.sizeof(ctypes.c_float)
    images = Images(asked.engine.model, kept_bytes=2 * size)
    pictures = [noise(56, 56, seed) for seed in range(3)]
    for picture in pictures:
        assert images.see(picture).size_bytes == size
    images.see(pictures[0])
    images.forget_oldest()
    assert [images.knows(picture) for picture in pictures] == [True, False, True]
    images.close()
    asked.engine.close()
    engine.silence()


def test_positions_after_a_picture_count_rows_and_columns(engine: ModuleType, qwen_pair: Pair) -> None:
    asked = Asked(qwen_pair)
    (chunk,) = [unit for unit in asked.engine.images.see(noise(112, 84)).units if not isinstance(unit, int)]
    assert (chunk.tokens, chunk.positions) == (4 * 3, 4)
    asked.engine.close()
    engine.silence()


@pytest.mark.parametrize("name", ["llama_pair", "qwen_pair", "gemma_pair"])
def test_the_first_answer_is_that_of_the_librarys_own_handler(
    request: pytest.FixtureRequest, engine: ModuleType, name: str
) -> None:
    from llama_cpp import Llama
    from llama_cpp.llama_chat_format import MTMDChatHandler

    pair: Pair = request.getfixturevalue(name)
    side = 112
    picture = noise(side, side, 3)
    png = io.BytesIO()
    Image.frombytes("RGB", (side, side), picture.rows).save(png, "PNG")
    url = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
    handler = MTMDChatHandler(str(pair.projector), verbose=False)
    chat = Llama(str(pair.model), chat_handler=handler, n_ctx=512, n_threads=1, verbose=False)
    parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "What is this?"}]
    done = chat.create_chat_completion(
        [{"role": "user", "content": parts}], temperature=0, repeat_penalty=1.0, max_tokens=96
    )
    wanted = done["choices"][0]["message"]["content"]
    chat.close()
    asked = Asked(pair)
    answer, _ = asked.ask(user("What is this?", picture), sampling=Sampling(max_tokens=96))
    said = b"".join(map(asked.engine.model.piece, answer.tokens))
    asked.engine.close()
    engine.silence()
    assert said.decode(errors="ignore") == wanted, "the handler drops what is no text"
    assert answer.text == said.decode(errors="replace")
    assert len(wanted) > 10


def test_a_chain_of_two_answers_is_one_text(asked: Asked) -> None:
    """What a model reads of its own answer are the tokens that it wrote, not what their text becomes."""
    first = user("What is this?", PICTURE)
    answer, _ = asked.ask(first)
    asked.ask(first, answer, user("Sure?"))
    units = [unit for unit in asked.engine.context._units if isinstance(unit, int)]
    tokens = list(answer.tokens)
    assert any(units[place : place + len(tokens)] == tokens for place in range(len(units)))
    assert asked.engine.model.tokens(answer.text) != tokens, "this text would not have proved anything"
