"""Sentences of the Chat page that stand in more than one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication, QLocale

from dermagui.ui import texts
from dermagui.ui.shell.words import whole

_ENDED = {
    "length": QT_TRANSLATE_NOOP("chat", "Cut off: the most tokens of an answer were reached."),
    "context": QT_TRANSLATE_NOOP("chat", "Cut off: the context is full. Start anew, or choose a larger one."),
    "stopped": QT_TRANSLATE_NOOP("chat", "Stopped."),
}
_STATES = {
    "changed": QT_TRANSLATE_NOOP("chat", "its file was changed since"),
    "gone": QT_TRANSLATE_NOOP("chat", "its file is gone"),
}
_DOING = {
    "load": QT_TRANSLATE_NOOP("chat", "Loading the model"),
    "encode": QT_TRANSLATE_NOOP("chat", "Looking at the picture"),
    "prompt": QT_TRANSLATE_NOOP("chat", "Reading the question"),
}

_SURETY = {
    "classify.clear": QT_TRANSLATE_NOOP("chat", "clearly"),
    "classify.leaning": QT_TRANSLATE_NOOP("chat", "leans to it"),
    "classify.undecided": QT_TRANSLATE_NOOP("chat", "undecided"),
}


def tr(text: object) -> str:
    """One of the texts above in the user's language."""
    return QCoreApplication.translate("chat", str(text))


def phantom_words() -> str:
    """What the model that came with the program is for."""
    return QCoreApplication.translate("chat", "it knows drawn shapes, nothing about skin")


def doing_words(doing: str) -> str:
    """What the engine does before the first word."""
    return tr(_DOING.get(doing, _DOING["load"]))


def state_words(state: str) -> str:
    """What became of a file of the reference library; nothing where it is as it was."""
    return tr(_STATES[state]) if state in _STATES else ""


def gigabytes(size_bytes: int) -> str:
    """A size as people say it."""
    if size_bytes < 1e8:
        return tr(QT_TRANSLATE_NOOP("chat", "{number} MB")).format(
            number=QLocale().toString(size_bytes / 1e6, "f", 1)
        )
    return tr(QT_TRANSLATE_NOOP("chat", "{number} GB")).format(
        number=QLocale().toString(size_bytes / 1e9, "f", 1)
    )


def surety(code: str) -> str:
    """How clearly a model prefers its first label, in a word or two: never a percentage."""
    return tr(_SURETY[code])


def memory_words(needed_bytes: int, whole_bytes: int) -> str:
    """What a model needs of the memory that this computer has."""
    words = tr(QT_TRANSLATE_NOOP("chat", "needs about {needed} of this computer's {memory}"))
    if needed_bytes > whole_bytes:
        words = tr(QT_TRANSLATE_NOOP("chat", "needs about {needed}, more than this computer's {memory}"))
    return words.format(needed=gigabytes(needed_bytes), memory=gigabytes(whole_bytes))


def quiet_line(figures: Mapping[str, Any], token_count: int) -> str:
    """How an answer came about: model, quantization, adapters, speed, time."""
    seconds = figures.get("seconds", {})
    spent = sum(float(part) for part in seconds.values())
    generating = float(seconds.get("generate", 0.0))
    parts = [str(figures.get("model", "")), str(figures.get("quantization", ""))]
    parts += [f"{one['file']} × {one['scale']:g}" for one in figures.get("adapters", ())]
    if token_count and generating > 0:
        rate = QLocale().toString(token_count / generating, "f", 1)
        parts.append(tr(QT_TRANSLATE_NOOP("chat", "{rate} tokens/s")).format(rate=rate))
    parts.append(
        tr(QT_TRANSLATE_NOOP("chat", "{seconds} s")).format(seconds=QLocale().toString(spent, "f", 1))
    )
    return " · ".join(part for part in parts if part)


def notes_of(figures: Mapping[str, Any], text: str = "") -> list[str]:
    """What a reader must know of an answer: what supports it, that it was cut off or mended."""
    notes = [_support(figures["passages"], text)] if isinstance(figures.get("passages"), list) else []
    if figures.get("form"):
        notes.append(tr(QT_TRANSLATE_NOOP("chat", "Edited by hand; what the model said is kept beside it.")))
    left_out = int(figures.get("left_out", 0))
    if left_out:
        notes.append(
            tr(
                QT_TRANSLATE_NOOP(
                    "chat",
                    "The context was full. Oldest questions left out, with their answers: {count}. Their "
                    "pictures were kept.",
                )
            ).format(count=whole(left_out))
        )
    ended = _ENDED.get(str(figures.get("ended", "")))
    return [*notes, *([tr(ended)] if ended else [])]


def _support(passages: Sequence[Mapping[str, Any]], text: str) -> str:
    from dermagui.chat.reference import Passage, support_of

    code, values = support_of(text, [Passage(**told) for told in passages])
    return texts.sentence(code, values)
