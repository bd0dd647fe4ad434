"""Settings: declared once, kept as TOML, overruled by the machine's policy."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from dermagui import paths, settings
from dermagui.errors import UserError
from dermagui.settings import SETTINGS, Setting


@pytest.fixture
def policy_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where whoever runs the machine would write."""
    monkeypatch.setattr(paths, "policy_file", lambda: tmp_path / "policy.toml")
    return tmp_path / "policy.toml"


def code_of(error: pytest.ExceptionInfo[UserError]) -> str:
    return error.value.code


def test_a_setting_that_nobody_set_has_its_default() -> None:
    assert {key: settings.get(key) for key in SETTINGS} == {key: s.default for key, s in SETTINGS.items()}
    assert not settings.settings_file().exists()


def test_every_setting_has_a_table_a_name_and_a_default_that_it_takes() -> None:
    for key, setting in SETTINGS.items():
        table, name = key.split(".")
        assert table.isidentifier()
        assert name.isidentifier()
        assert setting.check(setting.default) == setting.default
        assert setting.parse(str(setting.default)) == setting.default


def test_a_value_is_kept_and_comes_back_in_its_type() -> None:
    settings.set_value("generation.concurrency", "16")
    settings.set_value("gemini.model", "another-model")
    assert settings.number("generation.concurrency") == 16
    assert settings.text("gemini.model") == "another-model"
    kept = tomllib.loads(settings.settings_file().read_text(encoding="utf-8"))
    assert kept == {"gemini": {"model": "another-model"}, "generation": {"concurrency": 16}}


def test_a_value_that_is_the_default_again_is_not_kept() -> None:
    settings.set_value("generation.concurrency", "16")
    settings.set_value("generation.concurrency", str(SETTINGS["generation.concurrency"].default))
    assert settings.settings_file().read_text(encoding="utf-8") == ""


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    settings.set_value("person.name", text)
    settings.set_value("generation.concurrency", "3")
    assert settings.get("person.name") == text
    assert settings.get("generation.concurrency") == 3


@pytest.mark.parametrize(
    "text", ['Dr. "Ada" \\ O\'Neil', "ü\u0301 日本 😀", "a\nb\tc\r\0\x7f\x1b", "]\n[gemini]\nmodel = 'x'"]
)
def test_quotes_and_signs_do_not_break_out(text: str) -> None:
    settings.set_value("person.name", text)
    assert settings.get("person.name") == text
    assert settings.get("gemini.model") == SETTINGS["gemini.model"].default


BAD = [
    ("generation.concurrency", "many"),
    ("generation.concurrency", "1.5"),
    ("generation.concurrency", "0"),
    ("generation.concurrency", "-3"),
    ("generation.concurrency", ""),
    ("gemini.key_tier", "gratis"),
    ("generation.metadata", "HIDDEN"),
    ("person.name", "bytes that are no UTF-8: \udcff"),
]


@pytest.mark.parametrize(("key", "text"), BAD)
def test_a_bad_value_is_refused_and_the_one_before_stays(key: str, text: str) -> None:
    before = settings.get(key)
    with pytest.raises(UserError) as raised:
        settings.set_value(key, text)
    assert (code_of(raised), raised.value.values["key"]) == ("settings.bad_value", key)
    assert settings.get(key) == before
    assert not settings.settings_file().exists()


def test_a_setting_that_nobody_declared_is_refused() -> None:
    with pytest.raises(UserError) as raised:
        settings.set_value("gemini.colour", "blue")
    assert code_of(raised) == "settings.unknown"
    with pytest.raises(KeyError):
        settings.get("gemini.colour")


def test_the_policy_wins_and_cannot_be_set(policy_file: Path) -> None:
    settings.set_value("gemini.model", "mine")
    policy_file.write_text('[gemini]\nmodel = "theirs"\n', encoding="utf-8")
    assert settings.get("gemini.model") == "theirs"
    assert settings.policy() == {"gemini.model": "theirs"}
    with pytest.raises(UserError) as raised:
        settings.set_value("gemini.model", "mine again")
    assert (code_of(raised), raised.value.values["path"]) == ("settings.locked", str(policy_file))
    settings.set_value("generation.questions", "5")
    policy_file.unlink()
    assert settings.get("gemini.model") == "mine"
    assert settings.get("generation.questions") == 5


@pytest.mark.parametrize(
    "content", ["not toml at all", "[gemini\n", b"\xff\xfe", "[gemini]\nmodel = 1\nmodel = 2"]
)
def test_a_file_that_cannot_be_read_is_named(content: str | bytes) -> None:
    raw = content.encode() if isinstance(content, str) else content
    settings.settings_file().write_bytes(raw)
    for attempt in (lambda: settings.get("gemini.model"), lambda: settings.set_value("gemini.model", "x")):
        with pytest.raises(UserError) as raised:
            attempt()
        assert code_of(raised) == "settings.unreadable"
        assert raised.value.values["path"] == str(settings.settings_file())
    assert settings.settings_file().read_bytes() == raw


@pytest.mark.parametrize(
    "line", ["concurrency = 'eight'", "concurrency = true", "concurrency = 0", "concurrency = 8.5"]
)
def test_a_value_of_the_wrong_kind_in_the_file_is_refused(line: str) -> None:
    settings.settings_file().write_text(f"[generation]\n{line}\n", encoding="utf-8")
    with pytest.raises(UserError) as raised:
        settings.number("generation.concurrency")
    assert code_of(raised) == "settings.bad_value"


def test_what_the_file_holds_of_no_setting_does_not_harm() -> None:
    file = '[gemini]\nmodel = "mine"\ncolour = 1979-05-27\n[gemini.deeper]\nx = 1\n["a b"]\n"c d" = [1]\n'
    settings.settings_file().write_text(f"top = 1\n{file}", encoding="utf-8")
    settings.set_value("generation.questions", "4")
    assert (settings.get("gemini.model"), settings.get("generation.questions")) == ("mine", 4)


def test_a_whole_number_will_do_for_a_setting_with_a_fraction() -> None:
    setting = Setting("a.b", 0.5)
    assert setting.check(1) == 1.0
    assert type(setting.check(1)) is float
    assert setting.parse("0.25") == 0.25


def test_a_switch_is_true_or_false() -> None:
    setting = Setting("a.b", False)
    assert setting.parse("true") is True
    assert setting.check(True) is True
    for bad in ("yes", "1", "True"):
        with pytest.raises(UserError):
            setting.parse(bad)
    with pytest.raises(UserError):
        setting.check(1)
