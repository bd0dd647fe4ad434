"""The page Generate by hand and key: looking ahead, rehearsing, terms, five and the rest, budget, unknown."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel

from dermagui import paths, settings
from dermagui.chat.bundle import add_model
from dermagui.jobs.report import Report
from dermagui.library import scan
from dermagui.project import create_project
from dermagui.records import RequestState
from dermagui.storage import pairs, people, requests
from dermagui.storage.database import Store
from dermagui.storage.filters import Filter, save_filter
from dermagui.ui.desk import Desk
from dermagui.ui.generate.cards import AnswerCard
from dermagui.ui.generate.page import GeneratePage
from dermagui.ui.jobs import Jobs
from tests.fakes.referee import Referee
from tests.fakes.tiny_models import llama_pair

Wait = Callable[[Callable[[], object]], None]


class Quiet:
    """Hears how a model is added, and says nothing."""

    def progress(self, progress: object) -> None:
        """Passed over."""

    def warn(self, code: str, **values: object) -> None:
        """Passed over."""

    def stop_if_asked(self) -> None:
        """Goes on."""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A project with five pictures that may leave."""
    (tmp_path / "pictures").mkdir()
    for number in range(5):
        picture = Image.effect_noise((60, 40), 40 + number).convert("RGB")
        picture.save(tmp_path / "pictures" / f"{number}.png")
    create_project(tmp_path / "study")
    with Store(tmp_path / "study") as store:
        (store.folder / "jobs" / "test").mkdir(parents=True)
        report = Report(store.folder / "jobs" / "test")
        scan.run(store, scan.parameters_for(tmp_path / "pictures", may_leave=True), report)
        report.close()
    return tmp_path / "study"


@pytest.fixture
def page(desk: Desk, jobs: Jobs, application: QApplication) -> Iterator[GeneratePage]:
    """The page, in sight, without a project."""
    made = GeneratePage(desk, jobs)
    desk.project_changed.connect(made.show_project)
    desk.rows_changed.connect(made.show_changes)
    made.resize(1200, 700)
    made.show()
    made.activateWindow()
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture
def opened(page: GeneratePage, desk: Desk, study: Path, wait_until: Wait) -> GeneratePage:
    """The page with the project open and its outlook known."""
    desk.open_project(study)
    wait_until(lambda: page._outlook)
    return page


@pytest.fixture
def referee(monkeypatch: pytest.MonkeyPatch) -> Iterator[Referee]:
    """A service on this computer that the settings point at, and a key for it."""
    monkeypatch.setenv("GEMINI_API_KEY", "AIza-a-key-of-no-use-123456789")
    with Referee() as running:
        settings.set_value("gemini.base_url", running.url)
        settings.set_value("person.name", "Ada")
        yield running


def press(page: GeneratePage, id_: str) -> None:
    QTest.mouseClick(page.buttons[id_], Qt.MouseButton.LeftButton)


def is_ready(page: GeneratePage) -> Callable[[], bool]:
    """Whether something can be started, as the form stands now."""
    ids = ("generate.start", "generate.five")
    return lambda: any(page.action(id_).isEnabled() for id_ in ids)


def choose_gemini(page: GeneratePage, wait_until: Wait) -> None:
    page.form.provider.setFocus()
    QTest.keyClick(page.form.provider, Qt.Key.Key_Down)
    assert page.form.provider.currentData() == "gemini"
    wait_until(lambda: page._plan is not None and page._plan.leaves and page._outlook is not None)


def accept_terms(study: Path) -> None:
    from dermagui.generation.run import TERMS_NAME, terms

    with Store(study) as store:
        found = terms()
        people.accept_terms(store, people.person(store, "Ada"), TERMS_NAME, found.terms_date, found.sha256)


def texts_of(page: GeneratePage) -> str:
    return "\n".join(label.text() for label in page.findChildren(QLabel) if label.isVisible())


def test_what_would_be_sent_is_shown_before_anything_is(opened: GeneratePage, wait_until: Wait) -> None:
    wait_until(lambda: "What the model is told" in texts_of(opened))
    assert "60 × 40 pixels" in texts_of(opened)
    assert "10 requests" in opened._line.text()


def test_a_rehearsal_makes_pairs(opened: GeneratePage, study: Path, wait_until: Wait) -> None:
    wait_until(is_ready(opened))
    press(opened, "generate.start")
    wait_until(lambda: opened.run.is_over and opened._job is None and "10 rehearsed" in texts_of(opened))
    assert "Rehearsal · Done" in texts_of(opened)
    assert "Nothing was sent and nothing was paid." in texts_of(opened)
    cards = opened.run.cards.findChildren(AnswerCard)
    assert len(cards) == 10
    wait_until(lambda: not any(card.wants_picture for card in cards))
    assert "$" not in texts_of(opened)
    with Store(study) as store:
        made = [pair for _, pair in pairs.page_of_pairs(store)]
    assert len(made) == 10
    assert all(pair.simulated for pair in made)
    wanted: list[str] = []
    opened.wants.connect(wanted.append)
    QTest.mouseClick(opened.run.review, Qt.MouseButton.LeftButton)
    assert wanted == ["review"]
    wait_until(lambda: "Nothing is left to send" in opened._obstacle.text())
    assert not opened.action("generate.start").isEnabled()


def test_the_form_decides_what_is_asked(opened: GeneratePage, wait_until: Wait) -> None:
    opened.form.limit.setFocus()
    opened.form.limit.selectAll()
    QTest.keyClicks(opened.form.limit, "3")
    QTest.keyClick(opened.form.limit, Qt.Key.Key_Tab)
    wait_until(lambda: "3 requests" in opened._line.text())
    assert "must not repeat it" in opened.form.meaning.text()
    opened.form.metadata.setFocus()
    QTest.keyClick(opened.form.metadata, Qt.Key.Key_End)
    assert "nothing else" in opened.form.meaning.text()


def test_a_rehearsal_asks_for_nothing_that_only_a_service_needs(
    opened: GeneratePage, wait_until: Wait
) -> None:
    of_service = (opened.form.model, opened.form.tier, opened.form.speed, opened.form.budget)
    wait_until(lambda: "A rehearsal sends nothing." in texts_of(opened))
    assert not any(widget.isVisible() for widget in of_service)
    choose_gemini(opened, wait_until)
    assert all(widget.isVisible() for widget in of_service)
    assert "A rehearsal sends nothing." not in texts_of(opened)


def test_a_reached_limit_is_named_as_the_cause(opened: GeneratePage, wait_until: Wait) -> None:
    opened.form.limit.setValue(2)
    wait_until(lambda: opened._line.text().startswith("2 requests") and is_ready(opened)())
    press(opened, "generate.start")
    wait_until(lambda: "“Requests at most” allows 2 requests" in opened._obstacle.text())
    opened.form.limit.setValue(0)
    wait_until(lambda: opened._line.text().startswith("8 requests"))


def test_a_saved_filter_chooses_the_images(
    page: GeneratePage, desk: Desk, study: Path, wait_until: Wait
) -> None:
    with Store(study) as store:
        save_filter(store, "the first", Filter(text="0.png"))
    desk.open_project(study)
    wait_until(lambda: page.form.images.count() == 3 and page._outlook)
    page.form.images.setFocus()
    QTest.keyClick(page.form.images, Qt.Key.Key_End)
    assert page.form.images.currentText() == "the first"
    wait_until(lambda: page._line.text().startswith("2 requests"))
    wait_until(is_ready(page))
    with Store(study) as store:
        save_filter(store, "the first", None)
    page.show_changes(frozenset({"sources"}))
    wait_until(lambda: page.form.images.currentText() == "All images")
    wait_until(lambda: page._line.text().startswith("10 requests"))


def test_terms_come_before_the_first_image(
    opened: GeneratePage, study: Path, referee: Referee, wait_until: Wait
) -> None:
    opened.show_project()
    wait_until(lambda: opened.form._plans["gemini"].base_url == referee.url)
    choose_gemini(opened, wait_until)
    wait_until(is_ready(opened))
    press(opened, "generate.five")
    wait_until(lambda: opened._whole.currentWidget() is opened.terms)
    assert opened.terms.name.text() == "Ada"
    assert not opened.terms.accept.isEnabled()
    assert referee.posts == []
    QTest.mouseClick(opened.terms.read, Qt.MouseButton.LeftButton)
    opened.terms.read.setChecked(True)
    QTest.mouseClick(opened.terms.accept, Qt.MouseButton.LeftButton)
    wait_until(lambda: opened._whole.currentIndex() == 0 and opened._outlook and not opened._outlook.obstacle)
    with Store(study) as store:
        assert store.value("SELECT name FROM acceptances JOIN people ON people.uid = person_uid") == "Ada"


def test_five_are_looked_at_before_the_rest_is_sent(
    page: GeneratePage, desk: Desk, study: Path, referee: Referee, wait_until: Wait
) -> None:
    accept_terms(study)
    desk.open_project(study)
    wait_until(lambda: page._outlook)
    choose_gemini(page, wait_until)
    wait_until(is_ready(page))
    assert not page.action("generate.start").isEnabled()
    press(page, "generate.five")
    wait_until(lambda: page._job is None and page.run.is_over and page.action("generate.start").isEnabled())
    assert len(referee.posts) == 5
    assert page.buttons["generate.start"].text() == "Send the rest"
    said = [label.text() for label in page.run.cards.findChildren(QLabel)]
    assert sum(text.startswith("$") and text.endswith(" paid") for text in said) == 5
    press(page, "generate.start")
    wait_until(lambda: page._job is None and len(referee.posts) == 10)
    with Store(study) as store:
        assert requests.count_requests(store) == {RequestState.ANSWERED: 10}


def test_without_a_key_nothing_is_sent_and_the_way_is_shown(
    page: GeneratePage,
    desk: Desk,
    study: Path,
    referee: Referee,
    monkeypatch: pytest.MonkeyPatch,
    wait_until: Wait,
) -> None:
    monkeypatch.delenv("GEMINI_API_KEY")
    accept_terms(study)
    desk.open_project(study)
    wait_until(lambda: page._outlook)
    choose_gemini(page, wait_until)
    wait_until(is_ready(page))
    led: list[str] = []
    page.wants.connect(led.append)
    press(page, "generate.five")
    wait_until(lambda: "no Gemini key" in page.bar.text)
    QTest.mouseClick(page.bar._button, Qt.MouseButton.LeftButton)
    assert (led, referee.posts) == (["settings"], [])


def test_a_free_key_needs_a_second_yes(
    page: GeneratePage, desk: Desk, study: Path, referee: Referee, wait_until: Wait
) -> None:
    accept_terms(study)
    settings.set_value("gemini.key_tier", "free")
    desk.open_project(study)
    wait_until(lambda: page._outlook)
    choose_gemini(page, wait_until)
    wait_until(lambda: "free tier" in page._obstacle.text())
    assert not is_ready(page)()
    assert page.form.free_yes.isVisible()
    page.form.free_yes.setFocus()
    QTest.keyClick(page.form.free_yes, Qt.Key.Key_Space)
    wait_until(is_ready(page))


def test_what_may_have_been_paid_is_asked_about(
    page: GeneratePage, desk: Desk, study: Path, referee: Referee, wait_until: Wait
) -> None:
    """The job's process is killed while requests are under way; the user then says to send them again."""
    accept_terms(study)
    desk.open_project(study)
    wait_until(lambda: page._outlook)
    choose_gemini(page, wait_until)
    wait_until(is_ready(page))
    referee.hold()
    press(page, "generate.five")
    wait_until(lambda: referee.in_flight == 5 and page._job in page.jobs.running)
    followed = page.jobs.running[str(page._job)]
    wait_until(lambda: psutil.Process(_pid(study, followed.row["id"])).pid)
    os.kill(_pid(study, followed.row["id"]), signal.SIGKILL)
    referee.release()
    wait_until(lambda: page.run.is_over)
    wait_until(lambda: "may have been billed" in page.bar.text)
    with Store(study) as store:
        assert requests.open_unknown(store)[0] == 5
    QTest.mouseClick(page.bar._button, Qt.MouseButton.LeftButton)
    wait_until(lambda: page._outlook is not None and page._outlook.left == 10)
    wait_until(is_ready(page))
    press(page, "generate.five")
    wait_until(lambda: len(referee.posts) == 10)
    wait_until(lambda: page._job is None and page.run.is_over)
    with Store(study) as store:
        assert requests.open_unknown(store)[0] == 0


def _pid(study: Path, job_id: str) -> int:
    with Store(study, read_only=True) as store:
        return int(store.value("SELECT pid FROM jobs WHERE id = ?", (job_id,)))


def test_a_reached_budget_ends_the_run_and_is_said(
    page: GeneratePage, desk: Desk, study: Path, referee: Referee, wait_until: Wait
) -> None:
    accept_terms(study)
    desk.open_project(study)
    wait_until(lambda: page._outlook)
    choose_gemini(page, wait_until)
    page.form.budget.setValue(0.01)
    wait_until(is_ready(page))
    press(page, "generate.five")
    wait_until(lambda: page.action("generate.start").isEnabled())
    press(page, "generate.start")
    wait_until(lambda: page._job is None and page.run.is_over and "budget" in page.bar.text)
    assert "larger budget" in page.bar.text
    with Store(study) as store:
        assert requests.money_micro_usd(store)["spent"] <= 10_000


def test_a_model_on_this_computer_answers_and_nothing_leaves(
    page: GeneratePage, desk: Desk, study: Path, tmp_path: Path, wait_until: Wait
) -> None:
    pair = llama_pair(tmp_path)
    add_model(pair.model, pair.projector, "tiny", Quiet())
    with Store(study) as store, store.writing() as conn:
        conn.execute("UPDATE sources SET may_leave = 0")
    desk.open_project(study)
    wait_until(lambda: page.form.provider.findData("local:tiny") >= 0)
    page.form.provider.setFocus()
    for _ in range(2):
        QTest.keyClick(page.form.provider, Qt.Key.Key_Down)
    assert page.form.provider.currentText() == "On this computer: tiny"
    page.form.limit.setValue(1)
    page.form.minutes.setValue(30)
    wait_until(is_ready(page))
    assert page._line.text() == (
        "1 request, answered on this computer: nothing leaves it and nothing is paid, stops after 30 min."
    )
    assert not page.form.budget.isVisible()
    assert not page.buttons["generate.terms"].isVisible()
    press(page, "generate.start")
    wait_until(lambda: page._job is None and "Nothing left this computer" in texts_of(page))
    wait_until(lambda: page.run.is_over)
    with Store(study, read_only=True) as store:
        assert store.value("SELECT provider FROM runs") == "local"
        assert store.value("SELECT count(*) FROM requests") >= 1


def test_what_the_policy_fixes_cannot_be_changed_here(
    page: GeneratePage,
    desk: Desk,
    study: Path,
    tmp_path: Path,
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[gemini]\nkey_tier = "paid"\n[generation]\nquestions = 3\n')
    monkeypatch.setattr(paths, "policy_file", lambda: policy)
    desk.open_project(study)
    wait_until(lambda: page._outlook)
    choose_gemini(page, wait_until)
    assert (page.form.questions.value(), page.form.questions.isEnabled()) == (3, False)
    assert (page.form.tier.currentData(), page.form.tier.isEnabled()) == ("paid", False)
    assert page.form.model.isEnabled()
    assert page.form.policy.isVisible()
    assert str(policy) in page.form.policy.text()
