"""Export from the page: what was accepted becomes a dataset; what cannot be done is said in the page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QColor, QDesktopServices, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from dermagui import settings
from dermagui.records import Flag, FlagKind, PairState, VerdictKind, VerdictMethod
from dermagui.review.verdicts import decide
from dermagui.storage import pairs, people
from dermagui.storage.database import Store
from dermagui.storage.queues import QueueFilter
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.review.export_sheet import ExportSheet, export_words
from dermagui.ui.review.page import ReviewPage
from tests.fakes.projects import add_images, new_store, open_pair

Wait = Callable[[Callable[[], object]], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with two pairs, one of them accepted."""
    (tmp_path / "pictures").mkdir()
    image = QImage(60, 40, QImage.Format.Format_RGB32)
    image.fill(QColor("tan"))
    assert image.save(str(tmp_path / "pictures" / "000000.png"))
    with new_store(tmp_path / "study") as store:
        (image_id,) = add_images(store, 1, root=tmp_path / "pictures")
        # What a scan would have found, so that the picture is the one that the project knows.
        content = (tmp_path / "pictures" / "000000.png").read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        with store.writing() as conn:
            conn.execute("UPDATE files SET sha256 = ?", (sha256,))
            conn.execute("UPDATE images SET sha256 = ?", (sha256,))
        made = [open_pair(image_id, f"A brown macule, number {n}.") for n in range(2)]
        pairs.add_pairs(store, made)
        ada = people.person(store, "Ada")
        decide(store, ada, [made[0].uid], VerdictKind.ACCEPT, method=VerdictMethod.READ)
    return tmp_path / "study"


@pytest.fixture
def page(
    desk: Desk, jobs: Jobs, folder: Path, wait_until: Wait, application: QApplication
) -> Iterator[ReviewPage]:
    """The page with the pair that is left to decide."""
    settings.set_value("person.name", "Ada")
    made = ReviewPage(desk, jobs)
    desk.project_changed.connect(made.show_project)
    made.show()
    made.activateWindow()
    assert QTest.qWaitForWindowActive(made)
    desk.open_project(folder)
    wait_until(lambda: made.walk.reading)
    yield made
    wait_until(lambda: not jobs.running)
    made.close()
    made.deleteLater()


def _sheet(page: ReviewPage) -> ExportSheet:
    QTest.keyClick(page.focusWidget() or page, Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier)
    sheets = [sheet for sheet in page.findChildren(ExportSheet) if sheet.isVisible()]
    assert len(sheets) == 1
    return sheets[0]


def test_what_was_accepted_is_written_and_the_folder_shown(
    page: ReviewPage, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    sheet, out = _sheet(page), tmp_path / "a dataset"
    sheet.out.setText(str(out))
    sheet.split.setText("100/0/0")
    QTest.keyClick(sheet.split, Qt.Key.Key_Return)
    wait_until(lambda: "Written" in page.parts.bar.text)
    assert page.parts.bar.text == (
        f"Written to {out}. Pairs: 1, of them 1 to train, 0 to validate, 0 to test. Pictures: 1."
    )
    (line,) = (out / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert "number 0" in json.dumps(json.loads(line))
    QTest.mouseClick(page.parts.bar._button, Qt.MouseButton.LeftButton)
    assert opened == [QUrl.fromLocalFile(str(out))]


def test_what_is_refused_keeps_the_sheet_with_what_was_typed(
    page: ReviewPage, tmp_path: Path, wait_until: Wait
) -> None:
    out = tmp_path / "full"
    out.mkdir()
    (out / "thesis.txt").write_text("mine", encoding="utf-8")
    sheet = _sheet(page)
    sheet.out.setText(str(out))
    sheet.split.setText("100/0/0")
    QTest.keyClick(sheet.out, Qt.Key.Key_Return)
    wait_until(lambda: "not empty" in sheet.problem.text)
    assert (sheet.out.text(), sheet.split.text()) == (str(out), "100/0/0")
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]
    sheet.out.setText(str(tmp_path / "free"))
    QTest.keyClick(sheet.out, Qt.Key.Key_Return)
    wait_until(lambda: "Pairs: 1," in page.parts.bar.text)
    assert not any(sheet.isVisible() for sheet in page.findChildren(ExportSheet))


def test_a_job_that_fails_can_be_asked_for_again_as_it_was(
    page: ReviewPage, tmp_path: Path, wait_until: Wait
) -> None:
    sheet = _sheet(page)
    sheet.out.setText(str(tmp_path / "dataset"))
    sheet.split.setText("50/25/25")
    sheet.format.setCurrentIndex(sheet.format.findData("dermasynth"))
    for picture in (tmp_path / "pictures").iterdir():
        picture.unlink()
    QTest.keyClick(sheet.out, Qt.Key.Key_Return)
    wait_until(lambda: "nothing to export" in page.parts.bar.text)
    QTest.mouseClick(page.parts.bar._button, Qt.MouseButton.LeftButton)
    (again,) = [sheet for sheet in page.findChildren(ExportSheet) if sheet.isVisible()]
    assert (again.out.text(), again.split.text()) == (str(tmp_path / "dataset"), "50/25/25")
    assert again.format.currentData() == "dermasynth"
    QTest.keyClick(again, Qt.Key.Key_Escape)


def _add(folder: Path, *changes: dict[str, object]) -> list[str]:
    """Adds accepted pairs to a project that is open elsewhere; their uids."""
    with Store(folder) as store:
        made = [open_pair(1, "A lesion.", state=PairState.ACCEPTED, **changed) for changed in changes]
        pairs.add_pairs(store, made)
    return [pair.uid for pair in made]


def test_the_sheet_says_beforehand_what_will_be_written(
    page: ReviewPage, folder: Path, tmp_path: Path, wait_until: Wait
) -> None:
    flags = (Flag(FlagKind.LEAK, "melanoma", "diagnosis"),)
    _add(folder, {"flags": flags}, {"simulated": True}, {"simulated": True, "flags": flags})
    sheet, out = _sheet(page), tmp_path / "dataset"
    wait_until(lambda: sheet.count.text() == "Pairs to write: 2 (1 flagged by a check)")
    sheet.simulated.click()
    assert sheet.count.text() == "Pairs to write: 4 (2 from a rehearsal, 2 flagged by a check)"
    sheet.unflagged.click()
    assert sheet.count.text() == "Pairs to write: 2 (1 from a rehearsal)"
    sheet.out.setText(str(out))
    QTest.keyClick(sheet.out, Qt.Key.Key_Return)
    wait_until(lambda: "Pairs: 2," in page.parts.bar.text)
    counts = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["counts"]
    assert (counts["pairs"], counts["simulated"], counts["flagged"]) == (2, 1, 0)


def test_the_flagged_ones_are_one_click_away(page: ReviewPage, folder: Path, wait_until: Wait) -> None:
    (uid,) = _add(folder, {"flags": (Flag(FlagKind.LEAK, "melanoma", "diagnosis"),)})
    sheet = _sheet(page)
    wait_until(sheet.look.isEnabled)
    QTest.mouseClick(sheet.look, Qt.MouseButton.LeftButton)
    wait_until(lambda: page.walk.reading and page.walk.reading.pair.uid == uid)
    assert not any(sheet.isVisible() for sheet in page.findChildren(ExportSheet))
    assert page.parts.strip.wanted == QueueFilter(state=PairState.ACCEPTED, flagged=True)


def test_a_preference_is_made_of_an_edit_or_a_choice(page: ReviewPage, wait_until: Wait) -> None:
    sheet = _sheet(page)
    wait_until(lambda: sheet.count.text() == "Pairs to write: 1")
    sheet.format.setCurrentIndex(sheet.format.findData("preference"))
    assert sheet.count.text() == "Pairs to write: 0"
    assert not sheet._export.isEnabled()
    QTest.keyClick(sheet, Qt.Key.Key_Escape)


@pytest.mark.parametrize("split", ["", "80/20", "half/half/none", "90/20/10"])
def test_shares_that_make_no_sense_keep_the_sheet_open(
    page: ReviewPage, split: str, wait_until: Wait
) -> None:
    sheet = _sheet(page)
    sheet.split.setText(split)
    QTest.keyClick(sheet.split, Qt.Key.Key_Return)
    wait_until(sheet.problem.isVisible)
    assert sheet.isVisible()
    assert sheet.split.hasFocus()
    assert page.jobs.running == {}
    QTest.keyClick(sheet, Qt.Key.Key_Escape)


def test_an_export_without_anything_to_train_on_says_so(tmp_path: Path) -> None:
    figures = {"pairs": 2, "images": 2, "train": 0, "validation": 2, "test": 0}
    assert "Nothing is there to train on" in export_words(figures, tmp_path)
    assert "Nothing is there" not in export_words(figures | {"train": 1, "validation": 1}, tmp_path)
