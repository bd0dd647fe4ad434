"""What is said about images: replaced by the same table, never mixed with what a model said."""

from __future__ import annotations

from pathlib import Path

from dermagui.records import Origin
from dermagui.storage import sources
from dermagui.storage.database import Store
from dermagui.storage.images import ScannedFile, known_files, list_files, save_scanned
from dermagui.storage.metadata import (
    FileStatements,
    Statement,
    count_values,
    fields_of_images,
    save_statements,
)
from dermagui.storage.moments import now
from tests.fakes.projects import add_files, add_images, file_facts


def say(store: Store, file_id: int, values: dict[str, str], table: str = "table.csv", **case: str) -> int:
    """One table's row about one file of source 1."""
    statements = tuple(Statement(field, value) for field, value in values.items())
    return save_statements(store, 1, [FileStatements(file_id, statements, **case)], Origin.FILE, table)


def said(store: Store, image: int) -> dict[str, list[str]]:
    fields = fields_of_images(store, [image]).get(image, {})
    return {field: [row["value"] for row in rows] for field, rows in fields.items()}


def test_values_keep_weight_vocabulary_and_origin(store: Store) -> None:
    (image,) = add_images(store, 1)
    statements = (
        Statement("diagnosis", "naevus", 0.3, "ICD-11"),
        Statement("diagnosis", "melanoma", 0.7),
        Statement("site", "back"),
    )
    assert save_statements(store, 1, [FileStatements(1, statements)], Origin.PERSON, "Ada") == 3
    fields = fields_of_images(store, [image])[image]
    assert set(fields) == {"diagnosis", "site"}
    told = [(row["value"], row["weight"], row["vocabulary"], row["origin"]) for row in fields["diagnosis"]]
    assert told == [("melanoma", 0.7, "as written", "person"), ("naevus", 0.3, "ICD-11", "person")]


def test_the_same_table_again_replaces_what_it_said(store: Store) -> None:
    (image,) = add_images(store, 1)
    say(store, 1, {"diagnosis": "naevus", "site": "back"})
    say(store, 1, {"age": "61"}, table="other.csv")
    say(store, 1, {"diagnosis": "melanoma"})
    say(store, 1, {"diagnosis": "melanoma"})
    assert said(store, image) == {"diagnosis": ["melanoma"], "age": ["61"]}
    assert store.value("SELECT count(*) FROM metadata") == 2


def test_what_a_model_said_is_no_field(store: Store) -> None:
    (image,) = add_images(store, 1)
    say(store, 1, {"site": "back"})
    statement = FileStatements(1, (Statement("diagnosis", "melanoma"), Statement("site", "arm")))
    save_statements(store, 1, [statement], Origin.MODEL, "a-model")
    with store.writing() as conn:
        conn.execute("INSERT INTO cases (id, source_id, patient) VALUES (7, 1, 'P')")
        conn.execute("UPDATE files SET case_id = 7")
        conn.execute(
            """INSERT INTO metadata (case_id, field, value, vocabulary, origin, at)
               VALUES (7, 'sex', 'female', 'ISO', 'model', ?1), (7, 'age', '61', 'ISO', 'person', ?1)""",
            (now(),),
        )
    assert said(store, image) == {"site": ["back"], "age": ["61"]}


def test_two_files_of_an_image_speak_for_it_and_equal_values_are_named_once(store: Store) -> None:
    source = sources.add_source(store, Path("/pictures"))
    add_files(store, source, {"a.png": "same", "b.png": "same", "c.png": "other"})
    first, second, third = (file.id for file in known_files(store, source.id).values())
    say(store, first, {"diagnosis": "naevus", "site": "back"})
    say(store, second, {"diagnosis": "naevus", "site": "arm"})
    say(store, third, {"diagnosis": "melanoma"})
    assert said(store, 1) == {"diagnosis": ["naevus"], "site": ["arm", "back"]}
    assert said(store, 2) == {"diagnosis": ["melanoma"]}


def test_fields_of_more_images_than_one_statement_may_name(store: Store) -> None:
    images = add_images(store, 1200)
    about = [FileStatements(n, (Statement("number", str(n)),)) for n in range(1, 1201)]
    assert save_statements(store, 1, about, Origin.FILE, "t") == 1200
    assert set(fields_of_images(store, images)) == set(images)
    assert count_values(store, "number")["1200"] == 1


def test_a_file_belongs_to_the_case_that_its_table_names(store: Store) -> None:
    add_images(store, 3)
    for file_id, lesion in ((1, "L1"), (2, "L1"), (3, "L2")):
        say(store, file_id, {}, patient="P-1", lesion=lesion, visit="baseline")
    cases = [(file["patient"], file["lesion"]) for file in list_files(store)]
    assert cases == [("P-1", "L1"), ("P-1", "L1"), ("P-1", "L2")]
    assert store.value("SELECT count(*) FROM cases") == 2


def test_what_a_file_states_itself_is_kept_and_replaced_when_it_changes(store: Store) -> None:
    source = sources.add_source(store, Path("/pictures"))
    for content, metadata in (("before", {"site": "back", "sex": "female"}), ("after", {"site": "arm"})):
        facts = file_facts(content, metadata=metadata)
        save_scanned(store, source.id, [ScannedFile(b"a.dcm", 10, 1, facts)])
    assert said(store, 2) == {"site": ["arm"]}
    assert store.value("SELECT count(*) FROM metadata") == 1
