"""What was measured of a candidate and of its floors, picture by picture: all that its figures and limits are computed from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rfcn_lib.agreement import pictures as by_picture
from rfcn_lib.agreement.figures import Figure, Sums, figures
from rfcn_lib.agreement.pictures import Apart


@dataclass(frozen=True)
class Measurements:
    """The candidate's and its floors' sums over a sample; and every picture of the set against the reference.

    sums         of the candidate, a mapping for each picture of the sample
    floor_sums   the same of each floor
    each         id -> each picture of the set
    floor_each   the same of each floor, over the sample
    """

    sums: Sequence[Sums]
    floor_sums: Sequence[Sequence[Sums]]
    each: Mapping[str, Apart]
    floor_each: Sequence[Mapping[str, Apart]]

    def figures(self) -> tuple[Figure, ...]:
        """Every figure with its limit, furthest beyond its limit first."""
        return figures(self.sums, self.floor_sums)

    def limits(self) -> dict[str, float]:
        """The largest that each number of a picture may be."""
        return by_picture.limits(self.floor_each, len(self.each))
