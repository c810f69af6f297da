"""A JPEG -> the tensor that the network reads, bit for bit as the published port makes it, and its record (`Picture`).

Protocol: rfcn_preprocess.py of the published port and its source's config.py. RGB (grey three times) -> BGR -> float32
-> minus the means -> cv2.resize on float32 by short side -> zeros right and below; what exceeds the canvas is cut off.
"""

import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from rfcn_lib.errors import SuiteError
from rfcn_lib.port import PictureRules
from rfcn_lib.records import Floats, Picture

LARGEST_PICTURE_PX: Final = 50_000_000  # before and after the resize; VOC2007's largest has 250,000
FORMATS: Final = ("JPEG", "PNG")  # many sets have PNG bytes in files named .jpg
PLAIN_MODES: Final = {"RGB": "RGB", "L": "L", "P": "RGB", "1": "L"}  # Pillow's colour mode -> what it is read as
OTHER_KINDS: Final = {  # what a file of another kind begins with, for the message
    "a GIF": rb"GIF8",
    "a BMP": rb"BM",
    "a WebP": rb"RIFF....WEBP",
    "a TIFF": rb"II\*\0|MM\0\*",
    "a HEIF": rb"....ftyp",
    "a text or a web page": rb"[\s\xef\xbb\xbf]*[<{A-Za-z]",
}
STRIDE_PX: Final = 32  # a canvas proposed in a message is a multiple of this


class PictureError(SuiteError):
    """A picture cannot be made the network's input. The message names the file or the ids."""


def decode(path: Path, size_wh: tuple[int, int], jpeg: bytes | None = None) -> NDArray[np.uint8]:
    """JPEG or PNG -> (H, W, 3) uint8 RGB. An orientation tag in the file is ignored, as upstream does.

    Args:
        path: the file.
        size_wh: (width, height) px that its annotation says.
        jpeg: the file's bytes, if the caller has them; then `path` is only used in messages.

    Raises:
        PictureError: missing, truncated, of another size than `size_wh`, or refused by `opened`. Size and mode are checked
            before decoding.
    """
    with opened(path, path if jpeg is None else BytesIO(jpeg)) as picture:
        if picture.size != size_wh:
            got, want = f"{picture.size[0]} x {picture.size[1]}", f"{size_wh[0]} x {size_wh[1]}"
            raise PictureError(
                f"{path} is {got} px, but its annotation says {want}; picture and annotation do not belong together"
            )
        plain = PLAIN_MODES[picture.mode]
        pixels: NDArray[np.uint8] = np.asarray(picture if picture.mode == plain else picture.convert(plain))
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


@contextmanager
def opened(path: Path, source: Path | BinaryIO) -> Iterator[Image.Image]:
    """A picture whose header was read and checked, and whose pixels were not. The content decides, not the file's name.

    `path` is used in messages, `source` is read.

    Raises:
        PictureError: missing, damaged, neither JPEG nor PNG, too large, or neither RGB nor grey: upstream subtracts three means
            from three channels. A palette without transparency is RGB, as upstream's imread (imageio) gives it. Damage that is
            found while the picture is decoded inside the `with` is reported likewise.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of damaged EXIF, which is not used, and of size, which is checked below
            warnings.simplefilter("ignore")
            with Image.open(source, formats=FORMATS) as picture:
                _expect_readable(path, picture)
                yield picture
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(f"{path} is too large to decode: {error}; at most {LARGEST_PICTURE_PX:,} px are") from error
    except UnidentifiedImageError as error:  # its own message has an address in memory
        raise PictureError(
            f"{path} cannot be decoded as a JPEG or PNG: {_begins_as(source)}; restore the file, or convert it"
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow raises on damaged files
        raise PictureError(f"{path} cannot be decoded as a JPEG or PNG: {error}; restore the file") from error


def _expect_readable(path: Path, picture: Image.Image) -> None:
    see_through = picture.mode == "P" and "transparency" in picture.info
    if picture.mode not in PLAIN_MODES or see_through:
        mode = f"{picture.mode}{' with transparency' if see_through else ''}"
        raise PictureError(f"{path} has colour mode {mode}, but should be RGB or grey (L); convert it to RGB")
    if math.prod(picture.size) > LARGEST_PICTURE_PX:
        raise PictureError(
            f"{path} has {math.prod(picture.size):,} px, but at most {LARGEST_PICTURE_PX:,} are decoded; use a smaller one"
        )


def _begins_as(source: Path | BinaryIO) -> str:
    if isinstance(source, Path):
        with source.open("rb") as file:
            start = file.read(16)
    else:
        source.seek(0)
        start = source.read(16)
    if not start:
        return "it is empty"
    kind = next((kind for kind, begins in OTHER_KINDS.items() if re.match(begins, start, re.DOTALL)), None)
    return f"it begins as {kind}" if kind else "it does not begin as one"


def picture_record(id: str, size_wh: tuple[int, int], pictures: PictureRules) -> Picture:
    """What the preprocessing does to a picture of `size_wh`. The JPEG is not opened, so dumps can be judged without the JPEGs.

    Rounds as cv2.resize does when given factors: half to even, in double precision.

    Raises:
        PictureError: a side below 1 px, or a resized picture too large to hold.
    """
    if min(size_wh) < 1:
        raise PictureError(
            f"picture {id} is {size_wh[0]} x {size_wh[1]} px, but should have at least 1 x 1; correct its annotation"
        )
    scale = float(pictures.short_side_px) / float(min(size_wh))
    scaled_wh = round(size_wh[0] * scale), round(size_wh[1] * scale)
    if math.prod(scaled_wh) > LARGEST_PICTURE_PX:
        raise PictureError(
            f"picture {id} is {size_wh[0]} x {size_wh[1]} px and would be resized to {scaled_wh[0]} x {scaled_wh[1]}, "
            f"but at most {LARGEST_PICTURE_PX:,} px are held; take it out of the set"
        )
    return Picture(id, size_wh, scaled_wh, pictures.canvas_wh_px, scale)


def picture_records(sizes_wh: Mapping[str, tuple[int, int]], pictures: PictureRules) -> dict[str, Picture]:
    """Id -> record. Raises PictureError, which names the first pictures that have none, and counts the others."""
    found: dict[str, Picture] = {}
    faults: list[str] = []
    for id, size_wh in sizes_wh.items():
        try:
            found[id] = picture_record(id, size_wh, pictures)
        except PictureError as error:  # noqa: PERF203  all of them are named
            faults.append(str(error))
    if faults:
        raise PictureError("\n".join(faults[:5]) + (f"\nand {len(faults) - 5} more" if len(faults) > 5 else ""))
    return found


def prepare(
    path: Path,
    id: str,
    size_wh: tuple[int, int],
    pictures: PictureRules,
    *,
    overflow: Literal["crop", "error"] = "crop",
    jpeg: bytes | None = None,
) -> tuple[Floats, Picture]:
    """-> the network's input (1, 3, canvas height, canvas width), float32, C-contiguous, BGR; and the picture's record.

    `jpeg`: the file's bytes, if the caller has them; then `path` is only used in messages.

    Raises:
        PictureError: see `decode` and `picture_record`; with overflow="error" also a picture larger than the canvas.
    """
    picture = picture_record(id, size_wh, pictures)
    if overflow == "error":
        refuse_cropped([picture])
    bgr = cv2.cvtColor(decode(path, size_wh, jpeg), cv2.COLOR_RGB2BGR)
    centred = cv2.LUT(bgr, _centred(pictures.means_bgr))
    resized = cv2.resize(centred, None, None, fx=picture.scale, fy=picture.scale, interpolation=cv2.INTER_LINEAR)
    if (
        resized.shape[1::-1] != picture.scaled_wh
    ):  # otherwise boxes would be scaled back wrongly, and only the score would show it
        raise PictureError(
            f"{path}: cv2 {cv2.__version__} resized to {resized.shape[1::-1]}, but should to {picture.scaled_wh}"
        )
    width, height = (min(s, c) for s, c in zip(picture.scaled_wh, picture.canvas_wh, strict=True))
    canvas = np.zeros((1, 3, picture.canvas_wh[1], picture.canvas_wh[0]), np.float32)
    canvas[0, :, :height, :width] = resized[:height, :width].transpose(2, 0, 1)
    return canvas, picture


def _centred(means_bgr: tuple[float, float, float]) -> NDArray[np.float32]:
    """(1, 256, 3): each byte minus each mean. Looking it up is faster than computing it for every pixel.

    Upstream subtracts a float64 mean in place from float32: one rounding, after the subtraction. Subtracting a float32
    mean instead differs in the last bit for 32 of the 256 bytes.
    """
    difference = np.arange(256, dtype=np.float64)[None, :, None] - np.asarray(means_bgr, np.float64)
    return difference.astype(np.float32)


def cropped(pictures: Iterable[Picture]) -> dict[str, float]:
    """Id -> share of the resized picture's area that the canvas cuts off, for those that lose any."""
    return {picture.id: picture.cropped_share for picture in pictures if picture.cropped_share > 0}


def refuse_cropped(pictures: Iterable[Picture]) -> None:
    """Raise PictureError, naming the ids and the canvas that would hold them all, if any picture exceeds its canvas."""
    everything = list(pictures)
    lost = cropped(everything)
    if not lost:
        return
    losers = [picture for picture in everything if picture.id in lost]
    have_wh = losers[0].canvas_wh
    need_wh = [max(sides) for sides in zip(have_wh, *(picture.scaled_wh for picture in losers), strict=True)]
    width, height = (-(-side // STRIDE_PX) * STRIDE_PX for side in need_wh)
    named = " ".join(f"{id} ({share:.1%})" for id, share in list(lost.items())[:12]) + (
        " ..." if len(lost) > 12 else ""
    )
    raise PictureError(
        f"{len(lost)} of {len(everything)} pictures exceed the canvas of {have_wh[0]} x {have_wh[1]} px once resized "
        f"and would lose this share of their area: {named}; export with a larger canvas (canvas_wh_px = "
        f"[{width}, {height}] in the port holds them all), or accept the loss with --overflow=crop"
    )
