"""Gives the processes that a test starts a decoder which dies of pictures of a certain width.

By SIGKILL, as the system ends whoever uses too much memory, or by SIGSEGV, as a fault in a library of C does.
All else is as in ``app_only``.
"""

import os
import resource
import runpy
import signal
from pathlib import Path

from PIL import ImageFile

DEADLY = {401: signal.SIGKILL, 402: signal.SIGSEGV}

runpy.run_path(str(Path(__file__).parents[1] / "app_only" / "sitecustomize.py"))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
load = ImageFile.ImageFile.load


def load_or_die(image: ImageFile.ImageFile) -> object:
    """What Pillow does first where the pixels of an opened file are needed."""
    if image.width in DEADLY:
        os.kill(os.getpid(), DEADLY[image.width])
    return load(image)


ImageFile.ImageFile.load = load_or_die
