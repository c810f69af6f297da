"""Faults of the preprocessing: decoding, channels, means."""

from functools import partial
from io import BytesIO
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rfcn_lib.faults.fault import PictureFault
from rfcn_lib.port import PictureRules
from rfcn_lib.records import Floats, Picture

Bytes = NDArray[np.uint8]
CAFFE_MEANS_BGR: Final = (102.9801, 115.9465, 122.7717)  # ImageNet's, of the Caffe networks
IMAGENET_STDS_BGR: Final = (57.375, 57.12, 58.395)


def right_input(rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """The input without a fault: the same numbers as `rfcn_lib.pictures.preprocess.prepare` gives."""
    return on_canvas(resized(centred(rgb, rules.means_bgr), picture), picture)


def centred(rgb: Bytes, means_bgr: tuple[float, float, float]) -> Floats:
    """(H, W, 3) RGB -> BGR minus the means, float32; subtracted in float64, as upstream does."""
    bgr: Floats = (rgb[:, :, ::-1].astype(np.float64) - np.asarray(means_bgr)).astype(np.float32)
    return bgr


def resized(image: Floats | Bytes, picture: Picture, method: int = cv2.INTER_LINEAR) -> Floats:
    """(H, W, 3) -> (scaled height, scaled width, 3), float32."""
    found: Floats = cv2.resize(image, None, None, fx=picture.scale, fy=picture.scale, interpolation=method).astype(
        np.float32
    )
    return found


def on_canvas(image: Floats, picture: Picture, start_xy: tuple[int, int] = (0, 0)) -> Floats:
    """(h, w, 3) -> (1, 3, H, W) with zeros around; what exceeds the canvas is cut off."""
    width, height = picture.canvas_wh
    canvas = np.zeros((height, width, 3), np.float32)
    x, y = start_xy
    part = image[: height - y, : width - x]
    canvas[y : y + part.shape[0], x : x + part.shape[1]] = part
    return np.ascontiguousarray(canvas.transpose(2, 0, 1)[None])


def rgb_order(rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """Red first."""
    return right_input(np.ascontiguousarray(rgb[:, :, ::-1]), picture, rules)


def other_means(means_bgr: tuple[float, float, float], rgb: Bytes, picture: Picture, _: PictureRules) -> Floats:
    """Other means are subtracted."""
    return on_canvas(resized(centred(rgb, means_bgr), picture), picture)


def means_twice(rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """The host subtracts the means, and the chip's AIPP subtracts them again."""
    again = np.asarray(rules.means_bgr, np.float32)
    return on_canvas(resized(centred(rgb, rules.means_bgr) - again, picture), picture)


def means_wrap(rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """The subtraction is in bytes, and dark pixels wrap around to bright ones."""
    wrapped = rgb[:, :, ::-1] - np.asarray(rules.means_bgr).astype(np.uint8)
    return on_canvas(resized(wrapped, picture), picture)


def divided(by: tuple[float, float, float], rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """The input is divided by numbers per channel."""
    return right_input(rgb, picture, rules) / np.asarray(by, np.float32)[None, :, None, None]


def grey(rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """Colour is lost."""
    return right_input(np.asarray(Image.fromarray(rgb).convert("L").convert("RGB")), picture, rules)


def limited_range(rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """The JPEG's full range 0 to 255 comes as video's 16 to 235."""
    return right_input(np.rint(rgb * (219 / 255) + 16).astype(np.uint8), picture, rules)


def half_chroma(rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """Colour at half the resolution, as in YUV 4:2:0: one value for 2 x 2 pixels."""
    luma, *colours = np.moveaxis(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb), 2, 0)
    size_wh = (luma.shape[1], luma.shape[0])
    coarse = [cv2.resize(colour[::2, ::2], size_wh, interpolation=cv2.INTER_NEAREST) for colour in colours]
    joined: Bytes = np.dstack([luma, *coarse]).astype(np.uint8)
    return right_input(np.asarray(cv2.cvtColor(joined, cv2.COLOR_YCrCb2RGB), np.uint8), picture, rules)


def brighter(rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """The decoder applies another gamma."""
    table = np.rint(255 * (np.arange(256) / 255) ** (1 / 1.4)).astype(np.uint8)
    return right_input(table[rgb], picture, rules)


def channels_last(rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """The bytes lie pixel by pixel (NHWC), and are read plane by plane (NCHW)."""
    right = right_input(rgb, picture, rules)
    return np.ascontiguousarray(right.transpose(0, 2, 3, 1)).reshape(right.shape)


def recompressed(quality: int, rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """The JPEG was written again at a lower quality."""
    file = BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=quality)
    return right_input(np.asarray(Image.open(file)), picture, rules)


FAULTS: Final = (
    PictureFault(
        "rgb-instead-of-bgr", "pictures",
        "The input has red first, but the network was trained with blue first. Look at the colour conversion of the"
        " preprocessing, and at rbuv_swap_switch of AIPP.", rgb_order,
    ),
    PictureFault(
        "means-not-subtracted", "pictures",
        "The means are not subtracted. Look at the preprocessing, and at min_chn of AIPP.",
        partial(other_means, (0.0, 0.0, 0.0)),
    ),
    PictureFault(
        "means-of-caffe", "pictures",
        "The means are those of Caffe's ImageNet networks (102.98, 115.95, 122.77), and not means_bgr of the port.",
        partial(other_means, CAFFE_MEANS_BGR),
    ),
    PictureFault(
        "means-twice", "pictures",
        "The means are subtracted twice. Look for a subtraction in the preprocessing and one in AIPP.", means_twice,
    ),
    PictureFault(
        "means-in-bytes", "pictures",
        "The means are subtracted from bytes, and dark pixels wrap around to bright ones. Convert to float32 first.",
        means_wrap,
    ),
    PictureFault(
        "divided-by-255", "pictures",
        "The input is divided by 255. This network takes values from about -51 to 204.",
        partial(divided, (255.0, 255.0, 255.0)),
    ),
    PictureFault(
        "divided-by-stds", "pictures",
        "The input is divided by ImageNet's standard deviations. This network takes it undivided.",
        partial(divided, IMAGENET_STDS_BGR),
    ),
    PictureFault(
        "colour-lost", "pictures",
        "All pictures are read as grey. Look at the decoder's colour mode.", grey,
    ),
    PictureFault(
        "limited-range", "pictures",
        "Grey levels are squeezed to video's 16 to 235. Look at the colour space conversion (csc) of DVPP or AIPP: "
        "a JPEG has the full range.", limited_range,
    ),
    PictureFault(
        "chroma-halved", "pictures",
        "Colour has half the resolution, as in YUV 4:2:0 without interpolation. Look at the output format of the "
        "decoder.", half_chroma,
    ),
    PictureFault(
        "gamma-of-another-decoder", "pictures",
        "Grey levels go through a gamma curve. Look at the decoder's colour management.", brighter,
    ),
    PictureFault(
        "channels-last", "pictures",
        "The bin has the pixels' order NHWC, but the graph reads NCHW. Look for a missing transpose.", channels_last,
    ),
    PictureFault(
        "jpeg-quality-30", "data",
        "The pictures are other files than the reference's: the same content, written as JPEG of quality 30. "
        "Compare the sha256 of the JPEGs.", partial(recompressed, 30),
    ),
)  # fmt: skip
