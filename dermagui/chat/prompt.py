"""Turns of a chat → the prompt that the model was trained on, by the chat template of its GGUF file.

The template is a program of a stranger: it runs in jinja2's sandbox. What must not be confused with text,
a picture and the model's own tokens of an earlier answer, goes through it as a mark of chance letters, and
is put in its place afterwards.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any, NoReturn

import jinja2
import jinja2.nodes
import jinja2.parser
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

from dermagui.chat.protocol import ChatTurn, Rgb
from dermagui.errors import DataError
from dermagui.records import Role

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""For models that bring no template: what llama.cpp itself takes then."""


@dataclass(frozen=True, slots=True)
class Text:
    """Words of the prompt; ``special``: what looks like a control token is one."""

    text: str
    special: bool = True


Part = Text | Rgb | tuple[int, ...]
"""A piece of a prompt: words, a picture, or tokens as the model generated them."""


@dataclass(frozen=True, slots=True)
class Ends:
    """The words by which a model begins and ends a text, as templates name them."""

    bos: str = ""
    eos: str = ""


def parts_of_prompt(
    template: str, turns: Sequence[ChatTurn], ends: Ends, looks_special: Callable[[str], bool]
) -> list[Part]:
    """The prompt for the next answer, in order.

    ``looks_special`` says whether a text contains the name of a control token; what a user writes stays
    text all the same. Raises what ``check_template`` raises, and ``DataError`` ``chat.template_error`` where
    the template refuses these turns, or drops some of what was said.
    """
    compiled = _compile(template)
    failure: DataError | None = None
    # Some templates know no system turn; some want text and pictures as a list of parts.
    for shape, with_system in product((_as_text, _as_parts), (turns, _without_system(turns))):
        try:
            return _parts(compiled, _Marks(with_system, looks_special), shape, ends)
        except DataError as error:
            failure = failure or error
    assert failure is not None
    raise failure


def check_template(template: str) -> None:
    """Raises ``DataError``: ``chat.template_syntax`` where a template does not parse, ``chat.template_error``
    where it is too much for the parser.
    """
    _compile(template)


def _compile(template: str) -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _Generation]
    )
    environment.filters["tojson"] = _to_json
    environment.globals |= {
        "raise_exception": _raise,
        "strftime_now": _strftime_now,
    }
    try:
        return environment.from_string(template)
    except jinja2.TemplateSyntaxError as error:
        detail = (error.message or "")[:300]
        raise DataError("chat.template_syntax", line=error.lineno, detail=detail) from error
    except Exception as error:  # whatever a stranger's program makes the parser raise
        raise _template_error(error) from error


class _Generation(Extension):
    """``{% generation %}`` marks what training learns from; here it means nothing."""

    tags = {"generation"}  # noqa: RUF012, as jinja2 declares it

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        """The body alone."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _to_json(value: object, ensure_ascii: bool = False, indent: int | None = None, **_: object) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


def _strftime_now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)


def _raise(message: object) -> NoReturn:
    raise jinja2.TemplateError(str(message))


def _template_error(error: Exception) -> DataError:
    line = getattr(error, "lineno", None)
    detail = (f"line {line}: " if line else "") + (str(error) or type(error).__name__)
    return DataError("chat.template_error", detail=detail[:300])


Message = dict[str, Any]
Shape = Callable[[Role, list[str]], Message]


def _as_text(role: Role, pieces: list[str]) -> Message:
    return {"role": str(role), "content": "".join(pieces)}


def _as_parts(role: Role, pieces: list[str]) -> Message:
    return {"role": str(role), "content": [{"type": "text", "text": piece} for piece in pieces]}


class _Marks:
    """The turns with marks in place of what the template must not touch, and what the marks stand for."""

    def __init__(self, turns: Sequence[ChatTurn], looks_special: Callable[[str], bool]) -> None:
        self._nonce = secrets.token_hex(8)
        self.parts: list[Part] = []
        self.plain: list[tuple[Role, list[str]]] = []
        self.tokened: list[tuple[Role, list[str]]] = []
        self.answers: dict[str, str] = {}
        self.needles: list[str] = []
        for turn in turns:
            self._add(turn, looks_special(turn.text))

    def _add(self, turn: ChatTurn, literal: bool) -> None:
        images = [self._mark(image) for image in turn.images]
        text = self._mark(Text(turn.text, special=False)) if literal else turn.text
        self.needles += images if turn.role is Role.ASSISTANT else [*images, text.strip()]
        self.plain.append((turn.role, [*images, text]))
        if turn.tokens:
            text = self._mark(turn.tokens)
            self.answers[text] = turn.text
        self.tokened.append((turn.role, [*images, text]))

    def _mark(self, part: Part) -> str:
        self.parts.append(part)
        return f"[{self._nonce}-{len(self.parts) - 1}]"

    def split(self, prompt: str) -> list[Part]:
        """A rendered prompt with the marks replaced by what they stand for."""
        pieces = re.split(rf"\[{self._nonce}-(\d+)\]", prompt)
        parts = [self.parts[int(piece)] if place % 2 else Text(piece) for place, piece in enumerate(pieces)]
        return [part for part in parts if not isinstance(part, Text) or part.text]


def _parts(template: jinja2.Template, marks: _Marks, shape: Shape, ends: Ends) -> list[Part]:
    plain = _render(template, [shape(*turn) for turn in marks.plain], ends)
    if shape is _as_parts and "{'type': 'text'" in plain:
        raise DataError("chat.template_error", detail="it knows no parts")
    _refuse_lost(plain, marks.needles)
    if marks.answers:
        tokened = _render(template, [shape(*turn) for turn in marks.tokened], ends)
        # A template may rewrite earlier answers, such as by leaving thoughts out; then it has its way.
        if plain in (_filled(tokened, marks.answers, str), _filled(tokened, marks.answers, str.strip)):
            return marks.split(tokened)
    return marks.split(plain)


def _render(template: jinja2.Template, messages: list[Message], ends: Ends) -> str:
    try:
        return template.render(
            messages=messages, add_generation_prompt=True, bos_token=ends.bos, eos_token=ends.eos, tools=None
        )
    except Exception as error:  # whatever a stranger's program runs into
        raise _template_error(error) from error


def _refuse_lost(prompt: str, needles: list[str]) -> None:
    """Raises where something that was said is not in the prompt, or not in its order."""
    place = 0
    for needle in needles:
        found = prompt.find(needle, place)
        if found < 0:
            raise DataError("chat.template_error", detail="it leaves out a part of what was said")
        place = found + len(needle)


def _filled(prompt: str, answers: dict[str, str], trim: Callable[[str], str]) -> str:
    for mark, answer in answers.items():
        prompt = prompt.replace(mark, trim(answer))
    return prompt


def _without_system(turns: Sequence[ChatTurn]) -> Sequence[ChatTurn]:
    """The system turn said by the user, at the beginning of the first question."""
    if len(turns) < 2 or turns[0].role is not Role.SYSTEM:
        return turns
    first, second, *rest = turns
    text = f"{first.text}\n\n{second.text}"
    return [ChatTurn(second.role, text, second.images, second.tokens), *rest]
