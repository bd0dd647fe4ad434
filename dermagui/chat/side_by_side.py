"""Two models side by side: whether both fit into memory, who stands where, and which answer was chosen."""

from __future__ import annotations

import random
from collections.abc import Sequence

from dermagui.chat.handing_on import images_in_project, made_by
from dermagui.chat.memory import Memory
from dermagui.errors import UserError
from dermagui.records import Person, Role, Turn
from dermagui.storage.chats import StoredTurn
from dermagui.storage.database import Store
from dermagui.storage.moments import new_uid, now
from dermagui.storage.preferences import Preference, add_preference

KEPT_FREE = 0.2
"""The share of memory that is left to everything else on the computer."""


def fit_together(needed: Sequence[Memory], memory_bytes: int) -> bool:
    """Whether models can be loaded at the same time; where not, they answer in turn, one after the other.

    What models need is an estimate (see ``memory_needed``), so a part is kept free.
    """
    return sum(memory.total for memory in needed) <= memory_bytes * (1 - KEPT_FREE)


def order_of(seed: int, *, blinded: bool) -> tuple[int, int]:
    """Which of two models stands left and which right: as they were chosen or, blinded, by chance.

    Of consecutive seeds, too, each order comes about as often as the other.
    """
    return (1, 0) if blinded and random.Random(seed).random() < 0.5 else (0, 1)


def prefer(
    store: Store,
    who: Person,
    before: Sequence[StoredTurn],
    answers: tuple[StoredTurn, StoredTurn],
    chosen: int,
    *,
    blinded: bool,
    seed: int,
) -> str:
    """Keeps which of two answers (0 or 1) a person chose; returns the uid of the choice.

    ``before`` is what both answer, the question last; ``figures`` of the answers say who gave them. Raises
    ``UserError``: ``chat.image_not_in_project``, ``preference.same_answer``, ``preference.no_question``.
    """
    if not before or before[-1].role is not Role.USER:
        raise UserError("preference.no_question")
    if answers[0].text.strip() == answers[1].text.strip():
        raise UserError("preference.same_answer")
    better, worse = answers[chosen], answers[1 - chosen]
    said = Preference(
        uid=new_uid(),
        person_uid=who.uid,
        at=now(),
        turns=tuple(Turn(turn.role, turn.text) for turn in before),
        images=images_in_project(store, before),
        chosen=better.text,
        rejected=worse.text,
        chosen_by=made_by(better.figures),
        rejected_by=made_by(worse.figures),
        blinded=blinded,
        seed=seed,
    )
    add_preference(store, said)
    return said.uid
