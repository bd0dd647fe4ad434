"""The window on a real display: an X server of our own, real keys and clicks, and what a screen reader gets.

Skipped, with the reason, where the X server or the tools that press keys and listen are not installed.
"""

from __future__ import annotations

import ctypes.util
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from dermagui import network
from dermagui.chat.bundle import add_model
from dermagui.demo.project import make_demo_project
from dermagui.demo.reciting import write_empty_model
from dermagui.ui.chat.desk_work import Quiet
from dermagui.ui.shell import state
from dermagui.ui.shell.welcome import SEEN
from tests.fakes.chatting_window import HEARD

WIDTH, HEIGHT = 1440, 900
_PATIENCE_SECONDS = 120
_LAUNCHERS = ("/usr/libexec/at-spi-bus-launcher", "/usr/lib/at-spi2-core/at-spi-bus-launcher")
_SYSTEM_PYTHON = "/usr/bin/python3"
_POLITE = 1
"""How AT-SPI calls what waits until the listener has finished its sentence."""
_FAKES = Path(__file__).parents[1] / "fakes"
_LISTENER, _CHAT_LISTENER = _FAKES / "listening.py", _FAKES / "hearing_chat.py"


def _lacking() -> list[str]:
    """What this machine lacks for a window on an X server of our own."""
    tools = [tool for tool in ("Xvfb", "xdotool") if shutil.which(tool) is None]
    libraries = ("xcb-cursor", "xkbcommon-x11", "xcb-icccm", "xcb-keysyms", "xcb-image", "xcb-render-util")
    return tools + [f"lib{name}" for name in libraries if ctypes.util.find_library(name) is None]


def _deaf() -> list[str]:
    """What it lacks for hearing the window as a screen reader does."""
    lacks = [] if any(map(os.path.exists, _LAUNCHERS)) else ["at-spi-bus-launcher"]
    lacks += [] if shutil.which("dbus-run-session") else ["dbus-run-session"]
    probe = [_SYSTEM_PYTHON, "-Ic", "import gi; gi.require_version('Atspi', '2.0')"]
    if (
        not os.path.exists(_SYSTEM_PYTHON)
        or subprocess.run(probe, check=False, capture_output=True).returncode
    ):
        lacks.append("gir1.2-atspi-2.0")
    return lacks


LACKING, DEAF = _lacking(), _deaf()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(LACKING), reason=f"not installed here: {', '.join(LACKING)}"),
]


@dataclass(frozen=True, slots=True)
class Display:
    """An X server that nobody looks at but us."""

    number: int
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """For a program that shows its windows there."""
        return {**os.environ, "DISPLAY": f":{self.number}", "QT_QPA_PLATFORM": "xcb"}

    def screen(self) -> Image.Image:
        """The root window as it is now, with all that stands on it: the server's memory is an XWD file."""
        data = (self.folder / "Xvfb_screen0").read_bytes()
        head = struct.unpack(">25I", data[:100])
        size, width, height, bytes_per_line, colours = head[0], head[4], head[5], head[12], head[19]
        pixels = data[size + 12 * colours :]
        return Image.frombuffer("RGB", (width, height), pixels, "raw", "BGRX", bytes_per_line, 1)

    def bring_up(self, title: str) -> None:
        """Gives a window the keyboard, as soon as it is there: no window manager does it here."""
        self.act("search", "--sync", "--onlyvisible", "--name", f"^{title}$", "windowfocus", "--sync")

    def act(self, *what: str) -> str:
        """Presses keys, moves and clicks the mouse, as ``xdotool`` calls it."""
        done = subprocess.run(
            ["xdotool", *what],
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
        )
        return done.stdout


@pytest.fixture
def display(tmp_path: Path) -> Iterator[Display]:
    """A server on a number that was free."""
    told, tells = os.pipe()
    screen = ["-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-fbdir", str(tmp_path), "-nolisten", "tcp"]
    with subprocess.Popen(
        ["Xvfb", "-displayfd", str(tells), *screen], pass_fds=[tells], stderr=subprocess.DEVNULL
    ) as server:
        os.close(tells)
        with os.fdopen(told) as reader:
            number = reader.readline().strip()
        assert number, "the X server did not start"
        yield Display(int(number), tmp_path)
        server.terminate()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The demo, and a user who has seen the welcome."""
    state.set_mark(SEEN)
    return make_demo_project(tmp_path / "demo", images=6)


def _wait(is_true: Callable[[], object], what: str) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while not is_true():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.1)


def _colours(picture: Image.Image) -> int:
    return len(picture.getcolors(WIDTH * HEIGHT) or [])


@pytest.fixture
def window(display: Display, project: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The window with the demo, on that display, in front. It must close in order and say nothing."""
    command = [sys.executable, "-m", "dermagui", "window", str(project)]
    with subprocess.Popen(command, env=display.environment, stderr=subprocess.PIPE) as process:
        try:
            # The drawn lesions have thousands of colours, the rest of the window some hundreds.
            _wait(
                lambda: process.poll() is not None or _colours(display.screen()) > 3_000,
                "the demo's pictures",
            )
            display.bring_up("Demo - dermagui")
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.stderr is not None
            assert process.stderr.read() == b""
            assert process.wait(timeout=_PATIENCE_SECONDS) == 0
        finally:
            process.kill()


def test_the_window_stands_on_a_real_display_and_obeys_real_keys(
    display: Display, window: subprocess.Popen[bytes]
) -> None:
    before = display.screen()
    assert before.getpixel((WIDTH - 1, HEIGHT - 1)) == (0, 0, 0), "beside the window there is nothing"
    strip = before.crop((0, 0, 1280, 36))
    assert 20 < _colours(strip) < 2_000, "words and icons, and no picture"
    properties = display.act("search", "--classname", "^dermagui$")
    assert properties.strip(), "the window says whose it is"

    assert not network.airplane_is_on()
    display.act("key", "ctrl+k")
    display.bring_up("Find an action")
    _wait(lambda: display.screen().tobytes() != before.tobytes(), "the palette")
    display.act("type", "--delay", "20", "airplane")
    display.act("key", "Return")
    _wait(network.airplane_is_on, "airplane mode by the palette")
    _wait(
        lambda: display.screen().crop((0, 0, 1280, 36)).tobytes() != strip.tobytes(), "the strip's new words"
    )
    display.bring_up("Demo - dermagui")
    display.act("key", "ctrl+shift+a")
    _wait(lambda: not network.airplane_is_on(), "the shortcut's turn")


@pytest.mark.skipif(bool(DEAF), reason=f"not installed here: {', '.join(DEAF)}")
def test_a_screen_reader_finds_the_window_and_a_click_where_it_says_works(
    display: Display, project: Path, tmp_path: Path
) -> None:
    """From another process, over AT-SPI: names and states; the mouse goes where a button is said to be."""
    told = json.loads(_hear(display, _LISTENER, str(project), tmp_path / "heard.json"))
    pages = [thing for thing in told["before"] if thing["role"] == "check box"]
    assert [page["name"] for page in pages if page["checked"]] == ["Library"]
    assert {"Generate", "Review", "Jobs", "Privacy", "Settings"} <= {page["name"] for page in pages}
    assert [page["name"] for page in told["after"] if page["checked"] and page["role"] == "check box"] == [
        "Privacy"
    ]
    names = [thing["name"] for thing in told["after"]]
    assert "Airplane mode: nothing leaves this computer" in names
    assert "Nothing has left yet" in names
    everything = [thing for thing in told["before"] + told["after"] if thing["focusable"]]
    nameless = [thing for thing in everything if not thing["name"].strip()]
    assert [thing for thing in nameless if thing["role"] != "table cell"] == [], "only a cell may be empty"


@pytest.mark.skipif(bool(DEAF), reason=f"not installed here: {', '.join(DEAF)}")
def test_a_screen_reader_hears_an_answer_sentence_by_sentence_and_politely(
    display: Display, tmp_path: Path
) -> None:
    """From another process, over AT-SPI: each sentence once, in order, never in the midst of another."""
    state.set_mark(SEEN)
    add_model(*write_empty_model(tmp_path), "rehearsal", Quiet())
    told = json.loads(_hear(display, _CHAT_LISTENER, HEARD[-1], tmp_path / "heard.json"))
    assert [text for text, _ in told] == HEARD
    assert {politeness for _, politeness in told} == {_POLITE}


def _hear(display: Display, script: Path, what: str, out: Path) -> str:
    """What a listener of its own, on a bus of its own, wrote of the window that it started."""
    launcher = next(filter(os.path.exists, _LAUNCHERS))
    arguments = [str(script), launcher, sys.executable, what, str(out)]
    heard = subprocess.run(
        ["dbus-run-session", "--", _SYSTEM_PYTHON, "-I", *arguments],
        env=display.environment | {"QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=3 * _PATIENCE_SECONDS,
    )
    assert heard.returncode == 0, heard.stderr
    return out.read_text()
