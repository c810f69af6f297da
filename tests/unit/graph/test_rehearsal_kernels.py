"""The kernels rehearsed are their slow definitions; each effect has an input where it changes the result."""

from functools import cache, partial
from typing import get_args

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from onnx import helper, parser

from rfcn_lib import spec
from rfcn_lib.graph.host_definitions import HOST_DOMAIN
from rfcn_lib.graph.rehearsal.facts import Standing
from rfcn_lib.graph.rehearsal.kernels import (
    NMS_EFFECTS,
    POOL_EFFECTS,
    KernelError,
    Kernels,
    chip_functions,
    in_fp16,
    statements,
)
from rfcn_lib.graph.twin import host_functions
from rfcn_lib.graph.vendor_facts import NMS_CANDIDATES, Family
from tests.support import definitions, kernel_definitions
from tests.support.definitions import F

FLOAT, INT32 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
FAMILIES = get_args(Family)
CORNER = {"310": "up", "310B": "up", "310P": "even", "910": "even", "910B": "even"}
GRID_CHIPS = ("310", "310P")
OFF = Kernels(nms=False, pool=False, fp16=False)
LEVELS = {
    "default": onnxruntime.SessionOptions().graph_optimization_level,
    "off": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
}


def vendor_model(kept, iou_threshold=0.7, score_threshold=0.0):
    """A graph with one node of each vendor operator; only their attributes count."""
    numbers = {"score_threshold": score_threshold, "iou_threshold": iou_threshold}
    numbers |= {"max_size_per_class": kept, "max_total_size": kept}
    pooling = {"pooled_height": 7, "pooled_width": 7, "spatial_scale": 1 / 16, "group_size": 7, "output_dim": 2}
    nodes = [
        helper.make_node(spec.NMS_OPERATOR, ["x"], ["y"], **numbers),
        helper.make_node(spec.POOL_OPERATOR, ["x"], ["z"], **pooling),
    ]
    values = [helper.make_tensor_value_info("x", FLOAT, None)]
    return helper.make_model(helper.make_graph(nodes, "vendor", values, values))


def runnable(function, attributes, inputs, outputs):
    """A session's model: one node with the function. From IR version 8 on the checker looks into functions."""
    names = [[name for name, *_ in values] for values in (inputs, outputs)]
    node = helper.make_node(function.name, *names, domain=function.domain, **attributes)
    infos = [[helper.make_tensor_value_info(*value) for value in values] for values in (inputs, outputs)]
    imports = [helper.make_opsetid("", spec.OPSET), helper.make_opsetid(function.domain, 1)]
    graph = helper.make_graph([node], "one", *infos)
    model = helper.make_model(graph, functions=[function], opset_imports=imports, ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def opened(model, level="default"):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = LEVELS[level]
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


@cache
def nms_session(chip, kernels, kept, iou_threshold=0.7, level="default"):
    vendor = vendor_model(kept, iou_threshold)
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in vendor.graph.node[0].attribute}
    inputs = [("boxes", FLOAT, [1, "count", 1, 4]), ("scores", FLOAT, [1, "count", 1])]
    outputs = [("nmsed_boxes", FLOAT, [1, kept, 4]), ("nmsed_scores", FLOAT, [1, kept])]
    outputs += [("nmsed_classes", FLOAT, [1, kept]), ("nmsed_num", INT32, [1])]
    return opened(runnable(chip_functions(vendor, chip, kernels)[0], attributes, inputs, outputs), level)


@cache
def pool_session(chip, kernels, level="default"):
    vendor = vendor_model(9)
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in vendor.graph.node[1].attribute}
    inputs = [("maps", FLOAT, [1, "depth", "height", "width"]), ("rois", FLOAT, [1, 5, "count"])]
    outputs = [("pooled", FLOAT, ["count", "classes", 7, 7])]
    return opened(runnable(chip_functions(vendor, chip, kernels)[1], attributes, inputs, outputs), level)


def nms(boxes, scores, chip, kernels, kept=300, level="default"):
    """The boxes and scores kept; what is behind them must be zeros."""
    fed = {"boxes": boxes[None, :, None], "scores": scores[None, :, None]}
    found, found_scores, classes, count = nms_session(chip, kernels, kept, level=level).run(None, fed)
    assert not classes.any() and not found[0, count[0] :].any() and not found_scores[0, count[0] :].any()
    return found[0, : count[0]], found_scores[0, : count[0]]


def pool(maps, rois, chip, kernels, level="default"):
    return pool_session(chip, kernels, level).run(None, {"maps": maps, "rois": rois})[0]


def slow_nms(boxes, scores, chip, kernels, kept=300):
    known = set(kernels.nms_effects) if kernels.nms else set()
    if chip not in GRID_CHIPS:
        known -= {"grid", "cut"}
    return kernel_definitions.nms(
        boxes, scores, 0.7, kept, effects=known, fp16=kernels.fp16, last_first=kernels.ties == "last",
        most=NMS_CANDIDATES.get(chip),
    )  # fmt: skip


def slow_pool(maps, rois, classes, chip, kernels):
    effects = kernels.pool_effects if kernels.pool else ()
    corner = definitions.c_round
    if "corners" in effects:
        half_up = partial(kernel_definitions.half_up, fp16=kernels.fp16)
        corner = {"up": half_up, "even": kernel_definitions.half_to_even}[CORNER[chip]]
    bins = kernels.fp16 and "bins" in effects
    return kernel_definitions.pool(maps, rois, classes, corner, fp16=kernels.fp16, bins=bins)


def same(got, want):
    for left, right in zip(got, want[:2], strict=True):
        np.testing.assert_array_equal(left, right)


def alone(effect):
    """Only this effect of a kernel."""
    if effect in NMS_EFFECTS:
        return Kernels(pool=False, fp16=False, nms_effects=(effect,))
    return Kernels(nms=False, fp16=False, pool_effects=(effect,))


def subsets(effects):
    return st.sets(st.sampled_from(effects)).map(lambda chosen: tuple(name for name in effects if name in chosen))


any_kernels = st.builds(
    Kernels, nms=st.booleans(), pool=st.booleans(), fp16=st.booleans(), ties=st.sampled_from(["first", "last"]),
    nms_effects=subsets(NMS_EFFECTS), pool_effects=subsets(POOL_EFFECTS),
)  # fmt: skip
any_chip = st.sampled_from(FAMILIES)
seeds = st.integers(0, 2**32 - 1)
# An IoU is made of six sides of 8 px or more, each a sum of numbers below 2048 px with an error of 2**-24 of them.
IOU_NOISE = 6 * 2.0**-24 * 2048 / 8


# -- the functions as a pair -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("chip", FAMILIES)
def test_with_all_effects_off_the_functions_are_the_host_definitions(chip):
    model = vendor_model(300)
    assert chip_functions(model, chip, OFF) == host_functions(model)
    assert chip_functions(model, chip, Kernels(fp16=False, nms_effects=(), pool_effects=())) == host_functions(model)


@pytest.mark.parametrize("chip", FAMILIES)
def test_the_functions_have_the_host_domain_and_the_operators_names(chip):
    functions = chip_functions(vendor_model(300), chip, Kernels())
    assert [(f.domain, f.name) for f in functions] == [
        (HOST_DOMAIN, spec.NMS_OPERATOR),
        (HOST_DOMAIN, spec.POOL_OPERATOR),
    ]


@pytest.mark.parametrize("call", [chip_functions, lambda _, chip, kernels: statements(chip, kernels)])
@pytest.mark.parametrize(
    ("chip", "kernels", "message"),
    [
        ("950", Kernels(), r"the chip is '950', but should be one of 310.* knows no facts"),
        ("310", Kernels(ties="middle"), "the order of ties is 'middle', but should be one of first, last"),
        ("310", Kernels(nms_effects=("plus_two",)), r"the NMS effects \['plus_two'\] are unknown"),
        ("310", Kernels(nms_effects=("bins",)), r"the NMS effects \['bins'\] are unknown"),
        ("310", Kernels(pool_effects=("cut",)), r"the pooling effects \['cut'\] are unknown"),
    ],
)
def test_an_unknown_chip_or_switch_is_an_error(call, chip, kernels, message):
    with pytest.raises(KernelError, match=message):
        call(vendor_model(9), chip, kernels)


# -- suppression -----------------------------------------------------------------------------------------------------


@given(seeds, any_chip, any_kernels, st.sampled_from(definitions.SCORE_KINDS))
def test_nms_is_its_slow_definition(seed, chip, kernels, kind):
    """Corners in eighths below 350 px: areas and their sums are exact, except those of the grid."""
    draws = np.random.default_rng(seed)
    count = int(draws.integers(1, 90))
    boxes, scores = definitions.eighths(draws, count, 60), definitions.scores_of(kind, draws, count)
    want = slow_nms(boxes, scores, chip, kernels)
    assume("grid" not in kernels.nms_effects or want[2] > IOU_NOISE)
    same(nms(boxes, scores, chip, kernels), want)


def proposals(draws, count, crowd_px=1300.0):
    """(N, 4) float32 somewhere on a canvas of 1344 px, no side shorter than 16 px; scores of a softmax near 0 and near 1."""
    centre, side = draws.uniform(0, crowd_px, (count, 2)), draws.uniform(16, crowd_px / 2, (count, 2))
    copied = draws.integers(0, count, count)
    centre = np.where(draws.random((count, 1)) < 0.5, centre, centre[copied] + 0.05 * side)
    side = np.where(draws.random((count, 1)) < 0.5, side, side[copied] * draws.uniform(0.9, 1.1, (count, 2)))
    boxes = np.hstack([centre - side / 2, centre + side / 2]).clip(0, 1343).astype(F)
    return boxes, (1 / (1 + np.exp(-draws.normal(0, 8, count)))).astype(F)


@pytest.mark.parametrize("ties", ["first", "last"])
@pytest.mark.parametrize("chip", FAMILIES)
def test_nms_of_proposals_on_the_canvas_is_its_slow_definition(chip, ties):
    """Any float32 corners and scores; equality is asked unless a last digit of an IoU may decide."""
    equal = 0
    for seed in range(25):
        draws = np.random.default_rng([seed, 1344])
        boxes, scores = proposals(draws, int(draws.integers(2, 150)), float(draws.choice([100, 300, 900])))
        want = slow_nms(boxes, scores, chip, Kernels(ties=ties))
        if want[2] > IOU_NOISE:
            same(nms(boxes, scores, chip, Kernels(ties=ties)), want)
            equal += 1
    assert equal >= 15


@pytest.mark.parametrize("chip", ["310", "310P", "910B"])
def test_nms_of_six_thousand_proposals_is_its_slow_definition(chip):
    boxes, scores = proposals(np.random.default_rng(7), 6000)
    want = slow_nms(boxes, scores, chip, Kernels())
    assert want[2] > 1e-7 and len(want[0]) == 300
    got = nms(boxes, scores, chip, Kernels())
    assert {tuple(box) for box in got[0].tolist()} == {tuple(box) for box in want[0].tolist()}


def test_without_plus_one_two_boxes_overlap_less():
    """70 of 100 pixels is not above 0.7; with "+1" it is 88 of 121."""
    boxes, scores = np.array([(0, 0, 10, 10), (0, 0, 10, 7)], F), np.array([0.9, 0.8], F)
    assert len(nms(boxes, scores, "310", OFF)[0]) == 1
    assert len(nms(boxes, scores, "310", alone("plus_one"))[0]) == 2


@pytest.mark.parametrize("chip", FAMILIES)
def test_the_cut_hides_what_lies_behind_the_best_candidates(chip):
    """Many copies of one box, then another box with a lower score: it is proposed if it is among the kernel's candidates."""
    for copies in (3967, 3968, 4079, 4080, 6000):
        boxes = np.array([(300, 300, 400, 400)] + [(0, 0, 100, 100)] * copies, F)
        scores = np.array([0.1] + [0.9] * copies, F)
        assert len(nms(boxes, scores, chip, OFF)[0]) == 2
        seen = {"310": copies < 3968, "310P": copies < 4080}.get(chip, True)
        assert len(nms(boxes, scores, chip, alone("cut"))[0]) == 1 + seen, copies


@pytest.mark.parametrize("chip", FAMILIES)
def test_the_grid_moves_coordinates(chip):
    """0.0999755859375 * 1003 = 100.2755; the nearest fp16 is 100.25. 129.668 becomes 129.625, and 1296.25 becomes 1296."""
    boxes = np.array([(1003, 700, 1104, 1297)], F)
    found, _ = nms(boxes, np.array([0.5], F), chip, alone("grid"))
    want = [1002.5, 700, 1104, 1296] if chip in GRID_CHIPS else [1003, 700, 1104, 1297]
    assert found[0].tolist() == want


def test_the_one_taken_from_an_end_and_added_again_leaves_a_rounding():
    """0.0999755859375 - 1 in fp16 is -0.89990234375, so x2 comes back as 0.10009765625; x1 comes back as it was."""
    found, _ = nms(np.array([(2, 0, 1, 1)], F), np.array([0.5], F), "310", alone("grid"))
    assert found[0].tolist() == [2.0, 0.0, 1.0009765625, 1.0009765625]


def test_the_grid_turns_two_boxes_into_one():
    boxes, scores = np.array([(1000, 1000, 1002, 1002), (1000.3, 1000, 1002.7, 1002)], F), np.array([0.9, 0.8], F)
    kept = [
        len(nms(boxes, scores, "310P", Kernels(fp16=False, nms_effects=effects))[0])
        for effects in (("plus_one",), ("plus_one", "grid"))
    ]
    assert kept == [2, 1]


def test_only_a_score_above_the_threshold_is_kept():
    boxes, scores = np.array([(0, 0, 9, 9), (20, 0, 29, 9), (40, 0, 49, 9)], F), np.array([0.0, 0.5, 2.0**-26], F)
    assert nms(boxes, scores, "910", OFF)[1].tolist() == [0.5, 2.0**-26, 0.0]
    assert nms(boxes, scores, "910", alone("strict"))[1].tolist() == [0.5, 2.0**-26]
    assert nms(boxes, scores, "910", Kernels(nms_effects=("strict",)))[1].tolist() == [0.5], "2**-26 is 0 in fp16"


def test_scores_that_are_equal_in_fp16_come_in_the_order_of_ties():
    """0.9991 and 0.9992 are one fp16, so the lower of them may come first."""
    boxes, scores = np.array([(0, 0, 9, 9), (20, 0, 29, 9), (40, 0, 49, 9)], F), np.array([0.9991, 0.9992, 0.5], F)

    def order(**switches):
        return nms(boxes, scores, "910B", Kernels(nms=False, pool=False, **switches))[0][:, 0].tolist()

    assert order(fp16=False) == order(fp16=False, ties="last") == [20, 0, 40]
    assert order() == [0, 20, 40]
    assert order(ties="last") == [20, 0, 40]


@pytest.mark.parametrize("chip", FAMILIES)
def test_a_box_without_area_is_kept_and_suppresses_nothing(chip):
    boxes = np.array([(20, 20, 20, 40), (20, 20, 20, 40), (20, 10, 40, 60), (50, 10, 30, 60)], F)
    scores = np.array([0.9, 0.8, 0.7, 0.6], F)
    assert nms(boxes, scores, chip, Kernels(nms_effects=("plus_one", "strict")))[0].tolist() == boxes.tolist()


# -- pooling ---------------------------------------------------------------------------------------------------------


def whole_maps(draws, width, height, classes=2):
    """Whole numbers: their sums are exact in float32 in any order, and each is an fp16."""
    return draws.integers(-60, 61, (1, classes * 49, height, width)).astype(F)


@given(seeds, any_chip, any_kernels, st.integers(1, 24), st.integers(1, 24))
def test_pooling_is_its_slow_definition(seed, chip, kernels, width, height):
    draws = np.random.default_rng(seed)
    maps, rois = whole_maps(draws, width, height), definitions.awkward_rois(draws, 3, (16 * width, 16 * height))
    np.testing.assert_array_equal(pool(maps, rois, chip, kernels), slow_pool(maps, rois, 2, chip, kernels))


@pytest.mark.parametrize("chip", FAMILIES)
def test_pooling_on_the_published_map_is_its_slow_definition(chip):
    """84 x 84 cells; rois as an fp16 proposal has them, also above 1024 px."""
    draws = np.random.default_rng(84)
    maps, rois = whole_maps(draws, 84, 84, 1), definitions.awkward_rois(draws, 20, (1344, 1344))
    np.testing.assert_array_equal(pool(maps, rois, chip, Kernels()), slow_pool(maps, rois, 1, chip, Kernels()))


@pytest.mark.parametrize(
    ("corner_px", "away", "up", "even"),
    [
        (15.5, 16, 16, 16),
        (31.5, 32, 32, 32),
        (30.5, 31, 31, 30),
        (16.5, 17, 17, 16),
        (-0.5, -1, 0, 0),
        (-16.5, -17, -16, -16),
    ],
)
def test_a_corner_on_a_half_is_rounded_as_the_chip_rounds(corner_px, away, up, even):
    """A roi's corners on halves are pooled as the same roi with whole corners."""
    maps = np.random.default_rng(3).integers(-60, 61, (1, 49, 40, 40)).astype(F)

    def at(px, chip, kernels):
        return pool(maps, np.array([0, px, 3, 333, 400], F).reshape(1, 5, 1), chip, kernels).tolist()

    corners = Kernels(nms=False, fp16=False, pool_effects=("corners",))
    assert at(corner_px, "310", OFF) == at(away, "310", OFF)
    for chip, rounding in CORNER.items():
        whole = {"up": up, "even": even}[rounding]
        assert at(corner_px, chip, corners) == at(whole, "310", OFF), chip


def test_half_up_in_fp16_moves_an_odd_corner_above_1024_by_a_pixel():
    """1055 + 0.5 is 1056 in fp16. An even corner stays; half to even moves none."""
    maps = np.random.default_rng(3).integers(-60, 61, (1, 49, 84, 84)).astype(F)

    def at(px, chip, kernels):
        return pool(maps, np.array([0, px, 3, 1303, 400], F).reshape(1, 5, 1), chip, kernels).tolist()

    corners, plain = Kernels(nms=False, pool_effects=("corners",)), Kernels(nms=False, pool=False)
    pooled = [at(px, "310", corners) for px in (1054, 1055, 1056)]
    assert pooled[0] != pooled[1] == pooled[2]
    for chip in ("310P", "910", "910B"):
        assert [at(px, chip, corners) for px in (1054, 1055)] == [at(px, chip, plain) for px in (1054, 1055)]


def test_bins_in_fp16_may_cover_other_cells():
    """A roi from 227 to 484 px: its sixth bin ends behind cell 28 in float32, behind cell 27 in fp16."""
    maps = np.broadcast_to(np.arange(40, dtype=F), (1, 49, 40, 40)).copy()
    roi = np.array([0, 227, 0, 484, 90], F).reshape(1, 5, 1)
    columns = [
        pool(maps, roi, "310P", Kernels(nms=False, pool_effects=effects))[0, 0, 0].tolist()
        for effects in (("corners",), ("corners", "bins"))
    ]
    assert [column[5] for column in columns] == [26.5, 26.0]
    assert columns[0][:5] + columns[0][6:] == columns[1][:5] + columns[1][6:]


def test_rois_and_maps_and_outputs_are_fp16_alone():
    """600.3 px becomes 600.5, which rounds up to 601; 0.1 and its mean are the fp16 nearest to 0.1."""
    maps, fp16 = np.full((1, 49, 50, 50), 0.1, F), Kernels(nms=False, pool=False)
    roi = np.array([0, 600.3, 600.3, 700, 700], F).reshape(1, 5, 1)
    assert set(pool(maps, roi, "910", fp16).ravel().tolist()) == {0.0999755859375}
    maps = np.random.default_rng(3).integers(-60, 61, (1, 49, 50, 50)).astype(F)
    whole = np.array([0, 601, 601, 700, 700], F).reshape(1, 5, 1)
    np.testing.assert_array_equal(
        pool(maps, roi, "910", fp16), kernel_definitions.to_fp16(pool(maps, whole, "910", OFF))
    )


def test_what_is_too_large_or_too_small_for_fp16_is_infinite_or_zero():
    """Infinite is what covers such a cell: not the roi beside it."""
    maps = np.full((1, 49, 9, 9), 1.0, F)
    maps[0, 0], maps[0, 1], maps[0, 2], maps[0, 3, 0, 3], maps[0, 4, 0, 8] = 7e4, 2.0**-26, 2.0**-24, -np.inf, 7e4
    roi = np.array([0, 0, 0, 7 * 16 - 1, 7 * 16 - 1], F).reshape(1, 5, 1)
    for kernels in (Kernels(), Kernels(pool=False)):
        got = pool(maps, roi, "310P", kernels)[0, 0, 0, :6].tolist()
        assert got == [np.inf, 0.0, 2.0**-24, -np.inf, 1.0, 1.0]


def test_a_sum_of_cells_that_is_too_large_for_fp16_is_infinite():
    """Two cells of 60,000: the kernel adds them before it divides."""
    maps, roi = np.full((1, 49, 9, 18), 6e4, F), np.array([0, 0, 0, 14 * 16 - 1, 7 * 16 - 1], F).reshape(1, 5, 1)
    assert np.isinf(pool(maps, roi, "310P", Kernels())).all()
    assert (pool(maps, roi, "310P", Kernels(pool=False)) == 6e4).all()


# -- the roundings stay ----------------------------------------------------------------------------------------------


def sixteen(text):
    """A function of one value with every intermediate value rounded."""
    head = f'<domain: "{HOST_DOMAIN}", opset_import: ["" : {spec.OPSET}]> chain (x) => (z) {{ {text} }}'
    return in_fp16(parser.parse_function(head), {"a", "b", "z"})


@pytest.mark.parametrize("level", LEVELS)
@given(seed=seeds)
def test_no_optimisation_removes_a_rounding(level, seed):
    """Chains of operators, and two roundings in a row, against numpy's float16; also subnormal and too large numbers."""
    values = (np.random.default_rng(seed).normal(size=200) * 10.0 ** np.linspace(-9, 5, 200)).astype(F)
    function = sixteen("a = Identity (x)\n b = Add (a, x)\n z = Mul (b, a)")
    model = runnable(function, {}, [("x", FLOAT, ["count"])], [("z", FLOAT, ["count"])])
    got = opened(model, level).run(None, {"x": values})[0]
    half = kernel_definitions.to_fp16
    a = half(values)
    np.testing.assert_array_equal(got, half(half(a + values) * a))


def test_a_value_that_the_function_does_not_compute_cannot_be_rounded():
    function = host_functions(vendor_model(9))[0]
    before = function.SerializeToString()
    with pytest.raises(ValueError, match="should compute y3, but no node does"):
        in_fp16(function, {"covered", "y3"})
    assert function.SerializeToString() == before


@pytest.mark.parametrize("chip", FAMILIES)
def test_the_kernels_are_the_same_at_every_level_of_optimisation(chip):
    draws = np.random.default_rng(5)
    boxes, scores = proposals(draws, 500)
    maps, rois = draws.normal(size=(1, 98, 30, 40)).astype(F), definitions.awkward_rois(draws, 5, (640, 480))
    first = nms(boxes, scores, chip, Kernels()), pool(maps, rois, chip, Kernels())
    for level in LEVELS:
        same(nms(boxes, scores, chip, Kernels(), level=level), first[0])
        np.testing.assert_array_equal(pool(maps, rois, chip, Kernels(), level=level), first[1])


# -- statements ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chip", FAMILIES)
def test_every_effect_switched_on_is_stated_and_none_switched_off(chip):
    """One effect more says at least one sentence more; the sentence names the chip where the rule is the chip's."""
    ties_alone = statements(chip, OFF)
    assert len(ties_alone) == 1
    for effect in NMS_EFFECTS:
        assert len(statements(chip, alone(effect))) > 1, effect
    assert len(statements(chip, alone("corners"))) > 1
    assert len(statements(chip, Kernels(nms=False, pool=False))) > 1
    assert statements(chip, alone("bins")) == ties_alone, "in float32 the bins are the reference's"


@pytest.mark.parametrize("chip", FAMILIES)
def test_a_rule_that_the_facts_do_not_give_is_unverified(chip):
    for effect in ("cut", "grid"):
        unverified = [
            s for s in statements(chip, alone(effect)) if s.standing == "unverified" and "not known: not" in s.sentence
        ]
        assert bool(unverified) == (chip not in GRID_CHIPS)


@pytest.mark.parametrize("chip", FAMILIES)
def test_every_statement_has_a_source_and_a_standing(chip):
    said = statements(chip, Kernels())
    assert len(set(said)) == len(said)
    for statement in said:
        assert statement.sentence and statement.standing in get_args(Standing)
        assert statement.source.startswith(("CANN", "hicann/", "canndev"))
    assert {s.sentence.split(";")[0] for s in statements(chip, OFF)} == {"of equal scores the first row comes first"}
