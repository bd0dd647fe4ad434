"""Tasks as data: complete, worded without percentages, and filled in only with what was given."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from dermagui.chat.tasks import find_task, joined_answers, list_tasks, prompt_of, read_task
from dermagui.errors import DataError, UserError


def test_every_task_of_the_page_is_there_in_its_order() -> None:
    ids = ["describe", "differential", "next_steps", "report", "patient_version", "summarise", "question"]
    assert [task.id for task in list_tasks()] == ids
    assert [task.id for task in list_tasks() if task.schema] == ["report"]


def test_no_task_asks_for_a_percentage() -> None:
    for task in list_tasks():
        asked = " ".join(task.prompt)
        if task.needs == "image":
            assert re.search("no percentages|never by percentages", asked), task.id
        assert "%" not in asked + json.dumps(task.schema)


def test_what_was_not_given_is_not_spoken_of() -> None:
    task = find_task("describe")
    bare = prompt_of(task, has_image=True)
    assert "{" not in bare
    assert "patient" not in bare
    told = prompt_of(task, has_image=True, metadata={"age": "61", "sex": "female"}, text="It itches.")
    assert told.startswith(bare)
    assert told.endswith(":\n- age: 61\n- sex: female\n\nThe person who asks adds:\nIt itches.")


def test_braces_of_the_user_are_left_alone() -> None:
    told = prompt_of(find_task("question"), text="What is {metadata}? {x}", metadata={"a": "{text}"})
    assert told.startswith("What is {metadata}? {x}\n\n")
    assert told.endswith("- a: {text}")


@pytest.mark.parametrize(
    ("id_", "code"),
    [("report", "task.needs_image"), ("summarise", "task.needs_text"), ("question", "task.needs_text")],
)
def test_a_task_without_what_it_needs_is_refused(id_: str, code: str) -> None:
    with pytest.raises(UserError) as raised:
        prompt_of(find_task(id_), text=" \n")
    assert raised.value.code == code


def test_several_answers_are_one_text() -> None:
    assert joined_answers(["only"]) == "only"
    assert joined_answers(["one\n", "two"]) == "Answer 1:\none\n\nAnswer 2:\ntwo"


def test_an_unknown_task_is_told_with_those_that_there_are() -> None:
    with pytest.raises(UserError) as raised:
        find_task("cure")
    assert raised.value.values == {"name": "cure", "known": [task.id for task in list_tasks()]}


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"id": "a"}', '{"id":"a","version":"1","label":"A","needs":"x","prompt":[]}']
)
def test_a_damaged_file_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "task.json"
    path.write_text(text)
    with pytest.raises(DataError) as raised:
        read_task(path)
    assert raised.value.code == "task.unreadable"


def test_the_engine_makes_a_grammar_of_every_schema(engine: ModuleType) -> None:
    from dermagui.chat.worker.sampling import grammar_of

    for task in list_tasks():
        if task.grammar:
            assert "root ::=" in grammar_of(task.grammar)
