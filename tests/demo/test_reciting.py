"""The reciter speaks the protocol of a real child, and its empty model is one that a chat can begin with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dermagui.chat.protocol import ChatTurn, Sampling
from dermagui.chat.session import Answer, ModelFiles, Piece, Session
from dermagui.demo.reciting import PICTURE_TOKENS, Died, Recital, reciting, write_empty_model
from dermagui.errors import ServiceError
from dermagui.records import Picture, Role
from tests.fakes.chat_page import make_picture


class Dying(Recital):
    """A child that dies in the middle of its answer."""

    def words(self, question: str, stopped: threading.Event) -> Iterator[str]:
        yield "one "
        raise Died


def test_a_chat_with_a_model_of_headers_alone_hears_the_recital(tmp_path: Path) -> None:
    files = ModelFiles(*write_empty_model(tmp_path))
    with reciting(Recital(image_tokens=PICTURE_TOKENS)) as script, Session(files) as chat:
        seen = chat.see(Picture(make_picture(tmp_path / "mole.png")))
        assert (chat.projector and chat.projector.max_tokens) == PICTURE_TOKENS
        *pieces, answer = chat.ask([ChatTurn(Role.USER, "It says this", (seen,))], Sampling())
    assert isinstance(answer, Answer)
    assert [piece.text for piece in pieces if isinstance(piece, Piece)] == ["It ", "says ", "this"]
    assert answer.images[0]["tokens"] == PICTURE_TOKENS
    assert all(child.is_gone for child in script.children)


def test_a_child_that_died_is_told_as_one(tmp_path: Path) -> None:
    files = ModelFiles(*write_empty_model(tmp_path))
    with reciting(Dying()), Session(files) as chat, pytest.raises(ServiceError, match=r"chat\.died"):
        list(chat.ask([ChatTurn(Role.USER, "Well?")], Sampling()))


def test_after_it_the_real_child_is_started_again(tmp_path: Path) -> None:
    from dermagui.chat import child, session

    with reciting(Recital()):
        assert vars(session)["Child"] is not child.Child
    assert vars(session)["Child"] is child.Child
