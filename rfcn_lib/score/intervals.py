"""How sure the drop of mean AP is: the interval of a port's drop for pictures like these, and what it decides.

The drop is relative: 1 - mean AP of the candidate / mean AP of the reference. Mean AP is at most 1, so a relative drop below 1 %
is an absolute drop below 0.01 too. Reference and candidate saw the same pictures, so both are resampled together (a paired
bootstrap over pictures; see `resampled`).

- A limit is a quantile of the resampled drops and of a picture not seen; `drop_limits` says how. One picture that is lost
  altogether costs UNSEEN / n of mean AP; measured on VOC2007 test: 1.33 / n on average.
- PASS: the upper limit (95 %, one side) lies below the margin. FAIL: the lower limit lies above it. INCONCLUSIVE: neither.
- A class passes when its upper limit (95 %, n = pictures that hold the class, one picture not seen) lies below its margin. A
  class fails when its plain quantile at 5 % / classes (Bonferroni: for all classes together 5 %) lies above it. Of a class in
  less than FEW pictures that quantile says nothing (of one picture, it is the drop itself), so there it has a picture not seen.

No correction of bias: mean AP at 11 marks is a saw-tooth, and the resampled drops lie around its smooth course. docs/intervals.md
has the measured error rates.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from rfcn_lib.records import Bools, Floats, Ints
from rfcn_lib.score import resampled
from rfcn_lib.score.arrays import EvaluationError
from rfcn_lib.score.drop_limits import (
    ONE_SIDED,
    TWO_SIDED,
    Decision,
    decided,
    lower_limit,
    needed_pictures,
    upper_limit,
)
from rfcn_lib.score.resampled import Side

UNSEEN: Final = 4 / 3
UNSEEN_AREA: Final = 2.0  # area AP has no saw-tooth that widens the interval
UNSEEN_CLASS: Final = 1.0
FEW: Final = 10
RESAMPLES: Final = 2000
RESAMPLES_NEAR_MARGIN: Final = 10_000
NEAR_MARGIN: Final = 0.0005  # the limit of 2,000 resamples has a Monte Carlo error of 0.0002 at most


@dataclass(frozen=True, slots=True)
class ClassInterval:
    """One class.

    pictures  that hold it
    needed    how many of these would decide if drop and spread stayed; None if none would, or if it is decided
    """

    decision: Decision
    drop: float
    lower: float
    upper: float
    pictures: int
    needed: int | None


@dataclass(frozen=True, slots=True)
class Intervals:
    """The drop of mean AP, relative, for pictures like these.

    drop            of the pictures judged
    resampled_drop  mean over the resamples
    lower, upper    one-sided limits of 95 %
    low_95, high_95 two-sided interval of 95 %
    area            drop, lower and upper of area AP; shown only
    needed          how many pictures would decide if drop and spread stayed; None if none would, or if it is decided
    lost_a_class    share of resamples in which some class had no object; there the mean is of the others
    classes         name -> the class alone; relative drop of its AP
    """

    decision: Decision
    drop: float
    resampled_drop: float
    lower: float
    upper: float
    low_95: float
    high_95: float
    area: tuple[float, float, float]
    needed: int | None
    lost_a_class: float
    pictures: int
    resamples: int
    seed: int
    unseen: float
    margin: float
    class_margin: float
    classes: Mapping[str, ClassInterval]


def intervals(
    reference: Sequence[Side],
    candidate: Sequence[Side],
    objects_cp: Ints,
    names: Sequence[str],
    *,
    margin: float,
    class_margin: float,
    resamples: int = RESAMPLES,
    seed: int = resampled.SEED,
) -> Intervals:
    """The interval of the drop, and what it decides. The same input gives the same numbers; a part never passes by its size.

    Args:
        reference: its judged classes, matched once (`resampled.side_of`).
        candidate: likewise.
        objects_cp: (classes, pictures) objects that count; each class has one at least.
        names: of the classes.
        margin: the drop that is still accepted, 0 to 1.
        class_margin: the same for one class.
        resamples: RESAMPLES_NEAR_MARGIN are made where a limit lies within NEAR_MARGIN of the margin.
        seed: of the draws.

    Raises:
        EvaluationError: the reference found nothing, so there is nothing to drop from.
    """
    systems, pictures = (reference, candidate), objects_cp.shape[1]
    point = resampled.class_by_class(systems, objects_cp, np.ones((pictures, 1), np.float32))[:, :, 0]
    if not point[0, 0].any():
        raise EvaluationError(
            "the reference finds no object of any judged class, so a relative drop is not defined; do --weights, --port and "
            "--devkit belong together?"
        )
    bits = np.random.PCG64(seed)
    ap = _joined(resampled.resampled_ap(systems, objects_cp, resamples, bits))
    drops = _drops(ap[0])
    if any(abs(limit - margin) < NEAR_MARGIN for limit in _limits(drops, pictures)):
        more = max(0, RESAMPLES_NEAR_MARGIN - resamples)
        ap = np.concatenate([ap, _joined(resampled.resampled_ap(systems, objects_cp, more, bits))], axis=2)
        drops = _drops(ap[0])
    drop, drop_area = (float(1 - np.mean(one[1]) / np.mean(one[0])) for one in point)
    lower, upper = _limits(drops, pictures)
    decision = decided(lower, upper, margin)
    return Intervals(
        decision=decision,
        drop=drop,
        resampled_drop=float(drops.mean()),
        lower=lower,
        upper=upper,
        low_95=lower_limit(drops, pictures, UNSEEN, TWO_SIDED),
        high_95=upper_limit(drops, pictures, UNSEEN, TWO_SIDED),
        area=(drop_area, *_limits(_drops(ap[1]), pictures, UNSEEN_AREA)),
        needed=needed_pictures(drops, drop, pictures, margin, UNSEEN) if decision == "INCONCLUSIVE" else None,
        lost_a_class=float(np.isnan(ap[0, 0]).any(axis=1).mean()),
        pictures=pictures,
        resamples=ap.shape[2],
        seed=seed,
        unseen=UNSEEN,
        margin=margin,
        class_margin=class_margin,
        classes=_by_class(ap[0], point[0], objects_cp, names, class_margin),
    )


def _limits(drops: Floats, pictures: int, unseen: float = UNSEEN) -> tuple[float, float]:
    return lower_limit(drops, pictures, unseen), upper_limit(drops, pictures, unseen)


def _joined(blocks: Iterable[tuple[Floats, Floats]]) -> Floats:
    """(2, systems, resamples, classes)."""
    return np.concatenate([np.stack(block) for block in blocks], axis=2)


def _drops(ap: Floats) -> Floats:
    """(B,) drops of the mean over the classes with an object in the resample; 0 where the reference has nothing to lose."""
    there = ~np.isnan(ap[0])
    count = np.maximum(there.sum(axis=1), 1)
    reference, candidate = (np.where(there, one, 0.0).sum(axis=1) / count for one in ap)
    return _relative(reference, candidate)


def _relative(reference: Floats, candidate: Floats) -> Floats:
    some: Bools = reference > 0
    found: Floats = np.where(some, 1 - candidate / np.where(some, reference, 1.0), 0.0)
    return found


def _by_class(
    ap: Floats, point: Floats, objects_cp: Ints, names: Sequence[str], margin: float
) -> dict[str, ClassInterval]:
    """Each class alone. Where a resample has no object of a class, it keeps its AP of the whole sample."""
    drops_bc = _relative(*np.where(np.isnan(ap), point[:, None, :], ap))
    points = _relative(*point)
    share = (1 - ONE_SIDED) / len(names)
    found = {}
    for name, drops, drop, holding in zip(names, drops_bc.T, points, (objects_cp > 0).sum(axis=1), strict=True):
        pictures = int(holding)
        upper = upper_limit(drops, pictures, UNSEEN_CLASS)
        few = pictures < FEW
        lower = lower_limit(drops, pictures, UNSEEN_CLASS, 1 - share) if few else float(np.quantile(drops, share))
        decision = decided(lower, upper, margin)
        needed = None
        if decision == "INCONCLUSIVE":
            needed = needed_pictures(drops, float(drop), pictures, margin, UNSEEN_CLASS, share)
        found[name] = ClassInterval(decision, float(drop), lower, upper, pictures, needed)
    return found
