"""Near-duplicates against the plain definition, and what must not be glued together."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from dermagui.datasets.duplicates import cluster_names, near_duplicate_clusters


def flipped(value: bytes, *bits: int) -> bytes:
    return (int.from_bytes(value) ^ sum(1 << bit for bit in bits)).to_bytes(32)


def noise(seed: int) -> bytes:
    return random.Random(seed).randbytes(32)


def plain_clusters(hashes: list[bytes], max_distance: int) -> list[list[int]]:
    """The definition, written down: repeated merging of whatever touches."""
    numbers = [int.from_bytes(value) for value in hashes]
    clusters: list[set[int]] = []
    for n, number in enumerate(numbers):
        if not max_distance < number.bit_count() < 256 - max_distance:
            continue
        near = [c for c in clusters if any((numbers[m] ^ number).bit_count() <= max_distance for m in c)]
        clusters = [c for c in clusters if c not in near] + [{n}.union(*near)]
    return sorted(sorted(cluster) for cluster in clusters if len(cluster) > 1)


scenes = st.integers(0, 3).map(noise) | st.sampled_from([bytes(32), b"\xff" * 32, b"\x0f" * 32])
blurred = st.builds(
    lambda value, bits: flipped(value, *bits), scenes, st.sets(st.integers(0, 255), max_size=14)
)


@given(st.lists(blurred, max_size=14), st.integers(0, 12))
def test_clusters_are_those_of_the_definition(hashes: list[bytes], max_distance: int) -> None:
    assert sorted(near_duplicate_clusters(hashes, max_distance)) == plain_clusters(hashes, max_distance)


def test_the_distance_is_inclusive() -> None:
    at, beyond = flipped(noise(1), *range(12)), flipped(noise(2), *range(13))
    assert near_duplicate_clusters([noise(1), noise(2), at, beyond]) == [[0, 2]]


def test_steps_make_a_chain() -> None:
    chain = [flipped(noise(1), *range(10 * n)) for n in range(6)]
    assert near_duplicate_clusters([*chain, noise(2)]) == [[0, 1, 2, 3, 4, 5]]


def test_featureless_pictures_glue_nothing_together() -> None:
    dark = [flipped(bytes(32), *range(n)) for n in range(13)]
    bright = [flipped(b"\xff" * 32, *range(n)) for n in range(13)]
    nearly = [flipped(bytes(32), *range(n)) for n in (13, 14)]
    assert near_duplicate_clusters(dark + bright) == []
    assert near_duplicate_clusters(dark + nearly) == [[13, 14]]


def test_no_hashes_no_clusters() -> None:
    assert near_duplicate_clusters([]) == []
    assert near_duplicate_clusters([bytes(32)] * 3) == []


def test_duplicates_are_found_among_many() -> None:
    many = [noise(n) for n in range(2_000)]
    copies = [flipped(many[n], 0, 100, 200) for n in range(0, 2_000, 100)]
    assert near_duplicate_clusters(many + copies) == [[100 * n, 2_000 + n] for n in range(20)]


def test_a_cluster_bears_the_name_of_its_smallest_image() -> None:
    hashes = {"c": noise(1), "b": flipped(noise(1), 3), "a": noise(2), "d": flipped(noise(1), 4)}
    assert cluster_names(hashes) == {"b": "b", "c": "b", "d": "b"}
    assert cluster_names(dict(reversed(hashes.items()))) == {"b": "b", "c": "b", "d": "b"}
