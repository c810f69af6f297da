"""From detections to what the report draws of a whole set: matched boxes, and mean AP under other protocols."""

from collections.abc import Mapping

import numpy as np

from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.port import Port
from rfcn_lib.records import Detections, Floats
from rfcn_lib.report.drawn import Cells, Pairs, ProtocolMean
from rfcn_lib.score import matched as of_set
from rfcn_lib.score.evaluation import Judged
from rfcn_lib.score.protocols import ProtocolScore, scores_by_protocol


def pairs_of(got: Mapping[str, Detections], want: Mapping[str, Detections]) -> Pairs:
    """Matched boxes of the candidate and the reference, both by id, as a figure needs them."""
    found = of_set.matched(got, want)
    apart, moved = np.abs(found.got_scores - found.want_scores), np.hypot(*found.centre_px.T)
    means = [float(values.mean()) if len(values) else 0.0 for values in (*found.centre_px.T, *found.size_px.T)]
    return Pairs(
        count=len(apart),
        lost=found.lost,
        extra=found.extra,
        scores=_cells(of_set.cells(found.want_scores, found.got_scores, of_set.place_score)),
        centres=_cells(of_set.cells(found.centre_px[:, 0], found.centre_px[:, 1], of_set.place_px)),
        sizes=_cells(of_set.cells(found.size_px[:, 0], found.size_px[:, 1], of_set.place_px)),
        score_apart=_median_and_largest(apart),
        px_apart=_median_and_largest(moved),
        mean_px=(means[0], means[1], means[2], means[3]),
    )


def protocols_of(candidate: Judged, reference: Judged | None, devkit: Devkit, port: Port) -> tuple[ProtocolMean, ...]:
    """Mean AP of either side under each protocol."""

    def scores(judged: Judged) -> tuple[ProtocolScore, ...]:
        names = list(judged.evaluation.ap)
        return scores_by_protocol(judged.detections, devkit.truth, port.classes, judged=names)

    got = scores(candidate)
    want = scores(reference) if reference else [None] * len(got)
    return tuple(
        ProtocolMean(protocol=mine.protocol, reference=theirs.mean_ap if theirs else None, candidate=mine.mean_ap)
        for mine, theirs in zip(got, want, strict=True)
    )


def _median_and_largest(values: Floats) -> tuple[float, float]:
    return (float(np.median(values)), float(values.max())) if len(values) else (0.0, 0.0)


def _cells(found: of_set.Cells) -> Cells:
    return Cells(x=found.x.tolist(), y=found.y.tolist(), counts=found.counts.tolist())
