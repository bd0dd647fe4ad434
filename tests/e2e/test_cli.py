"""The command line as scripts see it: exit codes, a sentence for each mistake, JSON, previews, exports."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes import command_line as cl
from tests.fakes.referee import Post, Referee, Reply, numbered_picture

AS = ("--as", "A Person")
FORMATS = ("messages", "llava", "sharegpt", "alpaca", "dermasynth", "csv", "preference")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures."""
    return cl.draw_pictures(tmp_path_factory.mktemp("pictures"), range(3))


def one_sentence(done: cl.Done) -> str:
    """The error: one line that ends like a sentence, after what was told before it; nothing on stdout."""
    assert done.out == ""
    lines = [line for line in done.err.splitlines() if line.startswith("dermagui: ")]
    assert len(lines) == 1, done.err
    sentence = lines[0].removeprefix("dermagui: ")
    assert sentence.endswith("."), sentence
    assert not re.search(r"^\w+\.\w+\b|\{\w*\}|\bNone\b|UserError|Errno", sentence), sentence
    return sentence


WRONG_USAGE = [
    ["review", "p", "accept", "--all", "--as", "A"],
    ["generate", "PROJECT"],
    ["generate", "PROJECT", "--provider", "elsewhere"],
    ["generate", "PROJECT", "--provider", "gemini", "--questions", "0"],
    ["generate", "PROJECT", "--provider", "gemini", "--budget", "much"],
    ["generate", "PROJECT", "--provider", "gemini", "--budget", "-1"],
    ["generate", "PROJECT", "--provider", "gemini", "--concurrency", "many"],
    ["export", "PROJECT", "OUT"],
    ["export", "PROJECT", "OUT", "--format", "word"],
    ["review", "PROJECT", "like"],
    ["airplane", "perhaps"],
    ["status"],
    ["status", "PROJECT", "--no-such-option"],
    ["images", "PROJECT", "surplus"],
    ["no-such-command"],
]


def test_wrong_usage_is_exit_code_two() -> None:
    """With what was wrong on stderr. In one process, for a start takes longer than all of them."""
    script = (
        "import json, sys\nfrom dermagui.cli.main import main\n"
        "def code(arguments):\n    try:\n        return main(arguments)\n"
        "    except SystemExit as end:\n        return end.code\n"
        "print(json.dumps([code(arguments) for arguments in json.loads(sys.argv[1])]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(WRONG_USAGE)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [2] * len(WRONG_USAGE)
    assert done.stderr.count("error:") == len(WRONG_USAGE)


@pytest.mark.slow
def test_a_mistake_is_one_sentence_and_exit_code_three(tmp_path: Path, pictures: Path) -> None:
    """Which names what is wrong, without a trace."""
    project = cl.new_project(tmp_path / "project", pictures)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    gemini = ["generate", project, "--provider", "gemini"]
    with Referee() as referee:
        local = [*gemini, "--base-url", referee.url]
        mistakes: list[tuple[list[str | Path], str]] = [
            (["new", project], "project"),
            (["new", tmp_path / "full"], "full"),
            (["status", tmp_path / "nowhere"], "nowhere"),
            (["images", tmp_path / "full"], "full"),
            (["add", project, tmp_path / "nowhere"], "nowhere"),
            (["add", project, tmp_path / "full" / "file"], "file"),
            (["add", project, pictures, "--metadata", tmp_path / "nowhere.csv"], "nowhere.csv"),
            (["add", project, pictures, "--metadata", tmp_path / "full" / "file"], "file"),
            (["review", project, "accept", "--all-unflagged"], "--as"),
            (["review", project, "accept", *AS], "pair"),
            (["review", project, "accept", "01a1", *AS], "01a1"),
            (["review", project, "undo", *AS], "undo"),
            (["export", project, tmp_path / "out", "--format", "csv"], "export"),
            (["export", project, tmp_path / "full", "--format", "csv"], "full"),
            (["export", project, tmp_path / "out", "--format", "csv", "--split", "80/10"], "80/10"),
            (["forget", project, "nobody"], "nobody"),
            (["settings", "no.such"], "no.such"),
            (["settings", "gemini.timeout_seconds", "soon"], "soon"),
            ([*gemini, "--base-url", "http://example.org", "--yes"], "example.org"),
            ([*local, "--yes"], "terms"),
            ([*local, "--bank", tmp_path / "nowhere.json", "--yes"], "nowhere.json"),
            ([*local, "--accept-terms", "A Person"], "--yes"),
            ([*local, "--yes", "--tier", "free"], "free"),
        ]
        for arguments, word in mistakes:
            sentence = one_sentence(cl.run(*arguments, code=3))
            assert word in sentence, f"{arguments}: {sentence}"
        keyless = cl.run(*local, "--yes", code=3, environment={"GEMINI_API_KEY": " "})
        assert "key" in one_sentence(keyless)
        assert referee.posts == []
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.slow
def test_status_tells_everything_in_one_object(tmp_path: Path, pictures: Path) -> None:
    """With the keys that scripts rely on; so do the other commands that can."""
    project = cl.new_project(tmp_path / "project", pictures)
    with Referee() as referee:
        done = cl.run(*cl.gemini(project, referee, "--questions", "2", "--json")).json
    assert (done["sent"], done["left"], done["state"]) == (6, 0, "done")
    told = cl.run("status", project, "--json").json
    assert told["images"] == {"ready": 3}
    assert sum(told["pairs"].values()) == 6
    assert told["requests"] == {"answered": 6}
    assert told["attempts"] == 6
    assert told["money"].keys() >= {"spent", "reserved", "at_risk", "currency"}
    assert (told["money"]["currency"], told["money"]["reserved"], told["money"]["at_risk"]) == ("USD", 0, 0)
    assert 0 < told["money"]["spent"] < 0.1
    assert [(job["kind"], job["state"]) for job in told["jobs"]] == [("generate", "done"), ("add", "done")]
    assert all(job["finished_at"] > job["started_at"] for job in told["jobs"])
    assert all(isinstance(job["pid"], int) for job in told["jobs"])
    assert cl.run("settings", "--json").json["settings"]["generation.questions"] == 2


@pytest.mark.slow
def test_a_preview_is_byte_for_byte_what_is_sent_later(tmp_path: Path) -> None:
    """Nothing leaves for it; what may identify somebody is pointed out, and whether it is sent."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    names = ["Jane Miller 1961-04-12.png", "scan.png", "third.png"]
    for number, name in enumerate(names):
        numbered_picture(number).save(pictures / name)
    table = tmp_path / "table.csv"
    rows = ["file,dx,sex,remark", *(f"{name},naevus,female,seen by Dr. Brown" for name in names)]
    table.write_text("\n".join(rows), "utf-8")
    mapping = ["--map=image=file", "--map=diagnosis=dx", "--map=sex=sex", "--map=note=remark"]
    project = cl.new_project(tmp_path / "project", pictures, f"--metadata={table}", *mapping)
    shown = tmp_path / "shown"
    with Referee() as referee:
        plan = ["--questions", "1", "--metadata", "hidden"]
        preview = cl.run("generate", project, "--provider", "gemini", *plan, "--preview", shown)
        assert referee.posts == []
        assert cl.requests(project) == []
        cl.run(*cl.gemini(project, referee, *plan))
        assert len(referee.posts) == 3
        sent = {post.images[0] for post in referee.posts}
        assert {path.read_bytes() for path in shown.glob("*.jpg")} == sent
        for post in referee.posts:
            check_preview(preview.out, post)
    assert "Miller" in preview.out
    assert "1961-04-12" in preview.out
    assert "Brown" in preview.out
    assert "withheld: note" in preview.out
    assert "not detected" in preview.out
    bodies = json.dumps([post.body for post in referee.posts])
    assert not re.search("Miller|1961|Brown", bodies)
    assert "diagnosis: nevus" in bodies


def test_only_the_images_that_are_named_are_asked_about(tmp_path: Path) -> None:
    project = tmp_path / "project"
    cl.run("new", project)
    for name, numbers in (("clinic", range(2)), ("archive", range(2, 5))):
        cl.run("add", project, cl.draw_pictures(tmp_path / name, numbers), "--may-leave")
    asked = ("generate", project, "--provider", "practice", "--questions", "1", "--yes", "--json")
    assert cl.run(*asked, "--source", "archive").json["sent"] == 3
    assert cl.run(*asked).json["sent"] == 2
    refused = cl.run(*asked, "--filter", "no such filter", code=3)
    assert "no such filter" in one_sentence(refused)
    assert cl.run(*asked, "--filter", "a", "--source", "b", code=2).err


def check_preview(text: str, post: Post) -> None:
    """The prompt, the size and the hash of what was sent."""
    assert post.system in text
    assert post.user in text
    assert post.question.pixels in text
    assert "96x24 pixels" in text


@pytest.fixture
def reviewed(tmp_path: Path, pictures: Path) -> Path:
    """A project with six pairs of which four are accepted, one in other words, and one is rejected."""
    project = cl.new_project(tmp_path / "project", pictures, "--licence", "CC-BY-4.0")
    with Referee(lambda post: Reply.good(post, ANSWERS[post.number % len(ANSWERS)])) as referee:
        cl.run(*cl.gemini(project, referee, "--questions", "2"))
    uids = [pair["uid"] for pair in cl.run("review", project, "list", "--json").json["pairs"]]
    assert len(uids) == 6
    # Pairs before the options and after them, whole and by their ends.
    accept = [uids[0], "--json", *AS, uids[1][-12:], uids[2]]
    assert len(cl.run("review", project, "accept", *accept).json["verdicts"]) == 3
    cl.run("review", project, "reject", *AS, "--reason", "not_visible", uids[3])
    cl.run("review", project, "edit", uids[4], "--answer", "A mole, in better words.", *AS)
    return project


ANSWERS = (
    "A round brown spot with an even border lies in the middle of the picture.",
    "Pale skin surrounds a darker patch whose edge can be followed all around.",
    "No scale, no crust and no bleeding can be made out on this surface.",
    "Two tones of colour are visible, and the left half is lighter than the right one.",
    "The picture alone cannot settle this; its structure is plain and symmetrical.",
    "Hair and fine skin lines cross the lesion, and its centre is slightly raised.",
    "A ruler would help, since nothing in the picture tells the size.",
)


@pytest.mark.slow
def test_verdicts_are_undone_and_redone(reviewed: Path) -> None:
    """In the order in which they were given, by the person who gave them."""

    def count() -> dict[str, int]:
        return dict(cl.run("status", reviewed, "--json").json["pairs"])

    whole = count()
    assert whole == {"accepted": 3, "rejected": 1, "edited": 1, "pending": 1}
    cl.run("review", reviewed, "undo", "--count", "2", *AS)
    assert count() == {"accepted": 3, "pending": 3}
    cl.run("review", reviewed, "redo", *AS)
    assert count() == {"accepted": 3, "rejected": 1, "pending": 2}
    cl.run("review", reviewed, "redo", *AS)
    assert count() == whole
    one_sentence(cl.run("review", reviewed, "redo", *AS, code=3))
    one_sentence(cl.run("review", reviewed, "undo", "--as", "Somebody Else", code=3))
    edited = cl.run("review", reviewed, "list", "--state", "edited", "--json").json["pairs"]
    assert len(edited) == 1


@pytest.mark.slow
def test_every_format_is_exported_and_messages_load(
    reviewed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was accepted and edited, in every shape; ``preference`` holds what was edited."""
    for name in FORMATS:
        done = cl.run("export", reviewed, tmp_path / name, "--format", name, "--json").json
        assert done["pairs"] == (1 if name == "preference" else 4), name
        manifest = json.loads((tmp_path / name / "manifest.json").read_text("utf-8"))
        assert "CC-BY-4.0" in json.dumps(manifest), name
        assert (tmp_path / name / "README.md").is_file()
    again = cl.run("export", reviewed, tmp_path / "messages", "--format", "messages", code=3)
    assert "messages" in one_sentence(again)
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    import datasets

    files = {path.stem: str(path) for path in (tmp_path / "messages").glob("*.jsonl")}
    loaded = datasets.load_dataset("json", data_files=files, cache_dir=str(tmp_path / "cache"))
    rows = [row for split in loaded.values() for row in split]
    assert len(rows) == 4
    answers = [row["messages"][-1]["content"][-1]["text"] for row in rows]
    assert "A mole, in better words." in answers
    assert set(answers) - {"A mole, in better words."} <= set(ANSWERS)
    assert all((tmp_path / "messages" / image).is_file() for row in rows for image in row["images"])


@pytest.mark.slow
def test_a_read_only_project_can_be_read_and_says_why_it_cannot_be_written(
    reviewed: Path, tmp_path: Path, pictures: Path
) -> None:
    """As on a write-protected drive; and nothing in it changes."""
    places = [reviewed, *reviewed.rglob("*")]
    before = {path: path.read_bytes() for path in places if path.is_file()}
    for path in reversed(places):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        for command in ("status", "images"):
            assert cl.run(command, reviewed, "--json", unprivileged=True).json
        assert cl.run("review", reviewed, "list", "--json", unprivileged=True).json["pairs"]
        for arguments in (
            ["add", reviewed, pictures],
            ["generate", reviewed, "--provider", "practice"],
            ["review", reviewed, "accept", "--all-unflagged", *AS],
            ["forget", reviewed, "1"],
            ["export", reviewed, tmp_path / "out", "--format", "csv"],
        ):
            sentence = one_sentence(cl.run(*arguments, code=3, unprivileged=True))
            assert re.search("read-only|writ", sentence), sentence
    finally:
        for path in places:
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert {path: path.read_bytes() for path in reviewed.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_whoever_stops_reading_our_output_is_no_error(tmp_path: Path, pictures: Path) -> None:
    """As ``head`` does."""
    project = cl.new_project(tmp_path / "project", pictures)
    for arguments in (["images", project], ["images", project, "--json"], ["status", project, "--json"]):
        with cl.start(*arguments) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            err = process.stderr.read()
        assert (process.returncode, err) == (0, "")


@pytest.mark.slow
def test_a_cache_that_was_thrown_away_is_made_anew(tmp_path: Path, pictures: Path) -> None:
    """It is only a cache."""
    project = cl.new_project(tmp_path / "project", pictures)
    shutil.rmtree(project / "cache")
    with Referee() as referee:
        cl.run(*cl.gemini(project, referee, "--questions", "1"))
    assert cl.states(project) == {"answered": 3}
    cl.run("add", project, pictures)


@pytest.mark.slow
def test_practice_pairs_are_marked_and_left_out_unless_asked_for(tmp_path: Path, pictures: Path) -> None:
    """The rehearsal needs no key, no terms and no network."""
    project = cl.new_project(tmp_path / "project", pictures)
    without_key = {"GEMINI_API_KEY": ""}
    cl.run("generate", project, "--provider", "practice", "--questions", "1", environment=without_key)
    pairs = cl.run("review", project, "list", "--json").json["pairs"]
    assert [pair["simulated"] for pair in pairs] == [True] * 3
    export = ["export", str(project), str(tmp_path / "out"), "--format", "csv", "--state", "all"]
    one_sentence(cl.run(*export, code=3))
    assert cl.run(*export, "--simulated", "--json").json["pairs"] == 3
