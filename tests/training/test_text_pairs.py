"""Texts of the user's own: read with the number of a bad line, mixed in by their share, by one seed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dermagui.errors import DermaError
from dermagui.training.text_pairs import mix_texts, read_texts


def texts(folder: Path, count: int) -> Path:
    path = folder / "texts.jsonl"
    lines = [json.dumps({"question": f"What is {n}?", "answer": f"A number, {n}."}) for n in range(count)]
    path.write_text("\ufeff" + "\n\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_text_becomes_a_dialogue_without_pictures(tmp_path: Path) -> None:
    first, second = read_texts(texts(tmp_path, 2))
    assert first["images"] == []
    assert [message["role"] for message in first["messages"]] == ["user", "assistant"]
    assert second["messages"][1]["content"] == [{"type": "text", "text": "A number, 1."}]


@pytest.mark.parametrize(
    "bad", ["{", "[]", '{"question": "?"}', '{"question": "?", "answer": " "}', "3", "null"]
)
def test_a_line_that_is_no_pair_is_named(tmp_path: Path, bad: str) -> None:
    path = texts(tmp_path, 2)
    path.write_text(path.read_text(encoding="utf-8-sig") + bad)
    with pytest.raises(DermaError) as raised:
        read_texts(path)
    assert (raised.value.code, raised.value.values["line"]) == ("train.bad_texts", 4)


def test_what_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DermaError) as raised:
        read_texts(tmp_path / "x")
    assert raised.value.code == "train.bad_texts"
    with pytest.raises(DermaError):
        read_texts(tmp_path / "none")


def test_texts_are_a_share_of_all_that_is_learnt(tmp_path: Path) -> None:
    pairs = [{"id": f"p{n}"} for n in range(30)]
    given = read_texts(texts(tmp_path, 40))
    found = []
    for share, seed in ((0.25, 1), (0.25, 1), (0.25, 2), (0.9, 1)):
        (tmp_path / "train.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
        told = mix_texts(tmp_path, given, share, seed)
        lines = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
        assert lines[:30] == pairs
        found.append((told, [line["id"] for line in lines[30:]]))
    assert found[0] == found[1]
    assert found[0][0] == (10, 10)
    assert len(set(found[0][1])) == 10
    assert found[2][1] != found[0][1]
    assert found[3][0] == (40, 270), "no text is learnt twice"
