"""Words of the page Review: states, flags with their evidence, reasons, the form, what a pair is made of."""

from __future__ import annotations

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication

from dermagui.records import Flag, FlagKind, PairKind, PairState, RejectReason, Role, VerdictKind
from dermagui.review.queue import Order

STATES = {
    PairState.PENDING: ("review", str(QT_TRANSLATE_NOOP("review", "To decide"))),
    PairState.ACCEPTED: ("done", str(QT_TRANSLATE_NOOP("review", "Accepted"))),
    PairState.EDITED: ("done", str(QT_TRANSLATE_NOOP("review", "Edited"))),
    PairState.REJECTED: ("close", str(QT_TRANSLATE_NOOP("review", "Rejected"))),
    PairState.UNSURE: ("unsure", str(QT_TRANSLATE_NOOP("review", "Unsure"))),
}
"""State → icon and word."""

VERDICTS = {
    VerdictKind.ACCEPT: str(QT_TRANSLATE_NOOP("review", "accepted")),
    VerdictKind.EDIT: str(QT_TRANSLATE_NOOP("review", "edited")),
    VerdictKind.REJECT: str(QT_TRANSLATE_NOOP("review", "rejected")),
    VerdictKind.UNSURE: str(QT_TRANSLATE_NOOP("review", "unsure")),
}

REASONS = {
    RejectReason.WRONG_CONTENT: str(QT_TRANSLATE_NOOP("review", "What it says is wrong")),
    RejectReason.NOT_VISIBLE: str(QT_TRANSLATE_NOOP("review", "Says what cannot be seen")),
    RejectReason.LEAKS_METADATA: str(QT_TRANSLATE_NOOP("review", "Repeats hidden metadata")),
    RejectReason.HARMFUL: str(QT_TRANSLATE_NOOP("review", "Could harm somebody")),
    RejectReason.INCOMPLETE: str(QT_TRANSLATE_NOOP("review", "Leaves out what matters")),
    RejectReason.BAD_QUESTION: str(QT_TRANSLATE_NOOP("review", "The question makes no sense")),
    RejectReason.LANGUAGE: str(QT_TRANSLATE_NOOP("review", "Badly written")),
    RejectReason.DUPLICATE: str(QT_TRANSLATE_NOOP("review", "Says the same as another one")),
    RejectReason.BAD_IMAGE: str(QT_TRANSLATE_NOOP("review", "The picture is of no use")),
    RejectReason.OTHER: str(QT_TRANSLATE_NOOP("review", "Another reason")),
}

FLAG_KINDS = {
    FlagKind.LEAK: str(QT_TRANSLATE_NOOP("review", "Repeats what was hidden")),
    FlagKind.REFUSAL: str(QT_TRANSLATE_NOOP("review", "Declines to answer")),
    FlagKind.CONTRADICTION: str(QT_TRANSLATE_NOOP("review", "Contradicts the diagnosis")),
    FlagKind.LENGTH: str(QT_TRANSLATE_NOOP("review", "Too short or too long")),
    FlagKind.DUPLICATE: str(QT_TRANSLATE_NOOP("review", "Like another answer")),
    FlagKind.MODEL_DIFFERS: str(QT_TRANSLATE_NOOP("review", "Another model answered")),
}

ORDERS = {
    Order.RANDOM: str(QT_TRANSLATE_NOOP("review", "in random order")),
    Order.FLAGGED: str(QT_TRANSLATE_NOOP("review", "flagged first")),
    Order.RARE: str(QT_TRANSLATE_NOOP("review", "rare diagnosis first")),
}

_FLAGS = {
    FlagKind.LEAK: str(QT_TRANSLATE_NOOP("review", "repeats the hidden {detail}: {evidence}")),
    FlagKind.REFUSAL: str(QT_TRANSLATE_NOOP("review", "declines to answer: “{evidence}”")),
    FlagKind.CONTRADICTION: str(
        QT_TRANSLATE_NOOP("review", "says “{evidence}”, but the diagnosis on file is {detail}")
    ),
    FlagKind.DUPLICATE: str(
        QT_TRANSLATE_NOOP("review", "much like another answer about this picture: “{evidence}”")
    ),
    FlagKind.MODEL_DIFFERS: str(
        QT_TRANSLATE_NOOP("review", "answered by another model ({evidence}) than was asked ({detail})")
    ),
}
_KNOWS = str(QT_TRANSLATE_NOOP("review", "shows that it was told more: “{evidence}”"))
"""A leak of no field, but of there having been metadata at all."""
_LENGTHS = {
    "too_short": str(QT_TRANSLATE_NOOP("review", "unusually short: {evidence}")),
    "too_long": str(QT_TRANSLATE_NOOP("review", "unusually long: {evidence}")),
}

_ROLES = {
    Role.SYSTEM: str(QT_TRANSLATE_NOOP("review", "Instruction to the model")),
    Role.USER: str(QT_TRANSLATE_NOOP("review", "Question")),
    Role.ASSISTANT: str(QT_TRANSLATE_NOOP("review", "Answer")),
}
_ROLES_OF = {
    (PairKind.CAPTION, Role.ASSISTANT): str(QT_TRANSLATE_NOOP("review", "Caption")),
    (PairKind.INSTRUCTION, Role.USER): str(QT_TRANSLATE_NOOP("review", "Instruction")),
    (PairKind.DIALOGUE, Role.USER): str(QT_TRANSLATE_NOOP("review", "Person")),
    (PairKind.DIALOGUE, Role.ASSISTANT): str(QT_TRANSLATE_NOOP("review", "Model")),
}

ANSWERS = {
    "yes": str(QT_TRANSLATE_NOOP("review", "yes")),
    "partly": str(QT_TRANSLATE_NOOP("review", "partly")),
    "no": str(QT_TRANSLATE_NOOP("review", "no")),
    "possibly": str(QT_TRANSLATE_NOOP("review", "possibly")),
    "cannot_tell": str(QT_TRANSLATE_NOOP("review", "cannot tell")),
}
"""The answers of the form."""


def translated(text: str) -> str:
    """A text of these tables in the user's language."""
    return QCoreApplication.translate("review", text)


def capitalized(words: str) -> str:
    """The same words as the beginning of a sentence."""
    return words[:1].upper() + words[1:]


def flag_words(flag: Flag) -> str:
    """A flag as a sentence, with the words that prove it."""
    template = _LENGTHS.get(flag.detail, "{evidence}") if flag.kind is FlagKind.LENGTH else _FLAGS[flag.kind]
    template = _KNOWS if flag.kind is FlagKind.LEAK and flag.detail == "phrase" else template
    detail = flag.detail.replace("_", " ") if flag.kind is FlagKind.LEAK else flag.detail
    return capitalized(translated(template).format(evidence=flag.evidence, detail=detail))


def role_words(kind: PairKind, role: Role) -> str:
    """What a turn is in a pair of that kind."""
    return translated(_ROLES_OF.get((kind, role), _ROLES[role]))


def plain_name(key: str) -> str:
    """A key of metadata or of a question as people would write it."""
    return capitalized(key.replace("_", " ").strip())
