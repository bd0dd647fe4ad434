"""Bundles: complete or not there, found again, and every change of a file noticed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermagui.chat import bundle_files
from dermagui.chat.bundle import (
    MANIFEST_NAME,
    NOTICE,
    About,
    Bundle,
    add_model,
    bundles_folder,
    check_bundle,
    find_bundle,
    list_bundles,
    name_from,
    read_bundle,
    remove_bundle,
    scan_bundles,
)
from dermagui.errors import DataError, DermaError, Stopped, UserError
from dermagui.records import Progress
from tests.fakes import hostile_models, tiny_models
from tests.fakes.disks import small_disk
from tests.fakes.tiny_models import Pair


@dataclass
class Ear:
    """Hears what long work tells, and may do something at every step."""

    act: Callable[[], None] = lambda: None
    steps: list[Progress] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def progress(self, progress: Progress) -> None:
        self.steps.append(progress)

    def warn(self, code: str, **values: object) -> None:
        self.warnings.append(code)

    def stop_if_asked(self) -> None:
        self.act()


@pytest.fixture
def qwen(tmp_path: Path) -> Pair:
    """A model and its projector."""
    (tmp_path / "models").mkdir()
    return tiny_models.qwen_pair(tmp_path / "models")


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that knows no links, so that files are copied."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def nothing_left() -> bool:
    return list(bundles_folder().iterdir()) == []


def code_of(work: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(DermaError) as refused:
        work(*arguments)
    return refused.value.code


def test_a_bundle_is_found_again_as_it_was_added(qwen: Pair) -> None:
    before = {path: (digest(path), path.stat().st_mtime_ns) for path in (qwen.model, qwen.projector)}
    about = About(licence="apache-2.0", terms="T", base="B", metrics={"accuracy": 0.5}, gates={"g": True})
    bundle = add_model(qwen.model, None, None, Ear(), about)
    assert bundle == find_bundle("qwen") == find_bundle("QWEN") == read_bundle(bundle.folder)
    assert list_bundles() == [bundle]
    assert (bundle.architecture, bundle.model_name, bundle.context_length) == (
        "qwen2vl",
        "random qwen2vl",
        4096,
    )
    assert bundle.about == about
    assert bundle.about.notice == NOTICE
    assert bundle.image
    assert (bundle.image.projector, bundle.image.patch_size, bundle.image.merge) == ("qwen2vl_merger", 14, 2)
    for role, source in (("model", qwen.model), ("mmproj", qwen.projector)):
        path = bundle.path(role)
        assert path
        assert bundle.files[role].sha256 == digest(path) == before[source][0]
        assert bundle.files[role].origin == source.name
        assert path.samefile(source), "linked, for a model may be as large as the disk"
    assert bundle.path("template") is None
    assert bundle.size_bytes == qwen.model.stat().st_size + qwen.projector.stat().st_size
    assert before == {path: (digest(path), path.stat().st_mtime_ns) for path in before}


@pytest.mark.usefixtures("no_links")
def test_without_links_files_are_copied(qwen: Pair) -> None:
    bundle = add_model(qwen.model, qwen.projector, "copy", Ear())
    path = bundle.path("model")
    assert path
    assert not path.samefile(qwen.model)
    assert digest(path) == digest(qwen.model) == bundle.files["model"].sha256
    check_bundle(bundle, Ear())


def test_a_link_to_a_file_is_followed(qwen: Pair, tmp_path: Path) -> None:
    """As in the cache of the hub, where the names are links to blobs that are named by their hash."""
    (tmp_path / "snapshot").mkdir()
    for path in (qwen.model, qwen.projector):
        (tmp_path / "snapshot" / path.name).symlink_to(path)
    bundle = add_model(tmp_path / "snapshot" / qwen.model.name, None, None, Ear())
    path = bundle.path("mmproj")
    assert path
    assert not path.is_symlink()
    assert path.samefile(qwen.projector)


def test_progress_counts_every_byte(qwen: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_files, "_CHUNK_BYTES", 100_000)
    ear = Ear()
    bundle = add_model(qwen.model, None, None, ear)
    assert {(step.total, step.unit) for step in ear.steps} == {(bundle.size_bytes, "bytes")}
    done = [step.done for step in ear.steps]
    assert done == sorted(done)
    assert len(done) > 6
    assert done[-1] == bundle.size_bytes


def stop() -> None:
    raise Stopped("job.stopped")


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("act", [stop, interrupt])
@pytest.mark.parametrize("links", [True, False])
def test_who_stops_leaves_nothing(
    qwen: Pair, act: Callable[[], None], links: bool, request: pytest.FixtureRequest
) -> None:
    if not links:
        request.getfixturevalue("no_links")
    with pytest.raises((Stopped, KeyboardInterrupt)):
        add_model(qwen.model, None, None, Ear(act))
    assert nothing_left()
    assert qwen.model.exists()


def test_what_a_killed_process_left_goes_with_the_next_one(qwen: Pair) -> None:
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from dermagui.chat.bundle import add_model\n"
        "class Ear:\n"
        "    def progress(self, progress): os.kill(os.getpid(), 9)\n"
        "add_model(Path(sys.argv[1]), None, None, Ear())\n"
    )
    died = subprocess.run([sys.executable, "-c", script, os.fspath(qwen.model)], check=False)
    assert died.returncode not in (0, 1)
    (left,) = bundles_folder().iterdir()
    assert (left / "model.gguf").exists()
    assert list_bundles() == []
    bundle = add_model(qwen.model, None, None, Ear())
    assert list(bundles_folder().iterdir()) == [bundle.folder]


def test_the_part_of_a_living_process_stays(qwen: Pair) -> None:
    """Two models may be added at the same time."""

    def add_another() -> None:
        add_model(qwen.model, None, "second", Ear())

    add_model(qwen.model, None, "first", Ear(lambda: None if find_names() else add_another()))
    assert find_names() == ["first", "second"]


def find_names() -> list[str]:
    return [bundle.name for bundle in list_bundles()]


def test_who_is_slower_gets_told_and_leaves_nothing(qwen: Pair) -> None:
    def be_faster() -> None:
        (bundles_folder() / "qwen").mkdir(exist_ok=True)
        (bundles_folder() / "qwen" / "x").touch()

    assert code_of(add_model, qwen.model, None, None, Ear(be_faster)) == "bundle.exists"
    assert [folder.name for folder in bundles_folder().iterdir()] == ["qwen"]


@pytest.mark.usefixtures("no_links")
def test_room_is_asked_for_before_anything_is_copied(qwen: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(1_000_000))
    ear = Ear()
    assert code_of(add_model, qwen.model, None, None, ear) == "disk.full"
    assert ear.steps == []
    assert nothing_left()


@dataclass
class Usage:
    free: int


def test_a_disk_that_fills_up_meanwhile(qwen: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_files, "_check_room", lambda folder, size_bytes: None)
    with small_disk(tmp_path / "disk", 300) as disk:
        monkeypatch.setenv("DERMAGUI_HOME", str(disk))
        assert code_of(add_model, qwen.model, None, None, Ear()) == "disk.full"
        assert nothing_left()


def test_a_file_that_grows_meanwhile_is_refused(qwen: Pair) -> None:
    def download_on() -> None:
        with qwen.projector.open("ab") as file:
            file.write(b"more")

    assert code_of(add_model, qwen.model, None, None, Ear(download_on)) == "bundle.file_changing"
    assert nothing_left()


def test_a_refused_file_makes_no_folder(qwen: Pair, tmp_path: Path) -> None:
    wide = hostile_models.write_wide_projector(tmp_path / "wide.gguf")
    mllama = hostile_models.write_mllama(tmp_path / "mllama.gguf")
    cut = hostile_models.cut_short(qwen.model, tmp_path / "cut")["last byte"]
    assert code_of(add_model, qwen.model, wide, None, Ear()) == "chat.mmproj_wrong_kind"
    assert code_of(add_model, mllama, None, None, Ear()) == "chat.mllama"
    assert code_of(add_model, qwen.projector, None, None, Ear()) == "chat.is_mmproj"
    assert code_of(add_model, cut, None, None, Ear()) == "gguf.truncated"
    assert code_of(add_model, tmp_path / "missing.gguf", None, None, Ear()) == "disk.gone"
    assert nothing_left()


def test_a_model_without_eyes_is_added_with_a_warning(qwen: Pair, tmp_path: Path) -> None:
    qwen.projector.unlink()
    ear = Ear()
    assert add_model(qwen.model, None, None, ear).image is None
    assert ear.warnings == ["chat.mmproj_missing"]
    text = hostile_models.write_changed_model(tmp_path / "text.gguf", {"tokenizer.chat_template": ""})
    ear = Ear()
    add_model(text, None, None, ear)
    assert ear.warnings == ["chat.text_only", "chat.no_template"]


def test_a_name_is_taken_once_in_whatever_case(qwen: Pair) -> None:
    add_model(qwen.model, None, "Skin-7b", Ear())
    assert code_of(add_model, qwen.model, None, "skin-7B", Ear()) == "bundle.exists"
    assert find_names() == ["Skin-7b"]


BAD_NAMES = ["", ".", "..", "a/b", "a\\b", "-x", ".x", "x.", "a b", "CON", "nul.gguf", "Ä", "x" * 81, "a\n"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_some_system_cannot_bear_is_refused(qwen: Pair, name: str) -> None:
    assert code_of(add_model, qwen.model, None, name, Ear()) == "bundle.bad_name"
    assert nothing_left()


@given(st.text(max_size=120))
def test_a_name_made_from_a_file_is_always_good(text: str) -> None:
    stem = text.replace("/", "").replace("\0", "")
    name = name_from(Path(f"x{stem}.gguf").with_name(f"{stem}.gguf"))
    assert name not in BAD_NAMES
    assert name.isascii()
    assert name == name_from(Path(f"{name}.gguf"))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Qwen2.5-VL-7B-Q4_K_M.gguf", "Qwen2.5-VL-7B-Q4_K_M"),
        ("Größe 3 (1).gguf", "Gr-e-3-1"),
        ("con.gguf", "model-con"),
        ("皮膚.gguf", "model"),
        (os.fsdecode(b"\xff\xfe.gguf"), "xff-xfe"),
    ],
)
def test_names_made_from_files(file: str, name: str) -> None:
    assert name_from(Path(file)) == name


@pytest.mark.usefixtures("no_links")
def test_a_damaged_tensor_is_caught(qwen: Pair) -> None:
    bundle = add_model(qwen.model, None, None, Ear())
    check_bundle(bundle, Ear())
    path = bundle.path("model")
    assert path
    hostile_models.damage_tensor(qwen.model, path)
    with pytest.raises(DataError) as caught:
        check_bundle(bundle, Ear())
    assert caught.value.code == "bundle.file_changed"
    assert caught.value.values["path"] == str(path)
    path.unlink()
    assert code_of(check_bundle, bundle, Ear()) == "bundle.file_missing"


def test_a_template_of_its_own_is_part_of_a_bundle(qwen: Pair, tmp_path: Path) -> None:
    broken = hostile_models.write_broken_template(tmp_path / "broken.gguf")
    ear = Ear()
    add_model(broken, None, "broken", ear)
    assert "chat.template_syntax" in ear.warnings
    template = tmp_path / "own.jinja"
    template.write_text("{% for message in messages %}{{ message.content }}{% if %}")
    assert code_of(add_model, broken, None, "mended", Ear(), None, template) == "chat.template_syntax"
    template.write_bytes(b"\xff")
    assert code_of(add_model, broken, None, "mended", Ear(), None, template) == "chat.not_text"
    template.write_text("{% for message in messages %}{{ message.content }}{% endfor %}")
    quiet = Ear()
    bundle = add_model(broken, None, "mended", quiet, None, template)
    assert quiet.warnings == ["chat.text_only"]
    path = bundle.path("template")
    assert path
    assert path.read_text() == template.read_text()
    assert bundle.files["template"].sha256 == digest(path)
    assert read_bundle(bundle.folder) == bundle
    template.unlink()
    path.unlink()
    assert code_of(check_bundle, bundle, Ear()) == "bundle.file_missing"


def test_a_check_can_be_stopped(qwen: Pair) -> None:
    bundle = add_model(qwen.model, None, None, Ear())
    assert code_of(check_bundle, bundle, Ear(stop)) == "job.stopped"


def test_removing_leaves_the_originals(qwen: Pair) -> None:
    add_model(qwen.model, None, None, Ear())
    remove_bundle("Qwen")
    assert nothing_left()
    assert qwen.model.exists()
    with pytest.raises(UserError) as refused:
        remove_bundle("../models")
    assert refused.value.code == "bundle.not_found"
    assert qwen.model.exists()


def test_not_found_names_what_is_there(qwen: Pair) -> None:
    add_model(qwen.model, None, None, Ear())
    with pytest.raises(UserError) as refused:
        find_bundle("other")
    assert refused.value.values == {"name": "other", "known": ["phantom", "qwen"]}


def change(bundle: Bundle, **changes: object) -> None:
    path = bundle.folder / MANIFEST_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_manifest_that_cannot_be_read_hides_no_other(qwen: Pair) -> None:
    good, bad = (add_model(qwen.model, None, name, Ear()) for name in ("good", "bad"))
    for changes, code in (
        ({"schema": 99}, "bundle.newer"),
        ({"schema": 1, "files": {}}, "bundle.unreadable"),
        ({"files": {"model": {"sha256": "0", "size_bytes": 1}, "../x": {}}}, "bundle.unreadable"),
        ({"files": None}, "bundle.unreadable"),
        ({"schema": "1"}, "bundle.unreadable"),
    ):
        change(bad, **changes)
        found = scan_bundles()
        assert found["good"] == good
        assert isinstance(found["bad"], DataError)
        assert found["bad"].code == code
    assert list_bundles() == [good]
    (bad.folder / MANIFEST_NAME).write_text('{"schema": 1, "fil')
    assert code_of(find_bundle, "bad") == "bundle.unreadable"
    (bad.folder / MANIFEST_NAME).unlink()
    assert code_of(find_bundle, "bad") == "disk.gone"
    remove_bundle("bad")
    assert find_names() == ["good"]


def test_fields_of_a_later_program_are_left_alone(qwen: Pair) -> None:
    bundle = add_model(qwen.model, None, None, Ear())
    change(bundle, colour="blue")
    assert find_bundle("qwen") == bundle
