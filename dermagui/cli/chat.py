"""``dermagui chat``: asks a model on this computer; and the hidden command that its child is started with."""

from __future__ import annotations

import argparse
import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dermagui.cli.console import Arguments, Commands, json_argument, print_json, say, say_progress
from dermagui.records import Picture, Role
from dermagui.texts import sentence

if TYPE_CHECKING:
    from dermagui.chat.finding import FoundModel
    from dermagui.chat.keeping import Asked, Attachment
    from dermagui.chat.protocol import Adapter, ChatTurn, Rgb, Sampling
    from dermagui.chat.session import Answer, Event, ModelFiles, Room, Session
    from dermagui.storage.database import Store


def declare(commands: Commands) -> None:
    """Declares both commands."""
    parser = commands.add_parser("chat", help="ask a model on this computer")
    parser.add_argument("--model", required=True, metavar="M", help="name of a bundle, or a GGUF file")
    parser.add_argument("--mmproj", type=Path, metavar="FILE", help="its projector, for a model that sees")
    parser.add_argument(
        "--image", type=Path, action="append", default=[], metavar="FILE", help="shown with the first prompt"
    )
    parser.add_argument(
        "--prompt", action="append", required=True, metavar="TEXT", help="several are the turns of one chat"
    )
    parser.add_argument(
        "--lora", type=_adapter, action="append", default=[], metavar="FILE[:SCALE]", help="an adapter"
    )
    wanted = parser.add_mutually_exclusive_group()
    wanted.add_argument(
        "--schema", type=Path, metavar="FILE", help="a JSON schema that every answer keeps to"
    )
    wanted.add_argument("--labels", type=_labels, metavar="A,B,C", help="answer with one of these labels")
    parser.add_argument("--max-tokens", type=_count, default=512, metavar="N", help="of each answer")
    parser.add_argument("--temperature", type=float, default=0.0, metavar="T", help="0: always the likeliest")
    parser.add_argument(
        "--seed", type=int, metavar="S", help="for a temperature above 0 (default: by chance)"
    )
    parser.add_argument("--context", type=_count, default=4096, metavar="N", help="tokens of the whole chat")
    parser.add_argument(
        "--image-tokens",
        type=_count,
        metavar="N",
        help="at most for a picture, where the model leaves it free",
    )
    parser.add_argument(
        "--gpu-layers",
        type=_layers,
        metavar="N",
        help="on the graphics card (default: what fits; 0: the CPU)",
    )
    parser.add_argument("--threads", type=_count, metavar="N", help="default: one for each core")
    parser.add_argument(
        "--template", type=Path, metavar="FILE", help="a chat template instead of the model's"
    )
    parser.add_argument("--project", type=Path, metavar="P", help="keep the chat in this project")
    json_argument(parser)
    parser.set_defaults(run=run)
    worker = commands.add_parser("chat-worker")
    worker.add_argument("address")
    worker.set_defaults(run=_work)


def _adapter(text: str) -> tuple[Path, float]:
    """A file, and after a colon its scale; a file may have a colon in its name."""
    path, colon, scale = text.rpartition(":")
    if colon and path and not Path(text).exists():
        try:
            return Path(path), float(scale)
        except ValueError:
            pass
    return Path(text), 1.0


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def _layers(text: str) -> int:
    return 0 if text == "0" else _count(text)


def _labels(text: str) -> list[str]:
    return [label.strip() for label in text.split(",") if label.strip()]


def _work(arguments: Arguments) -> int:
    from dermagui.chat.worker.serve import serve

    return serve(arguments.address)


_SEEN = ("sha256", "width", "height", "tokens")


@dataclass(slots=True)
class _Chat:
    """What was said so far."""

    arguments: Arguments
    sampling: Sampling
    adapters: list[Adapter]
    schema: str | None
    turns: list[ChatTurn] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)


def run(arguments: Arguments) -> int:
    """Asks one prompt after the other."""
    from dermagui.chat.finding import find_model
    from dermagui.chat.session import Session

    found = find_model(arguments.model, arguments.mmproj, looks=bool(arguments.image))
    name, sha256 = found.name, found.bundle.files["model"].sha256 if found.bundle else ""
    files = _files(arguments, found)
    say(found.notice)
    with ExitStack() as opened:
        store = _store(arguments, opened)
        session = opened.enter_context(Session(files, _room(arguments)))
        shown = _attachments(arguments.image, store)
        images = [session.see(Picture(path)) for path in arguments.image]
        chat = _chat(arguments)
        uid = _begin(store, chat, session, name, sha256) if store else None
        for prompt in arguments.prompt:
            _ask(session, chat, prompt, images if not chat.turns else [])
            if store and uid:
                _keep(store, uid, chat, _asked(chat, session, name, sha256), shown, images)
        if arguments.json:
            print_json(_told(chat, session, found, uid))
    return 0


def _files(arguments: Arguments, found: FoundModel) -> ModelFiles:
    from dermagui.chat.bundle_files import read_text
    from dermagui.chat.session import ModelFiles

    template = arguments.template or found.paths.get("template")
    words = read_text(template) if template else None
    return ModelFiles(found.paths["model"], found.paths.get("mmproj"), words)


def _room(arguments: Arguments) -> Room:
    from dermagui.chat.memory import DEFAULT_IMAGE_TOKENS
    from dermagui.chat.session import Room

    return Room(
        context_tokens=arguments.context,
        image_tokens=arguments.image_tokens or DEFAULT_IMAGE_TOKENS,
        gpu_layers=arguments.gpu_layers,
        threads=arguments.threads,
    )


def _store(arguments: Arguments, opened: ExitStack) -> Store | None:
    from dermagui.project import Project

    return opened.enter_context(Project(arguments.project)).store if arguments.project else None


def _attachments(paths: list[Path], store: Store | None) -> list[Attachment]:
    """The pictures with the hashes of their files, where the chat is kept."""
    from dermagui.chat.keeping import attach
    from dermagui.storage.chats import refuse_forgotten

    if store is None:
        return []
    shown = [attach(Picture(path)) for path in paths]
    refuse_forgotten(store, [attachment.sha256 for attachment in shown])
    return shown


def _asked(chat: _Chat, session: Session, name: str, sha256: str) -> Asked:
    from dermagui.chat.keeping import Asked

    quantization, context = session.model.quantization, chat.arguments.context
    return Asked(name, sha256, quantization, chat.adapters, chat.sampling, context)


def _chat(arguments: Arguments) -> _Chat:
    from dermagui.chat.bundle_files import read_text
    from dermagui.chat.protocol import Adapter, Sampling
    from dermagui.chat.session import random_seed

    sampling = Sampling(
        max_tokens=arguments.max_tokens,
        temperature=arguments.temperature,
        seed=random_seed() if arguments.seed is None else arguments.seed,
    )
    adapters = [Adapter(os.fspath(path), scale) for path, scale in arguments.lora]
    return _Chat(arguments, sampling, adapters, read_text(arguments.schema) if arguments.schema else None)


def _ask(session: Session, chat: _Chat, prompt: str, images: list[Rgb]) -> None:
    from dermagui.chat.protocol import ChatTurn
    from dermagui.chat.session import Answer

    turns = [*chat.turns, ChatTurn(Role.USER, prompt, tuple(images))]
    if chat.arguments.labels is not None:
        events = session.classify(turns, chat.arguments.labels, adapters=chat.adapters)
    else:
        events = session.ask(turns, chat.sampling, adapters=chat.adapters, schema=chat.schema)
    for event in events:
        _show(event, session, chat)
        if isinstance(event, Answer):
            chat.turns = [*turns, ChatTurn(Role.ASSISTANT, event.text, (), event.tokens)]
            chat.answers.append(event)


def _show(event: Event, session: Session, chat: _Chat) -> None:
    from dermagui.chat.session import Answer, Piece, Step

    as_text = not chat.arguments.json
    if isinstance(event, Step) and event.doing != "load":
        say_progress(int(event.done), int(event.total), "tokens" if event.doing == "prompt" else "pictures")
    elif isinstance(event, Piece) and as_text:
        print(event.text, end="", flush=True)
    elif isinstance(event, Answer):
        if not chat.answers:
            _say_what_was_seen(event, session, chat)
        if as_text:
            print(event.text if event.labels else "", flush=True)
        for label in event.labels:
            say(f"  {label['label']}: {label['log_probability']:.4f}")


def _say_what_was_seen(answer: Answer, session: Session, chat: _Chat) -> None:
    """Nothing is scaled down, and no template is made up, without a word."""
    for path, image in zip(chat.arguments.image, answer.images, strict=False):
        tiles = "" if image["exact"] else ", which it cuts into tiles of its own"
        say(f"  {path.name}: seen as {image['width']} x {image['height']}, {image['tokens']} tokens{tiles}")
    if session.loaded and not session.loaded["has_template"]:
        say(f"  {sentence('chat.no_template', {'name': chat.arguments.model})}")


def _begin(store: Store, chat: _Chat, session: Session, name: str, sha256: str) -> str:
    from dermagui.storage.chats import add_chat

    return add_chat(
        store,
        model=name,
        model_sha256=sha256,
        quantization=session.model.quantization,
        adapters=[{"file": Path(adapter.path).name, "scale": adapter.scale} for adapter in chat.adapters],
        settings=asdict(chat.sampling)
        | {"context_tokens": chat.arguments.context, "labels": chat.arguments.labels, "schema": chat.schema},
    )


def _keep(
    store: Store, uid: str, chat: _Chat, asked: Asked, shown: list[Attachment], images: list[Rgb]
) -> None:
    from dermagui.chat.keeping import chat_image, figures_of, keep_turns
    from dermagui.storage.chats import StoredTurn

    question, answer, told = chat.turns[-2], chat.turns[-1], chat.answers[-1]
    pictures = zip(shown, images, strict=True) if question.images else ()
    kept = [chat_image(attachment, rgb, told) for attachment, rgb in pictures]
    said = StoredTurn(Role.ASSISTANT, answer.text, answer.tokens, figures_of(told, asked))
    keep_turns(store, uid, [StoredTurn(Role.USER, question.text, images=kept), said], shown)


def _told(chat: _Chat, session: Session, found: FoundModel, uid: str | None) -> dict[str, Any]:
    return {
        "model": found.name,
        "quantization": session.model.quantization,
        "answers": [answer.text for answer in chat.answers],
        "tokens": [list(answer.tokens) for answer in chat.answers],
        "ended": [answer.ended for answer in chat.answers],
        "timings": [answer.seconds for answer in chat.answers],
        "prompt_tokens": [answer.prompt_tokens for answer in chat.answers],
        "reused_tokens": [answer.reused_tokens for answer in chat.answers],
        "pixels": [{name: seen[name] for name in _SEEN} for seen in chat.answers[-1].images],
        "exact": [seen["exact"] for seen in chat.answers[-1].images],
        "labels": [answer.labels for answer in chat.answers],
        "seed": chat.sampling.seed,
        "loaded": session.loaded,
        "chat": uid,
        "notice": found.notice,
    }
