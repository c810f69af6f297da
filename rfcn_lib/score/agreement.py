"""How far the outputs of two runs of one picture agree.

The network is not continuous. A rounding error can swap two proposals in the sort, or move one across the NMS limit, and then
every later row moves. So this module matches rows by their boxes, not by their number. A corner that rounds to another pixel
makes PS-RoI pooling read other cells. Such a matched row counts for its corners, but its scores and deltas are left out: only
rows whose corners round to the same pixels are `compared`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rfcn_lib import boxes
from rfcn_lib.records import Bools, Floats, Ints, Outputs
from rfcn_lib.score.partners import best_pairs


@dataclass(frozen=True, slots=True)
class Limits:
    """Least shares and largest differences of an agreement; `source` says where the numbers come from. Units as in Agreement."""

    matched_share: float
    compared_share: float
    rois_px: float
    cls_prob: float
    bbox_pred: float
    source: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """One comparison, or several: then rows are summed, and each difference is the largest.

    got_rows, want_rows      proposals on either side, without padding
    got_padded, want_padded  all-zero rows, left out
    matched                  pairs of rows with the same box
    compared                 of these, pairs whose corners round to the same pixels
    rois_px                  worst |difference| of a corner among matched rows, px of the net frame
    cls_prob, bbox_pred      worst |difference| among compared rows
    """

    got_rows: int
    want_rows: int
    got_padded: int
    want_padded: int
    matched: int
    compared: int
    rois_px: float
    cls_prob: float
    bbox_pred: float

    @property
    def matched_share(self) -> float:
        """Of the rows of the side that has more; 0 when there are none."""
        return self.matched / max(self.got_rows, self.want_rows, 1)

    @property
    def compared_share(self) -> float:
        """Of the rows of the side that has more; 0 when there are none."""
        return self.compared / max(self.got_rows, self.want_rows, 1)

    def within(self, limits: Limits) -> bool:
        """True when every limit holds and at least one row was compared."""
        return not self.beyond(limits)

    def beyond(self, limits: Limits) -> tuple[str, ...]:
        """The limits that do not hold, in words."""
        low = [
            f"{name} {getattr(self, name):.4f}, but should be at least {getattr(limits, name):.4f}"
            for name in ("matched_share", "compared_share")
            if not getattr(self, name) >= getattr(limits, name)
        ]
        high = [
            f"{name} apart by {getattr(self, name):.3g}, but should be at most {getattr(limits, name):.3g}"
            for name in ("rois_px", "cls_prob", "bbox_pred")
            if not getattr(self, name) <= getattr(limits, name)
        ]
        nothing = [] if self.compared else ["no row compared"]
        return (*nothing, *low, *high)

    def __str__(self) -> str:
        return (
            f"{self.matched} rows matched of {self.got_rows} got and {self.want_rows} wanted "
            f"({self.matched_share:.2%}; padding left out: {self.got_padded} and {self.want_padded}), "
            f"{self.compared} of them on the same pixels; worst difference: rois {self.rois_px:.3g} px, "
            f"cls_prob {self.cls_prob:.3g}, bbox_pred {self.bbox_pred:.3g}"
        )


def agree(got: Outputs, want: Outputs, *, iou_at_least: float) -> Agreement:
    """Match the rows of two outputs of one picture by box, and measure how far matched rows are apart.

    Pairs are taken greedily, largest IoU first (so each is the other's best among those left), down to `iou_at_least`;
    equal IoUs in the order of rows. Above the proposals' NMS limit a row has one possible partner at most
    for boxes that truly are the same.

    Raises:
        ValueError: other class counts, a number that is not finite, or an `iou_at_least` outside (0, 1].
    """
    if got.cls_prob.shape[1] != want.cls_prob.shape[1]:
        raise ValueError(
            f"got {got.cls_prob.shape[1]} columns of cls_prob, but should be {want.cls_prob.shape[1]}: two networks"
        )
    if not 0 < iou_at_least <= 1:
        raise ValueError(f"iou_at_least is {iou_at_least}, but should lie in (0, 1]")
    for side, outputs in (("got", got), ("want", want)):
        for name in ("rois", "cls_prob", "bbox_pred"):
            if not np.isfinite(getattr(outputs, name)).all():
                raise ValueError(
                    f"{name} of `{side}` holds NaN or Inf, but only finite numbers can be compared; audit that run"
                )
    got_real, want_real = _real(got), _real(want)
    got_xyxy, want_xyxy = (o.rois[r, 1:].astype(np.float64) for o, r in ((got, got_real), (want, want_real)))
    table = boxes.iou(got_xyxy[:, None], want_xyxy[None])
    left, right = best_pairs(table, table >= iou_at_least)
    left, right = got_real[left], want_real[right]
    same = _same_pixels(got.rois[left, 1:], want.rois[right, 1:])
    return Agreement(
        len(got_real),
        len(want_real),
        len(got.rois) - len(got_real),
        len(want.rois) - len(want_real),
        len(left),
        int(same.sum()),
        _apart(got.rois[left], want.rois[right]),
        _apart(got.cls_prob[left[same]], want.cls_prob[right[same]]),
        _apart(got.bbox_pred[left[same]], want.bbox_pred[right[same]]),
    )


def total(agreements: Iterable[Agreement]) -> Agreement:
    """Several pictures as one agreement: rows summed, the worst of the differences.

    Raises:
        ValueError: there is none.
    """
    every = list(agreements)
    if not every:
        raise ValueError("no agreement to add up, but should be one at least: were any pictures compared?")
    counts = ("got_rows", "want_rows", "got_padded", "want_padded", "matched", "compared")
    worst = ("rois_px", "cls_prob", "bbox_pred")
    return Agreement(
        *(sum(getattr(one, name) for one in every) for name in counts),
        *(max(getattr(one, name) for one in every) for name in worst),
    )


def noise(pairs: Iterable[tuple[Outputs, Outputs]], *, iou_at_least: float, times: float) -> Limits:
    """Limits from measurement: `times` the largest difference between a float32 and a float64 run of one model.

    Each pair is (float32 run, float64 run) of one picture. A second float32 runtime adds its own rounding to that of the first,
    so `times` should be at least 2. The least shares are 1 minus `times` what was missing here, minus one row.

    Raises:
        ValueError: no pairs, nothing comparable, or no difference at all (then one run was compared with itself).
    """
    seen = total(agree(single, double, iou_at_least=iou_at_least) for single, double in pairs)
    rows = max(seen.got_rows, seen.want_rows)
    if not seen.compared or max(seen.rois_px, seen.cls_prob, seen.bbox_pred) == 0:
        raise ValueError(f"this is no measure of rounding: {seen}; should be float32 against float64 runs of one model")
    return Limits(
        max(0.0, 1 - times * (1 - seen.matched_share) - 1 / rows),
        max(0.0, 1 - times * (1 - seen.compared_share) - 1 / rows),
        times * seen.rois_px,
        times * seen.cls_prob,
        times * seen.bbox_pred,
        f"{times:g} x float32 against float64 of the source model: {seen}",
    )


def _real(outputs: Outputs) -> Ints:
    """Numbers of the rows that hold a proposal. Rows of zeros are padding."""
    return np.flatnonzero(outputs.rois[:, 1:].any(axis=1))


def _same_pixels(got_xyxy: Floats, want_xyxy: Floats) -> Bools:
    """Whether all four corners of a pair round to the same pixels, half away from zero as PS-RoI pooling does: (N,)."""
    got, want = (np.trunc(np.abs(b.astype(np.float64)) + 0.5) * np.sign(b) for b in (got_xyxy, want_xyxy))
    same: Bools = (got == want).all(axis=1)
    return same


def _apart(got: Floats, want: Floats) -> float:
    return float(np.abs(got.astype(np.float64) - want.astype(np.float64)).max(initial=0.0))
