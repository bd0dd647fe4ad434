"""Brings a base model here from the hub: looked at first, then downloaded as a job of the data folder.

Everything goes through ``chat.hub`` and so through the door: airplane mode, the ledger, the proxy, resuming
and hashes hold as they do for the models of the chat. The trainer itself never has a network. Only weights as
safetensors and what goes with them are fetched: no program and nothing that could hold one.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

from dermagui import paths
from dermagui.chat import download, hub
from dermagui.chat.download import Wanted
from dermagui.chat.hub import Hub, Listing
from dermagui.errors import DataError, UserError
from dermagui.jobs.report import Report
from dermagui.jobs.work import Parameters
from dermagui.paths import display_path
from dermagui.records import Changes
from dermagui.storage.database import Store
from dermagui.training.base_model import ORIGIN_NAME, hub_folder, read_base

REVISION = "main"

_CONFIG = "config.json"
_WEIGHTS = ".safetensors"
# Mistral's ``consolidated`` files are the same weights once more, for another program.
_WANTED = re.compile(
    r"(?!consolidated)[\w-][\w.-]*\.(safetensors|json|model|txt|jinja)|(LICENSE|NOTICE)[\w.-]*", re.ASCII
)


def look_up(name: str, token: str | None) -> Listing:
    """What would be downloaded of a base by its name on the hub: licence, gate, files; nothing is fetched.

    Raises ``UserError`` ``train.base_gated`` where a hub token is needed and there is none, ``hub.gated``
    where its account was not let in; ``DataError`` ``train.base_no_weights``; what ``hub.ask`` raises.
    """
    with hub.connect(token) as opened:
        return _look(opened, name)


def _look(opened: Hub, name: str) -> Listing:
    listing = hub.list_files(opened, name, REVISION)
    files = tuple(file for file in listing.files if _WANTED.fullmatch(file.path))
    names = [file.path for file in files]
    if _CONFIG not in names or not any(name.endswith(_WEIGHTS) for name in names):
        raise DataError("train.base_no_weights", name=name)
    if listing.gated and not opened.token:
        raise UserError("train.base_gated", name=name, licence=listing.licence or "?")
    if listing.gated:
        hub.ask(opened, name, listing.commit, _CONFIG)
    return replace(listing, files=files)


def download_parameters(name: str) -> Parameters:
    """What the job is started with."""
    return {"name": name}


def run(store: Store, parameters: Parameters, report: Report) -> Changes:
    """Downloads a base into its folder, which is there once it is whole. The secret is the hub token.

    Run again, it goes on where it was. Raises like ``look_up``; ``UserError`` ``hub.no_room``; ``DataError``
    ``hub.wrong_hash``, ``train.base_unusable`` before its weights are fetched; ``Stopped``.
    """
    name = str(parameters["name"])
    target, part = hub_folder(name), paths.data_folder() / "downloads" / f"base--{hub_folder(name).name}"
    if not target.exists():
        with hub.connect(report.secret) as opened:
            listing = download.patiently(report, download.WAITS_SECONDS[:2], lambda: _look(opened, name))
            place = part / listing.commit
            wanted = [Wanted(file, place / file.path) for file in listing.files]
            first = [file for file in wanted if file.remote.path == _CONFIG]
            download.fetch_all(opened, first, part, report)
            read_base(place)
            download.fetch_all(opened, wanted, part, report)
        origin = {"name": name, "commit": listing.commit, "licence": listing.licence, "gated": listing.gated}
        (place / ORIGIN_NAME).write_text(json.dumps(origin, ensure_ascii=False), encoding="utf-8")
        target.parent.mkdir(parents=True, exist_ok=True)
        place.rename(target)
        shutil.rmtree(part, ignore_errors=True)
    size_bytes = sum(path.stat().st_size for path in target.iterdir())
    return Changes((), {"name": name, "folder": display_path(target), "bytes": size_bytes})
