"""Bundles: a model, its projector, and all that is known of both, in one folder of the data folder.

``bundles/NAME/`` holds ``bundle.json``, ``model.gguf``, where there is one ``mmproj.gguf``, and where the
model's own chat template is not to be used ``template.jinja``. The folders are the registry. One bundle ships
with the program, ``resources/phantom``: it is found by its name like the others, unless one of the user's own
bears that, and stays.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from dermagui import __version__, paths
from dermagui.chat.bundle_files import (
    FILE_NAMES,
    BundleFile,
    Counter,
    Listener,
    hash_file,
    read_text,
    take_files,
)
from dermagui.chat.model_facts import ModelFacts, ProjectorFacts
from dermagui.chat.pairing import (
    GgufFile,
    choose_mmproj,
    read_file,
    refuse_projector,
    refuse_unusable,
    usually_sees,
)
from dermagui.chat.prompt import check_template
from dermagui.errors import DataError, DermaError, UserError, from_os_error
from dermagui.paths import display_path
from dermagui.storage.moments import new_uid, now

SCHEMA_VERSION = 1
MANIFEST_NAME = "bundle.json"
NOTICE = "Research use only. Not a medical device. Do not use for diagnosis."

_LONGEST_NAME = 80
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9_-])?")
_RESERVED_NAME = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_PART = re.compile(r"\.part-(?P<pid>\d+)-(?P<started>\d+(\.\d+)?)-\w+")


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """How a picture has to be made for the model, from its projector; see ``ProjectorFacts``."""

    projector: str
    image_size: int
    patch_size: int
    merge: int
    min_tokens: int | None
    max_tokens: int | None


@dataclass(frozen=True, slots=True)
class About:
    """What people and training say of a model. All of it may be empty."""

    licence: str = ""
    terms: str = ""
    base: str = ""
    intended_use: str = ""
    source: str = ""
    """Repository and commit that it was downloaded from."""
    training_run: str | None = None
    """``uid`` of the run that tuned it."""
    dataset: str | None = None
    """``uid`` of the dataset that it was tuned on."""
    metrics: dict[str, object] = field(default_factory=dict)
    gates: dict[str, object] = field(default_factory=dict)
    """Checks that a tuned model had to pass, with what came out: ``parity``, ``clinical``."""
    notice: str = NOTICE

    @property
    def ready(self) -> bool:
        """Whether a tuned model passed the clinical gate too; one that was not tested is not ready."""
        clinical = self.gates.get("clinical")
        return isinstance(clinical, dict) and clinical.get("passed") is True


@dataclass(frozen=True, slots=True)
class Bundle:
    """What ``bundle.json`` says, and where it lies."""

    folder: Path
    added_at: str
    app_version: str
    architecture: str
    model_name: str
    quantization: str
    parameters: int
    context_length: int
    files: dict[str, BundleFile]
    """By role: ``model``, and where there is one ``mmproj`` and ``template``."""
    image: ImageSettings | None
    """None: the model cannot see."""
    about: About

    @property
    def name(self) -> str:
        """The name of the bundle, which is that of its folder."""
        return self.folder.name

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.size_bytes for file in self.files.values())

    @property
    def is_shipped(self) -> bool:
        """Whether it came with the program, and is none of the user's own."""
        return self.folder in _shipped_folders()

    def path(self, role: str) -> Path | None:
        """Where the file of a role lies; None where the bundle has none."""
        return self.folder / FILE_NAMES[role] if role in self.files else None


def bundles_folder() -> Path:
    """The folder that holds a folder for each bundle."""
    folder = paths.data_folder() / "bundles"
    folder.mkdir(exist_ok=True)
    return folder


def scan_bundles(*, shipped: bool = False) -> dict[str, Bundle | DermaError]:
    """Every bundle of the user's by its name, or why it cannot be read; ``shipped``: and what came with the
    program, behind them.
    """
    found: dict[str, Bundle | DermaError] = {}
    for folder in sorted(_own_folders(), key=lambda folder: folder.name.casefold()):
        if folder.is_dir():
            try:
                found[folder.name] = read_bundle(folder)
            except DermaError as error:
                found[folder.name] = error
    taken = {name.casefold() for name in found}
    more = [folder for folder in _shipped_folders() if shipped and folder.name.casefold() not in taken]
    return found | {folder.name: read_bundle(folder) for folder in more}


def list_bundles() -> list[Bundle]:
    """The user's own bundles that can be read, by name."""
    return [bundle for bundle in scan_bundles().values() if isinstance(bundle, Bundle)]


def find_bundle(name: str) -> Bundle:
    """The bundle of a name, in whatever case. Raises ``UserError`` ``bundle.not_found``, or why it cannot
    be read.
    """
    return read_bundle(_folder_of(name))


def read_bundle(folder: Path) -> Bundle:
    """The bundle in a folder. Raises ``DataError``: ``bundle.unreadable``, ``bundle.newer``; ``UserError``
    where the disk refuses.
    """
    path = folder / MANIFEST_NAME
    try:
        manifest = json.loads(path.read_bytes())
        if manifest["schema"] > SCHEMA_VERSION:
            raise DataError("bundle.newer", path=display_path(path))
        return _from_manifest(folder, manifest)
    except OSError as error:
        raise from_os_error(error, path) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError("bundle.unreadable", path=display_path(path), reason=str(error)) from error


def add_model(
    gguf: Path,
    mmproj: Path | None,
    name: str | None,
    listener: Listener,
    about: About | None = None,
    template: Path | None = None,
) -> Bundle:
    """Makes a bundle of a model and its projector, which is looked for beside the model where none is named.

    ``template`` is a chat template to be used instead of the model's own.

    The originals stay as they are: they are linked where the disk can, else copied. A bundle is complete or
    not there. Raises ``UserError``: ``bundle.exists``, ``bundle.bad_name``, ``disk.full``, what
    ``refuse_unusable``, ``refuse_projector``, ``choose_mmproj`` and ``check_template`` raise, and what
    ``read_header`` raises.
    """
    model = read_file(gguf)
    refuse_unusable(model)
    projector = read_file(mmproj) if mmproj else choose_mmproj(model)
    if projector:
        refuse_projector(model, projector)
    if template:
        check_template(read_text(template))
    folder = free_folder(name if name is not None else name_from(gguf))
    _remove_left_parts()
    sources = {"model": model.path, "mmproj": projector and projector.path, "template": template}
    part = _part_folder()
    try:
        part.mkdir()
        files = take_files({role: path for role, path in sources.items() if path}, part, listener)
        bundle = _new_bundle(part, model, projector, files, about or About())
        _write_manifest(bundle)
        bundle = _put_in_place(bundle, folder)
    except OSError as error:
        raise from_os_error(error, folder) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    _warn(bundle, model.facts, listener)
    return bundle


def check_bundle(bundle: Bundle, listener: Listener) -> None:
    """Reads every file of a bundle and compares it with its hash.

    Raises ``DataError``: ``bundle.file_missing``, ``bundle.file_changed`` (a damaged tensor, for example).
    """
    counter = Counter(bundle.size_bytes, listener)
    for role, known in bundle.files.items():
        path = bundle.folder / FILE_NAMES[role]
        try:
            found = hash_file(path, counter, known.size_bytes)
        except FileNotFoundError:
            raise DataError("bundle.file_missing", name=bundle.name, path=display_path(path)) from None
        except OSError as error:
            raise from_os_error(error, path) from error
        if found != (known.sha256, known.size_bytes):
            raise DataError("bundle.file_changed", name=bundle.name, path=display_path(path))


def remove_bundle(name: str) -> None:
    """Removes a bundle; files that were linked stay where they came from. Raises ``UserError``:
    ``bundle.not_found``, ``bundle.shipped``.
    """
    folder = _folder_of(name)
    if folder in _shipped_folders():
        raise UserError("bundle.shipped", name=folder.name)
    part = _part_folder()
    try:
        folder.rename(part)  # so that it is gone at once or not at all
        shutil.rmtree(part)
    except OSError as error:
        raise from_os_error(error, folder) from error


def name_from(path: Path) -> str:
    """A name for the bundle of a file, safe on every system."""
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", display_path(path.stem))[:_LONGEST_NAME].strip("-._")
    return f"model-{words}".rstrip("-") if not words or _RESERVED_NAME.fullmatch(words) else words


def free_folder(name: str) -> Path:
    """The folder that a new bundle gets. Case does not tell two names apart, as on most systems.

    Raises ``UserError``: ``bundle.bad_name``, ``bundle.exists``.
    """
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME or _RESERVED_NAME.fullmatch(name):
        raise UserError("bundle.bad_name", name=name)
    if name.casefold() in (folder.name.casefold() for folder in bundles_folder().iterdir()):
        raise UserError("bundle.exists", name=name)
    return bundles_folder() / name


def _own_folders() -> list[Path]:
    return [folder for folder in bundles_folder().iterdir() if not folder.name.startswith(".")]


def _shipped_folders() -> list[Path]:
    return [path.parent for path in paths.resources().glob(f"phantom/{MANIFEST_NAME}")]


def _folder_of(name: str) -> Path:
    folders = [*sorted(_own_folders(), key=lambda folder: folder.name != name), *_shipped_folders()]
    for folder in folders:
        if folder.name.casefold() == name.casefold():
            return folder
    raise UserError("bundle.not_found", name=name, known=sorted(folder.name for folder in folders))


def _part_folder() -> Path:
    """A folder beside the bundles that tells which process is at work in it."""
    from dermagui.jobs.work import this_process

    pid, started = this_process()
    return bundles_folder() / f".part-{pid}-{started}-{new_uid()[-12:]}"


def _remove_left_parts() -> None:
    """Removes what killed processes left behind."""
    from dermagui.jobs.work import is_alive

    for folder in bundles_folder().iterdir():
        found = _PART.fullmatch(folder.name)
        if found and not is_alive(int(found["pid"]), float(found["started"])):
            shutil.rmtree(folder, ignore_errors=True)


def _new_bundle(
    folder: Path, model: GgufFile, mmproj: GgufFile | None, files: dict[str, BundleFile], about: About
) -> Bundle:
    facts = model.facts
    return Bundle(
        folder=folder,
        added_at=now(),
        app_version=__version__,
        architecture=facts.architecture,
        model_name=facts.name,
        quantization=facts.quantization,
        parameters=facts.parameters,
        context_length=facts.context_length,
        files=files,
        image=_image_settings(mmproj.facts.projector) if mmproj else None,
        about=replace(about, licence=about.licence or facts.licence, base=about.base or facts.base),
    )


def _image_settings(projector: ProjectorFacts | None) -> ImageSettings | None:
    if projector is None:
        return None
    return ImageSettings(
        projector=projector.type,
        image_size=projector.image_size,
        patch_size=projector.patch_size,
        merge=projector.merge,
        min_tokens=projector.min_tokens,
        max_tokens=projector.max_tokens,
    )


def _write_manifest(bundle: Bundle) -> None:
    manifest = {"schema": SCHEMA_VERSION, **asdict(bundle)}
    del manifest["folder"]
    with (bundle.folder / MANIFEST_NAME).open("x", encoding="utf-8") as file:
        json.dump(manifest, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())


def _from_manifest(folder: Path, manifest: dict[str, Any]) -> Bundle:
    """A bundle from its manifest. Fields that this program does not know are left out, files are not."""
    files = {role: BundleFile(**_known(BundleFile, told)) for role, told in manifest["files"].items()}
    if "model" not in files or not files.keys() <= FILE_NAMES.keys():
        raise ValueError(f"files: {', '.join(files)}")
    image = manifest["image"]
    told = _known(Bundle, manifest) | {
        "folder": folder,
        "files": files,
        "image": ImageSettings(**_known(ImageSettings, image)) if image else None,
        "about": About(**_known(About, manifest["about"])),
    }
    return Bundle(**told)


def _known(kind: type, told: Mapping[str, Any]) -> dict[str, Any]:
    names = {found.name for found in fields(kind)}
    return {name: value for name, value in told.items() if name in names}


def _put_in_place(bundle: Bundle, folder: Path) -> Bundle:
    try:
        bundle.folder.rename(folder)
    except OSError as error:
        if folder.exists():  # somebody else was faster
            raise UserError("bundle.exists", name=folder.name) from error
        raise
    return replace(bundle, folder=folder)


def _warn(bundle: Bundle, facts: ModelFacts, listener: Listener) -> None:
    if bundle.image is None:
        code = "chat.mmproj_missing" if usually_sees(facts) else "chat.text_only"
        listener.warn(code, name=bundle.name, architecture=facts.architecture)
    if "template" in bundle.files:
        return
    if not facts.template:
        listener.warn("chat.no_template", name=bundle.name)
    try:
        check_template(facts.template)
    except DataError as error:
        listener.warn(error.code, **error.values)
