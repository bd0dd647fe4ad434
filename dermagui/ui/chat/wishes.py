"""What is to be asked: the chosen task with what was written, as a question for the engine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dermagui.ui.chat.desk_work import ShownTurn
from dermagui.ui.chat.engine import Question

if TYPE_CHECKING:
    from dermagui.chat.reference import Passage
    from dermagui.chat.tasks import ChatTask


@dataclass(frozen=True, slots=True)
class Wish:
    """A question before it is asked."""

    text: str
    """As it is said in the chat."""
    task: str = ""
    asked: Mapping[str, str] | None = None
    """See ``Question.asked``."""
    schema: Mapping[str, Any] | None = None
    max_tokens: int = 0
    """Of the answer at least."""
    passages: tuple[Passage, ...] | None = None

    def applied(self, how: Question) -> Question:
        """The question, with how it is to be answered."""
        from dermagui.chat.reference import grounded_prompt

        most = max(how.sampling.max_tokens, self.max_tokens)
        passages = self.passages
        return replace(
            how,
            task=self.task,
            asked=self.asked or {},
            schema=json.dumps(self.schema) if self.schema else None,
            sampling=replace(how.sampling, max_tokens=most),
            told=grounded_prompt(self.text, passages) if passages else "",
            passages=None if passages is None else tuple(one.as_json() for one in passages),
        )


def wish_for(
    task: ChatTask,
    label: str,
    own: str,
    turns: Sequence[ShownTurn],
    answers: Sequence[int],
    *,
    facts: Mapping[str, str],
    has_image: bool,
) -> Wish:
    """A task about what the user wrote, about pictures and what is known of them (``facts``), and about
    answers (by their places in the chat).

    Raises what ``prompt_of`` raises.
    """
    from dermagui.chat.tasks import joined_answers, prompt_of

    chosen = joined_answers([turns[place].text for place in answers]) if answers else ""
    given = "\n\n".join(part for part in (own, chosen) if part)
    text = prompt_of(task, text=given, metadata=facts, has_image=has_image)
    numbers = ", ".join(str(place // 2 + 1) for place in answers)
    asked = {"task": task.id, "label": label, "own": own, "answers": numbers}
    return Wish(text, task.id, asked, task.schema, task.max_tokens if task.schema else 0)


def wish_again(question: ShownTurn, answer: ShownTurn, max_tokens: int) -> Wish:
    """The same question once more. ``max_tokens``: of its task, where it fills in a form."""
    from dermagui.chat.reference import Passage

    figures = answer.stored.figures
    told = figures.get("passages")
    passages = tuple(Passage(**one) for one in told) if isinstance(told, list) else None
    asked = {name: str(value) for name, value in question.stored.figures.items()}
    kept = question.stored.text
    return Wish(kept, asked.get("task", ""), asked, answer.schema, max_tokens, passages)
