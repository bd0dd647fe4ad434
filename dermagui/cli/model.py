"""``dermagui model``: looks into GGUF files, and keeps the models to chat with."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dermagui.cli.console import (
    Arguments,
    Commands,
    json_argument,
    print_json,
    say,
    say_error,
    say_progress,
)
from dermagui.errors import DermaError
from dermagui.records import Progress
from dermagui.texts import sentence

if TYPE_CHECKING:
    from dermagui.chat.bundle import Bundle
    from dermagui.chat.catalogue import CatalogueModel
    from dermagui.chat.gguf_header import Header, Scalar, Value
    from dermagui.chat.model_facts import ModelFacts
    from dermagui.chat.pairing import GgufFile

CONTEXTS = (4_096, 8_192, 32_768)
"""Tokens of context for which ``inspect`` tells the memory, as far as the model goes."""


@dataclass(frozen=True, slots=True)
class _Action:
    name: str
    help: str
    declare: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Arguments], int]


def declare(commands: Commands) -> None:
    """Declares the command with its actions."""
    parser = commands.add_parser("model", help="look into a model file, and keep models to chat with")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action in _ACTIONS:
        subparser = actions.add_parser(action.name, help=action.help)
        action.declare(subparser)
        subparser.set_defaults(run=action.run)


def _declare_inspect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a GGUF file; only its header is read")
    parser.add_argument("--mmproj", type=Path, metavar="FILE", help="its projector (default: looked for)")
    json_argument(parser)


def _inspect(arguments: Arguments) -> int:
    from dermagui.chat.gguf_header import read_header
    from dermagui.chat.model_facts import describe
    from dermagui.chat.pairing import GgufFile

    header = read_header(arguments.file)
    model = GgufFile(arguments.file, describe(header))
    mmproj, problem = _judge(model, arguments.mmproj)
    memory = _memory(model.facts, mmproj.facts if mmproj else None)
    if arguments.json:
        print_json(_inspected(header, model, mmproj, memory, problem))
        return 0
    _tell_facts(model.facts)
    if mmproj:
        _tell_projector(mmproj)
    for line in memory:
        print(_memory_line(line))
    if problem:
        say_error(problem)
    return 0


def _judge(model: GgufFile, mmproj: Path | None) -> tuple[GgufFile | None, DermaError | None]:
    """The projector of a model, and why one cannot chat with it, as far as that is so."""
    from dermagui.chat.pairing import choose_mmproj, read_file, refuse_projector, refuse_unusable
    from dermagui.chat.prompt import check_template

    projector = read_file(mmproj) if mmproj else None
    try:
        refuse_unusable(model)
        projector = projector or choose_mmproj(model)
        if projector:
            refuse_projector(model, projector)
        check_template(model.facts.template)
    except DermaError as problem:
        return projector, problem
    return projector, None


def _memory(model: ModelFacts, mmproj: ModelFacts | None) -> list[dict[str, int]]:
    from dermagui.chat.memory import memory_needed, usual_image_tokens
    from dermagui.chat.model_facts import GgufKind

    if model.kind is not GgufKind.MODEL:
        return []
    told = []
    for context in sorted({min(context, model.context_length or context) for context in CONTEXTS}):
        memory = memory_needed(model, mmproj, context)
        figures = {"context": context, "image_tokens": usual_image_tokens(mmproj)}
        told.append(figures | asdict(memory) | {"total": memory.total})
    return told


def _memory_line(memory: dict[str, int]) -> str:
    return (
        f"memory, about: {_size(memory['total'])} for {memory['context']:,} tokens, of which a picture takes "
        f"{memory['image_tokens']:,} (weights {_size(memory['weights'])}, context {_size(memory['kv'])}, "
        f"work {_size(memory['compute'])}, projector {_size(memory['projector'])})"
    )


def _inspected(
    header: Header,
    model: GgufFile,
    mmproj: GgufFile | None,
    memory: list[dict[str, int]],
    problem: DermaError | None,
) -> dict[str, Any]:
    from dermagui.paths import display_path

    return {
        "file": display_path(model.path),
        "header": {
            "version": header.version,
            "size_bytes": header.size_bytes,
            "alignment": header.alignment,
            "data_offset": header.data_offset,
            "tensors": len(header.tensors),
            "metadata": {key: _as_json(value) for key, value in header.metadata.items()},
        },
        "model": _facts(model.facts),
        "mmproj": {"file": display_path(mmproj.path), **_facts(mmproj.facts)} if mmproj else None,
        "memory": memory,
        "problem": {"code": problem.code, "text": sentence(problem.code, problem.values)}
        if problem
        else None,
    }


def _facts(facts: ModelFacts) -> dict[str, Any]:
    """What a file is; its template stands among the metadata already."""
    told = asdict(facts)
    template = told.pop("template")
    return {**told, "has_template": bool(template)}


def _as_json(value: Value | Scalar) -> object:
    """A value as JSON has it: a long one as its type and length, a number beyond all numbers as text."""
    from dermagui.chat.gguf_header import LongValue

    if isinstance(value, LongValue):
        return {"type": value.type, "length": value.length}
    if isinstance(value, tuple):
        return [_as_json(part) for part in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _tell_facts(facts: ModelFacts) -> None:
    print(f"{facts.name or 'nameless'}: {facts.kind} of the architecture {facts.architecture or 'unknown'}")
    print(
        f"{_count(facts.parameters)} parameters, {facts.quantization or 'no weights'}, "
        f"{_size(facts.file_bytes)}"
    )
    if facts.layers:
        print(
            f"{facts.layers} layers, width {facts.embedding_length}, {facts.heads} heads of "
            f"{facts.head_length} ({facts.kv_heads} for keys and values), vocabulary {facts.vocabulary:,}, "
            f"context {facts.context_length:,} tokens"
        )
        print(f"chat template: {'yes' if facts.template else 'none'}")
    for name, text in (("licence", facts.licence), ("made from", facts.base)):
        if text:
            print(f"{name}: {text}")
    if facts.projector:
        _tell_sight(facts)


def _tell_projector(mmproj: GgufFile) -> None:
    print(f"projector: {mmproj.path.name!r}, {mmproj.facts.quantization}, {_size(mmproj.facts.file_bytes)}")
    _tell_sight(mmproj.facts)


def _tell_sight(facts: ModelFacts) -> None:
    projector = facts.projector
    if projector is None:
        return
    side = projector.patch_size * projector.merge
    tokens = {str(projector.min_tokens), str(projector.max_tokens)} - {"None"}
    print(
        f"sees through {projector.type or 'an unnamed projector'} of the width {projector.width}, "
        f"{side} x {side} pixels a token, {' to '.join(sorted(tokens, key=int)) or '?'} tokens a picture"
    )


def _declare_add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the GGUF file of the model; it is only read")
    parser.add_argument("--mmproj", type=Path, metavar="FILE", help="its projector (default: looked for)")
    parser.add_argument("--name", metavar="N", help="what to call it (default: the name of the file)")
    parser.add_argument(
        "--template", type=Path, metavar="FILE", help="a chat template instead of the model's"
    )
    json_argument(parser)


def _add(arguments: Arguments) -> int:
    from dermagui.chat.bundle import add_model

    bundle = add_model(
        arguments.file, arguments.mmproj, arguments.name, Console(), template=arguments.template
    )
    memory = _memory_of(bundle)
    if arguments.json:
        print_json(_as_row(bundle) | {"memory": memory})
        return 0
    mmproj = bundle.files.get("mmproj")
    seeing = f" with the projector {mmproj.origin!r}" if mmproj else ""
    say(f"Added {bundle.name}{seeing}.")
    for line in memory[:1]:
        say(f"  {_memory_line(line)}")
    return 0


def _memory_of(bundle: Bundle) -> list[dict[str, int]]:
    """The memory of a bundle's files."""
    from dermagui.chat.pairing import read_file

    facts = {role: read_file(path).facts for role in ("model", "mmproj") if (path := bundle.path(role))}
    return _memory(facts["model"], facts.get("mmproj"))


def _check(arguments: Arguments) -> int:
    from dermagui.chat.bundle import check_bundle, find_bundle

    bundle = find_bundle(arguments.name)
    check_bundle(bundle, Console())
    say(f"{bundle.name} is, to the last bit, what was added.")
    return 0


class Console:
    """Tells the progress of long work; Ctrl+C stops it by itself."""

    def progress(self, progress: Progress) -> None:
        """So many megabytes are done."""
        total = math.ceil((progress.total or 0) / 1e6)
        done = total if progress.done == progress.total else int(progress.done / 1e6)
        say_progress(done, total, "MB")

    def warn(self, code: str, **values: object) -> None:
        """Tells a warning."""
        say(f"  {sentence(code, values)}")

    def stop_if_asked(self) -> None:
        """Nobody can ask but from the keyboard, and that interrupts."""


def _list(arguments: Arguments) -> int:
    from dermagui.chat.bundle import Bundle, scan_bundles

    found = scan_bundles(shipped=True)
    if arguments.json:
        print_json({"models": [_as_row(bundle) for bundle in found.values() if isinstance(bundle, Bundle)]})
    for bundle in found.values():
        if isinstance(bundle, DermaError):
            say_error(bundle)
        elif not arguments.json:
            sight = bundle.image.projector if bundle.image else "text only"
            print(
                f"{bundle.name}: {bundle.architecture}, {_count(bundle.parameters)} parameters, "
                f"{bundle.quantization}, {_size(bundle.size_bytes)}, {sight}"
                + (f". {bundle.about.terms}" if bundle.about.terms else "")
            )
    return 0


def _as_row(bundle: Bundle) -> dict[str, Any]:
    return {"name": bundle.name, "size_bytes": bundle.size_bytes} | asdict(bundle)


def _declare_download(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="a suggested model (default: list them)")
    parser.add_argument("--accept-terms", metavar="NAME", help="your name: you accept the terms of the model")
    parser.add_argument("--inline", action="store_true", help="work in this process, for debugging")
    json_argument(parser)


def _download(arguments: Arguments) -> int:
    from dermagui.api_key import HUGGINGFACE, find_key
    from dermagui.chat.catalogue import find_model
    from dermagui.chat.download import parameters_for
    from dermagui.cli.job import run_job
    from dermagui.logs import hide
    from dermagui.project import home_project

    if arguments.name is None:
        return _suggest(arguments)
    model = find_model(arguments.name)
    parameters = parameters_for(model)
    _accept(model, arguments.accept_terms)
    token = find_key(HUGGINGFACE)
    if token:
        hide(token.value)

    def show_progress(event: dict[str, Any]) -> None:
        Console().progress(Progress(event["done"], event["total"], event["unit"]))

    code, end = run_job(
        home_project(),
        "download",
        parameters,
        secret=token.value if token else None,
        inline=arguments.inline,
        handlers={"progress": show_progress},
    )
    if arguments.json:
        print_json(end["figures"])
    elif not code:
        say(f"Downloaded {model.name}, {_size(end['figures']['bytes'])}.")
    return code


def _accept(model: CatalogueModel, name: str | None) -> None:
    """Shows the terms of a model that has some, and keeps who accepted them."""
    from dermagui.chat.download import accept_terms, accepted_terms
    from dermagui.project import Project, home_project

    if not model.terms:
        return
    with Project(home_project()) as home:
        if accepted_terms(home.store, model) is None:
            say(f"{model.terms}\n{model.terms_link}")
            if name is not None:
                accept_terms(home.store, model, name)


def _suggest(arguments: Arguments) -> int:
    from dermagui.chat.catalogue import load_catalogue

    models = load_catalogue()
    if arguments.json:
        print_json({"models": [model.as_json() | {"size_bytes": model.size_bytes} for model in models]})
        return 0
    for model in models:
        print(
            f"{model.name}: {model.title}, {model.quantization}. {model.purpose}\n"
            f"    about {_size(model.size_bytes)} to download, about {_size(model.memory_bytes)} of memory, "
            f"{model.licence}{', may ask for an account' if model.gated else ''}"
        )
    return 0


def _declare_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")


def _remove(arguments: Arguments) -> int:
    from dermagui.chat.bundle import remove_bundle

    remove_bundle(arguments.name)
    say(f"Removed {arguments.name}.")
    return 0


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:,.2f} GB" if size_bytes >= 1e8 else f"{size_bytes / 1e6:,.2f} MB"


def _count(number: int) -> str:
    return f"{number / 1e9:,.2f} billion" if number >= 1e8 else f"{number / 1e6:,.2f} million"


_ACTIONS = (
    _Action("inspect", "tell what a GGUF file is and what it needs", _declare_inspect, _inspect),
    _Action("add", "keep a model and its projector", _declare_add, _add),
    _Action("list", "list the models that are kept", json_argument, _list),
    _Action("check", "compare the files of a model with their hashes", _declare_name, _check),
    _Action("download", "download a suggested model, or list them", _declare_download, _download),
    _Action("remove", "remove a model; a file that was linked stays where it was", _declare_name, _remove),
)
