"""Hears the window as a screen reader does: a program of its own, for the system's Python with AT-SPI.

    python listening.py BUS_LAUNCHER PYTHON PROJECT OUT

starts the accessibility bus and the window, notes everything that can be seen, clicks where the button
"Privacy" is said to be, notes it again, ends what it started, and writes both to OUT as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi  # noqa: E402

PATIENCE_SECONDS = 120
Seen = dict[str, Any]
"""Role, name, place (x, y, width, height on the screen), and two states."""


def main(launcher: str, python: str, project: str, out: str) -> None:
    """Tells what is before and what is after the click."""
    bus = subprocess.Popen(
        [launcher, "--launch-immediately"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    window = subprocess.Popen([python, "-m", "dermagui", "window", project], stdout=subprocess.DEVNULL)
    try:
        before = wait_for(lambda found: any(thing["name"] == "Drawn lesions" for thing in found))
        place = next(thing for thing in before if thing["name"] == "Privacy")["place"]
        x, y = place[0] + place[2] // 2, place[1] + place[3] // 2
        subprocess.run(["xdotool", "mousemove", str(x), str(y), "click", "1"], check=True)
        after = wait_for(
            lambda found: any(thing["name"] == "Privacy" and thing["checked"] for thing in found)
        )
        Path(out).write_text(json.dumps({"before": before, "after": after}))
    finally:
        for child in (window, bus):
            child.terminate()
            child.wait()


def wait_for(is_there: Callable[[list[Seen]], bool]) -> list[Seen]:
    """Everything that is seen, as soon as it is what is waited for."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = list(seen())
        if is_there(found):
            return found
        if time.monotonic() > end:
            sys.exit(f"it did not come: {found}")
        time.sleep(0.3)


def seen() -> Iterator[Seen]:
    """Everything that shows itself, of all programs on this bus."""
    desktop = Atspi.get_desktop(0)
    for n in range(desktop.get_child_count()):
        yield from walk(desktop.get_child_at_index(n))


def walk(thing: Atspi.Accessible, depth: int = 0) -> Iterator[Seen]:
    """A thing and what is in it, as far as it shows itself."""
    if thing is None or depth > 20:
        return
    try:
        states, place = thing.get_state_set(), thing.get_extents(Atspi.CoordType.SCREEN)
        if depth and not states.contains(Atspi.StateType.SHOWING):
            return
        yield {
            "role": thing.get_role_name(),
            "name": thing.get_name(),
            "place": [place.x, place.y, place.width, place.height],
            "checked": states.contains(Atspi.StateType.CHECKED),
            "focusable": states.contains(Atspi.StateType.FOCUSABLE),
        }
        children = [thing.get_child_at_index(n) for n in range(min(thing.get_child_count(), 50))]
    except gi.repository.GLib.Error:
        return  # it went away meanwhile
    for child in children:
        yield from walk(child, depth + 1)


if __name__ == "__main__":
    Atspi.init()
    main(*sys.argv[1:])
