"""How much of what a project holds: numbers for a report, no names."""

from __future__ import annotations

from dermagui.storage import images, jobs, pairs, requests, sources
from dermagui.storage.database import Row, Store

_NEWEST = 20


def count_rows(store: Store) -> dict[str, int]:
    """Sources, images, pairs by state, requests by state."""
    counted = {"sources": len(sources.list_sources(store)), "images": images.count_images(store)}
    for name, counts in (("pairs", pairs.count_pairs(store)), ("requests", requests.count_requests(store))):
        counted |= {f"{name} {state}": number for state, number in counts.items()}
    return counted


def newest_jobs(store: Store) -> list[Row]:
    """The newest jobs, as ``jobs.list_jobs`` gives them."""
    return jobs.list_jobs(store)[:_NEWEST]
