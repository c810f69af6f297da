"""Reference and candidate picture by picture, as the trial keeps it."""

from dataclasses import asdict
from typing import Any

from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.score.evaluation import Judged
from rfcn_lib.score.paired import paired, ties


def paired_of_run(reference: Judged | None, candidate: Judged, pictures: Pictures) -> dict[str, Any] | None:
    """The interval of the drop and the pictures that differ; None where the reference's detections are not known."""
    if reference is None:
        return None
    criteria = pictures.port.criteria
    found = paired(
        reference.detections,
        candidate.detections,
        pictures.devkit.truth,
        pictures.port.classes,
        list(candidate.evaluation.ap),
        margin=criteria["mean_ap_drop"].limit,
        class_margin=criteria["class_ap_drop"].limit,
    )
    return asdict(found)


def ties_of(reference: Judged | None, candidate: Judged, pictures: Pictures) -> dict[str, dict[str, Any]]:
    """How far the order of equal scores moves the mean AP of each side whose detections are known."""
    sides = {"reference": reference, "candidate": candidate}
    truth, port = pictures.devkit.truth, pictures.port
    return {
        side: asdict(ties(one.detections, truth, port.classes, list(one.evaluation.ap), one.evaluation.protocol))
        for side, one in sides.items()
        if one is not None
    }
