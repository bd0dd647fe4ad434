"""The road of Train: lights by what is really there, jobs by clicks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QLabel, QLineEdit

from dermagui.errors import UserError
from dermagui.storage.database import Store
from dermagui.storage.jobs import list_jobs
from dermagui.storage.trainings import list_trainings
from dermagui.training import environment
from dermagui.training.base_model import read_base
from dermagui.training.fitting import estimate
from dermagui.training.hardware import Card, Hardware
from dermagui.training.recipe import find_recipe, list_recipes
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.review.export_sheet import ExportSheet
from dermagui.ui.train import desk_work
from dermagui.ui.train.desk_work import ComputerFacts
from dermagui.ui.train.page import TrainPage
from dermagui.ui.train.settings_form import LABELS, SettingsForm
from dermagui.ui.train.words import RECIPES, STATES, Light
from tests.fakes.train_page import (
    DONE,
    Wait,
    accept,
    click,
    make_run,
    open_page,
    train_page,
)
from tests.training.test_fitting import large_base
from tests.ui.test_access_tree import plain


@pytest.fixture
def page(desk: Desk, jobs: Jobs) -> Iterator[TrainPage]:
    """The page in view, without a project."""
    with train_page(desk, jobs) as made:
        yield made


# -- Data ---------------------------------------------------------------------------------------


def test_without_accepted_pairs_data_is_to_do_and_leads_where_to_go(
    page: TrainPage, own_demo: Path, wait_until: Wait
) -> None:
    open_page(page, own_demo, wait_until)
    assert page.data.light is Light.OPEN  # nothing is wrong: it was not begun
    assert "Review" in page.data.said
    wanted: list[str] = []
    page.wants.connect(wanted.append)
    click(page.data.review)
    assert wanted == ["review"]
    assert not page.data.next.isVisible()
    assert not page.data.look_button.start.isEnabled()
    assert page.road.buttons[0].accessibleName() == "1  Data: To do"


def test_the_check_is_a_job_whose_findings_stay(page: TrainPage, own_demo: Path, wait_until: Wait) -> None:
    count = accept(own_demo)
    open_page(page, own_demo, wait_until)
    # All of them are rehearsed: they count only if somebody wants that, and no two numbers disagree.
    assert f"Accepted pairs: {count}, {count} of them rehearsed" in page.data._counts.text()
    assert "Accepted pairs to learn from: 0; at least 8" in page.data.said
    assert f"Rehearsed ones that are left out: {count}" in page.data.said
    page.data.simulated.setFocus()
    QTest.keyClick(page.data.simulated, Qt.Key.Key_Space)
    wait_until(lambda: page.data.said.startswith(f"Accepted pairs to learn from: {count}"))
    click(page.data.look_button.start)
    wait_until(lambda: page.data.light is Light.AMBER)
    with Store(own_demo) as store:
        (job,) = [row for row in list_jobs(store) if row["kind"] == "train_check"]
    assert job["figures"]["pairs"] == job["figures"]["simulated"] == count
    assert sum(job["figures"]["splits"].values()) == count
    assert "train.simulated_pairs" in [found["code"] for found in job["figures"]["findings"]]
    assert page.data.next.isVisible()
    page.data.split.setText("90/5/5")
    page.data.split.editingFinished.emit()
    wait_until(lambda: page.data.light is Light.OPEN)  # what was found was found for another split


def test_shares_that_are_none_are_told_at_once(page: TrainPage, own_demo: Path, wait_until: Wait) -> None:
    accept(own_demo)
    open_page(page, own_demo, wait_until)
    page.data.simulated.click()
    wait_until(lambda: page.data.look_button.isEnabled())
    page.data.split.setFocus()
    page.data.split.selectAll()
    QTest.keyClicks(page.data.split, "80/30")
    QTest.keyClick(page.data.split, Qt.Key.Key_Return)
    wait_until(lambda: page.data.light is Light.RED)
    assert "80/30" in page.data.said
    assert not page.data.look_button.isEnabled()


def test_pairs_without_a_picture_are_chosen_as_a_file(
    page: TrainPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = tmp_path / "texts.jsonl"
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(chosen), ""))
    (browse,) = page.data.texts_file.actions()
    browse.trigger()
    assert page.data.texts() == {"texts": chosen, "text_share": 0.1}
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    browse.trigger()
    assert page.data.texts_file.text() == str(chosen)


def test_the_shares_are_called_as_in_the_export(page: TrainPage) -> None:
    sheet = ExportSheet(page)
    words = [
        plain(label.text())
        for top, field in ((page.data, page.data.split), (sheet, sheet.split))
        for label in top.findChildren(QLabel)
        if label.buddy() is field
    ]
    assert len(words) == 2
    assert words[0] == words[1]
    sheet.reject()


def test_a_verdict_after_the_check_makes_it_stale(page: TrainPage, own_demo: Path, wait_until: Wait) -> None:
    accept(own_demo)
    figures = {"verdict": "an older one", "findings": []}
    with Store(own_demo) as store, store.writing() as conn:
        conn.execute(
            "INSERT INTO jobs (id, kind, parameters, state, started_at, finished_at, figures)"
            " VALUES ('1', 'train_check', ?, 'done', '2026', '2026', ?)",
            (json.dumps({"simulated": True, "split": "80/10/10"}), json.dumps(figures)),
        )
    open_page(page, own_demo, wait_until)
    page.data.simulated.setChecked(True)
    wait_until(lambda: page.desk.is_idle)
    assert page.data.light is Light.OPEN


# -- Computer -----------------------------------------------------------------------------------


def test_a_computer_without_a_card_is_told_what_it_can_do(
    page: TrainPage, own_demo: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = ComputerFacts(Hardware((), 1, 1, "linux"), None, UserError("train.no_environment"))
    monkeypatch.setattr(desk_work, "computer_facts", lambda: bare)
    open_page(page, own_demo, wait_until)
    assert page.computer.light is Light.OPEN
    assert "No NVIDIA graphics card" in page.computer._card.text()
    assert page.computer.cpu.isChecked()
    assert "0.3 GB" in page.computer._takes.text() or "0.4 GB" in page.computer._takes.text()
    assert "GPU" not in page.computer._takes.text()
    page.show_station(1)
    page.computer.cpu.setFocus()
    QTest.keyClick(page.computer.cpu, Qt.Key.Key_Space)
    assert "Not yet run on a GPU." in page.computer._takes.text()


def test_a_card_and_an_environment_make_it_green_and_the_recipes_say_whether_they_fit(
    page: TrainPage, own_demo: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = Card("A card", "570.1", int(12e9), int(9e9))
    hardware = Hardware((card,), int(32e9), int(80e9), "linux")
    made = environment.Environment("/env/python", "managed", "3.12.1", {"torch": "2.14.1"}, True)
    monkeypatch.setattr(desk_work, "computer_facts", lambda: ComputerFacts(hardware, made, None))
    open_page(page, own_demo, wait_until)
    assert page.computer.light is Light.GREEN
    assert "570.1" in page.computer._card.text()
    assert "9.0 GB of 12.0 GB" in page.computer._card.text()
    assert "Nobody here has run these versions on a GPU yet." in page.computer._state.text()
    assert "only 9.0 GB are free: it does not fit" in page.recipe._fits["default"].text()
    assert "little to spare" in page.recipe._fits["small-gpu"].text()


def test_a_python_that_lacks_packages_is_refused(page: TrainPage, own_demo: Path, wait_until: Wait) -> None:
    open_page(page, own_demo, wait_until)
    page.computer.use_python(own_demo / "no-such-python")
    wait_until(lambda: page.bar.isVisible())
    assert "no-such-python" in page.bar.text
    wait_until(lambda: page.computer.light is not Light.BUSY)


# -- Recipe -------------------------------------------------------------------------------------


def test_a_recipe_with_terms_shows_them_before_anything(
    page: TrainPage, own_demo: Path, wait_until: Wait
) -> None:
    open_page(page, own_demo, wait_until)
    page.show_station(2)
    assert not page.recipe._terms.isVisible()
    card = page.recipe.cards["dermasynth-like"]
    card.setFocus()
    QTest.keyClick(card, Qt.Key.Key_Space)
    assert page.recipe._terms.isVisible()
    assert "European Union" in page.recipe._terms.text()
    assert "never become a GGUF" in page.recipe._terms.text()


def test_a_base_is_looked_at_while_it_is_typed(
    page: TrainPage, own_demo: Path, tmp_path: Path, wait_until: Wait
) -> None:
    open_page(page, own_demo, wait_until)
    page.show_station(2)
    QTest.keyClicks(page.recipe.base, str(tmp_path))
    wait_until(lambda: "no model in" in page.recipe._base_said.text())
    assert page.recipe.light is Light.RED
    config = {"model_type": "qwen3_vl", "vision_config": {"patch_size": 16}}
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text(json.dumps(config))
    QTest.keyClicks(page.recipe.base, "/base")
    wait_until(lambda: page.recipe.light is Light.AMBER)
    assert "can become a model for the chat" in page.recipe._base_said.text()
    _change(page, "rank", "0")
    assert page.recipe.light is Light.RED
    assert "Rank" in page.recipe.said
    page.start()
    assert "Rank" in page.bar.text
    assert page.station == 2


def _change(page: TrainPage, name: str, text: str) -> None:
    """Types another value of a setting."""
    field = page.recipe.form.fields[name]
    assert isinstance(field, QLineEdit)
    field.selectAll()
    QTest.keyClicks(field, text)


def test_whether_it_fits_follows_every_setting_that_is_changed(
    page: TrainPage, own_demo: Path, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = large_base(tmp_path / "base")
    needed = estimate(read_base(base), find_recipe("default").settings).total
    card = Card("A card", "570.1", 2 * needed, needed)
    facts = ComputerFacts(Hardware((card,), 1, 1, "linux"), None, UserError("train.no_environment"))
    monkeypatch.setattr(desk_work, "computer_facts", lambda: facts)
    open_page(page, own_demo, wait_until)
    page.show_station(2)
    recipe = page.recipe
    QTest.keyClicks(recipe.base, str(base))
    wait_until(lambda: "it fits." in recipe._fit.text())
    assert recipe.light is Light.AMBER  # nobody has run it on a GPU
    assert not recipe.back.isEnabled()
    click(recipe.fold)
    _change(page, "rank", "64")
    wait_until(lambda: "little to spare" in recipe._fit.text())
    _change(page, "image_side", "2048")
    wait_until(lambda: "does not fit" in recipe._fit.text())
    assert recipe.light is Light.RED
    assert page.road.buttons[2].accessibleName() == "3  Recipe: Problem"
    four_bits = recipe.form.fields["load_in_4bit"]
    told = recipe._fit.text()
    four_bits.setFocus()
    QTest.keyClick(four_bits, Qt.Key.Key_Space)
    wait_until(lambda: recipe._fit.text() != told)
    click(recipe.back)
    wait_until(lambda: "it fits." in recipe._fit.text())
    assert recipe.form.settings() == recipe.recipe.settings


def test_a_base_s_download_is_named_with_size_licence_and_gate(page: TrainPage) -> None:
    told = {name: page.recipe._base_words(recipe) for name, recipe in page.recipe._recipes.items()}
    assert "google/medgemma-4b-it" in told["medical"]
    assert "8.6 GB to download" in told["medical"]
    assert "Health AI Developer Foundations terms" in told["medical"]
    assert "have to be accepted" in told["medical"]
    assert "have to be accepted" not in told["default"]
    assert all(recipe.download_gb > 0 for recipe in page.recipe._recipes.values())


def test_what_recipes_say_can_be_translated() -> None:
    said = {text for one in list_recipes() for text in (one.title, one.purpose, one.terms) if text}
    assert said == set(RECIPES)


def test_every_setting_has_a_label_and_what_was_shown_is_what_is_read(page: TrainPage) -> None:
    for name in page.recipe.cards:
        page.recipe.choose(name)
        assert page.recipe.form.settings() == page.recipe.recipe.settings
    assert set(LABELS) == set(SettingsForm().fields)


# -- the road -----------------------------------------------------------------------------------


def test_keys_go_along_the_road(page: TrainPage, own_demo: Path, wait_until: Wait) -> None:
    open_page(page, own_demo, wait_until)
    QTest.keyClick(page, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    assert page.station == 1
    assert page.road.buttons[1].isChecked()
    QTest.keyClick(page, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    QTest.keyClick(page, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    assert page.station == 0
    click(page.road.buttons[4])
    assert page.station == 4


def test_another_project_shows_none_of_the_runs_before(
    page: TrainPage, own_demo: Path, demo: Path, tmp_path: Path, wait_until: Wait
) -> None:
    make_run(own_demo, "a1", DONE)
    other = Path(shutil.copytree(demo, tmp_path / "Other"))
    open_page(page, own_demo, wait_until)
    wait_until(lambda: page.run.light is Light.GREEN)
    page.desk.open_project(other)
    wait_until(lambda: page.desk.folder == other)
    page.show_project()
    wait_until(lambda: page.desk.is_idle and page.run.light is Light.OPEN)
    assert page.run.history.rowCount() == 0
    with Store(other) as store:
        assert list_trainings(store) == []


def test_every_state_has_its_words() -> None:
    from dermagui.training.run_state import RunState

    assert set(STATES) == set(RunState)
