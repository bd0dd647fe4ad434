"""Real folders: everything that lies in them, from adding to the export, and nothing of it changed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import stat
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.fakes import command_line as cl
from tests.fakes.horrors import CANARIES, UNOPENED, UNSUPPORTED, Horror, make_folder
from tests.fakes.referee import Referee, numbered_picture
from tests.library.example_pictures import corners, near, quadrants

KEYS = {"id", "image", "path", "sha256", "frames", "width", "height", "state", "error"}
EVERY_PAIR = ("--all-unflagged", "--as", "A Person")


def snapshot(root: Path) -> dict[str, object]:
    """Content, times and kind of everything below a folder."""
    found: dict[str, object] = {}
    for place in [root, *root.rglob("*")]:
        status = place.lstat()
        regular = stat.S_ISREG(status.st_mode)
        content = hashlib.sha256(place.read_bytes()).hexdigest() if regular else ""
        found[str(place)] = (status.st_mode, status.st_size, status.st_mtime_ns, content)
    return found


def add(project: Path, folder: Path, *options: str) -> dict[str, int]:
    """Adds a folder and returns the counts."""
    figures = cl.run("add", project, folder, "--json", *options, unprivileged=True).json
    assert figures.pop("source") >= 1
    return {name: count for name, count in figures.items() if count}


def listed(project: Path) -> dict[bytes, cl.Row]:
    """The files of a project by their real names."""
    files = cl.run("images", project, "--json", unprivileged=True).json["images"]
    named = {bytes.fromhex(f["path_bytes"]) if f.get("path_bytes") else f["path"].encode(): f for f in files}
    assert len(named) == len(files)
    return named


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a name is not any bytes")
def test_a_folder_of_everything_from_adding_to_the_export(tmp_path: Path) -> None:
    """The main job: each file is listed with what it is, each picture is sent upright, none is changed."""
    folder, project = tmp_path / "pictures", tmp_path / "project"
    files = make_folder(folder)
    before = snapshot(folder)
    cl.run("new", project)
    counts = add(project, folder, "--may-leave")
    readable = {path: horror for path, horror in files.items() if horror.is_readable}
    unreadable = len(files) - len(readable) + len(UNOPENED)
    assert counts == {
        "new": len(files) + len(UNOPENED),
        "unreadable": unreadable,
        "unsupported": len(UNSUPPORTED) + 1,  # and the link to itself, whose name has no suffix
    }
    check_listing(listed(project), files)
    again = add(project, folder)
    assert "new" not in again
    assert again["unchanged"] == len(readable)
    check_listing(listed(project), files)

    with Referee() as referee:
        cl.run(*cl.gemini(project, referee, "--questions", "1", "--concurrency", "8"))
        images = sum(horror.frames for horror in readable.values()) - 1  # one picture lies there twice
        assert len(referee.posts) == images
        check_sent(project, referee, readable)
    cl.run("review", project, "accept", *EVERY_PAIR)
    done = cl.run("export", project, tmp_path / "out", "--format", "messages", "--json").json
    check_export(tmp_path / "out", done, project)
    assert snapshot(folder) == before
    (folder / "locked").chmod(0o700)


def check_listing(found: dict[bytes, cl.Row], files: dict[bytes, Horror]) -> None:
    """One object for each file, with the facts or the reason."""
    codes = {path: horror.code for path, horror in files.items()} | UNOPENED
    assert set(found) == set(codes)
    assert all(set(file) >= KEYS for file in found.values())
    assert {path: file.get("code") or "" for path, file in found.items()} == codes
    assert {path for path, file in found.items() if file["state"] == "ready"} == {
        path for path, code in codes.items() if not code
    }
    for path, horror in files.items():
        file = found[path]
        if horror.is_readable:
            facts = (file["sha256"], file["frames"], (file["width"], file["height"]))
            assert facts == (hashlib.sha256(horror.content).hexdigest(), horror.frames, horror.size), path
            assert (file["error"], bool(file["image"])) == (None, True)
        else:
            assert file["image"] is None
            assert file["error"].endswith(".")
    assert found[b"twice/one.png"]["image"] == found[b"twice/two.png"]["image"]
    assert found[b"a/same.png"]["image"] != found[b"b/same.png"]["image"]
    told = json.dumps([found[b"exif/orientation-6.jpg"]["personal"], found[b"formats/scan.dcm"]["personal"]])
    assert all(json.dumps(canary)[1:-1] in told for canary in CANARIES)


def check_sent(project: Path, referee: Referee, readable: dict[bytes, Horror]) -> None:
    """Pixels and nothing else, the right way up."""
    whole = [json.dumps(post.body) for post in referee.posts]
    assert not [canary for canary in CANARIES for body in whole if canary in body or canary[7:] in body]
    for post in referee.posts:
        assert markers(post.images[0]) <= {0xE0, 0xDB, 0xC0, 0xC2, 0xC4, 0xDA}
        assert not [canary for canary in CANARIES if canary.encode() in post.images[0]]
    found, sent = listed(project), {post.question.pixels: post.images[0] for post in referee.posts}
    pixels_of = {row["image_id"]: row["pixels"]["sha256"] for row in cl.requests(project)}
    for path in [path for path, horror in readable.items() if horror.upright]:
        with Image.open(io.BytesIO(sent[pixels_of[found[path]["image"]]])) as image:
            assert image.size == quadrants().size
            assert near(corners(image), corners(quadrants()), 12), path


def markers(jpeg: bytes) -> set[int]:
    """The kinds of segments that a JPEG has before its pixels."""
    found, at = set(), 2
    while at < len(jpeg) and jpeg[at] == 0xFF and 0xDA not in found:
        found.add(jpeg[at + 1])
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return found


def check_export(out: Path, figures: dict[str, int], project: Path) -> None:
    """Every pair that was accepted is there, with a picture that opens."""
    rows = [json.loads(line) for path in out.glob("*.jsonl") for line in path.read_text("utf-8").splitlines()]
    accepted = cl.run("status", project, "--json").json["pairs"]["accepted"]
    assert len(rows) == figures["pairs"] == accepted
    names = {image for row in rows for image in row["images"]}
    assert len(names) == figures["images"] == accepted
    for name in names:
        with Image.open(out / name) as image:
            assert image.format == "JPEG"
            image.load()


@pytest.mark.slow
def test_a_second_look_finds_what_is_new_changed_moved_and_missing(tmp_path: Path) -> None:
    """And what comes back; what was said about a moved file goes with it."""
    folder, project = cl.draw_pictures(tmp_path / "pictures", range(6)), tmp_path / "project"
    cl.run("new", project)
    (tmp_path / "table.csv").write_text("file,dx\n0001.png,melanoma\n0002.png,naevus\n", "utf-8")
    table = ("--metadata", str(tmp_path / "table.csv"), "--map", "image=file", "--map", "diagnosis=dx")
    figures = cl.run("add", project, folder, "--json", *table).json
    assert (figures["new"], figures["metadata"]["matched"]) == (6, 2)
    first = listed(project)

    numbered_picture(77).save(folder / "0000.png")
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "0001.png").rename(folder / "deep" / "er" / "moved.png")
    hidden = (folder / "0003.png").rename(tmp_path / "0003.png")
    numbered_picture(78).save(folder / "new.png")
    assert add(project, folder) == {"new": 1, "changed": 1, "moved": 1, "missing": 1, "unchanged": 3}
    second = listed(project)
    moved = second.pop(b"deep/er/moved.png")
    assert (moved["id"], moved["image"]) == (first[b"0001.png"]["id"], first[b"0001.png"]["image"])
    assert moved["metadata"]["diagnosis"][0]["value"] == "melanoma"
    assert second[b"0000.png"]["sha256"] != first[b"0000.png"]["sha256"]
    assert {path for path, file in second.items() if file["state"] == "missing"} == {b"0003.png"}

    hidden.rename(folder / "0003.png")
    assert add(project, folder) == {"unchanged": 7}
    assert {file["state"] for file in listed(project).values()} == {"ready"}


@pytest.mark.slow
def test_a_project_among_the_pictures_is_not_one_of_them(tmp_path: Path) -> None:
    """Its thumbnails are pictures, but not the user's."""
    folder = cl.draw_pictures(tmp_path / "pictures", range(3))
    project = folder / "my project"
    cl.run("new", project)
    assert add(project, folder) == {"new": 3}
    assert len(list(project.glob("cache/thumbnails/*/*.jpg"))) == 3
    assert add(project, folder) == {"unchanged": 3}
    assert "project" in cl.run("add", project, project, code=3).err
    assert len(listed(project)) == 3


@pytest.mark.slow
def test_a_scan_that_is_killed_is_continued(tmp_path: Path) -> None:
    """What was found stays, what is left is found, nothing is there twice."""
    count = 800
    folder, project = cl.draw_pictures(tmp_path / "pictures", range(count)), tmp_path / "project"
    cl.run("new", project)
    process = cl.start("add", project, folder)
    cl.wait_until(lambda: cl.read(project, "SELECT 1 FROM files") or process.poll() is not None, "some files")
    os.kill(cl.read(project, "SELECT pid FROM jobs")[0]["pid"], signal.SIGKILL)
    assert cl.finish(process).code == 4
    found = len(listed(project))
    assert 0 < found < count
    assert add(project, folder) == {"new": count - found, "unchanged": found}
    assert len(listed(project)) == count
    assert cl.run("status", project, "--json").json["distinct_images"] == count
