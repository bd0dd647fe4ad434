"""A real training through the page: a tiny base, a step to try, a run by clicks, its story and its row."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QLineEdit

from dermagui.storage.database import Store
from dermagui.storage.trainings import list_trainings
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.train.page import TrainPage
from dermagui.ui.train.words import Light
from tests.training.conftest import SETTINGS
from tests.training.conftest import python as python
from tests.training.conftest import ready as ready
from tests.training.conftest import spots as spots
from tests.training.conftest import tiny_base as tiny_base
from tests.training.conftest import training_home as training_home

pytestmark = pytest.mark.slow

Wait = Callable[[Callable[[], object]], None]


@pytest.fixture
def page(desk: Desk, jobs: Jobs, application: QApplication) -> Iterator[TrainPage]:
    """The page in view, without a project."""
    made = TrainPage(desk, jobs)
    made.resize(1100, 760)
    made.show()
    made.activateWindow()
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture
def patiently(application: QApplication) -> Wait:
    """Lets events happen until something is true; torch alone may take minutes to load here."""

    def wait(is_true: Callable[[], object]) -> None:
        end = time.monotonic() + 600
        while not is_true():
            assert time.monotonic() < end, "waited in vain"
            application.processEvents()
            time.sleep(0.02)

    return wait


def _fill_in(page: TrainPage, base: Path) -> None:
    """What somebody types: the base, and settings for so small a model; twelve steps."""
    QTest.keyClicks(page.recipe.base, str(base))
    settings = SETTINGS | {"epochs": 3.0, "probes": 2, "save_steps": 4, "most_pairs": 32}
    for name, field in page.recipe.form.fields.items():
        if isinstance(field, QCheckBox):
            field.setChecked(bool(settings[name]))
        elif isinstance(field, QComboBox):
            field.setCurrentIndex(field.findData(settings[name]))
        elif isinstance(field, QLineEdit):
            field.setText(str(settings[name]))


def test_a_tiny_model_is_tuned_by_clicks(
    page: TrainPage,
    spots: Path,
    tiny_base: Path,
    ready: Path,
    patiently: Wait,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    page.desk.open_project(spots)
    patiently(lambda: page.desk.project is not None)
    page.show_project()
    patiently(lambda: page.computer.light is Light.AMBER)  # ready, for tiny models only
    page.show_station(2)
    _fill_in(page, tiny_base)
    patiently(lambda: "it can become a model" in page.recipe._base_said.text())
    QTest.keyClicks(page.recipe.name, "by-clicks")
    page.action("train.one_step").trigger()
    patiently(lambda: page.bar.isVisible())
    assert "One step worked" in page.bar.text
    page.show_station(3)
    QTest.mouseClick(page.run.begin.start, Qt.MouseButton.LeftButton)
    patiently(lambda: page.run.light is Light.BUSY)
    patiently(lambda: page.run.light is Light.GREEN and not page.jobs.running)
    patiently(lambda: page.desk.is_idle)
    with Store(spots) as store:
        (row,) = list_trainings(store)
    assert (row["name"], row["outcome"]) == ("by-clicks", "done")
    run = page.run.chosen
    assert run is not None
    assert run.view.step == run.view.total == row["figures"]["steps"]
    assert run.view.steps[run.view.step]["loss"] < run.view.steps[1]["loss"]
    assert page.run.loss.values.startswith(f"step {run.view.step}, ")
    patiently(lambda: page.run.probes._rows[0]._tuned.text() not in ("", "not asked yet"))
    assert page.model.training.currentText() == "by-clicks"
