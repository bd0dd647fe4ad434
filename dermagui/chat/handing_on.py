"""Hands a chat, or one answer of it, on to review as a pair that says where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dermagui.errors import UserError
from dermagui.records import Pair, PairImage, PairKind, Role, Turn
from dermagui.storage.chats import StoredTurn, read_chat, turns_of_chat
from dermagui.storage.database import Row, Store
from dermagui.storage.moments import new_uid, now
from dermagui.storage.pairs import add_pairs

_MADE_BY = ("model", "model_sha256", "quantization", "adapters", "settings")


def send_to_review(chats: Store, project: Store, uid: str, n: int | None = None) -> str:
    """Makes a pair of a whole chat or, with the place ``n`` of an answer, of that answer with its question;
    returns the pair's uid. What was sent before is not sent twice.

    ``chats`` holds the chat: the project's own database or that of the Notebook. Raises ``UserError``:
    ``chat.forgotten``, ``chat.private_stays``, ``chat.turn_not_found``, ``chat.image_not_in_project``.
    """
    if chats.is_private:
        raise UserError("chat.private_stays")
    chat, turns = read_chat(chats, uid), turns_of_chat(chats, uid)
    end = len(turns) - 1 if n is None else n
    if not 1 <= end < len(turns) or turns[end].role is not Role.ASSISTANT:
        raise UserError("chat.turn_not_found")
    said = turns[: end + 1] if n is None else turns[end - 1 : end + 1]
    versions = [turn.version for turn in turns[: end + 1]]
    key = f"{uid}/{'all' if n is None else n}/{'.'.join(map(str, versions))}"
    # An answer may speak of a picture that came with an earlier question.
    images = images_in_project(project, turns[: end + 1])
    with project.writing():
        before = project.value(
            "SELECT uid FROM pairs WHERE json_extract(payload, '$.chat.key') = ? LIMIT 1", (key,)
        )
        return str(before) if before else _add(project, said, images, _provenance(chat, turns[end], key))


def images_in_project(store: Store, turns: Sequence[StoredTurn]) -> tuple[int, ...]:
    """The images that turns show, by their numbers in the library, each once.

    Raises ``UserError`` ``chat.image_not_in_project`` where the library does not know one of them.
    """
    shown = dict.fromkeys((image.file_sha256, image.frame) for turn in turns for image in turn.images)
    query = "SELECT id FROM images WHERE sha256 = ? AND frame = ?"
    found = [store.value(query, one) for one in shown]
    if None in found:
        raise UserError("chat.image_not_in_project", count=found.count(None))
    return tuple(found)


def _add(project: Store, said: Sequence[StoredTurn], images: Sequence[int], chat: dict[str, object]) -> str:
    pair = Pair(
        uid=new_uid(),
        kind=PairKind.OPEN if len(said) == 2 else PairKind.DIALOGUE,
        turns=tuple(Turn(turn.role, turn.text) for turn in said),
        images=tuple(PairImage(image) for image in images),
        payload={"chat": chat},
        created_at=now(),
    )
    add_pairs(project, [pair])
    return pair.uid


def _provenance(chat: Row, answer: StoredTurn, key: str) -> dict[str, object]:
    return {"key": key, "uid": chat["uid"], "at": answer.at, **made_by({**chat, **answer.figures})}


def made_by(figures: Mapping[str, object]) -> dict[str, object]:
    """Of the figures of an answer those that say which model gave it, and how it was asked."""
    return {name: figures[name] for name in _MADE_BY if name in figures}
