"""Hears an answer of the chat as a screen reader does: a program of its own, for the system's Python.

    python hearing_chat.py BUS_LAUNCHER PYTHON LAST OUT

starts the accessibility bus and the window of ``chatting_window``, asks a question by mouse and keys, notes
what is announced until LAST was, ends what it started, and writes (text, politeness) of each to OUT as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from listening import PATIENCE_SECONDS, Atspi, Seen, wait_for

GLib = sys.modules["gi"].repository.GLib


def main(launcher: str, python: str, last: str, out: str) -> None:
    """Asks and listens."""
    said: list[tuple[str, int]] = []
    listener = Atspi.EventListener.new(lambda event: said.append((str(event.any_data), event.detail1)))
    command = [python, "-m", "tests.fakes.chatting_window"]
    bus = subprocess.Popen(
        [launcher, "--launch-immediately"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    window = None
    try:
        listener.register("object:announcement")
        window = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        click(wait_for(lambda found: has(found, "Chat")), "Chat")
        click(wait_for(lambda found: has(found, "Your question")), "Your question")
        subprocess.run(["xdotool", "type", "--delay", "20", "Is it even?"], check=True)
        subprocess.run(["xdotool", "key", "Return"], check=True)
        end = time.monotonic() + PATIENCE_SECONDS
        while last not in [text for text, _ in said]:
            if time.monotonic() > end:
                sys.exit(f"{last!r} was not heard: {said}")
            GLib.MainContext.default().iteration(False)
            time.sleep(0.01)
        Path(out).write_text(json.dumps(said))
    finally:
        for child in filter(None, (window, bus)):
            child.terminate()
            child.wait()


def has(found: list[Seen], name: str) -> bool:
    """Whether something is called so."""
    return any(thing["name"] == name for thing in found)


def click(found: list[Seen], name: str) -> None:
    """Clicks where it is said to be."""
    x, y, width, height = next(thing for thing in found if thing["name"] == name)["place"]
    where = [str(x + width // 2), str(y + height // 2)]
    subprocess.run(["xdotool", "mousemove", *where, "click", "1"], check=True)


if __name__ == "__main__":
    Atspi.init()
    main(*sys.argv[1:])
