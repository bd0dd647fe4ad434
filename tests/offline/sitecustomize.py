"""Refuses every connection but those that stay on this computer.

Python imports a module of this name by itself when it starts. ``conftest.py`` puts this folder on the
PYTHONPATH, so that the children which a test starts obey too, and runs the file for the tests themselves.
An audit hook sees what every library does with a socket and cannot be taken out again.
"""

import socket
import sys

ADDRESS_EVENTS = {"socket.bind", "socket.connect", "socket.sendto", "socket.sendmsg"}
NAME_EVENTS = {"socket.getaddrinfo", "socket.gethostbyname"}
INTERNET = {socket.AF_INET, socket.AF_INET6}


def refuse_remote(event: str, details: tuple[object, ...]) -> None:
    """Raises RuntimeError where an audit event names a host that is not this computer."""
    if event in ADDRESS_EVENTS:
        endpoint, address = details[0], details[1]
        if isinstance(endpoint, socket.socket) and endpoint.family in INTERNET and isinstance(address, tuple):
            refuse_host(event, address[0])
    elif event in NAME_EVENTS:
        refuse_host(event, details[0])


def refuse_host(event: str, host: object) -> None:
    """Raises unless ``host`` is this computer; None is how getaddrinfo spells it."""
    name = host.decode("ascii") if isinstance(host, bytes) else host
    if name in (None, "localhost", "::1") or (isinstance(name, str) and name.startswith("127.")):
        return
    raise RuntimeError(f"a test tried to leave this computer: {event} {name!r}")


sys.addaudithook(refuse_remote)
