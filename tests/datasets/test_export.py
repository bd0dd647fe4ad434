"""The export job: what is left out is counted, and it takes no place that it must not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from dermagui.datasets import export
from dermagui.datasets.pseudonyms import pseudonym
from dermagui.errors import UserError
from dermagui.jobs.report import Report, read_events
from dermagui.library import scan
from dermagui.project import create_project
from dermagui.records import (
    Changes,
    Flag,
    FlagKind,
    Pair,
    PairImage,
    PairKind,
    PairState,
    Role,
    Turn,
    VerdictKind,
    VerdictMethod,
)
from dermagui.review.verdicts import decide
from dermagui.storage import people
from dermagui.storage.database import Store
from dermagui.storage.datasets import count_accepted, stored_splits
from dermagui.storage.moments import new_uid, now
from dermagui.storage.pairs import add_pairs
from tests.fakes.projects import open_pair


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A project with two pictures and an accepted pair about each."""
    (tmp_path / "pictures").mkdir()
    for number in range(2):
        picture = Image.effect_noise((60, 40), 40 + number).convert("RGB")
        picture.save(tmp_path / "pictures" / f"{number}.png")
    create_project(tmp_path / "study")
    store = Store(tmp_path / "study")
    (store.folder / "jobs" / "test").mkdir(parents=True)
    report = Report(store.folder / "jobs" / "test")
    scan.run(store, scan.parameters_for(tmp_path / "pictures", licence="CC0-1.0"), report)
    report.close()
    turns = (Turn(Role.USER, "What is seen?"), Turn(Role.ASSISTANT, "A spot."))
    add_pairs(
        store,
        [
            Pair(
                new_uid(),
                PairKind.OPEN,
                turns,
                (PairImage(image),),
                state=PairState.ACCEPTED,
                created_at=now(),
            )
            for image in (1, 2)
        ],
    )
    return store


def run(store: Store, out: Path, **changed: object) -> Changes:
    parameters = {
        "out": os.fsencode(out).hex(),
        "format": "messages",
        "state": "accepted",
        "simulated": False,
        "split": "80/10/10",
        "seed": 0,
        "longest_side": 64,
        "keep_names": False,
        "images": True,
        **changed,
    }
    report = Report(store.folder / "jobs" / "test")
    try:
        return export.run(store, parameters, report)
    finally:
        report.close()


def warnings_of(store: Store) -> dict[str, dict[str, object]]:
    events, _ = read_events(store.folder / "jobs" / "test")
    return {event["code"]: event["values"] for event in events if event["event"] == "warning"}


def test_pairs_without_a_patient_are_counted_aloud(tmp_path: Path, store: Store) -> None:
    assert run(store, tmp_path / "out").figures["pairs"] == 2
    assert warnings_of(store)["export.without_patient"] == {"count": 2}
    store.close()


def test_flagged_pairs_are_counted_and_can_be_left_out(tmp_path: Path, store: Store) -> None:
    flag = Flag(FlagKind.LEAK, "melanoma", "diagnosis")
    edited, flagged = open_pair(1, flags=(flag,)), open_pair(2, flags=(flag,))
    add_pairs(store, [edited, flagged])
    ada = people.person(store, "Ada")
    turns = (edited.turns[0], Turn(Role.ASSISTANT, "A lesion that should be seen."))
    decide(store, ada, [flagged.uid], VerdictKind.ACCEPT, method=VerdictMethod.READ)
    decide(store, ada, [edited.uid], VerdictKind.EDIT, method=VerdictMethod.READ, turns=turns)
    found = {(row.flagged, row.edited): row.count for row in count_accepted(store)}
    assert found == {(False, False): 2, (True, False): 1, (False, True): 1}
    assert run(store, tmp_path / "all").figures["pairs"] == 4
    manifest = json.loads((tmp_path / "all" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["counts"]["flagged"] == 1
    assert run(store, tmp_path / "unflagged", unflagged=True).figures["pairs"] == 3
    told = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "unflagged").glob("*.jsonl"))
    assert edited.uid in told
    assert flagged.uid not in told
    store.close()


def test_a_pair_whose_file_was_changed_is_left_out(tmp_path: Path, store: Store) -> None:
    Image.new("RGB", (60, 40), "blue").save(tmp_path / "pictures" / "0.png")
    report = Report(store.folder / "jobs" / "test")
    scan.run(store, scan.parameters_for(tmp_path / "pictures"), report)
    report.close()
    assert run(store, tmp_path / "out").figures["pairs"] == 1
    assert warnings_of(store)["export.refused_rows"] == {"count": 1, "reason": "row.image_gone"}
    store.close()


def test_a_missing_original_costs_its_own_pair_only(tmp_path: Path, store: Store) -> None:
    (tmp_path / "pictures" / "0.png").unlink()
    assert run(store, tmp_path / "out").figures["pairs"] == 1
    assert warnings_of(store)["export.refused_rows"] == {"count": 1, "reason": "row.original_missing"}
    store.close()


def test_where_all_pictures_are_gone_it_is_not_the_rehearsal_that_is_blamed(
    tmp_path: Path, store: Store
) -> None:
    for n in range(2):
        (tmp_path / "pictures" / f"{n}.png").unlink()
    with pytest.raises(UserError) as refused:
        run(store, tmp_path / "out")
    assert (refused.value.code, refused.value.values) == ("export.nothing", {"refused": 2})
    store.close()


def test_what_was_prepared_before_needs_no_original(tmp_path: Path, store: Store) -> None:
    run(store, tmp_path / "first")
    (tmp_path / "pictures" / "0.png").unlink()
    assert run(store, tmp_path / "second").figures["pairs"] == 2
    store.close()


def test_an_export_lies_neither_among_pictures_nor_in_the_project(tmp_path: Path, store: Store) -> None:
    for out, code in ((tmp_path / "pictures" / "out", "source"), (store.folder / "out", "project")):
        with pytest.raises(UserError) as caught:
            run(store, out)
        assert caught.value.code == f"export.inside_{code}"
        assert not out.exists()
    store.close()


def test_only_what_a_killed_export_left_is_removed(tmp_path: Path, store: Store) -> None:
    left = tmp_path / "out.0123456789ab.part"
    others = [tmp_path / name for name in ("out.part", "out.notes.part", "about.0123456789ab.part")]
    for folder in (left, *others):
        folder.mkdir()
        (folder / "train.jsonl").write_text("{}")
    run(store, tmp_path / "out")
    assert [folder.exists() for folder in (left, *others)] == [False, True, True, True]
    store.close()


def test_a_pair_that_is_left_out_stores_no_split(tmp_path: Path, store: Store) -> None:
    (tmp_path / "pictures" / "0.png").unlink()
    run(store, tmp_path / "out")
    secret = bytes.fromhex(store.fact("secret"))
    names = [
        pseudonym(secret, "group", f"image:{pixel_hash}")
        for (pixel_hash,) in store.tuples(
            "SELECT pixel_hash FROM images JOIN files USING (sha256) ORDER BY path"
        )
    ]
    stored = stored_splits(store, 0)
    assert [name in stored for name in names] == [False, True]
    store.close()


def test_two_folders_of_one_name_are_two_sources(tmp_path: Path, store: Store) -> None:
    other = tmp_path / "other" / "pictures"
    other.mkdir(parents=True)
    Image.effect_noise((60, 40), 99).convert("RGB").save(other / "0.png")
    report = Report(store.folder / "jobs" / "test")
    scan.run(store, scan.parameters_for(other, licence="CC0-1.0"), report)
    report.close()
    turns = (Turn(Role.USER, "What is seen?"), Turn(Role.ASSISTANT, "Another spot."))
    add_pairs(store, [Pair(new_uid(), PairKind.OPEN, turns, (PairImage(3),), state=PairState.ACCEPTED)])
    run(store, tmp_path / "out")
    lines = [
        json.loads(line)
        for path in (tmp_path / "out").glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert len({str(line["source"]) for line in lines}) == 2
    store.close()
