"""What leaves a chat: pairs for review and preferences for tuning, each with where it came from."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dermagui.chat.handing_on import send_to_review
from dermagui.chat.keeping import Asked, figures_of
from dermagui.chat.memory import Memory
from dermagui.chat.protocol import Adapter, Sampling
from dermagui.chat.session import Answer
from dermagui.chat.side_by_side import fit_together, order_of, prefer
from dermagui.datasets import export
from dermagui.datasets.formats import read_rows
from dermagui.errors import UserError
from dermagui.jobs.report import Report
from dermagui.library.forget import forget
from dermagui.project import create_project
from dermagui.records import (
    ExportFormat,
    ExportRow,
    PairKind,
    PairState,
    Role,
    Turn,
    VerdictKind,
    VerdictMethod,
)
from dermagui.review.verdicts import decide
from dermagui.storage import chats, pairs, people
from dermagui.storage.chats import ChatImage, StoredTurn
from dermagui.storage.database import Store
from dermagui.storage.preferences import list_preferences
from tests.fakes.command_line import draw_pictures, new_project

SEEN = {"sha256": "0" * 64, "width": 56, "height": 42, "tokens": 16, "exact": True}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    folder = new_project(tmp_path / "project", draw_pictures(tmp_path / "pictures", [1, 2]))
    with Store(folder) as store:
        yield store


def hash_of(store: Store, image: int) -> str:
    return str(store.value("SELECT sha256 FROM images WHERE id = ?", (image,)))


def asks(text: str, *hashes: str) -> StoredTurn:
    return StoredTurn(Role.USER, text, images=[ChatImage(one, SEEN) for one in hashes])


def says(text: str, model: str = "derm") -> StoredTurn:
    asked = Asked(model, "a" * 64, "Q4_K_M", [Adapter("/x/lora.gguf")], Sampling(seed=7), 2048)
    return StoredTurn(Role.ASSISTANT, text, (), figures_of(Answer(), asked))


def chat_of(store: Store, *turns: StoredTurn) -> str:
    uid = chats.add_chat(store, model="base", model_sha256="", quantization="F16", adapters=[], settings={})
    chats.add_turns(store, uid, turns)
    return uid


def write_preferences(store: Store, out: Path) -> list[dict[str, object]]:
    """The lines of an export of preferences, after ``read_rows`` has read them all."""
    (store.folder / "jobs" / "test").mkdir(parents=True)
    report = Report(store.folder / "jobs" / "test")
    parameters = export.export_parameters(out, ExportFormat.PREFERENCE, longest_side=64)
    export.run(store, parameters, report)
    report.close()
    files = sorted(path for path in out.iterdir() if path.suffix == ".jsonl")
    rows: list[ExportRow] = []
    for path in files:
        with path.open("rb") as file:
            rows += read_rows(file, ExportFormat.PREFERENCE)
    lines = [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    assert [row.uid for row in rows] == [line["id"] for line in lines]
    return lines


def test_an_answer_becomes_a_pair_that_says_where_it_came_from(store: Store) -> None:
    uid = chat_of(
        store, asks("What?", hash_of(store, 1)), says("A naevus."), asks("Sure?"), says("Probably.")
    )
    made = pairs.pair(store, send_to_review(store, store, uid, 3))
    assert made is not None
    assert (made.kind, made.state, made.simulated) == (PairKind.OPEN, PairState.PENDING, False)
    assert made.turns == (Turn(Role.USER, "Sure?"), Turn(Role.ASSISTANT, "Probably."))
    assert [image.image_id for image in made.images] == [1]
    told = made.payload["chat"]
    assert isinstance(told, dict)
    assert (told["uid"], told["model"], told["model_sha256"]) == (uid, "derm", "a" * 64)
    assert told["settings"]["seed"] == 7
    assert told["adapters"] == [{"file": "lora.gguf", "scale": 1.0}]


def test_a_whole_chat_becomes_a_dialogue_about_its_images_once(store: Store) -> None:
    first, second = hash_of(store, 1), hash_of(store, 2)
    said = [asks("What?", second, first), says("Two."), asks("And?", first), says("One.")]
    uid = chat_of(store, *said)
    made = pairs.pair(store, send_to_review(store, store, uid))
    assert made is not None
    assert made.kind is PairKind.DIALOGUE
    assert [turn.text for turn in made.turns] == ["What?", "Two.", "And?", "One."]
    assert [image.image_id for image in made.images] == [2, 1]


def test_the_same_is_not_sent_twice_and_another_version_is(store: Store) -> None:
    uid = chat_of(store, asks("What?"), says("A naevus."))
    first = send_to_review(store, store, uid, 1)
    assert send_to_review(store, store, uid, 1) == first
    whole = send_to_review(store, store, uid)
    chats.replace_turns(store, uid, 1, [says("A lentigo.")])
    anew = send_to_review(store, store, uid, 1)
    assert len({first, whole, anew}) == 3
    assert store.value("SELECT count(*) FROM pairs") == 3


def test_a_chat_of_the_notebook_goes_into_the_open_project(store: Store, tmp_path: Path) -> None:
    create_project(tmp_path / "notebook")
    with Store(tmp_path / "notebook") as notebook:
        uid = chat_of(notebook, asks("What?", hash_of(store, 2)), says("A naevus."))
        made = pairs.pair(store, send_to_review(notebook, store, uid))
        assert notebook.value("SELECT count(*) FROM pairs") == 0
    assert made is not None
    assert [image.image_id for image in made.images] == [2]


def test_what_cannot_go_to_review_is_told_and_nothing_is_written(store: Store) -> None:
    uid = chat_of(store, asks("What?", hash_of(store, 1), "f" * 64), says("A naevus."), asks("Open end"))
    for n, code in ((1, "chat.image_not_in_project"), (0, "chat.turn_not_found"), (2, "chat.turn_not_found"),
                    (9, "chat.turn_not_found"), (None, "chat.turn_not_found")):  # fmt: skip
        with pytest.raises(UserError) as raised:
            send_to_review(store, store, uid, n)
        assert raised.value.code == code
    with Store.in_memory() as private, pytest.raises(UserError) as raised:
        send_to_review(private, store, chat_of(private, asks("What?"), says("A naevus.")))
    assert raised.value.code == "chat.private_stays"
    assert store.value("SELECT count(*) FROM pairs") == 0


def test_a_choice_is_kept_and_exported_beside_edits_in_the_shape_of_trl(store: Store, tmp_path: Path) -> None:
    ada = people.person(store, "Ada")
    before = [asks("What?", hash_of(store, 1)), says("A spot."), asks("Which?")]
    answers = (says("A naevus.", "base"), says("A lentigo.", "tuned"))
    uid = prefer(store, ada, before, answers, 1, blinded=True, seed=5)
    edited = send_to_review(store, store, chat_of(store, asks("And?", hash_of(store, 2)), says("A scar.")))
    turns = (Turn(Role.USER, "And?"), Turn(Role.ASSISTANT, "A keloid."))
    decide(store, ada, [edited], VerdictKind.EDIT, method=VerdictMethod.READ, turns=turns)
    lines = {line["id"]: line for line in write_preferences(store, tmp_path / "out")}
    assert set(lines) == {uid, edited}
    line = lines[uid]
    assert line["chosen"] == [{"role": "assistant", "content": [{"type": "text", "text": "A lentigo."}]}]
    assert line["rejected"] == [{"role": "assistant", "content": [{"type": "text", "text": "A naevus."}]}]
    prompt = line["prompt"]
    assert isinstance(prompt, list)
    assert [turn["role"] for turn in prompt] == ["user", "assistant", "user"]
    assert [part["type"] for part in prompt[0]["content"]] == ["image", "text"]
    images = line["images"]
    assert isinstance(images, list)
    assert [(tmp_path / "out" / image).is_file() for image in images] == [True]
    assert (line["origin"], line["provider"], line["model"]) == ("preferred", "local", "tuned Q4_K_M")
    assert (lines[edited]["origin"], lines[edited]["model"]) == ("edited", "derm Q4_K_M")
    assert "Ada" not in json.dumps(lines)
    assert {type(value) for value in line.values()} == {type(value) for value in lines[edited].values()}


def test_a_choice_keeps_who_gave_which_answer(store: Store) -> None:
    ada = people.person(store, "Ada")
    answers = (says("A naevus.", "base"), says("A lentigo.", "tuned"))
    prefer(store, ada, [asks("Which?", hash_of(store, 1))], answers, 0, blinded=False, seed=3)
    (said,) = list_preferences(store)
    assert (said.chosen, said.chosen_by["model"], said.rejected_by["model"]) == ("A naevus.", "base", "tuned")
    assert (said.person_uid, said.blinded, said.seed, said.images) == (ada.uid, False, 3, (1,))
    assert said.chosen_by["model_sha256"] == "a" * 64


@pytest.mark.parametrize(
    ("before", "answers", "code"),
    [
        ([asks("Which?", "f" * 64)], ("a", "b"), "chat.image_not_in_project"),
        ([asks("Which?")], ("a", " a\n"), "preference.same_answer"),
        ([says("No question.")], ("a", "b"), "preference.no_question"),
        ([], ("a", "b"), "preference.no_question"),
    ],
)
def test_what_is_no_choice_is_refused(
    store: Store, before: list[StoredTurn], answers: tuple[str, str], code: str
) -> None:
    ada = people.person(store, "Ada")
    with pytest.raises(UserError) as raised:
        prefer(store, ada, before, (says(answers[0]), says(answers[1])), 0, blinded=False, seed=0)
    assert raised.value.code == code
    assert list(list_preferences(store)) == []


def test_forgetting_an_image_forgets_choices_about_it_and_names_their_exports(
    store: Store, tmp_path: Path
) -> None:
    ada = people.person(store, "Ada")
    for image in (1, 2):
        answers = (says(f"geheimwort{image}"), says("b"))
        prefer(store, ada, [asks("Which?", hash_of(store, image))], answers, 0, blinded=False, seed=0)
    write_preferences(store, tmp_path / "out")
    told = forget(store, f"image:{hash_of(store, 1)}")
    assert told["exports"] == [os.fspath(tmp_path / "out")]
    assert [said.chosen for said in list_preferences(store)] == ["geheimwort2"]
    content = (store.folder / "dermagui.db").read_bytes()
    assert b"geheimwort1" not in content
    assert b"geheimwort2" in content


def test_blinded_answers_stand_in_a_seeded_order() -> None:
    drawn = [order_of(seed, blinded=True) for seed in range(400)]
    assert drawn == [order_of(seed, blinded=True) for seed in range(400)]
    counts = Counter(drawn)
    assert set(counts) == {(0, 1), (1, 0)}
    assert min(counts.values()) > 150
    assert {order_of(seed, blinded=False) for seed in range(9)} == {(0, 1)}


def test_models_are_loaded_together_only_where_memory_is_left() -> None:
    one = Memory(weights=3 << 30, kv=1 << 29, compute=1 << 28, projector=1 << 28)
    assert one.total == 4 << 30
    assert fit_together([one, one], 10 << 30)
    assert not fit_together([one, one], 9 << 30)
    assert fit_together([one], 9 << 30)
