"""The way in: with arguments the command line; the window has no door of its own yet."""

from __future__ import annotations

import sys


def main() -> int:
    """Runs dermagui and returns its exit code."""
    from dermagui.cli.main import main as command_line

    return command_line(sys.argv[1:] or ["--help"])


if __name__ == "__main__":
    from multiprocessing import freeze_support

    freeze_support()
    sys.exit(main())
