"""``dermagui chats``: lists, finds, writes out and removes chats of a project or of the Notebook."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from dermagui.cli.console import Arguments, Commands, json_argument, print_json, say

if TYPE_CHECKING:
    from dermagui.storage.database import Store


def declare(commands: Commands) -> None:
    """Declares the command with its actions."""
    parser = commands.add_parser("chats", help="list, find, write out and remove chats that were kept")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the chats, the last one that something was said in first")
    listing.add_argument(
        "--find", default="", metavar="WORDS", help="only those in which these words were said"
    )
    export = actions.add_parser("export", help="write a chat as Markdown (.md), HTML (.html) or JSON (.json)")
    export.add_argument("uid", metavar="UID", help="as the list shows it")
    export.add_argument("out", type=Path, metavar="OUT")
    remove = actions.add_parser("remove", help="remove chats with all that was said in them")
    remove.add_argument("uids", nargs="+", metavar="UID")
    for action, run in ((listing, _list), (export, _export), (remove, _remove)):
        action.add_argument(
            "--project", type=Path, metavar="P", help="of this project (default: the Notebook)"
        )
        json_argument(action)
        action.set_defaults(run=run)


def _store(arguments: Arguments, opened: ExitStack) -> Store:
    from dermagui.project import Project, home_project

    return opened.enter_context(Project(arguments.project or home_project())).store


def _list(arguments: Arguments) -> int:
    from dermagui.storage.chats import search_chats

    with ExitStack() as opened:
        found = search_chats(_store(arguments, opened), arguments.find)
    if arguments.json:
        print_json({"chats": found})
    for row in found:
        say(
            f"{row['uid']}  {row['changed_at'][:16]}  {row['turns']:>3} turns  {row['model']}  {row['title']}"
        )
    return 0


def _export(arguments: Arguments) -> int:
    from dermagui.chat.transcript import write_transcript

    with ExitStack() as opened:
        write_transcript(_store(arguments, opened), arguments.uid, arguments.out)
    if arguments.json:
        print_json({"uid": arguments.uid, "out": str(arguments.out)})
    say(f"Wrote the chat to {arguments.out}.")
    return 0


def _remove(arguments: Arguments) -> int:
    from dermagui.chat.keeping import remove_chats

    with ExitStack() as opened:
        removed = remove_chats(_store(arguments, opened), arguments.uids)
    if arguments.json:
        print_json({"removed": removed})
    say(f"Removed {removed:,} chats.")
    return 0
