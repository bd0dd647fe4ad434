"""Who goes into training, validation and test: by group, so that nobody is on both sides.

A *key* names something that must not be torn apart: ``patient:…``, ``lesion:…``, ``image:…`` (a pixel
hash). Rows that share a key are one group, and so are rows that a chain of shared keys connects: two
patients who share one picture go the same way. A split is stored by key on first use and never moved;
where later rows connect keys that are stored in different splits, that is leakage, and the export is
refused. ``cluster:…`` (near-duplicates) is softer, as looking alike is a guess: it names a group that has
neither patient nor lesion, so its members go the same way as a rule, and where they do not it is only told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from dermagui.errors import UserError
from dermagui.records import Split

Ratios = tuple[float, float, float]
"""The shares of train, validation and test; they add up to one."""

_KINDS = ("patient", "lesion", "cluster", "image")
"""The kinds of keys; the first that a group has names it, so a new image leaves the name as it is."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A key that is found in more than one split. Near-duplicates are named; anything else is refused."""

    kind: str
    key: str
    splits: tuple[Split, ...]
    rows: tuple[str, ...]

    @property
    def refused(self) -> bool:
        """Whether a dataset with this leak must not be written."""
        return self.kind != "cluster"


@dataclass(frozen=True, slots=True)
class Assignment:
    """The split of each row, the splits of keys that are to be stored, and what lies in several splits."""

    splits: dict[str, Split]
    new: dict[str, Split]
    leaks: tuple[Leak, ...]


def parse_ratios(text: str) -> Ratios:
    """Read ``80/10/10`` (or ``0.8/0.1/0.1``) as shares of train, validation and test.

    Raises ``UserError``: ``split.malformed``, ``split.sum``.
    """
    try:
        parts = [float(part) for part in text.split("/")]
    except ValueError:
        raise UserError("split.malformed", text=text) from None
    if len(parts) != 3 or not all(math.isfinite(part) and part >= 0 for part in parts):
        raise UserError("split.malformed", text=text)
    total = math.fsum(parts)
    if not any(math.isclose(total, whole, rel_tol=1e-6) for whole in (1, 100)):
        raise UserError("split.sum", text=text, total=f"{total:g}")
    return parts[0] / total, parts[1] / total, parts[2] / total


def split_of(seed: int, group: str, ratios: Ratios) -> Split:
    """The split of a group: a keyed hash, independent of order and of every other group."""
    digest = blake2b(group.encode("utf-8", "surrogatepass"), key=str(seed).encode()[:64], digest_size=8)
    # 53 bits are what a float holds, so this is never 1.
    place = (int.from_bytes(digest.digest()) >> 11) / 2**53
    possible = [(split, ratio) for split, ratio in zip(Split, ratios, strict=True) if ratio > 0]
    end = 0.0
    for split, ratio in possible:
        end += ratio
        if place < end:
            return split
    return possible[-1][0]


def group_of(patient: str | None, lesion: str | None, cluster: str | None, image: str) -> str:
    """The key that names the group of an image by itself: patient, else lesion, else cluster, else image."""
    return keys_of(patient, lesion, cluster, image)[0]


def keys_of(patient: str | None, lesion: str | None, cluster: str | None, image: str) -> tuple[str, ...]:
    """All keys of an image; ``image`` is its pixel hash."""
    values = zip(_KINDS, (patient, lesion, cluster, image), strict=True)
    return tuple(f"{kind}:{value}" for kind, value in values if value)


def connected_groups(rows: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The group of each row, from the keys of each row.

    A row may be an image, or a pair with the keys of all its images; one without keys (text only) is a
    group of its own. A group is named by its first patient, else lesion, cluster, image, as sorted; groups
    that nothing but a cluster connects have its name in common.
    """
    roots = _connected(rows)
    names: dict[str, str] = {}
    for row, keys in rows.items():
        names[roots[row]] = min((*keys, names.get(roots[row], f"row:{row}")), key=_rank)
    return {row: names[root] for row, root in roots.items()}


def assign_splits(
    rows: Mapping[str, Sequence[str]], stored: Mapping[str, Split], seed: int, ratios: Ratios
) -> Assignment:
    """Give every row its split, ``rows`` as in ``connected_groups``.

    It is the stored one of its group's keys, else the one that its near-duplicates have, else that of the
    keyed hash.
    """
    roots, names = _connected(rows), connected_groups(rows)
    held: dict[str, set[str]] = {}
    for row, root in roots.items():
        held.setdefault(root, set()).update(_firm(row, rows[row]))
    known = {root: sorted(keys & stored.keys(), key=_rank) for root, keys in held.items()}
    splits = {root: stored[keys[0]] for root, keys in known.items() if keys}
    of_name = {names[row]: splits[root] for row, root in sorted(roots.items()) if root in splits}
    of_name |= {name: stored[name] for name in names.values() if name in stored}
    of_name |= {name: split_of(seed, name, ratios) for name in names.values() if name not in of_name}
    splits |= {root: of_name[names[row]] for row, root in roots.items() if root not in splits}
    new = of_name | {key: splits[root] for root, keys in held.items() for key in keys}
    new = {key: split for key, split in new.items() if key not in stored}
    assigned = {row: splits[root] for row, root in roots.items()}
    return Assignment(assigned, new, tuple(find_leaks(rows, assigned, stored)))


def find_leaks(
    rows: Mapping[str, Sequence[str]], splits: Mapping[str, Split], stored: Mapping[str, Split]
) -> list[Leak]:
    """Every key whose rows lie in more than one split, or not where the key is stored; worst first."""
    holders: dict[str, list[str]] = {}
    for row, keys in rows.items():
        for key in keys:
            holders.setdefault(key, []).append(row)
    leaks = []
    for key, names in sorted(holders.items(), key=lambda holder: _rank(holder[0])):
        found = {splits[name] for name in names} | ({stored[key]} if key in stored else set())
        if len(found) > 1:
            leaks.append(Leak(key.partition(":")[0], key, _ordered(found), tuple(sorted(names))))
    return sorted(leaks, key=lambda leak: not leak.refused)


def _ordered(splits: set[Split]) -> tuple[Split, ...]:
    return tuple(split for split in Split if split in splits)


def _rank(key: str) -> tuple[int, str]:
    kind = key.partition(":")[0]
    return (_KINDS.index(kind) if kind in _KINDS else len(_KINDS), key)


def _firm(row: str, keys: Sequence[str]) -> list[str]:
    """The keys of a row that bind; one that has none is bound by its own name."""
    return [key for key in keys if not key.startswith("cluster:")] or [f"row:{row}"]


def _connected(rows: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """For each row the representative of all rows that chains of firm keys connect."""
    parents: dict[str, str] = {}
    for row, keys in rows.items():
        first, *others = _firm(row, keys)
        for key in others:
            parents[_root(parents, key)] = _root(parents, first)
    return {row: _root(parents, _firm(row, keys)[0]) for row, keys in rows.items()}


def _root(parents: dict[str, str], key: str) -> str:
    """The representative of a key's group; paths are halved on the way (union-find)."""
    parents.setdefault(key, key)
    while parents[key] != key:
        parents[key] = key = parents[parents[key]]
    return key
