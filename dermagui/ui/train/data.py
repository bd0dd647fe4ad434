"""The station Data: what there is to learn from, and what is dubious about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QDir
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QCheckBox, QFileDialog, QFormLayout, QLineEdit, QSpinBox, QVBoxLayout

from dermagui.datasets.splits import parse_ratios
from dermagui.errors import UserError
from dermagui.training.data_check import check_parameters
from dermagui.training.folder import FEWEST_PAIRS
from dermagui.ui import texts, theme
from dermagui.ui.desk import Desk
from dermagui.ui.icons import icon
from dermagui.ui.jobs import Jobs
from dermagui.ui.shell.words import whole
from dermagui.ui.train import desk_work
from dermagui.ui.train.desk_work import DataFacts
from dermagui.ui.train.parts import JobButton, buttons_row, sentence_label, subtitle, word_button
from dermagui.ui.train.station import Station
from dermagui.ui.train.words import SPLITS, Light, words
from dermagui.ui.widgets.bar import Bar

_CLASSES_SHOWN = 8


class DataStation(Station):
    """Counts at once; what has to be looked for is looked for by a job."""

    def __init__(self, desk: Desk, jobs: Jobs, bar: Bar, check: JobButton) -> None:
        super().__init__(self.tr("Data"), desk, jobs, bar)
        self.facts: DataFacts | None = None
        self.look_button = check
        self.simulated = QCheckBox(self.tr("Learn from rehearsed pairs too (to try everything out)"))
        self.split = QLineEdit("80/10/10")
        self.split.setMaximumWidth(16 * theme.GRID)
        self.texts_file = QLineEdit()
        self.texts_file.setPlaceholderText(self.tr("None; else a file of lines with question and answer"))
        browse = QAction(icon("project"), self.tr("Choose the file of pairs without a picture"), self)
        browse.triggered.connect(self._browse)
        self.texts_file.addAction(browse, QLineEdit.ActionPosition.TrailingPosition)
        self.texts_share = QSpinBox()
        self.review = word_button(self.tr("Go to Review"), lambda: self.wants.emit("review"))
        self._counts = sentence_label()
        self._found_title = subtitle(self.tr("What was found"))
        self._found = QVBoxLayout()
        self._found.setSpacing(theme.GRID // 2)
        self._build()
        self.simulated.toggled.connect(self.look)
        self.split.editingFinished.connect(self.look)
        self.shine(Light.OPEN, "")

    def _build(self) -> None:
        self.next.setText(self.tr("Next: Computer"))
        form = QFormLayout()
        form.setHorizontalSpacing(2 * theme.GRID)
        form.addRow(self.tr("Train / validation / test, in percent"), self.split)
        form.addRow(self.tr("Pairs without a picture"), self.texts_file)
        self.texts_share.setRange(0, 90)
        self.texts_share.setValue(10)
        self.texts_share.setSuffix(" %")
        self.texts_share.setMaximumWidth(16 * theme.GRID)
        form.addRow(self.tr("Their share of all that is trained on"), self.texts_share)
        frozen = self.tr(
            "A training freezes these pairs into a dataset of its own, with manifest and card; no patient or "
            "lesion is on both sides. What you change here later changes nothing about it."
        )
        self.column.addWidget(self._counts)
        self.column.addWidget(self.simulated)
        self.column.addLayout(form)
        self.column.addLayout(buttons_row(self.look_button, self.review))
        self.column.addWidget(self._found_title)
        self.column.addLayout(self._found)
        self.column.addWidget(sentence_label(frozen, quiet=True))
        self.column.addStretch(1)

    # -- what it hands on -----------------------------------------------------------------------

    def parameters(self) -> dict[str, Any]:
        """What check and training are started with, as far as it concerns pairs."""
        return {"simulated": self.simulated.isChecked(), "split": self.split.text().strip()}

    def texts(self) -> dict[str, Any]:
        """What a training is told of pairs without a picture."""
        path = self.texts_file.text().strip()
        if not path:
            return {}
        return {"texts": Path(path), "text_share": self.texts_share.value() / 100}

    def check(self) -> None:
        """Starts the look at all pairs and pictures."""
        self.look_button.begin(check_parameters(seed=0, **self.parameters()))

    def _browse(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, self.tr("Pairs without a picture"), "", self.tr("Lines of JSON (*.jsonl);;All files (*)")
        )
        if path:
            self.texts_file.setText(QDir.toNativeSeparators(path))

    # -- looking --------------------------------------------------------------------------------

    def look(self) -> None:
        self.desk.ask(desk_work.data_facts, self._on_read, owner=self)

    def _on_read(self, facts: DataFacts) -> None:
        self.facts = facts
        self._counts.setText(self._count_words(facts))
        usable = facts.accepted - (0 if self.simulated.isChecked() else facts.rehearsed)
        problem = self._split_problem()
        self.look_button.setEnabled(usable >= FEWEST_PAIRS and not problem and not self.desk.read_only)
        self._clear()
        if usable < FEWEST_PAIRS:
            self.shine(Light.OPEN, self._too_few(facts, usable))
        elif problem:
            self.shine(Light.RED, problem)
        else:
            self._judge(facts, usable)

    def _judge(self, facts: DataFacts, usable: int) -> None:
        check = facts.check
        if check is None or not self._is_fresh(facts, check):
            said = self.tr("Accepted pairs to learn from: {count}. Look at them before you go on.")
            self.shine(Light.OPEN, said.format(count=whole(usable)))
        elif check["error"]:
            error = check["error"]
            self.shine(Light.RED, texts.sentence(error["code"], error["values"]))
        else:
            self._show_check(check["figures"])

    def _split_problem(self) -> str:
        try:
            parse_ratios(self.split.text().strip())
        except UserError as error:
            return texts.worded(error)
        return ""

    def _is_fresh(self, facts: DataFacts, check: dict[str, Any]) -> bool:
        asked = {name: check["parameters"].get(name) for name in ("simulated", "split")}
        if asked != self.parameters():
            return False
        return bool(check["error"]) or check["figures"].get("verdict") == facts.newest_verdict

    def _too_few(self, facts: DataFacts, usable: int) -> str:
        text = self.tr("Accepted pairs to learn from: {count}; at least {least} are needed.")
        said = [text.format(count=whole(usable), least=whole(FEWEST_PAIRS))]
        if facts.accepted > usable:
            text = self.tr("Rehearsed ones that are left out: {count}; a tick below takes them in.")
            said.append(text.format(count=whole(facts.accepted - usable)))
        if facts.waiting:
            waiting = self.tr("Pairs that wait in Review: {count}.").format(count=whole(facts.waiting))
            said.append(waiting)
        elif not facts.accepted:
            said.append(self.tr("Make pairs in Generate, then accept the good ones in Review."))
        return " ".join(said)

    def _count_words(self, facts: DataFacts) -> str:
        text = self.tr("Accepted pairs: {pairs}, {rehearsed} of them rehearsed · their pictures: {images}")
        return text.format(
            pairs=whole(facts.accepted), images=whole(facts.images), rehearsed=whole(facts.rehearsed)
        )

    def _show_check(self, figures: dict[str, Any]) -> None:
        findings = figures["findings"]
        self._found_title.show()
        for text in self._check_words(figures):
            self._found.addWidget(sentence_label(text))
        for finding in findings:
            self._found.addWidget(sentence_label("⚠ " + texts.sentence(finding["code"], finding["values"])))
        if findings or figures["missing"]:
            self.shine(Light.AMBER, self.tr("It can be learnt from; read what was found first."))
        else:
            self.shine(Light.GREEN, self.tr("It can be learnt from, and nothing dubious was found."))

    def _check_words(self, figures: dict[str, Any]) -> list[str]:
        splits = [
            f"{whole(count)} {words(SPLITS[name])}"
            for name in SPLITS
            if (count := figures["splits"].get(name, 0))
        ]
        text = self.tr("{pairs} pairs about {images} pictures: {splits}.")
        told = [
            text.format(
                pairs=whole(figures["pairs"]), images=whole(figures["images"]), splits=", ".join(splits)
            )
        ]
        if figures["missing"]:
            missing = self.tr("⚠ {count} pictures cannot be found now; their pairs are left out.")
            told.append(missing.format(count=whole(figures["missing"])))
        if figures["classes"]:
            most = sorted(figures["classes"].items(), key=lambda pair: -pair[1])
            named = ", ".join(f"{name} {whole(count)}" for name, count in most[:_CLASSES_SHOWN])
            told.append(self.tr("Diagnoses: {named}.").format(named=named))
        licence = figures["licence"]["name"]
        told.append(self.tr("The strictest terms among the sources: {name}.").format(name=licence))
        return [*told, *figures["notes"]]

    def _clear(self) -> None:
        self._found_title.hide()
        while (place := self._found.takeAt(0)) is not None:
            widget = place.widget()
            if widget is not None:
                widget.deleteLater()
