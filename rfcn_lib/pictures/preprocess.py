"""A JPEG -> the tensor that the network reads, bit for bit as the published port makes it, and its record (`Picture`).

Protocol: rfcn_preprocess.py of the published port and its source's config.py. RGB (grey three times) -> BGR -> float32
-> minus the means -> cv2.resize on float32 by short side -> zeros right and below; what exceeds the canvas is cut off.
"""

import math
import warnings
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from rfcn_lib.errors import SuiteError
from rfcn_lib.port import PictureRules
from rfcn_lib.records import Floats, Picture

LARGEST_PICTURE_PX: Final = 50_000_000  # before and after the resize; VOC2007's largest has 250,000
STRIDE_PX: Final = 32  # a canvas proposed in a message is a multiple of this


class PictureError(SuiteError):
    """A picture cannot be made the network's input. The message names the file or the ids."""


def decode(path: Path, size_wh: tuple[int, int], jpeg: bytes | None = None) -> NDArray[np.uint8]:
    """JPEG -> (H, W, 3) uint8 RGB. An orientation tag in the file is ignored, as upstream does.

    Args:
        path: the file.
        size_wh: (width, height) px that its annotation says.
        jpeg: the file's bytes, if the caller has them; then `path` is only used in messages.

    Raises:
        PictureError: missing, not a JPEG, truncated, neither RGB nor grey (upstream subtracts three means from three
            channels), too large, or of another size than `size_wh`. Size and mode are checked before decoding.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # Pillow warns of damaged EXIF, which is not used, and of size, which is checked below
            with Image.open(path if jpeg is None else BytesIO(jpeg), formats=("JPEG",)) as picture:
                _expect_header(path, picture.size, picture.mode, size_wh)
                pixels: NDArray[np.uint8] = np.asarray(picture)
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(f"{path} is too large to decode: {error}; at most {LARGEST_PICTURE_PX:,} px are") from error
    except UnidentifiedImageError as error:  # its own message has an address in memory
        raise PictureError(f"{path} cannot be decoded as a JPEG: it does not begin as one; restore the file") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow raises on damaged files
        raise PictureError(f"{path} cannot be decoded as a JPEG: {error}; restore the file") from error
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


def expect_sizes(sizes_wh: Mapping[Path, tuple[int, int]]) -> None:
    """Raise PictureError for a JPEG of another size than its annotation says. Only headers are read, so this is quick.

    A file that is no JPEG is not reported here: `decode` reports it when the picture is needed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path, size_wh in sizes_wh.items():
            try:
                with Image.open(path, formats=("JPEG",)) as picture:
                    got_wh, mode = picture.size, picture.mode
            except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
                continue
            _expect_header(path, got_wh, mode, size_wh)


def _expect_header(path: Path, got_wh: tuple[int, int], mode: str, size_wh: tuple[int, int]) -> None:
    if got_wh != size_wh:
        got, want = f"{got_wh[0]} x {got_wh[1]}", f"{size_wh[0]} x {size_wh[1]}"
        raise PictureError(
            f"{path} is {got} px, but its annotation says {want}; picture and annotation do not belong together"
        )
    if mode not in ("RGB", "L"):
        raise PictureError(f"{path} has colour mode {mode}, but should be RGB or grey (L); convert it to RGB")
    if math.prod(got_wh) > LARGEST_PICTURE_PX:
        raise PictureError(
            f"{path} has {math.prod(got_wh):,} px, but at most {LARGEST_PICTURE_PX:,} are decoded; use a smaller one"
        )


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
