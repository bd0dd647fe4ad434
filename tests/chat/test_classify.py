"""Classification by a model: ranked labels, a job that goes on after a kill, and no percentages."""

from __future__ import annotations

import csv
import signal
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from dermagui.chat import classify
from dermagui.chat.classify import Ranked, check_labels, classify_parameters, preference_in_words, ranked
from dermagui.chat.session import Session
from dermagui.errors import DermaError, UserError
from dermagui.jobs.report import Report
from dermagui.jobs.work import claim, job_folder
from dermagui.storage import classifications
from dermagui.storage.database import Store
from dermagui.texts import sentence
from tests.fakes.command_line import draw_pictures, finish, new_project, read, run, start, wait_until
from tests.fakes.tiny_models import Pair

LABELS = "melanoma,naevus,no lesion"


@pytest.fixture(autouse=True)
def compiled(engine: ModuleType) -> None:
    """All of this needs the engine."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return new_project(tmp_path / "project", draw_pictures(tmp_path / "=pictures", range(1, 6)))


def asking(project: Path, pair: Pair, *more: str | Path) -> tuple[str | Path, ...]:
    return ("classify", project, "--model", pair.model, "--labels", LABELS, *more)


def test_a_folder_is_classified_into_a_table_and_metadata(
    project: Path, llama_pair: Pair, tmp_path: Path
) -> None:
    table = tmp_path / "out.csv"
    told = run(*asking(project, llama_pair, "--csv", table, "--json")).json
    assert (told["classified"], told["failed"], told["rows"]) == (5, 0, 5)
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    said = {row["value"] for row in read(project, "SELECT value FROM metadata WHERE origin = 'model'")}
    for row in rows:
        scores = {label: float(row[f"log_probability {label}"]) for label in LABELS.split(",")}
        assert row["label"] == max(scores, key=scores.__getitem__)
        assert row["label"] in said
        assert all(score <= 0 for score in scores.values())
        assert row["notice"] == "research use only"
    assert len({row["sha256"] for row in rows}) == 5
    assert read(project, "SELECT DISTINCT origin FROM metadata WHERE field = 'diagnosis'") == [
        {"origin": "model"}
    ]
    question = classify.QUESTION.replace("{labels}", LABELS.replace(",", ", "))
    ask = ("--image", tmp_path / "=pictures" / "0001.png", "--labels", LABELS, "--prompt", question, "--json")
    chosen = run("chat", "--model", llama_pair.model, *ask).json
    alone = {one["label"]: one["log_probability"] for one in chosen["labels"][0]}
    first = next(row for row in rows if row["path"] == "0001.png")
    for label, score in alone.items():
        assert float(first[f"log_probability {label}"]) == pytest.approx(score, abs=1e-4)


def test_nothing_is_asked_twice_and_a_person_promotes(project: Path, llama_pair: Pair) -> None:
    run(*asking(project, llama_pair))
    again = run(*asking(project, llama_pair, "--promote", "Ada", "--json")).json
    assert (again["classified"], again["from_before"], again["promoted"]) == (0, 5, 5)
    assert read(project, "SELECT count(*) AS n FROM metadata WHERE origin_name = 'Ada'") == [{"n": 5}]


def test_a_killed_job_goes_on_where_it_was(project: Path, llama_pair: Pair, tmp_path: Path) -> None:
    draw_pictures(tmp_path / "=pictures", range(6, 40))
    run("add", project, tmp_path / "=pictures")
    process = start(*asking(project, llama_pair, "--inline"))
    try:
        wait_until(lambda: len(read(project, "SELECT 1 FROM classifications")) >= 2, "two answers")
        process.send_signal(signal.SIGKILL)
    finally:
        process.communicate()
    kept = read(project, "SELECT image_id, scores, at FROM classifications ORDER BY image_id")
    assert 2 <= len(kept) < 39, "it was killed in the middle"
    told = run(*asking(project, llama_pair, "--json")).json
    assert (told["from_before"], told["classified"]) == (len(kept), 39 - len(kept))
    after = read(project, "SELECT image_id, scores, at FROM classifications ORDER BY image_id")
    assert after[: len(kept)] == kept


@pytest.fixture
def store(project: Path) -> Iterator[Store]:
    with Store(project) as store:
        yield store


@pytest.fixture
def report(store: Store) -> Iterator[Report]:
    report = Report(job_folder(store.folder, claim(store, "classify", {})))
    yield report
    report.close()


def test_a_picture_that_cannot_be_shown_is_left_out_and_told(
    store: Store, llama_pair: Pair, report: Report, tmp_path: Path
) -> None:
    (tmp_path / "=pictures" / "0002.png").unlink()
    (tmp_path / "=pictures" / "0003.png").write_bytes(b"no picture any more")
    (tmp_path / "=pictures" / "0001.png").replace(tmp_path / "=pictures" / "0004.png")
    parameters = classify_parameters(store, str(llama_pair.model), LABELS.split(","))
    figures = classify.run(store, parameters, report).figures
    assert figures == {"classified": 1, "failed": 4, "from_before": 0}
    told = (report.folder / "events.jsonl").read_text()
    assert told.count("classify.left_out") == 4
    assert told.count("image.originals_missing") == 2
    assert told.count("image.changed") == 2, "another picture under this name is not this one"


def test_a_stopped_job_keeps_what_it_has(store: Store, llama_pair: Pair, report: Report) -> None:
    parameters = classify_parameters(store, str(llama_pair.model), LABELS.split(","))
    report.ask_to_stop()
    with pytest.raises(DermaError) as raised:
        classify.run(store, parameters, report)
    assert raised.value.code == "job.stopped"
    assert raised.value.values["figures"] == {"classified": 0, "failed": 0, "from_before": 0}


def test_only_what_was_asked_for_is_classified(store: Store, llama_pair: Pair, report: Report) -> None:
    ask = (store, str(llama_pair.model), LABELS.split(","))
    assert classify.run(store, classify_parameters(*ask, image_ids=[2, 4]), report).figures["classified"] == 2
    with pytest.raises(UserError) as raised:
        classify.run(store, classify_parameters(*ask, image_ids=[99]), report)
    assert raised.value.code == "classify.nothing"
    with pytest.raises(UserError) as raised:
        classify_parameters(*ask, source="nowhere")
    assert raised.value.code == "classify.no_such_source"
    keys = {classify_parameters(*ask)["key"], classify_parameters(*ask, question="{labels}?")["key"]}
    assert len(keys) == 2
    assert classifications.images_without(store, classify_parameters(*ask)["key"]) == [1, 3, 5]


def test_the_model_works_with_as_many_threads_as_were_asked_for(
    store: Store, llama_pair: Pair, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []

    class Watched(Session):
        def __exit__(self, *error: object) -> None:
            told.append(self.loaded["threads"])
            super().__exit__(*error)

    monkeypatch.setattr(classify, "Session", Watched)
    asked = classify_parameters(
        store, str(llama_pair.model), LABELS.split(","), image_ids=[1], gpu_layers=0, threads=3
    )
    classify.run(store, asked, report)
    assert told == [3]


def test_a_model_that_cannot_see_is_refused(project: Path, llama_pair: Pair, tmp_path: Path) -> None:
    alone = tmp_path / "alone" / "model.gguf"
    alone.parent.mkdir()
    alone.write_bytes(llama_pair.model.read_bytes())
    done = finish(start("classify", project, "--model", alone, "--labels", "a,b"))
    assert done.code == 3
    assert "cannot" in done.err


@pytest.mark.parametrize("labels", [["a"], ["a", " "], ["a", "b", " a "], []])
def test_labels_that_leave_no_choice_are_refused(labels: list[str]) -> None:
    with pytest.raises(UserError) as raised:
        check_labels(labels)
    assert raised.value.code == "classify.bad_labels"


@pytest.mark.parametrize(
    ("scores", "code"),
    [
        ({"a": -0.01, "b": -5.0}, "classify.clear"),
        ({"a": -2.0, "b": -0.5}, "classify.leaning"),
        ({"a": -0.69, "b": -0.70}, "classify.undecided"),
    ],
)
def test_a_ranking_is_told_in_words(scores: dict[str, float], code: str) -> None:
    found = ranked(scores)
    assert found == sorted((Ranked(*one) for one in scores.items()), key=lambda one: -one.log_probability)
    told, values = preference_in_words(found)
    assert told == code
    assert not set("%0123456789") & set(sentence(told, values))
