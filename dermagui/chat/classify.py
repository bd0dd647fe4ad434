"""The classification job: which of the user's own labels a model finds likeliest for each image.

The values are ranked log-probabilities, each of a whole label after the question. They rank the labels for
one model and one wording; they are not calibrated, and are never shown as percentages.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dermagui.chat.bundle_files import read_text
from dermagui.chat.finding import find_model, sha256_of
from dermagui.chat.keeping import attach
from dermagui.chat.memory import DEFAULT_IMAGE_TOKENS
from dermagui.chat.pairing import read_file
from dermagui.chat.protocol import ChatTurn
from dermagui.chat.session import Answer, ModelFiles, Room, Session
from dermagui.datasets.csv_table import guarded
from dermagui.errors import DataError, DermaError, ServiceError, Stopped, UserError, from_os_error
from dermagui.jobs.report import Report
from dermagui.jobs.work import Parameters
from dermagui.paths import display_path
from dermagui.records import Changes, Progress, Role
from dermagui.storage import classifications, images, sources
from dermagui.storage.database import Row, Store, as_json

QUESTION = "Which of these is seen in the picture: {labels}? Answer with one of them and with nothing else."
"""What is asked where the user words it no other way."""

_TEXT_TOKENS = 2048
_DEATHS_THAT_END = 3
_CLEAR, _LEANING = 3.0, 1.0
"""Distances between the two best log-probabilities: twenty times, and not three times as likely."""
_OF_ONE_IMAGE = frozenset({"chat.failed", "chat.image_too_large", "chat.image_failed"})


@dataclass(frozen=True, slots=True)
class Ranked:
    """A label and the log-probability that the model gives it."""

    label: str
    log_probability: float


def check_labels(labels: Sequence[str]) -> list[str]:
    """The labels without blanks at their ends. Raises ``UserError`` ``classify.bad_labels``: fewer than two,
    an empty one, or one twice.
    """
    clean = [" ".join(label.split()) for label in labels]
    if len(clean) < 2 or not all(clean) or len(set(clean)) < len(clean):
        raise UserError("classify.bad_labels", labels=clean)
    return clean


def ranked(scores: Mapping[str, float]) -> list[Ranked]:
    """Labels by their log-probabilities, the likeliest first."""
    return [Ranked(label, scores[label]) for label in sorted(scores, key=lambda label: -scores[label])]


def preference_in_words(found: Sequence[Ranked]) -> tuple[str, dict[str, object]]:
    """Code and values of a sentence about a ranking: how clearly the model prefers its first label.

    Worded, for a figure would be read as how often the model is right.
    """
    first, second = found[0], found[1]
    distance = first.log_probability - second.log_probability
    values: dict[str, object] = {"first": first.label, "second": second.label}
    if distance >= _CLEAR:
        return "classify.clear", values
    return ("classify.leaning" if distance >= _LEANING else "classify.undecided"), values


def classify_parameters(
    store: Store,
    called: str,
    labels: Sequence[str],
    *,
    mmproj: Path | None = None,
    field: str = "diagnosis",
    source: str | None = None,
    image_ids: Sequence[int] | None = None,
    question: str = QUESTION,
    gpu_layers: int | None = None,
    threads: int | None = None,
) -> Parameters:
    """What the job is started with. Reads a bare model file to its end, to know it again.

    Raises what ``find_model`` and ``check_labels`` raise, and ``UserError``: ``source.not_found``,
    ``chat.text_only``.
    """
    labels = check_labels(labels)
    found = find_model(called, mmproj, looks=True)
    if "mmproj" not in found.paths:
        raise UserError("chat.text_only", name=found.name)
    known = {one.name: one.id for one in sources.list_sources(store)}
    if source is not None and source not in known:
        raise UserError("classify.no_such_source", name=source, known=sorted(known))
    hashes = {role: sha256_of(found, role) for role in found.paths}
    quantization = read_file(found.paths["model"]).facts.quantization
    model = f"{found.name} {quantization} {hashes['model'][:12]}"
    asked = question.replace("{labels}", ", ".join(labels))
    return {
        "files": {role: os.fspath(path.resolve()) for role, path in found.paths.items()},
        "model": model,
        "labels": labels,
        "field": field,
        "question": asked,
        "source_id": known[source] if source is not None else None,
        "images": None if image_ids is None else list(image_ids),
        "gpu_layers": gpu_layers,
        "threads": threads,
        "key": hashlib.sha256(as_json([hashes, labels, field, asked]).encode()).hexdigest(),
    }


def run(store: Store, parameters: Parameters, report: Report) -> Changes:
    """Asks the model about every image that has no answer yet; each answer is kept at once.

    Raises what ``Session`` raises, ``UserError`` ``classify.nothing``, and ``Stopped``. A picture that cannot
    be shown is told and left out.
    """
    about = {"source_id": parameters["source_id"], "image_ids": parameters["images"]}
    todo = classifications.images_without(store, parameters["key"], **about)
    before = sum(1 for _ in classifications.answers_of(store, parameters["key"], **about))
    if not todo and not before:
        raise UserError("classify.nothing")
    figures = {"classified": 0, "failed": 0, "from_before": before}
    if todo:
        with _session(parameters) as session:
            for done, image in enumerate(todo):
                report.progress(Progress(done, len(todo), "pictures"))
                _stop(report, figures)
                figures[
                    "classified" if _classify_one(store, session, parameters, image, report) else "failed"
                ] += 1
        report.progress(Progress(len(todo), len(todo), "pictures"))
    return Changes(("metadata",), dict(figures))


def _stop(report: Report, figures: Mapping[str, int]) -> None:
    if report.stop_asked():
        raise Stopped("job.stopped", figures=dict(figures))


def _classify_one(store: Store, session: Session, parameters: Parameters, image: int, report: Report) -> bool:
    try:
        answer = _answer(store, session, parameters, image, report)
    except DermaError as error:
        if not error.code.startswith("image.") and error.code not in _OF_ONE_IMAGE:
            raise
        report.warn("classify.left_out", **{**error.values, "image": image, "reason": error.code})
        return False
    classifications.save_classification(
        store,
        parameters["key"],
        image,
        model=parameters["model"],
        field=parameters["field"],
        scores={told["label"]: told["log_probability"] for told in answer.labels},
        pixels=answer.images[0],
    )
    return True


def _answer(store: Store, session: Session, parameters: Parameters, image: int, report: Report) -> Answer:
    """What the model says about one image; a crash of its child is tried again before it ends the job."""
    shown = attach(images.picture_of(store, image), images.redactions_of(store, image))
    if shown.sha256 != store.value("SELECT sha256 FROM images WHERE id = ?", (image,)):
        raise DataError("image.changed", path=display_path(shown.picture.path))
    seen = session.see(shown.picture, shown.redactions)
    turns = [ChatTurn(Role.USER, parameters["question"], (seen,))]
    for attempt in range(1, _DEATHS_THAT_END + 1):
        try:
            return _heard(session, turns, parameters["labels"], report)
        except ServiceError as error:
            if error.code != "chat.died" or attempt == _DEATHS_THAT_END:
                raise
    raise AssertionError("the last attempt raises")


def _heard(session: Session, turns: list[ChatTurn], labels: list[str], report: Report) -> Answer:
    for event in session.classify(turns, labels):
        if report.stop_asked():
            session.stop()
        if isinstance(event, Answer) and event.labels:
            return event
    raise Stopped("job.stopped")


def _session(parameters: Parameters) -> Session:
    files = {role: Path(path) for role, path in parameters["files"].items()}
    words = read_text(files["template"]) if "template" in files else None
    wanted = _TEXT_TOKENS + DEFAULT_IMAGE_TOKENS
    most = read_file(files["model"]).facts.context_length or wanted
    layers, threads = parameters["gpu_layers"], parameters.get("threads")
    room = Room(min(wanted, most), gpu_layers=layers, threads=threads)
    return Session(ModelFiles(files["model"], files["mmproj"], words), room)


def write_table(store: Store, parameters: Parameters, path: Path) -> int:
    """Writes the answers as a table, one row an image, one column for each label; returns how many rows.

    ``label`` is the likeliest; the columns ``log_probability LABEL`` are not calibrated. Raises what the disk
    refuses.
    """
    labels = parameters["labels"]
    columns = ["image", "sha256", "frame", "source", "path", "field", "label", "model", "notice"]
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8-sig", newline="") as file:
            table = csv.writer(file)
            table.writerow([*columns, *(f"log_probability {label}" for label in labels)])
            count = 0
            for count, row in enumerate(_rows(store, parameters), 1):  # noqa: B007, it is returned
                table.writerow(_cells(row, parameters))
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise from_os_error(error, path) from error
    return count


def _rows(store: Store, parameters: Parameters) -> Iterator[Row]:
    return classifications.answers_of(
        store, parameters["key"], source_id=parameters["source_id"], image_ids=parameters["images"]
    )


def _cells(row: Row, parameters: Parameters) -> list[object]:
    first = ranked(row["scores"])[0].label
    where = [row["image"], row["sha256"], row["frame"], row["source"], row["path"]]
    told = [parameters["field"], first, parameters["model"], "research use only"]
    scores = [f"{row['scores'][label]:.6f}" for label in parameters["labels"]]
    return [*(guarded(cell) for cell in [*where, *told]), *scores]
