"""What fields of metadata are called in the user's language; its English is that of the resources."""

from __future__ import annotations

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication

FIELDS = {
    "image": str(QT_TRANSLATE_NOOP("fields", "Image")),
    "patient": str(QT_TRANSLATE_NOOP("fields", "Patient")),
    "lesion": str(QT_TRANSLATE_NOOP("fields", "Lesion")),
    "visit": str(QT_TRANSLATE_NOOP("fields", "Visit")),
    "modality": str(QT_TRANSLATE_NOOP("fields", "Modality")),
    "diagnosis": str(QT_TRANSLATE_NOOP("fields", "Diagnosis")),
    "malignancy": str(QT_TRANSLATE_NOOP("fields", "Malignancy")),
    "age": str(QT_TRANSLATE_NOOP("fields", "Age")),
    "sex": str(QT_TRANSLATE_NOOP("fields", "Sex")),
    "body_site": str(QT_TRANSLATE_NOOP("fields", "Body site")),
    "fitzpatrick": str(QT_TRANSLATE_NOOP("fields", "Fitzpatrick skin type")),
    "monk": str(QT_TRANSLATE_NOOP("fields", "Monk skin tone")),
    "symptoms": str(QT_TRANSLATE_NOOP("fields", "Symptoms")),
    "texture": str(QT_TRANSLATE_NOOP("fields", "Texture")),
    "duration": str(QT_TRANSLATE_NOOP("fields", "Duration")),
    "confirmed_by": str(QT_TRANSLATE_NOOP("fields", "Confirmed by")),
    "licence": str(QT_TRANSLATE_NOOP("fields", "Licence")),
    "split": str(QT_TRANSLATE_NOOP("fields", "Split")),
}
"""The name of a known field → its label."""


def field_label(name: str) -> str:
    """What a field of metadata is called: its label, or the name of the column that it was."""
    known = FIELDS.get(name)
    return QCoreApplication.translate("fields", known) if known else name.replace("_", " ")
