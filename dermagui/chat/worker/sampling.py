"""Chooses tokens: a chain of samplers of llama.cpp, and grammars that are made from JSON schemas only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import llama_cpp.llama_grammar

from dermagui.chat.protocol import Sampling
from dermagui.chat.worker.model import Model
from dermagui.chat.worker.native import llama
from dermagui.errors import UserError

LONGEST_SCHEMA = 64 * 1024
MOST_REPEATED = 256
"""A longer repetition nests that deep in a grammar, and its parser knows no bound of its own."""

_converters: Any = llama_cpp.llama_grammar
_CHARACTER = r'[^"\\\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F])'
_PENALTY_WINDOW = 64
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength")


@contextmanager
def sampler(model: Model, wanted: Sampling, grammar: str | None, prompt: Iterable[int]) -> Iterator[Any]:
    """A chain of samplers. The grammar comes first: what it forbids must not crowd out what it allows."""
    chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
    try:
        if grammar is not None:
            llama.llama_sampler_chain_add(chain, _grammar_sampler(model, grammar))
        if wanted.repeat_penalty != 1.0:
            llama.llama_sampler_chain_add(chain, _penalties(model, wanted, prompt))
        for step in _steps(wanted):
            llama.llama_sampler_chain_add(chain, step)
        yield chain
    finally:
        llama.llama_sampler_free(chain)


def _steps(wanted: Sampling) -> list[Any]:
    if wanted.temperature <= 0:
        return [llama.llama_sampler_init_greedy()]
    return [
        llama.llama_sampler_init_top_k(wanted.top_k),
        llama.llama_sampler_init_top_p(wanted.top_p, 1),
        llama.llama_sampler_init_min_p(wanted.min_p, 1),
        llama.llama_sampler_init_temp(wanted.temperature),
        llama.llama_sampler_init_dist(wanted.seed & 0xFFFFFFFF),
    ]


def _penalties(model: Model, wanted: Sampling, prompt: Iterable[int]) -> object:
    words = llama.llama_vocab_n_tokens(model.vocabulary)
    penalties = llama.llama_sampler_init_penalties(words, _PENALTY_WINDOW, wanted.repeat_penalty, 0.0, 0.0)
    for token in list(prompt)[-_PENALTY_WINDOW:]:
        llama.llama_sampler_accept(penalties, token)
    return penalties


def _grammar_sampler(model: Model, grammar: str) -> object:
    made = llama.llama_sampler_init_grammar(model.vocabulary, grammar.encode(), b"root")
    if not made:  # added to a chain all the same, a null pointer would end the process
        raise UserError("chat.bad_schema", detail=model.error() or "no grammar can be made of it")
    return made


def grammar_of(schema: str) -> str:
    """The grammar of all JSON texts that a schema allows. Raises ``UserError`` ``chat.bad_schema``.

    Nothing is fetched: a reference can only point into the schema itself.
    """
    try:
        if len(schema) > LONGEST_SCHEMA:
            raise ValueError(f"longer than {LONGEST_SCHEMA} characters")
        wanted = json.loads(schema)
        if not isinstance(wanted, dict):
            raise ValueError("a schema is an object")
        _refuse_endless(wanted)
        converter = _Converter(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)
        converter.visit(converter.resolve_refs(wanted, ""), "")
        grammar = str(converter.format_grammar())
        grammar.encode()
        return grammar
    except (Exception, RecursionError) as error:  # the converter raises whatever it stumbles over
        detail = str(error) or type(error).__name__
        raise UserError("chat.bad_schema", detail=detail[:300]) from error


class _Converter(_converters.SchemaConverter):  # type: ignore[misc]
    """The converter of the library, which lets control characters into texts and stumbles over quotes."""

    def _format_literal(self, literal: str) -> str:
        """A constant of JSON as the model should write it: letters as they are, not as numbers."""
        text = json.dumps(json.loads(literal), ensure_ascii=False)
        escaped = text.replace("\\", r"\\").replace('"', r"\"")
        return f'"{escaped}"'

    def _add_primitive(self, name: str, rule: Any) -> str:  # noqa: ANN401, a class of the library
        strict = _converters.BuiltinRule(_CHARACTER) if name == "char" else rule
        return str(super()._add_primitive(name, strict))


def _refuse_endless(schema: object) -> None:
    if isinstance(schema, dict):
        for name in _COUNTS:
            if isinstance(schema.get(name), int) and schema[name] > MOST_REPEATED:
                raise ValueError(f"{name} is more than {MOST_REPEATED}")
    children = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    for child in children:
        _refuse_endless(child)
