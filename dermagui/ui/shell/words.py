"""Words for what the shell shows: kinds and states of jobs, units of their progress, money, time left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication, QLocale

from dermagui.records import JobState

if TYPE_CHECKING:
    from dermagui.ui.jobs import Followed

KINDS = {
    "add": str(QT_TRANSLATE_NOOP("jobs", "Adding images")),
    "generate": str(QT_TRANSLATE_NOOP("jobs", "Generating")),
    "export": str(QT_TRANSLATE_NOOP("jobs", "Exporting")),
    "classify": str(QT_TRANSLATE_NOOP("jobs", "Classifying images")),
    "download": str(QT_TRANSLATE_NOOP("jobs", "Downloading")),
    "base_download": str(QT_TRANSLATE_NOOP("jobs", "Downloading a base model")),
    "train": str(QT_TRANSLATE_NOOP("jobs", "Training")),
    "bundle": str(QT_TRANSLATE_NOOP("jobs", "Making a model of a training")),
    "train_check": str(QT_TRANSLATE_NOOP("jobs", "Looking at the data")),
    "train_env": str(QT_TRANSLATE_NOOP("jobs", "Installing the training environment")),
    "train_import": str(QT_TRANSLATE_NOOP("jobs", "Bringing a training back")),
}

STATES = {
    JobState.RUNNING: ("start", str(QT_TRANSLATE_NOOP("jobs", "Running"))),
    JobState.DONE: ("done", str(QT_TRANSLATE_NOOP("jobs", "Done"))),
    JobState.STOPPED: ("pause", str(QT_TRANSLATE_NOOP("jobs", "Paused"))),
    JobState.WAITING: ("jobs", str(QT_TRANSLATE_NOOP("jobs", "Waiting"))),
    JobState.FAILED: ("error", str(QT_TRANSLATE_NOOP("jobs", "Failed"))),
    JobState.CRASHED: ("error", str(QT_TRANSLATE_NOOP("jobs", "Crashed"))),
    JobState.DIED: ("error", str(QT_TRANSLATE_NOOP("jobs", "Ended too early"))),
}
"""State → icon and word."""

UNITS = {
    "requests": str(QT_TRANSLATE_NOOP("jobs", "requests")),
    "files": str(QT_TRANSLATE_NOOP("jobs", "files")),
    "names": str(QT_TRANSLATE_NOOP("jobs", "names")),
    "pictures": str(QT_TRANSLATE_NOOP("jobs", "pictures")),
    "steps": str(QT_TRANSLATE_NOOP("jobs", "steps")),
    "stages": str(QT_TRANSLATE_NOOP("jobs", "stages")),
    "bytes": str(QT_TRANSLATE_NOOP("jobs", "bytes")),
    "tensors": str(QT_TRANSLATE_NOOP("jobs", "tensors")),
}


FIGURES = {
    "new": str(QT_TRANSLATE_NOOP("jobs", "New images: {count}")),
    "changed": str(QT_TRANSLATE_NOOP("jobs", "Changed images: {count}")),
    "moved": str(QT_TRANSLATE_NOOP("jobs", "Files that were moved: {count}")),
    "missing": str(QT_TRANSLATE_NOOP("jobs", "Files that are gone: {count}")),
    "unchanged": str(QT_TRANSLATE_NOOP("jobs", "Images known before: {count}")),
    "unreadable": str(QT_TRANSLATE_NOOP("jobs", "Files that cannot be read: {count}")),
    "sent": str(QT_TRANSLATE_NOOP("jobs", "Questions asked: {count}")),
    "left": str(QT_TRANSLATE_NOOP("jobs", "Questions left to ask: {count}")),
    "pairs": str(QT_TRANSLATE_NOOP("jobs", "Pairs: {count}")),
    "images": str(QT_TRANSLATE_NOOP("jobs", "Pictures: {count}")),
}
"""What a job counted, by the name of the figure; those that are not here are for programs."""


def figure_lines(figures: Mapping[str, object]) -> list[str]:
    """What a job counted, a line a figure; zeros are left out."""
    return [
        QCoreApplication.translate("jobs", words).format(count=whole(count))
        for name, words in FIGURES.items()
        if isinstance(count := figures.get(name), int) and count
    ]


def in_words(table: dict[str, str], key: str) -> str:
    """A word of one of the tables above in the user's language; what is in none shows itself."""
    return QCoreApplication.translate("jobs", table.get(key, key))


def state_word(state: str) -> str:
    """A job's state in the user's language."""
    return QCoreApplication.translate("jobs", STATES[JobState(state)][1])


def whole(number: int) -> str:
    """A number as people of this place write it."""
    return QLocale().toString(number)


def money(micro_usd: int) -> str:
    """Dollars, with more digits where the sum is small."""
    digits = 2 if micro_usd >= 1_000_000 or not micro_usd else 4
    return f"${QLocale().toString(micro_usd / 1_000_000, 'f', digits)}"


def time_left(seconds: float) -> str:
    """How long it will take, no more precisely than anybody can know."""
    if seconds < 60:
        return QCoreApplication.translate("jobs", "less than a minute left")
    minutes = round(seconds / 60)
    if minutes < 90:
        return QCoreApplication.translate("jobs", "{minutes} min left").format(minutes=whole(minutes))
    return QCoreApplication.translate("jobs", "{hours} h left").format(hours=whole(round(minutes / 60)))


def rate_words(per_second: float) -> str:
    """How much gets done in a minute."""
    number = QLocale().toString(per_second * 60, "f", 0 if per_second * 60 >= 10 else 1)
    return QCoreApplication.translate("jobs", "{number} a minute").format(number=number)


def job_words(followed: Followed) -> list[str]:
    """What a running job does, how far it is, how long it takes, and what it costs."""
    words = [in_words(KINDS, followed.row["kind"])]
    done, total = followed.progress.get("done"), followed.progress.get("total")
    if done is not None:
        words.append(count_words(done, total, followed.progress["unit"]))
    seconds = followed.seconds_left()
    if seconds is not None:
        words.append(time_left(seconds))
    spent, budget = followed.money()
    if spent is not None:
        words.append(_money_words(spent, budget))
    return words


def count_words(done: int, total: int | None, unit: str) -> str:
    """How much of how many."""
    if total:
        return QCoreApplication.translate("jobs", "{done} of {total} {unit}").format(
            done=whole(done), total=whole(total), unit=in_words(UNITS, unit)
        )
    return QCoreApplication.translate("jobs", "{done} {unit}").format(
        done=whole(done), unit=in_words(UNITS, unit)
    )


def _money_words(spent: int, budget: int | None) -> str:
    if budget is None:
        return money(spent)
    return QCoreApplication.translate("jobs", "{spent} of {budget}").format(
        spent=money(spent), budget=money(budget)
    )
