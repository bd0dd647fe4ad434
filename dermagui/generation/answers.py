"""Turns saved answers into pairs: checked, flagged, with their whole origin. Nothing is asked again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from dermagui.generation.checks import check_answer
from dermagui.generation.outcomes import Action, Outcome, classify_answer
from dermagui.generation.prompt import AnswerShape, Prompt, reader_turn
from dermagui.jobs.report import Report
from dermagui.records import Flag, MetadataMode, Pair, PairImage, Question, Role, Turn
from dermagui.storage import banks, pairs, requests, runs
from dermagui.storage.database import BATCH, Row, Store
from dermagui.storage.metadata import fields_of_images
from dermagui.storage.moments import new_uid, now


@dataclass(slots=True)
class KnownRuns:
    """Runs and their questions, read once each: keep one for as long as answers come."""

    store: Store
    known: dict[str, tuple[Row, dict[str, Question]]] = field(default_factory=dict)

    def of(self, run_uid: str) -> tuple[Row, dict[str, Question]]:
        if run_uid not in self.known:
            row = runs.run(self.store, run_uid)
            assert row is not None
            bank = banks.frozen_bank(self.store, row["bank_id"])
            row["plan"] = json.loads(row["plan"])
            self.known[run_uid] = row, {question.key: question for question in bank.questions}
        return self.known[run_uid]


def make_pairs(store: Store, report: Report, known: KnownRuns, uids: Sequence[str] | None = None) -> int:
    """Makes the pairs of answered requests that have none yet: of these uids, or of all; returns how many."""
    made = 0
    rows = list(requests.answers_without_pair(store, uids))
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        fields = fields_of_images(store, [row["image_id"] for row in batch])
        new = list(_pairs(store, known, batch, fields, report))
        pairs.add_pairs(store, new)
        made += len(new)
        asked = {row["uid"]: row for row in batch}
        for pair in new:
            report.tell("answer", **_shown(pair, asked[pair.request_uid]))
    return made


def _pairs(
    store: Store,
    known: KnownRuns,
    rows: Iterable[Row],
    fields: Mapping[int, Mapping[str, tuple[Row, ...]]],
    report: Report,
) -> Iterator[Pair]:
    earlier: dict[int, tuple[str, ...]] = {}
    for row in rows:
        image, prompt = row["image_id"], _prompt(row["prompt"])
        outcome = classify_answer(json.loads(row["response"]), prompt.shape, row["model"])
        if outcome.action is not Action.USE:  # saved by a version whose checks let more pass
            told = {**outcome.values, "why": outcome.code, "image": image, "request": row["uid"]}
            report.warn("answer.no_longer_valid", **told)
            continue
        if image not in earlier:
            earlier[image] = pairs.answers_of_image(store, image)
        said = {
            name: tuple(value["value"] for value in values) for name, values in fields.get(image, {}).items()
        }
        pair = _pair(row, prompt, outcome, *known.of(row["run_uid"]), said, earlier[image])
        earlier[image] += (pair.turns[-1].text,)
        yield pair


def _pair(
    row: Row,
    prompt: Prompt,
    outcome: Outcome,
    run: Row,
    questions: Mapping[str, Question],
    said: Mapping[str, tuple[str, ...]],
    earlier: tuple[str, ...],
) -> Pair:
    question = questions[row["question_key"]]
    answer = outcome.texts["answer"]
    asked = reader_turn(prompt, outcome.texts.get("question", ""))
    flags: tuple[Flag, ...] = outcome.flags + check_answer(
        answer,
        asked,
        metadata=said,
        mode=MetadataMode(run["plan"]["metadata"]),
        previous_answers=earlier,
        question_type=question.type,
        given=prompt.given,
    )
    return Pair(
        uid=new_uid(),
        kind=question.kind,
        turns=(Turn(Role.USER, asked), Turn(Role.ASSISTANT, answer)),
        images=(PairImage(row["image_id"]),),
        flags=flags,
        simulated=bool(run["simulated"]),
        run_uid=row["run_uid"],
        request_uid=row["uid"],
        question_key=question.key,
        created_at=now(),
    )


def _prompt(kept: dict[str, object]) -> Prompt:
    known = {name: kept[name] for name in Prompt.__dataclass_fields__}
    known["shape"] = AnswerShape(str(kept["shape"]))
    return Prompt(**known)  # type: ignore[arg-type]


def _shown(pair: Pair, row: Row) -> dict[str, object]:
    return {
        "pair": pair.uid,
        "image": pair.images[0].image_id,
        "sha256": row["sha256"],
        "frame": row["frame"],
        "cost_micro_usd": row["cost_micro_usd"],
        "question": pair.turns[0].text,
        "answer": pair.turns[-1].text,
        "flags": [asdict(flag) for flag in pair.flags],
    }
