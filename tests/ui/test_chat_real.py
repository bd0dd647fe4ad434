"""The Chat page with a real child and a model of random weights: what it says is what the engine said."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dermagui.chat.tasks import find_task
from dermagui.ui.window import Window
from tests.fakes.chat_page import ask, attach, make_bundle, make_picture, open_chat

Wait = Callable[[Callable[[], object]], None]


@pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is None, reason="llama-cpp-python is not compiled")
def test_a_real_model_answers_about_a_picture_and_again(
    window: Window, tmp_path: Path, wait_until: Wait
) -> None:
    make_bundle(tmp_path / "model")
    page = open_chat(window, wait_until)
    page.parts.settings.max_tokens.setValue(12)
    attach(page, make_picture(tmp_path / "mole.png"), wait_until)
    ask(page, "What is this?", wait_until)
    first = page.talk.turns[-1].stored
    assert len(first.tokens) == 12
    assert page.talk.turns[0].stored.images[0].pixels["tokens"] == 16
    ask(page, "And now?", wait_until)
    assert page.talk.turns[-1].stored.figures["reused_tokens"] > 0  # type: ignore[operator]
    assert page.parts.conversation.turns[1].text == first.text


@pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is None, reason="llama-cpp-python is not compiled")
def test_a_real_model_keeps_to_the_form_of_a_report(window: Window, tmp_path: Path, wait_until: Wait) -> None:
    schema = {
        "title": "Findings",
        "type": "object",
        "additionalProperties": False,
        "properties": {"urgency": {"title": "Urgency", "enum": ["soon", "later"]}},
        "required": ["urgency"],
    }
    make_bundle(tmp_path / "model")
    page = open_chat(window, wait_until)
    wait_until(lambda: page.parts.tasks.chips)
    page.parts.tasks.tasks["report"] = replace(find_task("report"), schema=schema, max_tokens=64)
    attach(page, make_picture(tmp_path / "mole.png"), wait_until)
    page.parts.tasks.choose("report")
    ask(page, "", wait_until)
    answer = page.talk.turns[-1]
    assert json.loads(answer.stored.text)["urgency"] in ("soon", "later")
    assert "Urgency: " in page.parts.conversation.turns[1].words.toPlainText()
