"""The stations Run and Model: trainings found again by their folders, and what becomes of them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from dermagui.jobs.report import STOP_NAME
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.train.gates import clinical_words, parity_words
from dermagui.ui.train.page import TrainPage
from dermagui.ui.train.words import Light
from tests.fakes.train_page import (
    DONE,
    Wait,
    click,
    make_run,
    open_page,
    run_events,
    tell,
    train_page,
)


@pytest.fixture
def page(desk: Desk, jobs: Jobs) -> Iterator[TrainPage]:
    """The page in view, without a project."""
    with train_page(desk, jobs) as made:
        yield made


# -- Run ----------------------------------------------------------------------------------------


def test_a_run_that_goes_on_is_found_with_its_curves_and_probes_and_is_stopped(
    page: TrainPage, own_demo: Path, wait_until: Wait
) -> None:
    folder = make_run(own_demo, "a1", alive=True)
    open_page(page, own_demo, wait_until)
    wait_until(lambda: page.run.light is Light.BUSY)
    page.show_station(3)
    wait_until(lambda: page.desk.is_idle)
    told = page.run._told.text()
    assert "Running" in told
    assert "step 2 of 4" in told
    assert "3.0 GB memory" in told
    assert page.run.loss.values == "step 2, learnt from 2, held out 2.5"
    assert page.run.rate.values == "step 2, rate 0.001"
    probe = page.run.probes._rows[0]
    assert (probe._base.text(), probe._tuned.text()) == ("A bare guess.", "A better one.")
    assert probe._reference.text() == "Accepted 1."
    assert not probe._picture.pixmap().isNull()
    assert "plain (no GPU) on cpu" in page.run._card.text()
    QTest.keyClick(page, Qt.Key.Key_Period, Qt.KeyboardModifier.ControlModifier)
    wait_until(lambda: (folder / STOP_NAME).exists())
    wait_until(lambda: "Saving" in page.run._told.text())


@pytest.mark.parametrize(
    ("end", "word"),
    [
        ([], "Ended without a word"),
        ([{"event": "oom", "final": True, "batch": 1}], "Out of memory"),
        ([{"event": "failed", "kind": "ValueError", "detail": "bad shape"}], "bad shape"),
    ],
)
def test_a_run_that_ended_badly_is_never_shown_as_running(
    page: TrainPage, own_demo: Path, wait_until: Wait, end: list[dict[str, Any]], word: str
) -> None:
    make_run(own_demo, "a1", *end)
    open_page(page, own_demo, wait_until)
    wait_until(lambda: page.run.light is Light.RED)
    assert word in page.run._told.text()
    assert not page.action("train.stop").isEnabled()
    assert page.action("train.resume").isEnabled()
    page.show_station(3)
    assert page.run.change.isVisible() is (word == "Out of memory")
    if page.run.change.isVisible():
        click(page.run.change)
        assert page.station == 2


def test_silence_is_named(page: TrainPage, own_demo: Path, wait_until: Wait) -> None:
    make_run(own_demo, "a1", alive=True, at=time.time() - 600)
    open_page(page, own_demo, wait_until)
    wait_until(lambda: page.run.light is Light.BUSY)
    assert "nothing heard for" in page.run._told.text()


def test_the_history_shows_all_and_another_one_by_key(
    page: TrainPage, own_demo: Path, wait_until: Wait
) -> None:
    make_run(own_demo, "a1", DONE)
    make_run(own_demo, "a2")
    open_page(page, own_demo, wait_until)
    wait_until(lambda: page.run.light is Light.GREEN)
    table = page.run.history
    shown = [[table.item(row, column).text() for column in (0, 1, 4)] for row in range(table.rowCount())]  # type: ignore[union-attr]
    assert shown == [["run-a2", "Ended without a word", "2.500"], ["run-a1", "Done", "2.500"]]
    page.show_station(3)
    table.setFocus()
    QTest.keyClick(table, Qt.Key.Key_Down)
    assert page.run.chosen is not None
    assert page.run.chosen.row["uid"] == "a1"
    assert page.run._told.text().startswith("Done")


def test_a_run_card_is_read_where_the_run_is(page: TrainPage, own_demo: Path, wait_until: Wait) -> None:
    make_run(own_demo, "a1", DONE)
    make_run(own_demo, "a2")
    open_page(page, own_demo, wait_until)
    wait_until(lambda: page.run.light is Light.GREEN)
    page.show_station(3)
    QTest.keyClick(page.run.card.fold, Qt.Key.Key_Space)
    wait_until(lambda: "run-a2: a training" in page.run.card.text.toPlainText())
    page.run.look_at("a1")
    wait_until(lambda: "run-a1: a training" in page.run.card.text.toPlainText())
    assert "small-gpu" in page.run.card.text.toPlainText()


def test_what_the_folder_tells_later_is_shown_later(
    page: TrainPage, own_demo: Path, wait_until: Wait
) -> None:
    folder = make_run(own_demo, "a1", alive=True)
    open_page(page, own_demo, wait_until)
    wait_until(lambda: page.run.light is Light.BUSY)
    page.show_station(3)
    moment = time.time()
    tell(folder, run_events(DONE, alive=True, at=moment), moment)
    wait_until(lambda: page.run.light is Light.GREEN)


# -- Model --------------------------------------------------------------------------------------


def test_only_a_finished_training_can_become_a_model(
    page: TrainPage, own_demo: Path, wait_until: Wait
) -> None:
    make_run(own_demo, "a1", alive=True)
    open_page(page, own_demo, wait_until)
    wait_until(lambda: page.run.light is Light.BUSY)
    assert page.road.buttons[4].accessibleName() == "5  Model: To do"
    assert page.model.training.count() == 0
    shutil.rmtree(own_demo / "training" / "a1")
    make_run(own_demo, "b1", DONE)
    page.show_changes(frozenset({"jobs"}))
    wait_until(lambda: page.model.training.currentText() == "run-b1")
    assert page.model.light is Light.AMBER
    page.show_station(4)
    click(page.model.build_button.start)
    wait_until(lambda: page.bar.isVisible())  # there is no base in that folder, and the page says so
    assert "/models/base" in page.bar.text


def test_gates_say_their_figures_and_whether_they_were_passed() -> None:
    verdict = {
        "quantization": "Q4_K_M",
        "difference": 0.0123,
        "limit": 0.25,
        "first_tokens_equal": 15,
        "probes": 16,
        "true_score": -0.21,
        "shuffled_score": -3.0,
        "faults": [],
    }
    light, said = parity_words([verdict])
    assert light is Light.GREEN
    assert "0.0123" in said
    assert "15 of 16" in said
    light, said = parity_words([verdict, verdict | {"faults": ["shuffled"]}])
    assert light is Light.RED
    assert "does not look at the pictures" in said
    assert parity_words(None)[0] is Light.OPEN
    assert clinical_words(None)[0] is Light.OPEN


def test_a_model_that_finds_fewer_malignant_lesions_is_not_ready_and_says_by_how_many() -> None:
    was = {"value": 0.9, "low": 0.8, "high": 0.96, "n": 60}
    now = {"value": 0.5, "low": 0.37, "high": 0.62, "n": 60}
    names = ("accuracy", "balanced_accuracy", "malignant_sensitivity", "refusals")
    gate = {"state": "fell", "base": dict.fromkeys(names, was), "tuned": dict.fromkeys(names, now)}
    light, said = clinical_words(gate)
    assert light is Light.RED
    assert "Malignant ones found: 0.90 (0.80 – 0.96), now 0.50 (0.37 – 0.62), n = 60." in said
    assert "Benign ones" not in said, "a model from before that was told"
    for state in ("one_class", "worse"):
        light, said = clinical_words({"state": state})
        assert light is Light.RED
        assert "not ready" in said
    assert clinical_words({"state": "few"})[0] is Light.AMBER
    assert clinical_words({"state": "passed"})[0] is Light.GREEN
    assert clinical_words({"state": "untested"})[0] is Light.OPEN
