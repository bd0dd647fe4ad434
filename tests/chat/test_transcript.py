"""Transcripts: whole, marked as research, safe to open, and without the places of files."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from PIL import Image

from dermagui.chat.keeping import Asked, attach, chat_image, figures_of, keep_turns
from dermagui.chat.pairing import read_file
from dermagui.chat.pictures import seen_by
from dermagui.chat.session import Answer
from dermagui.chat.transcript import as_html, as_json_text, as_markdown, write_transcript
from dermagui.errors import UserError
from dermagui.library.opening import Pasted
from dermagui.project import create_project
from dermagui.records import Picture, Role
from dermagui.storage import chats
from dermagui.storage.chats import StoredTurn
from dermagui.storage.database import Store
from tests.chat.test_reports import Page
from tests.fakes.tiny_models import Pair

NOTICE = "Research use only. Not a medical device. Do not use for diagnosis."
PASSAGE = {"number": 1, "name": "guideline.md", "place": "line 1", "text": "words"}
EVIL = '</p><script>alert(1)</script> & <img src="x" onerror="y"> `<b>`'


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    create_project(tmp_path / "project")
    with Store(tmp_path / "project") as store:
        yield store


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "Erika Mustermann.png"
    Image.effect_noise((311, 207), 90).convert("RGB").save(path)
    return path


@pytest.fixture
def chat(store: Store, photo: Path, qwen_pair: Pair) -> str:
    """A chat with a picture, an answer with passages, and words that are no HTML."""
    uid = chats.add_chat(store, model="small", model_sha256="", quantization="Q4_0", adapters=[], settings={})
    shown = attach(Picture(photo))
    rgb = seen_by(read_file(qwen_pair.projector).facts.projector, shown.picture, 40)
    told = {"sha256": rgb.sha256, "width": rgb.width, "height": rgb.height, "tokens": 7, "exact": True}
    answer = Answer(seconds={"generate": 2.0, "prompt": 1.0}, images=[told])
    passages = [{"number": 1, "name": EVIL, "place": "page 3", "text": "secret words"}]
    figures = figures_of(answer, Asked("derm", quantization="Q8_0"), passages)
    question = StoredTurn(Role.USER, EVIL, images=[chat_image(shown, rgb, answer)])
    keep_turns(
        store, uid, [question, StoredTurn(Role.ASSISTANT, f"One\n\n# {EVIL}", (1, 2, 3), figures)], [shown]
    )
    return uid


def test_the_page_shows_the_very_pixels_and_runs_nothing(store: Store, chat: str) -> None:
    page = Page(as_html(store, chat))
    assert not [tag for tag, _ in page.elements if tag in ("script", "link", "iframe", "b")]
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    (picture,) = [attributes for tag, attributes in page.elements if tag == "img"]
    shown = b64decode((picture["src"] or "").removeprefix("data:image/png;base64,"))
    (seen,) = chats.turns_of_chat(store, chat)[0].images
    import io

    with Image.open(io.BytesIO(shown)) as image:
        assert sha256(image.convert("RGB").tobytes()).hexdigest() == seen.pixels["sha256"]
    assert NOTICE in page.words
    assert page.words.count(EVIL) == 5  # its title twice, the question, the answer, the passage
    assert "not the very pixels" not in page.words


def test_a_picture_that_cannot_be_found_is_told(store: Store, chat: str, photo: Path) -> None:
    os.unlink(photo)
    page = Page(as_html(store, chat))
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert "cannot be found" in page.words


def test_markdown_tells_all_and_holds_no_html(store: Store, chat: str) -> None:
    text = as_markdown(store, chat)
    assert NOTICE in text
    assert "<" not in text
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("#")][1:] == ["## Question", "## Answer"]
    assert any(line.startswith("[1] ") and line.rstrip().endswith("page 3") for line in lines)
    assert any("derm Q8_0, 1.5 tokens/s, 3 s, temperature 0" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "figures", "note"),
    [
        ("One", {"ended": "stopped"}, "Stopped by the user before its end."),
        ("One", {"ended": "length"}, "Cut off: the most tokens of an answer were reached."),
        ("One", {"ended": "context"}, "Cut off: the context was full."),
        (
            "One",
            {"passages": [PASSAGE]},
            "Names no passage of the reference library: take it as unsupported.",
        ),
        ("One [2]", {"passages": [PASSAGE]}, "Names passages that it was not given."),
        ("One [1]", {"passages": [PASSAGE], "ended": "end"}, ""),
    ],
)
def test_what_a_reader_must_know_stands_in_every_transcript(
    store: Store, text: str, figures: dict[str, object], note: str
) -> None:
    uid = chats.add_chat(store, model="small", model_sha256="", quantization="", adapters=[], settings={})
    told = figures_of(Answer(), Asked("derm")) | figures
    keep_turns(store, uid, [StoredTurn(Role.USER, "?"), StoredTurn(Role.ASSISTANT, text, figures=told)], [])
    for page in (as_markdown(store, uid), as_html(store, uid)):
        assert note in page
        assert any(known in page for known in ("Stopped", "Cut off", "Names")) == bool(note)


def test_json_holds_what_was_said_and_how_it_came_about(store: Store, chat: str) -> None:
    told = json.loads(as_json_text(store, chat))
    assert told["notice"] == NOTICE
    assert told["chat"]["uid"] == chat
    question, answer = told["turns"]
    assert (question["text"], answer["figures"]["model"]) == (EVIL, "derm")
    assert question["images"][0]["seen_tokens"] == 7


@pytest.mark.parametrize("suffix", [".md", ".html", ".json", ".txt"])
def test_no_transcript_tells_where_files_lie(store: Store, chat: str, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_text("what was there before")
    write_transcript(store, chat, path)
    text = path.read_text(encoding="utf-8")
    assert "Mustermann" not in text
    assert NOTICE in text
    assert [found.name for found in tmp_path.iterdir() if "part" in found.name] == []


def test_what_the_disk_refuses_is_told(store: Store, chat: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        write_transcript(store, chat, tmp_path / "nowhere" / "out.md")
    assert raised.value.code == "disk.gone"
    with pytest.raises(UserError) as raised:
        as_markdown(store, "nobody")
    assert raised.value.code == "chat.forgotten"


def test_a_report_is_written_out_as_people_read_it_and_as_somebody_mended_it(store: Store) -> None:
    uid = chats.add_chat(store, model="small", model_sha256="", quantization="", adapters=[], settings={})
    figures = figures_of(Answer(), Asked("derm", task="report"))
    filled = json.dumps({"site": "left arm", "next_steps": ["look again"]})
    keep_turns(
        store,
        uid,
        [StoredTurn(Role.USER, "Write a report."), StoredTurn(Role.ASSISTANT, filled, figures=figures)],
    )
    assert "Body site\n>   left arm" in as_markdown(store, uid)
    assert json.loads(as_json_text(store, uid))["turns"][1]["text"] == filled
    chats.keep_form(store, uid, 1, {"site": "right arm"})
    assert "right arm" in Page(as_html(store, uid)).words
    assert "left arm" not in as_markdown(store, uid)


def test_a_picture_that_only_memory_holds_is_written_out(
    qwen_pair: Pair, photo: Path, tmp_path: Path
) -> None:
    pasted = Pasted(photo.read_bytes())
    shown = attach(Picture(pasted))
    rgb = seen_by(read_file(qwen_pair.projector).facts.projector, shown.picture, 40)
    answer = Answer(images=[{"sha256": rgb.sha256, "width": rgb.width, "height": rgb.height, "tokens": 7}])
    with Store.in_memory() as store:
        uid = chats.add_chat(store, model="m", model_sha256="", quantization="", adapters=[], settings={})
        turns = [StoredTurn(Role.USER, "?", images=[chat_image(shown, rgb, answer)])]
        keep_turns(store, uid, turns, [shown])
        write_transcript(store, uid, tmp_path / "chat.html", {(shown.sha256, 0): shown.picture})
        assert "cannot be found" in as_html(store, uid)
    page = Page((tmp_path / "chat.html").read_text(encoding="utf-8"))
    assert [tag for tag, _ in page.elements if tag == "img"]
    assert "not the very pixels" not in page.words
