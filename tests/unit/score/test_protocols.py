"""One set of detections under each protocol: every number is what that protocol's own function gives."""

from typing import Any

import numpy as np
import pytest

from rfcn_lib.records import Detections, Truth
from rfcn_lib.score.arrays import EvaluationError, classes_with_truth
from rfcn_lib.score.average_precision import VOC07, VOC07_DEVKIT, VOC10_AREA, VOC10_DEVKIT, evaluate
from rfcn_lib.score.coco import evaluate_coco
from rfcn_lib.score.protocols import scores_by_protocol
from rfcn_lib.score.text_files import evaluate_text, write_text_files

CLASSES = ("cat", "dog", "cow")


@pytest.fixture(scope="module")
def drawn() -> tuple[dict[str, Detections], dict[str, Truth]]:
    """30 pictures: objects, some difficult, and detections near them; scores of float32, as a network gives them."""
    random = np.random.default_rng(8)
    truth, detections = {}, {}
    for number in range(30):
        corner, size = random.integers(0, 200, (4, 2)), random.integers(15, 90, (4, 2))
        boxes = np.hstack([corner, corner + size]).astype(np.float64)
        labels = np.arange(4) % 3
        truth[f"{number:06}"] = Truth(boxes, labels, random.random(4) < 0.15)
        near = (np.repeat(boxes, 3, axis=0) + random.normal(0, 9, (12, 4))).astype(np.float32)
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        detections[f"{number:06}"] = Detections(
            near.clip(0), random.random(12).astype(np.float32), np.repeat(labels, 3)
        )
    return detections, truth


def test_each_score_is_what_its_protocol_s_own_function_gives(drawn: Any, tmp_path: Any) -> None:
    detections, truth = drawn
    rows = scores_by_protocol(detections, truth, CLASSES)
    write_text_files(tmp_path, detections, CLASSES)
    wanted = [
        evaluate(detections, truth, CLASSES, VOC07),
        evaluate_text(tmp_path, truth, CLASSES),
        *(evaluate(detections, truth, CLASSES, one) for one in (VOC07_DEVKIT, VOC10_AREA, VOC10_DEVKIT)),
    ]
    coco = evaluate_coco(detections, truth, CLASSES)
    assert [(row.protocol, row.mean_ap, row.ap) for row in rows[:5]] == [
        (one.protocol.name, one.mean_ap, one.ap) for one in wanted
    ]
    assert [row.mean_ap for row in rows[5:]] == [coco.ap, coco.ap50, coco.ap75]
    assert [row.ap for row in rows[5:]] == [coco.class_ap, coco.class_ap50, coco.class_ap75]
    for row in rows:
        assert row.mean_ap == pytest.approx(np.mean(list(row.ap.values())))
        assert list(row.ap) == list(CLASSES)


def test_every_row_has_a_name_of_its_own_and_the_judged_protocol_is_first(drawn: Any) -> None:
    rows = scores_by_protocol(*drawn, CLASSES)
    assert rows[0].protocol == VOC07.name
    assert len({row.protocol for row in rows}) == len(rows) == 8
    assert "as written in comp4_det_test_<class>.txt" in rows[1].protocol


def test_the_text_files_change_the_score_as_three_decimals_do(drawn: Any) -> None:
    """Scores apart by less than 0.0005 become ties: then the order of the set decides, and the right one comes second."""
    box, other = [10, 10, 19, 19], [50, 50, 80, 80]
    truth = {id: Truth(np.array([box], float), np.array([0]), np.array([False])) for id in ("000001", "000002")}
    scores = {"000001": (other, 0.9001), "000002": (box, 0.9004)}
    detections = {
        id: Detections(np.array([place], np.float32), np.array([score], np.float32), np.array([0]))
        for id, (place, score) in scores.items()
    }
    exact, text = scores_by_protocol(detections, truth, ("cat",))[:2]
    assert exact.mean_ap == pytest.approx(6 / 11)
    assert text.mean_ap == pytest.approx(0.5 * 6 / 11)


def test_an_iou_of_exactly_a_half_is_right_for_the_devkit_and_wrong_for_the_published_evaluator() -> None:
    truth = {"000001": Truth(np.array([[0, 0, 9, 9.0]]), np.array([0]), np.array([False]))}
    found = {"000001": Detections(np.array([[0, 0, 9, 4.0]]), np.array([0.9]), np.array([0]))}
    rows = {row.protocol: row.mean_ap for row in scores_by_protocol(found, truth, ("cat",))}
    assert [rows[one.name] for one in (VOC07, VOC07_DEVKIT, VOC10_AREA, VOC10_DEVKIT)] == pytest.approx([0, 1, 0, 1])


def test_a_part_of_a_set_is_scored_over_the_classes_that_are_there(drawn: Any) -> None:
    detections, truth = drawn
    classes = (*CLASSES, "ufo")
    judged = classes_with_truth(truth, classes)
    assert judged == CLASSES
    part = scores_by_protocol(detections, truth, classes, judged=judged)
    assert [row.ap for row in part] == [row.ap for row in scores_by_protocol(detections, truth, CLASSES)]
    with pytest.raises(EvaluationError, match="ufo"):
        scores_by_protocol(detections, truth, classes)


def test_nothing_stays_in_the_temporary_folder(drawn: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    scores_by_protocol(*drawn, CLASSES)
    assert list(tmp_path.iterdir()) == []


def test_ids_and_classes_of_any_kind_change_no_score(drawn: Any) -> None:
    detections, truth = drawn
    name = "IMG \u6a2a {}".format
    odd = [{name(id): one for id, one in table.items()} for table in (detections, truth)]
    plain = scores_by_protocol(detections, truth, CLASSES)
    renamed = scores_by_protocol(odd[0], odd[1], ("traffic light", "\u53e3\u7f69", "N/A"))
    assert [list(row.ap.values()) for row in renamed] == [list(row.ap.values()) for row in plain]
