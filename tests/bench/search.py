"""The first page of a search for a common word among 1.2 million pairs, against ranking every hit."""

from __future__ import annotations

from dermagui.storage.database import Store
from dermagui.storage.pairs import RANK_BOUND, search_pairs

from .many_pairs import COMMON_WORD, MANY, many_pairs
from .measure import Ratio, cpu_seconds, in_turn, speed

ROWS_OF_PAGE = 50


def measure() -> list[Ratio]:
    """One ratio; the seconds are those of one page."""
    with Store(many_pairs(), read_only=True) as store:
        query = "SELECT count(*) FROM pair_search WHERE pair_search MATCH ?"
        hits = store.value(query, (COMMON_WORD,))
        assert MANY / 2 < hits < MANY, hits
        seconds = in_turn(
            lambda: cpu_seconds(lambda: search_pairs(store, COMMON_WORD, count=ROWS_OF_PAGE)),
            lambda: cpu_seconds(lambda: rank_all(store)),
        )
    return [speed(f"search, {RANK_BOUND:,} of {hits:,} hits ranked / all", seconds, at_least=20)]


def rank_all(store: Store) -> list[int]:
    """Theirs: only the numbers of the pairs, which are not even read."""
    query = "SELECT rowid FROM pair_search WHERE pair_search MATCH ? ORDER BY rank LIMIT ?"
    return [row[0] for row in store.conn.execute(query, (COMMON_WORD, ROWS_OF_PAGE))]
