"""Draws a folder of phantom skin lesions: no patients, metadata that is true of the drawing, planted faults.

The same seed draws the same pictures. Pictures that are not planted as twins are so unlike that a 256-bit
difference hash holds them apart by more than APART_BITS.
"""

from __future__ import annotations

import csv
import itertools
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image, ImageEnhance, ImageOps

from dermagui.library.facts import difference_hash

from .painting import SKIN_TONES, Lesion, View, paint_view

APART_BITS = 40
FEWEST_PHANTOMS = 6
LICENCE = "CC-BY-4.0"
PERSON_IN_EXIF = "Paula Phantom"

COLUMNS = (
    *("file", "patient", "lesion", "modality", "diagnosis", "malignancy", "age", "sex", "body_site"),
    *(
        "fitzpatrick",
        "licence",
        "shape",
        "border",
        "colours",
        "network",
        "globules",
        "streaks",
        "hair",
        "ruler",
    ),
)
"""The columns of ``metadata.csv``. ``colours`` are parted by semicolons; an empty cell is a missing value."""


@dataclass(frozen=True, slots=True)
class Phantom:
    """One readable picture and the values of its row in ``metadata.csv``."""

    path: Path
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Planted:
    """The faults that a good library finds by itself."""

    near_duplicate_across_patients: tuple[Path, Path]
    """The second shows the first again, cropped, brighter and smaller, under another patient and lesion."""
    exif_rotated: tuple[Path, Path]
    """The same pixels once upright (PNG) and once turned (JPEG, orientation 6, with a place and a name)."""
    truncated: Path
    not_an_image: Path
    same_bytes: tuple[Path, Path]
    """One file under two names in two folders."""


@dataclass(frozen=True, slots=True)
class PhantomSet:
    """What was drawn: ``images`` are the readable pictures that have a row in the metadata file."""

    folder: Path
    metadata_path: Path
    images: tuple[Phantom, ...]
    planted: Planted


@dataclass(frozen=True, slots=True)
class _Kind:
    """How the lesions of one diagnosis are drawn, and whom they are given to."""

    malignancy: str
    shapes: tuple[str, ...]
    borders: tuple[str, ...]
    colours: tuple[tuple[str, ...], ...]
    structures: tuple[tuple[str, ...], ...]
    ages: tuple[int, int]
    skin_types: tuple[str, ...] = ("I", "II", "III", "IV", "V", "VI")


@dataclass(frozen=True, slots=True)
class _Plan:
    """One picture to be drawn: of what, on which skin, what the row says, and its own chance."""

    lesion: Lesion
    skin_type: str
    facts: dict[str, str]
    dice: random.Random


_BROWNS = (("light brown",), ("light brown", "dark brown"), ("dark brown",))
_KINDS = {
    "naevus": _Kind(
        malignancy="benign",
        shapes=("round", "oval"),
        borders=("sharp", "fuzzy"),
        colours=_BROWNS,
        structures=(("network",), ("network", "globules"), ("globules",)),
        ages=(18, 60),
    ),
    "melanoma": _Kind(
        malignancy="malignant",
        shapes=("irregular",),
        borders=("notched",),
        colours=(
            ("dark brown", "black", "blue-grey"),
            ("light brown", "dark brown", "black", "red"),
            ("dark brown", "black", "blue-grey", "white"),
        ),
        structures=(("network", "streaks"), ("globules",), ("globules", "streaks")),
        ages=(38, 84),
    ),
    "seborrhoeic keratosis": _Kind(
        malignancy="benign",
        shapes=("oval", "round"),
        borders=("sharp",),
        colours=_BROWNS,
        structures=(("white dots",),),
        ages=(50, 88),
    ),
    "basal cell carcinoma": _Kind(
        malignancy="malignant",
        shapes=("round", "oval"),
        borders=("fuzzy",),
        colours=(("pink", "blue-grey"), ("pink", "red")),
        structures=(("vessels",),),
        ages=(52, 90),
        skin_types=("I", "II", "III"),
    ),
}
_BODY_SITES = ("back", "chest", "abdomen", "upper arm", "forearm", "thigh", "lower leg", "shoulder")
_SIZES = ((640, 480), (800, 600), (1024, 768), (600, 800), (960, 720))


def draw_phantoms(folder: Path, count: int = 24, seed: int = 7) -> PhantomSet:
    """Draw ``count`` phantoms and the planted faults into a folder, with ``metadata.csv`` beside them.

    Raises ValueError below FEWEST_PHANTOMS: the planted faults need that many pictures.
    """
    if count < FEWEST_PHANTOMS:
        raise ValueError(f"at least {FEWEST_PHANTOMS} phantoms are needed, not {count}")
    images, planted = _plant_faults(folder, draw_unplanted(folder, count, seed))
    metadata_path = folder / "metadata.csv"
    with metadata_path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(phantom.values for phantom in images)
    return PhantomSet(folder, metadata_path, tuple(images), planted)


def draw_unplanted(folder: Path, count: int, seed: int) -> list[Phantom]:
    """Draw ``count`` phantoms alone: without planted faults, and without a metadata file."""
    hashes: list[int] = []
    pictures = _plan_pictures(random.Random(seed))
    return [_draw_phantom(folder, number, next(pictures), hashes) for number in range(1, count + 1)]


def _plan_pictures(dice: random.Random) -> Iterator[_Plan]:
    """Invent patients, their lesions and one to three pictures of each, without end."""
    lesions_of: Counter[str] = Counter()
    for patient in itertools.count(1):
        age, skin_type = dice.randint(22, 88), dice.choice(tuple(SKIN_TONES))
        person = {
            "patient": f"P-{patient:03d}" if patient % 7 else "",
            "age": str(age) if patient % 5 else "",
            "sex": dice.choice(("female", "male")) if patient % 6 else "",
            "fitzpatrick": skin_type if patient % 8 else "",
        }
        for _ in range(dice.choice((1, 1, 2))):
            diagnosis = _choose_diagnosis(age, skin_type, lesions_of)
            lesions_of[diagnosis] += 1
            facts = person | {
                "lesion": f"L-{lesions_of.total():03d}",
                "diagnosis": diagnosis,
                "malignancy": _KINDS[diagnosis].malignancy,
                "body_site": dice.choice(_BODY_SITES) if lesions_of.total() % 4 else "",
                "licence": LICENCE,
            }
            lesion = _invent_lesion(_KINDS[diagnosis], skin_type, dice)
            for _ in range(dice.choice((1, 2, 2, 3))):
                yield _Plan(lesion, skin_type, facts, random.Random(dice.getrandbits(32)))


def _choose_diagnosis(age: int, skin_type: str, lesions_of: Counter[str]) -> str:
    """Choose, of the diagnoses that suit the person, the one that was drawn least so far."""
    suited = [
        diagnosis
        for diagnosis, kind in _KINDS.items()
        if kind.ages[0] <= age <= kind.ages[1] and skin_type in kind.skin_types
    ]
    return min(suited, key=lambda diagnosis: lesions_of[diagnosis])


def _invent_lesion(kind: _Kind, skin_type: str, dice: random.Random) -> Lesion:
    """Invent one lesion; on dark skin only colours that stand out from it."""
    colours = [c for c in kind.colours if skin_type not in {"V", "VI"} or c[0] == "dark brown"]
    return Lesion(
        seed=dice.getrandbits(32),
        shape=dice.choice(kind.shapes),
        border=dice.choice(kind.borders),
        colours=dice.choice(colours),
        structures=dice.choice(kind.structures),
    )


def _draw_phantom(folder: Path, number: int, plan: _Plan, hashes: list[int]) -> Phantom:
    """Draw one picture that is unlike all before it and save it; every sixth is a PNG."""
    view, picture = _draw_apart(plan, hashes)
    modality = "dermoscopy" if view.dermoscopy else "clinical"
    path = folder / modality / f"phantom_{number:03d}.{'png' if number % 6 == 0 else 'jpg'}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        picture.save(path)
    else:
        picture.save(path, quality=90)
    return Phantom(
        path, plan.facts | {"file": path.name, "modality": modality} | _describe(plan.lesion, view)
    )


def _draw_apart(plan: _Plan, hashes: list[int]) -> tuple[View, Image.Image]:
    """Choose views of a lesion until its picture is far from all others; remember its hash."""
    while True:
        view = _choose_view(plan.skin_type, plan.dice)
        picture = paint_view(plan.lesion, view)
        found = _hash(picture)
        if all((found ^ other).bit_count() > APART_BITS for other in hashes):
            hashes.append(found)
            return view, picture


def _choose_view(skin_type: str, dice: random.Random) -> View:
    """Choose how one picture is taken: close up through a dermatoscope, or from a hand's breadth."""
    width, height = dice.choice(_SIZES)
    dermoscopy = dice.random() < 0.6
    return View(
        seed=dice.getrandbits(32),
        width=width,
        height=height,
        skin_type=skin_type,
        dermoscopy=dermoscopy,
        diameter=dice.uniform(0.34, 0.54) if dermoscopy else dice.uniform(0.16, 0.28),
        centre=(dice.uniform(0.4, 0.6), dice.uniform(0.4, 0.6))
        if dermoscopy
        else (dice.uniform(0.28, 0.72), dice.uniform(0.28, 0.66)),
        turn_degrees=dice.uniform(0, 360),
        vignette=dermoscopy and dice.random() < 0.5,
        hair=dice.random() < 0.35,
        ruler=not dermoscopy and dice.random() < 0.5,
    )


def _describe(lesion: Lesion, view: View) -> dict[str, str]:
    """Say what the drawing shows: structures are seen through a dermatoscope only."""
    seen = {
        name: name in lesion.structures and view.dermoscopy for name in ("network", "globules", "streaks")
    }
    seen |= {"hair": view.hair, "ruler": view.ruler}
    words = {"shape": lesion.shape, "border": lesion.border, "colours": "; ".join(lesion.colours)}
    return words | {name: "yes" if shown else "no" for name, shown in seen.items()}


def _plant_faults(folder: Path, drawn: list[Phantom]) -> tuple[list[Phantom], Planted]:
    """Add the planted files to the drawn ones; the readable ones come back as phantoms of their own."""
    upright = next(phantom for phantom in drawn if phantom.path.suffix == ".png")
    first, twin = _plant_near_duplicate(drawn, len(drawn) + 1)
    second = next(phantom for phantom in drawn if phantom.path.suffix == ".jpg" and phantom is not first)
    turned = _plant_rotated(upright, len(drawn) + 2)
    copy = folder / "copies" / "holiday picture.jpg"
    copy.parent.mkdir(exist_ok=True)
    shutil.copyfile(second.path, copy)
    truncated, not_an_image = (folder / f"phantom_{len(drawn) + n:03d}.jpg" for n in (3, 4))
    whole = second.path.read_bytes()
    truncated.write_bytes(whole[: len(whole) // 2])
    not_an_image.write_text("These are words, not a picture.\n", encoding="utf-8")
    planted = Planted(
        near_duplicate_across_patients=(first.path, twin.path),
        exif_rotated=(upright.path, turned.path),
        truncated=truncated,
        not_an_image=not_an_image,
        same_bytes=(second.path, copy),
    )
    return [*drawn, twin, turned], planted


def _plant_near_duplicate(drawn: list[Phantom], number: int) -> tuple[Phantom, Phantom]:
    """Save a picture once more as if it were of another patient: of all, the one that it changes least."""
    known = [phantom for phantom in drawn if phantom.path.suffix == ".jpg" and phantom.values["patient"]]
    twins = {phantom.path: _retouch(phantom.path) for phantom in known}
    first = min(known, key=lambda phantom: twins[phantom.path][0])
    path = first.path.with_name(f"phantom_{number:03d}.jpg")
    twins[first.path][1].save(path, quality=82)
    return first, Phantom(path, first.values | {"file": path.name, "patient": "P-901", "lesion": "L-901"})


def _retouch(path: Path) -> tuple[int, Image.Image]:
    """Crop a picture, make it brighter and smaller; say by how many bits that moves its hash."""
    with Image.open(path) as picture:
        inner = ImageOps.crop(picture, picture.width // 160)
        before = _hash(picture)
    smaller = inner.resize((inner.width * 9 // 10, inner.height * 9 // 10), Image.Resampling.LANCZOS)
    retouched = ImageEnhance.Brightness(smaller).enhance(1.04)
    return (before ^ _hash(retouched)).bit_count(), retouched


def _plant_rotated(upright: Phantom, number: int) -> Phantom:
    """Save a PNG's picture turned, as a camera does, and the PNG anew from it, so that their pixels agree."""
    path = upright.path.with_name(f"phantom_{number:03d}.jpg")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Artist] = PERSON_IN_EXIF
    exif[ExifTags.Base.ImageDescription] = f"{PERSON_IN_EXIF}, second visit"
    exif[ExifTags.Base.Model] = "Phantom camera"
    exif[ExifTags.IFD.GPSInfo] = {1: "N", 2: (12.0, 34.0, 56.0), 3: "W", 4: (34.0, 12.0, 6.0)}
    with Image.open(upright.path) as picture:
        picture.transpose(Image.Transpose.ROTATE_90).save(path, quality=90, exif=exif)
    with Image.open(path) as stored:
        ImageOps.exif_transpose(stored).save(upright.path, exif=Image.Exif())
    return Phantom(path, upright.values | {"file": path.name})


def _hash(picture: Image.Image) -> int:
    return int.from_bytes(difference_hash(picture.convert("L")))
