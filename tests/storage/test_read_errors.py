"""A damaged database: every reading function says so in our words, whichever page is the broken one."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from dermagui.errors import DataError, UserError
from dermagui.paths import DATABASE_NAME
from dermagui.records import PairState
from dermagui.storage import (
    datasets,
    images,
    jobs,
    metadata,
    pairs,
    people,
    requests,
    runs,
    sources,
    verdicts,
)
from dermagui.storage.database import Store
from dermagui.storage.forget import wipe_free_space
from tests.fakes.projects import add_images, add_many_pairs, add_run, attempt, new_store

_SHAPE_PAGES = 120
"""These hold the shape of the tables; damage there is met when the project is opened."""

READS: tuple[Callable[[Store], Iterable[object]], ...] = (
    lambda store: images.list_files(store),
    lambda store: images.known_files(store, 1),
    lambda store: images.sendable_images(store),
    lambda store: images.forgotten_images(store),
    lambda store: images.redactions_of(store, 1),
    lambda store: [images.picture_of(store, 1)],
    lambda store: pairs.page_of_pairs(store),
    lambda store: pairs.answers_of_image(store, 1),
    lambda store: pairs.search_pairs(store, "blue lesion"),
    lambda store: pairs.count_flags(store),
    lambda store: requests.histories(store),
    lambda store: requests.answers_without_pair(store),
    lambda store: datasets.exportable_pairs(store, states=tuple(PairState), simulated=True),
    lambda store: datasets.image_origins(store, range(1, 100)),
    lambda store: datasets.stored_splits(store, 0),
    lambda store: metadata.fields_of_images(store, range(1, 100)),
    lambda store: verdicts.verdicts_of_person(store, "nobody"),
    lambda store: [people.person(store, "Ada")],
    lambda store: sources.list_sources(store),
    lambda store: jobs.list_jobs(store),
    lambda store: [runs.committed_micro_usd(store, "plan")],
    lambda store: [wipe_free_space(store)],
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a project's database with something in it."""
    folder = tmp_path_factory.mktemp("whole") / "study"
    with new_store(folder) as store:
        ids = add_images(store, 300)
        run = add_run(store)
        requests.begin_attempts(store, [attempt(run, image, f"f{image}") for image in ids])
        add_many_pairs(store, ids, 1_200)
        pairs.index_pairs(store)
    return (folder / DATABASE_NAME).read_bytes()


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_database_is_told_as_such(tmp_path: Path, whole: bytes, seed: int) -> None:
    chance, damaged = random.Random(seed), bytearray(whole)
    for start in range(_SHAPE_PAGES * 4096, len(damaged), 4096):
        if chance.random() < 0.5:
            damaged[start : start + 4096] = chance.randbytes(4096)
    (tmp_path / DATABASE_NAME).write_bytes(damaged)
    told = set()
    with Store(tmp_path) as store:
        for read in READS:
            try:
                list(read(store))
            except (DataError, UserError) as error:
                told.add(error.code)
    assert "project.damaged" in told
    assert told <= {"project.damaged", "image.originals_missing", "pair.not_found"}
