"""The program's log: it rotates, and no key is in it, whatever was logged and however."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import pytest

from dermagui import logs, paths
from dermagui.logs import RedactingFormatter, hide, redacted, start_logging

OWN = "a-key-of-another-look/+=7Q9Z"
GOOGLE = "AIza" + "SyCanary_key-0123456789abcdefgh"
NEW_GOOGLE = "AQ.Ab8RN6Canary-key_0123456789"
HUB = "hf_" + "CanaryTokenOfTheHub0123456789"


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hides one key for this test, and leaves the root logger as it was."""
    monkeypatch.setattr(logs, "_own_secrets", set())
    hide(OWN)
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for handler in [handler for handler in root.handlers if handler not in before]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


def log_text() -> str:
    return "".join(path.read_text(encoding="utf-8") for path in sorted(paths.log_folder().iterdir()))


LEAKS = [
    f"{OWN}",
    f"key {OWN} in a sentence",
    f"GET https://service.example/v1/models?key={GOOGLE}&alt=json",
    "GET https://service.example/v1/models?pageSize=5&key=unknown-look-7Q9Z",
    f"x-goog-api-key: {NEW_GOOGLE}",
    "X-Goog-Api-Key: unknown-look-7Q9Z",
    "{'x-goog-api-key': 'unknown-look-7Q9Z', 'accept': '*/*'}",
    '{"x-goog-api-key": "unknown-look-7Q9Z", "accept": "*/*"}',
    "[(b'x-goog-api-key', b'unknown-look-7Q9Z')]",
    f"Client(api_key={GOOGLE!r})",
    "Client(api_key='unknown-look-7Q9Z')",
    f"{NEW_GOOGLE}\nanother line {HUB}",
    f"https://hub.example/{HUB}/x",
]


@pytest.mark.parametrize("text", LEAKS)
def test_what_looks_like_a_key_is_taken_out(text: str) -> None:
    clean = redacted(text)
    assert "[key]" in clean
    for secret in (OWN, GOOGLE, NEW_GOOGLE, HUB, "unknown-look-7Q9Z", "7Q9Z", "0123456789"):
        assert secret not in clean


def test_what_is_no_key_stays() -> None:
    for text in ("monkey: 3 of 4", "the keyword is AIza", "images.key", "pair hf_1", "a key, a lock"):
        assert redacted(text) == text
    assert redacted(f"?key={GOOGLE}&alt=json").endswith("&alt=json")


def test_a_short_text_is_not_hidden_everywhere() -> None:
    hide("the")
    assert redacted("the end") == "the end"


def test_no_key_reaches_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging(to_stderr=True)
    logger = logging.getLogger("dermagui.test")
    logger.info("as an argument: %s %r", OWN, {"key": GOOGLE})
    logger.warning("in the text: %s", f"x-goog-api-key: {NEW_GOOGLE}")
    try:
        headers = {"x-goog-api-key": OWN}
        raise RuntimeError(f"request failed with {headers}")
    except RuntimeError as error:
        cause = error
    try:
        raise ValueError(f"while handling {HUB}") from cause
    except ValueError:
        logger.exception("it crashed")
    logger.error("stack", stack_info=True)
    for text in (log_text(), capsys.readouterr().err):
        assert "RuntimeError: request failed with {'x-goog-api-key': '[key]'}" in text
        assert "ValueError: while handling [key]" in text
        for secret in (OWN, GOOGLE, NEW_GOOGLE, HUB):
            assert secret not in text


def test_a_line_tells_when_who_and_where() -> None:
    start_logging()
    logging.getLogger("dermagui.library.scan").warning("größer\nals erwartet")
    assert " WARNING dermagui.library.scan: größer\nals erwartet\n" in log_text()


def test_the_http_client_does_not_log_its_addresses() -> None:
    start_logging()
    for name in ("httpx", "httpx2", "httpcore", "httpcore2", "google_genai"):
        logging.getLogger(name).info("HTTP Request: POST https://service.example/secret")
    assert [path.name for path in paths.log_folder().iterdir()] == [], "the file comes with its first line"


def test_the_log_rotates_and_old_parts_go() -> None:
    start_logging()
    logger = logging.getLogger("dermagui.test")
    for number in range(60):
        logger.info("%d %s", number, "x" * 100_000)
    sizes = {path.name: path.stat().st_size for path in paths.log_folder().iterdir()}
    assert set(sizes) == {"dermagui.log", "dermagui.log.1", "dermagui.log.2", "dermagui.log.3"}
    assert max(sizes.values()) <= 1_000_000
    assert " 59 " in (paths.log_folder() / "dermagui.log").read_text(encoding="utf-8").replace(": ", " ")


def test_a_log_that_cannot_be_written_keeps_nobody_from_working(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise PermissionError

    monkeypatch.setattr(paths, "log_folder", refuse)
    start_logging()
    logging.getLogger("dermagui.test").info("nobody hears this")


def test_the_formatter_cleans_a_trace_that_was_formatted_before() -> None:
    """Handlers share a line's formatted trace; ours must clean what another one left there."""
    try:
        raise RuntimeError(OWN)
    except RuntimeError:
        line = logging.LogRecord("x", logging.ERROR, "x.py", 1, "failed", (), sys.exc_info())
    assert OWN in logging.Formatter().format(line)
    assert OWN not in RedactingFormatter().format(line)
