"""``dermagui model``, run as a user does."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.fakes import hostile_models, tiny_models
from tests.fakes.command_line import finish, run, start, wait_until
from tests.fakes.tiny_models import Pair


@pytest.fixture
def qwen(tmp_path: Path) -> Pair:
    """A model and its projector."""
    return tiny_models.qwen_pair(tmp_path)


def bundles(home: Path) -> list[str]:
    """What lies in the folder of the bundles."""
    folder = home / "data" / "bundles"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_inspect_tells_all_there_is_to_know(qwen: Pair) -> None:
    told = run("model", "inspect", qwen.model, "--json").json
    assert told["header"]["version"] == 3
    assert told["header"]["size_bytes"] == qwen.model.stat().st_size
    assert told["header"]["metadata"]["tokenizer.ggml.tokens"]["type"] == "text"
    assert told["header"]["metadata"]["qwen2vl.rope.dimension_sections"] == [2, 3, 3, 0]
    assert told["model"]["architecture"] == "qwen2vl"
    assert told["model"]["has_template"] is True
    assert told["mmproj"]["file"] == str(qwen.projector)
    assert told["mmproj"]["projector"]["type"] == "qwen2vl_merger"
    (memory,) = told["memory"]
    assert memory["context"] == 4096, "the model goes no further"
    assert memory["total"] == sum(memory[name] for name in ("weights", "kv", "compute", "projector"))
    assert told["problem"] is None
    words = run("model", "inspect", qwen.model).out
    for fact in ("random qwen2vl", "4,096 tokens", "qwen2vl_merger", "chat template: yes", "8 to 4096"):
        assert fact in words


def test_inspect_tells_what_is_wrong_and_still_what_it_is(qwen: Pair, tmp_path: Path) -> None:
    def problem(*arguments: str | Path) -> str:
        return str(run("model", "inspect", *arguments, "--json").json["problem"]["code"])

    assert problem(hostile_models.write_mllama(tmp_path / "mllama.gguf")) == "chat.mllama"
    assert problem(qwen.projector) == "chat.is_mmproj"
    wide = hostile_models.write_wide_projector(tmp_path / "wide.gguf")
    assert problem(qwen.model, "--mmproj", wide) == "chat.mmproj_wrong_kind"
    shown = run("model", "inspect", qwen.projector)
    assert "28 x 28 pixels" in shown.out
    assert shown.err


def test_a_broken_file_is_the_users_to_mend(qwen: Pair, tmp_path: Path) -> None:
    cut = hostile_models.cut_short(qwen.model, tmp_path / "cut")["last tensor"]
    for action in ("inspect", "add"):
        done = run("model", action, cut, code=3)
        assert done.out == ""
        assert len(done.err.splitlines()) == 1


def test_numbers_beyond_all_numbers_are_json(tmp_path: Path) -> None:
    model = hostile_models.write_changed_model(
        tmp_path / "m.gguf", {"odd": float("nan"), "end": float("inf")}
    )
    out = run("model", "inspect", model, "--json").out
    metadata = json.loads(out, parse_constant=pytest.fail)["header"]["metadata"]
    assert (metadata["odd"], metadata["end"]) == ("nan", "inf")


def test_add_list_remove(qwen: Pair, dermagui_home: Path) -> None:
    added = run("model", "add", qwen.model, "--name", "Skin")
    assert added.out == ""
    assert "'qwen-mmproj.gguf'" in added.err
    row, shipped = run("model", "list", "--json").json["models"]
    assert shipped["name"] == "phantom"
    assert row["name"] == "Skin"
    assert row["files"]["model"]["origin"] == "qwen.gguf"
    assert row["image"]["merge"] == 2
    listed = run("model", "list").out
    assert listed.startswith("Skin: qwen2vl, ")
    assert listed.endswith("It knows drawn shapes, nothing about skin.\n")
    assert run("model", "add", qwen.model, "--name", "skin", code=3).out == ""
    assert run("model", "remove", "skin").err == "Removed skin.\n"
    assert run("model", "remove", "skin", code=3).out == ""
    assert bundles(dermagui_home) == []
    assert qwen.model.exists()


def test_adding_tells_json_and_nothing_else(qwen: Pair) -> None:
    qwen.projector.unlink()
    done = run("model", "add", qwen.model, "--json")
    assert done.json["name"] == "qwen"
    assert done.json["image"] is None
    assert done.err, "the missing projector is told"


def test_a_check_finds_a_damaged_tensor(qwen: Pair, dermagui_home: Path) -> None:
    added = run("model", "add", qwen.model, "--name", "skin", "--json").json
    (memory,) = added["memory"]
    assert memory["total"] == sum(memory[name] for name in ("weights", "kv", "compute", "projector"))
    assert run("model", "check", "skin").err.endswith("skin is, to the last bit, what was added.\n")
    kept = dermagui_home / "data" / "bundles" / "skin" / "model.gguf"
    hostile_models.damage_tensor(kept, kept)
    done = run("model", "check", "skin", code=3)
    assert done.out == ""
    assert "model.gguf" in done.err
    assert run("model", "check", "skim", code=3).out == ""


def test_a_template_with_a_mistake_is_told_and_one_may_be_given(qwen: Pair, tmp_path: Path) -> None:
    broken = hostile_models.write_broken_template(tmp_path / "broken.gguf")
    assert run("model", "inspect", broken, "--json").json["problem"]["code"] == "chat.template_syntax"
    assert "mistake in line" in run("model", "add", broken, "--name", "broken").err
    template = tmp_path / "own.jinja"
    template.write_text("{{ messages[0].content }}")
    added = run("model", "add", broken, "--name", "mended", "--template", template)
    assert "mistake" not in added.err
    assert "memory, about" in added.err


def test_a_broken_bundle_does_not_hide_the_others(qwen: Pair, dermagui_home: Path) -> None:
    for name in ("good", "bad"):
        run("model", "add", qwen.model, "--name", name)
    (dermagui_home / "data" / "bundles" / "bad" / "bundle.json").write_text("{")
    done = run("model", "list", "--json")
    assert [row["name"] for row in done.json["models"]] == ["good", "phantom"]
    assert done.err


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal there")
def test_ctrl_c_while_adding_leaves_nothing(tmp_path: Path, dermagui_home: Path) -> None:
    model = hostile_models.write_changed_model(tmp_path / "large.gguf", {})
    os.truncate(model, 4 << 30)  # a hole takes no room, and a while to be hashed
    process = start("model", "add", model)
    wait_until(lambda: bundles(dermagui_home), "the add did not begin")
    process.send_signal(signal.SIGINT)
    assert finish(process).code == 4
    assert bundles(dermagui_home) == []


def test_usage(qwen: Pair) -> None:
    run("model", code=2)
    run("model", "inspect", code=2)
    run("model", "polish", qwen.model, code=2)
