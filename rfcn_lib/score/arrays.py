"""Detections and truth of many pictures as flat arrays, joined by id, and the checks before a score is computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfcn_lib.errors import SuiteError
from rfcn_lib.records import Bools, Detections, Floats, Ints, Truth, expect_shape


class EvaluationError(SuiteError):
    """Detections or truth cannot give a score. The message says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Found:
    """Detections of many pictures in flat arrays, in order within each picture.

    pictures (N,) int index into the ids; boxes_xyxy (N, 4) picture frame; scores (N,); labels (N,) int
    """

    pictures: Ints
    boxes_xyxy: Floats
    scores: Floats
    labels: Ints

    def __post_init__(self) -> None:
        expect_shape("boxes_xyxy", self.boxes_xyxy, (None, 4))
        for name in ("pictures", "scores", "labels"):
            expect_shape(name, getattr(self, name), (len(self.boxes_xyxy),))


@dataclass(frozen=True, slots=True)
class Objects:
    """Truth of many pictures in flat arrays.

    pictures (M,) int index into the ids; boxes_xyxy (M, 4) picture frame; labels (M,) int; difficult (M,) bool
    """

    pictures: Ints
    boxes_xyxy: Floats
    labels: Ints
    difficult: Bools

    def __post_init__(self) -> None:
        expect_shape("boxes_xyxy", self.boxes_xyxy, (None, 4))
        for name in ("pictures", "labels", "difficult"):
            expect_shape(name, getattr(self, name), (len(self.boxes_xyxy),))


def flatten(detections: Mapping[str, Detections], truth: Mapping[str, Truth]) -> tuple[Found, Objects]:
    """Join both sides by id, in the order of `truth`.

    Raises:
        EvaluationError: the two sides do not hold the same ids.
    """
    missing, unknown = [id for id in truth if id not in detections], [id for id in detections if id not in truth]
    if missing or unknown:
        said = [
            f"{len(ids):,} {what}, first {ids[:3]}" for what, ids in (("missing", missing), ("unknown", unknown)) if ids
        ]
        raise EvaluationError(
            f"detections should be those of the {len(truth):,} pictures of the set, but there are {' and '.join(said)} "
            "ids; a picture in which nothing was found needs an empty entry"
        )
    left, right = [detections[id] for id in truth], list(truth.values())
    found = Found(
        np.repeat(np.arange(len(left)), [len(one.labels) for one in left]),
        _joined([one.boxes_xyxy for one in left], np.zeros((0, 4))),
        _joined([one.scores for one in left], np.zeros(0)),
        _joined([one.labels for one in left], np.zeros(0, np.int64)),
    )
    objects = Objects(
        np.repeat(np.arange(len(right)), [len(one.labels) for one in right]),
        _joined([one.boxes_xyxy for one in right], np.zeros((0, 4))),
        _joined([one.labels for one in right], np.zeros(0, np.int64)),
        _joined([one.difficult for one in right], np.zeros(0, bool)),
    )
    return found, objects


def classes_with_truth(truth: Mapping[str, Truth], classes: Sequence[str]) -> tuple[str, ...]:
    """The classes that have at least one object that is not difficult, in the order of `classes`."""
    seen = {int(label) for one in truth.values() for label in one.labels[~one.difficult.astype(bool)]}
    return tuple(name for label, name in enumerate(classes) if label in seen)


def check(found: Found, objects: Objects, ids: Sequence[str], classes: Sequence[str], judged: Sequence[str]) -> None:
    """Check detections and truth before a score over the classes `judged` is computed.

    Raises:
        EvaluationError: there is no picture or no class; a picture index or label is out of range; a number is NaN or Inf; or a
            class has no object that counts, so its average precision is undefined.
    """
    if not len(ids):
        raise EvaluationError("no pictures to judge: the set should name at least one; check the devkit and --limit")
    strange = [name for name in judged if name not in classes]
    if strange or not judged:
        raise EvaluationError(f"classes to judge are {list(judged)}, but should be some of {list(classes)}")
    for side, pictures, labels in (
        ("detections", found.pictures, found.labels),
        ("truth", objects.pictures, objects.labels),
    ):
        for what, values, end in (("picture index", pictures, len(ids)), ("label", labels, len(classes))):
            bad = (
                ~((values >= 0) & (values < end))
                if np.issubdtype(values.dtype, np.integer)
                else np.ones(len(values), bool)
            )
            if bad.any():
                raise EvaluationError(
                    f"{side}: {what} is {values[bad][0]} ({bad.sum():,} such), "
                    f"but should be a whole number from 0 to {end - 1}"
                )
    for what, numbers, owners in (
        ("scores of detections", found.scores, found.pictures),
        ("boxes of detections", found.boxes_xyxy, found.pictures),
        ("boxes of truth", objects.boxes_xyxy, objects.pictures),
    ):
        finite = np.isfinite(numbers) if numbers.ndim == 1 else np.isfinite(numbers).all(axis=1)
        if not finite.all():
            id = ids[int(owners[~finite][0])]
            raise EvaluationError(
                f"{what} hold NaN or Inf, first in picture {id}; every number should be finite: audit the dumps"
            )
    counted = objects.labels[~objects.difficult.astype(bool)]
    empty = [name for name in judged if list(classes).index(name) not in counted]
    if empty:
        raise EvaluationError(
            f"{len(empty)} classes without an object that counts in {len(ids):,} pictures: {', '.join(empty)}; "
            "their AP is undefined, not 0: judge more pictures, or only the classes of `classes_with_truth`"
        )


def _joined(arrays: Sequence[NDArray[Any]], empty: NDArray[Any]) -> NDArray[Any]:
    """One array of all. The dtype is that of the arrays that have elements; `empty` where none has."""
    filled = [array for array in arrays if len(array)]
    return np.concatenate(filled) if filled else empty
