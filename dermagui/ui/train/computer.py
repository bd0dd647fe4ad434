"""The station Computer: what it has, and the environment that trainings run in."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QCheckBox, QFileDialog

from dermagui.errors import DermaError
from dermagui.training.hardware import DISK_BYTES, DOWNLOAD_BYTES
from dermagui.training.install import remove
from dermagui.training.install_job import install_parameters
from dermagui.ui import texts
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.train import desk_work
from dermagui.ui.train.desk_work import ComputerFacts
from dermagui.ui.train.parts import JobButton, buttons_row, sentence_label, subtitle, word_button
from dermagui.ui.train.station import Station
from dermagui.ui.train.words import Light, gigabytes
from dermagui.ui.widgets.bar import Bar
from dermagui.ui.widgets.danger import danger_button

_SHOWN_PACKAGES = ("torch", "transformers", "trl", "peft", "unsloth")


class ComputerStation(Station):
    """Everything is explained where there is no card; then the tiny way on the processor is offered."""

    def __init__(self, desk: Desk, jobs: Jobs, bar: Bar, install: JobButton) -> None:
        super().__init__(self.tr("Computer"), desk, jobs, bar)
        self.facts: ComputerFacts | None = None
        self._install = install
        self._hardware = sentence_label()
        self._card = sentence_label()
        self._state = sentence_label()
        self._takes = sentence_label(quiet=True)
        self.cpu = QCheckBox(self.tr("For the processor only: tiny models, and trying everything out"))
        self.own = word_button(self.tr("Use an existing Python…"), self.choose_python)
        self.offline = word_button(self.tr("Install from an offline folder…"), self.choose_offline)
        self.remove = danger_button(self.tr("Remove the environment"))
        self.remove.clicked.connect(self.remove_environment)
        self._build()
        self.cpu.toggled.connect(self._show_sizes)
        self.shine(Light.OPEN, "")

    def _build(self) -> None:
        self.next.setText(self.tr("Next: Recipe"))
        add = self.column.addWidget
        add(subtitle(self.tr("This computer")))
        add(self._hardware)
        add(self._card)
        add(subtitle(self.tr("Training environment")))
        add(self._state)
        add(self.cpu)
        add(self._takes)
        add(self._install)
        self.column.addLayout(buttons_row(self.own, self.offline, self.remove))
        self.column.addStretch(1)

    # -- looking --------------------------------------------------------------------------------

    def look(self) -> None:
        self.desk.work(desk_work.computer_facts, self._on_read, owner=self, failed=self.bar.tell_error)

    def _on_read(self, facts: ComputerFacts) -> None:
        first = self.facts is None
        self.facts = facts
        if first:
            self.cpu.setChecked(not facts.hardware.cards)
        self._hardware.setText(self._memory_words())
        self._card.setText(self._card_words())
        self._show_environment(facts)
        self._show_sizes()

    def _memory_words(self) -> str:
        assert self.facts is not None
        hardware = self.facts.hardware
        text = self.tr("{memory} memory, {disk} free on the disk that holds the environment.")
        return text.format(memory=gigabytes(hardware.memory_bytes), disk=gigabytes(hardware.disk_free_bytes))

    def _card_words(self) -> str:
        assert self.facts is not None
        text = self.tr("{name}, driver {driver}: {free} of {total} graphics memory free.")
        told = [
            text.format(
                name=card.name,
                driver=card.driver,
                free=gigabytes(card.free_bytes),
                total=gigabytes(card.total_bytes),
            )
            for card in self.facts.hardware.cards
        ]
        none = self.tr(
            "No NVIDIA graphics card was found. Real models cannot be trained here; a tiny one can, on the "
            "processor, the whole way to a model in the chat. "
            "A training can also be packed for another computer."
        )
        return "\n".join(told) or none

    def _show_environment(self, facts: ComputerFacts) -> None:
        made, problem = facts.environment, facts.problem
        self.remove.setEnabled(made is not None or not _is_lacking(problem))
        if made is None:
            assert problem is not None
            lacking = _is_lacking(problem)
            self._state.setText(self.tr("There is none yet.") if lacking else texts.worded(problem))
            light = Light.OPEN if lacking else Light.RED
            if self._install.is_running:
                light = Light.BUSY
            self.shine(light, self.tr("Trainings need an environment of their own; install it here."))
            return
        packages = ", ".join(
            f"{name} {made.versions[name]}" for name in _SHOWN_PACKAGES if name in made.versions
        )
        seen = self.tr("its torch sees the graphics card") if made.cuda else self.tr("its torch sees no card")
        said = [
            self.tr("Ready: Python {version} with {packages}; {seen}.").format(
                version=made.python_version, packages=packages, seen=seen
            )
        ]
        if not made.verified:
            said.append(self.tr("Nobody here has run these versions on a GPU yet."))
        self._state.setText(" ".join(said))
        if facts.hardware.cards and made.cuda:
            self.shine(Light.GREEN, self.tr("Trainings can run on this computer's graphics card."))
        else:
            self.shine(Light.AMBER, self.tr("Trainings can run here on the processor: tiny models only."))

    def _show_sizes(self) -> None:
        kind = "cpu" if self.cpu.isChecked() else "gpu"
        text = self.tr(
            "Installing fetches about {download} and takes {disk} of disk; it can be stopped and goes on."
        )
        told = [text.format(download=gigabytes(DOWNLOAD_BYTES[kind]), disk=gigabytes(DISK_BYTES[kind]))]
        if kind == "gpu":
            told.append(self.tr("Not yet run on a GPU."))
        self._takes.setText(" ".join(told))
        ready = self.facts is not None and self.facts.environment is not None
        self._install.start.setText(self.tr("Repair") if ready else self.tr("Install"))

    # -- doing ----------------------------------------------------------------------------------

    def install(self, offline: Path | None = None) -> None:
        """Makes the environment; one that is there is made anew."""
        anew = self.facts is not None and self.facts.environment is not None
        self._install.begin(install_parameters(cpu=self.cpu.isChecked(), offline=offline, anew=anew))

    def choose_offline(self) -> None:
        """Asks for a folder that was made on another computer, and installs from it."""
        found = QFileDialog.getExistingDirectory(self, self.tr("The offline folder"))
        if found:
            self.install(Path(found))

    def choose_python(self) -> None:
        """Asks for an interpreter that has all packages."""
        found, _ = QFileDialog.getOpenFileName(self, self.tr("A Python with all packages"))
        if found:
            self.use_python(Path(found))

    def use_python(self, python: Path) -> None:
        """Asks that interpreter what it has, and takes it; what else is needed is fetched."""
        self.shine(Light.BUSY, self.tr("Asking that Python what it has…"))
        self._install.begin(install_parameters(cpu=self.cpu.isChecked(), python=python))

    def remove_environment(self) -> None:
        """Removes what was installed; an existing Python is only forgotten."""
        self.remove.setEnabled(False)
        self.desk.work(remove, lambda _: self.look(), owner=self, failed=self._on_refused)

    def _on_refused(self, error: DermaError) -> None:
        self.bar.tell_error(error)
        self.look()


def _is_lacking(problem: DermaError | None) -> bool:
    return problem is not None and problem.code == "train.no_environment"
