"""Which row of a table speaks of which file: by path, by name, or by name without its suffix.

The longest common tail of path and name decides, so ``images/a.png`` of a table finds
``download/images/a.png`` and not ``masks/a.png``. Letter case, Unicode form and the suffix matter only
where they are needed to tell two files apart. What stays open is counted, never decided by chance.
Time grows with rows and files, never with their product.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dermagui.library.fields import is_missing

_SUFFIXES = "jpg jpeg jpe jfif png tif tiff webp bmp gif heic heif avif jp2 dcm dicom"
IMAGE_SUFFIXES = frozenset(f".{suffix}" for suffix in _SUFFIXES.split())
"""The ends of a name that may differ between a table and a folder. Lower case."""
MAX_CANDIDATES = 10
"""How many files an ambiguous row names; thousands of files may bear one name."""

Row = Mapping[str, str]
Parts = tuple[str, ...]
"""A path cut at its slashes, in Unicode form C."""


@dataclass(frozen=True, slots=True)
class AmbiguousRow:
    """A row whose cell fits several files, or fits a file that other cells fit just as well."""

    row: int
    text: str
    candidates: tuple[int, ...]
    """Ids of the first ``MAX_CANDIDATES`` files that fit."""
    candidate_count: int


@dataclass(frozen=True, slots=True)
class Matching:
    """Which rows (by index) belong to which files (by id), both in ascending order of rows.

    One row may have several files (one column each) and one file several rows that name it alike.
    """

    id_columns: tuple[str, ...]
    matched: tuple[tuple[int, int], ...]
    unmatched_rows: tuple[int, ...]
    ambiguous_rows: tuple[AmbiguousRow, ...]
    files_without_row: tuple[int, ...]
    repeated_files: tuple[int, ...]
    """Files that more than one row speaks of."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """A cell that fits files (by position), and how closely: the larger, the closer."""

    row: int
    text: str
    files: Sequence[int]
    closeness: tuple[bool, bool, int, bool]
    """Whole path alike, suffix alike, parts alike from the end, letter case alike."""


def match_rows(
    rows: Sequence[Row], id_columns: Sequence[str] | None, files: Sequence[tuple[int, str]]
) -> Matching:
    """Matches rows to files, given as ``(id, path relative to the source's root)``.

    Without ``id_columns`` every column is tried, and the one whose cells find the most files is taken,
    together with its numbered siblings (``image_1_path``, ``image_2_path``).
    """
    index = _FileIndex([_cut(path) for _, path in files])
    columns = tuple(id_columns or _find_id_columns(rows, index))
    matched, ambiguous = _settle([claim for column in columns for claim in _claims(rows, column, index)])
    ids = [file_id for file_id, _ in files]
    answered = {row for row, _ in matched} | {claim.row for claim in ambiguous}
    times = Counter(position for _, position in matched)
    return Matching(
        id_columns=columns,
        matched=tuple((row, ids[position]) for row, position in matched),
        unmatched_rows=tuple(number for number in range(len(rows)) if number not in answered),
        ambiguous_rows=tuple(_ambiguous_row(claim, ids) for claim in ambiguous),
        files_without_row=tuple(file_id for position, file_id in enumerate(ids) if position not in times),
        repeated_files=tuple(file_id for position, file_id in enumerate(ids) if times[position] > 1),
    )


def _ambiguous_row(claim: _Claim, ids: Sequence[int]) -> AmbiguousRow:
    first = tuple(ids[position] for position in claim.files[:MAX_CANDIDATES])
    return AmbiguousRow(claim.row, claim.text, first, len(claim.files))


def _claims(rows: Sequence[Row], column: str, index: _FileIndex) -> Iterator[_Claim]:
    for number, row in enumerate(rows):
        text = row.get(column, "").strip()
        if not is_missing(text) and (found := index.find(_cut(text))):
            yield _Claim(number, text, *found)


def _settle(claims: Iterable[_Claim]) -> tuple[list[tuple[int, int]], list[_Claim]]:
    """Pairs of row and position, and the claims that stay open.

    The closest claim on a file wins, because the row of a looser one means a file that is not here;
    where different cells are equally close, none of them is believed.
    """
    ambiguous: list[_Claim] = []
    by_file: dict[int, list[_Claim]] = defaultdict(list)
    for claim in claims:
        if len(claim.files) == 1:
            by_file[claim.files[0]].append(claim)
        else:
            ambiguous.append(claim)
    matched: set[tuple[int, int]] = set()
    for position, rivals in by_file.items():
        closest = max(claim.closeness for claim in rivals)
        winners = [claim for claim in rivals if claim.closeness == closest]
        if len({claim.text for claim in winners}) == 1:
            matched |= {(claim.row, position) for claim in winners}
        else:
            ambiguous += winners
    return sorted(matched), sorted(ambiguous, key=lambda claim: (claim.row, claim.text))


def _find_id_columns(rows: Sequence[Row], index: _FileIndex) -> tuple[str, ...]:
    """The column that finds the most files, then the most rows, then the first; and its siblings."""
    hits = {
        column: _count_hits(rows, column, index) for column in dict.fromkeys(c for row in rows for c in row)
    }
    most = max(hits.values(), default=0)
    if most == 0:
        return ()
    rivals = [column for column, count in hits.items() if count == most]
    best = max(rivals, key=lambda column: len(_settle(_claims(rows, column, index))[0]))
    pattern = _without_numbers(best)
    return tuple(
        column
        for column, count in hits.items()
        if column == best or (count and _without_numbers(column) == pattern)
    )


def _count_hits(rows: Sequence[Row], column: str, index: _FileIndex) -> int:
    """How many names of files stand in a column."""
    cells = [row[column] for row in rows if not is_missing(row.get(column))]
    texts = set(cells)
    # Ages and years would else find the files of a folder in which they are called 1.jpg, 2.jpg, 3.jpg.
    if len(texts) < len(cells) and all(re.fullmatch(r"[\d.,]+", text.strip()) for text in texts):
        return 0
    return index.count_names(texts)


def _without_numbers(column: str) -> str:
    return re.sub(r"\d+", "#", column)


def _cut(path: str) -> Parts:
    plain = unicodedata.normalize("NFC", path.strip()).replace("\\", "/")
    return tuple(part for part in plain.split("/") if part not in ("", "."))


def _fold(parts: Parts) -> Parts:
    return tuple(unicodedata.normalize("NFC", part.casefold()) for part in parts)


def _fold_without_suffix(parts: Parts) -> Parts:
    *folders, name = _fold(parts)
    stem, dot, suffix = name.rpartition(".")
    return (*folders, stem if stem and dot + suffix in IMAGE_SUFFIXES else name)


class _FileIndex:
    """Files by their names, with suffix and without."""

    def __init__(self, files: Sequence[Parts]) -> None:
        self._files = files
        self._by_name = _Tails([_fold(parts) for parts in files])
        self._by_stem = _Tails([_fold_without_suffix(parts) for parts in files])
        self._narrowed: dict[tuple[bool, bool, Parts], tuple[Sequence[int], bool, bool]] = {}

    def count_names(self, texts: Iterable[str]) -> int:
        """How many different names without suffix some texts share with the files."""
        cut = (_cut(text) for text in texts)
        return len({_fold_without_suffix(parts)[-1] for parts in cut if parts} & self._by_stem.groups.keys())

    def find(self, parts: Parts) -> tuple[Sequence[int], tuple[bool, bool, int, bool]] | None:
        """The positions of the files that fit a path best, and how closely; None where none fits."""
        if not parts:
            return None
        with_suffix = True
        files, length = self._by_name.longest(_fold(parts))
        if not files:
            with_suffix = False
            files, length = self._by_stem.longest(_fold_without_suffix(parts))
        if not files:
            return None
        key = with_suffix, length == len(parts), parts[-length:]
        if key not in self._narrowed:
            self._narrowed[key] = self._narrow(files, *key)
        files, whole, exact = self._narrowed[key]
        return files, (whole, with_suffix, length, exact)

    def _narrow(
        self, files: Sequence[int], with_suffix: bool, entire: bool, tail: Parts
    ) -> tuple[Sequence[int], bool, bool]:
        """Of files with the same tail those whose whole path it is, then those of the same letter case."""
        whole = [n for n in files if with_suffix and entire and len(self._files[n]) == len(tail)]
        files = whole or files
        exact = [n for n in files if self._files[n][-len(tail) :] == tail]
        return exact or files, bool(whole), bool(exact)


class _Tails:
    """Paths by their ends: finds those that share the longest tail with a path."""

    def __init__(self, paths: Sequence[Parts]) -> None:
        self._paths = paths
        self.groups: dict[str, list[int]] = defaultdict(list)
        for position, parts in enumerate(paths):
            if parts:
                self.groups[parts[-1]].append(position)
        self._tails: dict[str, dict[Parts, list[int]]] = {}

    def longest(self, parts: Parts) -> tuple[Sequence[int], int]:
        """Positions of the paths that share the longest tail, and its length; none and 0 without any."""
        group = self.groups.get(parts[-1], ())
        if len(group) < 2:
            return group, _common_tail(parts, self._paths[group[0]]) if group else 0
        tails = self._tails_of(parts[-1])
        length = next(n for n in range(len(parts), 0, -1) if parts[-n:] in tails)
        return tails[parts[-length:]], length

    def _tails_of(self, name: str) -> dict[Parts, list[int]]:
        """All tails of the paths of one name, made when first asked for: most names stand alone."""
        if name not in self._tails:
            tails: dict[Parts, list[int]] = defaultdict(list)
            for position in self.groups[name]:
                parts = self._paths[position]
                for length in range(1, len(parts) + 1):
                    tails[parts[-length:]].append(position)
            self._tails[name] = tails
        return self._tails[name]


def _common_tail(first: Parts, second: Parts) -> int:
    pairs = enumerate(zip(reversed(first), reversed(second), strict=False))
    return next((length for length, (one, other) in pairs if one != other), min(len(first), len(second)))
