"""What a model said: metadata that nothing trusts until a person promotes it, and gone with its image."""

from __future__ import annotations

import pytest

from dermagui.records import Origin
from dermagui.storage import classifications, filters, forget, metadata, people
from dermagui.storage.classifications import (
    answers_of,
    images_without,
    promote,
    save_classification,
    take_back,
)
from dermagui.storage.database import Store
from dermagui.storage.filters import Filter
from dermagui.storage.sources import list_sources
from tests.fakes.projects import add_files, add_images

SEEN = {"sha256": "0" * 64, "width": 4, "height": 4}


def say(store: Store, image: int, key: str = "k", model: str = "m", **scores: float) -> None:
    save_classification(store, key, image, model=model, field="diagnosis", scores=scores, pixels=SEEN)


def said_of(store: Store, image: int) -> list[tuple[str, str, str]]:
    rows = metadata.statements_about(store, image)
    return [(row["value"], row["origin"], row["origin_name"]) for row in rows if row["field"] == "diagnosis"]


def test_what_a_model_said_is_no_label_no_hint_no_filter_and_no_key(store: Store) -> None:
    (image,) = add_images(store, 1)
    say(store, image, naevus=-0.1, melanoma=-2.5)
    assert said_of(store, image) == [("naevus", "model", "m")]
    assert "diagnosis" not in metadata.fields_of_images(store, [image]).get(image, {})
    assert "diagnosis" not in filters.fields_said(store)
    assert filters.find_images(store, Filter(fields=(("diagnosis", "naevus"),))) == []
    assert metadata.count_values(store, "diagnosis") == {}


def test_a_person_makes_it_a_statement_of_theirs_and_takes_it_back(store: Store) -> None:
    first, second = add_images(store, 2)
    say(store, first, naevus=-0.1, melanoma=-2.5)
    say(store, second, naevus=-3.0, melanoma=-0.5)
    ada = people.person(store, "Ada")
    assert promote(store, ada, [first], "diagnosis", "m") == 1
    assert promote(store, ada, [first], "diagnosis", "m") == 1, "twice is once"
    assert promote(store, ada, [first], "diagnosis", "another model") == 0
    assert sorted(said_of(store, first)) == [("naevus", "model", "m"), ("naevus", "person", "Ada")]
    assert metadata.fields_of_images(store, [first])[first]["diagnosis"][0]["value"] == "naevus"
    assert filters.find_images(store, Filter(fields=(("diagnosis", "naevus"),))) == [first]
    assert said_of(store, second) == [("melanoma", "model", "m")]
    assert take_back(store, ada, [first, second], "diagnosis") == 1
    assert said_of(store, first) == [("naevus", "model", "m")]


def test_taking_back_leaves_what_a_person_said_otherwise(store: Store) -> None:
    (image,) = add_images(store, 1)
    file, source = store.conn.execute("SELECT id, source_id FROM files").fetchone()
    own = metadata.FileStatements(file, (metadata.Statement("diagnosis", "lentigo"),))
    metadata.save_statements(store, source, [own], Origin.PERSON, "Ada")
    assert take_back(store, people.person(store, "Ada"), [image], "diagnosis") == 0
    assert said_of(store, image) == [("lentigo", "person", "Ada")]


def test_the_latest_answer_of_a_model_is_what_it_says(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(f"2026-01-01T00:00:{n:02}.000Z" for n in range(60))
    monkeypatch.setattr(classifications, "now", lambda: next(moments))
    (image,) = add_images(store, 1)
    say(store, image, key="old", naevus=-0.1, melanoma=-2.5)
    say(store, image, key="new", naevus=-2.0, melanoma=-0.5)
    say(store, image, model="other", naevus=-0.1, melanoma=-2.5)
    assert sorted(said_of(store, image)) == [("melanoma", "model", "m"), ("naevus", "model", "other")]


def test_frames_of_one_file_speak_for_it_together(store: Store) -> None:
    add_images(store, 1)
    (source,) = list_sources(store)
    add_files(store, source, {"many.tif": "many"}, frames=2)
    one, two = [row[0] for row in store.conn.execute("SELECT id FROM images ORDER BY id DESC LIMIT 2")]
    say(store, one, naevus=-0.1, melanoma=-2.5)
    say(store, two, naevus=-2.0, melanoma=-0.5)
    assert [value for value, _, _ in said_of(store, one)] == ["melanoma", "naevus"]


def test_what_has_an_answer_is_not_asked_again(store: Store) -> None:
    ids = add_images(store, 4)
    say(store, ids[1], naevus=-0.1, melanoma=-2.5)
    assert images_without(store, "k") == [ids[0], ids[2], ids[3]]
    assert images_without(store, "other") == ids
    assert images_without(store, "k", image_ids=ids[:2]) == [ids[0]]
    assert images_without(store, "k", source_id=99) == []
    store.conn.execute(
        "UPDATE files SET state = 'missing' WHERE sha256 = (SELECT sha256 FROM images WHERE id = ?)",
        (ids[3],),
    )
    assert images_without(store, "k") == [ids[0], ids[2]]


def test_answers_name_image_and_file(store: Store) -> None:
    ids = add_images(store, 2)
    say(store, ids[0], naevus=-0.25, melanoma=-2.5)
    (row,) = answers_of(store, "k")
    assert (row["image"], row["frame"]) == (ids[0], 0)
    assert row["scores"] == {"naevus": -0.25, "melanoma": -2.5}
    assert (row["sha256"], row["path"]) == store.conn.execute(
        "SELECT sha256, path FROM files WHERE id = 1"
    ).fetchone()
    assert list(answers_of(store, "k", source_id=99)) == []
    assert list(answers_of(store, "k", image_ids=[ids[1]])) == []


def test_forgetting_an_image_forgets_what_models_said_of_it(store: Store) -> None:
    ids = add_images(store, 2)
    for image in ids:
        say(store, image, naevus=-0.1, melanoma=-2.5)
    promote(store, people.person(store, "Ada"), ids, "diagnosis", "m")
    file, sha256 = store.conn.execute("SELECT id, sha256 FROM files ORDER BY id LIMIT 1").fetchone()
    forget.remove_files(store, [file], [sha256], [])
    assert [row["image"] for row in answers_of(store, "k")] == [ids[1]]
    assert store.value("SELECT count(*) FROM metadata") == 2
