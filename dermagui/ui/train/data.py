"""The station Data: what there is to learn from, and what is dubious about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QCheckBox, QFormLayout, QLineEdit, QSpinBox, QVBoxLayout

from dermagui.jobs.report import Event
from dermagui.training.data_check import check_parameters
from dermagui.training.folder import FEWEST_PAIRS
from dermagui.ui import texts, theme
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.shell.words import whole
from dermagui.ui.train import desk_work
from dermagui.ui.train.desk_work import DataFacts
from dermagui.ui.train.parts import JobButton, sentence_label, subtitle
from dermagui.ui.train.station import Station
from dermagui.ui.train.words import SPLITS, Light, words
from dermagui.ui.widgets.bar import Bar

_CLASSES_SHOWN = 8


class DataStation(Station):
    """Counts at once; what has to be looked for is looked for by a job."""

    def __init__(self, desk: Desk, jobs: Jobs, bar: Bar, check: JobButton) -> None:
        super().__init__(self.tr("Data"), desk, jobs, bar)
        self.facts: DataFacts | None = None
        self._check = check
        self.simulated = QCheckBox(self.tr("Learn from rehearsed pairs too (to try everything out)"))
        self.split = QLineEdit("80/10/10")
        self.split.setMaximumWidth(16 * theme.GRID)
        self.texts_file = QLineEdit()
        self.texts_file.setPlaceholderText(self.tr("None; else a file of lines with question and answer"))
        self.texts_share = QSpinBox()
        self._counts = sentence_label()
        self._found = QVBoxLayout()
        self._found.setSpacing(theme.GRID // 2)
        self._build()
        self.simulated.toggled.connect(self.look)
        self.split.editingFinished.connect(self.look)
        self.shine(Light.OPEN, "")

    def _build(self) -> None:
        self.next.setText(self.tr("Next: Computer"))
        form = QFormLayout()
        form.addRow(self.tr("Shares to learn, watch, keep (percent)"), self.split)
        form.addRow(self.tr("Pairs without a picture"), self.texts_file)
        self.texts_share.setRange(0, 90)
        self.texts_share.setValue(10)
        self.texts_share.setSuffix(" %")
        form.addRow(self.tr("Their share of all that is learnt"), self.texts_share)
        frozen = self.tr(
            "A training freezes these pairs into a dataset of its own, with manifest and card; no patient or "
            "lesion is on both sides. What you change here later changes nothing about it."
        )
        self.column.addWidget(self._counts)
        self.column.addWidget(self.simulated)
        self.column.addLayout(form)
        self.column.addWidget(self._check)
        self.column.addWidget(subtitle(self.tr("What was found")))
        self.column.addLayout(self._found)
        self.column.addWidget(sentence_label(frozen, quiet=True))
        self.close_column()

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
        self._check.begin(check_parameters(seed=0, **self.parameters()))

    def hear(self, event: Event) -> None:
        """Takes in an event of the check."""
        self._check.hear(event)

    # -- looking --------------------------------------------------------------------------------

    def look(self) -> None:
        self.desk.ask(desk_work.data_facts, self._on_read, owner=self)

    def _on_read(self, facts: DataFacts) -> None:
        self.facts = facts
        self._counts.setText(self._count_words(facts))
        usable = facts.accepted - (0 if self.simulated.isChecked() else facts.rehearsed)
        self._check.setEnabled(usable >= FEWEST_PAIRS and not self.desk.read_only)
        self._clear()
        if usable < FEWEST_PAIRS:
            self.shine(Light.RED, self._too_few(facts, usable))
            return
        check = facts.check
        if check is None or not self._is_fresh(facts, check):
            said = self.tr("{count} pairs can be learnt from; look at them before you go on.")
            self.shine(Light.OPEN, said.format(count=whole(usable)))
        elif check["error"]:
            error = check["error"]
            self.shine(Light.RED, texts.sentence(error["code"], error["values"]))
        else:
            self._show_check(check["figures"])

    def _is_fresh(self, facts: DataFacts, check: dict[str, Any]) -> bool:
        asked = {name: check["parameters"].get(name) for name in ("simulated", "split")}
        if asked != self.parameters():
            return False
        return bool(check["error"]) or check["figures"].get("verdict") == facts.newest_verdict

    def _too_few(self, facts: DataFacts, usable: int) -> str:
        text = self.tr("{least} accepted pairs are needed at least, and there are {count}.")
        said = [text.format(least=whole(FEWEST_PAIRS), count=whole(usable))]
        if facts.waiting:
            waiting = self.tr("{count} pairs wait in Review.").format(count=whole(facts.waiting))
            said.append(waiting)
        elif facts.rehearsed >= FEWEST_PAIRS:
            said.append(self.tr("To try everything out, rehearsed pairs may be learnt from too."))
        else:
            said.append(self.tr("Make pairs in Generate, then accept the good ones in Review."))
        return " ".join(said)

    def _count_words(self, facts: DataFacts) -> str:
        text = self.tr(
            "{pairs} accepted pairs about {images} pictures; {rehearsed} of them come from a rehearsal."
        )
        return text.format(
            pairs=whole(facts.accepted), images=whole(facts.images), rehearsed=whole(facts.rehearsed)
        )

    def _show_check(self, figures: dict[str, Any]) -> None:
        findings = figures["findings"]
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
        while (place := self._found.takeAt(0)) is not None:
            widget = place.widget()
            if widget is not None:
                widget.deleteLater()
