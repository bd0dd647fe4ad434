"""Downloads from a hub on loopback through the real huggingface_hub: whole, resumed, refused, checked."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dermagui import network, settings
from dermagui.chat import download, hub
from dermagui.chat.bundle import find_bundle, list_bundles
from dermagui.chat.catalogue import MMPROJ, MODEL, CatalogueModel, HubFile
from dermagui.cli.job import run_job
from dermagui.errors import DermaError, UserError
from dermagui.jobs.launch import start_child
from dermagui.jobs.report import STOP_NAME, Report, follow, read_events
from dermagui.jobs.work import claim, job_folder
from dermagui.network import Purpose
from dermagui.project import Project, home_project
from dermagui.records import Progress
from tests.fakes.disks import full, small_disk
from tests.fakes.hub import COMMIT, Hub, Mishap, Proxy, wait_until
from tests.fakes.tiny_models import Pair
from tests.fakes.tls import write_certificate

REPO = "tiny-lab/Tiny-GGUF"
TOKEN = "hf_canaryTokenThatNobodyMayFind42"
PAUSE_AFTER = 300_000
KEPT_AT_PAUSE = 256 << 10

Event = dict[str, Any]


@pytest.fixture
def files(llama_pair: Pair) -> dict[tuple[str, str], bytes]:
    """What the hub of these tests holds: a model that takes more than one chunk, and its projector."""
    assert llama_pair.model.stat().st_size > PAUSE_AFTER
    return {
        (REPO, "weights/tiny.gguf"): llama_pair.model.read_bytes(),
        (REPO, "mmproj-tiny.gguf"): llama_pair.projector.read_bytes(),
    }


@pytest.fixture
def model(files: dict[tuple[str, str], bytes]) -> CatalogueModel:
    """The catalogue's words about it. Its sizes are wrong, as a catalogue's may be."""
    return CatalogueModel(
        name="tiny",
        title="Tiny",
        purpose="For tests.",
        base="tiny-lab/Tiny",
        repo=REPO,
        revision="main",
        quantization="F32",
        files={
            MODEL: HubFile("weights/tiny.gguf", 1000, unverified=True),
            MMPROJ: HubFile("mmproj-tiny.gguf", 1000, unverified=True),
        },
        memory_bytes=10_000_000,
        image_note="",
        licence="Tiny licence",
        terms="Be kind.",
        terms_link="https://tiny.example/terms",
        terms_date="2026-11-21",
        gated=False,
    )


@pytest.fixture
def server(files: dict[tuple[str, str], bytes]) -> Iterator[Hub]:
    """A hub that hands its bytes out itself."""
    with Hub(files) as server:
        settings.set_value("hub.endpoint", server.endpoint)
        yield server


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where huggingface_hub would keep things of its own accord: nothing may ever be written there."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("HOME", "HF_HOME", "HF_HUB_CACHE", "HF_XET_CACHE", "XDG_CACHE_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(elsewhere / name))
    monkeypatch.setenv("HF_ENDPOINT", "https://not-the-setting.example")
    monkeypatch.setenv("HF_TOKEN", "hf_tokenOfTheEnvironment")
    yield elsewhere
    assert list(elsewhere.iterdir()) == []


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow each other without waiting, for jobs inside this process."""
    monkeypatch.setattr(download, "WAITS_SECONDS", (0, 0))


def fetch(model: CatalogueModel, secret: str | None = None, *, inline: bool = False) -> Event:
    """Downloads a model and returns how the job ended."""
    accept(model)
    parameters = download.parameters_for(model)
    return run_job(home_project(), "download", parameters, secret=secret, inline=inline)[1]


def accept(model: CatalogueModel) -> None:
    """Ada accepts the terms of a model."""
    with Project(home_project()) as home:
        download.accept_terms(home.store, model, "Ada")


def code_of(end: Event) -> str:
    """The code of the error that ended a job."""
    assert end["state"] == "failed", end
    return str(end["error"]["code"])


class Running:
    """A download in a process of its own that nobody waits for."""

    def __init__(self, model: CatalogueModel) -> None:
        accept(model)
        home = home_project()
        with Project(home) as opened:
            job_id = claim(opened.store, "download", download.parameters_for(model))
        self.folder = job_folder(home, job_id)
        self.child = start_child(home, job_id)

    def until_paused(self) -> None:
        """Waits until all that the paused hub sent is on the disk."""
        wait_until(lambda: kept_bytes() >= KEPT_AT_PAUSE)

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def end(self) -> Event:
        """Waits for its end."""
        events = list(follow(self.folder, lambda: self.child.poll() is None))
        self.child.wait()
        return events[-1]


@pytest.fixture
def pause(server: Hub) -> Iterator[threading.Event]:
    """Makes the hub stop in the middle of the first file until the event is set, and then hang up."""
    go_on = threading.Event()
    server.mishaps.append(Mishap(after=PAUSE_AFTER, cut=True, wait_for=go_on))
    yield go_on
    go_on.set()


def downloads() -> Path:
    """Where what has arrived is kept."""
    return Path(os.environ["DERMAGUI_HOME"]) / "data" / "downloads"


def kept_bytes() -> int:
    """How much of unfinished downloads is kept."""
    return sum(path.stat().st_size for path in downloads().rglob("*") if path.is_file())


def check_bundle(files: dict[tuple[str, str], bytes]) -> None:
    """The bundle holds the very bytes of the hub, and nothing else is left."""
    bundle = find_bundle("tiny")
    for role, path in ((MODEL, "weights/tiny.gguf"), (MMPROJ, "mmproj-tiny.gguf")):
        kept = bundle.path(role)
        assert kept is not None
        assert kept.read_bytes() == files[REPO, path]
        assert bundle.files[role].sha256 == hashlib.sha256(files[REPO, path]).hexdigest()
        assert bundle.files[role].origin == Path(path).name
    assert not (downloads() / "tiny").exists()


def test_a_model_is_downloaded_into_a_bundle(
    model: CatalogueModel, files: dict[tuple[str, str], bytes]
) -> None:
    settings.set_value("hub.redirect_hosts", "localhost")
    with Hub(files, cdn="localhost") as server:
        server.tokens[TOKEN] = "ada"
        settings.set_value("hub.endpoint", server.endpoint + "/")
        end = fetch(model, TOKEN)
    assert end["state"] == "done"
    assert end["figures"] == {"name": "tiny", "bytes": sum(map(len, files.values()))}
    check_bundle(files)
    about = find_bundle("tiny").about
    assert about.licence == "Tiny licence"
    assert about.terms == "Be kind. https://tiny.example/terms"
    assert about.base == "tiny-lab/Tiny"
    assert about.source == f"{REPO}@{COMMIT}"

    led_away = [seen for seen in server.seen if seen.host.startswith("localhost")]
    assert [seen.path[:5] for seen in led_away] == ["/cdn/", "/cdn/"]
    assert {seen.authorization for seen in led_away} == {None}, "the token went to another host"
    assert {seen.authorization for seen in server.seen if seen not in led_away} == {f"Bearer {TOKEN}"}
    assert {seen.user_agent.split("/")[0] for seen in server.seen} == {"dermagui"}
    asked = [seen.path for seen in server.seen if seen.method == "GET" and seen not in led_away]
    assert all(f"/resolve/{COMMIT}/" in path for path in asked), "another version could come between"

    ledger = list(network.read_ledger())
    assert len(ledger) == len(server.seen)
    assert {(line["purpose"], line["host"]) for line in ledger} == {
        (Purpose.DOWNLOAD, "127.0.0.1"),
        (Purpose.DOWNLOAD, "localhost"),
    }


def test_each_byte_counts_once(
    model: CatalogueModel,
    server: Hub,
    files: dict[tuple[str, str], bytes],
    monkeypatch: pytest.MonkeyPatch,
    impatient: None,
) -> None:
    """What has arrived is not counted again when it is hashed and made into a bundle, or tried again."""
    told: list[Progress] = []
    monkeypatch.setattr(Report, "progress", lambda report, progress: told.append(progress))
    server.mishaps = [Mishap(after=PAUSE_AFTER, cut=True)]
    assert fetch(model, inline=True)["state"] == "done"
    total = sum(map(len, files.values()))
    assert [progress.done for progress in told] == sorted(progress.done for progress in told)
    assert {progress.total for progress in told} == {total}
    assert told[-1].done == total


def test_the_token_is_in_no_file(
    model: CatalogueModel, server: Hub, files: dict[tuple[str, str], bytes]
) -> None:
    server.tokens[TOKEN] = "ada"
    server.gated.add(REPO)
    assert code_of(fetch(model, TOKEN)) == "hub.gated"
    server.members.add(TOKEN)
    assert fetch(model, TOKEN)["state"] == "done"
    everything = [path for path in Path(os.environ["DERMAGUI_HOME"]).rglob("*") if path.is_file()]
    assert any(path.name == "events.jsonl" for path in everything)
    assert not [path for path in everything if TOKEN.encode() in path.read_bytes()]


def test_a_killed_download_goes_on_where_it_was(
    model: CatalogueModel, server: Hub, files: dict[tuple[str, str], bytes], pause: threading.Event
) -> None:
    running = Running(model)
    running.until_paused()
    running.kill()
    pause.set()
    kept = kept_bytes()
    assert kept == KEPT_AT_PAUSE

    before = len(server.seen)
    assert fetch(model)["state"] == "done"
    starts = [seen.start for seen in server.seen[before:] if seen.method == "GET"]
    assert starts == [kept, None], "the model from where it was, the projector from its beginning"
    check_bundle(files)


def test_a_finished_file_is_not_fetched_again(
    model: CatalogueModel, server: Hub, files: dict[tuple[str, str], bytes]
) -> None:
    server.mishaps = [None, Mishap(status=404)]
    assert code_of(fetch(model)) == "hub.not_found"
    assert {seen.authorization for seen in server.seen} == {None}, "a token that nobody gave to the job"
    assert kept_bytes() == len(files[REPO, "weights/tiny.gguf"])
    before = len(server.seen)
    assert fetch(model)["state"] == "done"
    asked = [seen.path.rsplit("/")[-1] for seen in server.seen[before:] if seen.method == "GET"]
    assert asked == ["mmproj-tiny.gguf"]
    check_bundle(files)


def test_a_stopped_download_keeps_what_it_has(
    model: CatalogueModel, server: Hub, files: dict[tuple[str, str], bytes], pause: threading.Event
) -> None:
    running = Running(model)
    running.until_paused()
    (running.folder / STOP_NAME).touch()
    pause.set()
    assert running.end()["state"] == "stopped"
    assert kept_bytes() >= KEPT_AT_PAUSE
    assert fetch(model)["state"] == "done"
    check_bundle(files)


def test_two_downloads_at_once_are_refused(
    model: CatalogueModel, server: Hub, pause: threading.Event
) -> None:
    running = Running(model)
    running.until_paused()
    with pytest.raises(UserError, match=r"job\.already_running"):
        Running(replace(model, name="another"))
    running.kill()


def test_wrong_bytes_are_not_kept(
    model: CatalogueModel, server: Hub, files: dict[tuple[str, str], bytes]
) -> None:
    server.mishaps = [Mishap(wrong=True)]
    end = fetch(model)
    assert code_of(end) == "hub.wrong_hash"
    assert end["error"]["values"]["expected"] == hashlib.sha256(files[REPO, "weights/tiny.gguf"]).hexdigest()
    assert kept_bytes() == 0
    assert list_bundles() == []
    assert fetch(model)["state"] == "done"
    check_bundle(files)


def test_a_damaged_part_is_found_by_the_hash(
    model: CatalogueModel, server: Hub, files: dict[tuple[str, str], bytes], pause: threading.Event
) -> None:
    running = Running(model)
    running.until_paused()
    running.kill()
    pause.set()
    (part,) = downloads().rglob("*.part")
    with part.open("r+b") as file:
        file.seek(1000)
        file.write(b"damage")
    assert code_of(fetch(model)) == "hub.wrong_hash"
    assert kept_bytes() == 0


@pytest.mark.parametrize("grown", [1, 10_000])
def test_a_part_longer_than_the_file_is_started_anew(
    model: CatalogueModel, server: Hub, files: dict[tuple[str, str], bytes], grown: int
) -> None:
    sha256 = hashlib.sha256(files[REPO, "weights/tiny.gguf"]).hexdigest()
    part = downloads() / "tiny" / sha256[:16] / "tiny.gguf.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(files[REPO, "weights/tiny.gguf"] + bytes(grown))
    assert fetch(model)["state"] == "done"
    check_bundle(files)


def test_what_belongs_to_an_older_version_of_the_file_is_removed(
    model: CatalogueModel, server: Hub, files: dict[tuple[str, str], bytes], pause: threading.Event
) -> None:
    running = Running(model)
    running.until_paused()
    running.kill()
    pause.set()
    server.files[REPO, "weights/tiny.gguf"] += b"new version"
    server.mishaps = [Mishap(status=404)]
    assert code_of(fetch(model)) == "hub.not_found"
    assert kept_bytes() == 0, "half of the old version is still there"
    assert fetch(model)["state"] == "done"
    check_bundle(server.files)


def test_a_connection_that_is_cut_again_and_again(
    model: CatalogueModel, server: Hub, files: dict[tuple[str, str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "WAITS_SECONDS", (0,))
    monkeypatch.setattr(hub, "_CHUNK_BYTES", 10_000)
    server.mishaps = [Mishap(after=50_000, cut=True) for _ in range(5)]
    assert fetch(model, inline=True)["state"] == "done"
    starts = [seen.start or 0 for seen in server.bodies()]
    assert starts[:6] == [0, 50_000, 100_000, 150_000, 200_000, 250_000]
    check_bundle(files)


def test_a_connection_that_brings_nothing_is_given_up(
    model: CatalogueModel, server: Hub, impatient: None
) -> None:
    server.mishaps = [Mishap(cut=True) for _ in range(9)]
    assert code_of(fetch(model, inline=True)) == "hub.unreachable"
    assert len(server.mishaps) == 6, "three attempts and no more"


def test_a_silent_connection_is_left(
    model: CatalogueModel,
    server: Hub,
    files: dict[tuple[str, str], bytes],
    impatient: None,
    pause: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub, "SILENCE_SECONDS", 0.3)
    assert fetch(model, inline=True)["state"] == "done"
    assert not server.overdue, "it was the hub that lost its patience"
    assert server.bodies()[1].start == KEPT_AT_PAUSE
    check_bundle(files)


def test_a_server_that_knows_no_ranges(
    model: CatalogueModel, server: Hub, files: dict[tuple[str, str], bytes], impatient: None
) -> None:
    server.mishaps = [Mishap(after=PAUSE_AFTER, cut=True), Mishap(ignore_range=True)]
    assert fetch(model, inline=True)["state"] == "done"
    assert [seen.status for seen in server.bodies()] == [200, 200, 200]
    check_bundle(files)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_hub_that_is_busy_is_asked_again(
    model: CatalogueModel,
    server: Hub,
    files: dict[tuple[str, str], bytes],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(download, "_wait", lambda report, seconds: waited.append(seconds))
    server.asked = [Mishap(status=status)]
    server.mishaps = [Mishap(status=status, headers={"Retry-After": "7"}), Mishap(status=status)]
    assert fetch(model, inline=True)["state"] == "done"
    assert waited == [1, 7, 2]
    check_bundle(files)


def test_a_hub_that_stays_busy_is_named(model: CatalogueModel, server: Hub, impatient: None) -> None:
    server.mishaps = [Mishap(status=503) for _ in range(9)]
    end = fetch(model, inline=True)
    assert code_of(end) == "hub.unavailable"
    assert end["error"]["values"]["status"] == 503
    folder = max((home_project() / "jobs").iterdir())
    warnings = [event["code"] for event in read_events(folder)[0] if event["event"] == "warning"]
    assert warnings == ["hub.trying_again"] * 2


def test_nobody_waits_longer_than_a_job_may(
    model: CatalogueModel, server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(download, "_wait", lambda report, seconds: waited.append(seconds))
    server.mishaps = [Mishap(status=429, headers={"Retry-After": "86400"})]
    assert fetch(model, inline=True)["state"] == "done"
    assert waited == [300]


@pytest.mark.parametrize(
    ("gated", "token", "code"),
    [
        (True, None, "hub.gated"),
        (True, TOKEN, "hub.gated"),
        (False, "hf_unknownToAnybody", "hub.token_refused"),
    ],
)
def test_who_may_not_have_it_is_told_so(
    model: CatalogueModel, server: Hub, gated: bool, token: str | None, code: str
) -> None:
    server.tokens[TOKEN] = "ada"
    server.gated.update({REPO} if gated else ())
    end = fetch(model, token)
    assert code_of(end) == code
    if gated:
        assert end["error"]["values"] == {"repo": REPO, "page": f"{server.endpoint}/{REPO}"}
    assert server.bodies() == []
    assert kept_bytes() == 0


def test_what_is_not_there(model: CatalogueModel, server: Hub, impatient: None) -> None:
    server.tokens[TOKEN] = "ada"
    nowhere = replace(model, repo="tiny-lab/other")
    no_file = replace(model, files={MODEL: HubFile("none.gguf", 1)})
    for missing, token in ((nowhere, None), (nowhere, TOKEN), (no_file, None)):
        assert code_of(fetch(missing, token, inline=True)) == "hub.not_found"
    assert code_of(fetch(replace(model, revision="v9"), inline=True)) == "hub.not_found"


def test_the_catalogues_own_hash_is_enforced_where_somebody_checked_it(
    model: CatalogueModel, server: Hub, files: dict[tuple[str, str], bytes]
) -> None:
    right = hashlib.sha256(files[REPO, "weights/tiny.gguf"]).hexdigest()
    for sha256, unverified, code in (("0" * 64, False, "hub.other_file"), ("0" * 64, True, None)):
        file = HubFile("weights/tiny.gguf", 1, sha256, unverified)
        end = fetch(replace(model, name=f"m{unverified}", files={**model.files, MODEL: file}), inline=True)
        assert end["state"] == "done" if code is None else code_of(end) == code
        assert bool(server.bodies()) == (code is None), "bytes were fetched for nothing"
    file = HubFile("weights/tiny.gguf", 1, right)
    assert fetch(replace(model, files={**model.files, MODEL: file}), inline=True)["state"] == "done"


@pytest.mark.parametrize(
    ("missing", "code"),
    [
        ("X-Repo-Commit", "hub.not_a_hub"),
        ("X-Linked-ETag", "hub.cannot_check"),
    ],
)
def test_a_mirror_that_tells_too_little(model: CatalogueModel, server: Hub, missing: str, code: str) -> None:
    server.drop.add(missing)
    assert code_of(fetch(model, inline=True)) == code
    assert server.bodies() == []


def test_a_redirect_to_a_host_that_nobody_agreed_on(
    model: CatalogueModel, files: dict[tuple[str, str], bytes]
) -> None:
    with Hub(files, cdn="localhost") as server:
        settings.set_value("hub.endpoint", server.endpoint)
        end = fetch(model, inline=True)
    assert code_of(end) == "hub.redirected"
    assert end["error"]["values"] == {"host": "localhost"}
    assert not [seen for seen in server.seen if seen.host.startswith("localhost")]


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://hub.example/file", "network.bad_address"),
        ("ftp://hub.example/file", "network.bad_address"),
    ],
)
def test_a_redirect_that_is_not_followed(
    model: CatalogueModel, server: Hub, impatient: None, location: str, code: str
) -> None:
    settings.set_value("hub.redirect_hosts", "hub.example")
    server.mishaps = [Mishap(location=location)] * 3
    assert code_of(fetch(model, inline=True)) == code


def test_redirects_that_never_end(model: CatalogueModel, server: Hub) -> None:
    server.mishaps = [Mishap(location=f"/{REPO}/resolve/main/weights/tiny.gguf")] * 50
    assert code_of(fetch(model, inline=True)) == "hub.not_a_hub"


def test_without_a_network_the_user_is_told(
    model: CatalogueModel, server: Hub, impatient: None, unused_port: int
) -> None:
    settings.set_value("hub.endpoint", f"http://127.0.0.1:{unused_port}")
    end = fetch(model, inline=True)
    assert code_of(end) == "hub.unreachable"
    assert end["error"]["values"]["host"] == "127.0.0.1"


@pytest.fixture
def unused_port() -> int:
    """A port of loopback where nobody listens."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_in_airplane_mode_nothing_is_tried(model: CatalogueModel) -> None:
    network.set_airplane(True)
    settings.set_value("hub.endpoint", "https://hub.example")
    assert code_of(fetch(model)) == "network.airplane"
    assert list(network.read_ledger()) == []


def test_an_endpoint_without_tls_is_refused(model: CatalogueModel) -> None:
    settings.set_value("hub.endpoint", "http://hub.example")
    assert code_of(fetch(model, inline=True)) == "network.bad_address"


@pytest.fixture
def behind_proxy(
    files: dict[tuple[str, str], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Hub, Proxy]]:
    """A hub with TLS that only a proxy leads to, which asks for a password."""
    for name in ("NO_PROXY", "no_proxy", "HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    certificate = write_certificate(tmp_path, "hub.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    settings.set_value("hub.endpoint", "https://hub.example")
    with Hub(files, tls=certificate) as server, Proxy(server.port, "ada", "p@ss") as proxy:
        monkeypatch.setenv("https_proxy", f"http://ada:p%40ss@{proxy.address}")
        yield server, proxy


def test_through_a_proxy_with_a_password_and_a_certificate_of_ones_own(
    model: CatalogueModel, files: dict[tuple[str, str], bytes], behind_proxy: tuple[Hub, Proxy]
) -> None:
    _, proxy = behind_proxy
    assert fetch(model)["state"] == "done"
    check_bundle(files)
    assert set(proxy.tunnels) == {"hub.example:443"}


def test_a_proxy_that_does_not_know_us(
    model: CatalogueModel,
    behind_proxy: tuple[Hub, Proxy],
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, proxy = behind_proxy
    monkeypatch.setenv("https_proxy", f"http://{proxy.address}")
    assert code_of(fetch(model, inline=True)) == "network.proxy_asks"
    assert proxy.refused
    assert not proxy.tunnels
    assert server.seen == []


def test_a_certificate_that_nobody_knows(
    model: CatalogueModel,
    behind_proxy: tuple[Hub, Proxy],
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, _ = behind_proxy
    monkeypatch.delenv("SSL_CERT_FILE")
    end = fetch(model, inline=True)
    assert code_of(end) == "hub.certificate"
    assert end["error"]["values"]["host"] == "hub.example"
    assert server.seen == []


def test_the_systems_certificates_are_asked(
    model: CatalogueModel,
    files: dict[tuple[str, str], bytes],
    behind_proxy: tuple[Hub, Proxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setattr(network, "system_certificates", lambda: store)
    assert fetch(model, inline=True)["state"] == "done"
    check_bundle(files)


def test_airplane_mode_ends_a_download_in_the_middle(
    model: CatalogueModel, files: dict[tuple[str, str], bytes], behind_proxy: tuple[Hub, Proxy]
) -> None:
    server, _ = behind_proxy
    go_on = threading.Event()
    server.mishaps.append(Mishap(after=PAUSE_AFTER, wait_for=go_on))
    running = Running(model)
    running.until_paused()
    network.set_airplane(True)
    go_on.set()
    assert code_of(running.end()) == "network.airplane"
    assert kept_bytes() == KEPT_AT_PAUSE
    network.set_airplane(False)
    assert fetch(model)["state"] == "done"
    check_bundle(files)


def test_terms_are_accepted_before_anything_is_asked(model: CatalogueModel, server: Hub) -> None:
    accept(model)
    changed = replace(model, terms="Be kinder.")
    end = run_job(home_project(), "download", download.parameters_for(changed), inline=True)[1]
    assert code_of(end) == "hub.terms_not_accepted"
    assert server.seen == []
    free = replace(model, terms="")
    assert (
        run_job(home_project(), "download", download.parameters_for(free), inline=True)[1]["state"] == "done"
    )


def test_a_known_bundle_is_not_downloaded_again(model: CatalogueModel, server: Hub) -> None:
    assert fetch(model)["state"] == "done"
    before = len(server.seen)
    with pytest.raises(UserError, match=r"bundle\.exists"):
        fetch(replace(model, name="Tiny"))
    assert len(server.seen) == before


def test_room_is_looked_for_before_the_download(
    model: CatalogueModel, server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(downloads().parents[1])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=64 << 20))
    end = fetch(model, inline=True)
    assert code_of(end) == "hub.no_room"
    assert end["error"]["values"]["needed_bytes"] > end["error"]["values"]["free_bytes"]
    assert server.bodies() == []


def test_a_disk_that_fills_up_on_the_way(
    model: CatalogueModel, server: Hub, files: dict[tuple[str, str], bytes], dermagui_home: Path
) -> None:
    go_on = threading.Event()
    server.mishaps.append(Mishap(after=PAUSE_AFTER, wait_for=go_on))
    with small_disk(dermagui_home / "data", 80 << 10) as disk:
        running = Running(model)
        running.until_paused()
        with full(disk):
            go_on.set()
            assert code_of(running.end()) == "disk.full"
        assert fetch(model)["state"] == "done"
        check_bundle(files)


def test_the_owner_of_a_token(server: Hub) -> None:
    server.tokens[TOKEN] = "ada"
    with hub.connect(TOKEN) as opened:
        assert hub.owner_of_token(opened) == "ada"
    with hub.connect("hf_unknownToAnybody") as opened, pytest.raises(DermaError) as caught:
        hub.owner_of_token(opened)
    assert caught.value.code == "hub.token_refused"


def test_huggingface_hub_is_not_loaded_before_a_job(dermagui_home: Path) -> None:
    script = (
        "import sys, dermagui.chat.download as d, dermagui.chat.catalogue as c\n"
        "d.parameters_for(c.load_catalogue()[0])\n"
        "print([name for name in ('huggingface_hub', 'hf_xet', 'httpx2') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
