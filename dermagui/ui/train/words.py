"""Words of the page Train: lights, states of runs, stages, and numbers with their units."""

from __future__ import annotations

from enum import Enum

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication, QLocale

from dermagui.training.run_state import RunState
from dermagui.ui import theme


class Light(Enum):
    """How a station stands; ``OPEN`` is what was not begun, which is no fault."""

    GREEN = "done"
    AMBER = "warning"
    RED = "error"
    BUSY = "jobs"
    OPEN = "todo"

    @property
    def icon(self) -> str:
        """Name of its icon."""
        return str(self.value)

    @property
    def word(self) -> str:
        """Its word in the user's language; colour never stands alone."""
        return words(_WORDS[self])

    @property
    def tint(self) -> tuple[str, str] | None:
        """Its colour in light and dark."""
        return _TINTS.get(self)

    @property
    def lets_on(self) -> bool:
        """Whether the next station is offered."""
        return self in (Light.GREEN, Light.AMBER)


_TINTS = {Light.GREEN: theme.GOOD, Light.AMBER: theme.WARNING, Light.RED: theme.DANGER}
_WORDS = {
    Light.GREEN: str(QT_TRANSLATE_NOOP("train", "Ready")),
    Light.AMBER: str(QT_TRANSLATE_NOOP("train", "Look here")),
    Light.RED: str(QT_TRANSLATE_NOOP("train", "Problem")),
    Light.BUSY: str(QT_TRANSLATE_NOOP("train", "Under way")),
    Light.OPEN: str(QT_TRANSLATE_NOOP("train", "To do")),
}

STATES = {
    RunState.PREPARED: str(QT_TRANSLATE_NOOP("train", "Prepared, not begun")),
    RunState.RUNNING: str(QT_TRANSLATE_NOOP("train", "Running")),
    RunState.STOPPING: str(QT_TRANSLATE_NOOP("train", "Saving, then it stops")),
    RunState.DONE: str(QT_TRANSLATE_NOOP("train", "Done")),
    RunState.STOPPED: str(QT_TRANSLATE_NOOP("train", "Stopped")),
    RunState.FAILED: str(QT_TRANSLATE_NOOP("train", "Failed")),
    RunState.OUT_OF_MEMORY: str(QT_TRANSLATE_NOOP("train", "Out of memory")),
    RunState.DIED: str(QT_TRANSLATE_NOOP("train", "Ended without a word")),
}

STAGES = {
    "make": str(QT_TRANSLATE_NOOP("train", "Making the environment")),
    "fetch": str(QT_TRANSLATE_NOOP("train", "Installing packages; this takes minutes")),
    "merge": str(QT_TRANSLATE_NOOP("train", "Merging what was tuned into the base")),
    "convert": str(QT_TRANSLATE_NOOP("train", "Converting to GGUF")),
    "quantize": str(QT_TRANSLATE_NOOP("train", "Quantizing")),
    "compare": str(QT_TRANSLATE_NOOP("train", "Comparing with the trained model")),
    "clinical": str(QT_TRANSLATE_NOOP("train", "Asking base and tuned model about held-out pictures")),
    "register": str(QT_TRANSLATE_NOOP("train", "Putting it among the models")),
}

SPLITS = {
    "train": str(QT_TRANSLATE_NOOP("train", "to train")),
    "validation": str(QT_TRANSLATE_NOOP("train", "to validate")),
    "test": str(QT_TRANSLATE_NOOP("train", "to test")),
}

RECIPES = (
    str(QT_TRANSLATE_NOOP("train", "Try-out")),
    str(QT_TRANSLATE_NOOP("train", "The smallest useful model: for a first run on an ordinary gaming card.")),
    str(QT_TRANSLATE_NOOP("train", "Small GPU")),
    str(QT_TRANSLATE_NOOP("train", "A general model in four bits, for cards with 8 GB.")),
    str(QT_TRANSLATE_NOOP("train", "Medical")),
    str(QT_TRANSLATE_NOOP("train", "A base that has read medical pictures, skin among them.")),
    str(
        QT_TRANSLATE_NOOP(
            "train", "Google's terms have to be accepted on the model's page before it can be downloaded."
        )
    ),
    str(QT_TRANSLATE_NOOP("train", "Default")),
    str(QT_TRANSLATE_NOOP("train", "The general model for cards with 12 GB.")),
    str(QT_TRANSLATE_NOOP("train", "Quality")),
    str(QT_TRANSLATE_NOOP("train", "The general model in 16 bits, for cards with 24 GB.")),
    str(QT_TRANSLATE_NOOP("train", "DermaSynth-like")),
    str(
        QT_TRANSLATE_NOOP(
            "train",
            "Near to what the DermaSynth paper describes: 5,000 pairs, Llama 3.2 11B Vision. Rank, "
            "rate and epochs were not published; these are not the authors' settings.",
        )
    ),
    str(
        QT_TRANSLATE_NOOP(
            "train",
            "Meta's licence does not grant the rights in this model to people and companies based in "
            "the European Union. It has to be accepted before the download. A tuned model's name must"
            " begin with Llama. llama.cpp cannot run it: it can be trained, and never become a GGUF "
            "file for the chat.",
        )
    ),
)
"""Titles, purposes and terms of the recipes that ship, for who translates them."""


def words(text: str) -> str:
    """A text of these tables in the user's language."""
    return QCoreApplication.translate("train", text)


def gigabytes(size_bytes: float) -> str:
    """A size in GB, as people of this place write it."""
    return QCoreApplication.translate("train", "{number} GB").format(
        number=QLocale().toString(size_bytes / 1e9, "f", 1)
    )


def figure(number: float, digits: int = 3) -> str:
    """A number with so many decimals."""
    return QLocale().toString(number, "f", digits)
