"""What a picture file says that may identify a person: EXIF, GPS, XMP, IPTC and comments.

Nothing of it ever leaves with the pixels; it is shown so that people know what their files hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import cast
from xml.etree import ElementTree

from PIL import ExifTags, Image, ImageFile

from dermagui.records import PersonalData

MAX_VALUE_LENGTH = 200
"""Characters of a value that are kept."""

Findings = Iterator[tuple[str, object]]

_EXIF_TAGS = frozenset(
    """
    DocumentName ImageDescription Make Model Software DateTime Artist HostComputer Copyright XPTitle
    XPComment XPAuthor XPKeywords XPSubject DateTimeOriginal DateTimeDigitized UserComment
    CameraOwnerName BodySerialNumber LensMake LensModel LensSerialNumber ImageUniqueID MakerNote
    PageName CameraSerialNumber
    """.split()  # noqa: SIM905, a list of words is read as words
)
_XMP_NAMES = frozenset(
    """
    creator rights title description subject Headline CaptionWriter Credit Source Author Owner Artist
    AuthorsPosition OwnerName SerialNumber LensSerialNumber CameraOwnerName BodySerialNumber
    PersonInImage Name City State Country Location Sublocation CountryName ProvinceState GPSLatitude
    GPSLongitude GPSAltitude CreateDate ModifyDate DateCreated DateTimeOriginal MetadataDate CreatorTool
    Make Model DocumentID InstanceID OriginalDocumentID PatientName PatientID PatientDOB PatientSex
    UserComment Keywords Instructions
    """.split()  # noqa: SIM905, a list of words is read as words
)
_IPTC_NAMES = {
    5: "ObjectName",
    25: "Keywords",
    40: "SpecialInstructions",
    55: "DateCreated",
    80: "By-line",
    90: "City",
    92: "Sublocation",
    95: "Province",
    101: "Country",
    103: "OriginalTransmissionReference",
    105: "Headline",
    110: "Credit",
    115: "Source",
    116: "Copyright",
    118: "Contact",
    120: "Caption",
    122: "Writer",
}
_CHARACTER_CODES = {
    b"ASCII\0\0\0": "ascii",
    b"UNICODE\0": "utf-16",
    b"JIS\0\0\0\0\0": "euc_jp",
    bytes(8): "utf-8",
}
_NOT_COMMENTS = frozenset(["XML:com.adobe.xmp", "xmp"])
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def personal_data(image: Image.Image) -> tuple[PersonalData, ...]:
    """Findings in a loaded Pillow image; a block that cannot be read is itself a finding."""
    readers: dict[str, Callable[[Image.Image], Findings]] = {
        "exif": _exif,
        "gps": _gps,
        "xmp": _xmp,
        "iptc": _iptc,
        "comment": _comments,
    }
    return tuple(found for place, reader in readers.items() for found in _findings(place, reader, image))


def as_text(value: object) -> str:
    """A value as valid text of one line, at most 200 characters."""
    if isinstance(value, bytes):
        value = _decoded(value)
    elif isinstance(value, tuple | list):
        value = " ".join(as_text(part) for part in value)
    text = _UNPRINTABLE.sub(" ", str(value).encode("utf-8", "replace").decode()).strip()
    return text if len(text) <= MAX_VALUE_LENGTH else text[: MAX_VALUE_LENGTH - 1] + "…"


def _findings(
    place: str, reader: Callable[[Image.Image], Findings], image: Image.Image
) -> Iterator[PersonalData]:
    try:
        for tag, value in reader(image):
            text = as_text(value)
            if text:
                yield PersonalData(place, as_text(tag), text)
    except Exception as error:  # metadata is written by anyone and read by several parsers
        yield PersonalData(place, "unreadable", as_text(error) or type(error).__name__)


def _exif(image: Image.Image) -> Findings:
    exif = image.getexif()
    block = image.info.get("exif")
    if block and not exif:
        # Pillow reads a damaged block once, quietly, and has none from then on.
        yield "unreadable", f"{len(block)} bytes"
    for tag, value in [*exif.items(), *exif.get_ifd(ExifTags.IFD.Exif).items()]:
        name = ExifTags.TAGS.get(tag, "")
        if name == "MakerNote":
            yield name, f"{len(value)} bytes"
        elif name == "UserComment" and isinstance(value, bytes):
            yield name, _user_comment(value)
        elif name.startswith("XP") and isinstance(value, bytes):
            yield name, value.decode("utf-16-le", "replace")
        elif name in _EXIF_TAGS:
            yield name, value
    # What follows the first directory of a TIFF is its next page.
    if image.format != "TIFF" and exif.get_ifd(ExifTags.IFD.IFD1):
        yield "Thumbnail", "embedded"


def _gps(image: Image.Image) -> Findings:
    gps = image.getexif().get_ifd(ExifTags.IFD.GPSInfo)
    for name in ("Latitude", "Longitude"):
        value = gps.get(ExifTags.GPS[f"GPS{name}"])
        if value is not None:
            yield f"GPS{name}", _degrees(value, gps.get(ExifTags.GPS[f"GPS{name}Ref"]))
    for tag in (ExifTags.GPS.GPSAltitude, ExifTags.GPS.GPSDateStamp, ExifTags.GPS.GPSAreaInformation):
        if tag in gps:
            yield tag.name, gps[tag]


def _degrees(value: Iterable[float], reference: object) -> str:
    """Decimal degrees, south and west negative; six decimals are about 0.1 m."""
    degrees, minutes, seconds = (float(part) for part in value)
    total = degrees + minutes / 60 + seconds / 3600
    return f"{-total if reference in ('S', 'W') else total:.6f}"


def _xmp(image: Image.Image) -> Findings:
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if not packet:
        return
    packet = packet.encode() if isinstance(packet, str) else bytes(packet)
    yield "packet", f"{len(packet)} bytes"
    if b"<!" not in packet:  # a document type could define entities that grow
        yield from _named_values(ElementTree.fromstring(packet.strip(b"\0 \r\n")), "")


def _named_values(element: ElementTree.Element, name: str) -> Findings:
    """Values of an XMP tree under the name of their property: list and language nodes have none."""
    own = element.tag.rpartition("}")[2]
    name = own if own not in ("RDF", "Description", "Seq", "Bag", "Alt", "li", "xmpmeta") else name
    if name in _XMP_NAMES and element.text and element.text.strip():
        yield name, element.text
    for attribute, value in element.attrib.items():
        if attribute.rpartition("}")[2] in _XMP_NAMES:
            yield attribute.rpartition("}")[2], value
    for child in element:
        yield from _named_values(child, name)


def _iptc(image: Image.Image) -> Findings:
    if "photoshop" not in image.info and image.format != "TIFF":
        return
    from PIL import IptcImagePlugin

    for (record, dataset), value in (
        IptcImagePlugin.getiptcinfo(cast(ImageFile.ImageFile, image)) or {}
    ).items():
        if record == 2 and dataset:
            yield _IPTC_NAMES.get(dataset, f"2:{dataset}"), value


def _comments(image: Image.Image) -> Findings:
    segments = getattr(image, "applist", None)
    if segments is not None:
        yield from (("comment", data) for name, data in segments if name == "COM")
    elif image.info.get("comment"):
        yield "comment", image.info["comment"]
    for key, value in getattr(image, "text", {}).items():
        if key not in _NOT_COMMENTS:
            yield key, value


def _user_comment(value: bytes) -> str:
    codec = _CHARACTER_CODES.get(value[:8])
    return _decoded(value[8:], codec) if codec else _decoded(value)


def _decoded(value: bytes, codec: str = "utf-8") -> str:
    try:
        return value.decode(codec)
    except UnicodeDecodeError:
        return value.decode("latin-1")
