"""A folder of everything that real folders hold, and what a library has to say about each file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tests.fakes.referee import numbered_picture
from tests.library.example_pictures import (
    dicom,
    encoded,
    exif_with_orientation,
    one_of_each_format,
    png_of_size,
    quadrants,
    stored_for,
)

SIZE = (64, 48)
WIDE = (96, 24)
"""Of a numbered picture."""
CANARIES = ("Canary-Comment-Jürgen", "Canary-Artist", "Canary-Patient^Hans", "CanaryDevice9000")


@dataclass(frozen=True, slots=True)
class Horror:
    """A file, and what must be said of it. ``size`` is that of the picture after orientation."""

    content: bytes
    size: tuple[int, int] = SIZE
    frames: int = 1
    code: str = ""
    upright: bool = False
    """It shows ``quadrants``."""

    @property
    def is_readable(self) -> bool:
        """Whether there is a picture in it."""
        return not self.code


def horrors() -> dict[bytes, Horror]:
    """Every file by its path."""
    return _formats() | _broken() | _names()


def _formats() -> dict[bytes, Horror]:
    good = one_of_each_format()
    files = {
        b"formats/%s%s" % (name.encode(), suffix): Horror(good[name], upright=True)
        for name, suffix in {
            "jpeg": b".jpg",
            "png": b".PNG",
            "webp": b".webp",
            "heif": b".heic",
            "avif": b".avif",
            "tiff_lzw": b".tif",
            "gif": b".gif",
            "bmp": b".bmp",
            "jpeg2000": b".jp2",
        }.items()
    }
    upright = quadrants()
    for orientation in range(1, 9):
        exif = exif_with_orientation(orientation)
        exif[0x013B], exif[0x0110] = CANARIES[1], CANARIES[3]
        exif.get_ifd(0x8825)[2] = (48.0, 8.0, 14.0)
        stored = stored_for(upright, orientation)
        content = encoded(stored, "JPEG", quality=95, exif=exif, comment=CANARIES[0].encode())
        files[b"exif/orientation-%d.jpg" % orientation] = Horror(content, upright=True)
    pages = [upright, numbered_picture(1).resize(SIZE), upright.convert("L")]
    files[b"formats/pages.tiff"] = Horror(
        encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]), frames=3
    )
    files[b"formats/cmyk.jpg"] = Horror(encoded(upright.convert("CMYK"), "JPEG", quality=95))
    files[b"formats/deep.png"] = Horror(encoded(Image.new("I;16", SIZE, 40_000), "PNG"))
    files[b"formats/scan.dcm"] = Horror(
        dicom(upright, PatientName=CANARIES[2], PatientID="P-77"), upright=True
    )
    return files


def _broken() -> dict[bytes, Horror]:
    jpeg = encoded(quadrants((400, 300)), "JPEG", quality=95)
    return {
        b"broken/truncated.jpg": Horror(jpeg[: len(jpeg) // 2], code="image.truncated"),
        b"broken/noise.png": Horror(os.urandom(3000), code="image.not_an_image"),
        b"broken/empty.jpg": Horror(b"", code="image.empty"),
        b"broken/bomb.png": Horror(png_of_size(60_000, 60_000), code="image.too_large"),
        b"broken/text.jpg": Horror(b"I am a letter, not a picture.", code="image.not_an_image"),
        b"broken/crossed.png": Horror(
            encoded(quadrants(), "PNG")[:60] + os.urandom(200), code="image.corrupt"
        ),
    }


def _names() -> dict[bytes, Horror]:
    names = [
        b"names/with  two spaces .png",
        b"names/quo'te\"s & $(touch x).png",
        "names/Jürgen-ñ-日本-🩺.png".encode(),
        b"names/new\nline.png",
        b"names/not-utf8-\xff\xfe\xe9.png",
        b"names/" + b"l" * 251 + b".png",
        b"names/-rf.png",
        b"a/same.png",
        b"b/same.png",
    ]
    files = {name: Horror(encoded(numbered_picture(10 + n), "PNG"), WIDE) for n, name in enumerate(names)}
    twin = Horror(encoded(numbered_picture(50), "PNG"), WIDE)
    return files | {b"twice/one.png": twin, b"twice/two.png": twin}


UNSUPPORTED = (b"notes.txt", b"names/table.csv")
UNOPENED = {b"pipe.png": "image.not_regular", b"locked": "image.permission", b"nowhere.png": "image.vanished"}
"""What has no content: a pipe, a folder that nobody may open, a link to nothing."""


def make_folder(root: Path) -> dict[bytes, Horror]:
    """Writes the folder; only ``unprivileged`` programs find ``locked`` closed."""
    files = horrors()
    for path, horror in files.items():
        place = root / os.fsdecode(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(horror.content)
    for path in UNSUPPORTED:
        (root / os.fsdecode(path)).write_bytes(b"a;b\n1;2\n")
    (root / "a" / "loop").symlink_to(root, target_is_directory=True)
    (root / "self").symlink_to("self")
    (root / "nowhere.png").symlink_to("gone.png")
    os.mkfifo(root / "pipe.png")
    (root / "locked").mkdir()
    (root / "locked" / "hidden.png").write_bytes(b"")
    (root / "locked").chmod(0)
    return files
