"""What must not leave does not leave, what is forgotten is gone from every byte, and the key is nowhere."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tests.fakes import command_line as cl
from tests.fakes.referee import Post, Referee, Reply, numbered_picture

GONE = {
    "patient": "qzx-Händel-4711",
    "lesion": "qzlesion-links-3",
    "diagnosis": "Qzxanthom-am-Öhr",
    "note": "qzx Gärtnerin kam am Dienstag",
    "file name": "Qzx-Frau-Schöller-2024-03-05",
    "folder": "qzfolder-Weißhaupt",
    "comment": "Qzcomment-Großmutter",
    "answer": "Qzxanswer-Fleck",
    "question": "Qzxquestion-Blüte",
    "edit": "Qzxedit-Übermalt",
    "verdict": "qzxverdict-nicht-überzeugend",
}
"""What the project learns of one patient. Each begins with letters that nothing else begins with."""
KEPT = "qzkept-Patientin-Öztürk"


def bytes_below(*folders: Path) -> dict[Path, bytes]:
    """Every file below some folders, names included."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {path: path.read_bytes() + bytes(path) for path in files}


def found_in(contents: dict[Path, bytes], words: Iterable[str]) -> dict[str, list[str]]:
    """Which words stand in which files: as they are, escaped for JSON, or as a search index spells them."""
    found = {}
    for word in words:
        spellings = [spelling for text in (word, plain(word)) for spelling in (text.encode(), escaped(text))]
        places = [path.name for path, content in contents.items() if any(s in content for s in spellings)]
        if places:
            found[word] = places
    return found


def plain(word: str) -> str:
    """The longest part of a word as a search index keeps it: lower case, without accents."""
    letters = unicodedata.normalize("NFKD", word.lower())
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return max("".join(c if c.isalnum() else " " for c in bare).split(), key=len)


def escaped(word: str) -> bytes:
    """A word as JSON in pure ASCII spells it."""
    return word.encode("ascii", "backslashreplace").replace(b"\\x", b"\\u00")


@pytest.mark.slow
def test_a_picture_that_lies_in_a_private_folder_too_never_leaves(tmp_path: Path) -> None:
    """Until that folder may leave as well, whatever the other one says."""
    shared = cl.draw_pictures(tmp_path / "shared", range(4))
    private = cl.draw_pictures(tmp_path / "private", [])
    (private / "another name.png").write_bytes((shared / "0002.png").read_bytes())
    project = cl.new_project(tmp_path / "project", shared)
    cl.run("add", project, private)
    with Referee() as referee:
        arguments = cl.gemini(project, referee, "--questions", "1")
        cl.run(*arguments)
        assert {post.picture for post in referee.posts} == {0, 1, 3}
        cl.run("add", project, private, "--may-leave")
        cl.run(*arguments)
        assert [post.picture for post in referee.posts[3:]] == [2]


@pytest.mark.slow
def test_taking_the_permission_back_stops_what_is_not_yet_sent(tmp_path: Path) -> None:
    """In the middle of a run, at once."""
    pictures = cl.draw_pictures(tmp_path / "pictures", range(12))
    project = cl.new_project(tmp_path / "project", pictures)
    with Referee() as referee:
        arguments = cl.gemini(project, referee, "--questions", "1", "--concurrency", "3")
        process = cl.start_until(referee, arguments, 3)
        cl.run("add", project, pictures, "--stay-here")
        referee.release()
        done = cl.finish(process)
        assert (done.code, len(referee.posts)) == (0, 3), done.err
        assert "may not leave" in done.err
        cl.run(*arguments)
        assert len(referee.posts) == 3
    assert cl.states(project) == {"answered": 3}


def echo(post: Post) -> Reply:
    """A service, and a proxy, that repeat the key to whoever sent it."""
    key = post.headers["x-goog-api-key"]
    replies = {
        1: Reply.error(500, f"The key {key} is tired."),
        2: Reply(f"<html>x-goog-api-key: {key}</html>".encode(), 502, (("Content-Type", "text/html"),)),
        3: Reply.error(403, f"The key {key} may not do this."),
    }
    return replies.get(post.number) or Reply.good(post)


@pytest.mark.slow
def test_the_key_is_in_no_file_no_argument_and_no_environment_of_a_child(
    tmp_path: Path, dermagui_home: Path
) -> None:
    """Whatever the service answers."""
    project = cl.new_project(tmp_path / "project", cl.draw_pictures(tmp_path / "pictures", range(6)))
    with Referee(echo) as referee:
        arguments = cl.gemini(project, referee, "--questions", "1", "--concurrency", "3")
        process = cl.start_until(referee, arguments, 3)
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 3
        for child in children:
            told = [*child.cmdline(), *child.environ().values()]
            assert not [text for text in told if cl.CANARY_KEY in text]
        referee.release()
        assert cl.finish(process).code == 3
        done = [
            cl.run(*arguments),
            cl.run("status", project, "--json"),
            cl.run("ledger"),
            cl.run("key", "show"),
        ]
        assert all(post.headers["x-goog-api-key"] == cl.CANARY_KEY for post in referee.posts)
    cl.run("review", project, "accept", "--all-unflagged", "--as", "A Person")
    cl.run("export", project, tmp_path / "out", "--format", "csv")
    contents = bytes_below(project, dermagui_home, tmp_path / "out")
    assert len(contents) > 10
    assert found_in(contents, [cl.CANARY_KEY]) == {}
    assert not [text for text in done if cl.CANARY_KEY in text.out + text.err]


def patients(folder: Path) -> Path:
    """Three pictures of the patient who is to be forgotten, one of another, and their table."""
    folder.mkdir()
    for number in range(2):
        picture = numbered_picture(number)
        name = f"{GONE['file name']}-{number}.jpg" if number else f"{GONE['file name']}.jpg"
        picture.save(folder / name, comment=GONE["comment"].encode())
    numbered_picture(9).save(folder / "other.png")
    alone = folder.with_name(GONE["folder"])
    alone.mkdir()
    numbered_picture(2).save(alone / f"{GONE['file name']}-2.png")
    row = f"{GONE['patient']},{GONE['lesion']},{GONE['diagnosis']},{GONE['note']}"
    names = [path.name for path in sorted(folder.parent.glob("*/Qzx*"))]
    lines = [
        "file,pid,lesion,dx,remark",
        *(f"{name},{row}" for name in names),
        f"other.png,{KEPT},L1,naevus,",
    ]
    table = folder.parent / "table.csv"
    table.write_text("\n".join(lines), "utf-8")
    return table


def told(post: Post) -> Reply:
    """Answers that can be told apart by what they are about."""
    if post.picture == 9:
        return Reply.good(post, f"{KEPT} has a brown spot.")
    reply = Reply.good(post, f"{GONE['answer']} is what can be seen at number {post.number}.")
    assert isinstance(reply.body, dict)
    part = reply.body["candidates"][0]["content"]["parts"][0]
    part["text"] = part["text"].replace("What does picture", GONE["question"])
    return reply


MAPPING = [
    f"--map={field}={column}"
    for field, column in {
        "image": "file",
        "patient": "pid",
        "lesion": "lesion",
        "diagnosis": "dx",
        "note": "remark",
    }.items()
]


@pytest.mark.slow
def test_what_is_forgotten_is_in_no_byte_of_the_project(tmp_path: Path, dermagui_home: Path) -> None:
    """Names, metadata, texts, caches, search index, free pages, log: and it does not come back."""
    project, folder = tmp_path / "project", tmp_path / "pictures"
    table = patients(folder)
    cl.run("new", project)
    add = ["add", str(project), str(folder), "--may-leave", f"--metadata={table}", *MAPPING, "--json"]
    assert cl.run(*add).json["metadata"]["matched"] == 3
    alone = ["add", project, folder.with_name(GONE["folder"]), "--may-leave", f"--metadata={table}", *MAPPING]
    assert cl.run(*alone, "--json").json["metadata"]["matched"] == 1
    hashes = work_on(project, tmp_path)
    contents = bytes_below(project)
    missing = set(GONE) - {name for name, word in GONE.items() if found_in(contents, [word])}
    assert not missing, "this test would not see them"
    spent = cl.run("status", project, "--json").json["money"]

    done = cl.run("forget", project, GONE["patient"], "--json").json
    assert (done["removed"]["files"], done["removed"]["images"]) == (3, 3)
    assert [Path(path).name for path in done["exports"]] == ["out"]
    assert len(done["originals"]) == 3
    check_gone(project, dermagui_home, hashes)
    assert cl.run("status", project, "--json").json["money"] == spent
    assert all(path.is_file() for path in folder.iterdir())
    assert len(list(folder.iterdir())) == 3

    again = cl.run(*add).json
    assert (again["forgotten"], again["new"], again["unchanged"]) == (2, 0, 1)
    check_gone(project, dermagui_home, hashes)
    with Referee() as referee:
        cl.run(*cl.gemini(project, referee, "--questions", "2"))
        assert {post.picture for post in referee.posts} == {9}


def work_on(project: Path, folder: Path) -> set[str]:
    """Everything that a project can come to hold of its pictures; returns the hashes of the patient's."""
    with Referee(told) as referee:
        cl.run(*cl.gemini(project, referee, "--questions", "2", "--metadata", "given"))
    pairs = cl.run("review", project, "list", "--search", plain(GONE["answer"]), "--json").json["pairs"]
    assert len(pairs) == 6
    person = ["--as", "A Person"]
    cl.run("review", project, "edit", pairs[0]["uid"], "--answer", GONE["edit"], *person)
    cl.run(
        "review", project, "reject", pairs[1]["uid"], "--reason=other", f"--note={GONE['verdict']}", *person
    )
    cl.run("review", project, "accept", *(pair["uid"] for pair in pairs[2:]), *person)
    cl.run("export", project, folder / "out", "--format", "messages", "--keep-names")
    files = cl.run("images", project, "--json").json["images"]
    return {file["sha256"] for file in files if file["path"] != "other.png"}


def check_gone(project: Path, home: Path, hashes: set[str]) -> None:
    """Nothing of the patient, and all of the other one."""
    contents = bytes_below(project, home)
    assert found_in(contents, GONE.values()) == {}
    cached = [path for path in (project / "cache").rglob("*") if any(hash_ in path.name for hash_ in hashes)]
    assert cached == []
    assert "dermagui.db" in found_in(contents, [KEPT])[KEPT]
    (kept,) = cl.run("images", project, "--json").json["images"]
    assert (kept["path"], kept["state"]) == ("other.png", "ready")
    pairs = cl.run("review", project, "list", "--json").json["pairs"]
    assert len(pairs) == 2
    assert list((project / "cache" / "thumbnails").rglob(f"{kept['sha256']}*"))


@pytest.mark.slow
def test_an_image_is_forgotten_by_its_path_with_all_its_copies(tmp_path: Path) -> None:
    """Wherever else the same file lies; the same name elsewhere is another picture."""
    pictures = cl.draw_pictures(tmp_path / "pictures", range(3))
    (pictures / "deep").mkdir()
    (pictures / "deep" / "qzcopy.png").write_bytes((pictures / "0001.png").read_bytes())
    Image.open(pictures / "0002.png").rotate(180).save(pictures / "deep" / "0001.png")
    project = cl.new_project(tmp_path / "project", pictures)
    assert cl.run("forget", project, "0001.png", "--json").json["removed"]["files"] == 2
    left = {file["path"] for file in cl.run("images", project, "--json").json["images"]}
    assert left == {"0000.png", "0002.png", "deep/0001.png"}
    assert found_in(bytes_below(project), ["qzcopy"]) == {}
    cl.run("add", project, pictures)
    assert {file["path"] for file in cl.run("images", project, "--json").json["images"]} == left
    assert "no image" in cl.run("forget", project, "0001.png", code=3).err
