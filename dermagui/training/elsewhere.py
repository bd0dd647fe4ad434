"""A training for another computer: a folder with all that it needs, and its result brought back."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from dermagui.errors import UserError, from_os_error
from dermagui.paths import display_path
from dermagui.records import Changes
from dermagui.storage.database import Row, Store
from dermagui.storage.trainings import end_training, find_training
from dermagui.training.base_model import origin_of
from dermagui.training.environment import worker_script
from dermagui.training.folder import get_training, runs_folder
from dermagui.training.install import locks_folder
from dermagui.training.run_state import RunState, figures_of, read_run

_LOCKS = (
    *("train-linux.txt", "train-windows.txt", "train-windows-torch.txt"),
    *("train-cpu.txt", "train-cpu-torch.txt"),
)
_BACK = ("adapter", "model", "events.jsonl", "output.log")
_GIVEN = ("job.json", "train.jsonl", "eval.jsonl", "probes.jsonl")
"""What was given away and must come back as it was, with the pictures."""

README = """# {name}: a training for another computer

This folder holds pictures and texts of your project: take it only where they may go. Research use only.

1. Make a Python 3.12 environment there: `uv venv --python 3.12 env`, then
   `uv pip install --python env --no-deps -r locks/train-linux.txt`. For Windows, install `train-windows.txt`
   and then, with `--torch-backend auto`, `train-windows-torch.txt`.
2. Have the base there: {base}
3. On one GPU:   `env/bin/python trainer.py . BASE_FOLDER`
   On several:   `env/bin/accelerate launch trainer.py . BASE_FOLDER`
   A file named STOP in this folder ends it after the next step; the same command goes on.
4. Bring this folder back: `dermagui train-import PROJECT FOLDER`
"""


def refuse_place(out: Path) -> None:
    """Raises ``UserError`` ``train.export_exists``, before anything is prepared."""
    if out.exists():
        raise UserError("train.export_exists", path=display_path(out))


def export_job(store: Store, training: Row, out: Path) -> Changes:
    """Copies a prepared training and its program into a new folder; raises what the disk refuses."""
    part = out.with_name(out.name + ".part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(runs_folder(store.folder) / training["uid"], part)
        shutil.copy2(worker_script("trainer"), part)
        (part / "locks").mkdir()
        for name in _LOCKS:
            shutil.copy2(locks_folder() / name, part / "locks")
        text = README.format(name=training["name"], base=_base_in_words(training))
        (part / "README.md").write_text(text, encoding="utf-8")
        part.rename(out)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise from_os_error(error, out) from error
    end_training(store, training["uid"], "exported", {})
    return Changes(("trainings", "datasets"), {"name": training["name"], "exported": display_path(out)})


def _base_in_words(training: Row) -> str:
    origin = origin_of(Path(training["base"]))
    if not origin.known:
        return str(training["base"])
    commit = f"`hf download {origin.name} --revision {origin.commit}` fetches the very one"
    return f"{origin.name}, under the terms of its owner; {commit}"


def import_job(store: Store, folder: Path) -> Row:
    """Takes the weights and the story of a training that was done elsewhere.

    Raises ``UserError``: ``train.foreign_job``, ``train.no_weights_yet``, ``train.job_changed`` where it was
    not done with what was given away, what the disk refuses.
    """
    try:
        told = json.loads((folder / "job.json").read_bytes())
        training = find_training(store, str(told["id"]))
    except (OSError, ValueError, KeyError, TypeError):
        training = None
    if training is None:
        raise UserError("train.foreign_job", path=display_path(folder))
    view = read_run(folder)
    if view.state not in (RunState.DONE, RunState.STOPPED):
        raise UserError("train.no_weights_yet", path=display_path(folder))
    place = runs_folder(store.folder) / training["uid"]
    if changed := changed_files(place, folder):
        raise UserError("train.job_changed", path=display_path(folder), count=len(changed), names=changed[:5])
    try:
        for name in _BACK:
            _copy(folder / name, place / name)
    except OSError as error:
        raise from_os_error(error, place) from error
    end_training(store, training["uid"], view.state.value, figures_of(view))
    return get_training(store, training["uid"])


def changed_files(place: Path, folder: Path) -> list[str]:
    """The names of what differs, or lies in one of both only, of what a training learns from."""
    mine, theirs = _hashes(place), _hashes(folder)
    return sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))


def _hashes(folder: Path) -> dict[str, str]:
    pictures = [path.relative_to(folder).as_posix() for path in (folder / "images").glob("*")]
    paths = {name: folder / name for name in (*_GIVEN, *pictures)}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in paths.items() if path.is_file()
    }


def _copy(source: Path, target: Path) -> None:
    """Copies what there is beside its place and then into it."""
    part = target.with_name(f"{target.name}.part")
    if source.is_dir():
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(source, part)
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)
    elif source.exists():
        shutil.copy2(source, part)
        part.replace(target)
