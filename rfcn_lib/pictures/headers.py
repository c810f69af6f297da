"""What a picture's file shows before it is decoded: JPEG or PNG, its size and colour mode, and whether it is whole.

Only the first and the last bytes are read, so a whole set takes seconds. A file without its end mark is decoded once: bytes may
follow the end, and only what the decoder refuses is refused.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from rfcn_lib.pictures.preprocess import PictureError, opened

Wh = tuple[int, int]

ORIENTATION: Final = 0x0112  # EXIF
TURNED: Final = (5, 6, 7, 8)  # values that exchange width and height
JPEG_END: Final = b"\xff\xd9"
TAIL_BYTES: Final = 64
_MARKER: Final = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")  # not FF00, a data byte; not RST0..7, inside the data


@dataclass(frozen=True, slots=True)
class Header:
    """px of a picture, and whether its bytes are a PNG's."""

    size_wh: Wh
    png: bool


def read_header(path: Path) -> Header:
    """The header of a JPEG or PNG, whatever the file's name.

    Raises:
        PictureError: unreadable, neither JPEG nor PNG, of a colour mode or size that `decode` refuses, cut short.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise PictureError(f"cannot read {path}: {error.strerror}; restore the file") from error
    with file, opened(path, file) as picture:
        header = Header(picture.size, picture.format == "PNG")
        place = file.tell()
        whole = _is_whole(file, header.png)
        file.seek(place)
        if not whole:
            np.asarray(picture)  # raises where the decoder misses something
    return header


def size_fault(path: Path, got_wh: Wh, want_wh: Wh) -> str | None:
    """A sentence where a picture has another size than its annotation says. An orientation tag is named where it is the cause."""
    if got_wh == want_wh:
        return None
    said = f"{path} is {got_wh[0]} x {got_wh[1]} px, but its annotation says {want_wh[0]} x {want_wh[1]}"
    turned = _orientation(path) if got_wh == want_wh[::-1] else 1
    if turned in TURNED:
        return (
            f"{said}: its EXIF orientation is {turned}, a viewer shows it turned, and it was annotated so; upstream and the "
            "suite read the pixels as stored. Turn the pixels and remove the tag, or annotate the picture as stored"
        )
    return f"{said}; picture and annotation do not belong together"


def _orientation(path: Path) -> int:
    with opened(path, path) as picture:
        try:
            return int(picture.getexif().get(ORIENTATION, 1))
        except (OSError, SyntaxError, ValueError, TypeError, EOFError):  # damaged EXIF
            return 1


def _is_whole(file: BinaryIO, png: bool) -> bool:
    """Whether the end mark is there: as the last bytes but for padding, or else where the markers lead to it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - TAIL_BYTES))
    tail = file.read(TAIL_BYTES)
    if png:
        return b"IEND" in tail
    if tail.rstrip(b"\0\r\n ").endswith(JPEG_END):
        return True
    file.seek(0)
    return _has_end(file.read())


def _has_end(jpeg: bytes) -> bool:
    """Whether the end mark follows the picture's data; those inside segments, of a thumbnail, do not count."""
    at = 2
    while found := _MARKER.search(jpeg, at):
        at = found.end()
        if found[0] == JPEG_END:
            return True
        at += int.from_bytes(jpeg[at : at + 2], "big")
    return False
