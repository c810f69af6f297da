"""The heads of one picture on the candidate's own proposals: the source model scores the same boxes, row by row.

So nothing has to be matched, and what the proposals did wrong is not seen here. Teacher forcing (Williams and Zipser 1989) is the
name for a model that goes on from given values instead of its own.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from rfcn_lib.agreement.figures import Measure, Sum, Sums, median_of, percentile_of, signed_median_of
from rfcn_lib.records import Floats, Outputs

LEAST_SCORE: Final = 0.01  # scores below on both sides say nothing
LEAST_LOGIT: Final = 1.0
LEAST_DELTA: Final = 0.1
COORDINATES: Final = ("dx", "dy", "dw", "dh")

SCORES: Final = Measure("|difference| of cls_prob on the same proposals, median", "heads", "1", least=1e-6)
SCORES_95: Final = Measure("|difference| of cls_prob on the same proposals, 95 %", "heads", "1", least=1e-5)
SCORES_99: Final = Measure("|difference| of cls_prob on the same proposals, 99 %", "heads", "1", least=1e-5)
TEMPERATURE: Final = Measure("slope of logit(cls_prob), off 1", "heads", "1", signed=True, least=1e-5)
DELTAS: Final = Measure("|difference| of bbox_pred on the same proposals, median", "heads", "1", least=1e-6)
DELTAS_95: Final = Measure("|difference| of bbox_pred on the same proposals, 95 %", "heads", "1", least=1e-5)
DELTA_OFFSETS: Final = tuple(
    Measure(f"bbox_pred {name} moved, median", "heads", "1", signed=True, least=1e-6) for name in COORDINATES
)
DELTA_SLOPES: Final = tuple(
    Measure(f"bbox_pred {name}, slope off 1", "heads", "1", signed=True, least=1e-5) for name in COORDINATES
)


def head_sums(got: Outputs, forced: Outputs, classes: Sequence[str]) -> Sums:
    """What one picture adds to each figure of its heads. `forced`: the source model's outputs on the proposals of `got`."""
    real = got.rois[:, 1:].any(axis=1)
    mine, theirs = (one.cls_prob[real].astype(np.float64) for one in (got, forced))
    counts = np.maximum(mine, theirs) > LEAST_SCORE
    apart = np.abs(mine - theirs)
    columns = ("background", *classes)
    sums: dict[Measure, Sum] = {
        SCORES: median_of(apart[counts]),
        SCORES_95: percentile_of(apart[counts], 95),
        SCORES_99: percentile_of(apart[counts], 99),
        TEMPERATURE: signed_median_of(_slopes(_logit(mine[counts]), _logit(theirs[counts]), LEAST_LOGIT)),
    }
    for k, name in enumerate(columns):
        of_class = Measure(f"|difference| of cls_prob of {name}, mean without the largest", "heads", "1", least=1e-5)
        sums[of_class] = _mean_without_largest(apart[counts[:, k], k])
    deltas, wanted = (
        one.bbox_pred[real].astype(np.float64).reshape(int(real.sum()), -1, len(COORDINATES)) for one in (got, forced)
    )
    moved = deltas - wanted
    sums[DELTAS], sums[DELTAS_95] = median_of(np.abs(moved).ravel()), percentile_of(np.abs(moved).ravel(), 95)
    for k in range(len(COORDINATES)):
        sums[DELTA_OFFSETS[k]] = signed_median_of(moved[..., k].ravel())
        sums[DELTA_SLOPES[k]] = signed_median_of(_slopes(deltas[..., k].ravel(), wanted[..., k].ravel(), LEAST_DELTA))
    return sums


def _mean_without_largest(values: Floats) -> Sum:
    """Of a picture: one row of a class may flip where a pooled corner lies on the edge of a cell. All others count."""
    return (float(np.sort(values)[:-1].mean()), 1.0, 0.0) if len(values) > 1 else (0.0, 0.0, 0.0)


def _slopes(got: Floats, want: Floats, least: float) -> Floats:
    """The quotient of got and want, minus 1, where the wanted number is large enough to divide by."""
    large = np.abs(want) > least
    slopes: Floats = got[large] / want[large] - 1
    return slopes


def _logit(scores: Floats) -> Floats:
    """log(p / (1 - p)), with scores kept 2**-12 from 0 and 1: an fp16 score nearer to 1 is 1."""
    inside = np.clip(scores, 2.0**-12, 1 - 2.0**-12)
    logits: Floats = np.log(inside / (1 - inside))
    return logits
