"""Pictures that look the same: clusters of perceptual hashes, exact, in a few megabytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def near_duplicate_clusters(hashes: Sequence[bytes], max_distance: int = 12) -> list[list[int]]:
    """Clusters of two or more hashes that chains of steps of at most ``max_distance`` bits connect.

    ``hashes`` are 32 bytes each. Every hash is compared with every other that is not yet in a cluster,
    one against all at a time. A featureless picture (a hash within ``max_distance`` of all zeros or all
    ones: a black frame, a grey wall) is in no cluster: such hashes are near each other whatever was
    photographed, and would glue strangers together. Identical ones are still found by their pixel hash.
    Returns positions in ``hashes``, ascending.
    """
    import numpy as np

    if not hashes:
        return []
    words = _informative_words(np.frombuffer(b"".join(hashes), np.uint8).reshape(len(hashes), 32))
    ones = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    rest = np.flatnonzero((ones > max_distance) & (ones < 256 - max_distance))
    first, clusters = np.ascontiguousarray(words[rest, 0]), []
    while rest.size:
        cluster, rest, first = [int(rest[0])], rest[1:], first[1:]
        for member in cluster:  # which grows while it is walked
            near = np.flatnonzero(np.bitwise_count(first ^ words[member, 0]) <= max_distance)
            near = near[_distances(words[rest[near]], words[member]) <= max_distance]
            if near.size:
                cluster.extend(rest[near].tolist())
                rest, first = np.delete(rest, near), np.delete(first, near)
        if len(cluster) > 1:
            clusters.append(sorted(cluster))
    return clusters


def cluster_names(hashes: Mapping[str, bytes], max_distance: int = 12) -> dict[str, str]:
    """For each image (by pixel hash) that has a near-duplicate: its cluster, by its smallest image."""
    images = sorted(hashes)
    clusters = near_duplicate_clusters([hashes[image] for image in images], max_distance)
    return {images[n]: images[cluster[0]] for cluster in clusters for n in cluster}


def _informative_words(hashes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The hashes as four words each, their bits reordered so that the first word tells most apart.

    In photographs of one kind many bits are nearly always the same (dark corners); with these in the first
    word, comparing it would rule out nothing.
    """
    import numpy as np

    bits = np.unpackbits(hashes, axis=1)
    order = np.argsort(np.abs(bits.mean(axis=0) - 0.5), kind="stable")
    return np.ascontiguousarray(np.packbits(bits[:, order], axis=1)).view(np.uint64)


def _distances(words: NDArray[np.uint64], word: NDArray[np.uint64]) -> NDArray[np.int64]:
    import numpy as np

    distances: NDArray[np.int64] = np.bitwise_count(words ^ word).sum(axis=1, dtype=np.int64)
    return distances
