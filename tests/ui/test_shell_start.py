"""Starting, closing and failing: projects, one window a user, the welcome, the demo, reports and crashes."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage
from PySide6.QtNetwork import QLocalSocket
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QPushButton

from dermagui import paths, settings
from dermagui.errors import UserError
from dermagui.logs import hide
from dermagui.project import LOCK_NAME, create_project
from dermagui.storage import images, pairs
from dermagui.ui import app
from dermagui.ui.pages import PAGES
from dermagui.ui.shell import single, state
from dermagui.ui.shell.child import Child
from dermagui.ui.shell.report import CrashDialog, ReportDialog, redacted
from dermagui.ui.shell.single import FirstWindow, ask_first, door_name, is_taken, place_of_first
from dermagui.ui.shell.welcome import SEEN, Welcome
from dermagui.ui.widgets.full_screen import FullScreen
from dermagui.ui.widgets.picture import PictureView
from dermagui.ui.window import Window

Wait = Callable[[Callable[[], object]], None]

_SECOND_START = (
    "import sys; from dermagui.ui.shell.single import ask_first; sys.exit(not ask_first(sys.argv[1]))"
)
_HOLD_THE_PLACE = """
import sys, time
from dermagui.ui.shell.single import is_taken, place_of_first
place = place_of_first()
print("theirs" if is_taken(place) else "mine", flush=True)
time.sleep(600)
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """An empty project."""
    create_project(tmp_path / "study")
    return tmp_path / "study"


def _open(window: Window, folder: Path, wait_until: Wait) -> None:
    window.desk.open_project(folder)
    wait_until(lambda: window.desk.folder == folder.resolve() and window.desk.is_idle)


def _choose(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(folder), ""))


# -- projects -----------------------------------------------------------------------------------


def _drop(window: Window, path: Path) -> bool:
    """Drops a folder in the middle of the window; whether the window would have it."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    how = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    entering = QDragEnterEvent(QPoint(600, 400), *how)
    QApplication.sendEvent(window, entering)
    QApplication.sendEvent(window, QDropEvent(QPointF(600, 400), *how))
    return entering.isAccepted()


def test_pictures_dropped_where_no_project_is_get_one(
    window: Window, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (40, 30), "brown").save(tmp_path / "pictures" / "a.png")
    _choose(monkeypatch, tmp_path / "new")
    assert _drop(window, tmp_path / "pictures")
    wait_until(lambda: window.desk.folder == tmp_path / "new" and window.desk.is_idle)
    wait_until(lambda: any("1 picture" in label.text() for label in window.page.findChildren(QLabel)))
    assert window.page.name == "library"


def test_what_was_dropped_is_forgotten_with_the_question(
    window: Window, tmp_path: Path, study: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[object] = []
    window.projects.pictures_dropped.connect(taken.append)
    asked: list[object] = []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: asked.append(1) or ("", ""))
    assert _drop(window, tmp_path)
    wait_until(lambda: asked)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").touch()
    _choose(monkeypatch, tmp_path / "full")
    assert _drop(window, tmp_path)
    wait_until(lambda: window.bar.isVisible())
    _open(window, study, wait_until)
    assert taken == []


def test_a_project_that_is_dropped_is_opened(window: Window, study: Path, wait_until: Wait) -> None:
    assert _drop(window, study)
    wait_until(lambda: window.desk.folder == study)


def test_a_project_is_made_opened_copied_and_closed(
    window: Window, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, control = window.windowHandle(), Qt.KeyboardModifier.ControlModifier
    _choose(monkeypatch, tmp_path / "new")
    QTest.keyClick(keys, Qt.Key.Key_N, control)
    wait_until(lambda: window.desk.folder == tmp_path / "new")
    assert window._strip.project.accessibleName() == "Project: new"
    assert window.windowTitle() == "new - dermagui"
    _choose(monkeypatch, tmp_path / "copy")
    QTest.keyClick(keys, Qt.Key.Key_S, control | Qt.KeyboardModifier.ShiftModifier)
    wait_until(lambda: "copy was saved" in window.bar.text)
    assert (tmp_path / "copy" / paths.DATABASE_NAME).is_file()
    QTest.keyClick(keys, Qt.Key.Key_W, control)
    assert window.desk.project is None
    assert window._strip.project.accessibleName() == "Project: No project"
    assert state.recent_projects() == [tmp_path / "new"]


def test_the_projects_that_were_open_are_offered_the_last_first(
    window: Window, study: Path, tmp_path: Path, wait_until: Wait
) -> None:
    create_project(tmp_path / "other")
    for folder in (study, tmp_path / "other", study):
        _open(window, folder, wait_until)
    window.projects.recent.aboutToShow.emit()
    assert [Path(row.text()) for row in window.projects.recent.actions()] == [study, tmp_path / "other"]
    window.projects.recent.actions()[1].trigger()
    wait_until(lambda: window.desk.folder == tmp_path / "other")


def test_without_a_project_the_ways_to_one_stand_in_its_place(
    window: Window, study: Path, wait_until: Wait
) -> None:
    _open(window, study, wait_until)
    assert window.pages["library"].isVisible()
    window.close_project()
    for name in PAGES:
        window.show_page(name)
        page = window.pages[name]
        assert page.isVisible() is not window._start.isVisible()
        assert page.isVisible() is not PAGES[name].needs_project
    window.show_library()
    recent = window._start.recent
    assert recent.count() == 1
    recent.setCurrentRow(0)
    recent.setFocus()
    QTest.keyClick(recent, Qt.Key.Key_Return)
    wait_until(lambda: window.desk.folder == study)
    assert window.pages["library"].isVisible()


def test_what_cannot_be_opened_is_told_and_the_open_project_stays(
    window: Window, study: Path, tmp_path: Path, wait_until: Wait
) -> None:
    _open(window, study, wait_until)
    window.desk.open_project(tmp_path / "nowhere")
    wait_until(window.bar.isVisible)
    assert "nowhere" in window.bar.text
    assert "`" not in window.bar.text, "the window has no command line"
    assert window.desk.folder == study


def test_a_project_that_another_computer_holds_is_read_and_says_who_holds_it(
    window: Window, study: Path, wait_until: Wait
) -> None:
    with (study / LOCK_NAME).open("w+") as lock:
        lock.write(json.dumps({"computer": "ward-7", "user": "Grace"}))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_SH)
        _open(window, study, wait_until)
        assert window.desk.read_only
        assert window.held.isVisible()
        assert "Grace" in window.held.text
        assert "ward-7" in window.held.text
        assert not window.held._dismiss.isVisible(), "it is so for as long as it is said"
        window.close_project()
    assert not window.held.isVisible()


def test_an_error_offers_the_page_that_mends_it(window: Window) -> None:
    window.show_error(UserError("network.airplane", host="example.org"))
    assert window.bar.isVisible()
    QTest.mouseClick(window.bar._button, Qt.MouseButton.LeftButton)
    assert window.page.name == "privacy"
    assert not window.bar.isVisible()
    window.show_error(UserError("disk.full", path="x"))
    assert not window.bar._button.isVisible()


def test_the_window_comes_back_as_it_was_left(window: Window, application: QApplication) -> None:
    window.resize(window.width(), 650)
    window.toggle_detail()
    window.close()
    again = Window()
    assert again.height() == 650, "the width is bounded by the screen of the platform offscreen"
    assert state.is_set("window/detail_folded")
    assert (paths.config_folder() / "window.ini").is_file()
    again.close()
    again.deleteLater()


def test_pages_are_reached_by_their_keys(window: Window) -> None:
    for key, name in (
        (Qt.Key.Key_2, "generate"),
        (Qt.Key.Key_3, "review"),
        (Qt.Key.Key_1, "library"),
        (Qt.Key.Key_J, "jobs"),
        (Qt.Key.Key_Comma, "settings"),
    ):
        QTest.keyClick(window.windowHandle(), key, Qt.KeyboardModifier.ControlModifier)
        assert window.page.name == name
        assert window._rail._buttons[name].isChecked()


def test_the_picture_in_view_fills_the_screen_and_leaves_it_by_the_same_key(window: Window) -> None:
    window.show_settings()
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_F11)
    assert window.findChild(FullScreen) is None
    assert window.bar.text == "No picture is in view here."
    view = PictureView(window.page)
    image = QImage(40, 30, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    view.show_image(image)
    view.show()
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_F11)
    shown = window.findChild(FullScreen)
    assert shown.isFullScreen()
    assert shown.view.levels[0] == image
    QTest.keyClick(shown, Qt.Key.Key_F11)
    assert not shown.isVisible()
    view.setParent(None)


def test_the_strip_names_the_model_that_answers_in_the_chat(window: Window) -> None:
    assert not window._strip.model.isVisible()
    window.pages["jobs"].model_changed.emit("a-tuned-model")
    assert window._strip.model.text().strip() == "Model: a-tuned-model"
    QTest.mouseClick(window._strip.model, Qt.MouseButton.LeftButton)
    assert window.page.name == "chat"
    window._strip.show_model("")
    assert not window._strip.model.isVisible()


# -- one window a user --------------------------------------------------------------------------


def test_a_second_start_brings_up_the_first_and_hands_over_its_project(
    window: Window, study: Path, wait_until: Wait
) -> None:
    first = FirstWindow(window)
    first.asked.connect(lambda folder: app._come_up(window, folder))
    assert first.listen()
    window.showMinimized()
    with subprocess.Popen([sys.executable, "-c", _SECOND_START, str(study)]) as second:
        wait_until(lambda: second.poll() is not None)
    assert second.returncode == 0
    wait_until(lambda: window.desk.folder == study)
    assert not window.isMinimized()


def test_of_two_that_start_at_the_same_moment_one_stays(wait_until: Wait) -> None:
    begin = [sys.executable, "-m", "dermagui"]
    with subprocess.Popen(begin) as one, subprocess.Popen(begin) as other:
        wait_until(lambda: one.poll() is not None or other.poll() is not None)
        gone, stays = (one, other) if one.poll() is not None else (other, one)
        assert gone.returncode == 0
        assert stays.poll() is None
        stays.terminate()
    assert stays.returncode == 0


def test_the_place_of_a_window_that_was_killed_is_free(application: QApplication, wait_until: Wait) -> None:
    with subprocess.Popen([sys.executable, "-c", _HOLD_THE_PLACE], stdout=subprocess.PIPE) as first:
        assert first.stdout
        assert first.stdout.readline() == b"mine\n"
        assert is_taken(place_of_first())
        first.kill()
    assert not is_taken(place_of_first())


def test_where_nobody_listens_nobody_answers(
    application: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single, "_ANSWER_MILLISECONDS", 50)
    assert not ask_first("")


def test_a_first_window_that_hangs_does_not_keep_the_second_from_starting(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single, "_ANSWER_MILLISECONDS", 50)
    assert FirstWindow(window).listen()
    assert not ask_first(""), "nobody lets events happen here, so nobody answers"


def test_what_is_no_request_is_passed_over(window: Window, wait_until: Wait) -> None:
    first, asked = FirstWindow(window), []
    first.asked.connect(asked.append)
    assert first.listen()
    socket = QLocalSocket()
    socket.connectToServer(door_name())
    assert socket.waitForConnected(1_000)
    socket.write(b'nonsense\n[1]\n{"open": "study"}\n')
    assert socket.waitForBytesWritten(1_000)
    wait_until(lambda: asked)
    assert asked == ["study"]
    socket.disconnectFromServer()


# -- the welcome and the demo -------------------------------------------------------------------


def test_the_welcome_is_walked_by_keys_and_comes_only_once(window: Window, wait_until: Wait) -> None:
    window.show_welcome()
    welcome = window.findChild(Welcome)
    assert not state.is_set(SEEN)
    place = welcome.back.geometry()
    for page in (1, 2, 3):
        QTest.keyClick(welcome, Qt.Key.Key_Return)
        assert welcome.stack.currentIndex() == page
        QApplication.processEvents()
        assert welcome.back.geometry() == place, "Back stands where it stood, and never where Next did"
    QTest.mouseClick(welcome.back, Qt.MouseButton.LeftButton)
    assert welcome.stack.currentIndex() == 2
    QTest.mouseClick(welcome.skip, Qt.MouseButton.LeftButton)
    assert not welcome.isVisible()
    assert state.is_set(SEEN)


def test_the_welcome_leads_to_the_chat_without_a_project(window: Window) -> None:
    window.show_welcome()
    welcome = window.findChild(Welcome)
    welcome._show_page(3)
    (chat,) = [button for button in welcome.findChildren(QPushButton) if button.text() == "Go to Chat"]
    QTest.mouseClick(chat, Qt.MouseButton.LeftButton)
    assert not welcome.isVisible()
    assert window.page.name == "chat"
    assert window.page.isVisible()


def test_the_look_that_is_chosen_in_the_welcome_is_kept(window: Window, wait_until: Wait) -> None:
    window.show_welcome()
    welcome = window.findChild(Welcome)
    welcome.look.setFocus()
    QTest.keyClick(welcome.look, Qt.Key.Key_Down)
    wait_until(lambda: settings.get("window.theme") == "light")
    welcome.reject()


def test_the_demo_is_made_by_a_child_and_opened(window: Window, wait_until: Wait) -> None:
    asked: list[list[str]] = []
    made = paths.data_folder() / "demo"

    def run(child: Child, arguments: list[str], then: Callable[[dict[str, object]], object]) -> None:
        asked.append(arguments)
        real(child, arguments, then)

    real = Child.run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Child, "run", run)
        window.show_welcome()
        window.findChild(Welcome).wants_demo.emit()
        window.findChild(Welcome).reject()
        window.open_demo()
        assert asked == [["demo-project", str(made)]], "asked for twice, it is made once"
        assert window._job_strip.job.accessibleName() == "Making the demo"
        wait_until(lambda: window.desk.project and window.desk.is_idle)
    assert window._job_strip.job.accessibleName() == "No job is running"
    found: list[tuple[int, dict[str, int]]] = []
    window.desk.ask(
        lambda store: (images.count_images(store), pairs.count_pairs(store)), found.append, owner=window
    )
    wait_until(lambda: found)
    assert found[0][0] > 10
    assert found[0][1]["pending"] > 20


def test_a_child_that_fails_is_told(window: Window, wait_until: Wait) -> None:
    answers: list[dict[str, object]] = []
    child = Child(window)
    child.run(["demo-project", "/dev/null/nowhere"], answers.append)
    wait_until(lambda: answers)
    assert Child.error_of(answers[0]).code.startswith("disk.")
    child.run(["no-such-command"], answers.append)
    wait_until(lambda: len(answers) == 2)
    assert Child.error_of(answers[1]).code == "child.died"


def test_a_window_that_closes_takes_its_child_along(window: Window) -> None:
    answers: list[dict[str, object]] = []
    child = Child(window)
    child.run(["rehearsal-server", "--script", "/dev/stdin", "--log", "/dev/null"], answers.append)
    process = child._process
    assert process is not None
    assert process.waitForStarted(5_000)
    child.stop()
    assert not child.is_running
    assert answers == []


# -- reports ------------------------------------------------------------------------------------


def test_the_report_says_no_names_and_is_saved_as_it_was_read(
    window: Window, study: Path, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.set_value("person.name", "Grace Hopper")
    (paths.log_folder() / "dermagui.log").write_text(
        f"cannot read {study}/secret-patient.jpg with AIzaSyA1234567890abcdefghijk\n"
    )
    _open(window, study, wait_until)
    window.show_report()
    dialog = window.findChild(ReportDialog)
    wait_until(lambda: "The open project" in dialog.text.toPlainText())
    text = dialog.text.toPlainText()
    for secret in ("Grace", "secret-patient", "AIzaSy", str(study)):
        assert secret not in text
    assert "gemini.model" in text
    assert "images: 0" in text
    assert "cannot read" in text
    _choose(monkeypatch, tmp_path / "report.txt")
    dialog.text.setPlainText("what I let you know")
    dialog.save(tmp_path / "report.txt")
    wait_until(lambda: "was saved" in dialog._bar.text)
    assert (tmp_path / "report.txt").read_text() == "what I let you know"
    dialog.reject()


def test_our_own_bug_is_shown_without_keys_and_paths_and_the_window_lives(
    window: Window, study: Path, wait_until: Wait
) -> None:
    _open(window, study, wait_until)
    hide("my-own-secret")
    crashes = app._Crashes(window)

    def fail() -> None:
        raise RuntimeError(f"{study}/Grace Hopper.jpg and my-own-secret")

    before, sys.excepthook = sys.excepthook, crashes
    try:
        for _ in range(3):
            QTimer.singleShot(0, fail)
        wait_until(lambda: window.findChildren(CrashDialog))
        QApplication.processEvents()
    finally:
        sys.excepthook = before
    dialogs = window.findChildren(CrashDialog)
    assert len(dialogs) == 1, "one fault after another must not bury the user"
    text = dialogs[0].text.toPlainText()
    assert "RuntimeError" in text
    assert str(study) not in text
    assert "Hopper" not in text
    assert "my-own-secret" not in text
    dialogs[0].reject()
    window.show_jobs()
    assert window.page.name == "jobs"


def test_every_path_but_the_programs_own_is_taken_out() -> None:
    own = Path(paths.__file__).parent
    text = (
        f'File "{own}/ui/x.py", line 3\n'
        "cannot read /mnt/ward 7/Grace Hopper.jpg\n"
        "C:\\Users\\grace\\x.png is gone\n"
        "asked https://example.org/v1/models, 3 and/or 4 / 5"
    )
    assert redacted(text).splitlines() == [
        'File "…/dermagui/ui/x.py", line 3',
        "cannot read [path]",
        "[path]",
        "asked https://example.org/v1/models, 3 and/or 4 / 5",
    ]
