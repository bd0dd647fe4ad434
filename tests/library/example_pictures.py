"""Pictures made for the tests of the library, as Pillow images and as bytes of files."""

from __future__ import annotations

import io
import struct

from PIL import Image

WIDTH, HEIGHT = 64, 48
RED, GREEN, BLUE, YELLOW = (200, 30, 30), (30, 180, 30), (30, 30, 200), (220, 220, 60)
PHOTOGRAPHIC = "1.2.840.10008.5.1.4.1.1.77.1.4"


def quadrants(size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    """RGB: red and green above, blue and yellow below, so that every turn and mirror shows."""
    image = Image.new("RGB", size, RED)
    middle_x, middle_y = size[0] // 2, size[1] // 2
    image.paste(GREEN, (middle_x, 0, size[0], middle_y))
    image.paste(BLUE, (0, middle_y, middle_x, size[1]))
    image.paste(YELLOW, (middle_x, middle_y, *size))
    return image


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """The colours at an eighth from each corner: upper left, upper right, lower left, lower right."""
    width, height = image.size
    xs, ys = (width // 8, width - 1 - width // 8), (height // 8, height - 1 - height // 8)
    return [image.getpixel((x, y)) for y in ys for x in xs]


def near(found: list[tuple[int, ...]], expected: list[tuple[int, ...]], tolerance: int = 6) -> bool:
    """Whether colours agree, as far as lossy codecs let them."""
    pairs = zip(found, expected, strict=True)
    return all(abs(a - b) <= tolerance for left, right in pairs for a, b in zip(left, right, strict=True))


def stored_for(upright: Image.Image, orientation: int) -> Image.Image:
    """The rows to store so that a reader of this EXIF orientation shows ``upright``.

    Worked out from the wording of the standard: which visual side the first row and column are.
    """
    width, height = upright.size
    sources = {
        1: lambda row, column: (column, row),
        2: lambda row, column: (width - 1 - column, row),
        3: lambda row, column: (width - 1 - column, height - 1 - row),
        4: lambda row, column: (column, height - 1 - row),
        5: lambda row, column: (row, column),
        6: lambda row, column: (width - 1 - row, column),
        7: lambda row, column: (width - 1 - row, height - 1 - column),
        8: lambda row, column: (row, height - 1 - column),
    }
    stored = Image.new("RGB", (width, height) if orientation < 5 else (height, width))
    for row in range(stored.height):
        for column in range(stored.width):
            stored.putpixel((column, row), upright.getpixel(sources[orientation](row, column)))
    return stored


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    """The bytes of an image in a format of Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def exif_with_orientation(orientation: int) -> Image.Exif:
    """An EXIF block with nothing but an orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        png_chunk(name, data)
        for name, data in ((b"IHDR", header), (b"IDAT", b"\x78\x9c\x03\0"), (b"IEND", b""))
    )


def png_chunk(name: bytes, data: bytes) -> bytes:
    """One chunk of a PNG with its length and checksum."""
    import zlib

    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def dicom(
    image: Image.Image | None = None, syntax: str = "ExplicitVRLittleEndian", **fields: object
) -> bytes:
    """A DICOM file of an RGB or L image; for a compressed syntax give ``frame``, the encoded bytes."""
    from pydicom import uid
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate

    image = image or quadrants()
    frame = fields.pop("frame", None)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = getattr(uid, syntax)
    dataset.SOPClassUID = PHOTOGRAPHIC
    dataset.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    dataset.Modality = "XC"
    dataset.Rows, dataset.Columns = image.height, image.width
    dataset.SamplesPerPixel = len(image.getbands())
    dataset.PhotometricInterpretation = "RGB" if image.mode == "RGB" else "MONOCHROME2"
    if image.mode == "RGB":
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = encapsulate([frame]) if frame else image.tobytes()
    dataset["PixelData"].VR = "OB"
    for name, value in fields.items():
        setattr(dataset, name, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def one_of_each_format() -> dict[str, bytes]:
    """A small good file of every format that the library reads."""
    from tests.library.heic_fixture import HEIC

    image = quadrants()
    files = {
        "jpeg": encoded(image, "JPEG", quality=90),
        "progressive": encoded(image, "JPEG", quality=90, progressive=True),
        "png": encoded(image, "PNG"),
        "webp": encoded(image, "WEBP", lossless=True),
        "tiff": encoded(image, "TIFF"),
        "tiff_lzw": encoded(image, "TIFF", compression="tiff_lzw"),
        "gif": encoded(image, "GIF"),
        "bmp": encoded(image, "BMP"),
        "avif": encoded(image, "AVIF", quality=90),
        "jpeg2000": encoded(image, "JPEG2000"),
        "heif": HEIC[1],
        "dicom": dicom(image),
    }
    return files
