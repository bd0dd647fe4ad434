"""The two columns that make a plan: what is asked about which images, and how it is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSignalBlocker, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from dermagui import paths
from dermagui.records import MetadataMode, PixelRecipe
from dermagui.ui import theme
from dermagui.ui.generate import choices
from dermagui.ui.generate.desk_work import LOCAL, Offers
from dermagui.ui.settings import labels

if TYPE_CHECKING:
    from dermagui.generation.plan import Plan

_MANY = 10_000_000


class PlanForm(QObject):
    """Holds a plan; ``changed`` tells that it is another one now. ``what`` and ``how`` are its columns."""

    changed = Signal()
    bank_asked = Signal(str)
    """The user wants to look at this question bank, or to make one of their own out of it."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._plans: dict[str, Plan] = {}
        self._locked: frozenset[str] = frozenset()
        self._filling = False
        self.what, self.how = QWidget(), QWidget()
        self._build_what()
        self._build_how()
        self._listen()

    # -- building -------------------------------------------------------------------------------

    def _build_what(self) -> None:
        self.images = _combo({"": choices.ALL_IMAGES}, choices.words)
        self.limit = _spin(0, _MANY)
        self.limit.setSpecialValueText(self.tr("all"))
        self.bank = _combo({}, choices.words)
        self.edit_bank = QPushButton(self.tr("Look at the questions…"))
        self.edit_bank.clicked.connect(lambda: self.bank_asked.emit(self.bank.currentData()))
        self.questions = _spin(1, 100)
        self.metadata = _combo(choices.METADATA, choices.words)
        self.meaning = _hint("")
        self.language = _combo(choices.LANGUAGES, choices.words)
        self.seed = _spin(0, _MANY)
        form = _column(self.what, self.tr("What"))
        form.addRow(self.tr("&Images"), self.images)
        form.addRow(self.tr("Re&quests at most"), self.limit)
        form.addRow(self.tr("Question &bank"), self.bank)
        form.addRow("", self.edit_bank)
        form.addRow(self.tr("Questions for &each image"), self.questions)
        form.addRow(self.tr("&Metadata"), self.metadata)
        form.addRow(self.meaning)
        form.addRow(self.tr("&Language of the answers"), self.language)
        form.addRow(self.tr("Number of the &draw"), self.seed)
        form.addRow(_hint(self.tr("Another number draws other questions for the same images.")))

    def _build_how(self) -> None:
        self.provider = _combo(choices.PROVIDERS, choices.words)
        self.minutes = _spin(0, 100_000)
        self.minutes.setSpecialValueText(self.tr("no limit"))
        self.minutes.setSuffix(" " + self.tr("min"))
        self.policy = QLabel()
        self.policy.setWordWrap(True)
        self.model = QLineEdit()
        self.tier = _combo({key: labels.CHOICES[key] for key in ("undeclared", "free", "paid")}, labels.words)
        self.free_yes = QCheckBox(self.tr("Send them although people may read"))
        self.speed = _combo({key: labels.CHOICES[key] for key in ("standard", "flex")}, labels.words)
        self.side = _spin(64, 8192)
        self.side.setSuffix(" " + self.tr("pixels"))
        self.concurrency = _spin(1, 64)
        self.budget = QDoubleSpinBox()
        self.budget.setRange(0, 100_000)
        self.budget.setDecimals(2)
        self.budget.setPrefix("$")
        self.budget.setSpecialValueText(self.tr("no limit"))
        self._how_rows = form = _column(self.how, self.tr("How"))
        form.addRow(self.tr("Who &answers"), self.provider)
        form.addRow(self.tr("M&odel"), self.model)
        form.addRow(self.tr("Your &key: free or paid"), self.tier)
        form.addRow("", self.free_yes)
        form.addRow(self.tr("Speed and &price"), self.speed)
        form.addRow(self.tr("Lon&gest side of a picture"), self.side)
        form.addRow(self.tr("Requests at the same &time"), self.concurrency)
        form.addRow(self.tr("Stop at this &cost"), self.budget)
        form.addRow(self.tr("Stop a&fter this time"), self.minutes)
        form.addRow(self.policy)
        self._settings: dict[str, QWidget] = {
            "generation.bank": self.bank,
            "generation.questions": self.questions,
            "generation.metadata": self.metadata,
            "generation.longest_side": self.side,
            "generation.concurrency": self.concurrency,
            "gemini.model": self.model,
            "gemini.key_tier": self.tier,
            "gemini.service_tier": self.speed,
        }

    def _listen(self) -> None:
        for spin in (
            self.limit,
            self.questions,
            self.seed,
            self.side,
            self.concurrency,
            self.budget,
            self.minutes,
        ):
            spin.valueChanged.connect(self._on_value_changed)
        for combo in (self.images, self.bank, self.metadata, self.language, self.tier, self.speed):
            combo.currentIndexChanged.connect(self._on_value_changed)
        self.model.editingFinished.connect(self._on_value_changed)
        self.free_yes.toggled.connect(self._on_value_changed)
        self.provider.currentIndexChanged.connect(self._on_provider_changed)

    # -- what it holds --------------------------------------------------------------------------

    def show_offers(self, offers: Offers) -> None:
        """Fills the form with what the settings say, and offers who can answer and the banks."""
        self._plans, self._locked = offers.plans, offers.locked
        self._filling = True
        chosen = self.provider.currentData()
        self.provider.clear()
        for key in offers.plans:
            self.provider.addItem(_answerer(key), key)
        _choose(self.provider, chosen)
        self.bank.clear()
        for stem, name in offers.banks.items():
            self.bank.addItem(name, stem)
        self._filling = False
        told = self.tr("What is greyed out is fixed by this machine's policy: {path}")
        self.policy.setText(told.format(path=paths.display_path(paths.policy_file())))
        self.policy.setVisible(bool(self._locked & self._settings.keys()))
        self._show_plan(self._plans[self.provider.currentData()])

    def offer_images(self, offered: dict[str, str]) -> None:
        """Offers sources and saved filters beside all images; what is chosen stays."""
        chosen = self.images.currentData()
        with QSignalBlocker(self.images):
            self.images.clear()
            self.images.addItem(choices.words(choices.ALL_IMAGES), "")
            for key, name in offered.items():
                self.images.addItem(name, key)
            _choose(self.images, chosen)
        if self.images.currentData() != chosen:
            self._on_value_changed()

    def plan(self) -> Plan | None:
        """The plan as it stands; None before there is any."""
        if not self._plans:
            return None
        start = self._plans[self.provider.currentData()]
        micro_usd = round(self.budget.value() * 1_000_000)
        return replace(
            start,
            images=self.images.currentData(),
            limit=self.limit.value() or None,
            bank=self.bank.currentData() or start.bank,
            questions=self.questions.value(),
            metadata=MetadataMode(self.metadata.currentData()),
            language=self.language.currentData(),
            seed=self.seed.value(),
            model=self.model.text().strip() or start.model if start.leaves else start.model,
            key_tier=start.key_tier if start.local else self.tier.currentData(),
            service_tier=start.service_tier if start.local else self.speed.currentData(),
            recipe=start.recipe if start.local else PixelRecipe(longest_side=self.side.value()),
            concurrency=start.concurrency if start.local else self.concurrency.value(),
            budget_micro_usd=micro_usd or None if start.leaves else None,
            time_budget_seconds=self.minutes.value() * 60 or None if start.local else None,
        )

    def use_bank(self, bank: str, name: str = "") -> None:
        """Chooses a bank by its name in plans, or by its path; a new one is offered from now on."""
        if self.bank.findData(bank) < 0:
            self.bank.addItem(name or paths.display_path(bank), bank)
        index = self.bank.findData(bank)
        if name:
            self.bank.setItemText(index, name)
        self.bank.setCurrentIndex(index)

    def _show_plan(self, plan: Plan) -> None:
        self._filling = True
        self.use_bank(plan.bank)
        self.questions.setValue(plan.questions)
        _choose(self.metadata, plan.metadata.value)
        _choose(self.language, plan.language)
        self.model.setText(plan.model if plan.leaves else "")
        if not plan.local:
            _choose(self.tier, plan.key_tier)
            _choose(self.speed, plan.service_tier)
            self.side.setValue(plan.recipe.longest_side or self.side.maximum())
            self.concurrency.setValue(plan.concurrency)
        self._filling = False
        self._show_what_matters(plan)
        self.changed.emit()

    def _show_what_matters(self, plan: Plan) -> None:
        """Shows only what changes something for who answers; of it, what the policy fixes is grey."""
        free = plan.leaves and self.tier.currentData() == "free"
        matters = {self.free_yes: free, self.minutes: plan.local}
        matters |= dict.fromkeys((self.model, self.tier, self.speed, self.budget), plan.leaves)
        matters |= dict.fromkeys((self.side, self.concurrency), not plan.local)
        for widget, shown in matters.items():
            self._how_rows.setRowVisible(widget, shown)
        for key, widget in self._settings.items():
            widget.setEnabled(key not in self._locked)
        self.meaning.setText(choices.words(choices.METADATA_MEANS[plan.metadata.value]))

    def _on_provider_changed(self) -> None:
        plan = None if self._filling else self.plan()
        if plan is not None:
            self.model.setText(plan.model if plan.leaves else "")
            self._on_value_changed()

    def _on_value_changed(self) -> None:
        plan = None if self._filling else self.plan()
        if plan is not None:
            self._show_what_matters(plan)
            self.changed.emit()


def _column(widget: QWidget, title: str) -> QFormLayout:
    heading = QLabel(title)
    heading.setFont(theme.heading_font(heading.font()))
    form = QFormLayout()
    form.setSpacing(theme.GRID)
    form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapAllRows)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(theme.GRID)
    layout.addWidget(heading)
    layout.addLayout(form)
    layout.addStretch(1)
    return form


def _hint(text: str) -> QLabel:
    hint = QLabel(text)
    hint.setWordWrap(True)
    hint.setForegroundRole(QPalette.ColorRole.PlaceholderText)
    return hint


def _answerer(key: str) -> str:
    """Who answers, in words."""
    if key.startswith(LOCAL):
        return choices.words(choices.LOCAL_MODEL).format(name=key.removeprefix(LOCAL))
    return choices.words(choices.PROVIDERS[key])


def _spin(least: int, most: int) -> QSpinBox:
    spin = QSpinBox()
    spin.setRange(least, most)
    spin.setGroupSeparatorShown(True)
    return spin


def _combo(table: dict[str, str], translate: Callable[[str], str]) -> QComboBox:
    combo = QComboBox()
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(12)
    for key, text in table.items():
        combo.addItem(translate(text), key)
    return combo


def _choose(combo: QComboBox, key: str) -> None:
    index = combo.findData(key)
    if index >= 0:
        combo.setCurrentIndex(index)
