"""The strip at the foot: the running job with its pause and stop, and when something was saved last."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QToolButton

from dermagui.ui import theme
from dermagui.ui.icons import icon, say_beside_icon
from dermagui.ui.jobs import Jobs


class JobStrip(QFrame):
    """Follows ``Jobs`` by itself."""

    def __init__(self, jobs: Jobs) -> None:
        super().__init__()
        self._jobs = jobs
        self._other = ""
        self.job = QToolButton()
        self.job.setIcon(icon("jobs"))
        self.job.setIconSize(QSize(18, 18))
        self.job.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.job.setAutoRaise(True)
        self.job.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.job.setToolTip(self.tr("All jobs of this project"))
        self._progress = QProgressBar()
        self._progress.setTextVisible(False)
        self._progress.setFixedSize(20 * theme.GRID, theme.GRID)
        self._progress.setAccessibleName(self.tr("Progress of the running job"))
        self.stop = QToolButton()
        self.stop.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.stop.clicked.connect(self._on_stop_clicked)
        self._show_stop(False)
        self.saved = QLabel()
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.GRID, theme.GRID // 2, theme.GRID, theme.GRID // 2)
        row.setSpacing(theme.GRID)
        for widget in (self.job, self._progress, self.stop):
            row.addWidget(widget)
        row.addStretch(1)
        row.addWidget(self.saved)
        jobs.changed.connect(self._show)
        jobs.told.connect(self._show)
        self._show()

    def show_saved(self) -> None:
        """Something was written just now."""
        from PySide6.QtCore import QLocale, QTime  # the list of all languages of the world takes a while

        moment = QLocale().toString(QTime.currentTime(), QLocale.FormatType.ShortFormat)
        self.saved.setText(self.tr("Saved {time}").format(time=moment))

    def show_other(self, text: str) -> None:
        """Something is under way that is no job of a project, such as the making of one; empty: no more."""
        self._other = text
        self._show()

    def forget_saved(self) -> None:
        """Another project is open, in which nothing was written yet."""
        self.saved.clear()

    def _show(self, *_: object) -> None:
        followed = next(iter(self._jobs.running.values()), None)
        self._progress.setVisible(followed is not None or bool(self._other))
        self.stop.setVisible(followed is not None)
        if followed is None:
            self._progress.setRange(0, 0)
            say_beside_icon(self.job, self._other or self.tr("No job is running"))
            return
        from dermagui.ui.shell.words import job_words

        say_beside_icon(self.job, " · ".join(job_words(followed)))
        total, done = followed.progress.get("total"), followed.progress.get("done", 0)
        # Thousandths, since a download counts in bytes and Qt's numbers end at two milliards.
        self._progress.setRange(0, 1_000 if total else 0)
        self._progress.setValue(done * 1_000 // total if total else 0)
        self._show_stop(self._jobs.is_stopping(followed.row["id"]))

    def _show_stop(self, stopping: bool) -> None:
        """Once asked, a job pauses by itself; the same button then ends it without waiting."""
        if stopping:
            self.stop.setIcon(icon("stop"))
            say_beside_icon(self.stop, self.tr("Stop at once"))
            self.stop.setToolTip(self.tr("Without waiting for what is in flight, which may have been paid"))
        else:
            self.stop.setIcon(icon("pause"))
            say_beside_icon(self.stop, self.tr("Pause"))
            self.stop.setToolTip(self.tr("What is done stays saved, and the job can be resumed later"))

    def _on_stop_clicked(self) -> None:
        for job_id in list(self._jobs.running)[:1]:
            self._jobs.stop(job_id)
