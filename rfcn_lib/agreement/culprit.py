"""Which stage of a port departs first, and which single fault would give the same outputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from rfcn_lib import boxes
from rfcn_lib.agreement import rows as of_rows
from rfcn_lib.agreement.figures import Figure, of_group
from rfcn_lib.agreement.proposals import alive
from rfcn_lib.records import Outputs
from rfcn_lib.score.partners import best_pairs

SAME_IOU: Final = 0.9
SAME_SCORE: Final = 0.02  # of one picture in fp16, 99 % of the rows on the same proposals are nearer than this
SAME_DELTA: Final = 0.1
SAME_RANK: Final = 0.1  # of the rows; arithmetic exchanges neighbours only
FINER: Final = (1.0, 0.25, 0.0625)  # these tolerances, and finer ones for faults that change less
EQUALLY: Final = 0.05  # share of the rows; arithmetic makes as much
EXPLAINS: Final = 0.5  # a fault explains a run if it explains half of the rows that depart


@dataclass(frozen=True, slots=True)
class Blame:
    """What a red run is put down to.

    stage     of the port, as in rfcn_lib.faults
    fault     name of the single fault that gives the same outputs; "" where none of the catalogue does
    sentence  for the engineer: what departs, or what the fault is
    evidence  the figures that say so
    """

    stage: str
    fault: str
    sentence: str
    evidence: str


def first_stage(found: Sequence[Figure], alone: int, pictures: int) -> tuple[str, str]:
    """(stage, why) from the groups of figures that are beyond their limits; ("", "") where none is.

    alone     pictures that are beyond a limit by themselves, of so many `pictures`
    """
    beyond = {
        group: of_group([one for one in found if one.times > 1], group) for group in ("proposals", "rows", "heads")
    }
    if alone and alone <= pictures / 2 and not beyond["heads"] and len(beyond["proposals"]) <= len(beyond["rows"]):
        return "files", f"{alone} of {pictures} pictures go wrong alone, and the others agree"
    if beyond["proposals"] and beyond["heads"]:
        words = "proposals depart, and so do the heads on the same proposals: both read the picture and the backbone"
        return "backbone", words
    if beyond["proposals"]:
        return "proposals", "proposals depart; the heads agree on the same proposals, so the backbone is right"
    if beyond["heads"]:
        outputs = {one.measure.name.partition("bbox_pred")[1] or "cls_prob" for one in beyond["heads"]}
        if len(outputs) == 2:
            return (
                "pooling",
                "proposals agree; scores and deltas depart on the same proposals: what both heads share is wrong",
            )
        return "heads", f"proposals agree; only {outputs.pop()} departs on the same proposals"
    if beyond["rows"]:
        digits = any(one.measure in of_rows.FEW_DIGITS.values() for one in beyond["rows"])
        words = "numbers were rounded when they were written" if digits else "the rows are in another order, or repeat"
        return ("files" if digits else "proposals"), words
    if any(one.times > 1 for one in found):
        return "post-processing", "proposals and heads agree on the whole; some detections are lost"
    return ("files", f"{alone} of {pictures} pictures go wrong alone") if alone else ("", "")


def rows_alike(got: Outputs, want: Outputs) -> tuple[tuple[int, ...], int]:
    """How many rows of two outputs of one picture are the same, for each of FINER; and how many rows there are.

    A row's box, place, scores and deltas count. The tolerance of the place is the same for all.
    """
    mine, theirs = (np.flatnonzero(one.rois[:, 1:].any(axis=1)) for one in (got, want))
    table = boxes.iou(alive(got)[:, None], alive(want)[None])
    left, right = best_pairs(table, table >= SAME_IOU)
    overlaps = table[left, right]
    left, right = mine[left], theirs[right]
    scores = np.abs(got.cls_prob[left].astype(np.float64) - want.cls_prob[right]).max(axis=1, initial=0.0)
    deltas = np.abs(got.bbox_pred[left].astype(np.float64) - want.bbox_pred[right]).max(axis=1, initial=0.0)
    apart = np.maximum.reduce([(1 - overlaps) / (1 - SAME_IOU), scores / SAME_SCORE, deltas / SAME_DELTA])
    rows = max(len(mine), len(theirs))
    in_place = np.abs(left - right) <= SAME_RANK * rows
    return tuple(int((in_place & (apart <= finer)).sum()) for finer in FINER), rows


def share_alike(got: Mapping[str, Outputs], want: Mapping[str, Outputs]) -> tuple[float, ...]:
    """Share of the rows that are the same, over the pictures of both, for each of FINER."""
    counts = [rows_alike(got[id], want[id]) for id in got]
    rows = max(sum(rows for _, rows in counts), 1)
    return tuple(sum(same[k] for same, _ in counts) / rows for k in range(len(FINER)))


@dataclass(frozen=True, slots=True)
class Explanation:
    """Faults that explain a run equally well.

    names     best first by name
    share     of the rows that agree with the port with the first fault
    as_given  of the rows that agree with the port without a fault
    score     the largest difference of a score of rows that agree
    """

    names: tuple[str, ...]
    share: float
    as_given: float
    score: float


def explanation(as_given: Sequence[float], shares: Mapping[str, Sequence[float]]) -> Explanation | None:
    """What explains the run at the largest tolerance that tells it from a run without a fault; None where nothing does.

    as_given  share of the rows that agree with the port without a fault, for each of FINER
    shares    fault -> the same with the port with it
    """
    for k, finer in enumerate(FINER):
        of_fault = {name: share[k] for name, share in shares.items()}
        if names := explained(as_given[k], of_fault):
            return Explanation(_nearest(names, shares), max(of_fault.values()), as_given[k], SAME_SCORE * finer)
    return None


def _nearest(names: Sequence[str], shares: Mapping[str, Sequence[float]]) -> tuple[str, ...]:
    """Of faults that explain a run equally well, those that do so at the finer tolerances too."""
    left = list(names)
    for k in range(len(FINER)):
        best = max(shares[name][k] for name in left)
        left = [name for name in left if shares[name][k] >= best - EQUALLY]
    return tuple(left)


def explained(as_given: float, shares: Mapping[str, float]) -> tuple[str, ...]:
    """Names of the faults that explain the run equally well, best first by name; () where none explains half of what departs.

    as_given  share of the rows that agree with the port without a fault
    shares    fault -> share of the rows that agree with the port with it
    """
    best = max(shares.values(), default=0.0)
    if best <= as_given or best - as_given < EXPLAINS * (1 - as_given):
        return ()
    return tuple(sorted(name for name, share in shares.items() if share >= best - 0.002))
