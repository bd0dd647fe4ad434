"""The detail pane: the picture with its zoom, and all that is known of it, with who said it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from html import escape

from PySide6.QtCore import QLocale, Qt
from PySide6.QtGui import QImage, QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSplitter, QTextBrowser, QVBoxLayout, QWidget

from dermagui.errors import DermaError, UserError
from dermagui.library.fields import known_fields
from dermagui.records import Origin, Pair, PairState, Picture, Region, Turn
from dermagui.storage import images, metadata, pairs
from dermagui.storage.database import Row, Store
from dermagui.storage.filters import ImageCard, cards_of
from dermagui.ui import texts, theme
from dermagui.ui.desk import Desk
from dermagui.ui.library.badges import badges, name_of
from dermagui.ui.library.field_words import field_label
from dermagui.ui.review.words import STATES, flag_words, role_words, translated
from dermagui.ui.widgets.picture import PictureView, read_levels
from dermagui.ui.widgets.zoom import ZoomTools

_PAIRS_AT_MOST = 50


@dataclass(frozen=True, slots=True)
class Described:
    """All that the pane shows of one number of a list."""

    card: ImageCard
    picture: Picture | DermaError
    redactions: tuple[Region, ...]
    said: list[Row]
    pairs: list[tuple[Pair, tuple[Turn, ...]]]
    """Each with the turns that hold now: edited or as generated."""
    files: list[Row]


def describe(store: Store, number: int) -> Described | None:
    """Reads what is known; None where the number is none any more."""
    card = cards_of(store, [number]).get(number)
    if card is None:
        return None
    files = images.files_of_list(store, number)
    if number < 0:
        error = card.error or {"code": "image.vanished", "values": {}}
        told = UserError(error["code"], **{"path": card.path, **error["values"]})
        return Described(card, told, (), [], [], files)
    found = pairs.pairs_of_image(store, number)[:_PAIRS_AT_MOST]
    return Described(
        card,
        find_picture(store, number),
        images.redactions_of(store, number),
        metadata.statements_about(store, number),
        [(pair, _turns(store, pair)) for pair in found],
        files,
    )


def find_picture(store: Store, image_id: int) -> Picture | DermaError:
    """Where the image lies, or why it cannot be shown."""
    try:
        return images.picture_of(store, image_id)
    except UserError as error:
        return error


def _turns(store: Store, pair: Pair) -> tuple[Turn, ...]:
    edited = pairs.edited_turns(store, pair.uid) if pair.state is PairState.EDITED else ()
    return edited or pair.turns


class Detail(QWidget):
    """Shows one image of the list at a time."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._number: int | None = None
        self._asked = 0
        self._decoding: Future[tuple[QImage, ...]] | None = None
        self.picture = PictureView()
        self.picture.setAccessibleName(self.tr("The selected picture"))
        self._name = QLabel()
        self._name.setTextFormat(Qt.TextFormat.PlainText)
        self._name.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._name.setWordWrap(True)
        self._name.setAccessibleName(self.tr("Name of the selected picture"))
        font = self._name.font()
        font.setBold(True)
        self._name.setFont(font)
        self.words = QTextBrowser()
        self.words.setOpenLinks(False)
        self.words.setFrameShape(QTextBrowser.Shape.NoFrame)
        self.words.setAccessibleName(self.tr("What is known of the selected picture"))
        self._build()
        self.show_number(None)

    def _build(self) -> None:
        upper = QWidget()
        above = QVBoxLayout(upper)
        above.setContentsMargins(0, 0, 0, 0)
        above.setSpacing(theme.GRID)
        above.addWidget(self.picture, 1)
        tools = QHBoxLayout()
        tools.addWidget(ZoomTools(self.picture))
        tools.addStretch(1)
        above.addLayout(tools)
        above.addWidget(self._name)
        halves = QSplitter(Qt.Orientation.Vertical)
        halves.addWidget(upper)
        halves.addWidget(self.words)
        halves.setChildrenCollapsible(False)
        halves.setSizes([theme.GRID * 46, theme.GRID * 50])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.GRID, theme.GRID, theme.GRID, theme.GRID)
        layout.addWidget(halves)
        self.setMinimumWidth(theme.GRID * 40)

    # -- what is shown --------------------------------------------------------------------------

    def show_number(self, number: int | None, *, again: bool = False) -> None:
        """Shows what has this number in the list; ``again`` where its rows may have changed."""
        if number == self._number and not again and number is not None:
            return
        self._asked += 1
        if number is None or number != self._number:
            self.picture.show_text("" if number is not None else self.tr("No picture is selected."))
            self._name.clear()
            self.words.clear()
            self.words.setVisible(number is not None)
            if self._decoding is not None:
                self._decoding.cancel()
        changed, self._number = number != self._number, number
        if number is not None:
            then = partial(self._on_described, self._asked, changed)
            self._desk.ask(partial(_describe, number), then, owner=self)

    def _on_described(self, asked: int, decode: bool, found: Described | None) -> None:
        if asked != self._asked:
            return
        if found is None:
            self.show_number(None)
            return
        self._name.setText(name_of(found.card))
        scrolled = self.words.verticalScrollBar().value()
        self.words.setHtml("".join(self._html(found)))
        self.words.verticalScrollBar().setValue(scrolled)
        if isinstance(found.picture, DermaError):
            self.picture.show_text(texts.worded(found.picture))
        elif decode or not self.picture.has_image:
            work = partial(read_levels, found.picture, found.redactions)
            self._decoding = self._desk.work(
                work,
                partial(self._on_decoded, self._asked),
                owner=self,
                failed=partial(self._on_not_decoded, self._asked),
            )

    def _on_decoded(self, asked: int, levels: tuple[QImage, ...]) -> None:
        if asked == self._asked:
            self.picture.show_image(*levels)

    def _on_not_decoded(self, asked: int, error: DermaError) -> None:
        if asked == self._asked:
            self.picture.show_text(texts.worded(error))

    # -- words ----------------------------------------------------------------------------------

    def _html(self, found: Described) -> Iterator[str]:
        """Sections of the pane. Whatever comes from files or people is escaped."""
        yield f"<p>{escape(' · '.join(badge.text for badge in badges(found.card)))}</p>"
        if found.said:
            yield _title(self.tr("Metadata"))
            yield from self._said_html(found.said)
        if found.pairs:
            yield _title(self.tr("Pairs"))
            for pair, turns in found.pairs:
                yield self._pair_html(pair, turns)
        yield _title(self.tr("Files"))
        for row in found.files:
            yield self._file_html(row, found.card)
        if found.card.id < 0:
            return
        findings = [finding for row in found.files for finding in row["personal"]]
        yield _title(self.tr("Personal data in the files"))
        if findings:
            yield "<p>" + "<br>".join(_finding_html(one) for one in findings) + "</p>"
        yield f"<p>{escape(self._personal_text(bool(findings)))}</p>"

    def _said_html(self, said: list[Row]) -> Iterator[str]:
        """What was said, a table for each who said it: a file, a person, a model."""
        by_origin: dict[str, list[Row]] = {}
        for row in _in_order(said):
            by_origin.setdefault(self._origin_text(row), []).append(row)
        grey = self.palette().color(QPalette.ColorRole.PlaceholderText).name()
        for origin, rows in by_origin.items():
            lines = "".join(_value_html(row) for row in rows)
            yield f"<p style='color:{grey}'>{escape(origin)}</p>"
            yield f"<table cellspacing='0' cellpadding='2'>{lines}</table>"

    def _origin_text(self, row: Row) -> str:
        origins = {
            Origin.FILE: self.tr("From the file {name}"),
            Origin.PERSON: self.tr("From {name}"),
            Origin.MODEL: self.tr("From the model {name}: no truth until a person says so"),
        }
        name = row["origin_name"].replace("\\", "/").rpartition("/")[2]
        return origins[Origin(row["origin"])].format(name=name)

    def _pair_html(self, pair: Pair, turns: tuple[Turn, ...]) -> str:
        state = translated(STATES[pair.state][1])
        lines = [f"<b>{escape(state)}</b>"]
        if pair.simulated:
            lines.append(escape(self.tr("From a rehearsal: no model has seen the picture.")))
        flagged = self.tr("Flagged: {words}")
        lines += [escape(flagged.format(words=flag_words(flag))) for flag in pair.flags]
        lines += [f"<i>{escape(role_words(pair.kind, turn.role))}:</i> {_lines(turn.text)}" for turn in turns]
        return f"<p>{'<br>'.join(lines)}</p>"

    def _file_html(self, row: Row, card: ImageCard) -> str:
        size = QLocale().formattedDataSize(row["size_bytes"])
        facts = [row["format"] or "", f"{card.width} × {card.height}" if card.width else "", size]
        lines = [
            f"<b>{escape(row['path'])}</b>",
            escape(" · ".join(fact for fact in facts if fact)),
            escape(self.tr("in {source}: {root}").format(source=row["source"], root=row["root"])),
        ]
        if row["state"] == "missing":
            lines.append(escape(self.tr("It is not there any more.")))
        if row["error"]:
            values = {"path": row["path"], **row["error"]["values"]}
            lines.append(escape(texts.sentence(row["error"]["code"], values)))
        if row["sha256"]:
            lines.append(f"sha256 {row['sha256'][:16]}…")
        return f"<p>{'<br>'.join(lines)}</p>"

    def _personal_text(self, found: bool) -> str:
        if found:
            return self.tr("None of it leaves: only pixels are sent, never the file.")
        return self.tr("None was found beside the pixels. Nobody looked for words in the picture itself.")


def _describe(number: int, store: Store) -> Described | None:
    return describe(store, number)


def _value_html(row: Row) -> str:
    weight = "" if row["weight"] == 1 else f" ({QLocale().toString(row['weight'])})"
    label, value = escape(field_label(row["field"])), escape(row["value"] + weight)
    return f"<tr><td><b>{label}</b>&nbsp;&nbsp;</td><td>{value}</td></tr>"


def _title(text: str) -> str:
    return f"<h4>{escape(text)}</h4>"


def _lines(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _finding_html(finding: Mapping[str, str]) -> str:
    return f"{escape(finding['place'])} {escape(finding['tag'])}: {escape(finding['value'])}"


def _in_order(said: list[Row]) -> list[Row]:
    known = list(known_fields())
    return sorted(said, key=lambda row: known.index(row["field"]) if row["field"] in known else len(known))
