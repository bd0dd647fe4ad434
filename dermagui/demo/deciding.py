"""The second half of the tour: verdicts about the pairs, and a dataset in every format, read back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from dermagui.datasets.formats import read_rows
from dermagui.datasets.manifest import verify_manifest
from dermagui.datasets.splits import parse_ratios, split_of
from dermagui.demo.phantoms import PhantomSet
from dermagui.demo.steps import PROJECT, Shown, Stage, Tour
from dermagui.library.thumbnails import thumbnail_path
from dermagui.records import ACCEPTED_STATES, ExportFormat, FlagKind, PairState, RejectReason, Role

PERSON = "Tour Guide"
SPLIT = "60/20/20"
_REASONS = {
    FlagKind.LEAK: RejectReason.LEAKS_METADATA,
    FlagKind.CONTRADICTION: RejectReason.WRONG_CONTENT,
    FlagKind.REFUSAL: RejectReason.INCOMPLETE,
    FlagKind.DUPLICATE: RejectReason.DUPLICATE,
    FlagKind.LENGTH: RejectReason.INCOMPLETE,
}
"""Why a pair with such a flag is rejected here; the first that fits. Any other flag leaves it unsure."""
_ADDED = " One picture alone cannot say more than this."
_SHOWN_PAIRS = 8

Pairs = list[dict[str, Any]]


def review(tour: Tour, images: Mapping[int, str]) -> Pairs:
    """Accepts, rejects, edits, undoes, redoes; returns the pairs. ``images`` is image → hash of its file."""
    stage = tour.stage(
        "Verdicts",
        "The unflagged pairs are accepted, the flagged ones rejected with a reason, one answer is edited. "
        "Verdicts are events: an undo takes one back, a redo restores it. A script does not read, so none of "
        "these pairs ever counts as read by a person.",
    )
    pairs = tour.pairs(stage)
    decide = ["review", PROJECT]
    tour.shell.run(stage, *decide, "accept", "--all-unflagged", "--as", PERSON)
    for reason, uids in _by_reason(pairs).items():
        how = ["reject", "--reason", reason] if reason else ["unsure"]
        tour.shell.run(stage, *decide, *how, "--as", PERSON, *uids)
    edited = next((pair for pair in pairs if not pair["flags"]), pairs[0])
    new_answer = edited["turns"][-1]["text"] + _ADDED
    seen: list[Pairs] = []
    for action in (["edit", edited["uid"][-12:], "--answer", new_answer], ["undo"], ["redo"]):
        tour.shell.run(stage, *decide, *action, "--as", PERSON)
        seen.append(tour.pairs(stage))
    after = seen[-1]
    _claim_verdicts(stage, pairs, seen, edited["uid"])
    stage.figures = {f"pairs: {state}": n for state, n in Counter(pair["state"] for pair in after).items()}
    stage.pictures = [_shown(tour, pair, images, edited["uid"], new_answer) for pair in _most_telling(after)]
    return after


def _by_reason(pairs: Pairs) -> dict[str, list[str]]:
    """The flagged pairs by the reason to reject them; "" for those to be left unsure."""
    found: dict[str, list[str]] = {}
    for pair in pairs:
        kinds = {flag["kind"] for flag in pair["flags"]}
        if kinds:
            reason = next((reason for kind, reason in _REASONS.items() if kind in kinds), "")
            found.setdefault(reason, []).append(pair["uid"][-12:])
    return found


def _claim_verdicts(stage: Stage, before: Pairs, seen: Sequence[Pairs], edited: str) -> None:
    """``seen`` are the pairs after the edit, its undo and its redo."""
    after = seen[-1]
    flagged = {pair["uid"] for pair in before if pair["flags"]}
    wrong = [pair for pair in after if (pair["uid"] in flagged) == (pair["state"] in ACCEPTED_STATES)]
    found = f"{len(after) - len(flagged)} unflagged, {len(flagged)} flagged, {len(wrong)} on the wrong side"
    stage.claim("Every unflagged pair is accepted and no flagged one", found, not wrong)
    states = [{pair["uid"]: pair["state"] for pair in pairs} for pairs in seen]
    told = [state[edited] for state in states]
    expected = [PairState.EDITED, PairState.ACCEPTED, PairState.EDITED]
    stage.claim("Edit, undo, redo", " → ".join(told), told == expected)
    others = [{uid: state for uid, state in of_all.items() if uid != edited} for of_all in states]
    moved = sum(one != others[0][uid] for state in others[1:] for uid, one in state.items())
    changed = sum(pair["turns"] != old["turns"] for pair, old in zip(after, before, strict=True))
    found = f"{moved} other pairs moved, {changed} generated texts changed"
    stage.claim("Undo and redo move nothing else; generated text stays", found, moved == changed == 0)


def _most_telling(pairs: Pairs) -> Iterator[dict[str, Any]]:
    """A few pairs for the report: one of each kind of flag, the edited one, and some without a flaw."""
    chosen: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        for kind in [flag["kind"] for flag in pair["flags"]] or [pair["state"]]:
            chosen.setdefault(kind, pair)
    for n, pair in enumerate(pair for pair in pairs if not pair["flags"]):
        chosen.setdefault(f"{n}", pair)
    unique = {pair["uid"]: pair for pair in chosen.values()}
    yield from list(unique.values())[:_SHOWN_PAIRS]


def _shown(
    tour: Tour, pair: dict[str, Any], images: Mapping[int, str], edited: str, new_answer: str
) -> Shown:
    sha256 = images[pair["images"][0]["image_id"]]
    picture = tour.keep_picture(thumbnail_path(tour.project, sha256, 0), f"pair-{pair['uid'][-12:]}.jpg")
    lines = [("Question", pair["turns"][0]["text"]), ("Answer", pair["turns"][-1]["text"])]
    if pair["uid"] == edited:
        lines[-1] = ("Answer, edited", new_answer)
    for kind in dict.fromkeys(flag["kind"] for flag in pair["flags"]):
        evidence = " · ".join(flag["evidence"] for flag in pair["flags"] if flag["kind"] == kind)
        lines.append((f"Flag: {kind.replace('_', ' ')}", evidence))
    return Shown(picture, pair["state"], tuple(lines))


def export(tour: Tour, pairs: Pairs) -> None:
    """Refuses rehearsed pairs by default, writes every format, and reads each of them back."""
    stage = tour.stage(
        "A dataset in every format",
        "Pairs of a rehearsal are simulated: an export holds none of them unless it is asked for. Every "
        "format is read back and compared with the database; the manifest proves the files unchanged.",
    )
    refused = tour.shell.run(stage, "export", PROJECT, "exports/refused", "--format", "messages", expect=3)
    nothing = not (tour.work / "exports" / "refused").exists()
    found = f"exit code {refused.code}, {'nothing' if nothing else 'a folder'} written"
    stage.claim("Without --simulated a rehearsal is not exported", found, nothing)
    accepted = [pair for pair in pairs if pair["state"] in ACCEPTED_STATES]
    seed = _seed_that_parts_the_twins(tour.phantoms)
    for shape in ExportFormat:
        # One of them takes every pair, so that near-duplicates are there whatever was rejected.
        everything = shape is ExportFormat.CSV
        options = ["--format", shape, "--simulated", "--split", SPLIT, "--seed", str(seed)]
        options += ["--state", "all"] if everything else []
        options += [] if shape is ExportFormat.MESSAGES else ["--no-images"]
        tour.shell.run(stage, "export", PROJECT, f"exports/{shape}", *options)
        wanted = pairs if everything else accepted
        if shape is ExportFormat.PREFERENCE:
            wanted = [pair for pair in accepted if pair["state"] == PairState.EDITED]
        _claim_read_back(tour, stage, shape, wanted)
    _claim_splits(tour, stage)


def _seed_that_parts_the_twins(phantoms: PhantomSet | None) -> int:
    """A seed that puts the planted near-duplicates into different splits, so that they have to be named."""
    if phantoms is None:
        return 0
    patients = {phantom.path: phantom.values["patient"] for phantom in phantoms.images}
    one, other = (f"patient:1:{patients[path]}" for path in phantoms.planted.near_duplicate_across_patients)
    ratios = parse_ratios(SPLIT)
    return next(seed for seed in count() if split_of(seed, one, ratios) != split_of(seed, other, ratios))


def _claim_read_back(tour: Tour, stage: Stage, shape: ExportFormat, wanted: Pairs) -> None:
    """Compares the files of an export with the pairs that it has to hold."""
    folder = tour.work / "exports" / shape
    read: dict[str, str] = {}
    for line in _manifest(folder)["files"]:
        if "split" in line:
            with (folder / line["path"]).open("rb") as file:
                read |= {row.uid: row.turns[-1].text for row in read_rows(file, shape)}
    expected = {pair["uid"]: _final_answer(pair) for pair in wanted}
    problems = verify_manifest(folder)
    found = f"{len(read)} of {len(expected)} pairs, {len(problems)} files differ from the manifest"
    stage.claim(f"Read back: {shape}", found, read == expected and bool(expected) and not problems)
    stage.figures[f"pairs as {shape}"] = len(read)


def _final_answer(pair: dict[str, Any]) -> str:
    answer = next(turn["text"] for turn in reversed(pair["turns"]) if turn["role"] == Role.ASSISTANT)
    return answer + _ADDED if pair["state"] == PairState.EDITED else str(answer)


def _manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return found


def _claim_splits(tour: Tour, stage: Stage) -> None:
    manifest = _manifest(tour.work / "exports" / ExportFormat.CSV)
    counts = manifest["counts"]
    stage.figures |= {f"pairs in {split}": n for split, n in counts["by"]["split"].items()}
    stage.figures |= {"rows without a patient": counts["without_patient"], "licences": _licences(manifest)}
    read = counts["read_by_person"]
    stage.claim("Verdicts of a script never count as read by a person", f"{read} counted as read", read == 0)
    found = f"{counts['simulated']} of {counts['pairs']} rows say so"
    stage.claim("Every simulated pair says that it is", found, counts["simulated"] == counts["pairs"])
    named = manifest["splits"]["near_duplicates"]
    if tour.phantoms:
        told = ", ".join(f"{leak['kind']} across {' and '.join(leak['splits'])}" for leak in named)
        stage.claim("Planted and named: near-duplicates of two patients in two splits", told, bool(named))
    else:
        stage.claim("Near-duplicates across splits are named", f"not planted; {len(named)} named", None)


def _licences(manifest: dict[str, Any]) -> str:
    by = manifest["counts"]["by"].get("licence", {})
    return ", ".join(name or "none stated" for name in by)
