"""Detections of many pictures as three runs of bytes, little-endian, as reference packets and evidence hold them.

boxes_xyxy.f4    (N, 4) float32, picture frame; the detections of all pictures, one picture after the other
scores.f4        (N,) float32
labels.u2        (N,) uint16, index into the port's classes
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rfcn_lib.records import Detections

ARRAYS: Final[Mapping[str, tuple[str, tuple[int, ...]]]] = {  # name -> dtype, shape of one detection
    "boxes_xyxy.f4": ("<f4", (4,)),
    "scores.f4": ("<f4", ()),
    "labels.u2": ("<u2", ()),
}


def pack(each: Sequence[Detections]) -> dict[str, bytes]:
    """Name -> bytes. Raises ValueError for detections of a type that would lose digits."""
    for one in each:
        if not (one.boxes_xyxy.dtype == one.scores.dtype == np.float32):
            raise ValueError(f"detections are {one.boxes_xyxy.dtype} and {one.scores.dtype}, but should be float32")
        if not np.array_equal(one.labels, one.labels.astype(np.uint16)):
            raise ValueError(f"labels are {one.labels.min()} to {one.labels.max()}, but should be 0 to 65,535")
    columns: dict[str, list[NDArray[Any]]] = {
        "boxes_xyxy.f4": [one.boxes_xyxy for one in each],
        "scores.f4": [one.scores for one in each],
        "labels.u2": [one.labels for one in each],
    }
    return {name: np.concatenate(columns[name]).astype(dtype).tobytes() for name, (dtype, _) in ARRAYS.items()}


def size_fault(name: str, data: bytes, count: int) -> str:
    """What is wrong with the size of the bytes `name` of so many detections; "" if nothing."""
    dtype, shape = ARRAYS[name]
    size = count * np.dtype(dtype).itemsize * math.prod(shape)
    return "" if len(data) == size else f"{name} has {len(data):,} bytes, but should have {size:,}"


def content_fault(members: Mapping[str, bytes], classes: int) -> str:
    """What is wrong with the numbers; "" if nothing. `classes`: how many the port has."""
    boxes, scores, labels = (np.frombuffer(members[name], dtype) for name, (dtype, _) in ARRAYS.items())
    if len(labels) and labels.max() >= classes:
        return f"labels.u2 has the label {labels.max(initial=0)}, but the port in it has no such class"
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        return "boxes_xyxy.f4 or scores.f4 has NaN or infinite numbers"
    return ""


def unpack(ids: Sequence[str], counts: Sequence[int], members: Mapping[str, bytes]) -> dict[str, Detections]:
    """Id -> detections. `counts`: how many each picture has; the bytes must have passed `size_fault`."""
    boxes, scores, labels = (
        np.frombuffer(members[name], dtype).reshape(-1, *shape) for name, (dtype, shape) in ARRAYS.items()
    )
    ends = [0, *np.cumsum(counts, dtype=np.int64).tolist()]
    return {
        id: Detections(
            boxes[start:end].astype(np.float32), scores[start:end].astype(np.float32), labels[start:end].astype(np.intp)
        )
        for id, (start, end) in zip(ids, pairwise(ends), strict=True)
    }
