"""``python -m tests.bench [NAME ...]``: ratios that hold on any machine, each measured within one run.

Milliseconds are printed for orientation; what is promised, and fails the run, is the ratio.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from .measure import Ratio, say, temporary_folder

NAMES = (
    "indexing",
    "sending",
    "keyset",
    "search",
    "inserting",
    "left",
    "gguf_header",
    "chatting",
    "grid",
    "next_picture",
    "streaming",
    "training",
    "starting",
)


def main() -> int:
    """Runs the named measurements, or all of them; 1 where a ratio is on the wrong side of its bound."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=main.__doc__)
    parser.add_argument("name", nargs="*", choices=[*NAMES, []], help=f"of: {', '.join(NAMES)}")
    names = parser.parse_args().name or NAMES
    os.environ["DERMAGUI_HOME"] = str(temporary_folder() / "home")
    ratios: list[Ratio] = []
    for name in names:
        say(name)
        ratios += importlib.import_module(f"{__package__}.{name}").measure()
    print(f"{'':52}{'ours ms':>12}{'theirs ms':>12}{'ratio':>9}  {'bound':8}")
    for ratio in ratios:
        print(line(ratio))
    return 0 if all(ratio.holds for ratio in ratios) else 1


def line(ratio: Ratio) -> str:
    """One line of the table."""
    ours, theirs = ratio.ours_seconds * 1000, ratio.theirs_seconds * 1000
    bound = f"{'≥' if ratio.is_floor else '≤'} {ratio.bound:g}"
    verdict = "ok" if ratio.holds else "FAILED"
    return f"{ratio.name:52}{ours:12.3f}{theirs:12.3f}{ratio.ratio:9.3g}  {bound:8}{verdict}"


if __name__ == "__main__":
    sys.exit(main())
