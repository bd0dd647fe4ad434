"""The dated summary of a service's terms, which a person accepts before the first image is sent."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from dermagui.errors import DataError


@dataclass(frozen=True, slots=True)
class TermsPoint:
    """One point of the summary; ``id`` names it in translations."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Terms:
    """A summary in our own words. An acceptance names ``terms_date`` and ``sha256``."""

    service: str
    terms_date: str
    summary_date: str
    link: str
    note: str
    points: tuple[TermsPoint, ...]
    sha256: str
    """Of the content as canonical JSON: what a person accepted can be told from what came later."""


def load_terms(path: Path) -> Terms:
    """Read a summary that ships with the program. ``DataError`` if it is not one."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        canonical = json.dumps(raw, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        points = tuple(TermsPoint(**point) for point in raw.pop("points"))
        return Terms(**raw, points=points, sha256=hashlib.sha256(canonical.encode()).hexdigest())
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError("terms.unreadable", path=str(path), reason=str(error)) from error
