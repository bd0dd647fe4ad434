"""The phantoms are what their metadata says, and the planted faults are there and nowhere else."""

from __future__ import annotations

import csv
import hashlib
import itertools
from pathlib import Path

import pytest
from PIL import Image, ImageOps, UnidentifiedImageError

from dermagui.demo.painting import SKIN_TONES
from dermagui.demo.phantoms import COLUMNS, PERSON_IN_EXIF, PhantomSet, draw_phantoms
from dermagui.demo.readings import read_picture
from dermagui.library.facts import difference_hash

COUNT = 18


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> PhantomSet:
    return draw_phantoms(tmp_path_factory.mktemp("phantoms"), COUNT, seed=11)


def upright(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return ImageOps.exif_transpose(picture).convert("RGB")


def sha256_of_files(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def test_every_row_names_a_readable_picture_and_every_picture_has_a_row(drawn: PhantomSet) -> None:
    with drawn.metadata_path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    assert rows == [phantom.values for phantom in drawn.images]
    assert [row["file"] for row in rows] == [phantom.path.name for phantom in drawn.images]
    assert len({row["file"] for row in rows}) == COUNT + 2
    for phantom in drawn.images:
        width, height = upright(phantom.path).size
        assert 600 <= max(width, height) <= 1024
        assert phantom.path.parent.name == phantom.values["modality"]


def test_pictures_are_far_apart_but_for_the_planted_twins(drawn: PhantomSet) -> None:
    hashes = {
        phantom.path: int.from_bytes(difference_hash(upright(phantom.path).convert("L")))
        for phantom in drawn.images
    }
    planted = {
        frozenset(drawn.planted.near_duplicate_across_patients),
        frozenset(drawn.planted.exif_rotated),
    }
    for one, other in itertools.combinations(hashes, 2):
        distance = (hashes[one] ^ hashes[other]).bit_count()
        assert distance <= 12 if {one, other} in planted else distance > 24, (one, other, distance)


def test_near_duplicate_is_another_file_of_another_patient(drawn: PhantomSet) -> None:
    one, other = (
        next(phantom for phantom in drawn.images if phantom.path == path)
        for path in drawn.planted.near_duplicate_across_patients
    )
    differing = {column for column in COLUMNS if one.values[column] != other.values[column]}
    assert differing == {"file", "patient", "lesion"}
    assert one.values["patient"]
    assert upright(one.path).size != upright(other.path).size


def test_rotated_picture_holds_the_same_pixels_and_personal_data(drawn: PhantomSet) -> None:
    plain, turned = drawn.planted.exif_rotated
    with Image.open(turned) as stored:
        exif = stored.getexif()
        assert exif[0x0112] == 6
        assert exif[0x013B] == PERSON_IN_EXIF
        assert exif.get_ifd(0x8825)[1] == "N"
        assert stored.size == upright(plain).size[::-1]
    with Image.open(plain) as picture:
        assert not picture.getexif()
    assert upright(plain).tobytes() == upright(turned).tobytes()


def test_broken_files_are_broken_and_the_copy_is_one(drawn: PhantomSet) -> None:
    planted = drawn.planted
    with Image.open(planted.truncated) as picture, pytest.raises(OSError, match="truncated"):
        picture.load()
    with pytest.raises(UnidentifiedImageError):
        Image.open(planted.not_an_image)
    one, other = planted.same_bytes
    assert one.read_bytes() == other.read_bytes()
    assert one.name != other.name
    assert one.parent != other.parent
    assert other not in {phantom.path for phantom in drawn.images}


def test_the_same_seed_draws_the_same_files_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        draw_phantoms(tmp_path / name, 6, seed)
    first, second, third = (sha256_of_files(tmp_path / name) for name in "abc")
    assert first == second
    assert not {name for name in first if first[name] == third.get(name)} - {"phantom_010.jpg"}


def test_metadata_is_true_of_the_drawing(drawn: PhantomSet) -> None:
    for phantom in drawn.images:
        said, seen = phantom.values, read_picture(phantom.path.read_bytes())
        assert (seen.asymmetry > 0.09) == (said["shape"] == "irregular"), said
        assert seen.share > 0.02
        assert (said["malignancy"] == "malignant") == (
            said["diagnosis"] in {"melanoma", "basal cell carcinoma"}
        )
        if said["modality"] == "clinical":
            assert {said["network"], said["globules"], said["streaks"]} == {"no"}
        else:
            assert said["ruler"] == "no"


def test_fuzzy_borders_are_softer_than_sharp_ones(drawn: PhantomSet) -> None:
    by_border: dict[str, list[float]] = {}
    for phantom in drawn.images:
        if phantom.values["modality"] == "dermoscopy":
            sharpness = read_picture(phantom.path.read_bytes()).sharpness
            by_border.setdefault(phantom.values["border"], []).append(sharpness)
    assert max(by_border["fuzzy"]) < min(by_border["sharp"])


def test_skin_is_as_dark_as_the_fitzpatrick_type_says(drawn: PhantomSet) -> None:
    for phantom in drawn.images:
        if phantom.values["fitzpatrick"] and phantom.values["modality"] == "clinical":
            picture = upright(phantom.path)
            red = sorted(picture.getchannel(0).resize((32, 32), Image.Resampling.BOX).tobytes())[512]
            tone = min(SKIN_TONES, key=lambda name: abs(SKIN_TONES[name][0] - red))
            drawn_tone, said_tone = (list(SKIN_TONES).index(t) for t in (tone, phantom.values["fitzpatrick"]))
            assert abs(drawn_tone - said_tone) <= 1, phantom.values


def test_patients_have_several_pictures_and_stay_themselves(drawn: PhantomSet) -> None:
    by_patient: dict[str, list[dict[str, str]]] = {}
    for phantom in drawn.images:
        by_patient.setdefault(phantom.values["patient"], []).append(phantom.values)
    for patient, rows in by_patient.items():
        if patient:
            assert len({(row["age"], row["sex"], row["fitzpatrick"]) for row in rows}) == 1
    assert max(len(rows) for rows in by_patient.values()) > 1
    for column in ("age", "sex", "body_site"):
        values = [phantom.values[column] for phantom in drawn.images]
        assert "" in values
        assert any(values)


def test_too_few_phantoms_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 6"):
        draw_phantoms(tmp_path, 5)
