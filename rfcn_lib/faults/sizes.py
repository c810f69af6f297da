"""Faults of the preprocessing: resize, padding, place on the canvas."""

from functools import partial
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rfcn_lib.faults.colours import centred, on_canvas, resized, right_input
from rfcn_lib.faults.fault import PictureFault
from rfcn_lib.port import PictureRules
from rfcn_lib.records import Floats, Picture

Bytes = NDArray[np.uint8]
CAFFE_MEANS_BGR: Final = (102.9801, 115.9465, 122.7717)  # ImageNet's, of the Caffe networks
IMAGENET_STDS_BGR: Final = (57.375, 57.12, 58.395)


def resized_by(method: int, rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """Another method of cv2."""
    return on_canvas(resized(centred(rgb, rules.means_bgr), picture, method), picture)


def resized_by_pillow(rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """Pillow's bilinear resize, which averages over more pixels where it makes a picture smaller, and rounds to bytes."""
    scaled = np.asarray(Image.fromarray(rgb).resize(picture.scaled_wh, Image.Resampling.BILINEAR))
    return on_canvas(centred(scaled, rules.means_bgr), picture)


def resized_as_bytes(rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """The resize is of bytes, before the means, and rounds each pixel."""
    scaled = cv2.resize(rgb, picture.scaled_wh, interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    return on_canvas(centred(scaled, rules.means_bgr), picture)


def corners_aligned(rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """The centres of the corner pixels stay where they are (align_corners), and not the picture's edges."""
    image, (width, height) = centred(rgb, rules.means_bgr), picture.scaled_wh
    x = np.linspace(0, image.shape[1] - 1, width, dtype=np.float32)
    y = np.linspace(0, image.shape[0] - 1, height, dtype=np.float32)
    scaled = cv2.remap(image, np.tile(x, (height, 1)), np.tile(y[:, None], (1, width)), cv2.INTER_LINEAR)
    return on_canvas(np.asarray(scaled, np.float32), picture)


def other_scale(factor: float, rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """The picture is scaled by another factor; what exceeds the canvas is cut off."""
    scale = picture.scale * factor
    scaled = cv2.resize(centred(rgb, rules.means_bgr), None, None, fx=scale, fy=scale)
    return on_canvas(np.asarray(scaled, np.float32), picture)


def one_px_larger(rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """The sides are rounded up and 1 px is added."""
    size_wh = (picture.scaled_wh[0] + 1, picture.scaled_wh[1] + 1)
    return on_canvas(np.asarray(cv2.resize(centred(rgb, rules.means_bgr), size_wh), np.float32), picture)


def stretched(rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """The picture fills the whole canvas."""
    return on_canvas(np.asarray(cv2.resize(centred(rgb, rules.means_bgr), picture.canvas_wh), np.float32), picture)


def padded_before_means(rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """Black is padded first, so that the padding is minus the mean."""
    minus_mean = -np.asarray(rules.means_bgr, np.float32)[None, :, None, None]
    return np.where(_outside(picture), minus_mean, right_input(rgb, picture, rules))


def padded_with_edge(rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """The last row and column are repeated up to the canvas's edge."""
    image = resized(centred(rgb, rules.means_bgr), picture)
    width, height = picture.canvas_wh
    more = ((0, max(height - image.shape[0], 0)), (0, max(width - image.shape[1], 0)), (0, 0))
    return on_canvas(np.pad(image, more, mode="edge"), picture)


def padded_around(rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """The picture lies in the middle of the canvas (letterbox)."""
    image = resized(centred(rgb, rules.means_bgr), picture)
    x, y = (max(c - s, 0) // 2 for c, s in zip(picture.canvas_wh, (image.shape[1], image.shape[0]), strict=True))
    return on_canvas(image, picture, (x, y))


def shifted(px: int, rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """The picture begins so many px right of and below the canvas's corner."""
    return on_canvas(resized(centred(rgb, rules.means_bgr), picture), picture, (px, px))


def cropped(share: float, rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """A share of the picture at the right and below is missing."""
    image = resized(centred(rgb, rules.means_bgr), picture)
    height, width = (round(side * (1 - share)) for side in image.shape[:2])
    return on_canvas(image[:height, :width], picture)


def mirrored(rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """Left and right are exchanged."""
    return right_input(np.ascontiguousarray(rgb[:, ::-1]), picture, rules)


def turned(rgb: Bytes, picture: Picture, rules: PictureRules) -> Floats:
    """A quarter turn, as an orientation tag asks for."""
    return right_input(np.ascontiguousarray(np.rot90(rgb)), picture, rules)


def _outside(picture: Picture) -> NDArray[np.bool_]:
    """(1, 1, H, W): where the canvas has no picture."""
    width, height = picture.canvas_wh
    outside = np.ones((1, 1, height, width), bool)
    outside[:, :, : picture.scaled_wh[1], : picture.scaled_wh[0]] = False
    return outside


FAULTS: Final = (
    PictureFault(
        "resize-nearest", "pictures",
        "The resize takes the nearest pixel, and should interpolate (cv2.INTER_LINEAR).",
        partial(resized_by, cv2.INTER_NEAREST),
    ),
    PictureFault(
        "resize-area", "pictures",
        "The resize averages areas (cv2.INTER_AREA), and should interpolate (cv2.INTER_LINEAR).",
        partial(resized_by, cv2.INTER_AREA),
    ),
    PictureFault(
        "resize-cubic", "pictures",
        "The resize is bicubic, and should be bilinear (cv2.INTER_LINEAR).", partial(resized_by, cv2.INTER_CUBIC),
    ),
    PictureFault(
        "resize-by-pillow", "pictures",
        "The resize is Pillow's, which smooths where it makes a picture smaller and rounds to bytes. It should be "
        "cv2.resize on float32.", resized_by_pillow,
    ),
    PictureFault(
        "resize-of-bytes", "pictures",
        "The resize is of bytes, before the means are subtracted, and rounds each pixel. It should be of float32, "
        "after.", resized_as_bytes,
    ),
    PictureFault(
        "resize-aligns-corners", "pictures",
        "The resize keeps the centres of the corner pixels (align_corners), and should keep the edges (half-pixel "
        "centres).", corners_aligned,
    ),
    PictureFault(
        "short-side-larger", "pictures",
        "The short side is a sixth longer than short_side_px of the port (600 px instead of 512).",
        partial(other_scale, 600 / 512),
    ),
    PictureFault(
        "one-pixel-larger", "pictures",
        "The resized picture has 1 px more on each side than round(side x scale).", one_px_larger,
    ),
    PictureFault(
        "stretched-to-canvas", "pictures",
        "The picture is stretched over the whole canvas. It should keep its aspect and be padded.", stretched,
    ),
    PictureFault(
        "padding-of-minus-mean", "pictures",
        "The padding is black before the means are subtracted, so it is minus the mean. It should be zero after.",
        padded_before_means,
    ),
    PictureFault(
        "padding-of-edge", "pictures",
        "The padding repeats the picture's edge. It should be zero.", padded_with_edge,
    ),
    PictureFault(
        "padding-around", "pictures",
        "The picture lies in the middle of the canvas. It should lie in the upper left corner.", padded_around,
    ),
    PictureFault(
        "picture-one-pixel-off", "pictures",
        "The picture begins 1 px right of and below the canvas's corner. Look at the crop or padding of AIPP.",
        partial(shifted, 1),
    ),
    PictureFault(
        "picture-cropped", "pictures",
        "A tenth of the picture is missing at the right and below. Look at the crop of DVPP or AIPP.",
        partial(cropped, 0.1),
    ),
    PictureFault(
        "picture-mirrored", "pictures",
        "Left and right are exchanged. Look for a flip of the training.", mirrored,
    ),
    PictureFault(
        "picture-turned", "pictures",
        "Pictures are turned by a quarter, as their orientation tags ask for. The tags should be ignored.", turned,
    ),
)  # fmt: skip
