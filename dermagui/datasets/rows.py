"""What every format needs of an ``ExportRow``: its kind worded in turns, its columns, what it asks of a file.

A pair keeps in its ``payload`` what its kind needs besides turns. A model learns from turns alone, so
``express`` words that part:

=============  ===============================================  ======================================
kind           payload                                          becomes
=============  ===============================================  ======================================
choice         ``options`` (list, or letter to text), ``key``   options under the question, the key's
                (a letter)                                      option before the answer
instruction    ``input`` (text)                                 text under the instruction
case           ``fields`` (name to value): what the reader      lines above the question
               is told; other keys are not shown
=============  ===============================================  ======================================

What the turns already say is not said twice. The payload travels as JSON in the column ``payload``, and
the turns as they are stored in ``turns`` where wording changed them, so reading gives back the same row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from string import ascii_uppercase

from dermagui.errors import DataError
from dermagui.records import ExportRow, PairKind, Role, Split, Turn

IMAGE_MARK = "<image>"
"""Stands for an image in formats whose turns are plain text."""

_OF_FORMATS = (
    *("id", "kind", "split", "payload", "turns", "generated_turns", "image", "images", "messages"),
    *(
        "conversations",
        "instruction",
        "input",
        "output",
        "question",
        "answer",
        "prompt",
        "chosen",
        "rejected",
    ),
)
RESERVED_COLUMNS = frozenset({*_OF_FORMATS, "completion", "label", "text"})
"""Columns of the formats, and those whose mere presence changes how trl reads a dataset."""


class Refusal(StrEnum):
    """Why a format cannot carry a row without loss. The values are codes that ``texts.py`` words."""

    NO_QUESTION = "row.no_question"
    NO_ANSWER = "row.no_answer"
    TURN_ORDER = "row.turn_order"
    CHOICE_INCOMPLETE = "row.choice_incomplete"
    DIALOGUE = "row.dialogue"
    SYSTEM_TURN = "row.system_turn"
    SEVERAL_IMAGES = "row.several_images"
    TEXT_ONLY = "row.text_only"
    IMAGE_MARK = "row.image_mark"
    SEPARATOR_IN_PATH = "row.separator_in_path"
    UNCHANGED = "row.unchanged"
    EARLIER_TURN_CHANGED = "row.earlier_turn_changed"


UNTRAINABLE = frozenset(
    {Refusal.NO_QUESTION, Refusal.NO_ANSWER, Refusal.TURN_ORDER, Refusal.CHOICE_INCOMPLETE}
)
"""What no format carries: no chat template and no trainer can make anything of it."""


def refusals(row: ExportRow) -> set[Refusal]:
    """Everything about a row that some format cannot carry."""
    turns = express(row.kind, row.turns, row.payload)
    spoken = [turn for turn in turns if turn.role is not Role.SYSTEM]
    questions = [turn.text for turn in spoken if turn.role is Role.USER]
    answers = [turn.text for turn in spoken if turn.role is Role.ASSISTANT]
    captions = row.kind is PairKind.CAPTION and bool(row.images) and not questions
    roles = [Role.USER] * captions + [turn.role for turn in spoken]
    found = {
        Refusal.NO_QUESTION: not captions and not (questions and all(map(str.strip, questions))),
        Refusal.NO_ANSWER: not (answers and all(map(str.strip, answers))) or roles[-1] is not Role.ASSISTANT,
        Refusal.TURN_ORDER: not _alternates(roles) or Role.SYSTEM in [turn.role for turn in turns[1:]],
        Refusal.CHOICE_INCOMPLETE: row.kind is PairKind.CHOICE and not _choice(row.payload),
        Refusal.DIALOGUE: len(spoken) > 2,
        Refusal.SYSTEM_TURN: len(spoken) < len(turns),
        Refusal.SEVERAL_IMAGES: len(row.images) > 1,
        Refusal.TEXT_ONLY: not row.images,
        Refusal.IMAGE_MARK: any(IMAGE_MARK in turn.text for turn in turns),
        Refusal.SEPARATOR_IN_PATH: any(";" in path or not path for path in row.images),
        **_preference_refusals(row, turns),
    }
    return {refusal for refusal, holds in found.items() if holds}


def express(kind: PairKind, turns: tuple[Turn, ...], payload: Mapping[str, object]) -> tuple[Turn, ...]:
    """The turns that a model is trained on: those given, and what the kind's payload adds to them."""
    if kind is PairKind.CHOICE and (choice := _choice(payload)):
        options, answer = choice
        lines = [f"{letter}. {text}" for letter, text in options.items()]
        asked = _amended(turns, Role.USER, lambda text: _below(text, lines, tuple(options.values())))
        if all(turn.role is not Role.ASSISTANT for turn in turns):
            return (*asked, Turn(Role.ASSISTANT, f"{answer}. {options[answer]}"))
        return _amended(asked, Role.ASSISTANT, lambda text: _answered(text, answer, options[answer]))
    if kind is PairKind.INSTRUCTION and isinstance(payload.get("input"), str) and payload["input"]:
        return _amended(turns, Role.USER, lambda text: _below(text, [str(payload["input"])]))
    if kind is PairKind.CASE and isinstance(fields := payload.get("fields"), Mapping):
        lines = [f"{name}: {said}" for name, value in fields.items() if (said := _worded(value))]
        return _amended(turns, Role.USER, lambda text: _above(text, lines))
    return turns


def columns(row: ExportRow) -> dict[str, object]:
    """The flat columns that every format puts beside its own, provenance last."""
    return {
        "kind": row.kind.value,
        "split": row.split.value,
        "payload": json.dumps(row.payload, ensure_ascii=False) if row.payload else "",
        "turns": stored_turns(row, row.turns),
        **{name: _guarded(value) for name, value in row.provenance.items()},
    }


def stored_turns(row: ExportRow, turns: tuple[Turn, ...]) -> str:
    """Turns as JSON where ``express`` words them differently, else nothing."""
    if express(row.kind, turns, row.payload) == turns:
        return ""
    return json.dumps([[turn.role.value, turn.text] for turn in turns], ensure_ascii=False)


def restored(read: Mapping[str, object], said: tuple[Turn, ...], images: tuple[str, ...]) -> ExportRow:
    """The row of an object that a format read: its columns, what was said, its images.

    Columns that another program's file lacks take their defaults (open, train). Raises ``DataError``
    ``dataset.turns_differ`` where text and stored turns of a row no longer agree, ``ValueError`` where
    nothing was said.
    """
    if not said:
        raise ValueError("a row says something")
    kind = PairKind(str(read.get("kind") or PairKind.OPEN.value))
    payload = json.loads(str(read.get("payload") or "{}"))
    return ExportRow(
        uid=str(read.get("id", "")),
        kind=kind,
        split=Split(str(read.get("split") or Split.TRAIN.value)),
        turns=unstored_turns(read, "turns", kind, payload, said),
        generated_turns=(),
        images=images,
        payload=payload,
        provenance={
            name: _unguarded(value)
            for name, value in read.items()
            if name not in RESERVED_COLUMNS and isinstance(value, str | int | float)
        },
    )


def unstored_turns(
    read: Mapping[str, object],
    column: str,
    kind: PairKind,
    payload: Mapping[str, object],
    said: tuple[Turn, ...],
) -> tuple[Turn, ...]:
    """The inverse of ``stored_turns``: what the column holds, else what was said."""
    stored = read.get(column)
    if not stored:
        return said
    turns = tuple(Turn(Role(role), text) for role, text in json.loads(str(stored)))
    if express(kind, turns, payload) != said:
        raise DataError("dataset.turns_differ", id=str(read.get("id", "")))
    return turns


def kept(row: ExportRow) -> ExportRow:
    """The row as a format without preferences gives it back: all but the generated turns."""
    return replace(row, generated_turns=())


def one_exchange(turns: tuple[Turn, ...]) -> tuple[str | None, str]:
    """Question (None for a bare caption) and answer of turns that are no dialogue."""
    texts = {turn.role: turn.text for turn in turns}
    return texts.get(Role.USER), texts[Role.ASSISTANT]


def exchange_turns(question: str | None, answer: str) -> tuple[Turn, ...]:
    """The inverse of ``one_exchange``."""
    asked = () if question is None else (Turn(Role.USER, question),)
    return (*asked, Turn(Role.ASSISTANT, answer))


def _preference_refusals(row: ExportRow, turns: tuple[Turn, ...]) -> dict[Refusal, bool]:
    generated = express(row.kind, row.generated_turns, row.payload)
    unchanged = not row.generated_turns or generated == turns
    return {
        Refusal.UNCHANGED: unchanged,
        Refusal.EARLIER_TURN_CHANGED: not unchanged
        and (generated[:-1] != turns[:-1] or generated[-1].role is not Role.ASSISTANT),
    }


def _alternates(roles: list[Role]) -> bool:
    return all(role is (Role.USER, Role.ASSISTANT)[n % 2] for n, role in enumerate(roles))


def _choice(payload: Mapping[str, object]) -> tuple[dict[str, str], str] | None:
    """The options by letter and the letter of the right one; None where the payload does not hold both."""
    options, key = payload.get("options"), str(payload.get("key"))
    if isinstance(options, list | tuple):
        options = dict(zip(ascii_uppercase, options, strict=False)) if len(options) <= 26 else {}
    if not isinstance(options, Mapping) or len(options) < 2:
        return None
    worded = {str(letter): str(text) for letter, text in options.items()}
    return (worded, key) if key in worded else None


def _worded(value: object) -> str:
    if value is None:
        return ""
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _amended(turns: tuple[Turn, ...], role: Role, amend: Callable[[str], str]) -> tuple[Turn, ...]:
    """The turns with the first one of a role changed."""
    n = next((n for n, turn in enumerate(turns) if turn.role is role), None)
    if n is None:
        return turns
    return (*turns[:n], Turn(role, amend(turns[n].text)), *turns[n + 1 :])


def _below(text: str, lines: list[str], told: tuple[str, ...] = ()) -> str:
    return text if all(part in text for part in told or lines) else "\n\n".join((text, "\n".join(lines)))


def _above(text: str, lines: list[str]) -> str:
    return text if all(line in text for line in lines) else "\n\n".join(("\n".join(lines), text))


def _answered(text: str, letter: str, option: str) -> str:
    names_letter = re.match(rf"\(?{re.escape(letter)}\s*([.):,–—-]|$)", text.strip())
    if names_letter or text.strip().casefold().startswith(option.casefold()):
        return text
    return f"{letter}. {option}\n\n{text}".rstrip()


_DATE = re.compile(r"\d{4}-\d\d-\d\d([ T][\d:]+(Z|[+-][\d:]+)?)?\s*")


def _guarded(value: object) -> object:
    """A bare date gets a blank at its end, else Arrow makes times of a column of texts.

    It does so where the whole first block looks like dates (a folder named by its day is a source's
    name), and then fails at the first text that is none.
    """
    return f"{value} " if isinstance(value, str) and _DATE.fullmatch(value) else value


def _unguarded(value: object) -> object:
    is_guarded = isinstance(value, str) and value.endswith(" ") and _DATE.fullmatch(value)
    return str(value)[:-1] if is_guarded else value
