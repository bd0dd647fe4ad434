"""One window for each user: a second start brings the first one's window up, and hands it its project."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QCryptographicHash, QDir, QLockFile, QObject, Signal

from dermagui import paths

if TYPE_CHECKING:
    from PySide6.QtNetwork import QLocalSocket

_WAIT_MILLISECONDS = 1_000
_ANSWER_MILLISECONDS = 5_000
_APART_SECONDS = 0.05


def door_name() -> str:
    """The name that all starts with the same folders share; another DERMAGUI_HOME is another user."""
    place = QCryptographicHash.hash(str(paths.config_folder()).encode(), QCryptographicHash.Algorithm.Sha256)
    return f"dermagui-{place.toHex().toStdString()[:16]}"


def place_of_first() -> QLockFile:
    """What the first window holds from its start to its end; one that was killed holds it no longer."""
    lock = QLockFile(QDir.temp().filePath(f"{door_name()}.lock"))
    lock.setStaleLockTime(0)
    return lock


def is_taken(place: QLockFile) -> bool:
    """Takes the place of the first window, unless another has it; where none can be taken, all are first."""
    return not place.tryLock(0) and place.error() is QLockFile.LockError.LockFailedError


def ask_first(folder: str) -> bool:
    """Asks the window that is open already to come up and to open that project; False where it hangs."""
    from PySide6.QtNetwork import QLocalSocket

    socket = QLocalSocket()
    # It may have begun a moment ago, and listens as soon as it stands there.
    ends = time.monotonic() + _ANSWER_MILLISECONDS / 1000
    while not _is_connected(socket):
        if time.monotonic() > ends:
            return False
        time.sleep(_APART_SECONDS)
    socket.write(json.dumps({"open": folder}).encode() + b"\n")
    socket.waitForBytesWritten(_WAIT_MILLISECONDS)
    # One that hangs takes the question and never answers: then a window of one's own is better than none.
    heard = socket.waitForReadyRead(_ANSWER_MILLISECONDS)
    socket.disconnectFromServer()
    return heard


def _is_connected(socket: QLocalSocket) -> bool:
    socket.connectToServer(door_name())
    return socket.waitForConnected(_WAIT_MILLISECONDS)


class FirstWindow(QObject):
    """Listens for later starts. Only this user can reach it."""

    asked = Signal(str)
    """Somebody started dermagui again, with this project folder or with none."""

    def __init__(self, parent: QObject | None = None) -> None:
        from PySide6.QtNetwork import QLocalServer

        super().__init__(parent)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._on_server_connection)

    def listen(self) -> bool:
        """Begins; what a killed window left in the way is put away."""
        self._server.removeServer(door_name())
        return self._server.listen(door_name())

    def _on_server_connection(self) -> None:
        socket = self._server.nextPendingConnection()
        socket.setParent(self)
        socket.readyRead.connect(lambda: self._read(socket))
        socket.disconnected.connect(socket.deleteLater)
        self._read(socket)

    def _read(self, socket: QLocalSocket) -> None:
        while socket.canReadLine():
            try:
                said = json.loads(cast(bytes, socket.readLine().data()))
                folder = str(said["open"])
            except (ValueError, KeyError, TypeError):
                continue
            socket.write(b"ok\n")
            socket.flush()
            self.asked.emit(folder)
