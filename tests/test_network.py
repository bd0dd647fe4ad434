"""The door: allowed hosts only, airplane mode obeyed at once, whole lines in the ledger."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import httpx2
import pytest

from dermagui import network
from dermagui.errors import UserError
from dermagui.network import Purpose, async_transport, host_of, is_loopback, read_ledger, write_ledger
from tests.fakes import disks
from tests.fakes.loopback import Loopback, loopback

FAR = "service.example"
Result = TypeVar("Result")


@pytest.fixture
def server() -> Iterator[Loopback]:
    with loopback() as server:
        yield server


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    """The system's proxy: whatever leaves this computer would have to pass it."""
    with loopback() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        yield proxy


def through_the_door(
    work: Callable[[httpx2.AsyncClient], Awaitable[Result]],
    *,
    hosts: tuple[str, ...] = ("127.0.0.1",),
    purpose: Purpose = Purpose.GENERATE,
) -> Result:
    """Does some work with one client behind the door."""

    async def run() -> Result:
        transport = async_transport(purpose, hosts, connections=2)
        async with httpx2.AsyncClient(transport=transport, follow_redirects=True) as client:
            return await work(client)

    return asyncio.run(run())


def refused(url: str, *, hosts: tuple[str, ...], purpose: Purpose = Purpose.GENERATE) -> str:
    """The code with which the door refuses an address."""
    with pytest.raises(UserError) as raised:
        through_the_door(lambda client: client.get(url), hosts=hosts, purpose=purpose)
    return raised.value.code


def test_an_allowed_host_is_reached(server: Loopback) -> None:
    reply = through_the_door(lambda client: client.get(f"{server.url}/x"))
    assert (reply.status_code, reply.text, server.asked) == (200, "ok", ["GET /x"])


def test_another_host_is_refused_before_anything_is_sent(server: Loopback, proxy: Loopback) -> None:
    assert refused(server.url, hosts=("localhost",)) == "network.host_not_allowed"
    assert refused(f"https://other.{FAR}/", hosts=(FAR,)) == "network.host_not_allowed"
    assert refused(f"https://{FAR}.evil.example/", hosts=(FAR,)) == "network.host_not_allowed"
    assert (
        refused("https://other.example/", hosts=(FAR,), purpose=Purpose.LIST_MODELS)
        == "network.host_not_allowed"
    )
    assert server.asked == proxy.asked == []
    assert list(read_ledger()) == [], "what was not sent is not in the ledger"


def test_a_reply_cannot_send_us_elsewhere(server: Loopback, proxy: Loopback) -> None:
    for away, code in ((f"https://{FAR}/", "host_not_allowed"), ("http://127.0.0.2:9/", "host_not_allowed")):
        assert refused(f"{server.url}/to/{away}", hosts=("127.0.0.1",)) == f"network.{code}"
    assert refused(f"{server.url}/to/http://{FAR}/", hosts=("127.0.0.1", FAR)) == "network.bad_address"
    assert proxy.asked == []


def test_without_tls_nothing_leaves_this_computer(proxy: Loopback) -> None:
    assert refused(f"http://{FAR}/", hosts=(FAR,)) == "network.bad_address"
    assert proxy.asked == []


def test_airplane_mode_stops_a_living_client_before_it_connects(proxy: Loopback) -> None:
    async def work(client: httpx2.AsyncClient) -> list[str]:
        told = []
        for airplane in (False, True, True, False):
            network.set_airplane(airplane)
            try:
                await client.get(f"https://{FAR}/")
            except UserError as error:
                told.append(error.code)
            except httpx2.ProxyError:
                told.append("it tried")
        return told

    told = through_the_door(work, hosts=(FAR,))
    assert told == ["it tried", "network.airplane", "network.airplane", "it tried"]
    assert proxy.asked == [f"CONNECT {FAR}:443"] * 2


def test_airplane_mode_does_not_stop_what_stays_on_this_computer(server: Loopback) -> None:
    network.set_airplane(True)
    assert through_the_door(lambda client: client.get(server.url)).status_code == 200


def test_airplane_mode_holds_for_every_process_of_the_user() -> None:
    ask = "from dermagui.network import airplane_is_on; print(airplane_is_on())"
    for state in (True, True, False, False):
        network.set_airplane(state)
        assert network.airplane_is_on() is state
        done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == str(state)


def test_this_computer_is_reached_without_the_proxy(server: Loopback, proxy: Loopback) -> None:
    assert through_the_door(lambda client: client.get(f"{server.url}/x")).text == "ok"
    assert (server.asked, proxy.asked) == (["GET /x"], [])


def test_a_host_that_the_system_excepts_goes_past_the_proxy(
    proxy: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", FAR)
    with pytest.raises(RuntimeError, match="tried to leave this computer"):
        through_the_door(lambda client: client.get(f"https://{FAR}/"), hosts=(FAR,))
    assert proxy.asked == []


def test_a_request_is_counted_for_whoever_sent_it(server: Loopback) -> None:
    async def send(client: httpx2.AsyncClient, size: int) -> list[int]:
        sizes: list[int] = []
        network.sent_bytes.set(sizes)
        await client.post(server.url, content=b"x" * size)
        return sizes

    async def work(client: httpx2.AsyncClient) -> list[list[int]]:
        return await asyncio.gather(*(asyncio.create_task(send(client, size)) for size in (10, 2000, 30)))

    assert through_the_door(work) == [[10], [2000], [30]]


def test_every_request_but_those_that_have_rows_is_in_the_ledger(server: Loopback) -> None:
    async def work(client: httpx2.AsyncClient) -> None:
        await client.get(f"{server.url}/a")
        await client.post(f"{server.url}/b", content=b"1234")

    through_the_door(work, purpose=Purpose.GENERATE)
    assert list(read_ledger()) == []
    through_the_door(work, purpose=Purpose.LIST_MODELS)
    told = [(line["purpose"], line["host"], line["bytes"]) for line in read_ledger()]
    assert told == [("list_models", "127.0.0.1", 0), ("list_models", "127.0.0.1", 4)]


def test_what_cannot_be_written_into_the_ledger_is_not_sent(server: Loopback) -> None:
    network.ledger_file().mkdir()
    with pytest.raises(OSError, match="directory"):
        through_the_door(lambda client: client.get(server.url), purpose=Purpose.LIST_MODELS)
    assert server.asked == []


WRITE = """
import sys
from dermagui.network import Purpose, write_ledger
sys.stdin.readline()
for n in range(200):
    write_ledger(Purpose.GENERATE, sys.argv[1], n=n, text="ü" * 3000)
"""


def test_many_processes_write_whole_lines() -> None:
    def start(name: str) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", WRITE, name], stdin=subprocess.PIPE, text=True)

    writers = {name: start(name) for name in "abcdef"}
    for writer in writers.values():
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers.values():
        writer.communicate()
    lines = network.ledger_file().read_text(encoding="utf-8").splitlines()
    assert len(lines) == 200 * len(writers)
    for name in writers:
        assert [line["n"] for line in map(json.loads, lines) if line["host"] == name] == list(range(200))


def test_the_ledger_takes_any_name_and_is_readable_by_its_owner_only() -> None:
    write_ledger(Purpose.GENERATE, FAR, project="/bytes that are no UTF-8 \udcff/ü")
    write_ledger(Purpose.LIST_MODELS, FAR)
    first, second = read_ledger()
    assert first["project"].startswith("/bytes that are no UTF-8")
    assert second["at"] >= first["at"]
    assert network.ledger_file().stat().st_mode & 0o077 == 0


def test_no_ledger_yet_is_an_empty_one() -> None:
    assert list(read_ledger()) == []


def test_a_line_that_was_cut_off_hides_no_other() -> None:
    write_ledger(Purpose.GENERATE, "a")
    with network.ledger_file().open("ab") as file:
        file.write(b'{"at": "2026\n\n')
    write_ledger(Purpose.GENERATE, "b")
    assert [line["host"] for line in read_ledger()] == ["a", "b"]


def test_a_full_disk_keeps_the_ledger_from_growing_and_so_the_request_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Loopback
) -> None:
    async def many(client: httpx2.AsyncClient) -> None:
        for _ in range(200):
            await client.get(server.url)

    with disks.small_disk(tmp_path / "disk", 64) as disk:
        monkeypatch.setenv("DERMAGUI_HOME", str(disk))
        write_ledger(Purpose.GENERATE, "before")
        with disks.full(disk), pytest.raises(OSError, match="No space left"):
            through_the_door(many, purpose=Purpose.LIST_MODELS)
        written = len(list(read_ledger())) - 1
    assert 0 < len(server.asked) == written, "the room that a disk gives in whole pages was used up"


LOOPBACK = ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"]
ELSEWHERE = [FAR, "127.0.0.1.example", "localhost.example", "10.0.0.1", "0.0.0.0", "", "local", "::", "127"]


def test_only_this_computer_is_loopback() -> None:
    assert [host for host in LOOPBACK if not is_loopback(host)] == []
    assert [host for host in ELSEWHERE if is_loopback(host)] == []


ADDRESSES = {
    f"https://{FAR}": FAR,
    f"https://{FAR}:8443/v1?x=1": FAR,
    f"HTTPS://{FAR.upper()}/": FAR,
    "http://127.0.0.1:8080": "127.0.0.1",
    "http://localhost/": "localhost",
    "http://[::1]:8080/": "::1",
}
NO_ADDRESSES = [
    *(f"http://{FAR}", f"ftp://{FAR}", f"//{FAR}", FAR, "", "https://", "https:///x", "file:///etc/passwd"),
    *("http://127.0.0.1.example/", f"http://127.0.0.1@{FAR}/", f"http://localhost:80@{FAR}/"),
    *("http://[::1", "javascript:1"),
]


@pytest.mark.parametrize("url", ADDRESSES)
def test_the_host_of_an_address(url: str) -> None:
    assert host_of(url) == ADDRESSES[url]


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_an_address_that_nothing_is_sent_to(url: str) -> None:
    with pytest.raises(UserError) as raised:
        host_of(url)
    assert raised.value.code == "network.bad_address"
