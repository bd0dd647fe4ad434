"""The program's own log: a rotating file, with everything that looks like a key taken out."""

from __future__ import annotations

import logging
import logging.handlers
import re
from contextlib import suppress

from dermagui import paths

_SECRET = re.compile(
    r"""AIza[\w-]{10,} | AQ\.[\w.-]{10,} | hf_\w{10,}        # keys as Google and the hub make them
      | (?P<name> key=["']? | goog-api-key["']?\s*[:,]\s*(?:b?["'])? ) [^&\s"']+""",
    re.VERBOSE | re.IGNORECASE,
)
_own_secrets: set[str] = set()


def hide(secret: str) -> None:
    """From now on this very text never appears in a log of this process."""
    if len(secret) >= 6:
        _own_secrets.add(secret)


def redacted(text: str) -> str:
    """A text without keys."""
    for secret in _own_secrets:
        text = text.replace(secret, "[key]")
    return _SECRET.sub(lambda found: f"{found['name'] or ''}[key]", text)


class RedactingFormatter(logging.Formatter):
    """Formats a line with its trace, then takes the keys out of the whole of it."""

    def format(self, record: logging.LogRecord) -> str:
        """The finished line."""
        return redacted(super().format(record))


def start_logging(*, to_stderr: bool = False) -> None:
    """Sends what this process logs to ``dermagui.log``; children send it to their output as well."""
    formatter = RedactingFormatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    handlers: list[logging.Handler] = [logging.StreamHandler()] if to_stderr else []
    with suppress(OSError):  # a log that cannot be written must not keep anybody from working
        path = paths.log_folder() / "dermagui.log"
        rotating = logging.handlers.RotatingFileHandler
        handlers.append(rotating(path, maxBytes=1_000_000, backupCount=3, encoding="utf-8", delay=True))
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    # The HTTP client would log every address that it asks for.
    for name in ("httpx", "httpx2", "httpcore", "httpcore2", "google_genai"):
        logging.getLogger(name).setLevel(logging.WARNING)
