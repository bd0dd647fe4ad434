"""What is found before a training, without a dataset being made of it; an installation that is stopped."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dermagui.errors import Stopped, UserError
from dermagui.jobs.report import Report, read_events
from dermagui.storage.database import Store
from dermagui.storage.datasets import list_datasets
from dermagui.training import data_check, install


@pytest.fixture
def report(tmp_path: Path) -> Iterator[Report]:
    """A story in a folder of its own."""
    (tmp_path / "story").mkdir()
    made = Report(tmp_path / "story")
    yield made
    made.close()


def test_it_tells_what_there_is_and_keeps_nothing(spots: Path, report: Report) -> None:
    with Store(spots) as store:
        found = data_check.run(store, data_check.check_parameters(split="80/10/10", seed=0), report).figures
        assert list_datasets(store) == []
        assert not list(store.rows("SELECT * FROM splits"))
    assert (found["pairs"], found["images"], found["missing"], found["simulated"]) == (40, 40, 0, 0)
    splits = found["splits"]
    assert isinstance(splits, dict)
    assert sum(splits.values()) == 40
    assert max(splits, key=lambda name: splits[name]) == "train"
    assert read_events(report.folder)[0][-1]["done"] == 40


def test_missing_pictures_are_counted_and_their_pairs_left_out(
    spots: Path, tmp_path: Path, report: Report
) -> None:
    for name in ("00", "01", "02"):
        (tmp_path / "pictures" / f"{name}.png").unlink()
    with Store(spots) as store:
        found = data_check.run(store, data_check.check_parameters(split="80/10/10", seed=0), report).figures
    assert (found["pairs"], found["missing"]) == (37, 3)
    refused = {"code": "export.refused_rows", "values": {"count": 3, "reason": "row.original_missing"}}
    findings = found["findings"]
    assert isinstance(findings, list)
    assert refused in findings


def test_without_pairs_it_says_how_many_are_needed(spots: Path, report: Report) -> None:
    with Store(spots) as store:
        with store.writing() as conn:
            conn.execute("UPDATE pairs SET state = 'pending'")
        with pytest.raises(UserError, match=r"train\.too_few"):
            data_check.run(store, data_check.check_parameters(split="80/10/10", seed=0), report)


def test_a_stopped_installation_ends_the_program_that_works_for_it(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    told = f"pathlib.Path({str(begun)!r}).write_text(str(os.getpid()))"
    code = f"import os, pathlib, time; {told}; time.sleep(600)"

    def look() -> None:
        if begun.exists() and begun.read_text():
            raise Stopped("job.stopped")

    with pytest.raises(Stopped):
        install._run([sys.executable, "-c", code], look)
    assert not psutil.pid_exists(int(begun.read_text()))
