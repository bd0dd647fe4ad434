"""The station Recipe: how and on which base; whether that fits; a training packed for another computer."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

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
from dermagui.ui.train.base_download import BaseDownload
from dermagui.ui.train.computer import ComputerStation
from dermagui.ui.train.data import DataStation
from dermagui.ui.train.desk_work import BaseFacts
from dermagui.ui.train.parts import buttons_row, say, sentence_label, subtitle, word_button
from dermagui.ui.train.settings_form import SettingsForm
from dermagui.ui.train.station import Station
from dermagui.ui.train.words import Light, gigabytes, words
from dermagui.ui.widgets.bar import Bar

_FIRST = "default"
_PATIENCE_MILLISECONDS = 300
"""After the last letter of the base's folder, before it is looked at."""

_ON_HUB = ("train.base_on_hub", "train.base_gated")
"""Codes of a base that is known by name and not here."""


class RecipeStation(Station):
    """Cards of recipes, the base's folder, and all settings folded away."""

    def __init__(
        self, desk: Desk, jobs: Jobs, bar: Bar, data: DataStation, computer: ComputerStation
    ) -> None:
        super().__init__(self.tr("Recipe"), desk, jobs, bar)
        self._data, self._computer = data, computer
        self._recipes = {recipe.name: recipe for recipe in list_recipes()}
        self._found: BaseFacts | None = None
        self._refused = False
        self.cards: dict[str, QRadioButton] = {}
        self._fits: dict[str, QLabel] = {}
        self._group = QButtonGroup(self)
        self._terms = sentence_label()
        self.base = QLineEdit()
        self.base.setPlaceholderText(
            self.tr("The folder with config.json and the weights, or a name on the hub")
        )
        self._base_said = sentence_label(quiet=True)
        self._fit = sentence_label()
        self.download = BaseDownload(desk)
        self.of_recipe = word_button(self.tr("The recipe's base"), self._name_base)
        self.back = word_button(self.tr("Back to the recipe's settings"), self._show_recipe)
        self.name = QLineEdit()
        self.name.setPlaceholderText(self.tr("Chosen for you if left empty"))
        self.form = SettingsForm()
        self.fold = QToolButton()
        self._timer = QTimer(self, singleShot=True, interval=_PATIENCE_MILLISECONDS)
        self._build()
        self._timer.timeout.connect(self._look_at_base)
        self.base.textChanged.connect(self._on_base_changed)
        self.download.arrived.connect(self._on_base_arrived)
        self.form.changed.connect(self._on_settings_changed)
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
        labels = [QLabel(self.tr("Folder or name")), QLabel(self.tr("Name of the training"))]
        for label in labels:
            label.setMinimumWidth(max(one.sizeHint().width() for one in labels))
        self.column.addLayout(_row(labels[0], self.base, self._browse_button(), self.of_recipe))
        self.column.addWidget(self._base_said)
        self.column.addWidget(self.download)
        self.column.addLayout(_row(labels[1], self.name))
        for sentence in (self._base_said, self._fit):
            sentence.hide()
        self.fold.setText(self.tr("All settings"))
        self.fold.setCheckable(True)
        self.fold.toggled.connect(self.form.setVisible)
        self.column.addWidget(self._fit)
        self.column.addLayout(buttons_row(self.fold, self.back))
        self.column.addWidget(self.form)
        self.form.hide()
        self.column.addWidget(subtitle(self.tr("On another computer")))
        elsewhere = self.tr(
            "The folder holds pictures and texts of this project, the program and its lists of packages; one "
            "command there trains on one card or on several. Bring the folder back, and import it. Weights "
            "that were trained without this program can be imported too, on the base that is chosen above."
        )
        self.column.addWidget(sentence_label(elsewhere, quiet=True))
        self.elsewhere = QHBoxLayout()
        self.column.addLayout(self.elsewhere)
        self.column.addStretch(1)

    def _browse_button(self) -> QWidget:
        return word_button(self.tr("Choose the base's folder…"), self._browse)

    def _build_card(self, recipe: Recipe) -> QWidget:
        card = QWidget()
        column = QVBoxLayout(card)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID // 4)
        button = QRadioButton(words(recipe.title))
        self._group.addButton(button)
        self.cards[recipe.name] = button
        self._fits[recipe.name] = sentence_label(quiet=True)
        column.addWidget(button)
        told = sentence_label(f"{words(recipe.purpose)} {self._base_words(recipe)}")
        for label in (told, self._fits[recipe.name]):
            label.setContentsMargins(3 * theme.GRID, 0, 0, 0)
            column.addWidget(label)
        return card

    def _base_words(self, recipe: Recipe) -> str:
        told = self.tr("Base: {base}, {licence}").format(base=recipe.base, licence=recipe.licence)
        if recipe.download_gb:
            size = gigabytes(recipe.download_gb * 1e9)
            told = self.tr("{base}, about {size} to download").format(base=told, size=size)
        gated = self.tr("Its terms have to be accepted with the maker before it can be downloaded.")
        return f"{told}. {gated}" if recipe.gated else f"{told}."

    # -- showing --------------------------------------------------------------------------------

    def look(self) -> None:
        for name, recipe in self._recipes.items():
            self._fits[name].setText(self._fit_words(recipe))
        self._look_at_base()
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
        say(self._terms, f"⚠ {words(self.recipe.terms)}" if self.recipe.terms else "")
        self.form.show_settings(self.recipe.settings)
        self._on_settings_changed()
        self.look()

    # -- the base -------------------------------------------------------------------------------

    def _name_base(self) -> None:
        self.base.setText(self.recipe.base)

    def _on_base_arrived(self, name: str) -> None:
        if name == self.base.text().strip():
            self._on_base_changed()

    def _browse(self) -> None:
        found = QFileDialog.getExistingDirectory(self, self.tr("The folder of the base"))
        if found:
            self.base.setText(found)

    def _on_base_changed(self) -> None:
        self._found, self._refused = None, False
        for sentence in (self._base_said, self._fit):
            say(sentence, "")
        self.download.offer("")
        self._timer.start()
        self._judge()

    def _on_settings_changed(self) -> None:
        self.back.setEnabled(self._settings() != self.recipe.settings)
        self._judge()
        self._look_at_base()

    def _settings(self) -> dict[str, Any] | None:
        """What the form says, if that is possible."""
        try:
            return self.form.settings()
        except UserError:
            return None

    def _look_at_base(self) -> None:
        mark = (self.base.text().strip(), self._settings())
        wanted, settings = mark
        if wanted and settings is not None:
            facts = self._computer.facts
            look = partial(desk_work.base_facts, wanted, settings, facts.hardware if facts else None)
            refused = partial(self._on_base_refused, wanted)
            self.desk.work(look, partial(self._on_base_read, mark), owner=self, failed=refused)

    def _on_base_read(self, mark: object, facts: BaseFacts) -> None:
        if mark != (self.base.text().strip(), self._settings()):
            return  # looked at for what stands there no more
        home = (
            self.tr("it can become a model for the chat")
            if facts.becomes_gguf
            else self.tr("it can be trained, and never become a model for the chat")
        )
        say(self._base_said, self.tr("A {kind}; {home}.").format(kind=facts.kind, home=home))
        self._found = facts
        self._judge()

    def _on_base_refused(self, wanted: str, error: DermaError) -> None:
        if wanted == self.base.text().strip():
            self._found, self._refused = None, True
            self.download.offer(wanted if error.code in _ON_HUB else "")
            say(self._base_said, texts.worded(error))
            self._judge()

    def _judge(self) -> None:
        try:
            self.form.settings()
        except UserError as error:
            say(self._fit, "")
            self.shine(Light.RED, texts.worded(error))
            return
        facts = self._found
        if facts is not None:
            say(self._fit, self._estimate_words(facts))
            self._judge_fit(facts)
        elif self._refused:
            offered = not self.download.isHidden()
            said = self.tr("Nothing can be trained on this base; below it stands why.")
            coming = self.tr("This base is not here yet; below it stands how it comes.")
            self.shine(Light.OPEN if offered else Light.RED, coming if offered else said)
        else:
            said = self.tr(
                "Choose the folder that {base} was downloaded to, or that of another vision model."
            )
            self.shine(Light.OPEN, said.format(base=self.recipe.base))

    def _judge_fit(self, facts: BaseFacts) -> None:
        if facts.light == "red":
            said = self.tr(
                "It does not fit into what is free: choose four bits, smaller pictures, fewer pairs "
                "at a time, or a smaller base."
            )
            self.shine(Light.RED, said)
        elif facts.light == "amber":
            self.shine(Light.AMBER, self.tr("It fits with little to spare; one step tells whether it does."))
        elif self.recipe.unverified:
            said = self.tr("It can be started; one step tells whether this computer is up to it.")
            self.shine(Light.AMBER, said)
        else:
            self.shine(Light.GREEN, self.tr("It can be started."))

    def _estimate_words(self, facts: BaseFacts) -> str:
        """What the settings that stand there take, by an estimate."""
        if facts.needed_bytes is None:
            return ""
        text = self.tr("With these settings it takes about {size} of graphics memory, by an estimate")
        fits = {
            "green": self.tr("{free} are free: it fits"),
            "amber": self.tr("{free} are free: it fits with little to spare"),
            "red": self.tr("only {free} are free: it does not fit"),
        }
        said = fits.get(facts.light, self.tr("there is no card here")).format(
            free=gigabytes(facts.free_bytes)
        )
        return f"{text.format(size=gigabytes(facts.needed_bytes))}; {said}."

    # -- what it hands on -----------------------------------------------------------------------

    @property
    def base_folder(self) -> Path | None:
        """Where the base lies, once it was found to be one."""
        return self._found.folder if self._found else None

    def parameters(self, *, one_step: bool = False, export: Path | None = None) -> Parameters:
        """What a training is started with. Raises ``UserError``: ``train.bad_setting``,
        ``train.base_unsaid``, ``train.no_base``.
        """
        if self._found is None and not self.base.text().strip():
            raise UserError("train.base_unsaid")
        if self._found is None:
            raise UserError("train.no_base", path=self.base.text().strip())
        return training_parameters(
            replace(self.recipe, settings=self.form.settings()),
            self._found.folder,
            name=self.name.text().strip(),
            dry_run=one_step,
            export=export,
            **self._data.parameters(),
            **self._data.texts(),
        )


def _row(label: QLabel, field: QLineEdit, *more: QWidget) -> QHBoxLayout:
    label.setBuddy(field)
    row = QHBoxLayout()
    row.setSpacing(2 * theme.GRID)
    row.addWidget(label)
    row.addWidget(field, 1)
    for widget in more:
        row.addWidget(widget)
    return row
