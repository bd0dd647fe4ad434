"""``dermagui chat``, run as a user does."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import psutil
import pytest
from PIL import Image

from tests.fakes.chatting import ENDLESS_SCHEMA
from tests.fakes.command_line import Done, draw_pictures, finish, new_project, read, run, start, wait_until
from tests.fakes.hostile_models import write_broken_template
from tests.fakes.tiny_models import CHAT_TEMPLATE, Pair, write_adapter

NOTICE = "Research use only. Not a medical device. Do not use for diagnosis."


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return next(draw_pictures(tmp_path / "pictures", [1]).iterdir())


@pytest.fixture(autouse=True)
def compiled(engine: ModuleType) -> None:
    """All of this needs the engine."""


@pytest.fixture
def endless(tmp_path: Path) -> list[str]:
    """The options of an answer that does not end by itself."""
    schema = tmp_path / "endless.json"
    schema.write_text(ENDLESS_SCHEMA)
    return ["--schema", str(schema), "--max-tokens", "100000", "--context", "65536"]


def chat(pair: Pair, *arguments: str | Path, code: int = 0) -> Done:
    return run("chat", "--model", pair.model, *arguments, code=code)


def test_several_prompts_are_the_turns_of_one_chat(qwen_pair: Pair, picture: Path) -> None:
    prompts = ("--prompt", "What is this?", "--prompt", "Sure?")
    told = chat(qwen_pair, "--image", picture, *prompts, "--max-tokens", "9", "--json").json
    assert len(told["answers"]) == 2
    assert [len(tokens) for tokens in told["tokens"]] == [9, 9]
    assert [set(seconds) for seconds in told["timings"]] == [{"load", "encode", "prompt", "generate"}] * 2
    assert told["timings"][0]["encode"] > told["timings"][1]["encode"]
    assert told["reused_tokens"][0] == 0
    assert told["reused_tokens"][1] == told["prompt_tokens"][0] + 8
    (seen,) = told["pixels"]
    assert set(seen) == {"sha256", "width", "height", "tokens"}
    assert told["exact"] == [True]
    assert seen["tokens"] == (seen["width"] // 28) * (seen["height"] // 28)
    assert len(seen["sha256"]) == 64
    assert told["labels"] == [[], []]
    assert told["notice"] == NOTICE
    assert told["loaded"]["gpu_layers"] == 0
    assert told["chat"] is None


def test_text_streams_to_stdout_and_nothing_else(llama_pair: Pair, picture: Path) -> None:
    arguments = ("--image", picture, "--prompt", "What?", "--prompt", "Sure?", "--max-tokens", "9")
    done = chat(llama_pair, *arguments)
    answers = chat(llama_pair, *arguments, "--json").json["answers"]
    assert done.out == "".join(f"{answer}\n" for answer in answers)
    assert done.err.count(NOTICE) == 1
    assert f"{picture.name}: seen as" in done.err
    assert "16 tokens" in done.err


def test_the_projector_beside_the_model_is_found_and_one_may_be_named(qwen_pair: Pair, picture: Path) -> None:
    arguments = ("--image", picture, "--prompt", "What?", "--max-tokens", "4", "--json")
    found = chat(qwen_pair, *arguments).json
    named = chat(qwen_pair, "--mmproj", qwen_pair.projector, *arguments).json
    assert found["tokens"] == named["tokens"]


def test_seeds_temperatures_and_adapters(llama_pair: Pair, tmp_path: Path) -> None:
    ask = ("--prompt", "Hello", "--max-tokens", "12", "--json")
    plain = chat(llama_pair, *ask).json["tokens"]
    warm = [chat(llama_pair, *ask, "--temperature", "2", "--seed", seed).json for seed in ("1", "1", "2")]
    assert warm[0]["tokens"] == warm[1]["tokens"] != warm[2]["tokens"]
    assert warm[2]["seed"] == 2
    lora = write_adapter(tmp_path / "lora.gguf")
    worn = chat(llama_pair, *ask, "--lora", lora).json["tokens"]
    assert worn != plain
    assert chat(llama_pair, *ask, "--lora", f"{lora}:0").json["tokens"] == plain
    assert chat(llama_pair, *ask, "--lora", f"{lora}:1.0").json["tokens"] == worn


def test_labels_and_schemas(llama_pair: Pair, picture: Path, tmp_path: Path) -> None:
    ask = ("--image", picture, "--prompt", "Which?", "--prompt", "And now?")
    told = chat(llama_pair, *ask, "--labels", "nevus, melanoma,wart", "--json").json
    for labels, answer in zip(told["labels"], told["answers"], strict=True):
        assert {label["label"] for label in labels} == {"nevus", "melanoma", "wart"}
        assert math.fsum(math.exp(label["log_probability"]) for label in labels) == pytest.approx(1)
        assert answer == labels[0]["label"]
    shown = chat(llama_pair, *ask, "--labels", "nevus,melanoma,wart")
    assert shown.out.splitlines() == told["answers"]
    schema = tmp_path / "schema.json"
    schema.write_text('{"enum": ["nevus", "melanoma"]}')
    answers = chat(llama_pair, *ask, "--schema", schema, "--json").json["answers"]
    assert all(json.loads(answer) in ("nevus", "melanoma") for answer in answers)


def test_a_bundle_is_a_model_by_name(llama_pair: Pair, picture: Path) -> None:
    run("model", "add", llama_pair.model, "--mmproj", llama_pair.projector, "--name", "small")
    ask = ("--image", picture, "--prompt", "What?", "--max-tokens", "4", "--json")
    told = run("chat", "--model", "small", *ask).json
    assert told["model"] == "small"
    assert told["tokens"] == chat(llama_pair, *ask).json["tokens"]
    assert "small" in run("chat", "--model", "smaller", *ask, code=3).err


def test_the_template_of_a_bundle_or_a_file_is_used(llama_pair: Pair, tmp_path: Path) -> None:
    broken = write_broken_template(tmp_path / "broken.gguf")
    ask = ("--prompt", "Hello", "--max-tokens", "6", "--json")
    refused = run("chat", "--model", broken, *ask, code=3)
    assert "mistake in line" in refused.err
    assert "--template" in refused.err
    good = tmp_path / "good.jinja"
    good.write_text(CHAT_TEMPLATE)
    wanted = chat(llama_pair, *ask).json["tokens"]
    assert run("chat", "--model", broken, "--template", good, *ask).json["tokens"] == wanted
    run("model", "add", broken, "--name", "mended", "--template", good)
    assert run("chat", "--model", "mended", *ask).json["tokens"] == wanted
    shout = tmp_path / "shout.jinja"
    shout.write_text("HEAR! {{ messages[0].content }}")
    assert run("chat", "--model", "mended", "--template", shout, *ask).json["tokens"] != wanted


def test_room_is_given_as_it_was_asked_for(qwen_pair: Pair, tmp_path: Path) -> None:
    large_picture = tmp_path / "large.png"
    Image.new("RGB", (400, 300), "firebrick").save(large_picture)
    ask = ("--image", large_picture, "--prompt", "What?", "--max-tokens", "2", "--json")
    room = ("--image-tokens", "12", "--gpu-layers", "0", "--threads", "1", "--context", "1024")
    large, small = chat(qwen_pair, *ask).json, chat(qwen_pair, *ask, *room).json
    assert small["pixels"][0]["tokens"] <= 12 < large["pixels"][0]["tokens"]
    assert (small["loaded"]["threads"], small["loaded"]["context_tokens"]) == (1, 1024)
    # No card here: whatever was asked for, the CPU does it.
    many = chat(qwen_pair, *ask, "--gpu-layers", "99").json
    assert (many["loaded"]["gpu_layers"], many["loaded"]["device"]) == (0, "CPU")
    assert many["tokens"] == large["tokens"]


def test_a_chat_is_kept_in_a_project_and_forgotten_with_its_picture(
    llama_pair: Pair, picture: Path, tmp_path: Path
) -> None:
    project = new_project(tmp_path / "project", picture.parent)
    ask = ("--image", picture, "--prompt", "What?", "--prompt", "Sure?", "--max-tokens", "4", "--json")
    told = chat(llama_pair, *ask, "--project", project).json
    (row,) = read(project, "SELECT * FROM chats")
    assert (row["uid"], row["model"], row["quantization"]) == (told["chat"], "llama.gguf", "F32")
    turns = read(project, "SELECT role, text, tokens, figures FROM chat_turns ORDER BY n")
    assert [turn["text"] for turn in turns[::2]] == ["What?", "Sure?"]
    assert [turn["text"] for turn in turns[1::2]] == told["answers"]
    assert [json.loads(turn["tokens"]) for turn in turns[1::2]] == told["tokens"]
    assert json.loads(turns[1]["figures"])["seconds"].keys() == {"load", "encode", "prompt", "generate"}
    figures = json.loads(turns[3]["figures"])
    assert (figures["model"], figures["settings"]["max_tokens"]) == ("llama.gguf", 4)
    (image,) = read(project, "SELECT image_id, pixels FROM chat_images")
    pixels = json.loads(image["pixels"])
    assert pixels.items() >= (told["pixels"][0] | {"exact": True, "redactions": []}).items()
    assert set(pixels) == {*told["pixels"][0], "exact", "recipe", "redactions"}
    assert image["image_id"] is not None
    chat(llama_pair, *ask)
    assert len(read(project, "SELECT * FROM chats")) == 1, "nothing is kept without --project"
    removed = run("forget", project, f"image:{image['image_id']}", "--json").json["removed"]
    assert removed["chats"] == 1
    assert read(project, "SELECT * FROM chat_turns") == []
    assert "forgotten" in chat(llama_pair, *ask, "--project", project, code=3).err
    assert read(project, "SELECT * FROM chats") == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model", "nothing.gguf", "--prompt", "x"], "nothing.gguf"),
        (["--model", "no-such-bundle", "--prompt", "x"], "no-such-bundle"),
        (["--model", "MODEL", "--prompt", "x", "--image", "nothing.png"], "nothing.png"),
        (["--model", "MODEL", "--prompt", "x", "--schema", "nothing.json"], "nothing.json"),
        (["--model", "MODEL", "--prompt", "x", "--lora", "nothing.gguf"], "nothing.gguf"),
        (["--model", "MODEL", "--prompt", "x", "--labels", "one"], "one"),
        (["--model", "MODEL", "--prompt", "x", "--context", "99999999999"], "99999999999"),
        (["--model", "MODEL", "--prompt", "x", "--template", "nothing.jinja"], "nothing.jinja"),
        (["--model", "PROJECTOR", "--prompt", "x"], "llama.gguf"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    llama_pair: Pair, arguments: list[str], told: str
) -> None:
    places = {"MODEL": str(llama_pair.model), "PROJECTOR": str(llama_pair.projector)}
    done = run("chat", *(places.get(word, word) for word in arguments), code=3)
    assert done.out == ""
    assert told in done.err
    assert "{" not in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--gpu-layers", "-1"],
        ["--threads", "0"],
        ["--image-tokens", "many"],
        ["--max-tokens", "0"],
        ["--context", "-5"],
        ["--labels", "a,b", "--schema", "x"],
        ["--seed", "x"],
    ],
)
def test_wrong_usage_is_told_from_a_problem(arguments: list[str]) -> None:
    assert run("chat", "--model", "m", "--prompt", "x", *arguments, code=2).out == ""


@pytest.mark.skipif(sys.platform == "win32", reason="interrupts by a signal")
def test_an_interrupt_ends_the_chat_and_its_child(llama_pair: Pair, endless: list[str]) -> None:
    process = start("chat", "--model", llama_pair.model, "--prompt", "Hello", *endless)
    assert process.stdout is not None
    assert process.stdout.read(1)
    (child,) = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.code == 4
    wait_until(lambda: not child.is_running(), "the child ends")


def test_a_reader_that_goes_away_is_no_fault(llama_pair: Pair, endless: list[str]) -> None:
    command = [
        sys.executable,
        "-m",
        "dermagui",
        "chat",
        "--model",
        str(llama_pair.model),
        "--prompt",
        "Hello",
    ]
    with subprocess.Popen(
        [*command, *endless], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 0
