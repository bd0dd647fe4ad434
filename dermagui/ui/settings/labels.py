"""What the form calls each declared setting and its choices, and how it groups them: tables, no code."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication


@dataclass(frozen=True, slots=True)
class Label:
    """A setting's words; an ampersand marks no key here. ``unit`` stands behind a number."""

    text: str
    hint: str = ""
    unit: str = ""


def _label(text: object, hint: object = "", unit: object = "") -> Label:
    return Label(str(text), str(hint), str(unit))


GROUPS: dict[str, tuple[str, ...]] = {
    str(QT_TRANSLATE_NOOP("settings", "You and this window")): ("person.name", "window.theme"),
    str(QT_TRANSLATE_NOOP("settings", "Generating pairs")): (
        "generation.bank",
        "generation.questions",
        "generation.metadata",
        "generation.longest_side",
        "generation.max_output_tokens",
        "generation.concurrency",
    ),
    str(QT_TRANSLATE_NOOP("settings", "Google Gemini")): (
        "gemini.model",
        "gemini.key_tier",
        "gemini.service_tier",
        "gemini.timeout_seconds",
        "gemini.base_url",
        "gemini.api_version",
    ),
    str(QT_TRANSLATE_NOOP("settings", "Chat")): ("chat.idle_minutes",),
    str(QT_TRANSLATE_NOOP("settings", "Where models are downloaded from")): (
        "hub.endpoint",
        "hub.redirect_hosts",
    ),
}
"""Heading → keys, in the order of the form. A test holds it against ``settings.SETTINGS``."""

LABELS = {
    "person.name": _label(
        QT_TRANSLATE_NOOP("settings", "Your name"),
        QT_TRANSLATE_NOOP("settings", "Stands beside every verdict that you give."),
    ),
    "window.theme": _label(QT_TRANSLATE_NOOP("settings", "Look")),
    "generation.bank": _label(
        QT_TRANSLATE_NOOP("settings", "Question bank"),
        QT_TRANSLATE_NOOP("settings", "The name of a bank that came with dermagui, or a file of your own."),
    ),
    "generation.questions": _label(QT_TRANSLATE_NOOP("settings", "Questions for each image")),
    "generation.metadata": _label(
        QT_TRANSLATE_NOOP("settings", "Metadata"),
        QT_TRANSLATE_NOOP("settings", "What the model may know of an image beside its pixels."),
    ),
    "generation.longest_side": _label(
        QT_TRANSLATE_NOOP("settings", "Longest side of a picture that is sent"),
        unit=QT_TRANSLATE_NOOP("settings", "pixels"),
    ),
    "generation.max_output_tokens": _label(
        QT_TRANSLATE_NOOP("settings", "Longest answer"), unit=QT_TRANSLATE_NOOP("settings", "tokens")
    ),
    "generation.concurrency": _label(
        QT_TRANSLATE_NOOP("settings", "Requests at the same time"),
        QT_TRANSLATE_NOOP("settings", "Fewer where the service asks for pauses."),
    ),
    "gemini.model": _label(QT_TRANSLATE_NOOP("settings", "Model")),
    "gemini.key_tier": _label(
        QT_TRANSLATE_NOOP("settings", "Is the key free or paid?"),
        QT_TRANSLATE_NOOP("settings", "With a free key people at Google may read what is sent."),
    ),
    "gemini.service_tier": _label(QT_TRANSLATE_NOOP("settings", "Speed and price")),
    "gemini.timeout_seconds": _label(
        QT_TRANSLATE_NOOP("settings", "Wait for an answer at most"),
        unit=QT_TRANSLATE_NOOP("settings", "seconds"),
    ),
    "chat.idle_minutes": _label(
        QT_TRANSLATE_NOOP("settings", "Give a model's memory back"),
        QT_TRANSLATE_NOOP("settings", "After so long without a question; the next one loads it again."),
        unit=QT_TRANSLATE_NOOP("settings", "minutes"),
    ),
    "gemini.base_url": _label(
        QT_TRANSLATE_NOOP("settings", "Address of the service"),
        QT_TRANSLATE_NOOP("settings", "Images are sent there and nowhere else."),
    ),
    "gemini.api_version": _label(QT_TRANSLATE_NOOP("settings", "Version of its interface")),
    "hub.endpoint": _label(QT_TRANSLATE_NOOP("settings", "Address of the hub")),
    "hub.redirect_hosts": _label(
        QT_TRANSLATE_NOOP("settings", "Hosts that it may lead to"),
        QT_TRANSLATE_NOOP("settings", "Separated by blanks; a dot in front means every host below."),
    ),
}

CHOICES = {
    "system": str(QT_TRANSLATE_NOOP("settings", "As the system")),
    "light": str(QT_TRANSLATE_NOOP("settings", "Light")),
    "dark": str(QT_TRANSLATE_NOOP("settings", "Dark")),
    "undeclared": str(QT_TRANSLATE_NOOP("settings", "Not said yet")),
    "free": str(QT_TRANSLATE_NOOP("settings", "Free")),
    "paid": str(QT_TRANSLATE_NOOP("settings", "Paid")),
    "standard": str(QT_TRANSLATE_NOOP("settings", "Standard")),
    "flex": str(QT_TRANSLATE_NOOP("settings", "Flex: half the price, slower")),
    "hidden": str(QT_TRANSLATE_NOOP("settings", "Hidden: known to the model, kept out of its answers")),
    "given": str(QT_TRANSLATE_NOOP("settings", "Given: part of the question")),
    "none": str(QT_TRANSLATE_NOOP("settings", "None: only the picture is sent")),
}


def words(text: str) -> str:
    """A text of these tables in the user's language."""
    return QCoreApplication.translate("settings", text) if text else ""
