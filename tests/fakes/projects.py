"""Projects for tests, written straight through the storage functions: no picture is drawn or sent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dermagui.project import create_project
from dermagui.records import (
    Bank,
    FileFacts,
    Flag,
    FlagKind,
    FrameFacts,
    Pair,
    PairImage,
    PairKind,
    Question,
    Role,
    Source,
    Turn,
)
from dermagui.storage import banks, images, pairs, runs, sources
from dermagui.storage.database import BATCH, Store
from dermagui.storage.images import ScannedFile
from dermagui.storage.moments import new_uid, now
from dermagui.storage.requests import Attempt

BANK = Bank(
    name="test-bank",
    version="1",
    language="en",
    licence="CC-BY-4.0",
    questions=(
        Question("look", "observation", PairKind.OPEN, 1.5, ("What is there?", "Describe {modality}.")),
        Question("next", "next_steps", PairKind.OPEN, 1.0, ("What now?",), modalities=("dermoscopy",)),
    ),
    sha256="b" * 64,
)


@contextmanager
def new_store(folder: Path) -> Iterator[Store]:
    """A new project's open database."""
    create_project(folder)
    with Store(folder) as store:
        yield store


def file_facts(name: str, *, frames: int = 1, metadata: dict[str, str] | None = None) -> FileFacts:
    """What a scan would learn of a file with this content; equal names are the same picture."""
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    return FileFacts(
        sha256=sha256,
        size_bytes=1000,
        format="PNG",
        orientation=1,
        modality="dermoscopy",
        frames=tuple(
            FrameFacts(n, 64, 48, hashlib.sha256(f"{name}/{n}".encode()).hexdigest(), bytes(32), b"", {})
            for n in range(frames)
        ),
        personal=(),
        metadata=metadata or {},
    )


def add_files(store: Store, source: Source, contents: dict[str, str], *, frames: int = 1) -> None:
    """Files of a source by their path, each with the name of its content."""
    scanned = [
        ScannedFile(path.encode(), 1000, 1, file_facts(content, frames=frames))
        for path, content in contents.items()
    ]
    for start in range(0, len(scanned), BATCH):
        images.save_scanned(store, source.id, scanned[start : start + BATCH])


def add_images(
    store: Store, count: int, *, root: Path = Path("/pictures"), may_leave: bool = True
) -> list[int]:
    """So many different images in one source; returns their ids in order."""
    source = sources.add_source(store, root, licence="CC-BY-4.0", may_leave=may_leave)
    add_files(store, source, {f"{n:06}.png": f"{root}/{n}" for n in range(count)})
    query = "SELECT images.id FROM images JOIN files USING (sha256) WHERE source_id = ? ORDER BY images.id"
    return [row[0] for row in store.conn.execute(query, (source.id,))]


def open_pair(image: int | None = None, answer: str = "A brown macule.", **changes: object) -> Pair:
    """A question and its answer."""
    made = Pair(
        uid=new_uid(),
        kind=PairKind.OPEN,
        turns=(Turn(Role.USER, "What is there?"), Turn(Role.ASSISTANT, answer)),
        images=() if image is None else (PairImage(image),),
        created_at=now(),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def add_many_pairs(store: Store, image_ids: Sequence[int], count: int, *, flagged_every: int = 10) -> None:
    """So many pairs, spread over the images, every tenth of them flagged."""
    flag = Flag(FlagKind.LENGTH, "three words", "too_short")
    for start in range(0, count, BATCH):
        numbers = range(start, min(count, start + BATCH))
        pairs.add_pairs(
            store,
            [
                open_pair(
                    image_ids[n % len(image_ids)],
                    f"Lesion number{n} is {'brown' if n % 3 else 'blue'} and well defined.",
                    flags=() if n % flagged_every else (flag,),
                )
                for n in numbers
            ],
        )


def add_run(store: Store, *, simulated: bool = False, plan_key: str = "plan") -> str:
    """A run of the test bank; returns its uid."""
    return runs.add_run(
        store,
        provider="gemini",
        model="a-model",
        tier="paid",
        bank_id=banks.freeze_bank(store, BANK),
        plan={"key": plan_key},
        price={},
        terms_date="2026-01-01",
        acceptance_uid=None,
        simulated=simulated,
        sdk_version="0",
    )


def attempt(run_uid: str, image: int, fingerprint: str, number: int = 1, reserved: int = 500) -> Attempt:
    """What is about to be sent."""
    return Attempt(
        uid=new_uid(),
        run_uid=run_uid,
        fingerprint=fingerprint,
        number=number,
        image_id=image,
        question_key="look",
        variation=0,
        model="a-model",
        prompt={"user": f"question {fingerprint}"},
        pixels={"sha256": "0" * 64},
        host="service.example",
        reserved_micro_usd=reserved,
    )


def query_plans(store: Store, work: Callable[[], object]) -> dict[str, list[str]]:
    """The statements that a function really runs, each with how SQLite means to do it."""
    statements: list[str] = []
    store.conn.set_trace_callback(statements.append)
    try:
        work()
    finally:
        store.conn.set_trace_callback(None)
    store.conn.execute("BEGIN")
    for text in statements:
        if text.startswith("CREATE TEMP TABLE"):  # what worked with it cannot be explained without it
            store.conn.execute(text)
    planned = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
    plans = {
        text: [row[3] for row in store.conn.execute(f"EXPLAIN QUERY PLAN {text}")]
        for text in dict.fromkeys(statements)
        if text.lstrip().upper().startswith(planned)
    }
    store.conn.execute("ROLLBACK")
    return plans


def contents(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    names = [row[0] for row in store.conn.execute(query)]
    return {name: store.conn.execute(f"SELECT * FROM {name}").fetchall() for name in names}
