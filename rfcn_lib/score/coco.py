"""COCO-style average precision of boxes, computed by pycocotools: AP@[.5:.95], AP50, AP75.

How VOC is written in COCO's form:

- boxes become x, y, width, height with the inclusive widths (x2 - x1 + 1), so an IoU is the one of `boxes.iou`;
- a `difficult` object is *ignored*: it is never missed, and a detection matched to it counts neither way. It is not
  made a crowd, because pycocotools divides by the detection's own area there and would match other boxes. pycocotools
  ignores an object that is no crowd only by its area, so its area is set outside of every range. Unlike VOC07, a second
  detection on the same difficult object is wrong, and a detection takes the best object still free.
- at most 100 detections per class and picture, COCO's own cap.
"""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from rfcn_lib import boxes
from rfcn_lib.records import Detections, Floats, Truth
from rfcn_lib.score.arrays import Found, Objects, check, flatten

COCO_AP: Final = "COCO AP of boxes (pycocotools, 101 recall marks, 100 per class and picture, difficult ignored)"
ALL_SIZES: Final = [0.0, 1e10]  # COCO's "all" sizes, px
_OUTSIDE: Final = 1e11  # an area no range holds: how pycocotools is told to ignore


@dataclass(frozen=True, slots=True)
class CocoEvaluation:
    """Means over the classes judged, 0 to 1: at ten IoUs (.5 to .95), at 0.5, at 0.75; `class_...` are those of each class."""

    protocol: str
    ids: tuple[str, ...]
    ap: float
    ap50: float
    ap75: float
    class_ap: Mapping[str, float]
    class_ap50: Mapping[str, float]
    class_ap75: Mapping[str, float]

    def __str__(self) -> str:
        return (
            f"AP {self.ap:.4f}  AP50 {self.ap50:.4f}  AP75 {self.ap75:.4f}  {len(self.ids):,} pictures; {self.protocol}"
        )


def evaluate_coco(
    detections: Mapping[str, Detections],
    truth: Mapping[str, Truth],
    classes: Sequence[str],
    *,
    judged: Sequence[str] | None = None,
) -> CocoEvaluation:
    """COCO-style AP by id. pycocotools walks pictures in Python: 100,000 detections take about 5 s.

    `judged`: the classes that count, all of them unless given.

    Raises:
        EvaluationError: see `average_precision.evaluate`.
    """
    found, objects = flatten(detections, truth)
    ids, names = tuple(truth), tuple(classes if judged is None else judged)
    check(found, objects, ids, classes, names)
    with contextlib.redirect_stdout(io.StringIO()):
        right, given = (_coco(dataset) for dataset in datasets(found, objects, len(ids), len(classes)))
        run = COCOeval(right, given, "bbox")
        run.params.areaRng, run.params.areaRngLbl = [ALL_SIZES], ["all"]
        run.evaluate()
        run.accumulate()
    columns = [list(classes).index(name) for name in names]
    precision: Floats = run.eval["precision"][:, :, columns, 0, -1]  # IoU .5 to .95, recall marks, classes
    by_class = [
        {name: float(ap) for name, ap in zip(names, part.mean(axis=(0, 1)), strict=True)}
        for part in (precision, precision[:1], precision[5:6])
    ]
    ap, ap50, ap75 = (float(part.mean()) for part in (precision, precision[0], precision[5]))
    return CocoEvaluation(COCO_AP, ids, ap, ap50, ap75, *by_class)


def datasets(found: Found, objects: Objects, pictures: int, classes: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Truth and detections in COCO's own form, as every COCO tool reads it; use it with the one area range ALL_SIZES."""
    right = _annotations(objects.pictures, objects.boxes_xyxy, objects.labels)
    for annotation, difficult in zip(right, objects.difficult.tolist(), strict=True):
        if difficult:
            annotation["area"] = _OUTSIDE
    given = _annotations(found.pictures, found.boxes_xyxy, found.labels)
    for annotation, score in zip(given, found.scores.tolist(), strict=True):
        annotation["score"] = score
    around = {
        "images": [{"id": number} for number in range(pictures)],
        "categories": [{"id": number} for number in range(classes)],
    }
    return {**around, "annotations": right}, {**around, "annotations": given}


def _annotations(pictures: Any, boxes_xyxy: Floats, labels: Any) -> list[dict[str, Any]]:
    """Numbered from 1: pycocotools takes number 0 for `not matched`."""
    corners = boxes_xyxy.astype(np.float64)
    boxes_xywh = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2] + 1], axis=1)
    return [
        {"id": number, "image_id": picture, "category_id": label, "bbox": box, "area": size, "iscrowd": 0}
        for number, (picture, label, box, size) in enumerate(
            zip(pictures.tolist(), labels.tolist(), boxes_xywh.tolist(), boxes.area(corners).tolist(), strict=True), 1
        )
    ]


def _coco(dataset: dict[str, Any]) -> COCO:
    coco = COCO()
    coco.dataset = dataset
    coco.createIndex()
    return coco
