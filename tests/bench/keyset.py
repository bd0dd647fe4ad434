"""The page in the middle of 1.2 million pairs: after an id, against ``OFFSET``. Both read whole pairs."""

from __future__ import annotations

from dermagui.records import Pair
from dermagui.storage.database import Store
from dermagui.storage.pairs import _read_numbered, page_of_pairs

from .many_pairs import MANY, many_pairs
from .measure import Ratio, cpu_seconds, in_turn, speed

ROWS_OF_PAGE = 200


def measure() -> list[Ratio]:
    """One ratio; the seconds are those of one page."""
    with Store(many_pairs(), read_only=True) as store:
        assert page_after(store) == page_by_offset(store)
        seconds = in_turn(
            lambda: cpu_seconds(lambda: page_after(store)), lambda: cpu_seconds(lambda: page_by_offset(store))
        )
    return [speed("page in the middle, after an id / by OFFSET", seconds, at_least=8)]


def page_after(store: Store) -> list[tuple[int, Pair]]:
    """Ours."""
    return page_of_pairs(store, after_id=MANY // 2, count=ROWS_OF_PAGE)


def page_by_offset(store: Store) -> list[tuple[int, Pair]]:
    """Theirs: the same page, read into pairs in the same way."""
    query = "SELECT * FROM pairs ORDER BY id LIMIT ? OFFSET ?"
    return list(_read_numbered(store, query, (ROWS_OF_PAGE, MANY // 2)))
