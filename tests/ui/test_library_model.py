"""The rows of the grid: all numbers at once, cards by the page, and nothing measured twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPersistentModelIndex, QSize, Qt
from PySide6.QtTest import QAbstractItemModelTester, QTest
from PySide6.QtWidgets import QApplication, QStyleOptionViewItem

from dermagui.library.thumbnails import thumbnail_path, write_thumbnail
from dermagui.storage.filters import Filter, ImageCard
from dermagui.ui.desk import Desk
from dermagui.ui.library.badges import badges, spoken
from dermagui.ui.library.delegate import ImageDelegate
from dermagui.ui.library.images_view import ImagesView
from dermagui.ui.library.model import CARD_ROLE, PAGE_ROWS, ImagesModel
from dermagui.ui.library.thumbnails import Thumbnails
from tests.fakes.projects import add_images, add_many_pairs, new_store

Wait = Callable[[Callable[[], object]], None]


def _open(desk: Desk, folder: Path, count: int, wait_until: Wait) -> ImagesModel:
    with new_store(folder) as store:
        ids = add_images(store, count)
        add_many_pairs(store, ids[:5], 10)
    desk.open_project(folder)
    wait_until(lambda: desk.project)
    model = ImagesModel(desk, desk)
    model.refresh()
    wait_until(lambda: model.numbers)
    return model


@pytest.fixture
def model(desk: Desk, tmp_path: Path, wait_until: Wait) -> ImagesModel:
    """Six hundred images: three pages."""
    return _open(desk, tmp_path / "study", 600, wait_until)


@pytest.fixture
def view(model: ImagesModel, desk: Desk) -> Iterator[ImagesView]:
    """The view of the model, in sight."""
    made = ImagesView(model, Thumbnails(desk))
    made.resize(700, 500)
    made.show()
    yield made
    made.close()
    made.deleteLater()


def test_the_model_keeps_the_rules_of_models(model: ImagesModel, wait_until: Wait) -> None:
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    model.show_filter(Filter(text="00002"))
    wait_until(lambda: len(model.numbers) == 11)
    model.show_filter(Filter())
    wait_until(lambda: len(model.numbers) == 600)
    assert model.card(0) is None
    wait_until(lambda: model.card(0))
    model.clear()
    assert model.rowCount() == 0
    assert tester.model() is model


def test_only_pages_that_are_asked_for_are_read(model: ImagesModel, wait_until: Wait) -> None:
    told: list[tuple[int, int]] = []
    model.dataChanged.connect(lambda first, last: told.append((first.row(), last.row())))
    assert model.card(PAGE_ROWS) is None
    wait_until(lambda: told)
    assert told == [(PAGE_ROWS, 2 * PAGE_ROWS - 1)]
    card = model.index(PAGE_ROWS, 0).data(CARD_ROLE)
    assert card.path == f"{PAGE_ROWS:06}.png"


def test_the_newest_wish_is_read_first(model: ImagesModel, wait_until: Wait) -> None:
    told: list[int] = []
    model.dataChanged.connect(lambda first, last: told.append(first.row() // PAGE_ROWS))
    for row in (0, PAGE_ROWS, 2 * PAGE_ROWS):
        model.card(row)
    wait_until(lambda: len(told) == 3)
    assert told == [0, 2, 1]


def test_what_is_shown_stays_until_the_newer_card_is_there(
    model: ImagesModel, desk: Desk, wait_until: Wait
) -> None:
    model.card(3)
    wait_until(lambda: model.card(3))
    before, listed = model.card(3), []
    model.listed.connect(lambda: listed.append(model.card(3)))
    desk.ask(lambda store: store.conn.execute("UPDATE sources SET name = 'atlas'"), owner=model)
    model.refresh()
    wait_until(lambda: listed)
    assert listed == [before]
    wait_until(lambda: (card := model.card(3)) is not None and card.source == "atlas")


def test_an_answer_to_an_older_question_is_not_shown(model: ImagesModel, wait_until: Wait) -> None:
    listed: list[int] = []
    model.listed.connect(lambda: listed.append(len(model.numbers)))
    for text in ("", "00000", "000007"):
        model.show_filter(Filter(text=text))
    wait_until(lambda: len(model.numbers) == 1)
    model.refresh()
    wait_until(lambda: len(listed) == 2)
    assert listed == [1, 1]


def test_another_project_is_read_though_the_first_never_answered(
    model: ImagesModel, desk: Desk, tmp_path: Path, wait_until: Wait
) -> None:
    model.card(0)
    first = desk.project
    with new_store(tmp_path / "other") as store:
        add_images(store, 3)
    desk.open_project(tmp_path / "other")
    wait_until(lambda: desk.project is not first)
    model.forget_reading()
    model.clear()
    model.refresh()
    wait_until(lambda: len(model.numbers) == 3)
    model.card(0)
    wait_until(lambda: model.card(0))


def test_a_hundred_thousand_rows_are_not_measured(desk: Desk, tmp_path: Path, wait_until: Wait) -> None:
    calls: list[int] = []

    class Counting(ImageDelegate):
        def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
            calls.append(index.row())
            return super().sizeHint(option, index)

    model = _open(desk, tmp_path / "study", 3, wait_until)
    model.beginResetModel()
    model.numbers = list(range(1, 100_001))
    model.endResetModel()
    view = ImagesView(model, Thumbnails(desk))
    view.delegate = Counting(Thumbnails(desk), view)
    view.grid.setItemDelegate(view.delegate)
    view.resize(1200, 800)
    view.show()
    bar = view.grid.verticalScrollBar()
    wait_until(lambda: bar.maximum() > 1_000_000)
    bar.setValue(bar.maximum())
    wait_until(lambda: view.grid.indexAt(view.grid.viewport().rect().center()).row() > 99_000)
    assert len(calls) <= 10
    view.close()
    view.deleteLater()


def test_keys_move_and_select_in_the_grid(view: ImagesView, model: ImagesModel, wait_until: Wait) -> None:
    opened: list[int] = []
    view.opened.connect(opened.append)
    view.grid.setFocus()
    wait_until(lambda: view.grid.visualRect(model.index(3, 0)).isValid())
    QTest.keyClick(view.grid, Qt.Key.Key_Home)
    QTest.keyClick(view.grid, Qt.Key.Key_Right)
    QTest.keyClick(view.grid, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert view.selected_numbers() == model.numbers[1:3]
    QTest.keyClick(view.grid, Qt.Key.Key_Return)
    assert opened == [model.numbers[2]]
    QTest.keyClick(view.grid, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert view.selected_count == 600


def test_typing_in_the_grid_reads_no_rows(view: ImagesView, model: ImagesModel, wait_until: Wait) -> None:
    view.grid.setFocus()
    wait_until(lambda: model.card(0))
    QTest.keyClicks(view.grid, "zz")
    assert model._wishes == {}


def test_grid_and_table_have_one_selection(view: ImagesView, model: ImagesModel) -> None:
    view.select_numbers([*model.numbers[4:6], model.numbers[300]], model.numbers[300])
    view.show_table(True)
    assert view.selected_numbers() == [*model.numbers[4:6], model.numbers[300]]
    assert view.table.selectionModel().isRowSelected(300, QModelIndex())
    assert view.table.viewport().rect().intersects(view.table.visualRect(model.index(300, 0)))
    flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
    view.table.selectionModel().select(model.index(7, 2), flags)
    view.show_table(False)
    assert view.selected_numbers() == [model.numbers[7]]


def test_what_stays_listed_stays_selected(view: ImagesView, model: ImagesModel, wait_until: Wait) -> None:
    kept, gone = model.numbers[12], model.numbers[500]
    view.select_numbers([kept, gone], kept)
    model.show_filter(Filter(text="0000"))
    wait_until(lambda: len(model.numbers) == 100)
    assert (view.selected_numbers(), view.current_number) == ([kept], kept)


def test_rows_that_are_read_anew_are_painted_anew(
    view: ImagesView, model: ImagesModel, desk: Desk, wait_until: Wait
) -> None:
    wait_until(lambda: model._pages)
    told: list[int] = []
    model.dataChanged.connect(lambda first, last: told.append(last.row() - first.row() + 1))
    desk.ask(lambda store: store.conn.execute("UPDATE sources SET name = 'atlas'"), owner=model)
    model.refresh()
    first = model.numbers[0]
    wait_until(lambda: (page := model._pages.get(0)) and page[first].source == "atlas")
    assert max(told) == PAGE_ROWS


def test_another_size_of_the_pictures_is_another_cell(
    view: ImagesView, model: ImagesModel, wait_until: Wait
) -> None:
    view.show_side(96)
    wait_until(lambda: view.grid.visualRect(model.index(0, 0)).width() == 112)
    view.show_side(256)
    wait_until(lambda: view.grid.visualRect(model.index(0, 0)).width() == 272)


# -- thumbnails -----------------------------------------------------------------------------------


def _thumbnail(folder: Path, n: int, colour: str = "red") -> tuple[str, int]:
    path = thumbnail_path(folder, f"{n:064}", 0)
    Image.new("RGB", (256, 128), colour).save(folder / "x.jpg")
    write_thumbnail(path, (folder / "x.jpg").read_bytes())
    return f"{n:064}", 0


def test_thumbnails_are_bounded_in_bytes_and_scaled(model: ImagesModel, desk: Desk, wait_until: Wait) -> None:
    assert desk.folder is not None
    thumbnails = Thumbnails(desk, cache_bytes=3 * 100 * 50 * 4)
    thumbnails.show_side(100)
    keys = [_thumbnail(desk.folder, n) for n in range(5)]
    for key in keys:
        assert thumbnails.find(*key) is None
        wait_until(lambda key=key: thumbnails.find(*key))
    found = thumbnails.find(*keys[-1])
    assert found is not None
    assert (found.width(), found.height()) == (100, 50)
    assert thumbnails.held_bytes == 3 * 100 * 50 * 4
    assert thumbnails.find(*keys[0]) is None


def test_a_thumbnail_that_is_not_there_is_asked_for_once(
    model: ImagesModel, desk: Desk, wait_until: Wait
) -> None:
    thumbnails = Thumbnails(desk)
    thumbnails.find("f" * 64, 0)
    wait_until(lambda: (found := thumbnails.find("f" * 64, 0)) is not None and found.isNull())


def test_what_was_asked_before_a_change_is_not_taken_for_what_came_after(
    model: ImagesModel, desk: Desk, wait_until: Wait
) -> None:
    assert desk.folder is not None
    thumbnails = Thumbnails(desk)
    key = _thumbnail(desk.folder, 1)
    thumbnails.find(*key)
    thumbnails.show_side(64)
    wait_until(lambda: thumbnails._batches == 0)
    assert thumbnails.held_bytes == 0
    thumbnails.find(*key)
    wait_until(lambda: (found := thumbnails.find(*key)) is not None and found.width() == 64)


# -- badges ---------------------------------------------------------------------------------------


def test_a_card_is_spoken_in_words(model: ImagesModel, wait_until: Wait) -> None:
    wait_until(lambda: model.card(0))
    said = model.index(0, 0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert said == "000000.png, 2 pairs, may leave, 1 flagged"
    missing = ImageCard(3, "", None, "", model.card(1).state.MISSING)  # type: ignore[union-attr]
    assert spoken(missing) == "image 3, missing, no pairs"


def test_every_badge_has_an_icon_and_a_word(application: QApplication) -> None:
    from dermagui import paths
    from dermagui.records import FileState, PairState

    card = ImageCard(
        1, "a.png", 1, "s", FileState.MISSING, may_leave=True, flagged=1, pairs=dict.fromkeys(PairState, 1)
    )
    found = [*badges(card), *badges(ImageCard(-1, "b.png", 1, "s", FileState.UNREADABLE))]
    assert len(found) == 8
    for badge in found:
        assert badge.text
        assert (paths.resources() / "icons" / f"{badge.icon}.svg").is_file()
