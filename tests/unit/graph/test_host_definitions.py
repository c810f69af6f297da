"""The host definitions of the compiler's two operators compute what the source model's operators compute.

Each is a model of one vendor node, run in ONNX Runtime, beside the slow definition and beside PyTorch's forward.
"""

from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from rfcn_lib import spec
from rfcn_lib.graph.host_definitions import HOST_DOMAIN, TwinError, nms_function, pool_function
from rfcn_lib.graph.twin import host_functions, twin_from_vendor
from rfcn_lib.source.operators import multi_class_nms, position_sensitive_pool
from tests.support import definitions
from tests.support.definitions import F

FLOAT, INT32 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
POOL_NUMBERS = {"pooled_height": 7, "pooled_width": 7, "spatial_scale": 1 / 16, "group_size": 7}
MAPS = ((11, 10), (1, 1), (1, 9), (7, 1), (22, 3), (43, 32))  # width, height in cells


def model_of(node, function, inputs, outputs):
    """One node of the private domain with its definition. From IR version 8 on the checker looks into functions."""
    infos = [[helper.make_tensor_value_info(*value) for value in values] for values in (inputs, outputs)]
    imports = [helper.make_opsetid("", spec.OPSET), helper.make_opsetid(HOST_DOMAIN, 1)]
    graph = helper.make_graph([node], "one", *infos)
    model = helper.make_model(graph, functions=[function], opset_imports=imports, ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


@cache
def pool_model():
    node = helper.make_node(
        spec.POOL_OPERATOR, ["maps", "rois"], ["pooled"], domain=HOST_DOMAIN, **POOL_NUMBERS, output_dim=2
    )
    inputs = [("maps", FLOAT, [1, "depth", "height", "width"]), ("rois", FLOAT, [1, 5, "count"])]
    return model_of(node, pool_function(**POOL_NUMBERS), inputs, [("pooled", FLOAT, ["count", "classes", 7, 7])])


@cache
def nms_model(iou_threshold, kept, score_threshold=0.0):
    numbers = {"score_threshold": score_threshold, "iou_threshold": iou_threshold}
    numbers |= {"max_size_per_class": kept, "max_total_size": kept}
    names = ["nmsed_boxes", "nmsed_scores", "nmsed_classes", "nmsed_num"]
    node = helper.make_node(spec.NMS_OPERATOR, ["boxes", "scores"], names, domain=HOST_DOMAIN, **numbers)
    inputs = [("boxes", FLOAT, [1, "count", 1, 4]), ("scores", FLOAT, [1, "count", 1])]
    shapes = ([1, kept, 4], [1, kept], [1, kept], [1])
    kinds = (FLOAT, FLOAT, FLOAT, INT32)
    return model_of(node, nms_function(**numbers), inputs, list(zip(names, kinds, shapes, strict=True)))


@cache
def session(build, *numbers):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    content = build(*numbers).SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def host_pool(maps, rois):
    return session(pool_model).run(None, {"maps": maps, "rois": rois})[0]


def torch_pool(maps, rois, classes):
    return position_sensitive_pool(torch.from_numpy(maps), torch.from_numpy(rois), classes).numpy()


def host_nms(boxes_xyxy, scores, iou_threshold, kept, score_threshold=0.0):
    given = {"boxes": boxes_xyxy[None, :, None], "scores": scores[None, :, None]}
    return session(nms_model, iou_threshold, kept, score_threshold).run(None, given)


def torch_nms(boxes_xyxy, scores, iou_threshold, kept):
    boxes, ranks = torch.from_numpy(boxes_xyxy)[None, :, None], torch.from_numpy(scores)[None, :, None]
    return multi_class_nms(boxes, ranks, iou_threshold, kept)[0].numpy()


# -- PSROIPooling ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cells_wh", MAPS)
def test_pooling_is_its_definition_and_pytorch_s_to_the_last_bit(cells_wh):
    """Maps of whole numbers, so that sums are exact in any order: 2,886 rois, a wrong cell anywhere would show."""
    width, height = cells_wh
    draws = np.random.default_rng([width, height])
    maps = draws.integers(-999, 1000, (1, 2 * 49, height, width)).astype(F)
    rois = definitions.awkward_rois(draws, 80, (16 * width, 16 * height))
    got = host_pool(maps, rois)
    assert got.shape == (rois.shape[2], 2, 7, 7)
    np.testing.assert_array_equal(got, definitions.pool(maps, rois, 2))
    np.testing.assert_array_equal(got, torch_pool(maps, rois, 2))


def test_pooling_on_the_published_map_covers_the_same_cells():
    """84 x 84 cells, corners anywhere on 1344 px."""
    draws = np.random.default_rng(84)
    maps = draws.integers(-99, 100, (1, 49, 84, 84)).astype(F)
    rois = definitions.awkward_rois(draws, 30, (1344, 1344))
    got = host_pool(maps, rois)
    np.testing.assert_array_equal(got, definitions.pool(maps, rois, 1))
    np.testing.assert_array_equal(got, torch_pool(maps, rois, 1))


@pytest.mark.parametrize("seed", range(3))
def test_pooling_of_real_numbers_is_its_definition_within_summation_noise(seed):
    """A float32 sum of n numbers errs by at most (n - 1) * 2**-24 times the sum of their sizes; n is the map's cells
    here, for the matrix product also adds the zeros."""
    draws = np.random.default_rng(seed)
    maps = draws.normal(size=(1, 3 * 49, 12, 15)).astype(F)
    rois = definitions.awkward_rois(draws, 25, (240, 192))
    noise = 12 * 15 * 2.0**-24 * definitions.pool(np.abs(maps), rois, 3) + 1e-9
    got = host_pool(maps, rois)
    assert np.all(np.abs(got - definitions.pool(maps, rois, 3)) <= noise)
    assert np.all(np.abs(got - torch_pool(maps, rois, 3)) <= 2 * noise)


def test_pooling_reads_one_map_per_class_row_and_column():
    maps = np.broadcast_to(np.arange(4 * 49, dtype=F)[None, :, None, None], (1, 4 * 49, 7, 7)).copy()
    whole = np.array([[0], [0], [0], [111], [111]], F)[None]
    want = [[[(number * 7 + row) * 7 + column for column in range(7)] for row in range(7)] for number in range(4)]
    assert host_pool(maps, whole)[0].tolist() == want


def test_a_second_engine_reads_the_pooling_the_same_way():
    """onnx.reference is numpy: no optimiser, no kernels shared with ONNX Runtime."""
    draws = np.random.default_rng(9)
    maps = draws.integers(-99, 100, (1, 2 * 49, 10, 11)).astype(F)
    rois = definitions.awkward_rois(draws, 20, (176, 160))
    got = ReferenceEvaluator(pool_model()).run(None, {"maps": maps, "rois": rois})[0]
    np.testing.assert_array_equal(got, host_pool(maps, rois))


# -- BatchMultiClassNMS ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", definitions.SCORE_KINDS)
@pytest.mark.parametrize(("iou_threshold", "kept"), [(0.7, 300), (0.7, 20), (0.3, 40), (0.0, 10), (1.0, 50)])
def test_nms_is_its_definition_and_pytorch_s_to_the_last_bit(kind, iou_threshold, kept):
    """Corners in eighths, so that areas are exact: 300 runs of 1 to 80 boxes, inverted and empty ones among them."""
    for seed in range(12):
        draws = np.random.default_rng([seed, kept])
        count = int(draws.integers(1, 81))
        boxes, scores = definitions.eighths(draws, count, 60), definitions.scores_of(kind, draws, count)
        rows = definitions.nms(boxes, scores, iou_threshold, kept)
        found_boxes, found_scores, found_classes, found_count = host_nms(boxes, scores, iou_threshold, kept)
        want = definitions.padded(boxes, rows, kept)
        np.testing.assert_array_equal(found_boxes[0], want, err_msg=f"seed {seed}")
        np.testing.assert_array_equal(torch_nms(boxes, scores, iou_threshold, kept), want, err_msg=f"seed {seed}")
        assert found_scores[0].tolist() == [*scores[rows], *[0] * (kept - len(rows))]
        assert found_count.tolist() == [len(rows)]
        assert not found_classes.any()


@pytest.mark.parametrize("kind", definitions.SCORE_KINDS)
def test_nms_of_crowds_is_its_definition(kind):
    """Up to 400 boxes on a small place, most of them suppressed."""
    for seed in range(8):
        draws = np.random.default_rng([seed, 400])
        boxes, scores = definitions.eighths(draws, 400, 90), definitions.scores_of(kind, draws, 400)
        rows, _ = definitions.nms_by_rows(boxes, scores, 0.7, 300)
        want = definitions.padded(boxes, rows, 300)
        np.testing.assert_array_equal(host_nms(boxes, scores, 0.7, 300)[0][0], want)
        np.testing.assert_array_equal(torch_nms(boxes, scores, 0.7, 300), want)


@pytest.mark.parametrize(("kind", "size"), [("distinct", 130), ("ties", 350), ("equal", 130)])
def test_nms_of_six_thousand_is_its_definition(kind, size):
    draws = np.random.default_rng(size)
    boxes, scores = definitions.eighths(draws, 6000, size), definitions.scores_of(kind, draws, 6000)
    rows, _ = definitions.nms_by_rows(boxes, scores, 0.7, 300)
    want = definitions.padded(boxes, rows, 300)
    np.testing.assert_array_equal(host_nms(boxes, scores, 0.7, 300)[0][0], want)
    np.testing.assert_array_equal(torch_nms(boxes, scores, 0.7, 300), want)


def test_the_two_slow_definitions_of_nms_are_one():
    for seed in range(20):
        draws = np.random.default_rng([seed, 7])
        boxes, scores = definitions.eighths(draws, 60, 40), definitions.scores_of("some zero", draws, 60)
        assert definitions.nms(boxes, scores, 0.5, 30) == definitions.nms_by_rows(boxes, scores, 0.5, 30)[0]


CANVAS_PX, LARGEST_PX, SMALLEST_PX = 1344, 2048, 8
# The shifted corner costs each side one more rounding, of 2**-24 of the coordinate; an IoU is made of six sides.
IOU_NOISE = 6 * 2.0**-24 * LARGEST_PX / SMALLEST_PX


def any_boxes(draws, count, crowd_px):
    """(N, 4) float32 somewhere on the canvas or over its border, near copies among them, no side shorter than SMALLEST_PX."""
    centre, side = draws.uniform(0, crowd_px, (count, 2)), draws.uniform(2 * SMALLEST_PX, crowd_px / 2, (count, 2))
    copied = draws.integers(0, count, count)
    centre = np.where(draws.random((count, 1)) < 0.5, centre, centre[copied] + 0.1 * side)
    side = np.where(draws.random((count, 1)) < 0.5, side, side[copied] * draws.uniform(0.8, 1.2, (count, 2)))
    corner = np.tile(draws.uniform(0, max(CANVAS_PX - crowd_px, 1), 2), 2)
    return (corner + np.hstack([centre - side / 2, centre + side / 2])).astype(F)


def decisions(boxes_xyxy, scores, rows, iou_threshold):
    """For each box, best first, as far as the kept ones go: (largest float64 IoU with a better kept box, was it kept)."""
    boxes, kept = boxes_xyxy.astype(np.float64), set(rows)
    order = np.argsort(-scores, kind="stable")
    last = max(np.flatnonzero(np.isin(order, rows)))
    for place, row in enumerate(order[: last + 1]):
        better = boxes[[other for other in order[:place] if other in kept]]
        worst = definitions.ious_with(boxes[row], better).max(initial=0.0) if len(better) else 0.0
        yield worst, row in kept


def test_nms_of_any_boxes_decides_as_the_definition_unless_the_iou_is_on_the_limit():
    """Every single decision of ONNX Runtime is judged with exact IoUs; equality is asked where no decision is close."""
    equal, judged, close = 0, 0, 0
    for seed in range(120):
        draws = np.random.default_rng([seed, 1344])
        count = int(draws.integers(2, 120))
        boxes = any_boxes(draws, count, float(draws.choice([60, 200, 600])))
        scores = definitions.scores_of("distinct", draws, count)
        rows, closest = definitions.nms_by_rows(boxes, scores, 0.7, 300)
        got = host_nms(boxes, scores, 0.7, 300)
        np.testing.assert_array_equal(torch_nms(boxes, scores, 0.7, 300), definitions.padded(boxes, rows, 300))
        rank = {score: row for row, score in enumerate(scores.tolist())}
        found = [rank[score] for score in got[1][0].tolist() if score]
        for worst, kept in decisions(boxes, scores, found, 0.7):
            assert worst <= 0.7 + IOU_NOISE if kept else worst > 0.7 - IOU_NOISE
            judged, close = judged + 1, close + (abs(worst - 0.7) <= IOU_NOISE)
        if closest > IOU_NOISE:
            assert found == rows
            equal += 1
    assert judged > 4000
    assert close <= judged // 200, "were many decisions close, the runs would say little"
    assert equal >= 110


def test_nms_of_six_thousand_proposals_decides_as_the_definition():
    """As the port asks: 6,000 candidates on the canvas, 300 kept; distinct scores."""
    draws = np.random.default_rng(6000)
    boxes, scores = any_boxes(draws, 6000, 1300.0), definitions.scores_of("distinct", draws, 6000)
    rows, closest = definitions.nms_by_rows(boxes, scores, 0.7, 300)
    assert closest > IOU_NOISE, "take another seed: here a last digit decides"
    np.testing.assert_array_equal(host_nms(boxes, scores, 0.7, 300)[0][0], boxes[rows])


def test_a_score_of_zero_is_proposed_as_any_other():
    boxes = np.array([(0, 0, 9, 9), (20, 20, 29, 29), (40, 40, 49, 49)], F)
    got = host_nms(boxes, np.array([0.0, 0.5, 0.0], F), 0.7, 3)
    assert got[0][0].tolist() == boxes[[1, 0, 2]].tolist()
    assert got[3].tolist() == [3]


def test_a_threshold_that_would_drop_proposals_has_no_definition():
    with pytest.raises(TwinError, match=r"score_threshold is 0\.25, but should be 0"):
        nms_model(0.7, 3, 0.25)


@pytest.mark.parametrize("box", [(50, 0, 20, 30), (0, 50, 30, 20), (50, 50, 20, 20), (5, 5, 4, 9), (7, 7, 7, 7)])
def test_an_inverted_or_empty_box_is_kept_and_suppresses_nothing_it_does_not_cover(box):
    """ONNX's NonMaxSuppression alone would swap the corners of an inverted box, and let it suppress what lies there."""
    boxes = np.array([box, (20, 0, 50, 30), (0, 20, 30, 50), (20, 20, 50, 50), box], F)
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5], F)
    rows = definitions.nms(boxes, scores, 0.7, 5)
    assert rows[:4] == [0, 1, 2, 3]
    np.testing.assert_array_equal(host_nms(boxes, scores, 0.7, 5)[0][0], definitions.padded(boxes, rows, 5))


def test_a_second_engine_reads_the_nms_the_same_way():
    draws = np.random.default_rng(10)
    boxes, scores = definitions.eighths(draws, 200, 60), definitions.scores_of("distinct", draws, 200)
    given = {"boxes": boxes[None, :, None], "scores": scores[None, :, None]}
    other = ReferenceEvaluator(nms_model(0.7, 50)).run(None, given)
    for got, want in zip(other, host_nms(boxes, scores, 0.7, 50), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("value", [0.7, 0.3, 0.0, 1.0, 1 / 3, 0.001, 1.1754944e-38, 3.4e-9])
def test_a_threshold_survives_being_written_down(value):
    function = nms_function(0.0, float(F(value)), 1, 1)
    constant = next(node for node in function.node if "iou_threshold" in node.output)
    assert numpy_helper.to_array(constant.attribute[0].t).tolist() == [F(value)]


# -- the twin --------------------------------------------------------------------------------------------------------


@pytest.fixture
def twin(tiny_exported, tmp_path):
    path = tmp_path / "twin.onnx"
    twin_from_vendor(path, tiny_exported)
    return path


def test_the_twin_differs_by_three_domains_two_functions_and_one_import(tiny_exported, twin):
    vendor, host = onnx.load(tiny_exported), onnx.load(twin)
    moved = 0
    for left, right in zip(vendor.graph.node, host.graph.node, strict=True):
        if left.op_type in (spec.NMS_OPERATOR, spec.POOL_OPERATOR):
            assert (left.domain, right.domain) == ("", HOST_DOMAIN)
            right.ClearField("domain")
            moved += 1
        assert left == right, left.name
    assert moved == 3
    assert sorted(function.name for function in host.functions) == [spec.NMS_OPERATOR, spec.POOL_OPERATOR]
    assert {function.domain for function in host.functions} == {HOST_DOMAIN}
    del host.functions[:]
    imports = {(entry.domain, entry.version) for entry in host.opset_import}
    assert imports == {("", spec.OPSET), (HOST_DOMAIN, 1)}
    del host.opset_import[1:]
    assert host.SerializeToString(deterministic=True) == vendor.SerializeToString(deterministic=True)


def test_the_source_file_is_untouched(tiny_exported, tmp_path):
    before, stamp = tiny_exported.read_bytes(), tiny_exported.stat().st_mtime_ns
    twin_from_vendor(tmp_path / "twin.onnx", tiny_exported)
    assert (tiny_exported.read_bytes(), tiny_exported.stat().st_mtime_ns) == (before, stamp)


def test_the_twin_checks_out_and_runs_where_the_vendor_s_graph_does_not(tiny_exported, twin):
    model = onnx.load(twin)
    onnx.checker.check_model(model, full_check=True)
    model.ir_version = 8  # the exporter writes 6; only from 8 on does the checker look into functions
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(twin), options, providers=["CPUExecutionProvider"])
    with pytest.raises(Exception, match=spec.NMS_OPERATOR):
        onnxruntime.InferenceSession(str(tiny_exported), options, providers=["CPUExecutionProvider"])


def vendor_model(*nodes):
    values = [helper.make_tensor_value_info("x", FLOAT, None)]
    for number, node in enumerate(nodes := [type(node).FromString(node.SerializeToString()) for node in nodes]):
        node.output[0] = f"y{number}"
    return helper.make_model(helper.make_graph(list(nodes), "vendor", values, values))


def node_of(operator, **changed):
    numbers = {
        spec.NMS_OPERATOR: {"score_threshold": 0.0, "iou_threshold": 0.7, "max_size_per_class": 9, "max_total_size": 9},
        spec.POOL_OPERATOR: {**POOL_NUMBERS, "output_dim": 2},
    }[operator] | changed
    return helper.make_node(operator, ["x"], ["y"], "one", **{k: v for k, v in numbers.items() if v is not None})


NMS, POOL = node_of(spec.NMS_OPERATOR), node_of(spec.POOL_OPERATOR)


def test_pools_that_differ_in_depth_alone_share_a_definition():
    other = node_of(spec.POOL_OPERATOR, output_dim=84)
    assert [function.name for function in host_functions(vendor_model(NMS, POOL, other))] == [NMS.op_type, POOL.op_type]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([], "has 0 kinds of BatchMultiClassNMS nodes, but should have one"),
        ([NMS], "has 0 kinds of PSROIPooling nodes, but should have one"),
        ([POOL], "has 0 kinds of BatchMultiClassNMS nodes"),
        (
            [NMS, POOL, node_of(spec.POOL_OPERATOR, spatial_scale=0.125)],
            r"has 2 kinds of PSROIPooling nodes.*0\.0625.*0\.125.*one set of numbers; export the port again",
        ),
        ([NMS, node_of(spec.NMS_OPERATOR, iou_threshold=0.5), POOL], "has 2 kinds of BatchMultiClassNMS"),
        (
            [node_of(spec.NMS_OPERATOR, max_size_per_class=3), POOL],
            "max_size_per_class is 3, but should be max_total_size, 9: one class",
        ),
        ([NMS, node_of(spec.POOL_OPERATOR, pooled_width=14)], "pooled size is 7 x 14, but should be group_size 7"),
        (
            [NMS, node_of(spec.POOL_OPERATOR, spatial_scale=None)],
            r"PSROIPooling node one has the attributes \['group_size'.*but should have .*'spatial_scale'",
        ),
        ([node_of(spec.NMS_OPERATOR, image_size=3), POOL], r"BatchMultiClassNMS node one has .*'image_size'"),
    ],
)
def test_a_graph_that_no_one_definition_fits_is_refused(nodes, message, tmp_path):
    onnx.save(vendor_model(*nodes), tmp_path / "vendor.onnx")
    with pytest.raises(TwinError, match=message):
        twin_from_vendor(tmp_path / "twin.onnx", tmp_path / "vendor.onnx")
    assert not (tmp_path / "twin.onnx").exists()


def test_a_twin_has_no_twin(twin, tmp_path):
    with pytest.raises(TwinError, match="has 0 kinds"):
        twin_from_vendor(tmp_path / "again.onnx", twin)
