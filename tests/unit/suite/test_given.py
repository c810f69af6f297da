"""A graph of another network is told from one of the same network by one picture."""

import numpy as np
import pytest

from rfcn_lib.graph.values import GraphError
from rfcn_lib.records import Outputs
from rfcn_lib.score.agreement import agree
from rfcn_lib.suite.given import fault_of_another_network
from rfcn_lib.suite.graphs import expect_finite

ROWS, CLASSES = 30, 20


def outputs_of(seed=1):
    random = np.random.default_rng(seed)
    corner = random.uniform(0, 300, (ROWS, 2))
    rois = np.concatenate([np.zeros((ROWS, 1)), corner, corner + random.uniform(20, 150, (ROWS, 2))], axis=1)
    scores = np.full((ROWS, CLASSES + 1), 0.001)
    scores[np.arange(ROWS), random.integers(1, 10, ROWS)] = 0.98
    return Outputs(*(each.astype(np.float32) for each in (rois, scores, random.normal(size=(ROWS, 4 * CLASSES + 4)))))


def fault(got):
    return fault_of_another_network(agree(got, outputs_of(), iou_at_least=0.9))


def test_one_network_in_another_precision_is_the_same():
    want = outputs_of()
    assert fault(want) == ""
    assert fault(Outputs(want.rois, want.cls_prob.astype(np.float16).astype(np.float32), want.bbox_pred)) == ""


def test_other_boxes_are_of_other_weights():
    assert "are they of one training?" in fault(outputs_of(2))


def test_the_same_boxes_with_other_scores_are_told_before_the_long_run():
    want = outputs_of()
    other_order = np.concatenate([want.cls_prob[:, :1], want.cls_prob[:, :0:-1]], axis=1)

    assert "are its classes in the order of the port file" in fault(Outputs(want.rois, other_order, want.bbox_pred))


def test_numbers_that_are_not_finite_are_a_fault_of_the_graph(tmp_path):
    want = outputs_of()
    expect_finite(want, tmp_path / "g.onnx", "000001")
    want.bbox_pred[3, 4] = np.nan
    with pytest.raises(GraphError, match=r"g\.onnx gives 1 of 2,520 numbers of bbox_pred as NaN"):
        expect_finite(want, tmp_path / "g.onnx", "000001")
