"""Keeps the import table of the house true, by reading the syntax tree of every module.

The three tables below are the rules. Rooms are named relative to ``dermagui``: ``storage`` is the package
``dermagui.storage`` with everything in it, ``training.worker`` is a room inside another one.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

NOUNS = ("records", "errors", "paths")
DOORS = (*NOUNS, "settings", "api_key", "logs", "network")
BELOW_CHAT = (*DOORS, "storage", "jobs", "library", "datasets")
BELOW_DEMO = (*BELOW_CHAT, "chat", "generation", "review", "training", "evaluation", "project", "texts")

# What each room may import of ours. Its own modules, and ``__version__``, are open to every room.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "__init__": (),
    "records": NOUNS,
    "errors": NOUNS,
    "paths": NOUNS,
    "texts": (),
    "settings": NOUNS,
    "api_key": NOUNS,
    "logs": NOUNS,
    "network": NOUNS,
    "storage": DOORS,
    "jobs": (*DOORS, "storage"),
    "library": (*DOORS, "storage", "jobs"),
    "datasets": (*DOORS, "storage", "jobs", "library"),
    "chat": BELOW_CHAT,
    "generation": (*BELOW_CHAT, "chat"),
    "review": BELOW_CHAT,
    "training": (*BELOW_CHAT, "chat"),
    "training.worker": (),
    "evaluation": (*BELOW_CHAT, "chat"),
    "project": (*DOORS, "storage", "jobs"),
    "demo": BELOW_DEMO,
    "cli": (*BELOW_DEMO, "demo"),
    "ui": (*BELOW_DEMO, "demo"),
    "__main__": (*DOORS, "texts", "cli", "ui"),
}

# Rooms that are imported inside functions only, so that starting one does not load the other.
LAZY_ROOMS = ("cli", "ui")


@dataclass(frozen=True)
class Door:
    """Where a foreign package may be imported: at the top of a module, or inside functions only."""

    at_top: tuple[str, ...] = ()
    in_functions: tuple[str, ...] = ()


TRAINER = Door(at_top=("training.worker",))
# Scripts in one folder, started by path: what they import of each other has no package around it.
WORKERS = Door(at_top=("training.worker",))
FIGURES = Door(in_functions=("library", "datasets", "generation", "evaluation"))

# Every foreign package that may be imported at all.
FOREIGN: dict[str, Door] = {
    "PIL": Door(at_top=("library", "datasets", "training", "demo")),
    "PySide6": Door(at_top=("ui",)),
    "accelerate": TRAINER,
    "datasets": TRAINER,
    "google.genai": Door(at_top=("generation.gemini",)),
    "httpx2": Door(in_functions=("network", "chat.hub", "generation.gemini", "demo")),
    "huggingface_hub": Door(in_functions=("chat.hub",)),
    "jinja2": Door(at_top=("chat",)),
    "keyring": Door(in_functions=("api_key",)),
    "llama_cpp": Door(at_top=("chat.worker",)),
    "merge": WORKERS,
    "numpy": Door(at_top=("demo",), in_functions=FIGURES.in_functions),
    "openpyxl": Door(in_functions=("library", "datasets")),
    "orjson": FIGURES,
    "peft": TRAINER,
    "pi_heif": Door(at_top=("library",)),
    "platformdirs": Door(at_top=("paths",)),
    "psutil": Door(at_top=("jobs", "training")),
    "pyarrow": FIGURES,
    "pypdf": Door(in_functions=("chat.reference_files",)),
    "pydicom": Door(at_top=("library",), in_functions=("demo",)),
    "rapidfuzz": FIGURES,
    "shiboken6": Door(at_top=("ui",)),
    "sqlite_utils": Door(at_top=("storage.engine",)),
    "torch": TRAINER,
    "trainer": WORKERS,
    "transformers": TRAINER,
    "trl": TRAINER,
    "truststore": Door(in_functions=("network",)),
    "unsloth": TRAINER,
}

# What the start of the command line may not load: each costs time, memory or a native library.
HEAVY = (
    "PIL.AvifImagePlugin",
    "PIL.TiffImagePlugin",
    "PySide6",
    "google.genai",
    "httpx2",
    "huggingface_hub",
    "keyring",
    "llama_cpp",
    "numpy",
    "openpyxl",
    "pandas",
    "pi_heif",
    "pyarrow",
    "pydicom",
    "pypdf",
    "rapidfuzz",
    "torch",
)


@dataclass(frozen=True)
class Import:
    """One imported name, dotted and absolute; deferred if it waits for a call or is for type checkers."""

    line: int
    target: str
    deferred: bool


def is_inside(name: str, places: Iterable[str]) -> bool:
    """Whether a dotted name is one of the places or lies in one of them."""
    return any(name == place or name.startswith(place + ".") for place in places)


def room_of(module: str) -> str | None:
    """The innermost room that a module, named relative to dermagui, lies in."""
    return max((room for room in MAY_IMPORT if is_inside(module, [room])), key=len, default=None)


def imports_of(node: ast.AST, package: str, deferred: bool = False) -> Iterator[Import]:
    """Every import below a node; ``package`` is what its relative imports start from."""
    for child in ast.iter_child_nodes(node):
        for target in targets_of(child, package):
            yield Import(child.lineno, target, deferred)
        inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) or is_for_type_checkers(child)
        yield from imports_of(child, package, deferred or inner)


def is_for_type_checkers(node: ast.AST) -> bool:
    """Whether a node is ``if TYPE_CHECKING:`` without an else."""
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING") and not node.orelse


def targets_of(node: ast.AST, package: str) -> list[str]:
    """The absolute names that one statement or call imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        origin = absolute_name(node.module, node.level, package)
        return [f"{origin}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
        return [argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant)]
    return []


def absolute_name(module: str | None, level: int, package: str) -> str:
    """Where a ``from`` import starts: two dots in dermagui.storage.jobs mean dermagui.storage."""
    if not level:
        return module or ""
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - level + 1], *([module] if module else [])])


def find_faults(root: Path) -> list[str]:
    """Every import below ``root``/dermagui that breaks a rule, as "file:line: module imports name: rule"."""
    faults = []
    for path in sorted((root / "dermagui").rglob("*.py")):
        names = path.relative_to(root).with_suffix("").parts
        module = ".".join(names[1:-1] if names[-1] == "__init__" and len(names) > 2 else names[1:])
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for found in imports_of(tree, ".".join(names[:-1])):
            fault = find_fault(module, found)
            if fault:
                faults.append(f"{path.relative_to(root)}:{found.line}: imports {found.target}: {fault}")
    return faults


def find_fault(module: str, found: Import) -> str | None:
    """The rule that an import in a module breaks, or None."""
    room = room_of(module)
    if room is None:
        return f"the room of {module} is not in the table"
    head, _, ours = found.target.partition(".")
    if head == "dermagui":
        return find_fault_within(room, ours, found.deferred)
    if head in sys.stdlib_module_names:
        return None
    return find_fault_outside(module, found)


def find_fault_within(room: str, ours: str, deferred: bool) -> str | None:
    """The rule that an import of one of our own modules breaks, or None."""
    if ours == "__version__" or room_of(ours) == room:
        return None
    if room_of(ours) not in MAY_IMPORT[room] and not is_inside(
        ours, (n for n in MAY_IMPORT[room] if "." in n)
    ):
        return f"{room} may import only {', '.join(MAY_IMPORT[room]) or 'itself'}"
    if is_inside(ours, LAZY_ROOMS) and not deferred:
        return "only inside a function"
    return None


def find_fault_outside(module: str, found: Import) -> str | None:
    """The rule that an import of a foreign package breaks, or None."""
    package = next((name for name in FOREIGN if is_inside(found.target, [name])), None)
    if package is None:
        return "this package is not in the table"
    door = FOREIGN[package]
    if is_inside(module, door.at_top) or (found.deferred and is_inside(module, door.in_functions)):
        return None
    if is_inside(module, door.in_functions):
        return "only inside a function"
    return f"only in {', '.join(door.at_top + door.in_functions)}"


def test_every_import_is_in_the_table() -> None:
    assert find_faults(ROOT) == []


@pytest.mark.parametrize(
    ("path", "source", "fault"),
    [
        ("storage/pairs.py", "import PySide6.QtCore", "only in ui"),
        ("storage/pairs.py", "from dermagui.library import scan", "storage may import only"),
        ("storage/pairs.py", "from ..library.scan import scan_folder", "storage may import only"),
        ("storage/pairs.py", "def f():\n    from dermagui import cli", "storage may import only"),
        ("storage/__init__.py", "from ..jobs import launch", "storage may import only"),
        ("library/scan.py", "import numpy", "only inside a function"),
        ("library/scan.py", "from google import genai", "only in generation.gemini"),
        ("library/scan.py", "from dermagui import texts", "library may import only"),
        ("library/scan.py", "import importlib\nimportlib.import_module('torch')", "only in training.worker"),
        ("library/scan.py", "class A:\n    if True:\n        import requests", "not in the table"),
        ("generation/run.py", "import google.genai.types", "only in generation.gemini"),
        ("training/launch.py", "from dermagui.generation import plan", "training may import only"),
        ("training/launch.py", "from dermagui.training.worker import main", "training may import only"),
        ("records.py", "import dermagui.settings", "records may import only"),
        ("chat/prompt.py", "def f():\n    import llama_cpp", "only in chat.worker"),
        ("__main__.py", "from dermagui.cli import main", "only inside a function"),
        ("gadgets/x.py", "import json", "not in the table"),
    ],
)
def test_a_planted_import_is_caught(tmp_path: Path, path: str, source: str, fault: str) -> None:
    module = tmp_path / "dermagui" / path
    module.parent.mkdir(parents=True)
    module.write_text(source, encoding="utf-8")
    (found,) = find_faults(tmp_path)
    assert found.startswith(f"dermagui/{path}:{len(source.splitlines())}: ")
    assert fault in found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (
            "storage/engine.py",
            "import sqlite_utils\nfrom dermagui import __version__\nfrom . import database",
        ),
        (
            "library/scan.py",
            "async def f():\n    import numpy\nfrom PIL import Image\nfrom ..storage import files",
        ),
        ("library/scan.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import numpy"),
        (
            "training/launch.py",
            "from dermagui.chat.bundle import read_bundle\nfrom dermagui.chat import bundle",
        ),
        ("training/worker/trainer.py", "import torch"),
        ("generation/gemini.py", "from google.genai import types"),
        ("__main__.py", "def main():\n    from dermagui.cli import main\n    from dermagui.ui import window"),
        ("cli/add.py", "from dermagui.demo.tour import run\nfrom dermagui import texts"),
    ],
)
def test_a_lawful_import_passes(tmp_path: Path, path: str, source: str) -> None:
    module = tmp_path / "dermagui" / path
    module.parent.mkdir(parents=True)
    module.write_text(source, encoding="utf-8")
    assert find_faults(tmp_path) == []


def test_no_module_of_ours_hides_one_of_the_standard_library() -> None:
    names = {path.stem for folder in (ROOT, ROOT / "dermagui") for path in folder.iterdir()}
    assert not {name for name in names if not name.startswith((".", "__"))} & sys.stdlib_module_names


def test_packaging_and_resources_are_folders_not_packages() -> None:
    # packaging/__init__.py would hide the library of that name from everything that runs here.
    assert not list(ROOT.glob("packaging/__init__.py")) + list(ROOT.glob("resources/**/*.py"))


def test_the_command_line_starts_without_loading_anything_heavy() -> None:
    script = (
        "import json, sys\n"
        "from dermagui.__main__ import main\n"
        "sys.argv = ['dermagui', '--help']\n"
        "try:\n    sys.exit(main())\n"
        "finally:\n    print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "generate" in run.stdout
    loaded = json.loads(run.stderr.splitlines()[-1])
    assert [name for name in loaded if is_inside(name, HEAVY)] == []
