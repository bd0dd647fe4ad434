"""Answers that keep to the user's own reference library: passages are found, numbered, given, and cited.

Nothing is shipped with the library. A passage is what was read of its file; that the file was changed since,
or is gone, is told with it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path

from dermagui.chat.reference_files import SUFFIXES, read_content, read_passages
from dermagui.errors import UserError, from_os_error
from dermagui.paths import display_path
from dermagui.storage import references
from dermagui.storage.database import Row, Store
from dermagui.storage.references import ReferenceFile

PASSAGES = 5
"""So many passages are given to the model at most."""

_SHORTEST_WORD = 3
_MOST_WORDS = 32
_COMMON_SHARE = 0.3
_ALWAYS_RARE = 3
_WORD = re.compile(r"\w+")
_CITED = re.compile(r"\[(\d+(?:\s*[,;]\s*\d+)*)\]")
_ASKING = """Answer the question from the numbered passages below, which come from the library of the person \
who asks. Behind each sentence that relies on a passage put its number in brackets, like [1]. Use \
nothing else. If the passages do not answer the question, say so and do not guess.

{passages}

Question: {question}"""


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage that was found for a question."""

    number: int
    """By which it is cited, from 1."""
    name: str
    """Of its file."""
    place: str
    text: str
    file: str
    """The uid of its file in the library."""
    state: str
    """``unchanged``, ``changed`` or ``gone``: its file now, against what was read."""

    def as_json(self) -> dict[str, object]:
        """As the figures of an answer keep it."""
        return asdict(self)


def add_references(store: Store, path: Path) -> list[str]:
    """Reads a file, or the files of a folder that can be read, into the library; returns their uids.

    A file that is there already is read anew. Raises like ``files_to_read`` and ``read_reference``.
    """
    read = (read_reference(file) for file in files_to_read(path))
    return [references.save_reference(store, file, passages) for file, passages in read]


def files_to_read(path: Path) -> list[Path]:
    """The file itself, or the files of a folder that can be read.

    Raises ``UserError`` ``reference.empty_folder`` for a folder without such files, or what the disk refuses.
    """
    try:
        files = _files_of(path) if path.is_dir() else [path]
    except OSError as error:
        raise from_os_error(error, path) from error
    if not files:
        raise UserError("reference.empty_folder", path=display_path(path), known=sorted(SUFFIXES))
    return [file.absolute() for file in files]


def _files_of(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in found if not path.name.startswith("."))


def read_reference(path: Path) -> tuple[ReferenceFile, list[tuple[str, str]]]:
    """A file and its passages, as ``save_reference`` takes them; no database is needed.

    Raises what ``read_content`` and ``read_passages`` raise.
    """
    content = read_content(path)
    passages = read_passages(path, content)
    digest = hashlib.sha256(content).hexdigest()
    read = ReferenceFile(os.fsencode(path), display_path(path), digest, len(content), path.stat().st_mtime_ns)
    return read, passages


def states_of(store: Store) -> list[Row]:
    """The files of the library, each with its ``state``: ``unchanged``, ``changed`` or ``gone``."""
    return with_states(references.list_references(store))


def with_states(rows: Sequence[Row]) -> list[Row]:
    """Rows of files with their ``state`` now, which may take reading each; no database is needed."""
    return [row | {"state": _state(row)} for row in rows]


def _state(row: Row) -> str:
    path = Path(os.fsdecode(row["path_bytes"]))
    try:
        status = path.stat()
        if (status.st_size, status.st_mtime_ns) == (row["size_bytes"], row["mtime_ns"]):
            return "unchanged"
        with path.open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == row["sha256"]
    except OSError:
        return "gone"
    return "unchanged" if same else "changed"


def find_passages(stores: Sequence[Store], question: str, count: int = PASSAGES) -> list[Passage]:
    """The passages that fit a question best, numbered; from several libraries in turn, the first one's first.

    Words that stand in a third of a library say nothing and are not looked for, in whatever language. Nothing
    is found where no word of the question is left.
    """
    return number_passages([rank_passages(store, question, count) for store in stores], count)


def rank_passages(store: Store, question: str, count: int = PASSAGES) -> list[Row]:
    """The passages of one library that fit a question best, the best first."""
    wanted = list(_telling(store, question))
    return references.search_passages(store, " OR ".join(wanted), count) if wanted else []


def number_passages(ranked: Sequence[Sequence[Row]], count: int = PASSAGES) -> list[Passage]:
    """Passages of several libraries, taken in turn and numbered; looks at their files, at no database."""
    rows = [row for places in zip_longest(*ranked) for row in places if row is not None]
    return [
        Passage(n, Path(row["path"]).name, row["place"], row["text"], row["uid"], _state(row))
        for n, row in enumerate(rows[:count], 1)
    ]


def _telling(store: Store, question: str) -> Iterator[str]:
    """The words of a question that tell passages apart, as FTS5 looks for them: without their endings."""
    total = references.count_passages(store)
    words = dict.fromkeys(word.casefold() for word in _WORD.findall(question) if len(word) >= _SHORTEST_WORD)
    for word in list(words)[:_MOST_WORDS]:
        stem = word if len(word) < 6 else word[: max(5, len(word) - 2)]
        match = f'"{stem}"*' if stem != word else f'"{word}"'
        if 0 < references.count_passages_with(store, match) <= max(_ALWAYS_RARE, total * _COMMON_SHARE):
            yield match


def grounded_prompt(question: str, passages: Sequence[Passage]) -> str:
    """What the model is asked: the passages with their numbers, and the question."""
    told = "\n\n".join(f"[{one.number}] {one.name}, {one.place}:\n{one.text}" for one in passages)
    return _ASKING.format(passages=told, question=question)


def support_of(answer: str, passages: Sequence[Passage]) -> tuple[str, dict[str, object]]:
    """Code and values of the sentence under an answer: what in the library it names as its support.

    Whether a passage says what the answer says is for the reader to check: only the numbers are compared.
    """
    if not passages:
        return "reference.nothing_found", {}
    cited = cited_numbers(answer)
    known = {passage.number for passage in passages}
    if made_up := sorted(cited - known):
        return "reference.made_up", {"numbers": made_up, "most": len(passages)}
    if not cited:
        return "reference.not_cited", {}
    return "reference.cited", {"numbers": sorted(cited)}


def cited_numbers(answer: str) -> set[int]:
    """The numbers that an answer puts in brackets: ``[1]``, ``[1, 3]``."""
    found = (number for group in _CITED.findall(answer) for number in re.split(r"\D+", group))
    return {int(number) for number in found if number and len(number) < 7}
