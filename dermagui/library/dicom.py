"""DICOM: single frames rendered as Pillow images, what identifies a person, and the known fields.

Meant for visible light and dermoscopy (DICOM PS3.3 A.32 and A.86); other single frames are shown
through their own window. Attribute names are the keywords of PS3.6.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from PIL import Image

from dermagui.errors import DataError
from dermagui.library.personal import as_text
from dermagui.records import PersonalData

if TYPE_CHECKING:
    import numpy as np
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

_DEFLATED_SYNTAX = b"1.2.840.10008.1.2.1.99"
_META_BYTES = 4096
_MODALITIES = {
    "DMS": "dermoscopy",
    "XC": "clinical",
    "ES": "endoscopy",
    "GM": "microscopy",
    "SM": "microscopy",
}
_DERMOSCOPY_CLASSES = frozenset(["1.2.840.10008.5.1.4.1.1.77.1.7"])
_SEXES = {"M": "male", "F": "female", "O": "other"}
_YEARS_OF_UNIT = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
_IDENTITY_KINDS = frozenset(["PN", "DA", "DT"])
_IDENTITY_WORDS = (
    "Patient",
    "Institution",
    "Physician",
    "Operator",
    "Comments",
    "SerialNumber",
    "InstanceUID",
)
_IDENTITY_NAMES = frozenset(
    """
    AccessionNumber StudyID StationName Manufacturer ManufacturerModelName StudyDescription
    SeriesDescription ProtocolName Occupation EthnicGroup MedicalRecordLocator MilitaryRank
    FrameOfReferenceUID DeviceUID RequestingService CurrentPatientLocation IssuerOfPatientID
    """.split()  # noqa: SIM905, a list of words is read as words
)
_NOT_IDENTITY = frozenset(["PatientSex", "PatientAge", "PatientOrientation", "PatientPosition"])
_MAX_FINDINGS = 200
_MAX_DEPTH = 8


def read_dataset(content: io.BufferedIOBase) -> Dataset:
    """Read a DICOM file from its start; the pixel data stays encoded.

    Raises ``DataError`` image.unsupported_codec for a deflated data set, which could grow without bound.
    """
    import pydicom

    head = content.read(_META_BYTES)
    content.seek(0)
    if _DEFLATED_SYNTAX in head:
        raise DataError("image.unsupported_codec", detail="deflated DICOM")
    return pydicom.dcmread(cast(BinaryIO, content))


def render(dataset: Dataset) -> Image.Image:
    """The one frame of a data set as an L or RGB image with its colour profile.

    Raises ``DataError`` image.dicom_no_pixels, .dicom_multiframe.
    """
    import numpy as np
    from pydicom.pixels.utils import pixel_array

    if "PixelData" not in dataset:
        raise DataError("image.dicom_no_pixels")
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        raise DataError("image.dicom_multiframe", frames=frames)
    values = _eight_bits(pixel_array(dataset), dataset)
    image = Image.fromarray(np.ascontiguousarray(values))
    profile = _colour_profile(dataset)
    if profile:
        image.info["icc_profile"] = profile
    return image


def dicom_personal_data(dataset: Dataset) -> tuple[PersonalData, ...]:
    """Names, dates, numbers, places and UIDs in a data set, nested ones included (at most 200)."""
    found: dict[tuple[str, str], None] = {}
    for element in _elements(dataset):
        tag = element.keyword or str(element.tag)
        value = as_text(str(element.value)) if _identifies(element) else ""
        if value:
            found.setdefault((tag, value))
        if len(found) == _MAX_FINDINGS:
            break
    return tuple(PersonalData("dicom", tag, value) for tag, value in found)


def dicom_modality(dataset: Dataset) -> str | None:
    """``dermoscopy``, ``clinical`` or another word of the vocabulary; else DICOM's code in lower case."""
    if str(dataset.get("SOPClassUID", "")) in _DERMOSCOPY_CLASSES:
        return "dermoscopy"
    code = str(dataset.get("Modality", "")).strip().upper()
    return _MODALITIES.get(code, code.lower()) or None


def dicom_metadata(dataset: Dataset) -> dict[str, str]:
    """``sex``, ``age`` (whole years) and ``body_site``, as far as the data set states them."""
    fields = {
        "sex": _SEXES.get(str(dataset.get("PatientSex", "")).strip().upper(), ""),
        "age": _age_years(dataset),
        "body_site": _body_site(dataset),
    }
    return {name: value for name, value in fields.items() if value}


def _eight_bits(values: np.ndarray[Any, Any], dataset: Dataset) -> np.ndarray[Any, Any]:
    import numpy as np
    from pydicom.pixels.processing import apply_color_lut

    photometric = str(dataset.get("PhotometricInterpretation", ""))
    if photometric == "PALETTE COLOR":
        values = apply_color_lut(values, dataset)
        return (values >> 8 if values.itemsize > 1 else values).astype(np.uint8)
    if values.ndim == 2:
        grey = _windowed(values, dataset)
        return 255 - grey if photometric == "MONOCHROME1" else grey
    stored_bits = int(dataset.get("BitsStored") or 8)
    return (values >> max(0, stored_bits - 8)).astype(np.uint8)


def _windowed(values: np.ndarray[Any, Any], dataset: Dataset) -> np.ndarray[Any, Any]:
    """Greyscale through the window of the data set; without one: 8 bits as they are, else what they span."""
    import numpy as np
    from pydicom.pixels.processing import apply_modality_lut

    values = np.asarray(apply_modality_lut(values, dataset), dtype=np.float64)
    centre, width = (_first_number(dataset.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if centre is not None and width:
        low, high = centre - width / 2, centre + width / 2
    elif int(dataset.get("BitsStored") or 8) <= 8 and values.min() >= 0 and values.max() <= 255:
        low, high = 0.0, 255.0
    else:
        low, high = float(values.min()), float(values.max())
    return np.clip((values - low) * (255 / max(high - low, 1e-9)) + 0.5, 0, 255).astype(np.uint8)


def _colour_profile(dataset: Dataset) -> bytes | None:
    paths = dataset.get("OpticalPathSequence") or [dataset]
    profile = dataset.get("ICCProfile") or paths[0].get("ICCProfile")
    return bytes(profile) if profile else None


def _first_number(value: object) -> float | None:
    from pydicom.multival import MultiValue

    first = next(iter(value), None) if isinstance(value, MultiValue) else value
    return None if first in (None, "") else float(str(first))


def _elements(dataset: Dataset, depth: int = 0) -> Iterator[DataElement]:
    for tag in sorted(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:  # one element that cannot be read does not hide the others
            continue
        if element.VR != "SQ":
            yield element
        elif depth < _MAX_DEPTH:
            for nested in element.value:
                yield from _elements(nested, depth + 1)


def _identifies(element: DataElement) -> bool:
    name = element.keyword
    if element.tag.is_private or name in _NOT_IDENTITY or name.endswith("Sequence"):
        return False
    return (
        element.VR in _IDENTITY_KINDS
        or name in _IDENTITY_NAMES
        or any(word in name for word in _IDENTITY_WORDS)
    )


def _age_years(dataset: Dataset) -> str:
    stated = str(dataset.get("PatientAge", "")).strip().upper()
    if stated[:-1].isdigit() and stated[-1:] in _YEARS_OF_UNIT:
        return str(int(int(stated[:-1]) * _YEARS_OF_UNIT[stated[-1]] + 1e-6))
    born, seen = (_day(dataset.get(name)) for name in ("PatientBirthDate", "StudyDate"))
    if not born or not seen or seen < born:
        return ""
    return str(seen.year - born.year - ((seen.month, seen.day) < (born.month, born.day)))


def _day(value: object) -> date | None:
    try:
        return datetime.strptime(str(value), "%Y%m%d").date()
    except ValueError:
        return None


def _body_site(dataset: Dataset) -> str:
    regions = dataset.get("AnatomicRegionSequence") or []
    meaning = regions[0].get("CodeMeaning") if regions else None
    return as_text(str(meaning or dataset.get("BodyPartExamined") or "")).lower()
