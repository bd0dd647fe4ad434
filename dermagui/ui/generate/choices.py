"""What the form of a plan offers, as tables: providers, languages, and how they are called."""

from __future__ import annotations

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication

from dermagui.records import FlagKind, RequestState

PROVIDERS = {
    "practice": str(QT_TRANSLATE_NOOP("generate", "Rehearsal: nothing is sent")),
    "gemini": str(QT_TRANSLATE_NOOP("generate", "Google Gemini: your own key")),
}

LOCAL_MODEL = str(QT_TRANSLATE_NOOP("generate", "On this computer: {name}"))

ALL_IMAGES = str(QT_TRANSLATE_NOOP("generate", "All images"))

METADATA = {
    "hidden": str(QT_TRANSLATE_NOOP("generate", "Seen, must not be repeated")),
    "given": str(QT_TRANSLATE_NOOP("generate", "Part of the question")),
    "none": str(QT_TRANSLATE_NOOP("generate", "Not seen: only the picture")),
}

METADATA_MEANS = {
    "hidden": str(
        QT_TRANSLATE_NOOP(
            "generate",
            "The model is told the metadata, so that its answers can be right, and must not repeat it. "
            "An answer that does is flagged.",
        )
    ),
    "given": str(
        QT_TRANSLATE_NOOP("generate", "The metadata stands in the question, for everybody to read.")
    ),
    "none": str(QT_TRANSLATE_NOOP("generate", "The model sees the picture and nothing else.")),
}

LANGUAGES = {
    "en": str(QT_TRANSLATE_NOOP("generate", "English")),
    "de": str(QT_TRANSLATE_NOOP("generate", "German")),
    "es": str(QT_TRANSLATE_NOOP("generate", "Spanish")),
    "fr": str(QT_TRANSLATE_NOOP("generate", "French")),
    "it": str(QT_TRANSLATE_NOOP("generate", "Italian")),
    "pt": str(QT_TRANSLATE_NOOP("generate", "Portuguese")),
    "tr": str(QT_TRANSLATE_NOOP("generate", "Turkish")),
}

STATES = {
    RequestState.ANSWERED: str(QT_TRANSLATE_NOOP("generate", "Answered")),
    RequestState.BLOCKED: str(QT_TRANSLATE_NOOP("generate", "Blocked")),
    RequestState.TRUNCATED: str(QT_TRANSLATE_NOOP("generate", "Cut off")),
    RequestState.INVALID: str(QT_TRANSLATE_NOOP("generate", "Not usable")),
    RequestState.RETRYABLE: str(QT_TRANSLATE_NOOP("generate", "Failed, tried again")),
    RequestState.PERMANENT: str(QT_TRANSLATE_NOOP("generate", "Refused")),
    RequestState.QUOTA_MINUTE: str(QT_TRANSLATE_NOOP("generate", "Asked to slow down")),
    RequestState.QUOTA_DAY: str(QT_TRANSLATE_NOOP("generate", "Quota of the day")),
    RequestState.UNKNOWN: str(QT_TRANSLATE_NOOP("generate", "Perhaps paid, no answer")),
}
"""What became of requests; the order is that of the counters."""

FLAGS = {
    FlagKind.LEAK: str(QT_TRANSLATE_NOOP("generate", "Repeats hidden metadata: {evidence}")),
    FlagKind.REFUSAL: str(QT_TRANSLATE_NOOP("generate", "Refuses to answer: {evidence}")),
    FlagKind.CONTRADICTION: str(QT_TRANSLATE_NOOP("generate", "Contradicts the label: {evidence}")),
    FlagKind.LENGTH: str(QT_TRANSLATE_NOOP("generate", "Unusual length: {evidence}")),
    FlagKind.DUPLICATE: str(QT_TRANSLATE_NOOP("generate", "Says what another answer says: {evidence}")),
    FlagKind.MODEL_DIFFERS: str(QT_TRANSLATE_NOOP("generate", "Another model answered: {evidence}")),
}


def words(text: str) -> str:
    """A text of these tables in the user's language."""
    return QCoreApplication.translate("generate", text)
