"""Tasks of the Chat page: what a chip asks, as data in ``resources/tasks``, and the prompt that it becomes.

A file is ``{id, version, licence, label, needs, prompt}`` and may have a JSON ``schema`` that the answer
keeps to, and ``max_tokens``. ``needs`` is ``image``, ``text`` or nothing. ``prompt`` is a list of paragraphs;
one with a placeholder (``{text}``, ``{metadata}``) is left out where nothing was given for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dermagui import paths
from dermagui.errors import DataError, UserError, from_os_error
from dermagui.paths import display_path

DEFAULT_TOKENS = 768
"""Of an answer to a task that says nothing else."""

_PLACEHOLDER = re.compile(r"\{(text|metadata)\}")
_NEEDS = ("image", "text", "")


@dataclass(frozen=True, slots=True)
class ChatTask:
    """What can be asked with one click."""

    id: str
    version: str
    label: str
    """English, for the chip."""
    needs: str
    """``image``: about a picture of the chat; ``text``: about a note or earlier answers; or nothing."""
    prompt: tuple[str, ...]
    schema: Mapping[str, Any] | None = None
    """The answer is JSON of this shape; see ``reports``."""
    max_tokens: int = DEFAULT_TOKENS
    """Of the answer, unless the user wants otherwise."""

    @property
    def grammar(self) -> str | None:
        """The schema as ``Session.ask`` takes it."""
        return json.dumps(self.schema) if self.schema is not None else None


def list_tasks() -> list[ChatTask]:
    """The tasks that ship with the program, in the order of their chips."""
    return [read_task(path) for path in sorted((paths.resources() / "tasks").glob("*.json"))]


def find_task(id_: str) -> ChatTask:
    """The task of a name. Raises ``UserError`` ``task.not_found``."""
    tasks = {task.id: task for task in list_tasks()}
    if id_ not in tasks:
        raise UserError("task.not_found", name=id_, known=list(tasks))
    return tasks[id_]


def schema_of(figures: Mapping[str, object]) -> Mapping[str, Any] | None:
    """The schema of the task that an answer was given to, by its figures; None where it had none."""
    try:
        return find_task(str(figures["task"])).schema if figures.get("task") else None
    except UserError:  # a task of another version of the program
        return None


def read_task(path: Path) -> ChatTask:
    """The task in a file. Raises ``DataError`` ``task.unreadable``, or what the disk refuses."""
    try:
        told = json.loads(path.read_bytes())
        task = ChatTask(
            str(told["id"]),
            str(told["version"]),
            str(told["label"]),
            told["needs"],
            tuple(told["prompt"]),
            told.get("schema"),
            int(told.get("max_tokens", DEFAULT_TOKENS)),
        )
        if task.needs not in _NEEDS or not all(isinstance(text, str) for text in task.prompt):
            raise ValueError(f"needs: {task.needs}")
    except OSError as error:
        raise from_os_error(error, path) from error
    except (ValueError, TypeError, KeyError) as error:
        raise DataError("task.unreadable", path=display_path(path), reason=str(error)) from error
    return task


def prompt_of(
    task: ChatTask,
    *,
    text: str = "",
    metadata: Mapping[str, str] | None = None,
    has_image: bool = False,
) -> str:
    """What the model is asked. ``metadata`` (name → value) is only what the user chose to tell.

    Raises ``UserError``: ``task.needs_image``, ``task.needs_text``.
    """
    text = text.strip()
    if task.needs == "image" and not has_image:
        raise UserError("task.needs_image", task=task.label)
    if (task.needs == "text" or task.prompt[0] == "{text}") and not text:
        raise UserError("task.needs_text", task=task.label)
    given = {
        "text": text,
        "metadata": "\n".join(f"- {name}: {value}" for name, value in (metadata or {}).items()),
    }
    wanted = (part for part in task.prompt if all(given[name] for name in _PLACEHOLDER.findall(part)))
    # One pass over the template: braces in what the user gave are not placeholders.
    return "\n\n".join(_PLACEHOLDER.sub(lambda found: given[found[1]], part) for part in wanted)


def joined_answers(answers: Sequence[str]) -> str:
    """Several answers as the one text of a task that needs text, told apart by numbers."""
    if len(answers) == 1:
        return answers[0]
    return "\n\n".join(f"Answer {n}:\n{answer.strip()}" for n, answer in enumerate(answers, 1))
