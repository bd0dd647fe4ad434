"""The way in: without arguments (or with ``window``) the window, with arguments the command line."""

from __future__ import annotations

import sys


def main() -> int:
    """Runs dermagui and returns its exit code."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] != "window":
        from dermagui.cli.main import main as command_line

        return command_line(arguments)
    from dermagui.ui.app import main as window

    return window(arguments[1:])


if __name__ == "__main__":
    from multiprocessing import freeze_support

    freeze_support()
    sys.exit(main())
