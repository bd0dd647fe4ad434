"""The export job: what is left out is counted, and it takes no place that it must not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from dermagui.datasets import export
from dermagui.errors import UserError
from dermagui.jobs.report import Report, read_events
from dermagui.library import scan
from dermagui.project import create_project
from dermagui.records import Changes, Pair, PairImage, PairKind, PairState, Role, Turn
from dermagui.storage.database import Store
from dermagui.storage.moments import new_uid, now
from dermagui.storage.pairs import add_pairs


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


def run(store: Store, out: Path) -> Changes:
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
