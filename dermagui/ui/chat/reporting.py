"""Reports of the open chat: opened as a form, kept as the user left them, saved as a file, printed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import QFileDialog, QWidget

from dermagui.errors import DermaError, from_os_error
from dermagui.ui.chat.desk_work import ShownTurn
from dermagui.ui.chat.report_form import ReportForm
from dermagui.ui.chat.talk import Talk
from dermagui.ui.desk import Desk
from dermagui.ui.widgets.bar import Level

if TYPE_CHECKING:
    from dermagui.chat.pages import Shown

_LONGEST_SIDE = 448
"""Of a picture on paper and on a page, in CSS pixels; the page holds all of its pixels."""
_PAPER = """
h1 { font-size: 16pt; margin-bottom: 4px; }
h2 { font-size: 10pt; margin-top: 8px; margin-bottom: 0px; }
p { font-size: 10pt; margin-top: 0px; margin-bottom: 4px; white-space: pre-wrap; }
li, th, td { font-size: 10pt; }
p.notice { font-weight: bold; }
table { border-collapse: collapse; margin-top: 4px; }
th, td { padding: 3px; border: 1px solid #888888; }
"""
"""For Qt's own printing of HTML, which knows a part of CSS alone; the page's style is for browsers."""


class Reporting(QObject):
    """Opens one form at a time."""

    failed = Signal(object)
    """A ``DermaError``."""

    def __init__(self, desk: Desk, talk: Talk, page: QWidget) -> None:
        super().__init__(page)
        self._desk, self._talk, self._page = desk, talk, page
        self.form: ReportForm | None = None

    @property
    def last(self) -> int | None:
        """The place of the last report of the chat."""
        places = [place for place, turn in enumerate(self._talk.turns) if turn.schema is not None]
        return places[-1] if places else None

    def open(self, n: int | None) -> None:
        """Opens the report at that place; an answer that fills in no form is told."""
        from dermagui.chat.reports import read_report

        if n is None or self._talk.at is None:
            return
        turn = self._talk.turns[n]
        assert turn.schema is not None
        try:
            values = turn.stored.figures.get("form") or read_report(turn.stored.text, turn.schema)
        except DermaError as error:
            self.failed.emit(error)
            return
        assert isinstance(values, dict)
        form = self.form = ReportForm(turn.schema, values, self._page)
        form.save_wanted.connect(partial(self._save, form, n))
        form.print_wanted.connect(partial(self._print, form, n))
        form.finished.connect(partial(self._on_finished, form, n))
        form.open()

    def _on_finished(self, form: ReportForm, n: int, _: int) -> None:
        self.form = None
        form.deleteLater()
        if form.is_changed:
            self._talk.keep_form(n, form.values)

    def _save(self, form: ReportForm, n: int) -> None:
        kinds = {self.tr("Web page with pictures (*.html)"): ".html", self.tr("Text (*.txt)"): ".txt"}
        name, kind = QFileDialog.getSaveFileName(
            form, self.tr("Save the report"), "report.html", ";;".join(kinds)
        )
        if not name:
            return
        path = Path(name)
        if path.suffix.lower() not in kinds.values():
            path = path.with_name(path.name + kinds.get(kind, ".html"))
        write = partial(_write, path, self._make(form, n, as_text=path.suffix.lower() == ".txt"))
        said = self.tr("Saved as {name}.").format(name=path.name)
        self._desk.work(
            write, lambda _: form.bar.tell(said, Level.DONE), owner=form, failed=form.bar.tell_error
        )

    def _print(self, form: ReportForm, n: int) -> None:
        make = self._make(form, n, as_text=False)
        show = partial(_print_page, form)
        self._desk.work(make, show, owner=form, failed=form.bar.tell_error)

    def _make(self, form: ReportForm, n: int, *, as_text: bool) -> partial[str]:
        turns = self._talk.turns[: n + 1]
        return partial(
            made_report, turns[-1], _last_with_pictures(turns), form.values, form.is_changed, as_text=as_text
        )


def _last_with_pictures(turns: list[ShownTurn]) -> ShownTurn | None:
    return next((turn for turn in reversed(turns) if turn.thumbs), None)


def made_report(
    answer: ShownTurn,
    shown: ShownTurn | None,
    values: Mapping[str, Any],
    is_changed: bool,
    *,
    as_text: bool,
) -> str:
    """The report as text or as a page with the pictures that it is about. Not for the window's thread."""
    from dermagui.chat.reports import report_html, report_text
    from dermagui.chat.transcript import about_answer

    assert answer.schema is not None
    about = [("Written by", about_answer(answer.stored, dict(answer.stored.figures)))]
    if is_changed or answer.stored.figures.get("form"):
        about.append(("Edited", "by a person"))
    if as_text:
        return report_text(answer.schema, values, about)
    return report_html(answer.schema, values, about, _pictures(shown) if shown else [])


def _pictures(turn: ShownTurn) -> list[Shown]:
    from dermagui.chat.keeping import seen_again
    from dermagui.chat.pages import Shown
    from dermagui.chat.transcript import caption_of

    found = []
    for image, thumb in zip(turn.stored.images, turn.thumbs, strict=True):
        if thumb.attachment is not None and thumb.error is None:
            made, _ = seen_again(thumb.attachment.picture, image)
            scale = min(1.0, _LONGEST_SIDE / max(made.width, made.height))
            size = (round(scale * made.width), round(scale * made.height))
            found.append(Shown(made.encoded, made.mime_type, caption_of(image), *size))
    return found


def _write(path: Path, make: partial[str]) -> None:
    text = make()
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise from_os_error(error, path) from error


def _print_page(form: ReportForm, page: str) -> None:
    from PySide6.QtPrintSupport import QPrintDialog, QPrinter

    printer = QPrinter(QPrinter.PrinterMode.HighResolution)
    dialog = QPrintDialog(printer, form)
    if dialog.exec() == QPrintDialog.DialogCode.Accepted:
        paper_of(page, form).print_(printer)
    dialog.deleteLater()


def paper_of(page: str, parent: QObject) -> QTextDocument:
    """A page of HTML as it is printed."""
    document = QTextDocument(parent)
    document.setDefaultStyleSheet(_PAPER)
    document.setHtml(page)
    return document
