"""The station Recipe: how and on which base; whether that fits; a training packed for another computer."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import (
    QButtonGroup,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QRadioButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from dermagui.errors import DermaError, UserError
from dermagui.jobs.work import Parameters
from dermagui.training.hardware import light
from dermagui.training.launch import training_parameters
from dermagui.training.recipe import Recipe, list_recipes
from dermagui.ui import texts, theme
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.train import desk_work
from dermagui.ui.train.computer import ComputerStation
from dermagui.ui.train.data import DataStation
from dermagui.ui.train.desk_work import BaseFacts
from dermagui.ui.train.parts import buttons_row, sentence_label, subtitle, word_button
from dermagui.ui.train.settings_form import SettingsForm
from dermagui.ui.train.station import Station
from dermagui.ui.train.words import Light, gigabytes
from dermagui.ui.widgets.bar import Bar

_FIRST = "default"
_PATIENCE_MILLISECONDS = 300
"""After the last letter of the base's folder, before it is looked at."""


class RecipeStation(Station):
    """Cards of recipes, the base's folder, and all settings folded away."""

    def __init__(
        self, desk: Desk, jobs: Jobs, bar: Bar, data: DataStation, computer: ComputerStation
    ) -> None:
        super().__init__(self.tr("Recipe"), desk, jobs, bar)
        self._data, self._computer = data, computer
        self._recipes = {recipe.name: recipe for recipe in list_recipes()}
        self._found: Path | None = None
        self.cards: dict[str, QRadioButton] = {}
        self._fits: dict[str, QLabel] = {}
        self._group = QButtonGroup(self)
        self._terms = sentence_label()
        self.base = QLineEdit()
        self.base.setPlaceholderText(self.tr("The folder with config.json and the weights"))
        self._base_said = sentence_label(quiet=True)
        self.name = QLineEdit()
        self.name.setPlaceholderText(self.tr("Chosen for you if left empty"))
        self.form = SettingsForm()
        self._fold = QToolButton()
        self._timer = QTimer(self, singleShot=True, interval=_PATIENCE_MILLISECONDS)
        self._build()
        self._timer.timeout.connect(self._look_at_base)
        self.base.textChanged.connect(self._on_base_changed)
        self._group.buttonClicked.connect(lambda _: self._show_recipe())
        self.cards[_FIRST].setChecked(True)
        self._show_recipe()

    # -- building -------------------------------------------------------------------------------

    def _build(self) -> None:
        self.next.setText(self.tr("Next: Run"))
        for recipe in self._recipes.values():
            self.column.addWidget(self._build_card(recipe))
        self.column.addWidget(self._terms)
        self.column.addWidget(subtitle(self.tr("Base")))
        self.column.addLayout(self._labelled(self.tr("Folder"), self.base, self._browse_button()))
        self.column.addWidget(self._base_said)
        self.column.addLayout(self._labelled(self.tr("Name of the training"), self.name))
        self._fold.setText(self.tr("All settings"))
        self._fold.setCheckable(True)
        self._fold.toggled.connect(self.form.setVisible)
        self.column.addWidget(self._fold)
        self.column.addWidget(self.form)
        self.form.hide()
        self.column.addWidget(subtitle(self.tr("On another computer")))
        elsewhere = self.tr(
            "The folder holds pictures and texts of this project, the program and its lists of packages; one "
            "command there trains on one card or on several. Bring the folder back, and import it."
        )
        self.column.addWidget(sentence_label(elsewhere, quiet=True))
        self.elsewhere = QHBoxLayout()
        self.column.addLayout(self.elsewhere)
        self.close_column()

    def _browse_button(self) -> QWidget:
        return word_button(self.tr("Choose the base's folder…"), self._browse)

    def _labelled(self, text: str, field: QLineEdit, *more: QWidget) -> QHBoxLayout:
        label = QLabel(text)
        label.setBuddy(field)
        label.setFixedWidth(20 * theme.GRID)
        field.setAccessibleName(text)
        row = buttons_row(label, field, *more)
        row.setStretchFactor(field, 1)
        row.takeAt(row.count() - 1)
        return row

    def _build_card(self, recipe: Recipe) -> QWidget:
        card = QWidget()
        column = QVBoxLayout(card)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID // 4)
        button = QRadioButton(recipe.title)
        self._group.addButton(button)
        self.cards[recipe.name] = button
        self._fits[recipe.name] = sentence_label(quiet=True)
        column.addWidget(button)
        told = sentence_label(f"{recipe.purpose} {self._base_words(recipe)}")
        for label in (told, self._fits[recipe.name]):
            label.setContentsMargins(3 * theme.GRID, 0, 0, 0)
            column.addWidget(label)
        return card

    def _base_words(self, recipe: Recipe) -> str:
        text = self.tr("Base: {base}, {licence}.").format(base=recipe.base, licence=recipe.licence)
        gated = self.tr("Its terms have to be accepted with the maker before it can be downloaded.")
        return f"{text} {gated}" if recipe.gated else text

    # -- showing --------------------------------------------------------------------------------

    def look(self) -> None:
        for name, recipe in self._recipes.items():
            self._fits[name].setText(self._fit_words(recipe))
        self._judge()

    def _fit_words(self, recipe: Recipe) -> str:
        facts = self._computer.facts
        wanted = self.tr("Wants {wanted} of free graphics memory").format(
            wanted=gigabytes(recipe.gpu_gb * 1e9)
        )
        free = max((card.free_bytes for card in facts.hardware.cards), default=0) if facts else 0
        if not free:
            said = self.tr("there is no card here")
        else:
            fits = {
                "green": self.tr("{free} are free: it fits"),
                "amber": self.tr("{free} are free: it fits with little to spare"),
                "red": self.tr("only {free} are free: it does not fit"),
            }
            assert facts is not None
            said = fits[light(recipe, facts.hardware)].format(free=gigabytes(free))
        unverified = self.tr("Not yet run on a GPU.") if recipe.unverified else ""
        return f"{wanted}; {said}. {unverified}".strip()

    @property
    def recipe(self) -> Recipe:
        """The one that is chosen."""
        return next(self._recipes[name] for name, card in self.cards.items() if card.isChecked())

    def choose(self, name: str) -> None:
        """Chooses a recipe by its name."""
        self.cards[name].click()

    def _show_recipe(self) -> None:
        self._terms.setText(f"⚠ {self.recipe.terms}" if self.recipe.terms else "")
        self._terms.setVisible(bool(self.recipe.terms))
        self.form.show_settings(self.recipe.settings)
        self._timer.start()
        self.look()

    # -- the base -------------------------------------------------------------------------------

    def _browse(self) -> None:
        found = QFileDialog.getExistingDirectory(self, self.tr("The folder of the base"))
        if found:
            self.base.setText(found)

    def _on_base_changed(self) -> None:
        self._found = None
        self._timer.start()
        self._judge()

    def _look_at_base(self) -> None:
        wanted = self.base.text().strip()
        if wanted:
            facts = self._computer.facts
            look = partial(
                desk_work.base_facts, wanted, self.recipe.settings, facts.hardware if facts else None
            )
            self.desk.work(
                look, partial(self._on_base_read, wanted), owner=self, failed=self._on_base_refused
            )

    def _on_base_read(self, wanted: str, facts: BaseFacts) -> None:
        if wanted != self.base.text().strip():
            return
        home = (
            self.tr("it can become a model for the chat")
            if facts.becomes_gguf
            else self.tr("it can be trained, and never become a model for the chat")
        )
        told = [self.tr("A {kind}; {home}.").format(kind=facts.kind, home=home)]
        if facts.needed_bytes is not None:
            needed = self.tr("With this recipe it takes about {size} of graphics memory, by an estimate")
            fits = {
                "green": self.tr("it fits"),
                "amber": self.tr("it fits with little to spare"),
                "red": self.tr("it does not fit into what is free"),
            }
            said = [needed.format(size=gigabytes(facts.needed_bytes)), fits.get(facts.light, "")]
            told.append("; ".join(part for part in said if part) + ".")
        self._base_said.setText(" ".join(told))
        self._found = facts.folder
        self._judge()

    def _on_base_refused(self, error: DermaError) -> None:
        self._base_said.setText(texts.worded(error))
        self._judge()

    def _judge(self) -> None:
        if self._found is None:
            said = self.tr(
                "Choose the folder that {base} was downloaded to, or that of another vision model."
            )
            self.shine(Light.RED, said.format(base=self.recipe.base))
        elif self.recipe.unverified:
            said = self.tr("It can be started; one step tells whether this computer is up to it.")
            self.shine(Light.AMBER, said)
        else:
            self.shine(Light.GREEN, self.tr("It can be started."))

    # -- what it hands on -----------------------------------------------------------------------

    def parameters(self, *, one_step: bool = False, export: Path | None = None) -> Parameters:
        """What a training is started with. Raises ``UserError``: ``train.bad_setting``, ``train.no_base``."""
        if self._found is None:
            raise UserError("train.no_base", path=self.base.text().strip())
        return training_parameters(
            replace(self.recipe, settings=self.form.settings()),
            self._found,
            name=self.name.text().strip(),
            dry_run=one_step,
            export=export,
            **self._data.parameters(),
            **self._data.texts(),
        )
