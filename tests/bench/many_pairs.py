"""Databases of many pairs: realistic text, every index that the program keeps, the search index included.

They are filled by plain ``executemany``, which is the fastest way, and indexed by the program's own
``index_pairs``, so that the search index has grown as it grows in use.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from dermagui.project import create_project
from dermagui.records import Pair, PairImage, PairKind, PairState, Role, Turn
from dermagui.storage.database import Store
from dermagui.storage.moments import new_uid, now
from dermagui.storage.pairs import index_pairs

from .measure import say, temporary_folder

MANY = 1_200_000
FEW = 10_000
PAIRS_PER_IMAGE = 27
"""As many as a large synthetic dataset has for each of its images."""

_WORDS_OF_QUESTION, _WORDS_OF_ANSWER = 12, 58
_VOCABULARY_WORDS = 20_000
_AT_ONCE = 10_000
_FRESH_IMAGES = 5_000
"""Images without pairs, for the pairs that a measurement adds."""
_STATES = MappingProxyType({PairState.PENDING: 0.5, PairState.ACCEPTED: 0.4, PairState.REJECTED: 0.1})


def _vocabulary() -> list[str]:
    """Words of two or three syllables, the shorter ones first."""
    syllables = [
        first + second for first in "bdfgklmnprstv" for second in ("a", "e", "i", "o", "u", "an", "er")
    ]
    words = ("".join(parts) for n in (2, 3) for parts in itertools.product(syllables, repeat=n))
    return list(itertools.islice(words, _VOCABULARY_WORDS))


VOCABULARY = tuple(_vocabulary())
"""From the most common word to the rarest."""

COMMON_WORD = VOCABULARY[5]
"""About two thirds of the pairs contain it, as those about skin contain "skin"."""


def texts(count: int, chance: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Questions and answers whose words are as unequally common as those of a language (Zipf's law)."""
    words = np.array(VOCABULARY, dtype=object)
    shares = np.cumsum(1 / np.arange(1, _VOCABULARY_WORDS + 1))
    drawn = np.searchsorted(
        shares / shares[-1], chance.random((count, _WORDS_OF_QUESTION + _WORDS_OF_ANSWER))
    )
    for row in words[drawn].tolist():
        yield " ".join(row[:_WORDS_OF_QUESTION]) + "?", " ".join(row[_WORDS_OF_QUESTION:]) + "."


@cache
def many_pairs() -> Path:
    """A project of 1.2 million pairs, made once for all measurements that want it."""
    return _project_of(MANY)


@cache
def few_pairs() -> Path:
    """A project of 10,000 pairs of the same kind."""
    return _project_of(FEW)


def _project_of(count: int) -> Path:
    say(f"making a database of {count:,} pairs")
    folder = temporary_folder() / f"pairs-{count}"
    create_project(folder)
    chance = np.random.default_rng(count)
    with Store(folder) as store:
        store.conn.execute("PRAGMA synchronous = OFF")
        _add_images(store, 1 + count // PAIRS_PER_IMAGE + _FRESH_IMAGES)
        for start in range(0, count, _AT_ONCE):
            _fill(store, start, min(_AT_ONCE, count - start), chance)
        say(f"indexing {count:,} pairs for the search")
        index_pairs(store)
        store.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder


def _add_images(store: Store, count: int) -> None:
    rows = ((f"{n:064x}", 0, 600, 450, f"{n:064x}", n.to_bytes(32), None, "{}") for n in range(count))
    with store.writing() as conn:
        conn.executemany(
            """INSERT INTO images (sha256, frame, width, height, pixel_hash, perceptual_hash, modality, quality)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
            rows,
        )


def _fill(store: Store, start: int, count: int, chance: np.random.Generator) -> None:
    said = list(texts(count, chance))
    states = chance.choice(list(_STATES), count, p=list(_STATES.values())).tolist()
    flagged = (chance.random(count) < 0.1).tolist()
    flag = '[{"detail":"age","evidence":"54","kind":"leak"}]'
    ids = range(start + 1, start + count + 1)
    with store.writing() as conn:
        conn.executemany(
            """INSERT INTO pairs (id, uid, kind, state, simulated, request_uid, question_key, payload, flags,
                   flag_count, created_at) VALUES (?, ?, 'open', ?, 0, ?, 'overview', '{}', ?, ?, ?)""",
            (
                (pair_id, new_uid(), state, new_uid(), flag if bad else "[]", int(bad), now())
                for pair_id, state, bad in zip(ids, states, flagged, strict=True)
            ),
        )
        conn.executemany(
            "INSERT INTO pair_turns VALUES (?, 0, 'user', ?), (?, 1, 'assistant', ?)",
            ((pair_id, asked, pair_id, said) for pair_id, (asked, said) in zip(ids, said, strict=True)),
        )
        conn.executemany(
            "INSERT INTO pair_images VALUES (?, 0, ?, NULL)",
            ((pair_id, 1 + (pair_id - 1) // PAIRS_PER_IMAGE) for pair_id in ids),
        )


def new_pairs(count: int, first_image: int, chance: np.random.Generator) -> list[Pair]:
    """Pairs as a generation makes them, about images from ``first_image`` on."""
    return [
        Pair(
            uid=new_uid(),
            kind=PairKind.OPEN,
            turns=(Turn(Role.USER, asked), Turn(Role.ASSISTANT, said)),
            images=(PairImage(first_image + n // PAIRS_PER_IMAGE),),
            request_uid=new_uid(),
            question_key="overview",
            created_at=now(),
        )
        for n, (asked, said) in enumerate(texts(count, chance))
    ]
