"""The Chat page with a real child and a model of random weights: what it says is what the engine said."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

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
