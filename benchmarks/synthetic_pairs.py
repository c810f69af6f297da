"""Pairs of detectors made of numbers alone: which detections are right, in which order, in which picture.

No boxes are drawn: an AP depends on nothing else. The classes have the pictures and objects of VOC2007 test, and the reference
has a mean AP of about 0.7. Each candidate differs from the reference in one way; `PAIRS` has them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rfcn_lib.records import Bools, Floats, Ints
from rfcn_lib.score.resampled import Side

TEST_PICTURES: Final = 4952
HOLDING: Final = np.array(  # pictures of VOC2007 test that hold each class
    [204, 239, 282, 172, 212, 174, 721, 322, 417, 127, 190, 418, 274, 222, 2007, 224, 97, 223, 259, 229]
)
OBJECTS: Final = np.array(  # objects of each class that are not difficult
    [285, 337, 459, 263, 469, 213, 1201, 358, 756, 244, 206, 489, 348, 325, 4528, 480, 242, 239, 282, 308]
)
FALSE_PER_PICTURE: Final = 3.0


@dataclass(frozen=True, slots=True)
class Pair:
    """How a candidate differs from its reference.

    noise  share of the variance of positions and scores that is the candidate's own
    boxes  share of detections that it loses
    whole  share of pictures in which it finds nothing
    """

    name: str
    noise: float = 0.0
    boxes: float = 0.0
    whole: float = 0.0


PAIRS: Final = (
    Pair("jitter only", noise=1e-4),
    Pair("jitter, boxes lost", noise=1e-4, boxes=0.0095),
    Pair("pictures lost", whole=0.01),
    Pair("two checkpoints", noise=0.002),
    Pair("two detectors", noise=0.12),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Pictures drawn anew: both sides class by class, and the objects, (classes, pictures)."""

    reference: list[Side]
    candidate: list[Side]
    objects_cp: Ints


def sample(pair: Pair, pictures: int, random: np.random.Generator) -> Sample:
    """So many pictures, drawn from the pair's own world without end."""
    there = random.random((len(HOLDING), pictures)) < (HOLDING / TEST_PICTURES)[:, None]
    more = random.poisson((OBJECTS / HOLDING - 1)[:, None], there.shape)
    objects_cp = np.where(there, 1 + more, 0)
    labels, owners = (np.repeat(axis, objects_cp.ravel()) for axis in map(np.ravel, np.indices(objects_cp.shape)))
    false = random.poisson(FALSE_PER_PICTURE, pictures)
    owners = np.concatenate([owners, np.repeat(np.arange(pictures), false)])
    labels = np.concatenate([labels, random.integers(0, len(HOLDING), int(false.sum()))])
    is_object = np.arange(len(owners)) < objects_cp.sum()
    position, score = random.normal(size=(2, len(owners)))
    sides = []
    for noise in (0.0, pair.noise):
        own = random.normal(size=(2, len(owners)))
        keep, new = np.sqrt(1 - noise), np.sqrt(noise)
        right = is_object & (keep * position + new * own[0] > -1.4)
        sides.append((right, np.where(is_object, 1.0, -2.5) + 1.7 * (keep * score + new * own[1])))
    kept = random.random(len(owners)) >= pair.boxes
    kept &= (random.random(pictures) >= pair.whole)[owners]
    everything = np.ones(len(owners), bool)
    return Sample(
        _by_class(owners, labels, *sides[0], everything), _by_class(owners, labels, *sides[1], kept), objects_cp
    )


def _by_class(owners: Ints, labels: Ints, right: Bools, scores: Floats, kept: Bools) -> list[Side]:
    found = []
    ranking = np.argsort(-scores, kind="stable")
    ranking = ranking[kept[ranking]]
    for label in range(len(HOLDING)):
        mine = ranking[labels[ranking] == label]
        end = int(np.flatnonzero(right[mine]).max(initial=-1)) + 1
        found.append(Side(owners[mine[:end]], right[mine[:end]]))
    return found
