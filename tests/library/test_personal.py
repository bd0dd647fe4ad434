"""What identifies a person is found in every place where a picture file can hold it."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from PIL import ExifTags, Image, PngImagePlugin, TiffImagePlugin
from PIL.TiffImagePlugin import IFDRational

from dermagui.library.facts import file_facts
from dermagui.library.personal import as_text
from tests.library.example_pictures import encoded, quadrants

XMP = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:City="Ulm" xmlns:exif="http://ns.adobe.com/exif/1.0/">
<dc:creator><rdf:Seq><rdf:li>Erika Muster</rdf:li></rdf:Seq></dc:creator>
<exif:GPSLatitude>48,23.9N</exif:GPSLatitude></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def full_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Canon"
    exif[ExifTags.Base.Model] = "EOS 90D"
    exif[ExifTags.Base.Artist] = "Erika Muster"
    exif[ExifTags.Base.Copyright] = "Hautklinik"
    exif[ExifTags.Base.DateTime] = "2024:05:11 10:20:30"
    exif[ExifTags.Base.XPComment] = "Befund üß".encode("utf-16-le") + b"\0\0"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.BodySerialNumber] = "SN-0815"
    details[ExifTags.Base.CameraOwnerName] = "Dr. Karl Arzt"
    details[ExifTags.Base.UserComment] = b"ASCII\0\0\0Patient 4711"
    details[ExifTags.Base.MakerNote] = b"\1\2\3\4\5"
    place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    place[ExifTags.GPS.GPSLatitudeRef] = "N"
    place[ExifTags.GPS.GPSLatitude] = (IFDRational(48), IFDRational(23), IFDRational(5448, 100))
    place[ExifTags.GPS.GPSLongitudeRef] = "W"
    place[ExifTags.GPS.GPSLongitude] = (IFDRational(9), IFDRational(59), IFDRational(30))
    place[ExifTags.GPS.GPSDateStamp] = "2024:05:11"
    return exif


def found_in(folder: Path, content: bytes) -> dict[tuple[str, str], str]:
    path = folder / "picture"
    path.write_bytes(content)
    return {(finding.place, finding.tag): finding.value for finding in file_facts(path).personal}


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_and_gps(tmp_path: Path, format: str) -> None:
    found = found_in(tmp_path, encoded(quadrants(), format, exif=full_exif().tobytes()))
    assert found["exif", "Make"] == "Canon"
    assert found["exif", "Model"] == "EOS 90D"
    assert found["exif", "Artist"] == "Erika Muster"
    assert found["exif", "Copyright"] == "Hautklinik"
    assert found["exif", "DateTime"] == "2024:05:11 10:20:30"
    assert found["exif", "XPComment"] == "Befund üß"
    assert found["exif", "BodySerialNumber"] == "SN-0815"
    assert found["exif", "CameraOwnerName"] == "Dr. Karl Arzt"
    assert found["exif", "UserComment"] == "Patient 4711"
    assert found["exif", "MakerNote"] == "5 bytes"
    assert found["gps", "GPSLatitude"] == "48.398467"
    assert found["gps", "GPSLongitude"] == "-9.991667"
    assert found["gps", "GPSDateStamp"] == "2024:05:11"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_xmp_names(tmp_path: Path, format: str) -> None:
    options: dict[str, object] = {"xmp": XMP}
    if format == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options = {"pnginfo": text}
    if format == "TIFF":
        options = {"tiffinfo": {700: XMP}}
    found = found_in(tmp_path, encoded(quadrants(), format, **options))
    assert found["xmp", "packet"] == f"{len(XMP)} bytes"
    assert found["xmp", "creator"] == "Erika Muster"
    assert found["xmp", "City"] == "Ulm"
    assert found["xmp", "GPSLatitude"] == "48,23.9N"
    assert [key for key in found if key[0] == "comment"] == []


def test_xmp_with_entities_is_named_and_not_parsed(tmp_path: Path) -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "x">]><a xmlns:dc="u"><dc:creator>&b;</dc:creator></a>'
    found = found_in(tmp_path, encoded(quadrants(), "JPEG", xmp=bomb))
    assert found == {("xmp", "packet"): f"{len(bomb)} bytes"}


def test_xmp_that_is_no_xml_is_itself_a_finding(tmp_path: Path) -> None:
    found = found_in(tmp_path, encoded(quadrants(), "WEBP", xmp=b"<x:open"))
    assert ("xmp", "packet") in found
    assert ("xmp", "unreadable") in found


def with_segment(content: bytes, marker: int, data: bytes) -> bytes:
    """A JPEG with one more segment after its start."""
    return content[:2] + struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data + content[2:]


def iptc_block() -> bytes:
    """Records 2:80 (by-line) and 2:90 (city) of IPTC."""
    values = ((80, b"Erika Muster"), (90, "Köln".encode()))
    return b"".join(struct.pack(">BBBH", 0x1C, 2, dataset, len(value)) + value for dataset, value in values)


def test_iptc_names(tmp_path: Path) -> None:
    block = iptc_block()
    resource = b"Photoshop 3.0\0" + b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(block)) + block
    found = found_in(tmp_path, with_segment(encoded(quadrants(), "JPEG"), 0xED, resource))
    assert found["iptc", "By-line"] == "Erika Muster"
    assert found["iptc", "City"] == "Köln"


def test_every_comment_of_a_jpeg(tmp_path: Path) -> None:
    content = encoded(quadrants(), "JPEG", comment=b"patient 123")
    path = tmp_path / "two.jpg"
    path.write_bytes(with_segment(content, 0xFE, "Grüße".encode("latin-1")))
    assert [found.value for found in file_facts(path).personal] == ["Grüße", "patient 123"]


def test_comments_of_other_formats(tmp_path: Path) -> None:
    assert (
        found_in(tmp_path, encoded(quadrants(), "GIF", comment=b"patient 123"))["comment", "comment"]
        == "patient 123"
    )
    content = encoded(quadrants(), "JPEG2000", comment="patient 123")
    assert "patient 123" in found_in(tmp_path, content)["comment", "comment"]


def test_text_of_a_png_before_and_after_the_pixels(tmp_path: Path) -> None:
    from tests.library.example_pictures import png_chunk

    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "Erika Muster")
    text.add_text("Patient", "Ünal", zip=True)
    content = encoded(quadrants(), "PNG", pnginfo=text)
    late = png_chunk(b"tEXt", b"Comment\0after the pixels")
    found = found_in(tmp_path, content[:-12] + late + content[-12:])
    assert found["comment", "Author"] == "Erika Muster"
    assert found["comment", "Patient"] == "Ünal"
    assert found["comment", "Comment"] == "after the pixels"


def test_pages_after_the_first_are_searched_too(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(buffer, True) as writer:
        for artist in ("Erika Muster", "Karl Arzt", "Karl Arzt"):
            quadrants().save(writer, "TIFF", tiffinfo={ExifTags.Base.Artist: artist})
            writer.newFrame()
    path = tmp_path / "pages.tif"
    path.write_bytes(buffer.getvalue())
    assert [found.value for found in file_facts(path).personal] == ["Erika Muster", "Karl Arzt"]


def test_damaged_exif_is_itself_a_finding(tmp_path: Path) -> None:
    found = found_in(tmp_path, encoded(quadrants(), "JPEG", exif=b"Exif\0\0XXXXXXXXXXXX"))
    assert ("exif", "unreadable") in found


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"])
def test_a_clean_file_has_no_findings(tmp_path: Path, format: str) -> None:
    assert found_in(tmp_path, encoded(quadrants(), format)) == {}


def test_values_are_short_valid_text_of_one_line() -> None:
    assert as_text("a\0b\r\nc\x1b[31m") == "a b c [31m"
    assert len(as_text("x" * 1000)) == 200
    assert as_text("\udcff") == "?"
    assert as_text(b"\xff\xfe") == "ÿþ"
    assert as_text((1, 2.5, b"x")) == "1 2.5 x"
