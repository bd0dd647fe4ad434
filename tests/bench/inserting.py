"""Adding pairs to 1.2 million against adding them to 10,000, the search index included."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from dermagui.records import Pair
from dermagui.storage.database import BATCH, Store
from dermagui.storage.pairs import add_pairs

from .many_pairs import PAIRS_PER_IMAGE, few_pairs, many_pairs, new_pairs
from .measure import Ratio, cost, cpu_seconds, in_turn

BATCHES_OF_ROUND = 4
"""The search index merges its parts from time to time: a round of several batches has its share of that."""


def measure() -> list[Ratio]:
    """One ratio; the seconds are those of one pair."""
    with Store(many_pairs()) as many, Store(few_pairs()) as few:
        seconds = in_turn(adding_to(many), adding_to(few))
    return [cost("pair added to 1,200,000 / to 10,000", seconds, at_most=2)]


def adding_to(store: Store) -> Callable[[], float]:
    """A function that adds more pairs at each call; its seconds are those of one pair."""
    batches = _batches(1 + store.value("SELECT max(image_id) FROM pair_images"))

    def add() -> float:
        made = list(itertools.islice(batches, BATCHES_OF_ROUND))
        return cpu_seconds(lambda: [add_pairs(store, batch) for batch in made]) / (BATCHES_OF_ROUND * BATCH)

    return add


def _batches(first_image: int) -> Iterator[list[Pair]]:
    chance = np.random.default_rng(first_image)
    for n in itertools.count():
        yield new_pairs(BATCH, first_image + n * BATCH // PAIRS_PER_IMAGE, chance)
