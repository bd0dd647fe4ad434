"""What may leave, in words, read from the door and from the sources; the ledger, its filter, its export."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QAbstractItemModelTester, QTest
from PySide6.QtWidgets import QCheckBox, QLabel, QLineEdit, QTableView

from dermagui import network, paths, settings
from dermagui.network import Purpose, write_ledger
from dermagui.project import create_project
from dermagui.storage import sources
from dermagui.ui.shell.ledger_model import LedgerModel
from dermagui.ui.window import Window

Wait = Callable[[Callable[[], object]], None]


@pytest.fixture
def opened(window: Window, tmp_path: Path, wait_until: Wait) -> Window:
    """The window with an empty project."""
    create_project(tmp_path / "study")
    window.desk.open_project(tmp_path / "study")
    wait_until(lambda: window.desk.project and window.desk.is_idle)
    return window


def _mark(window: Window, name: str, may_leave: bool) -> None:
    window.desk.ask(
        lambda store: sources.add_source(store, Path("/pictures") / name, may_leave=may_leave),
        owner=window.desk,
        changes=frozenset({"sources"}),
    )


def _words(window: Window) -> tuple[str, str]:
    strip = window._strip
    return strip.network.accessibleName(), strip.images.accessibleName()


def test_nothing_may_leave_until_a_source_is_marked(opened: Window, wait_until: Wait) -> None:
    _mark(opened, "PAD", may_leave=False)
    wait_until(lambda: _words(opened)[0] == "Network: downloads only")
    assert _words(opened)[1] == "Images: stay here"
    _mark(opened, "PAD", may_leave=True)
    wait_until(lambda: _words(opened)[0] == "Network: on")
    assert _words(opened)[1] == "Images: may go to Google from “PAD”"
    assert opened._strip.images.styleSheet(), "it is not lit"


def test_the_receiver_is_the_address_that_is_set(opened: Window, wait_until: Wait) -> None:
    settings.set_value("gemini.base_url", "https://proxy.example.org/gemini")
    _mark(opened, "PAD", may_leave=True)
    wait_until(lambda: "proxy.example.org" in _words(opened)[1])


def test_airplane_mode_of_another_process_is_seen_and_puts_the_light_out(
    opened: Window, wait_until: Wait
) -> None:
    _mark(opened, "PAD", may_leave=True)
    wait_until(lambda: opened.privacy.door.is_open)
    network.set_airplane(True)
    wait_until(lambda: _words(opened) == ("Network: off", "Images: stay here"))
    assert not opened._strip.images.styleSheet()


def test_a_policy_of_the_machine_is_shown_with_whose_it_is(
    opened: Window, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not opened._strip.policy.isVisible()
    policy = tmp_path / "policy.toml"
    monkeypatch.setattr(paths, "policy_file", lambda: policy)
    policy.write_text('[gemini]\nkey_tier = "paid"\n')
    wait_until(opened._strip.policy.isVisible)
    assert str(policy) in opened._strip.policy.toolTip()
    QTest.mouseClick(opened._strip.policy, Qt.MouseButton.LeftButton)
    assert opened.page.name == "settings"
    policy.unlink()
    wait_until(lambda: not opened._strip.policy.isVisible())


def test_closing_the_project_puts_the_light_out(opened: Window, wait_until: Wait) -> None:
    _mark(opened, "PAD", may_leave=True)
    wait_until(lambda: opened.privacy.door.is_open)
    opened.close_project()
    assert not opened.privacy.door.is_open


def test_a_click_on_the_strip_opens_the_ledger_and_the_switch_works(opened: Window, wait_until: Wait) -> None:
    wait_until(lambda: not opened.privacy.door.airplane)
    QTest.mouseClick(opened._strip.images, Qt.MouseButton.LeftButton)
    assert opened.page.name == "privacy"
    switch = opened.page.findChild(QCheckBox)
    switch.setFocus()
    QTest.keyClick(switch, Qt.Key.Key_Space)
    wait_until(network.airplane_is_on)
    QTest.keyClick(
        opened.windowHandle(),
        Qt.Key.Key_A,
        Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
    )
    wait_until(lambda: not network.airplane_is_on())
    wait_until(lambda: not switch.isChecked())


def test_the_switch_shows_the_door_though_no_look_saw_it_move(opened: Window, wait_until: Wait) -> None:
    opened.show_privacy()
    wait_until(lambda: not opened.privacy.door.airplane)
    switch = opened.page.findChild(QCheckBox)
    switch.setChecked(True)  # as a click does, before another turn undoes its own
    opened.privacy.set_airplane(False)
    wait_until(lambda: not switch.isChecked())


def test_the_ledger_is_filtered_and_exported_as_it_is_kept(
    window: Window, tmp_path: Path, wait_until: Wait
) -> None:
    for host in ("hub.example.org", "api.example.org", "hub.example.org"):
        write_ledger(Purpose.DOWNLOAD, host, bytes=1234)
    window.show_privacy()
    table, line = window.page.findChild(QTableView), window.page.findChild(QLineEdit)
    wait_until(lambda: table.model().rowCount() == 3)
    window.page.focus_search()
    QTest.keyClicks(line, "HUB download")
    assert table.model().rowCount() == 2
    window.page.export(tmp_path / "ledger.csv")
    wait_until((tmp_path / "ledger.csv").is_file)
    wait_until(lambda: window.desk.is_idle)
    with (tmp_path / "ledger.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["host"], row["bytes"]) for row in rows] == [("hub.example.org", "1234")] * 2


def test_where_nothing_left_the_page_says_so(window: Window, wait_until: Wait) -> None:
    window.show_privacy()
    wait_until(lambda: any(label.text() == "Nothing has left yet" for label in _labels(window)))
    assert not window.page.findChild(QTableView).isVisible()
    write_ledger(Purpose.DOWNLOAD, "hub.example.org", bytes=1)
    window.show_library()
    window.show_privacy()
    wait_until(window.page.findChild(QTableView).isVisible)
    assert any(label.text() == "Lines: 1" for label in _labels(window))


def _labels(window: Window) -> list[QLabel]:
    return window.page.findChildren(QLabel)


def test_what_went_to_this_same_computer_is_not_counted_as_left(window: Window, wait_until: Wait) -> None:
    write_ledger(Purpose.LIST_MODELS, "127.0.0.1", bytes=0)
    write_ledger(Purpose.DOWNLOAD, "hub.example.org", bytes=1)
    write_ledger(Purpose.LIST_MODELS, "localhost", bytes=0)
    window.show_privacy()
    table = window.page.findChild(QTableView)
    wait_until(lambda: table.model().rowCount() == 1)
    assert table.model().index(0, 2).data() == "hub.example.org"
    local = next(box for box in window.page.findChildren(QCheckBox) if box.text().endswith("computer: 2"))
    QTest.keyClick(local, Qt.Key.Key_Space)
    hosts = [table.model().index(row, 2).data() for row in range(table.model().rowCount())]
    assert hosts == ["this computer", "hub.example.org", "this computer"]


def test_a_line_of_a_purpose_that_is_not_known_is_still_shown(application: object) -> None:
    model = LedgerModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    model.show_lines([{"at": "2026-01-02T03:04:05.006Z", "purpose": "of_later", "host": "h", "bytes": None}])
    assert model.data(model.index(0, 1)) == "of_later"
    assert model.data(model.index(0, 3)) == "0"
    model.show_only("nowhere")
    assert model.rowCount() == 0
    tester.deleteLater()
