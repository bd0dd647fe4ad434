"""What is kept of a chat: pictures that are found again by their hash; and nothing of a private one."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from PIL import Image

from dermagui import paths
from dermagui.chat.keeping import (
    Asked,
    Attachment,
    attach,
    chat_image,
    figures_of,
    find_picture,
    keep_turns,
    remove_chats,
    seen_again,
)
from dermagui.chat.model_facts import ProjectorFacts
from dermagui.chat.pairing import read_file
from dermagui.chat.pictures import seen_by
from dermagui.chat.protocol import Adapter, Rgb, Sampling
from dermagui.chat.session import Answer
from dermagui.errors import DataError, UserError
from dermagui.library.forget import forget
from dermagui.library.opening import Pasted
from dermagui.project import create_project, home_project
from dermagui.records import Picture, Region, Role
from dermagui.storage import chats
from dermagui.storage.chats import ChatImage, StoredTurn
from dermagui.storage.database import Store
from tests.fakes.command_line import draw_pictures
from tests.fakes.tiny_models import Pair


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    create_project(tmp_path / "project")
    with Store(tmp_path / "project") as store:
        yield store


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "Erika Mustermann.jpg"
    Image.effect_noise((311, 207), 90).convert("RGB").save(path, quality=90)
    return path


@pytest.fixture
def projector(qwen_pair: Pair) -> ProjectorFacts:
    found = read_file(qwen_pair.projector).facts.projector
    assert found is not None
    return found


def png_bytes(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(buffer, "PNG")
    return buffer.getvalue()


def begin(store: Store) -> str:
    return chats.add_chat(
        store, model="small", model_sha256="", quantization="Q4_0", adapters=[], settings={}
    )


def kept(store: Store, uid: str, shown: Attachment, rgb: Rgb | None = None) -> ChatImage:
    """The picture of a question that was kept with its answer, read back."""
    rgb = rgb or Rgb("0" * 64, 4, 4, b"")
    image = chat_image(shown, rgb, Answer())
    said = [StoredTurn(Role.USER, "What?", images=[image]), StoredTurn(Role.ASSISTANT, "That.")]
    keep_turns(store, uid, said, [shown])
    return chats.turns_of_chat(store, uid)[-2].images[0]


@pytest.mark.parametrize("redactions", [(), (Region(20, 30, 100, 50),)])
def test_what_the_model_saw_is_made_again_to_the_byte(
    store: Store, photo: Path, projector: ProjectorFacts, redactions: tuple[Region, ...]
) -> None:
    shown = attach(Picture(photo), redactions)
    rgb = seen_by(projector, shown.picture, 40, redactions)
    image = kept(store, begin(store), shown, rgb)
    made, same = seen_again(find_picture(store, image), image)
    assert same
    assert (made.rgb, made.width, made.height) == (rgb.rows, rgb.width, rgb.height)


def test_what_the_answer_says_of_a_picture_is_kept_with_it(photo: Path) -> None:
    rgb = Rgb("a" * 64, 56, 28, b"")
    told = {"sha256": "a" * 64, "width": 56, "height": 28, "tokens": 2, "exact": True}
    image = chat_image(attach(Picture(photo)), rgb, Answer(images=[told | {"sha256": "b" * 64}, told]))
    assert image.pixels["tokens"] == 2
    assert Path(os.fsdecode(image.path_bytes)) == photo


def test_a_picture_that_was_changed_or_is_gone_is_not_shown_under_its_name(store: Store, photo: Path) -> None:
    image = kept(store, begin(store), attach(Picture(photo)))
    assert find_picture(store, image) == Picture(photo)
    Image.new("RGB", (9, 9), "red").save(photo)
    with pytest.raises(UserError) as raised:
        find_picture(store, image)
    assert raised.value.code == "chat.image_missing"
    photo.unlink()
    with pytest.raises(UserError) as raised:
        find_picture(store, image)
    assert raised.value.code == "chat.image_missing"


def test_a_pasted_picture_is_kept_until_no_chat_shows_it(store: Store) -> None:
    shown = attach(Picture(Pasted(png_bytes("red"))))
    first, second = begin(store), begin(store)
    image = kept(store, first, shown)
    kept(store, second, shown)
    kept(store, second, attach(Picture(Pasted(png_bytes("blue")))))
    assert image.path_bytes == b""
    assert attach(find_picture(store, image)).sha256 == shown.sha256
    assert len(list((store.folder / "pasted").iterdir())) == 2
    assert remove_chats(store, [second]) == 1
    assert [path.stem for path in (store.folder / "pasted").iterdir()] == [shown.sha256]
    assert remove_chats(store, [first]) == 1
    assert list((store.folder / "pasted").iterdir()) == []


def test_what_is_no_picture_is_refused_before_anything_is_written(
    store: Store, projector: ProjectorFacts
) -> None:
    with pytest.raises(DataError) as raised:
        seen_by(projector, Picture(Pasted(b"no picture")), 40)
    assert raised.value.code == "image.not_an_image"
    assert not (store.folder / "pasted").exists()


def test_a_private_chat_leaves_nothing_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Store.in_memory() as store:
        uid = begin(store)
        content = png_bytes("green")
        kept(store, uid, attach(Picture(Pasted(content))))
        assert (
            chats.turns_of_chat(store, uid)[0].images[0].file_sha256
            == attach(Picture(Pasted(content))).sha256
        )
        remove_chats(store, [uid])
    assert list(tmp_path.iterdir()) == []


def test_an_answer_tells_how_it_came_about() -> None:
    asked = Asked(
        "derm", "a" * 64, "Q4_K_M", [Adapter("/secret/place/lora.gguf", 0.5)], Sampling(64, seed=3), 2048
    )
    told = figures_of(Answer("x", ended="length"), asked)
    assert told["adapters"] == [{"file": "lora.gguf", "scale": 0.5}]
    assert told["settings"] == asdict(Sampling(64, seed=3)) | {"context_tokens": 2048}
    assert (told["model"], told["quantization"], told["ended"]) == ("derm", "Q4_K_M", "length")
    assert "passages" not in told
    assert figures_of(Answer(), asked, [])["passages"] == []


def test_forgetting_reaches_the_notebook_and_pasted_pictures(tmp_path: Path) -> None:
    from tests.fakes.command_line import new_project

    photos = draw_pictures(tmp_path / "photos", [1, 2])
    first, second = sorted(photos.iterdir())
    folder = new_project(tmp_path / "project", photos)
    with Store(home_project()) as notebook, Store(folder) as store:
        uids = [begin(notebook), begin(notebook)]
        for uid, path in zip(uids, (first, second), strict=True):
            kept(notebook, uid, attach(Picture(path)))
        kept(notebook, uids[0], attach(Picture(Pasted(png_bytes("red")))))
        kept(store, begin(store), attach(Picture(first)))
        removed = forget(store, f"image:{attach(Picture(first)).sha256}")["removed"]
        assert (removed["chats"], removed["notebook_chats"]) == (1, 1)
        assert [row["uid"] for row in chats.list_chats(notebook)] == [uids[1]]
    assert list((paths.data_folder() / "pasted").iterdir()) == []
