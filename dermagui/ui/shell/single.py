"""One window for each user: a second start brings the first one's window up, and hands it its project."""

from __future__ import annotations

import json
from typing import cast

from PySide6.QtCore import QCryptographicHash, QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from dermagui import paths

_WAIT_MILLISECONDS = 1_000
_ANSWER_MILLISECONDS = 5_000


def door_name() -> str:
    """The name that all starts with the same folders share; another DERMAGUI_HOME is another user."""
    place = QCryptographicHash.hash(str(paths.config_folder()).encode(), QCryptographicHash.Algorithm.Sha256)
    return f"dermagui-{place.toHex().toStdString()[:16]}"


def ask_first(folder: str) -> bool:
    """Asks the window that is open already, if any, to come up and to open that project."""
    socket = QLocalSocket()
    socket.connectToServer(door_name())
    if not socket.waitForConnected(_WAIT_MILLISECONDS):
        return False
    socket.write(json.dumps({"open": folder}).encode() + b"\n")
    socket.waitForBytesWritten(_WAIT_MILLISECONDS)
    # One that hangs takes the question and never answers: then a window of one's own is better than none.
    heard = socket.waitForReadyRead(_ANSWER_MILLISECONDS)
    socket.disconnectFromServer()
    return heard


class FirstWindow(QObject):
    """Listens for later starts. Only this user can reach it."""

    asked = Signal(str)
    """Somebody started dermagui again, with this project folder or with none."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._on_server_connection)

    def listen(self) -> bool:
        """Begins; what a killed window left in the way is put away."""
        QLocalServer.removeServer(door_name())
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
