"""All that a reviewer needs of one pair, read at once: its texts, its pictures, and what was said before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dermagui.errors import DermaError
from dermagui.records import Pair, Picture, Region, Turn, Verdict
from dermagui.storage import images, pairs, verdicts
from dermagui.storage.database import Store
from dermagui.storage.drafts import kept_draft
from dermagui.storage.metadata import fields_of_images


@dataclass(frozen=True, slots=True)
class Sight:
    """One picture of a pair as it may be shown, or why it cannot be."""

    image_id: int
    picture: Picture | None
    redactions: tuple[Region, ...] = ()
    error: DermaError | None = field(default=None, compare=False)
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)
    """What files and people say of it: field and values."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A pair on the reviewer's desk."""

    pair_id: int
    pair: Pair
    sights: tuple[Sight, ...]
    edited: tuple[Turn, ...] = ()
    """The turns of the edit that holds, whoever made it."""
    draft: tuple[Turn, ...] = ()
    """What this reviewer began to write and did not save."""
    said: Verdict | None = None
    """This reviewer's own verdict that counts, the latest."""

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns that hold now."""
        return self.edited or self.pair.turns


def read_pair(store: Store, pair_id: int, person_uid: str) -> Reading | None:
    """The pair with that id for that person, or None where it is gone."""
    uid = store.value("SELECT uid FROM pairs WHERE id = ?", (pair_id,))
    pair = pairs.pair(store, uid) if uid else None
    if pair is None:
        return None
    events = [event for event in verdicts.verdicts_of_pair(store, pair.uid) if event.person_uid == person_uid]
    ids = [image.image_id for image in pair.images]
    fields = fields_of_images(store, ids)
    said = {
        image: {name: tuple(row["value"] for row in rows) for name, rows in of_image.items()}
        for image, of_image in fields.items()
    }
    return Reading(
        pair_id=pair_id,
        pair=pair,
        sights=tuple(_sight(store, image, said.get(image, {})) for image in ids),
        edited=pairs.edited_turns(store, pair.uid),
        draft=kept_draft(store, person_uid, pair.uid),
        said=next(iter(verdicts.counting(events)), None),
    )


def _sight(store: Store, image_id: int, fields: Mapping[str, tuple[str, ...]]) -> Sight:
    redactions = images.redactions_of(store, image_id)
    try:
        return Sight(image_id, images.picture_of(store, image_id), redactions, fields=fields)
    except DermaError as error:
        return Sight(image_id, None, redactions, error, fields)
