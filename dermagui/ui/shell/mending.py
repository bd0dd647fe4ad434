"""Which page mends what: the button of a bar."""

from __future__ import annotations

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication

from dermagui.errors import DermaError

_SETTINGS = (str(QT_TRANSLATE_NOOP("mending", "Open settings")), "settings")
_PRIVACY = (str(QT_TRANSLATE_NOOP("mending", "Open privacy")), "privacy")
_JOBS = (str(QT_TRANSLATE_NOOP("mending", "Show jobs")), "jobs")

_MENDED_BY = {
    "key.missing": _SETTINGS,
    "key.invalid": _SETTINGS,
    "key.not_allowed": _SETTINGS,
    "key.is_free_tier": _SETTINGS,
    "key.malformed": _SETTINGS,
    "key.no_keyring": _SETTINGS,
    "settings.bad_value": _SETTINGS,
    "model.gone": _SETTINGS,
    "network.airplane": _PRIVACY,
    "job.already_running": _JOBS,
    "job.waiting_for_key": _JOBS,
    "job.crashed": _JOBS,
    "job.died": _JOBS,
}


def mending(error: DermaError) -> tuple[str, str] | None:
    """The text of the button and the name of its page, for an error that a page mends."""
    found = _MENDED_BY.get(error.code)
    return (QCoreApplication.translate("mending", found[0]), found[1]) if found else None
