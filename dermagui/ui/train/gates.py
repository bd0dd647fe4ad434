"""The two gates of a model that was brought home, and its card: lights with figures and their n."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from dermagui.ui import theme
from dermagui.ui.icons import Sign
from dermagui.ui.shell.words import whole
from dermagui.ui.train.card_view import CardView
from dermagui.ui.train.parts import say, sentence_label, subtitle, word_button
from dermagui.ui.train.words import Light, figure, gigabytes

if TYPE_CHECKING:
    from dermagui.chat.bundle import Bundle

_FAULTS = {
    "inputs": str(QT_TRANSLATE_NOOP("train", "the two did not get the same pictures and words")),
    "first_token": str(QT_TRANSLATE_NOOP("train", "the first word differs")),
    "difference": str(QT_TRANSLATE_NOOP("train", "the answers are too far off")),
    "shuffled": str(QT_TRANSLATE_NOOP("train", "it does not look at the pictures")),
}

_CLINICAL = {
    "passed": str(QT_TRANSLATE_NOOP("train", "It finds malignant lesions no worse than its base.")),
    "fell": str(
        QT_TRANSLATE_NOOP(
            "train",
            "It finds fewer malignant lesions than its base did: it is not ready.",
        )
    ),
    "one_class": str(
        QT_TRANSLATE_NOOP(
            "train",
            "It does little better than one answer to every picture: it is not ready.",
        )
    ),
    "worse": str(
        QT_TRANSLATE_NOOP(
            "train",
            "It tells the labels apart worse than its base did: it is not ready.",
        )
    ),
    "few": str(
        QT_TRANSLATE_NOOP("train", "Too few malignant lesions were held out to say, so it is not ready.")
    ),
    "untested": str(
        QT_TRANSLATE_NOOP("train", "The held-out pictures have no labels, so nobody knows: it is not ready.")
    ),
}
_FIGURES = {
    "malignant_sensitivity": str(QT_TRANSLATE_NOOP("train", "Malignant ones found")),
    "benign_specificity": str(QT_TRANSLATE_NOOP("train", "Benign ones called benign")),
    "balanced_accuracy": str(QT_TRANSLATE_NOOP("train", "Balanced accuracy")),
    "accuracy": str(QT_TRANSLATE_NOOP("train", "Accuracy")),
    "refusals": str(QT_TRANSLATE_NOOP("train", "Answers that name no label")),
}


class GateLine(QWidget):
    """A light, its word, and the sentence with the figures."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self._sign = Sign()
        self._word = QLabel()
        self._said = sentence_label()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(theme.GRID)
        grid.setVerticalSpacing(0)
        grid.addWidget(self._sign, 0, 0)
        grid.addWidget(self._word, 0, 1)
        grid.addWidget(self._said, 1, 1)
        grid.setColumnStretch(1, 1)

    def show_gate(self, light: Light, said: str) -> None:
        """Shows how the gate stands."""
        self._sign.show_icon(light.icon, light.tint)
        self._word.setText(f"{self._title}: {gate_word(light)}.")
        say(self._said, said)

    @property
    def text(self) -> str:
        """All that it says."""
        return f"{self._word.text()} {self._said.text()}"


class ModelCard(QWidget):
    """A model that a training of this project became."""

    asked = Signal(str)
    """Its name: the user wants to chat with it."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__()
        self.name = bundle.name
        self.ready = bundle.about.ready
        self.chat = word_button(self.tr("Chat with it"), lambda: self.asked.emit(self.name))
        self.chat.setAccessibleName(self.tr("Chat with it: {name}").format(name=self.name))
        self.folder = bundle.folder
        self.card = CardView(self.tr("Model card"), self.tr("Model card of {name}").format(name=self.name))
        self.parity = GateLine(self.tr("Like the trained model"))
        self.clinical = GateLine(self.tr("Clinically no worse than the base"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID // 2)
        size = gigabytes(bundle.size_bytes) if bundle.size_bytes >= 1e8 else _megabytes(bundle.size_bytes)
        row = QHBoxLayout()
        row.addWidget(subtitle(f"{bundle.name}, {bundle.quantization}, {size}"), 1)
        row.addWidget(self.chat)
        column.addLayout(row)
        column.addWidget(self.parity)
        column.addWidget(self.clinical)
        self.parity.show_gate(*parity_words(bundle.about.gates.get("parity")))
        self.clinical.show_gate(*clinical_words(bundle.about.gates.get("clinical")))
        about = bundle.about
        told = [about.intended_use, self.tr("Base: {base}.").format(base=about.base)]
        told.append(self.tr("Licence: {licence}.").format(licence=about.licence) if about.licence else "")
        told += [about.terms, about.notice]
        column.addWidget(sentence_label(" ".join(text for text in told if text), quiet=True))
        column.addWidget(self.card)


def gate_word(light: Light) -> str:
    """What a light of a gate means."""
    words = {
        Light.GREEN: QCoreApplication.translate("train", "passed"),
        Light.RED: QCoreApplication.translate("train", "not passed"),
        Light.AMBER: QCoreApplication.translate("train", "not sure"),
    }
    return words.get(light, QCoreApplication.translate("train", "not looked at"))


def parity_words(verdicts: object) -> tuple[Light, str]:
    """The light of the comparison of GGUF and trained model, with its figures."""
    if not isinstance(verdicts, list) or not verdicts:
        return Light.OPEN, ""
    passed = all(not verdict["faults"] for verdict in verdicts)
    return (Light.GREEN if passed else Light.RED), "\n".join(_verdict_words(one) for one in verdicts)


def _verdict_words(verdict: Mapping[str, Any]) -> str:
    text = QCoreApplication.translate(
        "train",
        "{quantization}: {difference} nats a token off, {limit} allowed; first word equal in {equal} of {n}; "
        "{true} with the right pictures, {shuffled} with others.",
    )
    told = text.format(
        quantization=verdict["quantization"],
        difference=figure(verdict["difference"], 4),
        limit=figure(verdict["limit"], 2),
        equal=whole(verdict["first_tokens_equal"]),
        n=whole(verdict["probes"]),
        true=figure(verdict["true_score"], 2),
        shuffled=figure(verdict["shuffled_score"], 2),
    )
    faults = [QCoreApplication.translate("train", _FAULTS.get(name, name)) for name in verdict["faults"]]
    return f"{told} {'; '.join(faults)}." if faults else told


def clinical_words(gate: object) -> tuple[Light, str]:
    """The light of the comparison of base and tuned model on held-out pictures."""
    if not isinstance(gate, Mapping):
        said = QCoreApplication.translate(
            "train",
            "Base and tuned model were not compared on held-out pictures, so nobody knows whether it became "
            "worse at finding what is malignant.",
        )
        return Light.OPEN, said
    lights = {
        "passed": Light.GREEN,
        "fell": Light.RED,
        "one_class": Light.RED,
        "worse": Light.RED,
        "few": Light.AMBER,
    }
    state = str(gate.get("state"))
    told = [QCoreApplication.translate("train", _CLINICAL[state])] if state in _CLINICAL else []
    for key, title in _FIGURES.items():
        sides = [gate[side][key] for side in ("base", "tuned") if key in (gate.get(side) or ())]
        if len(sides) == 2:
            name = QCoreApplication.translate("train", title)
            was, now = (_rate_words(rate) for rate in sides)
            text = QCoreApplication.translate("train", "{name}: {was}, now {now}, n = {n}.")
            told.append(text.format(name=name, was=was, now=now, n=whole(sides[1]["n"])))
    return lights.get(state, Light.OPEN), "\n".join(told)


def _rate_words(rate: Mapping[str, Any]) -> str:
    low, high = figure(rate["low"], 2), figure(rate["high"], 2)
    return f"{figure(rate['value'], 2)} ({low} – {high})"


def _megabytes(size_bytes: int) -> str:
    return QCoreApplication.translate("train", "{number} MB").format(number=figure(size_bytes / 1e6, 1))
