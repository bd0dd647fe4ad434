"""How many pairs an export will write, said before anything is written."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QT_TRANSLATE_NOOP

from dermagui.records import ExportFormat
from dermagui.storage.database import Store
from dermagui.storage.datasets import Accepted, count_accepted
from dermagui.storage.preferences import count_preferences
from dermagui.ui.review.words import translated
from dermagui.ui.shell.words import whole

_PAIRS = str(QT_TRANSLATE_NOOP("review", "Pairs to write: {count}"))
_REHEARSED = str(QT_TRANSLATE_NOOP("review", "{count} from a rehearsal"))
_FLAGGED = str(QT_TRANSLATE_NOOP("review", "{count} flagged by a check"))


@dataclass(frozen=True, slots=True)
class Exportables:
    """The accepted and edited pairs, and the choices between two answers, of a project."""

    accepted: tuple[Accepted, ...] = ()
    choices: int = 0

    @property
    def rehearsed(self) -> int:
        """Of the accepted pairs, those that come from a rehearsal."""
        return sum(row.count for row in self.accepted if row.rehearsed)

    @property
    def flagged(self) -> int:
        """Of the accepted pairs, those that a check flagged and nobody has rewritten."""
        return sum(row.count for row in self.accepted if row.flagged)

    def taken(self, wanted: ExportFormat, *, rehearsed: bool, unflagged: bool) -> Exportables:
        """What an export takes of them: preferences are made of edits and choices alone."""
        learns_to_prefer = wanted is ExportFormat.PREFERENCE
        rows = tuple(
            row
            for row in self.accepted
            if (rehearsed or not row.rehearsed)
            and not (unflagged and row.flagged)
            and (row.edited or not learns_to_prefer)
        )
        return Exportables(rows, self.choices if learns_to_prefer else 0)

    @property
    def count(self) -> int:
        """All of them."""
        return sum(row.count for row in self.accepted) + self.choices

    def words(self) -> str:
        """What will be written, in a sentence."""
        parts = [
            translated(text).format(count=whole(count))
            for text, count in ((_REHEARSED, self.rehearsed), (_FLAGGED, self.flagged))
            if count
        ]
        told = translated(_PAIRS).format(count=whole(self.count))
        return f"{told} ({', '.join(parts)})" if parts else told


def count_exportables(store: Store) -> Exportables:
    """What there is to export."""
    return Exportables(count_accepted(store), count_preferences(store))
