"""The page Library by hand and key: find, add, describe; the database is read afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QSplitter, QWidget

from dermagui.jobs.report import Report
from dermagui.library import scan
from dermagui.library.scan import parameters_for
from dermagui.project import create_project
from dermagui.records import FileState, Flag, FlagKind, Origin
from dermagui.storage import pairs
from dermagui.storage.database import Store
from dermagui.storage.filters import Filter, PairFilter, save_filter, saved_filters
from dermagui.storage.images import mark_files
from dermagui.storage.metadata import FileStatements, Statement, save_statements
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.library.page import LibraryPage
from dermagui.ui.window import Window
from tests.fakes.projects import add_images, add_many_pairs, new_store, open_pair

Wait = Callable[[Callable[[], object]], None]


@pytest.fixture
def page(desk: Desk, jobs: Jobs, application: QApplication) -> Iterator[LibraryPage]:
    """The page, in sight, without a project."""
    made = LibraryPage(desk, jobs)
    desk.project_changed.connect(made.show_project)
    desk.rows_changed.connect(made.show_changes)
    window = QSplitter()
    window.addWidget(made)
    window.addWidget(made.detail)
    window.resize(1300, 700)
    window.show()
    window.activateWindow()
    yield made
    window.close()
    window.deleteLater()


@pytest.fixture
def study(page: LibraryPage, desk: Desk, tmp_path: Path, wait_until: Wait) -> Path:
    """Ten images, of which the first three have pairs; one is missing; two have a diagnosis. Open."""
    folder = tmp_path / "study"
    with new_store(folder) as store:
        ids = add_images(store, 10)
        add_many_pairs(store, ids[:3], 3)
        mark_files(store, [10], FileState.MISSING)
        said = [
            FileStatements(1, (Statement("diagnosis", "melanoma"),)),
            FileStatements(4, (Statement("diagnosis", "melanoma"), Statement("note", "R&D"))),
        ]
        save_statements(store, 1, said, Origin.FILE, "t.csv")
        save_filter(store, "To do", Filter(pairs=PairFilter.NONE))
    desk.open_project(folder)
    wait_until(lambda: len(page.model.numbers) == 10 and page.shelf.tree.topLevelItemCount() == 5)
    return folder


def _click_chip(page: LibraryPage, text: str) -> None:
    buttons = page.filter_bar.findChildren(QPushButton)
    [chip] = [button for button in buttons if button.isVisible() and button.text() == text]
    QTest.mouseClick(chip, Qt.MouseButton.LeftButton)


def _choose_in_menu(page: LibraryPage, *texts: str, wait_until: Wait) -> None:
    """Opens the menu of conditions and goes down it, by the titles of its lines."""
    menu = page.filter_bar._menu
    menu.popup(QPoint(0, 0))
    for n, text in enumerate(texts):
        wait_until(lambda menu=menu, text=text: [a for a in menu.actions() if a.text() == text])
        [action] = [action for action in menu.actions() if action.text() == text]
        if n + 1 < len(texts):
            menu = action.menu()
        else:
            action.trigger()
    page.filter_bar._menu.close()


# -- finding --------------------------------------------------------------------------------------


def test_a_project_without_pictures_says_what_to_do(
    page: LibraryPage, desk: Desk, tmp_path: Path, wait_until: Wait
) -> None:
    create_project(tmp_path / "new")
    listed: list[int] = []
    page.model.listed.connect(lambda: listed.append(1))
    desk.open_project(tmp_path / "new")
    wait_until(lambda: desk.project and listed)
    assert page.empty.button.isVisible()
    assert page.empty.button.text() == "Add a folder…"


def test_typing_finds_by_name(page: LibraryPage, study: Path, wait_until: Wait) -> None:
    page.focus_search()
    QTest.keyClicks(page.filter_bar.search, "00000")
    QTest.keyClick(page.filter_bar.search, Qt.Key.Key_7)
    wait_until(lambda: len(page.model.numbers) == 1)
    page.filter_bar.search.clear()
    QTest.keyClick(page.filter_bar.search, Qt.Key.Key_Return)
    wait_until(lambda: len(page.model.numbers) == 10)


def test_conditions_add_up_to_a_sentence_and_go_one_by_one(
    page: LibraryPage, study: Path, wait_until: Wait
) -> None:
    _choose_in_menu(page, "Pairs", "has no pairs", wait_until=wait_until)
    wait_until(lambda: len(page.model.numbers) == 7)
    _choose_in_menu(page, "File", "is missing on the disk", wait_until=wait_until)
    wait_until(lambda: len(page.model.numbers) == 1)
    assert page.filter_bar.sentence == "has no pairs · is missing on the disk"
    _click_chip(page, "has no pairs")
    wait_until(lambda: page.model.filter == Filter(state=FileState.MISSING))
    page.show_all()
    wait_until(lambda: len(page.model.numbers) == 10)
    assert page.filter_bar.sentence == ""


def test_a_value_is_chosen_from_those_that_are_said(
    page: LibraryPage, study: Path, wait_until: Wait, application: QApplication
) -> None:
    _choose_in_menu(page, "note…", wait_until=wait_until)
    wait_until(lambda: application.activePopupWidget())
    menu = application.activePopupWidget()
    assert [action.text() for action in menu.actions()] == ["note is R&&D   1", "", "note is not stated"]  # type: ignore[union-attr]
    menu.actions()[0].trigger()  # type: ignore[union-attr]
    menu.close()  # type: ignore[union-attr]
    wait_until(lambda: len(page.model.numbers) == 1)
    assert page.filter_bar.sentence == "note is R&D"


def test_a_filter_that_finds_nothing_leaves_the_way_back(
    page: LibraryPage, study: Path, wait_until: Wait
) -> None:
    page.show_filter(Filter(text="nothing is called so"))
    wait_until(lambda: not page.model.numbers)
    assert page.filter_bar.isVisible()
    assert "0 images" in page.tools.count.text()


def test_filters_are_saved_in_the_project_and_counted(
    page: LibraryPage, study: Path, wait_until: Wait
) -> None:
    page.show_filter(Filter(fields=(("diagnosis", "melanoma"),)))
    page.save_filter()
    QTest.keyClicks(page.filter_bar._name, "Melanomas")
    QTest.keyClick(page.filter_bar._name, Qt.Key.Key_Return)
    wait_until(lambda: page.shelf.tree.topLevelItemCount() == 6)
    rows = [page.shelf.tree.topLevelItem(n) for n in range(6)]
    assert [(row.text(0), row.text(1)) for row in rows if row] == [
        ("All images", "10"),
        ("Sources", ""),
        ("pictures", "10"),
        ("Saved filters", ""),
        ("Melanomas", "2"),
        ("To do", "7"),
    ]
    with Store(study, read_only=True) as store:
        assert saved_filters(store)["Melanomas"] == Filter(fields=(("diagnosis", "melanoma"),))
    assert rows[4] is page.shelf.tree.currentItem()
    page.shelf._on_remove_clicked()
    wait_until(lambda: page.shelf.tree.topLevelItemCount() == 5)
    with Store(study, read_only=True) as store:
        assert list(saved_filters(store)) == ["To do"]


def test_the_left_side_is_used_by_keys(page: LibraryPage, study: Path, wait_until: Wait) -> None:
    page.shelf.tree.setFocus()
    QTest.keyClick(page.shelf.tree, Qt.Key.Key_End)
    wait_until(lambda: len(page.model.numbers) == 7)
    QTest.keyClick(page.shelf.tree, Qt.Key.Key_Home)
    wait_until(lambda: len(page.model.numbers) == 10)


def test_another_project_shows_nothing_of_the_first(
    page: LibraryPage, study: Path, desk: Desk, wait_until: Wait
) -> None:
    page.show_filter(Filter(source_id=1))
    desk.close_project()
    assert (page.model.numbers, page.filter_bar.sentence, page.tools.count.text()) == ([], "", "")
    assert page.shelf.tree.topLevelItemCount() == 1


# -- one image ------------------------------------------------------------------------------------


@pytest.fixture
def pictures(page: LibraryPage, desk: Desk, clinic: Path, tmp_path: Path, wait_until: Wait) -> Path:
    """A project with the three pictures of the folder, scanned, each with a pair. Open."""
    folder = tmp_path / "study"
    with new_store(folder) as store:
        parameters = parameters_for(
            clinic,
            licence="CC-BY-4.0",
            metadata=os.fsencode(clinic / "about.csv").hex(),
            map=["diagnosis=x7"],
        )
        report = Report(store.folder / "jobs")
        scan.run(store, parameters, report)
        report.close()
        flag = Flag(FlagKind.LEAK, "melanoma", "diagnosis")
        pairs.add_pairs(store, [open_pair(n, "A <b>brown</b> macule.", flags=(flag,)) for n in (1, 2, 3)])
    desk.open_project(folder)
    wait_until(lambda: len(page.model.numbers) == 3 and page._shelves.sources)
    return folder


def _select(page: LibraryPage, *rows: int) -> None:
    numbers = [page.model.numbers[row] for row in rows]
    page.view.select_numbers(numbers, numbers[-1])


def test_the_detail_shows_the_picture_and_who_said_what(
    page: LibraryPage, pictures: Path, wait_until: Wait
) -> None:
    _select(page, 1)
    wait_until(lambda: page._detail.picture.has_image)
    assert page._detail.picture._levels[0].size().toTuple() == (41, 30)
    said = page._detail.words.toPlainText()
    assert page._detail._name.text() == "1.png"
    for words in (
        "Diagnosis",
        "melanoma",
        "file about.csv",
        "To decide",
        "Flagged: Repeats the hidden diagnosis: melanoma",
        "Answer: A <b>brown</b> macule.",
        "in clinic: ",
        "None was found beside the pixels.",
    ):
        assert words in said, said


def test_the_detail_follows_the_cursor_and_not_what_came_late(
    page: LibraryPage, pictures: Path, wait_until: Wait
) -> None:
    for row in (0, 1, 2, 0, 2):
        _select(page, row)
    wait_until(lambda: page._detail.picture.has_image and page.desk.is_idle)
    assert page._detail.picture._levels[0].width() == 42
    assert page._detail._name.text() == "2.png"


def test_a_picture_that_is_gone_says_so(
    page: LibraryPage, pictures: Path, clinic: Path, wait_until: Wait
) -> None:
    (clinic / "0.png").unlink()
    _select(page, 0)
    wait_until(lambda: page._detail.picture._text)
    assert not page._detail.picture.has_image
    assert "melanoma" not in page._detail.words.toPlainText().partition("Pairs")[0]


def test_compared_pictures_zoom_together_until_unlinked(
    page: LibraryPage, pictures: Path, wait_until: Wait
) -> None:
    _select(page, 0)
    page.action("library.compare").trigger()
    assert not page.comparison.isVisible()
    _select(page, 0, 1, 2)
    page.action("library.compare").trigger()
    wait_until(lambda: len(page.comparison.views) == 3)
    views = page.comparison.views
    wait_until(lambda: all(view.has_image for view in views))
    QTest.keyClick(views[0], Qt.Key.Key_Plus)
    assert [view.zoom for view in views] == [1.25] * 3
    page.comparison.linked.setChecked(False)
    views[1].zoom_to(4)
    assert [view.zoom for view in views] == [1.25, 4, 1.25]
    QTest.keyClick(views[0], Qt.Key.Key_Escape)
    assert page.view.isVisible()
    assert page.comparison.views == []


def test_a_source_may_leave_by_one_button_that_names_it(
    page: LibraryPage, pictures: Path, wait_until: Wait
) -> None:
    page.show_source()
    assert page.source.isVisible()
    assert "“clinic” (CC-BY-4.0) stay on this computer" in page.source._sentence.text()
    wait_until(page.source.leave.isEnabled)
    QTest.mouseClick(page.source.leave, Qt.MouseButton.LeftButton)
    assert "its 3 pictures may be sent to Google" in page.source.question.text.text()
    assert "Their licence is CC-BY-4.0." in page.source.question.text.text()
    QTest.keyClick(page.source.question.keep, Qt.Key.Key_Escape)
    assert not page.source.question.isVisible()
    assert page.source.leave.hasFocus()
    QTest.keyClick(page.source.leave, Qt.Key.Key_Space)
    QTest.mouseClick(page.source.question.let, Qt.MouseButton.LeftButton)
    wait_until(lambda: "may leave this computer" in page.source._sentence.text())
    page.source.name.setText("Clinic in Graz")
    page.source.attribution.setText("Dr. Who")
    page.source.non_commercial.setChecked(True)
    QTest.mouseClick(page.source.save, Qt.MouseButton.LeftButton)
    wait_until(lambda: "Clinic in Graz" in page.source._sentence.text())
    with Store(pictures, read_only=True) as store:
        row = store.row("SELECT name, licence, attribution, non_commercial, may_leave FROM sources")
    assert row is not None
    assert list(row.values()) == ["Clinic in Graz", "CC-BY-4.0", "Dr. Who", 1, 1]


def test_originals_that_were_moved_are_found_again(
    page: LibraryPage, pictures: Path, clinic: Path, tmp_path: Path, wait_until: Wait
) -> None:
    (tmp_path / "wrong").mkdir()
    Image.new("RGB", (40, 30), "white").save(tmp_path / "wrong" / "0.png")
    clinic.rename(tmp_path / "elsewhere")
    page.show_changes(frozenset({"files"}))
    wait_until(lambda: page.bar.isVisible())
    assert "“clinic” are not where they were" in page.bar.text
    page.move_source(1, tmp_path / "wrong")
    wait_until(lambda: "none of the images" in page.bar.text)
    page.move_source(1, tmp_path / "elsewhere")
    wait_until(lambda: page.jobs.running)
    wait_until(lambda: not page.jobs.running)
    with Store(pictures, read_only=True) as store:
        assert store.value("SELECT root FROM sources") == str(tmp_path / "elsewhere")
        assert store.counts("SELECT state, count(*) FROM files GROUP BY 1") == {"ready": 3}
    wait_until(lambda: page.found.title.text() == "Looked through “clinic”. Files: 3 unchanged.")


def test_forgetting_says_what_goes_and_then_removes_it(
    page: LibraryPage, pictures: Path, clinic: Path, wait_until: Wait
) -> None:
    _select(page, 1)
    wait_until(lambda: page.model.card(1))
    page.action("library.forget").trigger()
    wait_until(page.forgetting.forget.isEnabled)
    assert "files 1, pairs with their verdicts 1" in page.forgetting._said.text()
    QTest.mouseClick(page.forgetting.forget, Qt.MouseButton.LeftButton)
    wait_until(lambda: len(page.model.numbers) == 2)
    assert page.bar.text.startswith("Forgotten, with all that was said of it; files: 1.")
    with Store(pictures, read_only=True) as store:
        assert store.value("SELECT count(*) FROM images") == 2
        assert store.value("SELECT count(*) FROM pairs") == 2
    assert (clinic / "1.png").is_file()


# -- adding ---------------------------------------------------------------------------------------


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    """A folder of three pictures and a table about them whose column of diagnoses nobody can guess."""
    made = tmp_path / "clinic"
    made.mkdir()
    for n, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (40 + n, 30), colour).save(made / f"{n}.png")
    (made / "about.csv").write_text("filename,sex,x7\n0.png,male,naevus\n1.png,female,melanoma\n")
    return made


def _drop(page: QWidget, application: QApplication, *paths: Path) -> bool:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(50, 50), Qt.DropAction.CopyAction, data, buttons, keys)
    application.sendEvent(page, enter)
    if enter.isAccepted():
        drop = QDropEvent(QPointF(50, 50), Qt.DropAction.CopyAction, data, buttons, keys)
        application.sendEvent(page, drop)
    return enter.isAccepted()


def test_a_drop_is_explained_before_and_then_added(
    page: LibraryPage,
    desk: Desk,
    application: QApplication,
    clinic: Path,
    tmp_path: Path,
    wait_until: Wait,
) -> None:
    create_project(tmp_path / "new")
    assert not _drop(page, application, clinic)
    desk.open_project(tmp_path / "new")
    wait_until(lambda: desk.project)
    assert _drop(page, application, clinic)
    wait_until(page.sheet.add.isEnabled)
    said = page.sheet._said.text()
    assert "clinic: 3 pictures, 1 other file" in said
    assert "other files" not in said
    assert "about.csv: a table of 2 rows that looks like metadata" in said
    with Store(tmp_path / "new", read_only=True) as store:
        assert store.value("SELECT count(*) FROM sources") == 0
    page.sheet.licence.setEditText("CC-BY-4.0")
    page.sheet.mapper.choose("x7", "diagnosis")
    QTest.mouseClick(page.sheet.add, Qt.MouseButton.LeftButton)
    wait_until(lambda: len(page.model.numbers) == 3 and not page.jobs.running)
    wait_until(page.found.isVisible)
    assert page.found.title.text() == "Looked through “clinic”. Files: 3 new."
    assert _found_lines(page) == [
        ("3 images", "in 3 files"),
        ("1 other file", "No picture, such as a table or a text: left alone."),
        ("2 rows", "of 2 in the table say something of a file"),
        ("1 file without a row", "The table has no row for it: nothing is known of it but its pixels."),
    ]
    _click_number(page, "1 file without a row")
    wait_until(lambda: len(page.model.numbers) == 1)
    assert page.filter_bar.sentence == "has no metadata · source is clinic"
    assert page.found.isVisible()
    with Store(tmp_path / "new", read_only=True) as store:
        assert store.value("SELECT licence FROM sources") == "CC-BY-4.0"
        assert store.value("SELECT may_leave FROM sources") == 0
        rows = store.tuples("SELECT field, value FROM metadata WHERE field IN ('diagnosis', 'sex')")
        assert sorted(rows) == [
            ("diagnosis", "melanoma"),
            ("diagnosis", "nevus"),
            ("sex", "female"),
            ("sex", "male"),
        ]


def _found_lines(page: LibraryPage) -> list[tuple[str, str]]:
    texts = [part.text() for part in page.found._parts if isinstance(part, QLabel | QPushButton)]
    return list(zip(texts[::2], texts[1::2], strict=True))


def _click_number(page: LibraryPage, text: str) -> None:
    [button] = [one for one in page.found._parts if isinstance(one, QPushButton) and one.text() == text]
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_copies_and_faults_are_counted_explained_and_shown_and_the_licence_of_the_table_is_taken(
    page: LibraryPage, desk: Desk, clinic: Path, tmp_path: Path, wait_until: Wait
) -> None:
    (clinic / "again.png").write_bytes((clinic / "0.png").read_bytes())
    (clinic / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    rows = ("file,license,attribution", "0.png,CC-BY-NC,Clinic in Graz", "1.png,CC-BY-NC,", "9.png,CC-0,")
    (clinic / "about.csv").write_text("\n".join(rows))
    create_project(tmp_path / "new")
    desk.open_project(tmp_path / "new")
    wait_until(lambda: desk.project)
    page.take_paths([clinic])
    wait_until(page.sheet.add.isEnabled)
    QTest.mouseClick(page.sheet.add, Qt.MouseButton.LeftButton)
    wait_until(lambda: page.found.isVisible() and not page.jobs.running)
    counts = dict(_found_lines(page))
    assert counts["3 images"] == "in 4 files"
    assert "counts as one image" in counts["1 copy"]
    assert "1 row without a file" in counts
    _click_number(page, "3 images")
    wait_until(lambda: len(page.model.numbers) == 3)
    either = {"0.png", "again.png"}
    for number, paths in (("1 copy", either), ("1 unreadable", {"broken.jpg"})):
        _click_number(page, number)
        wait_until(lambda: len(page.model.numbers) == 1)
        wait_until(lambda paths=paths: (card := page.model.card(0)) is not None and card.path in paths)
    assert page.found.proposal.isVisible()
    assert "CC BY-NC (2 files)" in page.found.proposal.text.text()
    page.show_source()
    wait_until(page.source.leave.isEnabled)
    QTest.mouseClick(page.source.leave, Qt.MouseButton.LeftButton)
    assert "Their licence is unknown" in page.source.question.text.text()
    QTest.mouseClick(page.source.question.keep, Qt.MouseButton.LeftButton)
    QTest.mouseClick(page.source.proposal.take, Qt.MouseButton.LeftButton)
    wait_until(lambda: page.source.licence.currentText() == "CC BY-NC")
    assert (page.source.attribution.text(), page.source.non_commercial.isChecked()) == (
        "Clinic in Graz",
        True,
    )
    wait_until(lambda: not page.found.proposal.isVisible() and not page.source.proposal.isVisible())
    with Store(tmp_path / "new", read_only=True) as store:
        row = store.row("SELECT licence, attribution, non_commercial, may_leave FROM sources")
    assert row is not None
    assert list(row.values()) == ["CC BY-NC", "Clinic in Graz", 1, 0]


def test_cancelling_adds_nothing(
    page: LibraryPage, study: Path, clinic: Path, wait_until: Wait, application: QApplication
) -> None:
    assert _drop(page, application, clinic / "0.png")
    wait_until(page.sheet.add.isEnabled)
    page.sheet.cancelled.emit()
    assert page.view.isVisible()
    with Store(study, read_only=True) as store:
        assert store.value("SELECT count(*) FROM jobs") == 0


def test_a_table_alone_is_about_a_source(
    page: LibraryPage, study: Path, clinic: Path, wait_until: Wait, application: QApplication
) -> None:
    assert _drop(page, application, clinic / "about.csv")
    wait_until(page.sheet.add.isEnabled)
    accepted: list[list[dict[str, object]]] = []
    page.sheet.accepted.disconnect()
    page.sheet.accepted.connect(accepted.append)
    QTest.mouseClick(page.sheet.add, Qt.MouseButton.LeftButton)
    [[job]] = accepted
    assert bytes.fromhex(str(job["root_bytes"])).decode() == "/pictures"
    assert bytes.fromhex(str(job["metadata"])).decode() == str(clinic / "about.csv")
    assert "licence" not in job


def test_what_cannot_be_added_says_why(
    page: LibraryPage, study: Path, tmp_path: Path, wait_until: Wait, application: QApplication
) -> None:
    (tmp_path / "film.mp4").write_bytes(b"x")
    assert _drop(page, application, tmp_path / "film.mp4")
    wait_until(lambda: "nothing here" in page.sheet._title.text())
    assert not page.sheet.add.isEnabled()
    assert ".mp4" in page.sheet._said.text()


def test_a_drop_anywhere_on_the_window_is_the_librarys(
    window: Window, clinic: Path, tmp_path: Path, wait_until: Wait, application: QApplication
) -> None:
    create_project(tmp_path / "new")
    window.desk.open_project(tmp_path / "new")
    wait_until(lambda: window.desk.project)
    window.show_page("review")
    assert _drop(window, application, clinic)
    assert window.page.name == "library"
    library = window.pages["library"]
    assert isinstance(library, LibraryPage)
    wait_until(library.sheet.add.isEnabled)
    assert "clinic: 3 pictures" in library.sheet._said.text()
