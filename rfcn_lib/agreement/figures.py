"""A figure of agreement, and its limit: a multiple of what the arithmetic alone does, measured in the same run.

Two runs are compared picture by picture. Each picture gives a figure two sums, part and whole: lost proposals and all proposals,
or the sum of some differences and their number. The figure is the sum of the parts over the sum of the wholes. Its standard
error is that of a ratio of sums over pictures (Cochran, Sampling Techniques, 1977, section 2.11): the pictures are the sample,
as the proposals of one picture move together.

The floor is the same figure of two runs that differ in arithmetic only. A candidate may reach

    FACTOR x floor + DEVIATIONS x (1 + FEW / pictures) x standard error of the floor

The second term is for chance: another picture could have been in the sample. FEW widens it where the pictures are too few for
their standard error to be known well. A figure of events (lost rows) has a standard error of at least one event. A systematic
difference, one with a sign, may besides be HALF of what single rows are apart: a kernel that rounds the other way does no more.
These four numbers were chosen before the faults that test them were planted, and no fault changes them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from rfcn_lib.records import Floats

FACTOR: Final = 2.0  # a device may do twice what its rehearsal does
DEVIATIONS: Final = 4.0  # of a normal distribution, one in 16,000 lies further out on one side
FEW: Final = 10.0
HALF: Final = 0.5

Group = Literal["proposals", "rows", "heads", "detections"]
GROUPS: Final[tuple[Group, ...]] = ("proposals", "rows", "heads", "detections")


@dataclass(frozen=True, slots=True)
class Measure:
    """What is measured.

    name    in words, such as "proposals without a partner, share"
    group   which criterion it belongs to
    unit    "share", "px", "1"
    events  the parts count something that happened or not
    signed  the parts have a sign, and the figure may lie on either side of 0: a systematic difference
    least   what the number format alone can do; no limit is below it
    """

    name: str
    group: Group
    unit: str = "1"
    events: bool = False
    signed: bool = False
    least: float = 0.0


Sum = tuple[float, float, float]  # part, whole, and what single rows are apart (0 where the measure has no sign)
Sums = Mapping[Measure, Sum]  # of one picture


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the candidate, the floor's figure, and the limit of its magnitude.

    whole  what the parts are a share of: rows, detections, pictures
    """

    measure: Measure
    got: float
    floor: float
    limit: float
    whole: float

    @property
    def times(self) -> float:
        """The figure as a multiple of its limit: above 1 it is beyond it. Infinite where the figure or limit is no number."""
        if not (np.isfinite(self.got) and np.isfinite(self.limit)):
            return float("inf")
        if self.limit == 0:
            return 0.0 if self.got == 0 else float("inf")
        return abs(self.got) / self.limit

    def __str__(self) -> str:
        return (
            f"{self.measure.name}: {self.got:.4g}, but should be at most {self.limit:.4g} "
            f"(the arithmetic alone: {self.floor:.4g})"
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """A ratio of sums over pictures, and its standard error. `scatter`: what single rows are apart, mean over pictures."""

    value: float
    error: float
    whole: float
    pictures: int
    scatter: float


def estimate(sums: Sequence[Sum], measure: Measure) -> Estimate:
    """The figure of a run, from what each of its pictures gives. The value is 0 where all wholes are 0.

    One picture alone shows no scatter. Its standard error is taken to be the value itself.
    """
    part, whole, scatter = np.array(sums, np.float64).reshape(-1, 3).T
    total, count = float(whole.sum()), int((whole > 0).sum())
    if total == 0:
        return Estimate(0.0, 0.0, 0.0, 0, 0.0)
    value = float(part.sum()) / total
    spread = float(np.sqrt(((part - value * whole) ** 2).sum())) / total
    spread = spread * np.sqrt(count / (count - 1)) if count > 1 else abs(value)
    if measure.events:
        spread = max(spread, np.sqrt(max(float(np.abs(part).sum()), 1.0)) / total)
    return Estimate(value, float(spread), total, count, float(scatter.sum()) / count)


def limit_of(floors: Sequence[Estimate], got: Estimate, measure: Measure) -> float:
    """The largest magnitude that the candidate's figure may have: the most that one of the floors allows."""
    limits = []
    for floor in floors:
        error = floor.error
        if measure.events and floor.whole > 0 and got.whole > 0:  # the candidate's own counts may be fewer
            error = max(error * np.sqrt(max(floor.whole / got.whole, 1.0)), 1 / got.whole)
        pictures = min(floor.pictures, got.pictures)
        chance = DEVIATIONS * (1 + FEW / max(pictures, 1)) * error
        limits.append(FACTOR * abs(floor.value) + HALF * floor.scatter + chance)
    return max(max(limits), measure.least)


def figures(got: Sequence[Sums], floors: Sequence[Sequence[Sums]]) -> tuple[Figure, ...]:
    """Every figure of a candidate against its floors, furthest beyond its limit first.

    Args:
        got: the candidate against the source model, picture by picture.
        floors: one or more runs that differ from the source model in arithmetic only, picture by picture.

    Events that no floor has, such as a class that only the candidate finds, have the floor of an event that never happened.
    Another measure that no floor has is left out: nothing says how large it may be.
    """
    found = []
    for measure in dict.fromkeys(measure for sums in got for measure in sums):
        mine = estimate([sums[measure] for sums in got if measure in sums], measure)
        theirs = [estimate([sums[measure] for sums in floor if measure in sums], measure) for floor in floors]
        if not measure.events and not any(one.whole for one in theirs):
            continue
        never = Estimate(0.0, 1 / mine.whole if mine.whole else 0.0, mine.whole, mine.pictures, 0.0)
        theirs = [one if one.whole or not measure.events else never for one in theirs]
        floor = max(theirs, key=lambda one: abs(one.value))
        found.append(Figure(measure, mine.value, floor.value, limit_of(theirs, mine, measure), mine.whole))
    return tuple(sorted(found, key=lambda one: -one.times))


def of_group(found: Iterable[Figure], group: Group) -> tuple[Figure, ...]:
    """The figures of one criterion, furthest beyond its limit first."""
    return tuple(one for one in found if one.measure.group == group)


def count_of(part: float, whole: float) -> Sum:
    """Of a picture: how many events, among how many."""
    return float(part), float(whole), 0.0


def median_of(values: Floats) -> Sum:
    """Of a picture: the median of its values. The figure is the mean over pictures. A few rows that flipped do not move it."""
    return (float(np.median(values)), 1.0, 0.0) if len(values) else (0.0, 0.0, 0.0)


def percentile_of(values: Floats, percent: float) -> Sum:
    """The same for another percentile of a picture's values."""
    return (float(np.percentile(values, percent)), 1.0, 0.0) if len(values) else (0.0, 0.0, 0.0)


def signed_median_of(values: Floats) -> Sum:
    """The same for differences with a sign, and the median distance of single ones from their median."""
    if not len(values):
        return 0.0, 0.0, 0.0
    middle = float(np.median(values))
    return middle, 1.0, float(np.median(np.abs(values - middle)))
