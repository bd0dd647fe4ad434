"""The form of settings: every declared one, kept as it is chosen, locked by policy; and the key's test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QLineEdit, QSpinBox

from dermagui import api_key, paths, settings
from dermagui.demo.server import RehearsalServer
from dermagui.errors import UserError
from dermagui.settings import SETTINGS
from dermagui.ui.settings.labels import CHOICES, GROUPS, LABELS
from dermagui.ui.settings.page import SettingsPage
from dermagui.ui.window import Window

Wait = Callable[[Callable[[], object]], None]


@pytest.fixture
def page(window: Window, wait_until: Wait) -> SettingsPage:
    """The page in view, with the values read."""
    window.show_settings()
    found = window.page
    assert isinstance(found, SettingsPage)
    wait_until(lambda: window.desk.is_idle)
    return found


def _bar(page: SettingsPage) -> str:
    return page._bar.text if page._bar.isVisible() else ""


def test_every_declared_setting_has_its_words_and_its_place() -> None:
    placed = [key for keys in GROUPS.values() for key in keys]
    assert sorted(placed) == sorted(SETTINGS)
    assert set(LABELS) == set(SETTINGS)
    assert {choice for setting in SETTINGS.values() for choice in setting.choices} <= set(CHOICES)


def test_what_is_typed_is_kept(page: SettingsPage, wait_until: Wait) -> None:
    name, count = page.fields["person.name"], page.fields["generation.questions"]
    assert isinstance(name, QLineEdit)
    assert isinstance(count, QSpinBox)
    QTest.keyClicks(name, "Ada Lovelace")
    QTest.keyClick(name, Qt.Key.Key_Return)
    wait_until(lambda: settings.get("person.name") == "Ada Lovelace")
    count.selectAll()
    QTest.keyClicks(count, "5")
    QTest.keyClick(count, Qt.Key.Key_Return)
    wait_until(lambda: settings.get("generation.questions") == 5)


def test_a_choice_of_look_is_kept_and_worn(
    page: SettingsPage, wait_until: Wait, application: QApplication
) -> None:
    look = page.fields["window.theme"]
    assert isinstance(look, QComboBox)
    look.setFocus()
    QTest.keyClicks(look, "Dark")
    wait_until(lambda: settings.get("window.theme") == "dark")
    wait_until(lambda: application.palette().window().color().lightness() < 128)
    QTest.keyClick(look, Qt.Key.Key_Up)
    wait_until(lambda: application.palette().window().color().lightness() > 128)


def test_what_will_not_do_leaves_the_old_value_and_says_why(page: SettingsPage, wait_until: Wait) -> None:
    field = page.fields["generation.questions"]
    page._set("generation.questions", "many")
    wait_until(lambda: "many" in _bar(page))
    assert isinstance(field, QSpinBox)
    assert field.value() == SETTINGS["generation.questions"].default


def test_what_a_policy_fixes_is_shown_and_cannot_be_changed(
    window: Window, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[gemini]\nbase_url = "https://proxy.example.org"\n')
    monkeypatch.setattr(paths, "policy_file", lambda: policy)
    page = SettingsPage(window.desk, window.jobs)
    page.show()
    field = page.fields["gemini.base_url"]
    assert isinstance(field, QLineEdit)
    wait_until(lambda: field.text() == "https://proxy.example.org")
    assert not field.isEnabled()
    assert page.fields["gemini.model"].isEnabled()
    told = [label.text() for label in page._locks["gemini.base_url"].findChildren(QLabel)]
    assert str(policy) in told[0]
    page.close()
    page.deleteLater()


def test_a_damaged_file_of_settings_is_told(window: Window, wait_until: Wait) -> None:
    settings.settings_file().write_text("[person\n")
    page = SettingsPage(window.desk, window.jobs)
    page.show()
    wait_until(lambda: str(settings.settings_file()) in page._bar.text)
    page.close()
    page.deleteLater()


@pytest.mark.parametrize(("name", "service"), [("key_box", "gemini"), ("token_box", "huggingface")])
def test_a_key_is_kept_told_by_its_end_and_deleted(
    page: SettingsPage, wait_until: Wait, monkeypatch: pytest.MonkeyPatch, name: str, service: str
) -> None:
    kept: dict[str, str] = {}
    monkeypatch.setattr(api_key, "store_key", lambda key, of: kept.update({of: api_key.check_key(key)}))
    monkeypatch.setattr(api_key, "_keyring_value", kept.get)
    monkeypatch.setattr(api_key, "remove_key", kept.pop)
    box = getattr(page, name)
    QTest.keyClicks(box.line, "secret-key-of-mine-1234")
    QTest.mouseClick(box.keep, Qt.MouseButton.LeftButton)
    wait_until(box.remove.isEnabled)
    assert kept == {service: "secret-key-of-mine-1234"}
    assert box.line.text() == ""
    shown = [label.text() for label in page.findChildren(QLabel)]
    assert any("…1234" in text for text in shown)
    assert not any("secret-key" in text for text in shown)
    QTest.mouseClick(box.remove, Qt.MouseButton.LeftButton)
    wait_until(lambda: not box.remove.isEnabled())
    assert kept == {}


def test_a_computer_without_a_keyring_says_what_to_do(page: SettingsPage, wait_until: Wait) -> None:
    QTest.keyClicks(page.key_box.line, "secret-key-of-mine-1234")
    QTest.keyClick(page.key_box.line, Qt.Key.Key_Return)
    wait_until(lambda: "GEMINI_API_KEY" in _bar(page))
    assert page.key_box.line.text(), "the key that was pasted must not be lost"


@pytest.mark.parametrize(("models", "told"), [(("practice",), "practice"), ((), "not")])
def test_the_key_is_tested_by_a_child_against_the_address_that_is_set(
    page: SettingsPage, wait_until: Wait, monkeypatch: pytest.MonkeyPatch, models: tuple[str, ...], told: str
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "secret-key-of-mine-1234")
    with RehearsalServer() as server:
        address = server.base_url if models else "http://127.0.0.1:9"
        settings.set_value("gemini.base_url", address)
        page.key_box.read()
        wait_until(lambda: page.desk.is_idle and page.key_box.test.isEnabled())
        QTest.mouseClick(page.key_box.test, Qt.MouseButton.LeftButton)
        assert not page.key_box.test.isEnabled()
        wait_until(page.key_box.test.isEnabled)
    assert told in _bar(page)
    assert "secret-key" not in _bar(page)


def test_errors_of_the_disk_come_as_ours(
    page: SettingsPage, monkeypatch: pytest.MonkeyPatch, wait_until: Wait
) -> None:
    def refuse(key: str, text: str) -> None:
        raise UserError("settings.locked", key=key, path="policy.toml")

    monkeypatch.setattr(settings, "set_value", refuse)
    page._set("gemini.model", "another")
    wait_until(lambda: "policy.toml" in _bar(page))
    field = page.fields["gemini.model"]
    assert isinstance(field, QLineEdit)
    assert field.text() == SETTINGS["gemini.model"].default
