"""The road of Train: lights by what is really there, jobs by clicks, runs found again."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from dermagui.errors import UserError
from dermagui.jobs.report import STOP_NAME
from dermagui.storage.database import Store
from dermagui.storage.jobs import list_jobs
from dermagui.storage.trainings import add_training, list_trainings
from dermagui.training import environment
from dermagui.training.hardware import Card, Hardware
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.train import desk_work
from dermagui.ui.train.desk_work import ComputerFacts
from dermagui.ui.train.gates import clinical_words, parity_words
from dermagui.ui.train.page import TrainPage
from dermagui.ui.train.settings_form import LABELS, SettingsForm
from dermagui.ui.train.words import STATES, Light

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


def _open(page: TrainPage, project: Path, wait_until: Wait) -> None:
    page.desk.open_project(project)
    wait_until(lambda: page.desk.project is not None)
    page.show_project()
    wait_until(lambda: page.desk.is_idle)


def _accept(project: Path) -> int:
    with Store(project) as store, store.writing() as conn:
        return conn.execute("UPDATE pairs SET state = 'accepted'").rowcount


def _click(widget: QWidget) -> None:
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


def _probe(n: int) -> dict[str, Any]:
    asked = [{"type": "image", "text": None}, {"type": "text", "text": f"Question {n}?"}]
    told = [{"type": "text", "text": f"Accepted {n}."}]
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": told}]
    return {"id": str(n), "images": [f"images/{n}.png"], "messages": messages}


def _run_events(*end: dict[str, Any], alive: bool, at: float) -> list[dict[str, Any]]:
    """What the trainer tells in two steps and one evaluation."""
    born = psutil.Process().create_time() if alive else 1.0
    step = {"event": "step", "total": 4, "learning_rate": 1e-3, "memory_bytes": 3_000_000_000}
    return [
        {"event": "start", "pid": os.getpid(), "process_started": born, "python": "3"},
        {"event": "imports", "backend": "plain", "reason": "no GPU", "versions": {"torch": "2.14"}},
        {"event": "ready", "trainable": 40, "total": 900, "device": "cpu", "resumed": None},
        {"event": "probes", "step": 0, "answers": [{"answer": "A bare guess.", "reference": "x"}]},
        {**step, "step": 1, "loss": 4.0, "at": at - 60},
        {**step, "step": 2, "loss": 2.0, "at": at},
        {"event": "eval", "step": 2, "loss": 2.5},
        {"event": "probes", "step": 2, "answers": [{"answer": "A better one.", "reference": "x"}]},
        {"event": "saved", "step": 2},
        *end,
    ]


def _tell(folder: Path, events: list[dict[str, Any]], at: float) -> None:
    text = "".join(json.dumps({"at": at, **event}) + "\n" for event in events)
    (folder / "events.jsonl").write_text(text, encoding="utf-8")


def _make_run(
    project: Path, uid: str, *end: dict[str, Any], alive: bool = False, at: float | None = None
) -> Path:
    """The folder and the row of a training as the job makes them."""
    moment = time.time() if at is None else at
    folder = project / "training" / uid
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", (300, 200), (200, 150, 120)).save(folder / "images" / "1.png")
    (folder / "probes.jsonl").write_text(json.dumps(_probe(1)) + "\n", encoding="utf-8")
    _tell(folder, _run_events(*end, alive=alive, at=moment), moment)
    with Store(project) as store:
        add_training(
            store,
            uid=uid,
            name=f"run-{uid}",
            dataset_uid=None,
            base="/models/base",
            recipe={"name": "small-gpu"},
            seed=0,
            simulated=True,
        )
    return folder


DONE = {"event": "done", "stopped": False, "step": 4, "total": 4, "loss": 1.0}


# -- Data ---------------------------------------------------------------------------------------


def test_without_accepted_pairs_data_is_red_and_says_where_to_go(
    page: TrainPage, own_demo: Path, wait_until: Wait
) -> None:
    _open(page, own_demo, wait_until)
    assert page.data.light is Light.RED
    assert "Review" in page.data.said
    assert not page.data.next.isVisible()
    assert not page.data._check.start.isEnabled()
    assert page.road.buttons[0].accessibleName() == "1  Data: To do"


def test_the_check_is_a_job_whose_findings_stay(page: TrainPage, own_demo: Path, wait_until: Wait) -> None:
    count = _accept(own_demo)
    _open(page, own_demo, wait_until)
    assert "rehearsed" in page.data.said  # all of them are: they count only if somebody wants that
    page.data.simulated.setFocus()
    QTest.keyClick(page.data.simulated, Qt.Key.Key_Space)
    wait_until(lambda: page.data.light is Light.OPEN)
    _click(page.data._check.start)
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


def test_a_verdict_after_the_check_makes_it_stale(page: TrainPage, own_demo: Path, wait_until: Wait) -> None:
    _accept(own_demo)
    figures = {"verdict": "an older one", "findings": []}
    with Store(own_demo) as store, store.writing() as conn:
        conn.execute(
            "INSERT INTO jobs (id, kind, parameters, state, started_at, finished_at, figures)"
            " VALUES ('1', 'train_check', ?, 'done', '2026', '2026', ?)",
            (json.dumps({"simulated": True, "split": "80/10/10"}), json.dumps(figures)),
        )
    _open(page, own_demo, wait_until)
    page.data.simulated.setChecked(True)
    wait_until(lambda: page.desk.is_idle)
    assert page.data.light is Light.OPEN


# -- Computer -----------------------------------------------------------------------------------


def test_a_computer_without_a_card_is_told_what_it_can_do(
    page: TrainPage, own_demo: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = ComputerFacts(Hardware((), 1, 1, "linux"), None, UserError("train.no_environment"))
    monkeypatch.setattr(desk_work, "computer_facts", lambda: bare)
    _open(page, own_demo, wait_until)
    assert page.computer.light is Light.RED
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
    _open(page, own_demo, wait_until)
    assert page.computer.light is Light.GREEN
    assert "570.1" in page.computer._card.text()
    assert "9.0 GB of 12.0 GB" in page.computer._card.text()
    assert "Nobody here has run these versions on a GPU yet." in page.computer._state.text()
    assert "only 9.0 GB are free: it does not fit" in page.recipe._fits["default"].text()
    assert "little to spare" in page.recipe._fits["small-gpu"].text()


def test_a_python_that_lacks_packages_is_refused(page: TrainPage, own_demo: Path, wait_until: Wait) -> None:
    _open(page, own_demo, wait_until)
    page.computer.use_python(own_demo / "no-such-python")
    wait_until(lambda: page.bar.isVisible())
    assert "no-such-python" in page.bar.text
    wait_until(lambda: page.computer.light is Light.RED)


# -- Recipe -------------------------------------------------------------------------------------


def test_a_recipe_with_terms_shows_them_before_anything(
    page: TrainPage, own_demo: Path, wait_until: Wait
) -> None:
    _open(page, own_demo, wait_until)
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
    _open(page, own_demo, wait_until)
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
    page.recipe.form.fields["rank"].setText("0")  # type: ignore[union-attr]
    page.start()
    assert "Rank" in page.bar.text
    assert page.station == 2


def test_every_setting_has_a_label_and_what_was_shown_is_what_is_read(page: TrainPage) -> None:
    for name in page.recipe.cards:
        page.recipe.choose(name)
        assert page.recipe.form.settings() == page.recipe.recipe.settings
    assert set(LABELS) == set(SettingsForm().fields)


# -- Run ----------------------------------------------------------------------------------------


def test_a_run_that_goes_on_is_found_with_its_curves_and_probes_and_is_stopped(
    page: TrainPage, own_demo: Path, wait_until: Wait
) -> None:
    folder = _make_run(own_demo, "a1", alive=True)
    _open(page, own_demo, wait_until)
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
    _make_run(own_demo, "a1", *end)
    _open(page, own_demo, wait_until)
    wait_until(lambda: page.run.light is Light.RED)
    assert word in page.run._told.text()
    assert not page.action("train.stop").isEnabled()
    assert page.action("train.resume").isEnabled()


def test_silence_is_named(page: TrainPage, own_demo: Path, wait_until: Wait) -> None:
    _make_run(own_demo, "a1", alive=True, at=time.time() - 600)
    _open(page, own_demo, wait_until)
    wait_until(lambda: page.run.light is Light.BUSY)
    assert "nothing heard for" in page.run._told.text()


def test_the_history_shows_all_and_another_one_by_key(
    page: TrainPage, own_demo: Path, wait_until: Wait
) -> None:
    _make_run(own_demo, "a1", DONE)
    _make_run(own_demo, "a2")
    _open(page, own_demo, wait_until)
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


def test_what_the_folder_tells_later_is_shown_later(
    page: TrainPage, own_demo: Path, wait_until: Wait
) -> None:
    folder = _make_run(own_demo, "a1", alive=True)
    _open(page, own_demo, wait_until)
    wait_until(lambda: page.run.light is Light.BUSY)
    page.show_station(3)
    moment = time.time()
    _tell(folder, _run_events(DONE, alive=True, at=moment), moment)
    wait_until(lambda: page.run.light is Light.GREEN)


# -- Model --------------------------------------------------------------------------------------


def test_only_a_finished_training_can_become_a_model(
    page: TrainPage, own_demo: Path, wait_until: Wait
) -> None:
    _make_run(own_demo, "a1", alive=True)
    _open(page, own_demo, wait_until)
    wait_until(lambda: page.run.light is Light.BUSY)
    assert page.road.buttons[4].accessibleName() == "5  Model: Not yet"
    assert page.model.training.count() == 0
    shutil.rmtree(own_demo / "training" / "a1")
    _make_run(own_demo, "b1", DONE)
    page.show_changes(frozenset({"jobs"}))
    wait_until(lambda: page.model.training.currentText() == "run-b1")
    assert page.model.light is Light.AMBER
    page.show_station(4)
    _click(page.model._build_button.start)
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
    assert clinical_words({"state": "few"})[0] is Light.AMBER
    assert clinical_words({"state": "passed"})[0] is Light.GREEN
    assert clinical_words({"state": "untested"})[0] is Light.OPEN


# -- the road -----------------------------------------------------------------------------------


def test_keys_go_along_the_road(page: TrainPage, own_demo: Path, wait_until: Wait) -> None:
    _open(page, own_demo, wait_until)
    QTest.keyClick(page, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    assert page.station == 1
    assert page.road.buttons[1].isChecked()
    QTest.keyClick(page, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    QTest.keyClick(page, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    assert page.station == 0
    _click(page.road.buttons[4])
    assert page.station == 4


def test_another_project_shows_none_of_the_runs_before(
    page: TrainPage, own_demo: Path, demo: Path, tmp_path: Path, wait_until: Wait
) -> None:
    _make_run(own_demo, "a1", DONE)
    other = Path(shutil.copytree(demo, tmp_path / "Other"))
    _open(page, own_demo, wait_until)
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
