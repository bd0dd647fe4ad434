"""Pairs of every kind come back as they were written; pages, searches and near-duplicates find them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermagui.records import (
    Flag,
    FlagKind,
    Pair,
    PairImage,
    PairKind,
    PairState,
    Region,
    Role,
    Turn,
)
from dermagui.storage import pairs
from dermagui.storage.database import BATCH, Store
from dermagui.storage.forget import remove_files
from dermagui.storage.moments import new_uid, now
from tests.fakes.projects import add_images, add_many_pairs, open_pair

USER, ASSISTANT = Role.USER, Role.ASSISTANT


def every_kind(images: list[int]) -> dict[str, Pair]:
    """A pair of each kind that is generated, reviewed or exported, with everything that it may carry."""

    def made(kind: PairKind, *turns: Turn, **more: object) -> Pair:
        return Pair(uid=new_uid(), kind=kind, turns=turns, created_at=now(), **more)  # type: ignore[arg-type]

    first = (PairImage(images[0]),)
    return {
        "open": made(PairKind.OPEN, Turn(USER, "What is there?"), Turn(ASSISTANT, "A naevus."), images=first),
        "choice": made(
            PairKind.CHOICE,
            Turn(USER, "Which one?"),
            Turn(ASSISTANT, "B"),
            images=first,
            payload={"options": ["melanoma", "naevus", "Spitz «naevus»"], "key": 1, "none_of_these": False},
        ),
        "dialogue": made(
            PairKind.DIALOGUE,
            Turn(Role.SYSTEM, "You are a careful reader."),
            *[Turn((USER, ASSISTANT)[n % 2], f"turn {n}\nwith a second line") for n in range(24)],
            images=first,
        ),
        "several images with regions": made(
            PairKind.OPEN,
            Turn(USER, "What changed from the first to the second?"),
            Turn(ASSISTANT, "It grew."),
            images=(
                PairImage(images[2], Region(10, 20, 30, 40)),
                PairImage(images[0]),
                PairImage(images[2], Region(0, 0, 1, 1)),
                PairImage(images[1]),
            ),
        ),
        "instruction with input": made(
            PairKind.INSTRUCTION,
            Turn(USER, "Write it as one sentence."),
            Turn(ASSISTANT, "An ulcer of 2 cm."),
            payload={"input": "ulcer\n2 cm\nno pus", "instruction": "Write it as one sentence."},
        ),
        "case": made(
            PairKind.CASE,
            Turn(USER, "Assess the case."),
            Turn(ASSISTANT, "…"),
            images=tuple(PairImage(image) for image in images),
            payload={"history": {"age": 61, "sex": None}, "findings": [{"site": "back", "size_mm": 7.5}]},
        ),
        "caption": made(PairKind.CAPTION, Turn(ASSISTANT, "Dermoscopy of a naevus."), images=first),
        "text only": made(PairKind.OPEN, Turn(USER, "What is ABCD?"), Turn(ASSISTANT, "A rule.")),
        "flagged and rehearsed": open_pair(
            images[1],
            flags=(
                Flag(FlagKind.LEAK, 'says "melanoma"', "diagnosis"),
                Flag(FlagKind.LENGTH, "two words"),
            ),
            simulated=True,
            request_uid=new_uid(),
            question_key="look",
        ),
        "signs of all kinds": open_pair(
            images[0],
            "'; DROP TABLE pairs; -- \\ \" \0 \r\n \u2028 e\u0301 é 😀 \U0010ffff اليد",
            question_key="",
        ),
    }


def test_every_kind_of_pair_comes_back_as_it_was(store: Store) -> None:
    kinds = every_kind(add_images(store, 3))
    assert {pair.kind for pair in kinds.values()} == set(PairKind)
    pairs.add_pairs(store, list(kinds.values()))
    with Store(store.folder) as again:
        for name, written in kinds.items():
            assert pairs.pair(again, written.uid) == written, name
        assert [pair for _, pair in pairs.page_of_pairs(again)] == list(kinds.values())


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts
values = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=5)
turns = st.lists(st.builds(Turn, st.sampled_from(Role), texts), min_size=1, max_size=6).map(tuple)
flags = st.lists(st.builds(Flag, st.sampled_from(FlagKind), texts, texts), max_size=3).map(tuple)


@settings(max_examples=50)
@given(st.sampled_from(PairKind), turns, st.dictionaries(texts, values), flags, st.booleans())
def test_any_content_comes_back_as_it_was(
    shared_store: Store,
    kind: PairKind,
    turns: tuple[Turn, ...],
    payload: dict[str, object],
    flags: tuple[Flag, ...],
    simulated: bool,
) -> None:
    written = Pair(
        new_uid(), kind, turns, payload=payload, flags=flags, simulated=simulated, created_at=now()
    )
    pairs.add_pairs(shared_store, [written])
    assert pairs.pair(shared_store, written.uid) == written


def test_a_pair_that_is_there_already_stays_as_it_is(store: Store) -> None:
    (image,) = add_images(store, 1)
    first = open_pair(image, request_uid="request-1")
    pairs.add_pairs(store, [first])
    same_uid = replace(first, turns=(Turn(USER, "other"),))
    same_request = open_pair(image, "other", request_uid="request-1")
    pairs.add_pairs(store, [same_uid, same_request])
    assert pairs.pair(store, first.uid) == first
    assert pairs.pair(store, same_request.uid) is None
    assert store.value("SELECT count(*) FROM pair_turns") == 2
    assert store.value("SELECT count(*) FROM pair_images") == 1


def test_a_batch_with_one_impossible_pair_writes_none(store: Store) -> None:
    (image,) = add_images(store, 1)
    with pytest.raises(Exception, match="FOREIGN KEY"):
        pairs.add_pairs(store, [open_pair(image), open_pair(image=999)])
    assert pairs.count_pairs(store) == {}
    assert store.value("SELECT count(*) FROM pair_turns") == 0


@pytest.mark.parametrize("count", [1, 7, 200])
@pytest.mark.parametrize("flagged", [None, True, False])
@pytest.mark.parametrize("state", [None, PairState.ACCEPTED])
def test_pages_walk_every_pair_exactly_once(
    store: Store, state: PairState | None, flagged: bool | None, count: int
) -> None:
    flag = (Flag(FlagKind.LENGTH, "x"),)
    made = [
        open_pair(flags=flag if n % 3 == 0 else (), state=PairState.ACCEPTED if n % 2 else PairState.PENDING)
        for n in range(57)
    ]
    pairs.add_pairs(store, made)
    walked: list[str] = []
    last = 0
    while page := pairs.page_of_pairs(store, state=state, flagged=flagged, after_id=last, count=count):
        assert len(page) <= count
        walked += [pair.uid for _, pair in page]
        last = page[-1][0]
    assert walked == [
        pair.uid
        for pair in made
        if state in (None, pair.state) and (flagged is None or bool(pair.flags) == flagged)
    ]


def test_pairs_of_an_image_are_those_that_show_it(store: Store) -> None:
    images = add_images(store, 3)
    kinds = every_kind(images)
    pairs.add_pairs(store, list(kinds.values()))
    for image in images:
        shows = [pair for pair in kinds.values() if image in {shown.image_id for shown in pair.images}]
        assert pairs.pairs_of_image(store, image) == shows
        answers = [turn.text for pair in shows for turn in pair.turns if turn.role is ASSISTANT]
        assert sorted(set(pairs.answers_of_image(store, image))) == sorted(set(answers))


def test_counts_of_states_and_flags(store: Store) -> None:
    leak, long = Flag(FlagKind.LEAK, "a"), Flag(FlagKind.LENGTH, "b")
    made = [open_pair(flags=flags) for flags in ((leak, leak), (leak, long), (), (long,))]
    pairs.add_pairs(store, [*made, open_pair(state=PairState.UNSURE)])
    assert pairs.count_pairs(store) == {"pending": 4, "unsure": 1}
    assert pairs.count_flags(store) == {"leak": 2, "length": 2}


def test_a_pair_is_found_by_the_end_of_its_uid(store: Store) -> None:
    made = [open_pair(), open_pair()]
    twins = [open_pair(uid=f"0000000{n}-0000-7000-8000-000012345678") for n in range(5)]
    pairs.add_pairs(store, [*made, *twins])
    uid = made[0].uid
    assert pairs.pairs_ending(store, uid) == [made[0]]
    for length in (8, 12, 30):
        assert pairs.pairs_ending(store, uid[-length:]) == [made[0]]
    assert pairs.pairs_ending(store, uid[-7:]) == []
    assert pairs.pairs_ending(store, "x" + uid[-12:]) == []
    assert pairs.pairs_ending(store, "%" * 8) == []
    assert 1 < len(pairs.pairs_ending(store, "12345678")) <= 3


def found(store: Store, words: str) -> set[str]:
    return {pair.turns[-1].text for _, pair in pairs.search_pairs(store, words)}


def test_search_finds_words_in_any_turn(store: Store) -> None:
    pairs.add_pairs(store, [open_pair(answer="A brown naevus"), open_pair(answer="Blue veil, 3 mm")])
    assert found(store, "brown") == found(store, "NAEVUS brown") == {"A brown naevus"}
    assert found(store, "what there") == {"A brown naevus", "Blue veil, 3 mm"}
    assert found(store, "brown veil") == found(store, "bro") == found(store, "") == set()


def test_the_best_hit_comes_first(store: Store) -> None:
    pairs.add_pairs(store, [open_pair(answer="naevus " + "word " * 300), open_pair(answer="naevus naevus")])
    hits = [pair.turns[-1].text[:13] for _, pair in pairs.search_pairs(store, "naevus")]
    assert hits == ["naevus naevus", "naevus word w"]
    assert len(pairs.search_pairs(store, "naevus", count=1)) == 1


SYNTAX = (
    '"', '""', "'", "-", "\0", "\udcff", "brown OR blue", "brown AND", "NOT brown", "NEAR(brown blue)",
    "text:brown", "bro*", "+brown +blue", "brown\0blue", "; DROP TABLE",
)  # fmt: skip


@pytest.mark.parametrize("words", SYNTAX)
def test_query_syntax_means_nothing(store: Store, words: str) -> None:
    """If any of it were obeyed, one of these would be found, or SQLite would complain."""
    pairs.add_pairs(store, [open_pair(answer="brown"), open_pair(answer="blue")])
    assert found(store, words) == set()


@pytest.mark.parametrize(
    "words", ['"brown"', "^brown", "(brown", "brown)", "{brown}", "brown,", "brown\0", "3 mm)"]
)
def test_signs_around_a_word_do_not_hide_it(store: Store, words: str) -> None:
    pairs.add_pairs(store, [open_pair(answer='The "brown" naevus (3 mm)'), open_pair(answer="blue")])
    assert found(store, words) == {'The "brown" naevus (3 mm)'}


@given(st.text(max_size=30))
def test_no_search_text_breaks_it(shared_store: Store, words: str) -> None:
    pairs.search_pairs(shared_store, words)


def test_the_index_catches_up_in_batches_and_by_itself(store: Store) -> None:
    images = add_images(store, 1)
    add_many_pairs(store, images, 10)
    assert store.fact("search_watermark") == "0"
    assert len(pairs.search_pairs(store, "lesion")) == 10
    assert store.fact("search_watermark") == "10"
    add_many_pairs(store, images, 2 * BATCH)
    assert int(store.fact("search_watermark")) >= BATCH
    assert len(found(store, f"number{2 * BATCH - 1}")) == 1
    assert pairs.index_pairs(store) == 0
    assert store.value("SELECT count(*) FROM pair_search WHERE pair_search MATCH 'lesion'") == 2 * BATCH + 10


def test_a_reader_searches_what_is_indexed(store: Store) -> None:
    pairs.add_pairs(store, [open_pair(answer="brown")])
    pairs.index_pairs(store)
    pairs.add_pairs(store, [open_pair(answer="brown too")])
    with Store(store.folder, read_only=True) as reader:
        assert found(reader, "brown") == {"brown"}
    assert found(store, "brown") == {"brown", "brown too"}


def test_a_pair_is_found_after_others_were_forgotten(store: Store) -> None:
    """An id that is used again would lie below the index's watermark, and its pair would never be found."""
    (image,) = add_images(store, 1)
    pairs.add_pairs(store, [open_pair(image, "gone")])
    assert found(store, "gone") == {"gone"}
    files = store.conn.execute("SELECT id, sha256 FROM files").fetchone()
    remove_files(store, [files[0]], [files[1]], [])
    pairs.add_pairs(store, [open_pair(answer="here")])
    assert found(store, "here") == {"here"}
    assert found(store, "gone") == set()
