"""Adds a folder of images: finds what is new, changed, moved or missing, and learns what is new.

The truth is in the saved rows: a scan that was killed is continued by running it again.
"""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

from dermagui.errors import DataError, UserError, from_os_error
from dermagui.jobs.report import Report
from dermagui.jobs.work import Parameters
from dermagui.jobs.workers import worker_pool
from dermagui.library.facts import file_facts
from dermagui.library.thumbnails import thumbnail_path, write_thumbnail
from dermagui.library.walk import FoundFile, FoundKind, walk_folder
from dermagui.paths import display_path
from dermagui.records import Changes, FileFacts, FileState, Progress, Source
from dermagui.storage import images, sources
from dermagui.storage.database import Store
from dermagui.storage.images import KnownFile, ScannedFile

_SAVE_SECONDS = 0.5
_SAVE_FILES = 200
_AHEAD_PER_WORKER = 4


def parameters_for(root: Path, **said: object) -> Parameters:
    """The parameters of an ``add`` job. The folder's name travels as bytes, since it may be no UTF-8."""
    return {"root": display_path(root), "root_bytes": os.fsencode(root.resolve()).hex(), **said}


def run(store: Store, parameters: Parameters, report: Report) -> Changes:
    """Adds a folder or looks through it again, and reads a table of metadata where one is named.

    Raises ``UserError``: ``folder.not_found``, ``folder.inside_project``, and what the walk raises.
    """
    root = Path(os.fsdecode(bytes.fromhex(parameters["root_bytes"])))
    if not root.is_dir():
        raise UserError("folder.not_found", path=display_path(root))
    if store.folder in (root, *root.parents):
        raise UserError("folder.is_project", path=display_path(root))
    said = {key: parameters.get(key) for key in ("licence", "attribution", "non_commercial", "may_leave")}
    source = sources.add_source(store, root, **said)
    figures = scan_source(store, source, report)
    kinds: tuple[str, ...] = ("sources", "files", "images")
    if parameters.get("metadata"):
        from dermagui.library.metadata import import_table

        table = Path(os.fsdecode(bytes.fromhex(parameters["metadata"])))
        figures["metadata"] = import_table(store, source.id, table, parameters.get("map") or [], report)
        kinds += ("metadata",)
    return Changes(kinds, figures)


@dataclass(slots=True)
class _Difference:
    """What is on the disk against what is known."""

    to_learn: list[FoundFile] = field(default_factory=list)
    known: dict[bytes, KnownFile] = field(default_factory=dict)
    gone: dict[bytes, KnownFile] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)


def scan_source(store: Store, source: Source, report: Report) -> dict[str, object]:
    """Looks through a source's folder and brings its rows up to date; returns the counts."""
    difference = _compare(store, source, report)
    gone_by_hash = {file.sha256: file for file in difference.gone.values() if file.sha256}
    waiting: list[ScannedFile] = []
    save_at = time.monotonic() + _SAVE_SECONDS
    total = len(difference.to_learn)
    forgotten = images.forgotten_images(store)
    learn = partial(learn_file, store.folder, source.root, forgotten=forgotten)
    for done, (found, outcome) in enumerate(_learn_all(learn, difference.to_learn), 1):
        moved = _moved_from(found, outcome, difference, gone_by_hash)
        if moved is not None:
            images.move_file(store, moved.id, found.path, found.mtime_ns)
            del difference.gone[moved.path_bytes]
            difference.counts["moved"] += 1
        elif isinstance(outcome, FileFacts) and outcome.sha256 in forgotten:
            difference.counts["forgotten"] += 1
        else:
            _count(found, outcome, difference, report)
            waiting.append(ScannedFile(found.path, found.size_bytes, found.mtime_ns, outcome))
        if len(waiting) >= _SAVE_FILES or time.monotonic() > save_at:
            images.save_scanned(store, source.id, waiting)
            waiting = []
            save_at = time.monotonic() + _SAVE_SECONDS
        report.progress(Progress(done, total, "files"))
        if report.stop_asked():
            break
    images.save_scanned(store, source.id, waiting)
    report.stop_if_asked()
    newly_missing = [file.id for file in difference.gone.values() if file.state is not FileState.MISSING]
    images.mark_files(store, newly_missing, FileState.MISSING)
    difference.counts["missing"] = len(difference.gone)
    names = ["new", "changed", "moved", "missing", "unchanged", "unreadable", "unsupported", "forgotten"]
    return {"source": source.id, **{name: difference.counts[name] for name in names}}


def _compare(store: Store, source: Source, report: Report) -> _Difference:
    difference = _Difference(known=images.known_files(store, source.id))
    difference.gone = dict(difference.known)
    back: list[int] = []
    for n, found in enumerate(walk_folder(source.root), 1):
        report.progress(Progress(n, None, "names"))
        report.stop_if_asked()
        if found.kind is FoundKind.UNSUPPORTED:
            difference.counts["unsupported"] += 1
            continue
        known = difference.gone.pop(found.path, None)
        if found.error is not None:
            _keep_what_lies_below(found, difference)
        if known is None or _changed(known, found):
            difference.to_learn.append(found)
            continue
        difference.counts["unchanged"] += 1
        if known.state is FileState.MISSING:
            back.append(known.id)
    images.mark_files(store, back, FileState.READY)
    return difference


def _changed(known: KnownFile, found: FoundFile) -> bool:
    """Whether to learn a file again. One without a hash could not be read when it was last seen: permissions,
    drives and decoders are mended without a trace in its size or time.
    """
    return known.sha256 is None or (known.size_bytes, known.mtime_ns) != (found.size_bytes, found.mtime_ns)


def _keep_what_lies_below(found: FoundFile, difference: _Difference) -> None:
    """A folder that cannot be read says nothing about its files: they are not missing."""
    for path in [path for path in difference.gone if path.startswith(found.path + b"/")]:
        del difference.gone[path]


def _moved_from(
    found: FoundFile,
    outcome: FileFacts | DataError,
    difference: _Difference,
    gone_by_hash: dict[str, KnownFile],
) -> KnownFile | None:
    if isinstance(outcome, DataError) or found.path in difference.known:
        return None
    return gone_by_hash.pop(outcome.sha256, None)


def _count(found: FoundFile, outcome: FileFacts | DataError, difference: _Difference, report: Report) -> None:
    known = difference.known.get(found.path)
    if known is None:
        difference.counts["new"] += 1
    elif known.sha256 or not isinstance(outcome, DataError):
        difference.counts["changed"] += 1
    if isinstance(outcome, DataError):
        difference.counts["unreadable"] += 1
        report.warn(outcome.code, **{**outcome.values, "path": display_path(found.path)})


Learn = Callable[[bytes], FileFacts | DataError]
Learned = tuple[FoundFile, FileFacts | DataError]


def _learn_all(learn: Learn, files: list[FoundFile]) -> Iterator[Learned]:
    """Learns files in worker processes, a few ahead; a decoder that crashes costs its own file only."""
    left = iter(files)
    while True:
        suspects: list[FoundFile] = []
        yield from _learn_until_crash(learn, left, min(os.cpu_count() or 1, len(files)), suspects)
        if not suspects:
            return
        for file in suspects:
            alone: list[FoundFile] = []
            yield from _learn_until_crash(learn, iter([file]), 1, alone)
            if alone:
                yield file, DataError("image.crashed_decoder")


def _learn_until_crash(
    learn: Learn, files: Iterator[FoundFile], workers: int, suspects: list[FoundFile]
) -> Iterator[Learned]:
    """Yields what was learned; where a worker died, ``suspects`` holds the files that were in work."""
    if workers == 0:
        return
    running: dict[Future[FileFacts | DataError], FoundFile] = {}
    taken: deque[FoundFile] = deque()
    with worker_pool(workers) as pool:
        try:
            while True:
                taken = deque(islice(files, workers * _AHEAD_PER_WORKER - len(running)))
                if not running and not taken:
                    return
                while taken:
                    if taken[0].error is None:
                        running[pool.submit(learn, taken[0].path)] = taken[0]
                        taken.popleft()
                    else:
                        file = taken.popleft()
                        assert file.error is not None
                        yield file, file.error
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    outcome = future.result()
                    yield running.pop(future), outcome
        except BrokenProcessPool:
            suspects.extend([*running.values(), *taken])
        finally:
            for future in running:
                future.cancel()


def learn_file(
    project: Path, root: str, path: bytes, forgotten: frozenset[str] = frozenset()
) -> FileFacts | DataError:
    """What a worker does: reads one file, writes its thumbnails, returns the facts without them.

    Of a file whose hash is among the ``forgotten`` no pixel is kept.
    """
    try:
        facts = file_facts(os.path.join(root, os.fsdecode(path)))
    except DataError as error:
        return error
    try:
        for frame in facts.frames if facts.sha256 not in forgotten else ():
            write_thumbnail(thumbnail_path(project, facts.sha256, frame.frame), frame.thumbnail)
    except OSError as error:
        raise from_os_error(error, project) from error
    return replace(facts, frames=tuple(replace(frame, thumbnail=b"") for frame in facts.frames))
