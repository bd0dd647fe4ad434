"""The Generate page: what is asked, how it is sent, what that looks like; and the run with its answers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from dermagui.errors import DermaError, UserError
from dermagui.jobs.report import Event
from dermagui.jobs.work import Parameters
from dermagui.records import JobState
from dermagui.ui import texts, theme
from dermagui.ui.desk import Desk
from dermagui.ui.generate import desk_work
from dermagui.ui.generate.bank_editor import BankEditor
from dermagui.ui.generate.cards import preview_card
from dermagui.ui.generate.columns import PreviewColumn, scrolled
from dermagui.ui.generate.desk_work import Offers
from dermagui.ui.generate.form import PlanForm
from dermagui.ui.generate.running import RunView
from dermagui.ui.generate.terms import TermsSheet
from dermagui.ui.generate.words import line_of
from dermagui.ui.icons import icon
from dermagui.ui.jobs import Jobs
from dermagui.ui.page import Page
from dermagui.ui.shell.words import money, whole
from dermagui.ui.widgets.bar import Bar, Level
from dermagui.ui.widgets.pages import Pages

if TYPE_CHECKING:  # these load much that the window's first picture need not wait for
    from dermagui.generation.outlook import Outlook
    from dermagui.generation.plan import Plan
    from dermagui.generation.preview import Preview
    from dermagui.generation.terms import Terms

_FIVE = 5
"""How many are looked at before the rest is paid for."""
_PATIENCE_MILLISECONDS = 300
"""After the last change of the form, before the outlook is worked out anew."""

_MENDED_IN_SETTINGS = ("key.missing", "key.invalid", "key.not_allowed", "model.gone", "settings.bad_value")


class GeneratePage(Page):
    """Plans and runs that ask about the images."""

    name: ClassVar[str] = "generate"

    def __init__(self, desk: Desk, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(desk, jobs, parent)
        self._outlook: Outlook | None = None
        self._plan: Plan | None = None
        self._previewed: set[str] = set()
        self._resend = False
        self._asked_about_unknown = 0
        self._job: str | None = None
        self._ended = ""
        """The run whose end was heard last; it is still counted as running for a moment."""
        self._is_preview = False
        self.bar = Bar()
        self.form = PlanForm(self)
        self._previews = PreviewColumn()
        self.preview = self._previews.cards
        self.run = RunView(desk)
        self.terms = TermsSheet()
        self.editor = BankEditor(desk)
        self._third = Pages()
        self._whole = Pages()
        self._line = QLabel()
        self._obstacle = QLabel()
        self._timer = QTimer(self, singleShot=True, interval=_PATIENCE_MILLISECONDS)
        self._build()
        self._connect()

    # -- building -------------------------------------------------------------------------------

    def _build(self) -> None:
        columns = QHBoxLayout()
        columns.setSpacing(3 * theme.GRID)
        columns.addWidget(scrolled(self.form.what, self.tr("What is asked")))
        columns.addWidget(scrolled(self.form.how, self.tr("How it is sent")))
        columns.addWidget(self._build_third(), 1)
        plan = QWidget()
        layout = QVBoxLayout(plan)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.GRID)
        layout.addLayout(columns, 1)
        layout.addLayout(self._build_foot())
        for widget in (plan, self.terms, self.editor):
            self._whole.addWidget(widget)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(2 * theme.GRID, theme.GRID, 2 * theme.GRID, theme.GRID)
        outer.setSpacing(theme.GRID)
        outer.addWidget(self.bar)
        outer.addWidget(self._whole, 1)

    def _build_third(self) -> QWidget:
        self._third.addWidget(self._previews)
        self._third.addWidget(self.run)
        return self._third

    def _build_foot(self) -> QVBoxLayout:
        self._line.setWordWrap(True)
        self._obstacle.setWordWrap(True)
        self.buttons = {
            id_: self._build_button(id_)
            for id_ in ("generate.back", "generate.terms", "generate.five", "generate.start")
        }
        self.buttons["generate.start"].setIcon(icon("start"))
        row = QHBoxLayout()
        row.setSpacing(theme.GRID)
        row.addWidget(self._line, 1)
        for button in self.buttons.values():
            row.addWidget(button)
        foot = QVBoxLayout()
        foot.addWidget(self._obstacle)
        foot.addLayout(row)
        return foot

    def _build_button(self, id_: str) -> QPushButton:
        action = self.action(id_)
        button = QPushButton(action.text())
        button.clicked.connect(action.trigger)
        action.changed.connect(lambda: button.setEnabled(action.isEnabled()))
        return button

    def _connect(self) -> None:
        self._timer.timeout.connect(self._look)
        self.form.changed.connect(self._on_form_changed)
        self.form.bank_asked.connect(self._on_bank_asked)
        self.editor.left.connect(self._on_editor_left)
        self.run.stop.clicked.connect(self.stop)
        self.run.review.clicked.connect(lambda: self.wants.emit("review"))
        self.terms.accepted.connect(self._on_terms_accepted)
        self.terms.left.connect(self.back)
        self.jobs.changed.connect(self._on_jobs_changed)
        self.jobs.told.connect(self._on_jobs_told)
        self._show_outlook(None)

    # -- what the window calls ------------------------------------------------------------------

    def show_project(self) -> None:
        self._job = None
        self._resend = False
        self._asked_about_unknown = 0
        self.bar.hide()
        self.preview.show_cards([])
        self._show_outlook(None)
        self.back()
        if self.desk.project is not None:
            self.desk.work(desk_work.offers, self._on_offers_read, owner=self, failed=self._tell)
            self._offer_images()
            self._on_jobs_changed()

    def _offer_images(self) -> None:
        self.desk.ask(desk_work.image_choices, self.form.offer_images, owner=self)

    def show_changes(self, kinds: frozenset[str]) -> None:
        if kinds & {"files", "sources", "metadata", "requests", "jobs", "settings"}:
            self._timer.start()
        if "sources" in kinds:  # or the saved filters
            self._offer_images()

    def _on_offers_read(self, offers: Offers) -> None:
        self.form.show_offers(offers)

    def leave(self) -> None:
        self.editor.keep_draft()

    # -- the questions ----------------------------------------------------------------------------

    def edit_bank(self) -> None:
        """Shows the questions of the bank that the plan names."""
        self.form.edit_bank.click()

    def _on_bank_asked(self, name: str) -> None:
        plan = self.form.plan()
        if plan is not None:
            self.editor.open_bank(name, plan)
            self._whole.setCurrentWidget(self.editor)
            self.editor.questions.setFocus()

    def _on_editor_left(self, stem: str, name: str) -> None:
        if stem:
            self.form.use_bank(stem, name)
        self.back()
        self._timer.start()  # the same name may stand for other questions now

    # -- looking ahead --------------------------------------------------------------------------

    def _on_form_changed(self) -> None:
        """Nothing can be started before it is known what that would do."""
        self._plan = self._outlook = None
        for id_ in ("generate.start", "generate.five"):
            self.action(id_).setEnabled(False)
        self._timer.start()

    def _look(self) -> None:
        plan = self.form.plan()
        if plan is None or self.desk.project is None:
            return
        self._plan = plan
        self._previews.show_plan(plan)
        look = partial(
            desk_work.look_ahead,
            plan=plan,
            resend_unknown=self._resend,
            free_tier_yes=self.form.free_yes.isChecked(),
        )
        self.desk.ask(look, partial(self._on_looked, plan), owner=self, failed=self._on_look_failed)

    def _on_look_failed(self, error: DermaError) -> None:
        self._show_outlook(None)
        self._obstacle.setText(texts.worded(error))
        self.preview.show_cards([])

    def _on_looked(self, plan: Plan, outlook: Outlook) -> None:
        if plan is not self._plan:
            return  # the form has changed since; the next answer is on its way
        self._show_outlook(outlook)
        self._ask_about_unknown(outlook)
        folder = self.desk.folder
        if folder is not None and self._job is None:
            work = partial(desk_work.previews, folder, plan, outlook)
            self.desk.work(work, partial(self._on_previewed, plan), owner=self, failed=self._tell)

    def _on_previewed(self, plan: Plan, previews: list[tuple[Preview, QImage] | DermaError]) -> None:
        if plan is self._plan:
            self.preview.show_cards([preview_card(found) for found in previews])

    def _show_outlook(self, outlook: Outlook | None) -> None:
        self._outlook = outlook
        plan = self._plan
        obstacle = outlook.obstacle if outlook else None
        self._line.setText(line_of(plan, outlook) if plan and outlook and outlook.left else "")
        self._obstacle.setText(texts.worded(obstacle) if obstacle else "")
        self._obstacle.setVisible(bool(obstacle))
        wanting_terms = obstacle is not None and obstacle.code == "terms.not_accepted"
        ready = outlook is not None and (obstacle is None or wanting_terms)
        five_first = bool(ready and plan and outlook and self._needs_preview(plan, outlook))
        self.action("generate.five").setEnabled(five_first)
        self.action("generate.start").setEnabled(ready and not five_first)
        self.buttons["generate.five"].setVisible(five_first)
        self.buttons["generate.start"].setText(
            self.tr("Send the rest") if plan and plan.key in self._previewed else self.tr("Start")
        )
        self.buttons["generate.terms"].setVisible(bool(plan and plan.leaves))
        self.buttons["generate.back"].setVisible(
            self._third.currentWidget() is self.run and self._job is None
        )

    def _needs_preview(self, plan: Plan, outlook: Outlook) -> bool:
        return plan.leaves and outlook.left > _FIVE and plan.key not in self._previewed

    def _ask_about_unknown(self, outlook: Outlook) -> None:
        if not outlook.unknown or self._resend or outlook.unknown == self._asked_about_unknown:
            return
        self._asked_about_unknown = outlook.unknown
        text = self.tr(
            "{count} requests may have been billed without an answer, at most {sum}: their process ended "
            "or the connection broke. They are not sent again unless you say so."
        )
        said = text.format(count=whole(outlook.unknown), sum=money(outlook.at_risk_micro_usd))
        self.bar.tell(said, Level.WARNING, self.tr("Send them again"), self._send_unknown_again)

    def _send_unknown_again(self) -> None:
        self._resend = True
        self._timer.start()

    # -- actions --------------------------------------------------------------------------------

    def start(self) -> None:
        """Sends all that is left."""
        self._begin(None)

    def send_five(self) -> None:
        """Sends the first five, so that somebody looks before the rest is paid for."""
        self._begin(_FIVE)

    def stop(self) -> None:
        """Stops the run after what is in flight."""
        if self._job is not None:
            self.jobs.stop(self._job)

    def back(self) -> None:
        """Shows the plan again."""
        self._whole.setCurrentIndex(0)
        if self._job is None:
            self._third.setCurrentIndex(0)
        self._show_outlook(self._outlook)

    def show_terms(self) -> None:
        """Shows the terms, to be read or to be accepted."""
        self.desk.work(desk_work.terms_and_name, self._on_terms_read, owner=self, failed=self._tell)

    def _on_terms_read(self, read: tuple[Terms, str]) -> None:
        self.terms.show_terms(*read)
        self._whole.setCurrentWidget(self.terms)
        self.terms.name.setFocus()

    def _on_terms_accepted(self, name: str) -> None:
        self.desk.ask(
            partial(desk_work.accept, name=name),
            lambda _: self._on_accepted(),
            owner=self,
            failed=self._tell,
            changes=frozenset({"requests"}),
        )

    def _on_accepted(self) -> None:
        self.back()
        self._look()

    def _begin(self, first: int | None) -> None:
        plan, outlook = self._plan, self._outlook
        if plan is None or outlook is None:
            return
        if outlook.obstacle is not None and outlook.obstacle.code == "terms.not_accepted":
            self.show_terms()
            return
        for id_ in ("generate.start", "generate.five"):
            self.action(id_).setEnabled(False)
        parameters: Parameters = {
            "plan": plan.as_json(),
            "resend_unknown": self._resend,
            "retry_refused": False,
            "free_tier_yes": plan.leaves and self.form.free_yes.isChecked(),
        }
        parameters |= {"first": first} if first else {}

        def start(key: str | None) -> None:
            begun = partial(self._on_begun, plan, first)
            self.jobs.start("generate", parameters, secret=key, started=begun, failed=self._on_refused)

        self.desk.work(
            desk_work.key if plan.leaves else desk_work.no_key, start, owner=self, failed=self._on_refused
        )

    def _on_refused(self, error: DermaError) -> None:
        self._tell(error)
        self._look()

    def _on_begun(self, plan: Plan, first: int | None, job_id: str) -> None:
        self._resend = False
        self._asked_about_unknown = 0
        self.bar.hide()
        self._follow(job_id, plan.provider, five=first is not None)

    def _follow(self, job_id: str, provider: str, *, five: bool) -> None:
        self._job = job_id
        self._is_preview = five
        self.run.begin(provider, five=five)
        self._third.setCurrentWidget(self.run)
        self._show_outlook(self._outlook)

    # -- the run --------------------------------------------------------------------------------

    def _on_jobs_changed(self) -> None:
        """A run that went on before this page was there is shown like one that began here."""
        for job_id, followed in self.jobs.running.items():
            if followed.row["kind"] == "generate" and self._job is None and job_id != self._ended:
                parameters = followed.row["parameters"]
                self._follow(job_id, parameters["plan"]["provider"], five="first" in parameters)
                for event in list(followed.newest):
                    self._on_jobs_told(job_id, event)
        self.run.show_stopping(self._job is not None and self.jobs.is_stopping(self._job))

    def _on_jobs_told(self, job_id: str, event: Event) -> None:
        if job_id != self._job:
            return
        self.run.hear(event)
        if event["event"] != "end":
            return
        if self._is_preview and event["state"] == JobState.DONE and self._plan is not None:
            self._previewed.add(self._plan.key)
        self._job, self._ended, self._is_preview = None, job_id, False
        error = event.get("error")
        if error:
            self._tell(UserError(error["code"], **error["values"]))
        self._look()

    def _tell(self, error: DermaError) -> None:
        if error.code in _MENDED_IN_SETTINGS:
            self.bar.tell_error(error, self.tr("Open settings"), partial(self.wants.emit, "settings"))
        elif error.code == "network.airplane":
            self.bar.tell_error(error, self.tr("Open privacy"), partial(self.wants.emit, "privacy"))
        else:
            self.bar.tell_error(error)
