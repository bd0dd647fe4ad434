"""Every action of the window, once: menus, palette, buttons and the sheet of keys read this table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication, QObject
from PySide6.QtGui import QAction, QKeySequence


@dataclass(frozen=True, slots=True)
class Action:
    """One row: what it is called, its keys, where it works, and the method that does it.

    ``page`` is the name of a page, on which ``method`` is then called, or empty for the window itself.
    ``shortcut`` is as QKeySequence reads it, several with a semicolon and a space between them; single
    letters work only where nobody types.
    """

    id: str
    text: str
    shortcut: str
    page: str
    method: str

    def label(self) -> str:
        """Its text in the user's language."""
        return QCoreApplication.translate("actions", self.text)


def _row(id_: str, text: object, shortcut: str, method: str, page: str = "") -> Action:
    return Action(id_, str(text), shortcut, page, method)


WINDOW = (
    _row("project.new", QT_TRANSLATE_NOOP("actions", "New project…"), "Ctrl+N", "new_project"),
    _row("project.open", QT_TRANSLATE_NOOP("actions", "Open project…"), "Ctrl+O", "open_project"),
    _row("project.demo", QT_TRANSLATE_NOOP("actions", "Open the demo"), "Ctrl+Shift+O", "open_demo"),
    _row(
        "project.copy",
        QT_TRANSLATE_NOOP("actions", "Save a copy of the project…"),
        "Ctrl+Shift+S",
        "copy_project",
    ),
    _row("project.close", QT_TRANSLATE_NOOP("actions", "Close project"), "Ctrl+W", "close_project"),
    _row("page.library", QT_TRANSLATE_NOOP("actions", "Go to Library"), "Ctrl+1", "show_library"),
    _row("page.generate", QT_TRANSLATE_NOOP("actions", "Go to Generate"), "Ctrl+2", "show_generate"),
    _row("page.review", QT_TRANSLATE_NOOP("actions", "Go to Review"), "Ctrl+3", "show_review"),
    _row("page.train", QT_TRANSLATE_NOOP("actions", "Go to Train"), "Ctrl+4", "show_train"),
    _row("page.chat", QT_TRANSLATE_NOOP("actions", "Go to Chat"), "Ctrl+5", "show_chat"),
    _row("page.jobs", QT_TRANSLATE_NOOP("actions", "Go to Jobs"), "Ctrl+J", "show_jobs"),
    _row("page.privacy", QT_TRANSLATE_NOOP("actions", "Go to Privacy"), "Ctrl+L", "show_privacy"),
    _row("page.settings", QT_TRANSLATE_NOOP("actions", "Go to Settings"), "Ctrl+,", "show_settings"),
    _row("window.palette", QT_TRANSLATE_NOOP("actions", "Find an action"), "Ctrl+K", "show_palette"),
    _row("window.keys", QT_TRANSLATE_NOOP("actions", "Keys of this page"), "F1; ?", "show_keys"),
    _row("window.find", QT_TRANSLATE_NOOP("actions", "Find on this page"), "Ctrl+F", "focus_search"),
    _row("window.detail", QT_TRANSLATE_NOOP("actions", "Show or hide the details"), "F9", "toggle_detail"),
    _row(
        "window.picture",
        QT_TRANSLATE_NOOP("actions", "Show the picture on the whole screen"),
        "F11",
        "show_full_screen",
    ),
    _row(
        "window.airplane",
        QT_TRANSLATE_NOOP("actions", "Turn airplane mode on or off"),
        "Ctrl+Shift+A",
        "toggle_airplane",
    ),
    _row(
        "window.welcome",
        QT_TRANSLATE_NOOP("actions", "Show the welcome again"),
        "Ctrl+Shift+W",
        "show_welcome",
    ),
    _row(
        "window.report",
        QT_TRANSLATE_NOOP("actions", "Save a report about dermagui…"),
        "Ctrl+Shift+R",
        "show_report",
    ),
    _row("window.quit", QT_TRANSLATE_NOOP("actions", "Quit"), "Ctrl+Q", "close"),
)

LIBRARY = (
    _row("library.folder", QT_TRANSLATE_NOOP("actions", "Add a folder…"), "Ctrl+I", "add_folder", "library"),
    _row(
        "library.metadata", QT_TRANSLATE_NOOP("actions", "Add metadata…"), "Ctrl+M", "add_metadata", "library"
    ),
    _row(
        "library.again",
        QT_TRANSLATE_NOOP("actions", "Look through the folders again"),
        "F5",
        "look_again",
        "library",
    ),
    _row("library.view", QT_TRANSLATE_NOOP("actions", "Grid or table"), "Ctrl+T", "toggle_table", "library"),
    _row("library.larger", QT_TRANSLATE_NOOP("actions", "Larger pictures"), "Ctrl++", "enlarge", "library"),
    _row("library.smaller", QT_TRANSLATE_NOOP("actions", "Smaller pictures"), "Ctrl+-", "reduce", "library"),
    _row(
        "library.compare",
        QT_TRANSLATE_NOOP("actions", "Compare the selected images"),
        "Ctrl+D",
        "compare",
        "library",
    ),
    _row(
        "library.source",
        QT_TRANSLATE_NOOP("actions", "Licence of the source, and whether it may leave…"),
        "Ctrl+U",
        "show_source",
        "library",
    ),
    _row(
        "library.save",
        QT_TRANSLATE_NOOP("actions", "Save this filter…"),
        "Ctrl+S",
        "save_filter",
        "library",
    ),
    _row(
        "library.all",
        QT_TRANSLATE_NOOP("actions", "Show all images"),
        "Ctrl+Backspace",
        "show_all",
        "library",
    ),
    _row(
        "library.back",
        QT_TRANSLATE_NOOP("actions", "Back to the images"),
        "Esc",
        "back_to_images",
        "library",
    ),
    _row("library.forget", QT_TRANSLATE_NOOP("actions", "Forget…"), "Ctrl+Delete", "forget", "library"),
)
"""The actions of the page Library."""
GENERATE = (
    _row(
        "generate.five", QT_TRANSLATE_NOOP("actions", "Send five and look"), "Ctrl+P", "send_five", "generate"
    ),
    _row("generate.start", QT_TRANSLATE_NOOP("actions", "Start"), "Ctrl+Return", "start", "generate"),
    _row("generate.stop", QT_TRANSLATE_NOOP("actions", "Pause this run"), "Ctrl+.", "stop", "generate"),
    _row(
        "generate.terms", QT_TRANSLATE_NOOP("actions", "Read the terms…"), "Ctrl+T", "show_terms", "generate"
    ),
    _row(
        "generate.bank",
        QT_TRANSLATE_NOOP("actions", "Look at the questions…"),
        "Ctrl+B",
        "edit_bank",
        "generate",
    ),
    _row("generate.back", QT_TRANSLATE_NOOP("actions", "Back to the plan"), "Esc", "back", "generate"),
)
"""The actions of the page Generate."""
REVIEW = (
    _row("review.accept", QT_TRANSLATE_NOOP("actions", "Accept"), "A", "accept", "review"),
    _row("review.edit", QT_TRANSLATE_NOOP("actions", "Edit"), "E", "edit", "review"),
    _row("review.reject", QT_TRANSLATE_NOOP("actions", "Reject…"), "R", "reject", "review"),
    _row("review.unsure", QT_TRANSLATE_NOOP("actions", "Unsure"), "U", "unsure", "review"),
    _row("review.skip", QT_TRANSLATE_NOOP("actions", "Skip"), "S", "go_on", "review"),
    _row("review.next", QT_TRANSLATE_NOOP("actions", "Next pair"), "J; Right", "go_on", "review"),
    _row("review.previous", QT_TRANSLATE_NOOP("actions", "Previous pair"), "K; Left", "go_back", "review"),
    _row(
        "review.rate_1",
        QT_TRANSLATE_NOOP("actions", "Answer the first question of the form"),
        "1",
        "rate_1",
        "review",
    ),
    _row(
        "review.rate_2",
        QT_TRANSLATE_NOOP("actions", "Answer the second question of the form"),
        "2",
        "rate_2",
        "review",
    ),
    _row(
        "review.rate_3",
        QT_TRANSLATE_NOOP("actions", "Answer the third question of the form"),
        "3",
        "rate_3",
        "review",
    ),
    _row(
        "review.rate_4",
        QT_TRANSLATE_NOOP("actions", "Answer the fourth question of the form"),
        "4",
        "rate_4",
        "review",
    ),
    _row("review.note", QT_TRANSLATE_NOOP("actions", "Write a note"), "N", "write_note", "review"),
    _row(
        "review.zoom",
        QT_TRANSLATE_NOOP("actions", "Full size or whole"),
        "Z",
        "toggle_zoom",
        "review",
    ),
    _row(
        "review.image",
        QT_TRANSLATE_NOOP("actions", "Next picture"),
        "I",
        "show_next_image",
        "review",
    ),
    _row(
        "review.metadata",
        QT_TRANSLATE_NOOP("actions", "Metadata"),
        "H",
        "toggle_metadata",
        "review",
    ),
    _row("review.down", QT_TRANSLATE_NOOP("actions", "Read on"), "PgDown", "read_on", "review"),
    _row("review.up", QT_TRANSLATE_NOOP("actions", "Read from further up"), "PgUp", "read_back", "review"),
    _row("review.undo", QT_TRANSLATE_NOOP("actions", "Undo"), "Ctrl+Z", "undo", "review"),
    _row(
        "review.redo",
        QT_TRANSLATE_NOOP("actions", "Redo"),
        "Ctrl+Shift+Z",
        "redo",
        "review",
    ),
    _row(
        "review.save_edit",
        QT_TRANSLATE_NOOP("actions", "Save the edit"),
        "Ctrl+Return; Ctrl+Enter",
        "save_edit",
        "review",
    ),
    _row(
        "review.leave_edit",
        QT_TRANSLATE_NOOP("actions", "Leave, keep the draft"),
        "Esc",
        "leave_edit",
        "review",
    ),
    _row(
        "review.impression",
        QT_TRANSLATE_NOOP("actions", "My impression first"),
        "M",
        "toggle_impression",
        "review",
    ),
    _row(
        "review.again",
        QT_TRANSLATE_NOOP("actions", "Start again from the beginning"),
        "Ctrl+Home",
        "start_again",
        "review",
    ),
    _row(
        "review.everything",
        QT_TRANSLATE_NOOP("actions", "Show all pairs"),
        "Ctrl+Shift+F",
        "show_everything",
        "review",
    ),
    _row(
        "review.reviewer",
        QT_TRANSLATE_NOOP("actions", "Change the reviewer…"),
        "Ctrl+U",
        "choose_reviewer",
        "review",
    ),
    _row(
        "review.export",
        QT_TRANSLATE_NOOP("actions", "Export what was accepted…"),
        "Ctrl+E",
        "export",
        "review",
    ),
)
"""The actions of the page Review."""

TRAIN = (
    _row("train.next", QT_TRANSLATE_NOOP("actions", "Next station"), "Alt+Right", "next_station", "train"),
    _row("train.last", QT_TRANSLATE_NOOP("actions", "Station before"), "Alt+Left", "last_station", "train"),
    _row("train.check", QT_TRANSLATE_NOOP("actions", "Look at the data"), "Ctrl+T", "check", "train"),
    _row(
        "train.install",
        QT_TRANSLATE_NOOP("actions", "Install the training environment"),
        "Ctrl+Shift+I",
        "install",
        "train",
    ),
    _row("train.start", QT_TRANSLATE_NOOP("actions", "Start training"), "Ctrl+Return", "start", "train"),
    _row(
        "train.one_step",
        QT_TRANSLATE_NOOP("actions", "Try one step"),
        "Ctrl+Shift+Return",
        "one_step",
        "train",
    ),
    _row("train.stop", QT_TRANSLATE_NOOP("actions", "Save and stop"), "Ctrl+.", "stop", "train"),
    _row("train.resume", QT_TRANSLATE_NOOP("actions", "Go on with it"), "Ctrl+R", "resume", "train"),
    _row(
        "train.export",
        QT_TRANSLATE_NOOP("actions", "Pack for another computer…"),
        "Ctrl+E",
        "export_job",
        "train",
    ),
    _row("train.import", QT_TRANSLATE_NOOP("actions", "Import the result…"), "Ctrl+I", "import_job", "train"),
    _row("train.build", QT_TRANSLATE_NOOP("actions", "Make it a model"), "Ctrl+B", "build", "train"),
)
"""The actions of the page Train."""

CHAT = (
    _row("chat.send", QT_TRANSLATE_NOOP("actions", "Send"), "Ctrl+Return; Ctrl+Enter", "send", "chat"),
    _row("chat.stop", QT_TRANSLATE_NOOP("actions", "Stop"), "Ctrl+.", "stop", "chat"),
    _row("chat.new", QT_TRANSLATE_NOOP("actions", "New chat"), "Ctrl+T", "new_chat", "chat"),
    _row(
        "chat.private",
        QT_TRANSLATE_NOOP("actions", "New private chat"),
        "Ctrl+Shift+T",
        "new_private_chat",
        "chat",
    ),
    _row("chat.attach", QT_TRANSLATE_NOOP("actions", "Attach pictures…"), "Ctrl+I", "attach", "chat"),
    _row(
        "chat.selected",
        QT_TRANSLATE_NOOP("actions", "Attach the Library's selection"),
        "Ctrl+U",
        "attach_selected",
        "chat",
    ),
    _row(
        "chat.tasks", QT_TRANSLATE_NOOP("actions", "Choose what to ask for"), "Ctrl+G", "choose_task", "chat"
    ),
    _row(
        "chat.references",
        QT_TRANSLATE_NOOP("actions", "Reference library…"),
        "Ctrl+Shift+L",
        "show_library",
        "chat",
    ),
    _row(
        "chat.report",
        QT_TRANSLATE_NOOP("actions", "Open the last report as a form"),
        "Ctrl+Shift+F",
        "open_report",
        "chat",
    ),
    _row(
        "chat.review",
        QT_TRANSLATE_NOOP("actions", "Send the last answer to Review"),
        "Ctrl+Shift+E",
        "send_answer",
        "chat",
    ),
    _row(
        "chat.review_all",
        QT_TRANSLATE_NOOP("actions", "Send this chat to Review"),
        "Ctrl+Shift+D",
        "send_chat",
        "chat",
    ),
    _row("chat.again", QT_TRANSLATE_NOOP("actions", "Answer again"), "Ctrl+R", "again", "chat"),
    _row("chat.edit", QT_TRANSLATE_NOOP("actions", "Edit the last question"), "Ctrl+E", "edit", "chat"),
    _row(
        "chat.copy",
        QT_TRANSLATE_NOOP("actions", "Copy the last answer"),
        "Ctrl+Shift+C",
        "copy_answer",
        "chat",
    ),
    _row("chat.rename", QT_TRANSLATE_NOOP("actions", "Rename this chat"), "F2", "rename", "chat"),
    _row(
        "chat.export", QT_TRANSLATE_NOOP("actions", "Save this chat as a file…"), "Ctrl+S", "export", "chat"
    ),
    _row("chat.delete", QT_TRANSLATE_NOOP("actions", "Delete this chat…"), "Ctrl+Delete", "remove", "chat"),
    _row("chat.talk", QT_TRANSLATE_NOOP("actions", "Ask one model"), "Ctrl+B", "talk_again", "chat"),
    _row(
        "chat.compare",
        QT_TRANSLATE_NOOP("actions", "Compare two models"),
        "Ctrl+Shift+B",
        "compare",
        "chat",
    ),
    _row("chat.classify", QT_TRANSLATE_NOOP("actions", "Classify"), "Ctrl+Shift+K", "classify", "chat"),
    _row("chat.model", QT_TRANSLATE_NOOP("actions", "Add a model…"), "Ctrl+M", "add_model", "chat"),
)
"""The actions of the page Chat."""

JOBS = (
    _row("jobs.pause", QT_TRANSLATE_NOOP("actions", "Pause this job"), "Ctrl+.", "pause", "jobs"),
    _row("jobs.stop", QT_TRANSLATE_NOOP("actions", "Stop it at once"), "Ctrl+Shift+.", "stop", "jobs"),
    _row("jobs.resume", QT_TRANSLATE_NOOP("actions", "Resume this job"), "Ctrl+R", "resume", "jobs"),
    _row("jobs.retry", QT_TRANSLATE_NOOP("actions", "Retry what failed"), "Ctrl+T", "retry", "jobs"),
    _row("jobs.folder", QT_TRANSLATE_NOOP("actions", "Open its folder"), "Ctrl+E", "open_folder", "jobs"),
)
"""The actions of the page Jobs."""


def rows_of(page: str) -> tuple[Action, ...]:
    """The rows of the page of that name; an empty name means the window itself."""
    rows = {
        "": WINDOW,
        "library": LIBRARY,
        "generate": GENERATE,
        "review": REVIEW,
        "train": TRAIN,
        "chat": CHAT,
        "jobs": JOBS,
    }
    return rows.get(page, ())


def make_action(action: Action, call: Callable[[], object], parent: QObject) -> QAction:
    """The Qt action of a row, which calls ``call``."""
    made = QAction(action.label(), parent)
    made.setObjectName(action.id)
    if action.shortcut:
        made.setShortcuts(QKeySequence.listFromString(action.shortcut))
    made.triggered.connect(lambda *_: call())
    return made


def plain(action: QAction) -> str:
    """An action's name without marks of keys."""
    return action.text().replace("&", "")
