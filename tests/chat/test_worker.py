"""The engine in the child: choosing tokens, labels, grammars, adapters, limits, and stopping."""

from __future__ import annotations

import ctypes
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from dermagui.chat.protocol import Adapter, Rgb, Sampling
from dermagui.chat.worker import processor
from dermagui.errors import DataError, DermaError, ServiceError, Stopped, UserError
from tests.fakes.chatting import noise, request_of, user
from tests.fakes.tiny_models import Pair, write_adapter, write_misfit_adapter

if TYPE_CHECKING:
    from dermagui.chat.worker.engine import Engine

QUESTION = user("What is this?", noise(56, 56))
SCHEMA = {
    "type": "object",
    "properties": {"label": {"enum": ["nevus", "melanoma"]}, "sure": {"type": "boolean"}},
    "required": ["label", "sure"],
}


class Ears:
    """Hears what the engine tells, and says when to stop."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.looks_left = math.inf

    def tell(self, event: str, **values: object) -> None:
        self.told.append({"event": event, **values})

    def halt(self) -> bool:
        self.looks_left -= 1
        return self.looks_left < 0

    @property
    def text(self) -> str:
        return "".join(event["text"] for event in self.told if event["event"] == "token")


@pytest.fixture(scope="module")
def ears() -> Ears:
    return Ears()


@pytest.fixture(scope="module")
def loaded(engine: ModuleType, llama_pair: Pair, ears: Ears) -> Iterator[Engine]:
    from dermagui.chat.worker.engine import Engine, started

    loaded = Engine(
        request_of(llama_pair, batch_tokens=32, context_tokens=512), started(), ears.halt, ears.tell
    )
    yield loaded
    loaded.close()
    engine.silence()


@pytest.fixture(autouse=True)
def fresh(ears: Ears) -> None:
    ears.told.clear()
    ears.looks_left = math.inf


def code_of(raised: pytest.ExceptionInfo[DermaError]) -> str:
    return raised.value.code


# choosing tokens


def test_temperature_zero_needs_no_luck(loaded: Engine) -> None:
    answers = {tuple(loaded.ask([QUESTION], Sampling(16, seed=seed)).tokens) for seed in range(3)}
    assert len(answers) == 1


def test_a_seed_gives_the_same_answer_again_and_another_one_another(loaded: Engine) -> None:
    warm = [Sampling(16, temperature=1.0, seed=seed) for seed in (1, 1, 2, -1)]
    first, again, other, negative = (loaded.ask([QUESTION], sampling).tokens for sampling in warm)
    assert first == again
    assert len({tuple(first), tuple(other), tuple(negative)}) == 3


def test_the_likeliest_alone_is_greedy(loaded: Engine) -> None:
    greedy = loaded.ask([QUESTION], Sampling(16)).tokens
    for narrow in ({"top_k": 1}, {"top_p": 0.0}, {"min_p": 1.0}):
        warm = Sampling(**({"max_tokens": 16, "temperature": 1.0, "seed": 3} | narrow))
        assert loaded.ask([QUESTION], warm).tokens == greedy


def test_a_penalty_breaks_repetition(loaded: Engine) -> None:
    plain = loaded.ask([QUESTION], Sampling(64)).tokens
    varied = loaded.ask([QUESTION], Sampling(64, repeat_penalty=10.0)).tokens
    assert len(set(varied)) == 64 > len(set(plain))


def test_letters_are_told_whole_and_nothing_gets_lost(loaded: Engine, ears: Ears) -> None:
    result = loaded.ask([QUESTION], Sampling(200, temperature=3.0, top_k=0, top_p=1.0, min_p=0.0, seed=5))
    raw = b"".join(map(loaded.model.piece, result.tokens))
    assert ears.text == raw.decode("utf-8", "replace")
    assert any(byte > 0x7F for byte in raw)


def test_a_piece_longer_than_the_buffer_is_whole(loaded: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    token = loaded.model.tokens("<|im_start|>")[0]
    monkeypatch.setattr(loaded.model, "_piece", ctypes.create_string_buffer(3))
    assert loaded.model.piece(token, special=True) == b"<|im_start|>"
    assert loaded.model.piece(token) == b""


def test_any_text_becomes_tokens_and_text_again(loaded: Engine) -> None:
    for text in ("", "nevus", " ünd 痣 \n\0", "<|im_end|>", "\ud800"):
        tokens = loaded.model.tokens(text, special=False)
        raw = b"".join(map(loaded.model.piece, tokens))
        assert raw == text.encode("utf-8", "replace")


def test_control_tokens_of_a_user_stay_text(loaded: Engine) -> None:
    end = loaded.model.tokens("<|im_end|>")
    assert len(end) == 1
    loaded.ask([user("Hi<|im_end|>")], Sampling(1))
    assert loaded.context._units.count(end[0]) == 1


def test_a_text_begins_once(loaded: Engine) -> None:
    bos = 1
    assert loaded.model.begins([5, 6]) == [bos]
    assert loaded.model.begins([bos, 6]) == []


# limits


def test_an_answer_ends_where_it_was_told_to(loaded: Engine) -> None:
    result = loaded.ask([QUESTION], Sampling(5))
    assert (len(result.tokens), result.ended) == (5, "length")


def test_an_answer_ends_with_the_context(loaded: Engine) -> None:
    result = loaded.ask([user("a" * 440)], Sampling(400))
    assert result.ended == "context"
    assert result.prompt_tokens + len(result.tokens) == 512 + 1


def test_a_chat_that_is_too_long_says_so_and_harms_nothing(loaded: Engine) -> None:
    before = loaded.ask([QUESTION], Sampling(8)).tokens
    with pytest.raises(UserError) as raised:
        loaded.ask([QUESTION, user("a" * 600)], Sampling(8))
    assert code_of(raised) == "chat.too_long"
    assert raised.value.values["most"] == 512
    assert loaded.ask([QUESTION], Sampling(8)).tokens == before


def test_a_model_without_a_projector_chats_and_cannot_see(engine: ModuleType, llama_pair: Pair) -> None:
    from dermagui.chat.worker.engine import Engine, started

    blind = Engine(replace(request_of(llama_pair), mmproj=None), started(), lambda: False, Ears().tell)
    assert blind.ask([user("Hello")], Sampling(4)).tokens
    with pytest.raises(UserError) as raised:
        blind.ask([QUESTION], Sampling(4))
    assert code_of(raised) == "chat.cannot_see"
    blind.close()
    engine.silence()


def test_a_picture_that_has_to_be_seen_whole_must_fit(engine: ModuleType, gemma_pair: Pair) -> None:
    """llama.cpp would end the process."""
    from dermagui.chat.worker.engine import Engine, started

    wanted = request_of(gemma_pair, batch_tokens=8, image_tokens=8)
    small = Engine(wanted, started(), lambda: False, Ears().tell)
    with pytest.raises(UserError) as raised:
        small.ask([QUESTION], Sampling(4))
    assert code_of(raised) == "chat.image_too_large"
    assert raised.value.values == {"tokens": 16, "most": 8}
    assert small.ask([user("Hello")], Sampling(4)).tokens
    small.close()
    large = Engine(replace(wanted, image_tokens=16), started(), lambda: False, Ears().tell)
    assert large.ask([QUESTION], Sampling(4)).tokens
    large.close()
    engine.silence()


def test_rows_that_are_too_few_are_not_read_past_their_end(loaded: Engine) -> None:
    with pytest.raises(DataError) as raised:
        loaded.encode(Rgb("0" * 64, 560, 560, bytes(9)))
    assert code_of(raised) == "chat.image_failed"


@pytest.mark.parametrize("context", [-1, 0, 2**32 + 256])
def test_a_context_that_cannot_be_counted_is_not_taken_for_another(
    engine: ModuleType, llama_pair: Pair, context: int
) -> None:
    from dermagui.chat.worker.engine import Engine, started

    with pytest.raises(UserError) as raised:
        Engine(request_of(llama_pair, context_tokens=context), started(), lambda: False, Ears().tell)
    assert code_of(raised) == "chat.context_too_large"
    engine.silence()


def test_nothing_asked_is_said(loaded: Engine) -> None:
    template = replace(loaded.model.wanted, template="{{ messages[0].content }}")
    loaded.model.wanted, kept = template, loaded.model.wanted
    try:
        with pytest.raises(UserError) as raised:
            loaded.ask([user("", noise(56, 56))], Sampling(4))
    finally:
        loaded.model.wanted = kept
    assert code_of(raised) == "chat.nothing_asked"


# labels


def joint(loaded: Engine, prompt: Sequence[int], label: Sequence[int]) -> float:
    """The log-probability of a label the slow way: everything read anew for each of its tokens."""
    total = 0.0
    for place, token in enumerate(label):
        loaded.context.clear()
        loaded.context.evaluate([*prompt, *label[:place]])
        logits = loaded.context.logits()
        total += logits[token] - math.log(math.fsum(map(math.exp, logits)))
    return total


def test_labels_of_several_tokens_get_their_exact_probabilities(loaded: Engine) -> None:
    labels = ["nevus", "melanoma", "no"]
    told = loaded.classify([user("Which?")], labels)
    assert math.fsum(map(math.exp, told.labels)) == pytest.approx(1)
    text = "<|im_start|>user\nWhich?<|im_end|>\n<|im_start|>assistant\n"
    prompt = [1, *loaded.model.tokens(text)]
    slow = [joint(loaded, prompt, loaded.model.tokens(label)) for label in labels]
    total = math.log(math.fsum(map(math.exp, slow)))
    assert told.labels == pytest.approx([one - total for one in slow], abs=1e-3)
    best = labels[told.labels.index(max(told.labels))]
    assert b"".join(map(loaded.model.piece, told.tokens)).decode() == best


def test_a_label_that_begins_another_does_not_win_by_it(loaded: Engine) -> None:
    from dermagui.chat.worker.labels import tokens_of_labels

    end = loaded.model.end_of_turn
    apart = tokens_of_labels(loaded.model, ["nevus", "melanoma"], "\n")
    assert all(end not in tokens for tokens in apart)
    nested = tokens_of_labels(loaded.model, ["nevus", "nevus sebaceous"], "\n")
    assert all(tokens[-1] == end for tokens in nested)
    told = loaded.classify([user("Which?")], ["nevus", "nevus sebaceous"])
    assert end not in told.tokens


def test_asking_for_labels_leaves_the_chat_as_it_is(loaded: Engine) -> None:
    before = loaded.ask([QUESTION], Sampling(8)).tokens
    loaded.classify([QUESTION], ["nevus", "melanoma"])
    after = loaded.ask([QUESTION], Sampling(8))
    assert after.tokens == before
    assert after.reused_tokens > 16


@pytest.mark.parametrize("labels", [[], ["nevus"], ["nevus", "nevus"], ["nevus", ""], ["nevus", "x" * 400]])
def test_labels_that_cannot_be_told_apart_are_refused(loaded: Engine, labels: list[str]) -> None:
    with pytest.raises(UserError) as raised:
        loaded.classify([QUESTION], labels)
    assert code_of(raised) == "chat.bad_labels"


# grammars


@pytest.mark.parametrize(
    "schema",
    [
        SCHEMA,
        {"enum": ["mélanome", 'say "no"', "back\\slash", "two\nlines", "\u0001"]},
        {"type": "object", "properties": {'"\\é': {"const": None}}, "required": ['"\\é']},
        {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3},
        {"type": "object", "properties": {"at": {"type": "string", "format": "date"}}, "required": ["at"]},
        {"type": "string", "maxLength": 4},
        {"anyOf": [{"type": "null"}, {"const": 7}]},
        {"$ref": "#/$defs/x", "$defs": {"x": {"type": "boolean"}}},
    ],
)
def test_an_answer_keeps_to_its_schema(loaded: Engine, ears: Ears, schema: dict[str, Any]) -> None:
    for seed in range(3):
        ears.told.clear()
        sampling = Sampling(200, temperature=2.0, seed=seed)
        result = loaded.ask([QUESTION], sampling, schema=json.dumps(schema))
        assert result.ended == "end"
        answer = json.loads(ears.text)
        if schema is SCHEMA:
            assert answer["label"] in ("nevus", "melanoma")
            assert isinstance(answer["sure"], bool)
        elif "enum" in schema:
            assert answer in schema["enum"]
        elif "minItems" in schema:
            assert 2 <= len(answer) <= 3


@pytest.mark.parametrize(
    "schema",
    [
        "",
        "[]",
        "no json",
        '{"type": "no such type"}',
        '{"$ref": "https://example.org/schema.json"}',
        '{"$ref": "file:///etc/passwd"}',
        '{"$ref": "#/nowhere"}',
        '{"type": "array", "items": {}, "maxItems": 100000000}',
        '{"type": "string", "minLength": 100000000}',
        '{"const": "' + "x" * 70_000 + '"}',
        '{"items":' * 20_000 + "{}" + "}" * 20_000,
        '{"const": "\\ud800"}',
        '{"$ref": "#/$defs/x", "$defs": {"x": {"$ref": "#/$defs/x"}}}',
    ],
)
def test_a_schema_that_cannot_be_kept_is_refused_before_anything_is_read(
    loaded: Engine, ears: Ears, schema: str
) -> None:
    with pytest.raises(UserError) as raised:
        loaded.ask([QUESTION], Sampling(4), schema=schema)
    assert code_of(raised) == "chat.bad_schema"
    assert raised.value.values["detail"]
    assert not ears.text


# adapters


def test_an_adapter_that_does_not_fit_is_refused_and_harms_nothing(loaded: Engine, tmp_path: Path) -> None:
    before = loaded.ask([QUESTION], Sampling(8)).tokens
    torn = tmp_path / "torn.gguf"
    torn.write_bytes(write_adapter(tmp_path / "whole.gguf").read_bytes()[:-100])
    for path in (write_misfit_adapter(tmp_path / "misfit.gguf"), torn, tmp_path / "missing.gguf"):
        with pytest.raises(DataError) as raised:
            loaded.ask([QUESTION], Sampling(8), [Adapter(str(path))])
        assert code_of(raised) == "chat.adapter_failed"
    assert loaded.ask([QUESTION], Sampling(8)).tokens == before


# stopping


@contextmanager
def when(loaded: Engine, ears: Ears, event: str, count: int) -> Iterator[None]:
    """A stop that comes some looks after the event was told so many times."""
    ears.told.clear()

    def tell(name: str, **values: object) -> None:
        ears.tell(name, **values)
        if [told["event"] for told in ears.told].count(event) == count:
            ears.looks_left = 3

    loaded._tell = tell
    try:
        yield
    finally:
        loaded._tell = ears.tell
        ears.looks_left = math.inf


def test_a_stop_while_reading_keeps_what_was_read(loaded: Engine, ears: Ears) -> None:
    long = user("a question of many words " * 15)
    wanted = loaded.ask([long], Sampling(8)).tokens
    loaded.context.clear()
    with when(loaded, ears, "progress", count=2):
        result = loaded.ask([long], Sampling(8))
    assert (result.ended, result.tokens) == ("stopped", [])
    again = loaded.ask([long], Sampling(8))
    assert again.tokens == wanted
    assert 32 <= again.reused_tokens <= 64


def test_a_stop_is_heard_within_one_batch(loaded: Engine, ears: Ears) -> None:
    loaded.context.clear()
    ears.looks_left = 3
    with pytest.raises(Stopped):
        loaded.context.evaluate(loaded.model.tokens("word " * 60))
    assert loaded.context.room == 512, "a batch that was not finished must not be taken for read"


def test_a_stop_while_answering_keeps_what_was_said(loaded: Engine, ears: Ears) -> None:
    whole = loaded.ask([QUESTION], Sampling(32)).tokens
    with when(loaded, ears, "token", count=5):
        result = loaded.ask([QUESTION], Sampling(32))
    assert (result.ended, result.tokens) == ("stopped", whole[:5])


def test_loading_can_be_stopped(engine: ModuleType, llama_pair: Pair) -> None:
    from dermagui.chat.worker.engine import Engine, started

    with pytest.raises(Stopped):
        Engine(request_of(llama_pair), started(), lambda: True, Ears().tell)
    engine.silence()


# where it runs


def test_as_many_layers_as_fit_go_to_the_graphics_card() -> None:
    from dermagui.chat.worker.model import layers_in, layers_to_try

    gigabyte = 10**9
    assert layers_in(8 * gigabyte, 200_000_000, gigabyte) == 31
    assert layers_in(gigabyte, 200_000_000, gigabyte) == 0
    assert layers_in(gigabyte, 0, 0) == 0
    assert list(layers_to_try(31)) == [31, 15, 7, 3, 1, 0]
    assert list(layers_to_try(0)) == [0]


def test_a_graphics_card_that_fails_is_left_for_the_cpu(
    engine: ModuleType, llama_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with too little memory on it: less and less is tried, and the answer says where it ended."""
    from dermagui.chat.worker import model
    from dermagui.chat.worker.engine import Engine, started
    from dermagui.chat.worker.native import GraphicsCard

    tried: list[int] = []
    load = model.llama.llama_model_load_from_file

    def fail_on_card(path: bytes, parameters: Any) -> object:  # noqa: ANN401, a structure of ctypes
        tried.append(parameters.n_gpu_layers)
        return None if parameters.n_gpu_layers else load(path, parameters)

    monkeypatch.setattr(model, "graphics_cards", lambda: [GraphicsCard("card", 10_000_000)])
    monkeypatch.setattr(model.llama, "llama_model_load_from_file", fail_on_card)
    wanted = replace(request_of(llama_pair), gpu_layer_bytes=1_000_000)
    loaded = Engine(wanted, started(), lambda: False, Ears().tell)
    assert tried == [9, 4, 2, 1, 0]
    assert loaded.model.description["gpu_layers"] == 0
    assert loaded.model.description["device"] == "CPU"
    assert loaded.ask([QUESTION], Sampling(4)).tokens
    loaded.close()
    engine.silence()


@pytest.mark.parametrize(
    ("flags", "missing"),
    [
        ("fpu sse4_2 avx avx2 bmi2 fma f16c", []),
        ("fpu sse4_2 avx f16c", ["avx2", "bmi2", "fma"]),
        ("fpu sse2", list(processor.NEEDED)),
        ("avx2x fpu", list(processor.NEEDED)),
    ],
)
def test_an_old_processor_is_told_from_a_new_one(flags: str, missing: list[str]) -> None:
    told = f"processor\t: 0\nmodel name\t: Some avx2 name\nflags\t\t: {flags}\nbugs\t\t:\n"
    assert processor.missing_of(told) == missing
    assert processor.missing_of("Processor\t: ARMv8\n") == []


def test_an_old_processor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    processor.check_processor()
    monkeypatch.setattr(processor, "missing_features", lambda: ["avx2"])
    with pytest.raises(UserError) as raised:
        processor.check_processor()
    assert code_of(raised) == "chat.cpu_too_old"
    assert raised.value.values == {"missing": ["avx2"]}


def test_a_failure_of_the_engine_is_told_with_its_own_words(
    loaded: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dermagui.chat.worker import context

    before = loaded.ask([QUESTION], Sampling(8)).tokens
    loaded.context.clear()
    monkeypatch.setattr(context.llama, "llama_decode", lambda *_: -3)
    with pytest.raises(ServiceError) as raised:
        loaded.ask([QUESTION], Sampling(8))
    assert code_of(raised) == "chat.failed"
    monkeypatch.undo()
    assert loaded.ask([QUESTION], Sampling(8)).tokens == before


def test_memory_of_a_closed_model_is_given_back(engine: ModuleType, llama_pair: Pair) -> None:
    """Twenty models one after the other; one that was not freed would keep its context of 64 MB."""
    import resource

    from dermagui.chat.worker.engine import Engine, started

    log = started()
    peaks = []
    for _ in range(20):
        loaded = Engine(request_of(llama_pair, context_tokens=262_144), log, lambda: False, Ears().tell)
        loaded.encode(noise(56, 56))
        loaded.close()
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert peaks[-1] - peaks[4] < 64_000, "kilobytes"
    engine.silence()
