import contextlib
import io
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from rfcn_lib.records import Detections, Truth
from rfcn_lib.score.arrays import EvaluationError
from rfcn_lib.score.coco import COCO_AP, evaluate_coco

CLASSES = ("cat", "dog")
BOX = [10, 10, 19, 19]
FAR = [200, 200, 240, 260]


def found(*rows: Any) -> Detections:
    return Detections(
        np.array([row[2] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[0] for row in rows], np.int64),
    )


def real(*rows: Any) -> Truth:
    return Truth(
        np.array([row[1] for row in rows], np.float64).reshape(-1, 4),
        np.array([row[0] for row in rows], np.int64),
        np.array([len(row) > 2 and row[2] for row in rows], bool),
    )


def cat(detections: Detections, truth: Truth) -> tuple[float, float, float]:
    got = evaluate_coco({"a": detections}, {"a": truth}, ("cat",))
    return got.ap, got.ap50, got.ap75


def test_all_found_is_one_and_nothing_found_is_zero() -> None:
    assert cat(found((0, 0.9, BOX)), real((0, BOX))) == pytest.approx((1, 1, 1))
    assert cat(found(), real((0, BOX))) == (0, 0, 0)


def test_an_iou_counts_at_the_thresholds_it_reaches_with_inclusive_corners() -> None:
    # 10 x 8 of 10 x 10 px: IoU 0.8 reaches seven of the ten thresholds (0.5 ... 0.8); with exclusive corners 7/9
    assert cat(found((0, 0.9, [10, 10, 19, 17])), real((0, BOX))) == pytest.approx((0.7, 1, 1))
    assert cat(found((0, 0.9, [10, 10, 19, 15])), real((0, BOX))) == pytest.approx((0.3, 1, 0))  # IoU 0.6


def test_a_difficult_object_is_ignored_without_becoming_a_crowd() -> None:
    truth = real((0, BOX), (0, FAR, True))
    assert cat(found((0, 0.5, BOX)), truth) == pytest.approx((1, 1, 1))  # not missed
    assert cat(found((0, 0.9, FAR), (0, 0.5, BOX)), truth) == pytest.approx((1, 1, 1))  # not wrong
    # a small box inside the difficult one: a crowd would swallow it, its IoU is too small to be ignored
    assert cat(found((0, 0.9, [210, 210, 220, 220]), (0, 0.5, BOX)), truth) == pytest.approx((0.5, 0.5, 0.5))
    # a second detection on it is wrong, unlike in VOC07
    assert cat(found((0, 0.9, FAR), (0, 0.8, FAR), (0, 0.5, BOX)), truth) == pytest.approx((0.5, 0.5, 0.5))


def test_classes_are_told_apart_and_named() -> None:
    got = evaluate_coco({"a": found((0, 0.9, BOX), (1, 0.8, BOX))}, {"a": real((0, BOX), (1, FAR))}, CLASSES)
    assert got.class_ap == {"cat": pytest.approx(1), "dog": 0.0}
    assert got.ap == pytest.approx(0.5)
    assert got.ids == ("a",)
    assert got.protocol == COCO_AP
    assert "AP 0.5000  AP50 0.5000  AP75 0.5000  1 pictures; COCO AP" in str(got)


def test_it_is_what_pycocotools_itself_summarizes(capsys: pytest.CaptureFixture[str]) -> None:
    """Without difficult objects, against the tool's own reader of result lists and its own twelve numbers."""
    random = np.random.default_rng(4)
    truth, detections = {}, {}
    for number in range(12):
        corner, size = random.integers(0, 100, (5, 2)), random.integers(20, 90, (5, 2))
        places = np.hstack([corner, corner + size]).astype(np.float64)
        truth[str(number)] = Truth(places, np.arange(5) % 2, np.zeros(5, bool))
        near = np.repeat(places, 3, axis=0) + random.integers(-6, 7, (15, 4))
        detections[str(number)] = Detections(near, random.random(15), np.arange(5).repeat(3) % 2)
    got = evaluate_coco(detections, truth, CLASSES)
    assert capsys.readouterr().out == ""

    def xywh(box: Any) -> list[float]:
        return [float(v) for v in (box[0], box[1], box[2] - box[0] + 1, box[3] - box[1] + 1)]

    coco = COCO()
    rows = [
        (int(id), int(k), xywh(box)) for id, t in truth.items() for k, box in zip(t.labels, t.boxes_xyxy, strict=True)
    ]
    coco.dataset = {
        "images": [{"id": int(id)} for id in truth],
        "categories": [{"id": 0}, {"id": 1}],
        "annotations": [
            {"id": n, "image_id": i, "category_id": k, "bbox": b, "area": b[2] * b[3], "iscrowd": 0}
            for n, (i, k, b) in enumerate(rows, 1)
        ],
    }
    results = [
        {"image_id": int(id), "category_id": int(k), "bbox": xywh(box), "score": float(s)}
        for id, d in detections.items()
        for k, box, s in zip(d.labels, d.boxes_xyxy, d.scores, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(results), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    assert [got.ap, got.ap50, got.ap75] == pytest.approx(run.stats[:3].tolist(), abs=1e-12)
    assert 0.1 < got.ap < 0.9
    assert got.ap50 > got.ap75


def test_unfair_questions_are_errors() -> None:
    with pytest.raises(EvaluationError, match=r"1 classes without an object"):
        evaluate_coco({"a": found()}, {"a": real((0, BOX))}, CLASSES)
    with pytest.raises(EvaluationError, match=r"1 missing"):
        evaluate_coco({}, {"a": real((0, BOX))}, CLASSES)
    with pytest.raises(EvaluationError, match=r"NaN"):
        evaluate_coco({"a": found((0, np.nan, BOX))}, {"a": real((0, BOX))}, ("cat",))
