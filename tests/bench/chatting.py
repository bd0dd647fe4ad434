"""A chat about a picture against llama-cpp-python's own handler, and against the bare evaluation of tokens.

A model of 207 million random weights with an image encoder of 86 million, one thread each. What a user waits
for is the first word of an answer, so that counts by the clock and not in processor time; ours is that of the
whole way, from the question of the caller through the child and back.
"""

from __future__ import annotations

import base64
import io
import random
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

from PIL import Image

from dermagui.chat.protocol import ChatTurn, Rgb, Sampling
from dermagui.chat.session import Answer, ModelFiles, Piece, Room, Session
from dermagui.records import Role
from tests.fakes.chatting import request_of
from tests.fakes.raw_engine import llama, silence
from tests.fakes.tiny_models import Pair, benchmark_pair

from .measure import Ratio, cost, in_turn, say, speed, temporary_folder

CONTEXT = 4096
SIDE = 224
FIRST_WORDS = 1_200
"""Tokens of the first question: a history, a report, the rules of the answer."""
ANSWER_TOKENS = 24
ROUNDS = 3
"""Few, since the handler takes ten seconds and more a round."""

SECOND = ChatTurn(Role.USER, "Is the border of it irregular?")
SPOKEN = Sampling(max_tokens=128, temperature=0.7, seed=1)

WATCHED = """
import mmap, struct, sys, time
from dermagui.chat.worker.native import llama
with open(sys.argv.pop(1), "r+b") as file:
    costs = mmap.mmap(file.fileno(), 16)
spent, decode = 0.0, llama.llama_decode
def watched(context, batch):
    global spent
    start = time.thread_time()
    code = decode(context, batch)
    spent += time.thread_time() - start
    struct.pack_into("dd", costs, 0, time.process_time(), spent)
    return code
llama.llama_decode = watched
from dermagui.cli.main import main
sys.exit(main())
"""
"""A child that keeps in a file what it has spent so far, all in all and in evaluating."""


def measure() -> list[Ratio]:
    """Three ratios; the seconds of the last one are those of one token."""
    say("writing a model of 207 million weights")
    silence()
    pair = benchmark_pair(temporary_folder() / "chatting")
    with Session(ModelFiles(pair.model, pair.projector), Room(CONTEXT, threads=1)) as session:
        chat = Chat(session)
        say(f"reading {chat.tokens:,} tokens and a picture, again and again")
        ours = Stopwatch(chat.first_word, chat.take_back)
        with bare_evaluation(pair, chat) as theirs:
            against_bare = in_turn(ours, Stopwatch(theirs), 3 * ROUNDS)
        with handler(pair, chat) as theirs:
            against_handler = in_turn(ours, Stopwatch(theirs), ROUNDS)
    return [
        speed("first word of turn two / of MTMDChatHandler", against_handler, at_least=8),
        cost("first word of turn two / new tokens alone", against_bare, at_most=1.5),
        cost("sampling, text, message / evaluation of a token", spoken(pair), at_most=0.03),
    ]


class Stopwatch:
    """The seconds by the clock that some work takes each time, after what ``prepare`` does."""

    def __init__(self, work: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> None:
        self._work, self._prepare = work, prepare

    def __call__(self) -> float:
        self._prepare()
        start = time.perf_counter()
        self._work()
        return time.perf_counter() - start


class Chat:
    """A chat after its first turn, to which it can be taken back."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.first = first_question()
        answer = self.take_back()
        self.turns = [self.first, ChatTurn(Role.ASSISTANT, answer.text, (), answer.tokens)]
        self.tokens = answer.prompt_tokens

    def take_back(self) -> Answer:
        """Answers the first question again, in the same words, so that nothing of the second is left."""
        return last_of(self._session, [self.first], Sampling(max_tokens=ANSWER_TOKENS))

    def first_word(self) -> None:
        """Asks the second question, up to the first token of its answer."""
        answer = last_of(self._session, [*self.turns, SECOND], Sampling(max_tokens=1))
        assert answer.reused_tokens == self.tokens + ANSWER_TOKENS - 1


def last_of(session: Session, turns: list[ChatTurn], sampling: Sampling) -> Answer:
    """The answer to a question."""
    *_, answer = session.ask(turns, sampling)
    assert isinstance(answer, Answer)
    assert answer.tokens, "the model ended before it began"
    return answer


def first_question() -> ChatTurn:
    """A long text, in letters of which each is a token, and a picture that needs no scaling."""
    chance = random.Random(3)
    words = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=FIRST_WORDS))
    rows = chance.randbytes(SIDE * SIDE * 3)
    return ChatTurn(Role.USER, words, (Rgb(sha256(rows).hexdigest(), SIDE, SIDE, rows),))


@contextmanager
def handler(pair: Pair, chat: Chat) -> Iterator[Callable[[], None]]:
    """The same second turn, asked of MTMDChatHandler."""
    from llama_cpp import Llama
    from llama_cpp.llama_chat_format import MTMDChatHandler

    looks = MTMDChatHandler(str(pair.projector), verbose=False, use_gpu=False)
    model = Llama(
        str(pair.model), chat_handler=looks, n_ctx=CONTEXT, n_threads=1, n_threads_batch=1, verbose=False
    )
    first, answer = chat.turns
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [picture_part(first.images[0]), {"type": "text", "text": first.text}]},
        {"role": "assistant", "content": answer.text},
        {"role": "user", "content": SECOND.text},
    ]

    def first_word() -> None:
        done = model.create_chat_completion(messages, max_tokens=1, temperature=0, repeat_penalty=1.0)
        assert done["usage"]["prompt_tokens"] > chat.tokens

    yield first_word
    model.close()


def picture_part(picture: Rgb) -> dict[str, Any]:
    """A picture as a part of a message."""
    png = io.BytesIO()
    Image.frombytes("RGB", (picture.width, picture.height), picture.rows).save(png, "PNG")
    url = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": url}}


@contextmanager
def bare_evaluation(pair: Pair, chat: Chat) -> Iterator[Callable[[], None]]:
    """One call of ``llama_decode`` with the tokens of the second question, behind all that came before."""
    from dermagui.chat.worker.engine import Engine, started

    log = started()
    engine = Engine(request_of(pair, context_tokens=CONTEXT), log, lambda: False, lambda *_, **__: None)
    tokens = engine.ask([chat.first], Sampling(max_tokens=ANSWER_TOKENS)).tokens
    engine.context.add(tokens[-1])
    end, context = CONTEXT - engine.context.room, engine.model.context
    words = f"<|im_end|>\n<|im_start|>user\n{SECOND.text}<|im_end|>\n<|im_start|>assistant\n"
    new = (llama.llama_token * 512)(*engine.model.tokens(words))
    count, greedy = len(engine.model.tokens(words)), llama.llama_sampler_init_greedy()

    def first_word() -> None:
        assert llama.llama_memory_seq_rm(llama.llama_get_memory(context), 0, end, -1)
        assert llama.llama_decode(context, llama.llama_batch_get_one(new, count)) == 0
        llama.llama_sampler_sample(greedy, context, -1)

    yield first_word
    llama.llama_sampler_free(greedy)
    engine.close()
    silence()


def spoken(pair: Pair) -> tuple[float, float]:
    """What a token of an answer costs besides its evaluation, and that; of caller and child together."""
    costs = temporary_folder() / "costs"
    costs.write_bytes(bytes(16))
    watched = [sys.executable, "-c", WATCHED, str(costs)]
    with (
        patch("dermagui.chat.child.program", lambda: watched),
        Session(ModelFiles(pair.model, pair.projector), Room(CONTEXT, threads=1)) as session,
    ):
        rounds = [spoken_once(session, costs) for _ in range(2 * ROUNDS)][1:]
    return sorted(rounds, key=lambda seconds: seconds[0] / seconds[1])[len(rounds) // 2]


def spoken_once(session: Session, costs: Path) -> tuple[float, float]:
    """The same of one answer."""
    pieces = (event for event in session.ask([first_question()], SPOKEN) if isinstance(event, Piece))
    next(pieces), next(pieces)  # before the first token the prompt is evaluated
    before = time.process_time(), *struct.unpack("dd", costs.read_bytes())
    tokens = sum(1 for _ in pieces)
    after = time.process_time(), *struct.unpack("dd", costs.read_bytes())
    assert tokens > SPOKEN.max_tokens // 2, tokens
    caller, child, evaluation = (last - first for first, last in zip(before, after, strict=True))
    return (caller + child - evaluation) / tokens, evaluation / tokens
