"""The key: found where it was put, refused where it is none, and shown nowhere."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import asdict

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.backends.null import Keyring as SwitchedOff
from keyring.errors import KeyringLocked, PasswordDeleteError

from dermagui import api_key
from dermagui.api_key import (
    GEMINI,
    HUGGINGFACE,
    VARIABLES,
    ApiKey,
    check_key,
    find_key,
    remove_key,
    store_key,
)
from dermagui.errors import UserError
from dermagui.jobs import launch

KEY = "AQ.canary-key-that-nobody-may-find-7Q9Z"


class InMemory(KeyringBackend):
    """A keyring that works."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[(service, username)] = password

    def delete_password(self, service: str, username: str) -> None:
        if (service, username) not in self.kept:
            raise PasswordDeleteError
        del self.kept[(service, username)]


class Locked(InMemory):
    """A keyring whose owner does not open it."""

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked

    def delete_password(self, service: str, username: str) -> None:
        raise KeyringLocked


@pytest.fixture(autouse=True)
def own_keyring() -> Iterator[InMemory]:
    """A keyring of this test's own, in the place of the machine's."""
    before = keyring.get_keyring()
    backend = InMemory()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


def test_a_key_is_kept_found_and_removed(own_keyring: InMemory) -> None:
    assert find_key() is None
    store_key(f"  {KEY}\n")
    assert list(own_keyring.kept.values()) == [KEY]
    assert find_key() == ApiKey(KEY, "keyring")
    assert remove_key()
    assert find_key() is None
    assert not remove_key()


def test_the_keyring_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "google-key-1234")
    assert find_key() == ApiKey("google-key-1234", "GOOGLE_API_KEY")
    monkeypatch.setenv("GEMINI_API_KEY", " gemini-key-1234 ")
    assert find_key() == ApiKey("gemini-key-1234", "GEMINI_API_KEY")
    store_key(KEY)
    assert find_key() == ApiKey(KEY, "keyring")


def test_an_empty_variable_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "  ")
    assert find_key() is None


@pytest.mark.parametrize("backend", [NoKeyring, SwitchedOff, Locked])
def test_without_a_keyring_a_key_is_not_said_to_be_kept(
    backend: type[KeyringBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring.set_keyring(backend())
    with pytest.raises(UserError) as raised:
        store_key(KEY)
    assert raised.value.code == "key.no_keyring"
    assert find_key() is None
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    assert find_key() == ApiKey(KEY, "GEMINI_API_KEY")


@pytest.mark.parametrize(
    "text", ["", "   ", "two words", "two\nlines", "umläut-key", "zero\0byte", "tab\there", "\x7f"]
)
def test_what_can_be_no_key_is_refused_without_repeating_it(text: str, own_keyring: InMemory) -> None:
    with pytest.raises(UserError) as raised:
        store_key(text)
    assert (raised.value.code, raised.value.values) == ("key.malformed", {})
    assert own_keyring.kept == {}


@pytest.mark.parametrize("text", ["AIzaSyA-1_2", "AQ.Ab8RN6-_x", "x", "sk/+=~"])
def test_a_key_of_any_look_is_taken(text: str) -> None:
    assert check_key(f" {text}\r\n") == text


def test_a_key_is_shown_by_its_last_letters_only() -> None:
    key = ApiKey(KEY, "keyring")
    for shown in (repr(key), str(key), f"{key}", f"{key!r}", repr([key]), repr({"key": key})):
        assert KEY not in shown
        assert KEY[:-4] not in shown
    assert str(key) == "…7Q9Z (keyring)"
    assert ApiKey("short", "x").ending == "…", "the end of a short one would be most of it"
    assert asdict(key)["value"] == KEY, "whoever needs it asks for it by name"


def test_a_key_is_not_in_the_trace_of_what_fails_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring.set_keyring(NoKeyring())
    with pytest.raises(UserError) as raised:
        store_key(KEY)
    assert KEY not in "".join(traceback.format_exception(raised.value))


def test_there_is_one_place_for_the_key(own_keyring: InMemory) -> None:
    store_key(KEY)
    store_key("another-key")
    assert list(own_keyring.kept) == [("dermagui", "gemini")]
    assert api_key.find_key() == ApiKey("another-key", "keyring")


def test_the_keys_of_two_services_are_not_taken_for_each_other(own_keyring: InMemory) -> None:
    store_key(KEY)
    assert find_key(HUGGINGFACE) is None
    store_key(" hub-key-1234 \n", HUGGINGFACE)
    assert own_keyring.kept == {("dermagui", "gemini"): KEY, ("dermagui", "huggingface"): "hub-key-1234"}
    assert find_key(HUGGINGFACE) == ApiKey("hub-key-1234", "keyring")
    assert remove_key(HUGGINGFACE)
    assert not remove_key(HUGGINGFACE)
    assert find_key() == ApiKey(KEY, "keyring")


def test_each_service_has_variables_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hub-key-1234")
    assert find_key() is None
    assert find_key(HUGGINGFACE) == ApiKey("hub-key-1234", "HF_TOKEN")


@pytest.mark.parametrize("service", [GEMINI, HUGGINGFACE])
def test_without_a_keyring_the_variable_to_set_is_named(service: str) -> None:
    keyring.set_keyring(NoKeyring())
    with pytest.raises(UserError) as raised:
        store_key(KEY, service)
    assert raised.value.values == {"variable": VARIABLES[service][0]}


def test_a_child_inherits_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {name for names in VARIABLES.values() for name in names}
    for name in names:
        monkeypatch.setenv(name, KEY)
    assert not launch.child_environment().keys() & names
