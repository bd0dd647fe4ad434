"""``dermagui reference``: the library of one's own texts that answers of a chat can keep to."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from dermagui.cli.console import Arguments, Commands, json_argument, positive_number, print_json, say

if TYPE_CHECKING:
    from dermagui.storage.database import Store


def declare(commands: Commands) -> None:
    """Declares the command with its actions."""
    parser = commands.add_parser("reference", help="the library of your own texts for answers of a chat")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="read text, Markdown, CSV or PDF files, or a folder of them")
    add.add_argument("paths", type=Path, nargs="+", metavar="PATH")
    find = actions.add_parser("find", help="show the passages that fit a question")
    find.add_argument("question", metavar="QUESTION")
    find.add_argument("--count", type=positive_number, default=5, metavar="N", help="at most so many")
    remove = actions.add_parser("remove", help="take files out of the library; the files themselves stay")
    remove.add_argument("names", nargs="+", metavar="UID", help="as the list shows it")
    listing = actions.add_parser("list", help="list the files, and which were changed since or are gone")
    doing = {add: _add, find: _find, remove: _remove, listing: _list}
    for action, run in doing.items():
        action.add_argument(
            "--project",
            type=Path,
            metavar="P",
            help="the library of this project (default: for all projects)",
        )
        json_argument(action)
        action.set_defaults(run=run)


def _store(arguments: Arguments, opened: ExitStack) -> Store:
    from dermagui.project import Project, home_project

    return opened.enter_context(Project(arguments.project or home_project())).store


def _add(arguments: Arguments) -> int:
    from dermagui.chat.reference import add_references
    from dermagui.storage.references import count_passages

    with ExitStack() as opened:
        store = _store(arguments, opened)
        uids = [uid for path in arguments.paths for uid in add_references(store, path)]
        told = {"added": uids, "passages": count_passages(store)}
    if arguments.json:
        print_json(told)
    say(f"Read {len(uids):,} files; the library holds {told['passages']:,} passages.")
    return 0


def _find(arguments: Arguments) -> int:
    from dermagui.chat.reference import find_passages, support_of
    from dermagui.project import Project, home_project
    from dermagui.texts import sentence

    with ExitStack() as opened:
        stores = [opened.enter_context(Project(home_project())).store]
        if arguments.project:
            stores.insert(0, opened.enter_context(Project(arguments.project)).store)
        found = find_passages(stores, arguments.question, arguments.count)
    if arguments.json:
        print_json({"passages": [passage.as_json() for passage in found]})
    for passage in found:
        state = "" if passage.state == "unchanged" else f" (its file is {passage.state})"
        say(f"[{passage.number}] {passage.name}, {passage.place}{state}\n{passage.text}\n")
    if not found:
        say(sentence(support_of("", found)[0], {}))
    return 0


def _remove(arguments: Arguments) -> int:
    from dermagui.storage.references import remove_reference

    with ExitStack() as opened:
        store = _store(arguments, opened)
        for uid in arguments.names:
            remove_reference(store, uid)
    say(f"Took {len(arguments.names):,} files out of the library; the files themselves stay.")
    return 0


def _list(arguments: Arguments) -> int:
    from dermagui.chat.reference import states_of

    with ExitStack() as opened:
        found = states_of(_store(arguments, opened))
    if arguments.json:
        kept = ("uid", "path", "passages", "state", "added_at")
        print_json({"files": [{name: row[name] for name in kept} for row in found]})
    for row in found:
        say(f"{row['uid']}  {row['state']:<9}  {row['passages']:>6,} passages  {row['path']}")
    return 0
