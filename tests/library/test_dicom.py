"""DICOM single frames in the codings that cameras and dermatoscopes use, and what they tell."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from PIL import Image
from pydicom import Dataset, Sequence, dcmread
from pydicom.encaps import encapsulate

from dermagui.errors import DataError
from dermagui.library.decode import open_picture
from dermagui.library.facts import file_facts
from dermagui.records import Picture
from tests.library.example_pictures import BLUE, GREEN, RED, YELLOW, corners, dicom, encoded, near, quadrants
from tests.library.test_colour import swapped_profile

COLOURS = [RED, GREEN, BLUE, YELLOW]
GREY = Image.frombytes("L", (4, 1), bytes([0, 85, 170, 255]))


def decoded(folder: Path, content: bytes) -> Image.Image:
    path = folder / "picture.dcm"
    path.write_bytes(content)
    return open_picture(Picture(path))


def grey_row(folder: Path, **fields: object) -> list[int]:
    return list(decoded(folder, dicom(GREY, **fields)).getchannel("R").tobytes())


@pytest.mark.parametrize(
    "syntax", ["ImplicitVRLittleEndian", "ExplicitVRLittleEndian", "ExplicitVRBigEndian"]
)
def test_uncompressed(tmp_path: Path, syntax: str) -> None:
    image = decoded(tmp_path, dicom(syntax=syntax))
    assert image.tobytes() == quadrants().tobytes()


def test_colours_stored_plane_by_plane(tmp_path: Path) -> None:
    planes = b"".join(band.tobytes() for band in quadrants().split())
    image = decoded(tmp_path, dicom(PlanarConfiguration=1, PixelData=planes))
    assert image.tobytes() == quadrants().tobytes()


def test_run_lengths(tmp_path: Path) -> None:
    dataset = dcmread(io.BytesIO(dicom()))
    dataset.compress("1.2.840.10008.1.2.5")
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    assert decoded(tmp_path, buffer.getvalue()).tobytes() == quadrants().tobytes()


def test_jpeg_baseline_in_ybr(tmp_path: Path) -> None:
    frame = encoded(quadrants(), "JPEG", quality=95)
    content = dicom(syntax="JPEGBaseline8Bit", frame=frame, PhotometricInterpretation="YBR_FULL_422")
    assert near(corners(decoded(tmp_path, content)), COLOURS, 8)


def test_jpeg_2000(tmp_path: Path) -> None:
    frame = encoded(quadrants(), "JPEG2000", no_jp2=True)
    content = dicom(syntax="JPEG2000Lossless", frame=frame, PhotometricInterpretation="YBR_RCT")
    assert decoded(tmp_path, content).tobytes() == quadrants().tobytes()


def test_uncompressed_ybr_is_converted(tmp_path: Path) -> None:
    content = dicom(
        quadrants(), PixelData=quadrants().convert("YCbCr").tobytes(), PhotometricInterpretation="YBR_FULL"
    )
    assert near(corners(decoded(tmp_path, content)), COLOURS, 4)


def test_palette_colour(tmp_path: Path) -> None:
    tables = dict(zip(("Red", "Green", "Blue"), zip(*COLOURS, strict=True), strict=True))
    fields: dict[str, object] = {}
    for name, values in tables.items():
        fields[f"{name}PaletteColorLookupTableDescriptor"] = [4, 0, 16]
        fields[f"{name}PaletteColorLookupTableData"] = struct.pack("<4H", *(value * 257 for value in values))
    indices = quadrants().quantize(4)
    order = {colour: number for number, colour in enumerate(COLOURS)}
    rows = bytes(order[pixel] for pixel in indices.convert("RGB").get_flattened_data())
    content = dicom(Image.frombytes("L", (64, 48), rows), PhotometricInterpretation="PALETTE COLOR", **fields)
    assert near(corners(decoded(tmp_path, content)), COLOURS, 0)


def test_greyscale_and_its_inversion(tmp_path: Path) -> None:
    assert grey_row(tmp_path) == [0, 85, 170, 255]
    assert grey_row(tmp_path, PhotometricInterpretation="MONOCHROME1") == [255, 170, 85, 0]


def test_a_window_is_applied_after_the_rescaling(tmp_path: Path) -> None:
    # Values 0, 85, 170, 255 become -100, -15, 70, 155; the window shows -15 to 70.
    fields = {"RescaleIntercept": "-100", "RescaleSlope": "1", "WindowCenter": "27.5", "WindowWidth": "85"}
    assert grey_row(tmp_path, **fields) == [0, 0, 255, 255]
    assert grey_row(tmp_path, **fields | {"WindowCenter": ["27.5", "0"], "WindowWidth": ["170", "9"]}) == [
        0,
        64,
        191,
        255,
    ]


def test_deep_greyscale_without_a_window_spans_its_values(tmp_path: Path) -> None:
    deep = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
    assert grey_row(tmp_path, PixelData=struct.pack("<4H", 100, 200, 400, 1100), **deep) == [0, 26, 77, 255]
    assert grey_row(tmp_path, PixelData=struct.pack("<4H", 7, 7, 7, 7), **deep) == [0, 0, 0, 0]


def test_deep_colour_keeps_its_high_bits(tmp_path: Path) -> None:
    values = struct.pack("<3H", 0xC80, 0x1E0, 0xFFF)
    fields = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11, "PixelData": values}
    image = decoded(tmp_path, dicom(Image.new("RGB", (1, 1)), **fields))
    assert image.getpixel((0, 0)) == (0xC8, 0x1E, 0xFF)


def test_a_colour_profile_is_applied(tmp_path: Path) -> None:
    content = dicom(ICCProfile=swapped_profile())
    assert near(corners(decoded(tmp_path, content)), [(b, g, r) for r, g, b in COLOURS], 12)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (dicom(NumberOfFrames=2, PixelData=quadrants().tobytes() * 2), "image.dicom_multiframe"),
        (dicom(syntax="JPEGLSLossless", frame=b"\xff\xd8\xff\xd9"), "image.unsupported_codec"),
        (dicom(syntax="JPEGLosslessSV1", frame=b"\xff\xd8\xff\xd9"), "image.unsupported_codec"),
        (dicom(syntax="DeflatedExplicitVRLittleEndian"), "image.unsupported_codec"),
        (dicom(PixelData=quadrants().tobytes()[:1000]), "image.truncated"),
        (dicom(Rows=0), "image.corrupt"),
        (b"\0" * 128 + b"DICM" + b"\xff" * 200, "image.dicom_no_pixels"),
    ],
)
def test_what_cannot_be_shown_is_told_by_a_code(tmp_path: Path, content: bytes, code: str) -> None:
    with pytest.raises(DataError) as caught:
        decoded(tmp_path, content)
    assert caught.value.code == code


def test_a_report_without_pixels(tmp_path: Path) -> None:
    dataset = dcmread(io.BytesIO(dicom()))
    del dataset.PixelData
    dataset.save_as(tmp_path / "report.dcm")
    with pytest.raises(DataError, match=r"image\.dicom_no_pixels"):
        file_facts(tmp_path / "report.dcm")


def test_pixels_of_a_cut_jpeg_inside(tmp_path: Path) -> None:
    frame = encoded(Image.effect_noise((64, 48), 60).convert("RGB"), "JPEG")
    dataset = dcmread(io.BytesIO(dicom(syntax="JPEGBaseline8Bit", frame=frame)))
    dataset.PixelData = encapsulate([frame[: len(frame) // 2]])
    dataset.save_as(tmp_path / "cut.dcm")
    with pytest.raises(DataError, match=r"image\.truncated"):
        file_facts(tmp_path / "cut.dcm")


def facts_of(folder: Path, **fields: object) -> tuple[str | None, dict[str, str], dict[str, str]]:
    path = folder / "facts.dcm"
    path.write_bytes(dicom(**fields))
    facts = file_facts(path)
    assert {found.place for found in facts.personal} <= {"dicom"}
    return facts.modality, facts.metadata, {found.tag: found.value for found in facts.personal}


def test_known_fields_are_stated_and_identity_is_not_among_them(tmp_path: Path) -> None:
    region = Dataset()
    region.CodeMeaning = "Skin of left forearm"
    modality, metadata, personal = facts_of(
        tmp_path,
        Modality="DMS",
        PatientSex="F",
        PatientAge="047Y",
        AnatomicRegionSequence=Sequence([region]),
        PatientName="Muster^Erika",
        PatientID="4711",
        PatientBirthDate="19770312",
        InstitutionName="Hautklinik",
        ReferringPhysicianName="Arzt^Karl",
        StudyDate="20240511",
    )
    assert modality == "dermoscopy"
    assert metadata == {"sex": "female", "age": "47", "body_site": "skin of left forearm"}
    assert personal["PatientName"] == "Muster^Erika"
    assert personal["PatientID"] == "4711"
    assert personal["PatientBirthDate"] == "19770312"
    assert personal["InstitutionName"] == "Hautklinik"
    assert personal["ReferringPhysicianName"] == "Arzt^Karl"
    assert personal["StudyDate"] == "20240511"
    assert personal["SOPInstanceUID"].startswith("1.2.826")
    assert {"PatientSex", "PatientAge"} & personal.keys() == set()


@pytest.mark.parametrize(
    ("fields", "age"),
    [
        ({"PatientAge": "018M"}, "1"),
        ({"PatientAge": "003W"}, "0"),
        ({"PatientAge": "024M"}, "2"),
        ({"PatientBirthDate": "20000512", "StudyDate": "20240511"}, "23"),
        ({"PatientBirthDate": "20000511", "StudyDate": "20240511"}, "24"),
        ({"PatientBirthDate": "20240511", "StudyDate": "20000511"}, None),
        ({"PatientBirthDate": ""}, None),
    ],
)
def test_age_in_whole_years(tmp_path: Path, fields: dict[str, str], age: str | None) -> None:
    assert facts_of(tmp_path, **fields)[1].get("age") == age


@pytest.mark.parametrize(
    ("fields", "modality"),
    [
        ({"Modality": "XC"}, "clinical"),
        ({"Modality": "XC", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.7"}, "dermoscopy"),
        ({"Modality": "CT"}, "ct"),
        ({"Modality": ""}, None),
    ],
)
def test_modality_is_a_word_of_the_vocabulary(
    tmp_path: Path, fields: dict[str, str], modality: str | None
) -> None:
    assert facts_of(tmp_path, **fields)[0] == modality


def test_identity_that_is_nested_is_found(tmp_path: Path) -> None:
    inner = Dataset()
    inner.PatientID = "hidden 9"
    outer = Dataset()
    outer.OtherPatientIDsSequence = Sequence([inner])
    content = dcmread(io.BytesIO(dicom()))
    content.RequestAttributesSequence = Sequence([outer])
    content.save_as(tmp_path / "nested.dcm")
    found = file_facts(tmp_path / "nested.dcm").personal
    assert "hidden 9" in [finding.value for finding in found]
