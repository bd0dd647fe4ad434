"""Makes the training environment that the tests use, once per machine: torch for a processor, about 2 GB.

``.venv/bin/python packaging/build_training.py``: by the program's own ``train-env install --cpu``, into a
folder of the user's cache that is named by the locks and the interpreter; the next checkout takes it from
there.

``DERMAGUI_TRAINING``  where such environments are kept, instead of the user's cache
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from platformdirs import user_cache_path

LOCKS = Path(__file__).resolve().parent / "locks"
NAMES = ("train-cpu.txt", "train-cpu-torch.txt", "llama.txt")


def home_folder() -> Path:
    """The folder that serves as ``DERMAGUI_HOME`` for these locks and this interpreter."""
    root = os.environ.get("DERMAGUI_TRAINING") or user_cache_path("dermagui", appauthor=False) / "training"
    told = b"".join((LOCKS / name).read_bytes() for name in NAMES) + os.path.realpath(sys.executable).encode()
    return Path(root).absolute() / hashlib.sha256(told).hexdigest()[:12]


def main() -> int:
    """Makes the environment unless it is there; returns the exit code."""
    home = home_folder()
    if (home / "data" / "training" / "environment.json").exists():
        print(f"training environment: already made, {home}")
        return 0
    print(f"Making the training environment for the tests, once for this machine, in {home}")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", "dermagui", "train-env", "install", "--cpu", "--yes"]
    return subprocess.run(command, env={**environment, "DERMAGUI_HOME": str(home)}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
