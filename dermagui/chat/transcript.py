"""A chat as a file: Markdown, HTML with its pictures, or JSON. Each says that it is for research only.

Where files lie is never told: a path may hold a patient's name.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dermagui import __version__
from dermagui.chat.bundle import NOTICE
from dermagui.chat.keeping import find_picture, seen_again
from dermagui.chat.pages import Shown, render
from dermagui.chat.reference import cited_numbers
from dermagui.chat.reports import readable
from dermagui.chat.tasks import schema_of
from dermagui.errors import DermaError, from_os_error
from dermagui.records import Picture, Role
from dermagui.storage.chats import ChatImage, StoredTurn, read_chat, turns_of_chat
from dermagui.storage.database import Row, Store

SUFFIXES = {".md": "markdown", ".html": "html", ".json": "json"}
"""Suffix → format of a transcript."""

_SEEN = ("sha256", "width", "height", "tokens", "exact")
_MARKUP = re.compile(r"[<&]")


@dataclass(frozen=True, slots=True)
class Told:
    """A turn as a transcript shows it."""

    role: Role
    text: str
    about: str
    """How an answer came about: model, quantization, adapter, speed, time."""
    notes: tuple[str, ...]
    """What a reader must know of an answer: cut off, mended by a person, without support."""
    passages: tuple[Mapping[str, Any], ...]
    captions: tuple[str, ...]
    pictures: tuple[Shown | None, ...]
    """None: its file cannot be found or read any more."""


Held = Mapping[tuple[str, int], Picture]
"""Pictures that lie in no file, by the hash and the frame: of a private chat, from the clipboard."""


def write_transcript(store: Store, uid: str, path: Path, held: Held | None = None) -> None:
    """Writes a chat into a file whose suffix says the format (see ``SUFFIXES``; anything else: Markdown).

    Raises ``UserError`` ``chat.forgotten``, or what the disk refuses.
    """
    kind = SUFFIXES.get(path.suffix.lower(), "markdown")
    if kind == "html":
        text = as_html(store, uid, held)
    else:
        text = {"markdown": as_markdown, "json": as_json_text}[kind](store, uid)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise from_os_error(error, path) from error


def as_markdown(store: Store, uid: str) -> str:
    """A chat as Markdown; pictures are named by what the model saw of them."""
    chat = read_chat(store, uid)
    lines = [f"# {_plain(_title(chat))}", "", f"**{NOTICE}**", ""]
    for turn in [_told(turn, chat) for turn in turns_of_chat(store, uid)]:
        lines += [f"## {_SPEAKERS[turn.role]}", ""]
        lines += [f"*{caption}*  " for caption in turn.captions] + ([""] if turn.captions else [])
        lines += [f"> {_plain(line)}".rstrip() for line in turn.text.splitlines()] + [""]
        for note in turn.notes:
            lines += [f"**{_plain(note)}**", ""]
        for passage in turn.passages:
            lines.append(f"[{passage['number']}] {_plain(passage['name'])}, {_plain(passage['place'])}  ")
        lines += [""] if turn.passages else []
        lines += [f"*{_plain(turn.about)}*", ""] if turn.about else []
    return "\n".join(lines).rstrip() + "\n"


def as_html(store: Store, uid: str, held: Held | None = None) -> str:
    """A chat as a page that needs nothing else, with the very pixels that the model saw."""
    chat = read_chat(store, uid)
    turns = [
        _told(turn, chat, [shown_again(store, image, held) for image in turn.images])
        for turn in turns_of_chat(store, uid)
    ]
    return render("transcript.html", title=_title(chat), notice=NOTICE, turns=turns, speakers=_SPEAKERS)


def as_json_text(store: Store, uid: str) -> str:
    """A chat as JSON: all that is kept of what is shown, but tokens, recipes and places of files."""
    chat = read_chat(store, uid)
    told = {
        "notice": NOTICE,
        "app_version": __version__,
        "chat": {name: chat[name] for name in _OF_CHAT},
        "turns": [_as_object(turn) for turn in turns_of_chat(store, uid)],
    }
    return json.dumps(told, ensure_ascii=False, indent=1) + "\n"


_OF_CHAT = (
    *("uid", "title", "model", "model_sha256", "quantization", "adapters", "settings"),
    *("created_at", "changed_at"),
)
_ENDED = {
    "stopped": "Stopped by the user before its end.",
    "length": "Cut off: the most tokens of an answer were reached.",
    "context": "Cut off: the context was full.",
}
_SPEAKERS = {Role.USER: "Question", Role.ASSISTANT: "Answer", Role.SYSTEM: "Instruction"}


def _as_object(turn: StoredTurn) -> dict[str, object]:
    images = [
        {"file_sha256": image.file_sha256, "frame": image.frame, **_seen(image)} for image in turn.images
    ]
    told = {"role": turn.role, "text": turn.text, "at": turn.at, "figures": turn.figures}
    return told | ({"images": images} if images else {})


def _seen(image: ChatImage) -> dict[str, object]:
    return {f"seen_{name}": image.pixels[name] for name in _SEEN if name in image.pixels}


def _told(turn: StoredTurn, chat: Row, pictures: Sequence[tuple[Shown | None, str]] | None = None) -> Told:
    found = [(None, caption_of(image)) for image in turn.images] if pictures is None else pictures
    passages = turn.figures.get("passages")
    return Told(
        turn.role,
        _text_of(turn),
        about_answer(turn, chat) if turn.role is Role.ASSISTANT else "",
        _notes(turn) if turn.role is Role.ASSISTANT else (),
        tuple(passages) if isinstance(passages, list) else (),
        tuple(caption for _, caption in found),
        tuple(picture for picture, _ in found),
    )


def _notes(turn: StoredTurn) -> tuple[str, ...]:
    figures = turn.figures
    notes = [_ENDED.get(str(figures.get("ended", "")), "")]
    if figures.get("form"):
        notes.append("Edited by hand: not in the words of the model.")
    passages = figures.get("passages")
    if isinstance(passages, list):
        known = {told["number"] for told in passages}
        if cited_numbers(turn.text) - known:
            notes.append("Names passages that it was not given.")
        elif not cited_numbers(turn.text):
            notes.append("Names no passage of the reference library: take it as unsupported.")
    return tuple(note for note in notes if note)


def _text_of(turn: StoredTurn) -> str:
    schema = schema_of(turn.figures) if turn.role is Role.ASSISTANT else None
    return readable(turn.text, schema, turn.figures.get("form")) if schema else turn.text


def shown_again(store: Store, image: ChatImage, held: Held | None = None) -> tuple[Shown | None, str]:
    """A picture as the model saw it, with what is said of it; None where it cannot be read any more."""
    caption = caption_of(image)
    try:
        picture = (held or {}).get((image.file_sha256, image.frame)) or find_picture(store, image)
        made, same = seen_again(picture, image)
    except DermaError:
        return None, f"{caption}. Its file cannot be found or read any more"
    if not same:
        caption += ". Made again from its file; these are not the very pixels"
    return Shown(made.encoded, made.mime_type, caption, made.width, made.height), caption


def caption_of(image: ChatImage) -> str:
    """What is said of a picture: its size as the model saw it, its tokens, and which file it was."""
    told = image.pixels
    tiles = "" if told.get("exact", True) else ", then cut into tiles by the model"
    size = f"{told.get('width')} × {told.get('height')} pixels, {told.get('tokens')} tokens{tiles}"
    return f"Picture {image.file_sha256[:12]}, seen as {size}"


def about_answer(turn: StoredTurn, chat: Row) -> str:
    """How an answer came about, in one line. ``chat`` says what the answer itself does not."""
    told: dict[str, Any] = {**chat, **turn.figures}
    parts = [f"{told['model']} {told['quantization']}".strip()]
    parts += [f"with {one['file']} at {one['scale']:g}" for one in told["adapters"]]
    seconds = told.get("seconds") or {}
    if seconds.get("generate") and turn.tokens:
        parts.append(f"{len(turn.tokens) / seconds['generate']:.1f} tokens/s")
    if seconds:
        parts.append(f"{sum(seconds.values()):.0f} s")
    if "temperature" in told["settings"]:
        parts.append(f"temperature {told['settings']['temperature']:g}")
    return ", ".join([*parts, *([turn.at] if turn.at else [])])


def _title(chat: Row) -> str:
    return str(chat["title"]) or "Chat"


def _plain(text: object) -> str:
    """Text of others in Markdown: no reader takes it for HTML."""
    return _MARKUP.sub(lambda found: {"<": "&lt;", "&": "&amp;"}[found[0]], str(text))
