"""The training environment: a Python with torch, in the data folder, that is started and never imported.

``training/environment.json`` of the data folder says which Python it is, how it came to be and which versions
it holds. ``training/converter/`` is what turns models into GGUF files: it comes out of the source archive of
the llama-cpp-python that this program was built with, so that both agree.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dermagui import paths
from dermagui.errors import DataError, UserError
from dermagui.jobs.launch import child_environment
from dermagui.paths import display_path

PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "safetensors", "sentencepiece")
"""What has to be there."""
OPTIONAL = ("unsloth", "bitsandbytes")
"""What may be there, and matters where it is."""

PRIVACY = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "UNSLOTH_DISABLE_STATISTICS": "1",
    "UNSLOTH_OFFLINE": "1",
    "UNSLOTH_LLAMA_CPP_OFFLINE": "1",
    "UNSLOTH_AUTO_INSTALL": "0",
    "WANDB_DISABLED": "true",
    "TOKENIZERS_PARALLELISM": "false",
}
"""With these nothing of a training leaves the computer: no statistics, no download, no installation."""

_ASK = """
import importlib.metadata as m, json, sys
names = sys.argv[1:]
found = {}
for name in names:
    try:
        found[name] = m.version(name)
    except m.PackageNotFoundError:
        pass
cuda = False
if "torch" in found:
    import torch
    cuda = torch.cuda.is_available()
print(json.dumps({"python": sys.version.split()[0], "versions": found, "cuda": cuda}))
"""


@dataclass(frozen=True, slots=True)
class Environment:
    """A training environment that works."""

    python: str
    """The interpreter."""
    kind: str
    """``managed`` (made by the program) or ``existing``."""
    python_version: str
    versions: dict[str, str]
    cuda: bool
    """Whether its torch sees a GPU."""
    verified: bool = False
    """Whether its versions are those of a lock that was tried."""


def training_folder() -> Path:
    """Where the environment and the converter lie."""
    folder = paths.data_folder() / "training"
    folder.mkdir(exist_ok=True)
    return folder


def converter_folder() -> Path:
    """Where the programs lie that turn models into GGUF files."""
    return training_folder() / "converter"


def find_environment() -> Environment:
    """The environment that was set up. Raises ``UserError`` ``train.no_environment``."""
    path = training_folder() / "environment.json"
    try:
        told = json.loads(path.read_bytes())
        environment = Environment(**told)
    except FileNotFoundError:
        raise UserError("train.no_environment") from None
    except (OSError, ValueError, TypeError) as error:
        raise DataError("train.environment_broken", detail=str(error)) from error
    if not Path(environment.python).exists():
        raise DataError("train.environment_broken", detail=display_path(environment.python))
    return environment


def use_python(
    python: Path, kind: str = "existing", verified: bool = False, wanted: Mapping[str, str] | None = None
) -> Environment:
    """Takes an interpreter for training after asking it what it has; ``wanted`` are versions by package.

    Raises ``DataError``: ``train.environment_broken``, ``train.packages_missing``, ``train.other_versions``.
    """
    told = ask_python(python)
    missing = [name for name in PACKAGES if name not in told["versions"]]
    if missing:
        raise DataError("train.packages_missing", path=display_path(python), missing=missing)
    versions = {name: version.partition("+")[0] for name, version in told["versions"].items()}
    if other := [name for name, version in (wanted or {}).items() if versions.get(name) != version]:
        found = [f"{name} {versions.get(name, '-')}" for name in other]
        raise DataError("train.other_versions", path=display_path(python), found=found)
    environment = Environment(
        os.path.abspath(python), kind, told["python"], told["versions"], told["cuda"], verified
    )
    path = training_folder() / "environment.json"
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(environment), indent=1), encoding="utf-8")
    part.replace(path)
    return environment


def ask_python(python: Path) -> dict[str, Any]:
    """What an interpreter says of itself: python, versions, cuda. Raises ``train.environment_broken``."""
    command = [os.fspath(python), "-c", _ASK, *PACKAGES, *OPTIONAL]
    try:
        told = subprocess.run(
            command, env=trainer_environment(), capture_output=True, text=True, timeout=300, check=True
        )
        answer: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    except subprocess.CalledProcessError as error:
        raise DataError("train.environment_broken", detail=error.stderr[-300:]) from error
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        raise DataError("train.environment_broken", detail=str(error)) from error
    return answer


def trainer_environment() -> dict[str, str]:
    """The variables of whatever runs in the training environment: no key, no package of ours, no network."""
    environment = child_environment()
    for name in [name for name in environment if name.startswith("PYTHON")]:
        del environment[name]
    compiled = training_folder() / "compiled"
    return environment | PRIVACY | {"PYTHONUNBUFFERED": "1", "UNSLOTH_COMPILE_LOCATION": str(compiled)}


def worker_script(name: str) -> Path:
    """A script of ``training/worker``."""
    return Path(__file__).parent / "worker" / f"{name}.py"
