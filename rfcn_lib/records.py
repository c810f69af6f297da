"""Frozen values that check their shapes: pictures, the network's outputs, detections, annotated objects.

There are two coordinate frames, and every box names its frame:

*net*      pixels of the resized, padded picture that the network reads
*picture*  pixels of the original JPEG, zero-based

Corners are inclusive in both (VOC): a box covers x2 - x1 + 1 columns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
Bools = NDArray[np.bool_]

Scope = Literal[  # what a rate in pictures per second includes
    "interface, one chip",
    "interface x chips (extrapolated)",
    "interface, chips running together",
    "end to end",
    "whole script",
]


def expect_shape(name: str, array: NDArray[np.generic], shape: tuple[int | None, ...]) -> None:
    """Raise ValueError unless `array` has `shape`; None stands for any length."""
    fits = array.ndim == len(shape) and all(want in (None, got) for got, want in zip(array.shape, shape, strict=False))
    if not fits:
        wanted = ", ".join("any" if side is None else str(side) for side in shape)
        raise ValueError(f"{name} has shape {array.shape}, but should be ({wanted})")


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of the set, and how the preprocessing changes its size.

    size_wh    px of the JPEG
    scaled_wh  px after the resize; larger than the canvas if the preprocessing crops the picture
    canvas_wh  px of the padded picture that the network reads
    scale      scaled / original: a box in the *net* frame is scale x the box in the *picture* frame
    """

    id: str
    size_wh: tuple[int, int]
    scaled_wh: tuple[int, int]
    canvas_wh: tuple[int, int]
    scale: float

    @property
    def cropped_share(self) -> float:
        """Share of the resized picture's area that lies outside the canvas; 0 if the picture fits."""
        width, height = (min(s, c) for s, c in zip(self.scaled_wh, self.canvas_wh, strict=True))
        return 1.0 - width * height / (self.scaled_wh[0] * self.scaled_wh[1])


@dataclass(frozen=True, slots=True)
class Outputs:
    """The network's three arrays for one picture, float32.

    rois       (R, 5)      batch index, x1 y1 x2 y2 in the net frame
    cls_prob   (R, C)      column 0 is background
    bbox_pred  (R, 4 * C)  dx dy dw dh per class, normalised by the port's stds
    """

    rois: Floats
    cls_prob: Floats
    bbox_pred: Floats

    def __post_init__(self) -> None:
        expect_shape("rois", self.rois, (None, 5))
        expect_shape("cls_prob", self.cls_prob, (len(self.rois), None))
        expect_shape("bbox_pred", self.bbox_pred, (len(self.rois), 4 * self.cls_prob.shape[1]))


@dataclass(frozen=True, slots=True)
class Detections:
    """The detections of one model in one picture.

    boxes_xyxy  (N, 4) float  picture frame, corners inclusive
    scores      (N,)   float  0 to 1
    labels      (N,)   int    index into the port's classes (without background)
    """

    boxes_xyxy: Floats
    scores: Floats
    labels: Ints

    def __post_init__(self) -> None:
        expect_shape("boxes_xyxy", self.boxes_xyxy, (None, 4))
        expect_shape("scores", self.scores, (len(self.boxes_xyxy),))
        expect_shape("labels", self.labels, (len(self.boxes_xyxy),))


@dataclass(frozen=True, slots=True)
class Truth:
    """The annotated objects of one picture.

    boxes_xyxy  (N, 4) float  picture frame, corners inclusive, zero-based (the XML is one-based)
    labels      (N,)   int    index into the port's classes
    difficult   (N,)   bool   the score counts such an object neither as found nor as missed
    """

    boxes_xyxy: Floats
    labels: Ints
    difficult: Bools

    def __post_init__(self) -> None:
        expect_shape("boxes_xyxy", self.boxes_xyxy, (None, 4))
        expect_shape("labels", self.labels, (len(self.boxes_xyxy),))
        expect_shape("difficult", self.difficult, (len(self.boxes_xyxy),))


LoadPicture = Callable[[str], tuple[Floats, Picture]]  # id -> (1, 3, H, W) float32, and the picture's sizes
RunPicture = Callable[[Floats, Picture], Outputs]  # one picture through a model
