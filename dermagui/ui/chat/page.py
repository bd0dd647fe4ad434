"""The Chat page: questions about pictures, answered by a model on this computer; kept, or private."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QVBoxLayout, QWidget

from dermagui.errors import DermaError
from dermagui.records import Role
from dermagui.ui import theme
from dermagui.ui.chat.attaching import Attaching
from dermagui.ui.chat.choosing import Choosing
from dermagui.ui.chat.desk_work import Thumb
from dermagui.ui.chat.drafts import Drafts
from dermagui.ui.chat.engine import Answered, Engine, Progress, Question
from dermagui.ui.chat.handing import Handing
from dermagui.ui.chat.layout import ChatLayout
from dermagui.ui.chat.library import Library
from dermagui.ui.chat.modes import Mode, Modes
from dermagui.ui.chat.reporting import Reporting
from dermagui.ui.chat.shelf import ChatAt, Listed, Place, Shelf
from dermagui.ui.chat.talk import Talk
from dermagui.ui.chat.this_chat import ThisChat
from dermagui.ui.chat.wishes import Wish
from dermagui.ui.chat.wishing import Wishing
from dermagui.ui.desk import Desk
from dermagui.ui.jobs import Jobs
from dermagui.ui.page import Page


class ChatPage(Page):
    """Chats with or without a project."""

    name: ClassVar[str] = "chat"

    def __init__(self, desk: Desk, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(desk, jobs, parent)
        self.engine = Engine(desk)
        self.shelf = Shelf(desk)
        self.talk = Talk(desk, self.engine, self.shelf)
        self.parts = ChatLayout(self.action)
        self.choosing = Choosing(desk, self.parts, self)
        self.pictures = Attaching(desk, self.parts.composer, self.parts.bar, self)
        self.modes = Modes(desk, jobs, self.engine, self.parts, self.choosing, self)
        self.this_chat = ThisChat(self.talk, self.shelf, self.parts.title, self.parts.bar, self)
        self.library = Library(desk, self.shelf)
        self.wishing = Wishing(desk, self.talk, self.library, self.parts, self)
        self.reporting = Reporting(desk, self.talk, self)
        self.handing = Handing(desk, self.talk, self.parts.bar, self)
        self._drafts = Drafts(self.talk, self.parts.composer)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(2 * theme.GRID, theme.GRID, 2 * theme.GRID, theme.GRID)
        outer.addWidget(self.parts)
        self._connect()

    def _connect(self) -> None:
        parts = self.parts
        self.engine.progressed.connect(self._on_progressed)
        self.engine.grew.connect(self._on_grew)
        self.talk.opened.connect(self._on_opened)
        self.talk.began.connect(self._on_began)
        self.talk.ended.connect(self._on_ended)
        self.talk.given_back.connect(self._on_given_back)
        self.talk.kept.connect(self._on_kept)
        parts_that_fail = (self.talk, self.choosing, self.modes, self.pictures, self.this_chat)
        for part in (*parts_that_fail, self.wishing, self.reporting, self.handing):
            part.failed.connect(self._tell)
        self.wishing.ready.connect(self._ask)
        self.wishing.changed.connect(self._allow)
        self.handing.review_wanted.connect(lambda: self.wants.emit("review"))
        for part in (self.choosing, self.modes):
            part.changed.connect(self._allow)
        self.choosing.changed.connect(lambda: self.model_changed.emit(parts.models.name))
        self.choosing.sheet.train_wanted.connect(lambda: self.wants.emit("train"))
        parts.history.chosen.connect(self._on_chat_chosen)
        parts.history.searched.connect(self._list_chats)
        parts.composer.sent.connect(self.send)
        parts.conversation.wants.connect(self._on_turn_wants)
        parts.conversation.picture_chosen.connect(self._show_seen)

    @property
    def detail(self) -> QWidget | None:
        return self.parts.detail

    # -- what the window calls ------------------------------------------------------------------

    def show_project(self) -> None:
        self.parts.bar.hide()
        self.choosing.look()
        self.modes.clear()
        self._drafts.put_by()
        self.wishing.begin()
        self.talk.begin()
        self._drafts.take_up()
        self._list_chats()

    def show_changes(self, kinds: frozenset[str]) -> None:
        self.choosing.look()
        self._list_chats()

    def choose_model(self, name: str) -> None:
        """Has that bundle answer from now on; it may have come only just now."""
        self.choosing.choose(name)

    def focus_search(self) -> None:
        self.parts.history.search.setFocus()
        self.parts.history.search.selectAll()

    # -- lists ----------------------------------------------------------------------------------

    def _list_chats(self) -> None:
        self.shelf.list(self.parts.history.words, self._on_chats_listed, owner=self, failed=self._tell)

    def _on_kept(self) -> None:
        self._list_chats()
        self._allow()

    def _on_chats_listed(self, chats: list[Listed]) -> None:
        self.parts.history.show_chats(chats, self.talk.at.uid if self.talk.at else "")
        self.this_chat.show_title(chats)

    def _on_chat_chosen(self, at: ChatAt) -> None:
        self.modes.show(Mode.TALK)
        self._drafts.put_by()
        self.wishing.begin()
        self.talk.open(at, self.this_chat.titles.get(at.uid, ""))
        self._drafts.take_up()

    # -- what is shown --------------------------------------------------------------------------

    def _on_opened(self) -> None:
        self.parts.conversation.show_turns(self.talk.turns)
        known = self.this_chat.titles.get(self.talk.at.uid, "") if self.talk.at else ""
        self.parts.title.setText(self.talk.title or known)
        self.parts.show_place(self.talk.place, self.desk.folder.name if self.desk.folder else "")
        self.parts.seen.show_nothing()
        self.modes.say_private(self.talk.place is Place.PRIVATE)
        if self.talk.turns:
            figures = self.talk.turns[-1].stored.figures
            self.parts.models.choose(str(figures.get("model", "")))
            self._show_last_picture()
        self._show_context()
        self._allow()

    def _on_began(self, question: Question) -> None:
        self.parts.bar.hide()
        self.parts.conversation.show_question(question)
        self.parts.show_progress("load", 0, 0)
        self._allow()

    def _on_progressed(self, progress: Progress) -> None:
        self.parts.show_progress(progress.doing, progress.done, progress.total)

    def _on_grew(self, text: str) -> None:
        self.parts.show_progress("", 0, 0)
        if self.talk.is_asking and self.parts.conversation.turns:
            self.parts.conversation.grow(text)

    def _on_ended(self, answered: Answered) -> None:
        self.wishing.edited = None
        self.parts.tasks.reset()
        self.parts.show_progress("", 0, 0)
        question, answer = self.talk.turns[-2:]
        views = self.parts.conversation.turns
        views[-2].show_turn(question)
        self.parts.conversation.end(answer.markdown)
        views[-1].show_turn(answer)
        last = question.thumbs[-1].attachment if question.thumbs else None
        for attachment, rgb in answered.seen:
            if attachment == last:
                image = QImage(rgb.rows, rgb.width, rgb.height, 3 * rgb.width, QImage.Format.Format_RGB888)
                self.parts.seen.show_seen(image.copy(), question.stored.images[-1].pixels)
        self._show_context()
        self._allow()

    def _on_given_back(self, text: str, thumbs: tuple[Thumb, ...]) -> None:
        """Nothing came of the question: it stands in the composer again, with what was begun there since."""
        self.parts.show_progress("", 0, 0)
        self.parts.conversation.cut(len(self.talk.turns))
        since = self.parts.composer.text
        self.parts.composer.fill("\n".join(part for part in (text, since) if part), list(thumbs))
        self._allow()

    def _show_context(self) -> None:
        figures = self.talk.turns[-1].stored.figures if self.talk.turns else {}
        settings = figures.get("settings")
        most = int(settings.get("context_tokens", 0)) if isinstance(settings, dict) else 0
        read = figures.get("prompt_tokens", 0)
        used = int(read) + len(self.talk.turns[-1].stored.tokens) if isinstance(read, int) and most else 0
        self.parts.show_context(used, most)

    def _allow(self) -> None:
        """Which actions can be done now, and what can be done with the last turns."""
        asking = self.engine.is_busy or self.talk.is_asking or self.library.is_looking or self.modes.is_busy
        has_turns = bool(self.talk.turns)
        model = self.parts.models.card
        can_ask = not asking and model is not None and model.error is None
        is_enabled = {
            "send": can_ask and self.modes.can_ask,
            "compare": len(self.choosing.cards) > 1,
            "classify": model is not None,
            "stop": asking,
            "again": can_ask and has_turns,
            "edit": can_ask and has_turns,
            "copy": has_turns,
            "report": self.reporting.last is not None,
            **dict.fromkeys(("review", "review_all"), has_turns and not asking),
            "selected": self.desk.project is not None and model is not None,
            **dict.fromkeys(("attach", "new", "private"), model is not None),
            **dict.fromkeys(("rename", "export", "delete"), self.talk.at is not None),
        }
        for name, enabled in is_enabled.items():
            self.action(f"chat.{name}").setEnabled(enabled)
        for place, view in enumerate(self.parts.conversation.turns):
            is_last = not asking and place >= len(self.parts.conversation.turns) - 2
            can = ["edit" if view.role is Role.USER else "again"] if is_last else []
            view.allow(*can, *(["review"] if view.role is Role.ASSISTANT and view.turn else []))
        self.wishing.refresh()

    def _tell(self, error: DermaError) -> None:
        self.parts.show_progress("", 0, 0)
        if error.code == "chat.died":
            self.parts.bar.tell_error(error, self.tr("Start again"), self.send)
        else:
            self.parts.bar.tell_error(error)
        self._allow()

    # -- asking ---------------------------------------------------------------------------------

    def send(self) -> None:
        """Asks what is written."""
        if not self.action("chat.send").isEnabled():
            self.parts.composer.draft.setFocus()
        elif not self.modes.send(self._how):
            self.wishing.make()

    def _ask(self, wish: Wish) -> None:
        composer, place = self.parts.composer, self.wishing.edited
        thumbs = list(composer.thumbs)
        composer.clear()
        if place is not None:
            self.parts.conversation.cut(place)
        self.parts.conversation.begin(wish.text, thumbs)
        self.talk.ask(wish.text, thumbs, wish.applied(self._how()), place)
        composer.draft.setFocus()

    def _how(self) -> Question:
        from dermagui.chat.protocol import Sampling
        from dermagui.chat.session import Room, random_seed

        chosen = self.parts.settings
        seed = random_seed() if chosen.seed_number is None else chosen.seed_number
        sampling = Sampling(
            max_tokens=chosen.max_tokens.value(), temperature=chosen.temperature.value(), seed=seed
        )
        room = Room(**chosen.room)  # type: ignore[arg-type]
        name, system = self.parts.models.name, chosen.system.toPlainText()
        return Question(name, (), sampling, room, chosen.adapter.adapters, system)

    def stop(self) -> None:
        """Ends the answer, or the loading of the model."""
        self.engine.stop()
        self.modes.stop()

    def again(self) -> None:
        """Lets the last question be answered anew; the answer that stands there is kept beside it."""
        if self.action("chat.again").isEnabled():
            self.parts.conversation.cut(len(self.talk.turns) - 1)
            self.parts.conversation.begin_answer()
            self.talk.again(self.wishing.again().applied(self._how()))

    def edit(self) -> None:
        """Takes the last question into the composer, to be asked in other words."""
        if self.action("chat.edit").isEnabled():
            self.wishing.take_back(len(self.talk.turns) - 2)

    def copy_answer(self) -> None:
        """Puts the last answer into the clipboard."""
        if self.talk.turns:
            QGuiApplication.clipboard().setText(self.talk.turns[-1].text)

    def choose_task(self) -> None:
        """Puts the focus on the chips."""
        self.parts.tasks.take_focus()

    def show_library(self) -> None:
        """Shows the files of the reference library."""
        self.wishing.open_library()

    def open_report(self) -> None:
        """Opens the last report of the chat as a form."""
        self.reporting.open(self.reporting.last)

    def send_answer(self) -> None:
        """Sends the last answer with its question to Review."""
        if self.talk.turns:
            self.handing.send(len(self.talk.turns) - 1)

    def send_chat(self) -> None:
        """Sends the whole chat to Review, as one dialogue."""
        self.handing.send()

    def _on_turn_wants(self, place: int, what: str) -> None:
        if what == "again":
            self.again()
        elif what == "edit":
            self.edit()
        elif what == "form":
            self.reporting.open(place)
        elif what == "review":
            self.handing.send(place)
        else:
            self.talk.show_version(place, what == "later")

    # -- pictures -------------------------------------------------------------------------------

    def attach(self) -> None:
        """Asks for picture files."""
        self.pictures.choose()

    def attach_selected(self) -> None:
        """Attaches what is selected in the Library."""
        self.pictures.take_selected()

    def take_paths(self, paths: list[Path]) -> None:
        models = [path for path in paths if path.suffix.casefold() == ".gguf"]
        if models:
            self.choosing.take_model(models[0])
        else:
            self.pictures.take_paths(paths)

    def _show_last_picture(self) -> None:
        for place in reversed(range(len(self.talk.turns))):
            if self.talk.turns[place].thumbs:
                self._show_seen(place, 0)
                return

    def _show_seen(self, place: int, picture: int) -> None:
        """Makes the pixels of a picture once more, and says whether they are what the model saw."""
        if place >= len(self.talk.turns):
            return
        turn = self.talk.turns[place]
        if picture >= len(turn.stored.images):
            return
        self.parts.seen.look(self.desk, turn.stored.images[picture], turn.thumbs[picture].attachment)

    # -- chats ----------------------------------------------------------------------------------

    def new_chat(self) -> None:
        """An empty chat."""
        self._begin(private=False)

    def new_private_chat(self) -> None:
        """An empty chat of which nothing is written down."""
        self._begin(private=True)

    def _begin(self, *, private: bool) -> None:
        self.parts.bar.hide()
        self.modes.show(Mode.TALK)
        self._drafts.put_by()
        self.wishing.begin()
        self.talk.begin(private=private)
        self._drafts.take_up()
        self._list_chats()
        self.parts.composer.draft.setFocus()

    def rename(self) -> None:
        """Puts the cursor into the chat's name."""
        self.this_chat.rename()

    def remove(self) -> None:
        """Asks whether the chat is to go, in the bar."""
        self.this_chat.remove()

    def export(self) -> None:
        """Asks for a file and writes the chat into it."""
        self.this_chat.export()

    def talk_again(self) -> None:
        """Shows the chat."""
        self.modes.show(Mode.TALK)

    def compare(self) -> None:
        """Shows two models side by side."""
        self.modes.show(Mode.COMPARE)

    def classify(self) -> None:
        """Shows the labels that a model is to rank."""
        self.modes.show(Mode.CLASSIFY)

    def add_model(self) -> None:
        """Shows where models come from."""
        self.choosing.open_sheet()
