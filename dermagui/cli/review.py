"""``dermagui review``: lists pairs and records verdicts in a person's name, always as ``bulk``.

A script does not read: a verdict from here is never counted as read by a person.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dermagui.cli.console import (
    Arguments,
    Commands,
    json_argument,
    positive_number,
    print_json,
    project_argument,
    say,
)
from dermagui.errors import UserError
from dermagui.records import Pair, PairState, RejectReason, Turn, VerdictKind, VerdictMethod

if TYPE_CHECKING:
    from dermagui.storage.database import Store

_ACTIONS = ("list", "accept", "reject", "unsure", "edit", "undo", "redo")


def declare(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("review", help="list pairs and record verdicts about them")
    project_argument(parser)
    parser.add_argument("action", choices=_ACTIONS)
    parser.add_argument(
        "pairs", nargs="*", metavar="PAIR", help="uid of a pair, or enough of its end to be unique"
    )
    parser.add_argument(
        "--as", dest="person", metavar="NAME", help="who decides; needed for everything but list"
    )
    parser.add_argument(
        "--all-unflagged", action="store_true", help="every pending pair that no check has flagged"
    )
    parser.add_argument("--reason", choices=[reason.value for reason in RejectReason], help="why, for reject")
    parser.add_argument("--question", metavar="TEXT", help="the question in other words, for edit")
    parser.add_argument("--answer", metavar="TEXT", help="the answer in other words, for edit")
    parser.add_argument("--note", default="", metavar="TEXT")
    parser.add_argument(
        "--rubric", action="append", default=[], metavar="QUESTION=ANSWER", help="a rubric's answer"
    )
    parser.add_argument(
        "--count", type=positive_number, default=1, metavar="N", help="how many verdicts to undo or redo"
    )
    parser.add_argument(
        "--state", choices=[state.value for state in PairState], help="only pairs in this state, for list"
    )
    parser.add_argument("--search", metavar="WORDS", help="only pairs with these words, best first, for list")
    json_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: Arguments) -> int:
    """Lists or decides."""
    from dermagui.project import Project

    with Project(arguments.project) as project:
        if arguments.action == "list":
            return _list(project.store, arguments)
        if not arguments.person:
            raise UserError("person.no_name")
        if arguments.action in ("undo", "redo"):
            return _turn_back(project.store, arguments)
        return _decide(project.store, arguments)


def _decide(store: Store, arguments: Arguments) -> int:
    from dermagui.review.rubric import check_rubric
    from dermagui.review.verdicts import decide, unflagged_pending
    from dermagui.storage.people import person

    chosen = [_find(store, text) for text in arguments.pairs]
    uids = unflagged_pending(store) if arguments.all_unflagged else [pair.uid for pair in chosen]
    if not uids and not arguments.all_unflagged:
        raise UserError("pair.none_named")
    kind = VerdictKind(arguments.action)
    if kind is VerdictKind.EDIT and len(chosen) != 1:
        raise UserError("verdict.edits_one")
    turns = _edited(store, chosen[0], arguments) if kind is VerdictKind.EDIT else ()
    done = decide(
        store,
        person(store, arguments.person),
        uids,
        kind,
        method=VerdictMethod.BULK,
        reason=RejectReason(arguments.reason) if arguments.reason else None,
        turns=turns,
        note=arguments.note,
        rubric=check_rubric(arguments.rubric),
    )
    return _told(arguments, {"verdicts": done}, f"Recorded {len(done):,} verdicts: {kind}.")


def _edited(store: Store, pair: Pair, arguments: Arguments) -> tuple[Turn, ...]:
    """The turns that hold now, in other words: an edit of the answer keeps what an earlier one asked."""
    from dermagui.review.verdicts import edited
    from dermagui.storage.pairs import edited_turns

    before = edited_turns(store, pair.uid) or pair.turns
    turns = edited(before, arguments.question, arguments.answer)
    if turns == before:
        raise UserError("verdict.needs_turns")
    return turns


def _turn_back(store: Store, arguments: Arguments) -> int:
    from dermagui.review.verdicts import redo, undo
    from dermagui.storage.people import person

    step = undo if arguments.action == "undo" else redo
    who = person(store, arguments.person)
    done: list[str] = []
    store.keep_through_power_loss()
    with store.writing():  # all of them or, where the disk fails, none
        while len(done) < arguments.count:
            try:
                done.append(step(store, who, method=VerdictMethod.BULK).uid)
            except UserError:
                if not done:
                    raise
                break
    words = {"undo": "Took back", "redo": "Restored"}[arguments.action]
    more = "" if len(done) == arguments.count else " There were no more."
    return _told(arguments, {"verdicts": done}, f"{words} {len(done):,} verdicts.{more}")


def _told(arguments: Arguments, found: dict[str, Any], line: str) -> int:
    if arguments.json:
        print_json(found)
    say(line)
    return 0


def _find(store: Store, text: str) -> Pair:
    from dermagui.storage.pairs import pairs_ending

    found = pairs_ending(store, text)
    if not found:
        raise UserError("pair.not_found", pair=text)
    if len(found) > 1:
        raise UserError("pair.ambiguous", pair=text, count=len(found))
    return found[0]


def _list(store: Store, arguments: Arguments) -> int:
    from dermagui.storage import pairs

    found: list[Pair] = []
    if arguments.search:
        found = [pair for _, pair in pairs.search_pairs(store, arguments.search, count=1000)]
        found = [pair for pair in found if arguments.state in (None, pair.state)]
    else:
        state = PairState(arguments.state) if arguments.state else None
        last = 0
        while page := pairs.page_of_pairs(store, state=state, after_id=last):
            found += [pair for _, pair in page]
            last = page[-1][0]
    if arguments.json:
        print_json({"pairs": [asdict(pair) for pair in found]})
        return 0
    for pair in found:
        flags = f" [{', '.join(flag.kind for flag in pair.flags)}]" if pair.flags else ""
        print(f"{pair.uid} {pair.state}{flags}")
        for turn in pair.turns:
            print(f"    {turn.role}: {turn.text}")
    return 0
