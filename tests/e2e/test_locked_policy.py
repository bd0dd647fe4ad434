"""What is fixed for everybody on a machine: nothing overrules it, and nothing breaks by it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from dermagui.texts import sentence
from tests.fakes import command_line as cl
from tests.fakes.referee import Referee, Reply

QUOTA_OF_A_FREE_KEY = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only there one variable moves the machine's own settings"
)


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's policy file, for the processes that a test starts."""
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "machine"))
    path = tmp_path / "machine" / "dermagui" / "policy.toml"
    path.parent.mkdir(parents=True)
    path.write_text('[gemini]\nkey_tier = "paid"\n', encoding="utf-8")
    return path


def error_of(done: cl.Done) -> str:
    """The one sentence that a refused command says."""
    (line,) = [line for line in done.err.splitlines() if line.startswith("dermagui: ")]
    return line.removeprefix("dermagui: ")


def test_a_fixed_setting_is_shown_as_such_and_cannot_be_set(policy: Path, dermagui_home: Path) -> None:
    refused = cl.run("settings", "gemini.key_tier", "free", code=3)
    assert error_of(refused) == sentence("settings.locked", {"key": "gemini.key_tier", "path": str(policy)})
    assert not (dermagui_home / "config" / "settings.toml").exists()
    assert "gemini.key_tier = paid (fixed by this machine's policy)" in cl.run("settings").out
    told = cl.run("settings", "gemini.key_tier", "--json").json
    assert told == {"settings": {"gemini.key_tier": "paid"}, "locked": ["gemini.key_tier"]}
    cl.run("settings", "gemini.model", "gemini-3.8-flash")
    assert cl.run("settings", "gemini.model").out == "gemini.model = gemini-3.8-flash\n"


@pytest.mark.parametrize("content", ["[gemini\nkey_tier", '[gemini]\nkey_tier = "gratis"\n'])
@pytest.mark.parametrize("command", [["settings"], ["settings", "gemini.key_tier"]])
def test_a_policy_that_cannot_be_read_is_one_sentence(policy: Path, content: str, command: list[str]) -> None:
    """It is never passed over as if there were none."""
    policy.write_text(content, encoding="utf-8")
    told = error_of(cl.run(*command, code=3))
    assert str(policy) in told


@pytest.mark.slow
def test_a_key_is_tested_at_no_other_place_than_the_policys(policy: Path) -> None:
    with Referee() as referee:
        policy.write_text(f'[gemini]\nbase_url = "{referee.url}"\n', encoding="utf-8")
        referee.models = ["the-policys-own"]
        assert "the-policys-own" in cl.run("key", "test").err
        cl.run("settings", "gemini.base_url", "http://127.0.0.1:9", code=3)
        assert "the-policys-own" in cl.run("key", "test").err
        policy.write_text("[gemini\n", encoding="utf-8")
        assert str(policy) in error_of(cl.run("key", "test", code=3))


@pytest.mark.slow
def test_a_free_key_ends_the_run_although_the_policy_calls_it_paid(policy: Path, tmp_path: Path) -> None:
    """In order, with the sentence about it; what the policy says is not changed, nor kept elsewhere."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(6)))
    before = policy.read_bytes()
    with Referee(lambda post: Reply.quota(QUOTA_OF_A_FREE_KEY, 0.1)) as referee:
        arguments = cl.gemini(project, referee, "--questions", "1", "--concurrency", "1")
        done = cl.run(*arguments, code=3)
        assert error_of(done) == sentence("key.is_free_tier", {})
        assert len(referee.posts) == 1
        assert cl.latest_job(project)["state"] == "failed"
        assert cl.states(project) == {"quota_minute": 1}
        referee.script = lambda post: (
            Reply.quota(QUOTA_OF_A_FREE_KEY, 0.1) if post.number == 2 else Reply.good(post)
        )
        cl.run(*arguments, "--free-tier-yes")
    assert cl.states(project) == {"quota_minute": 2, "answered": 6}
    assert policy.read_bytes() == before
    assert re.search("paid", cl.run("settings", "gemini.key_tier").out)


@pytest.mark.slow
def test_an_option_does_not_overrule_the_policy(policy: Path, tmp_path: Path) -> None:
    """Whoever fixed where images are sent, and what kind of key is used, has to be asked."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(2)))
    with Referee() as referee:
        policy.write_text(f'[gemini]\nkey_tier = "paid"\nbase_url = "{referee.url}"\n', encoding="utf-8")
        base = ["generate", project, "--provider", "gemini", "--accept-terms", "Ada", "--yes"]
        for option, key in (
            (["--tier", "undeclared"], "key_tier"),
            (["--base-url", "http://[::1]:9"], "base_url"),
        ):
            refused = cl.run(*base, *option, code=3)
            said = {"key": f"gemini.{key}", "path": str(policy)}
            assert error_of(refused) == sentence("settings.locked", said)
        assert not referee.posts
        cl.run("generate", project, "--provider", "practice", "--tier", "undeclared", "--yes")
