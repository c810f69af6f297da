"""The same detections under each protocol that papers and tools use, so that a figure from elsewhere can be compared.

The criteria use VOC07 with scores as they are, and nothing else. The other protocols are for information.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rfcn_lib.records import Detections, Truth
from rfcn_lib.score.average_precision import VOC07, VOC07_DEVKIT, VOC10_AREA, VOC10_DEVKIT, Evaluation, evaluate
from rfcn_lib.score.text_files import evaluate_text, write_text_files


@dataclass(frozen=True, slots=True)
class ProtocolScore:
    """Average precision under one protocol, 0 to 1: the mean, and each class judged, in the order of the classes."""

    protocol: str
    mean_ap: float
    ap: Mapping[str, float]


def scores_by_protocol(
    detections: Mapping[str, Detections],
    truth: Mapping[str, Truth],
    classes: Sequence[str],
    *,
    judged: Sequence[str] | None = None,
) -> tuple[ProtocolScore, ...]:
    """Average precision of detections by id against truth by id, under each protocol; the one that is judged comes first.

    The second one goes through text files with 3 decimals in a temporary folder, written and read again, as the published
    evaluator does. COCO's part walks pictures in Python: 100,000 detections take about 5 s.

    `judged`: the classes that count, all of them unless given; for a part of a set, those of the `ap` of its Evaluation.

    Raises:
        EvaluationError: see `average_precision.evaluate`.
        TextFileError: the temporary folder is full.
    """
    from rfcn_lib.score.coco import evaluate_coco  # here: pycocotools is needed for this alone

    exact = [
        evaluate(detections, truth, classes, protocol, judged=judged)
        for protocol in (VOC07, VOC07_DEVKIT, VOC10_AREA, VOC10_DEVKIT)
    ]
    with tempfile.TemporaryDirectory(prefix="rfcn-protocols-") as folder:
        number_of = {id: str(number) for number, id in enumerate(truth)}  # an id may have blanks, a line may not
        numbered = {number_of[id]: found for id, found in detections.items()}
        write_text_files(Path(folder), numbered, classes)
        text = evaluate_text(Path(folder), {number_of[id]: one for id, one in truth.items()}, classes, judged=judged)
    coco = evaluate_coco(detections, truth, classes, judged=judged)
    return (
        _score(exact[0]),
        _score(text),
        *map(_score, exact[1:]),
        ProtocolScore(f"{coco.protocol}, IoU 0.50 to 0.95", coco.ap, coco.class_ap),
        ProtocolScore(f"{coco.protocol}, IoU 0.50", coco.ap50, coco.class_ap50),
        ProtocolScore(f"{coco.protocol}, IoU 0.75", coco.ap75, coco.class_ap75),
    )


def _score(evaluation: Evaluation) -> ProtocolScore:
    return ProtocolScore(evaluation.protocol.name, evaluation.mean_ap, evaluation.ap)
