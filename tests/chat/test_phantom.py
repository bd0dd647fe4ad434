"""The model that ships: its files are those of its manifest, and it looks, unlike its untuned self."""

from __future__ import annotations

import hashlib
import json
import runpy
from pathlib import Path

import pytest

from dermagui.chat.bundle import NOTICE, check_bundle, find_bundle, list_bundles, remove_bundle, scan_bundles
from dermagui.chat.finding import find_model
from dermagui.chat.protocol import ChatTurn, Sampling
from dermagui.chat.session import Answer, ModelFiles, Room, Session
from dermagui.demo.asking import QUESTION, SEED, SIDES, count_right, untuned_files
from dermagui.demo.phantoms import Phantom, draw_unplanted
from dermagui.errors import UserError
from dermagui.paths import resources
from dermagui.records import Picture, Role
from dermagui.training.card import CARD_NAME

FOLDER = resources() / "phantom"
PACKAGING = Path(__file__).parents[2] / "packaging"
SIDE_QUESTION = "Is this phantom benign or malignant?"
COUNT = 40
ONLY_SHAPES = "It knows drawn shapes, nothing about skin."


class Ear:
    """A listener who has nothing to say."""

    def progress(self, progress: object) -> None:
        """Heard."""

    def warn(self, code: str, **values: object) -> None:
        """Heard."""

    def stop_if_asked(self) -> None:
        """Nobody asks."""


def told() -> dict[str, object]:
    found: dict[str, object] = json.loads((FOLDER / "phantom.json").read_bytes())
    return found


def test_its_files_are_those_of_its_manifests() -> None:
    check_bundle(find_bundle("phantom"), Ear())
    files = told()["files"]
    assert isinstance(files, dict)
    assert files.keys() == {path.name for path in FOLDER.glob("*.gguf")}
    for name, known in files.items():
        data = (FOLDER / name).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (known["sha256"], known["size_bytes"])
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 5_000_000


def test_its_manifest_tells_how_it_was_made_and_of_other_drawings_than_those_it_is_asked_about() -> None:
    made, build = told(), runpy.run_path(str(PACKAGING / "build_phantom.py"))
    assert made["made_by"] == "make phantom"
    assert made["recipe"] == json.loads((PACKAGING / "phantom-recipe.json").read_bytes())
    for name in ("seed", "split", "quantization"):
        assert made[name] == build[name.upper()], (
            "build_phantom.py changed: make phantom, and commit what it makes"
        )
    drawn = made["phantoms"]
    assert isinstance(drawn, dict)
    first, last = drawn["sets"]
    assert range(first, last + 1) == build["SEEDS"]
    assert not {SEED, SEED + 1} & set(build["SEEDS"])
    assert SIDE_QUESTION in drawn["questions"]
    assert QUESTION in drawn["questions"]


def test_it_says_everywhere_that_it_knows_nothing_about_skin() -> None:
    bundle = find_bundle("phantom")
    assert bundle.about.terms == told()["about"] == ONLY_SHAPES
    assert ONLY_SHAPES[:-1] in bundle.about.intended_use
    assert bundle.about.notice == find_model("phantom", None, looks=True).notice == f"{NOTICE} {ONLY_SHAPES}"
    assert bundle.about.ready
    assert f"> **{bundle.about.notice}**" in (FOLDER / CARD_NAME).read_text(encoding="utf-8")


def test_it_stands_among_the_models_and_stays(dermagui_home: Path) -> None:
    assert list_bundles() == []
    assert scan_bundles() == {}
    assert scan_bundles(shipped=True) == {"phantom": find_bundle("Phantom")}
    with pytest.raises(UserError) as refused:
        remove_bundle("phantom")
    assert refused.value.code == "bundle.shipped"
    assert (FOLDER / "model.gguf").exists()


@pytest.mark.parametrize("own", ["phantom", "Phantom"])
def test_a_model_of_the_users_own_of_that_name_goes_first(dermagui_home: Path, own: str) -> None:
    folder = dermagui_home / "data" / "bundles" / own
    folder.mkdir(parents=True)
    (folder / "bundle.json").write_bytes((FOLDER / "bundle.json").read_bytes())
    assert find_bundle("phantom").folder == folder
    assert list(scan_bundles(shipped=True)) == [own]
    remove_bundle("phantom")
    assert find_bundle("phantom").folder == FOLDER


def answers(files: ModelFiles, phantoms: list[Phantom]) -> dict[str, str]:
    """What a model says to the question, greedy, by the name of the picture."""
    said = {}
    with Session(files, Room(gpu_layers=0, threads=1)) as session:
        for phantom in phantoms:
            turn = ChatTurn(Role.USER, SIDE_QUESTION, (session.see(Picture(phantom.path)),))
            events = session.ask([turn], Sampling(max_tokens=16))
            said[phantom.path.name] = next(event.text for event in events if isinstance(event, Answer))
    return said


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
def test_it_looks_at_phantoms_that_it_never_saw(tmp_path: Path) -> None:
    """Own words, not a choice between labels: an answer that is neither side is wrong."""
    phantoms = draw_unplanted(tmp_path, COUNT, SEED + 1)
    bundle = find_bundle("phantom")
    model = bundle.path("model")
    assert model is not None
    before = untuned_files()
    tuned = answers(ModelFiles(model, bundle.path("mmproj")), phantoms)
    untuned = answers(ModelFiles(before["model"], before["mmproj"]), phantoms)
    truth = {phantom.path.name: phantom.values["malignancy"] for phantom in phantoms}
    found = count_right(truth, tuned, untuned)
    assert set(SIDES) <= set(tuned.values())
    assert found.majority.n == COUNT
    assert found.majority.value < 0.7, "there is something to be told apart"
    for other in (found.majority, found.untuned, found.shuffled):
        assert found.tuned.value > other.value + 0.15
        assert found.tuned.low > other.value
