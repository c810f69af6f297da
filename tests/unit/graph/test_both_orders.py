"""One graph with both orders of equal scores gives, bit for bit, what a graph of each order gives, and measures itself."""

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from rfcn_lib import spec
from rfcn_lib.devices import rehearsal
from rfcn_lib.graph.rehearsal.both_orders import OTHER, BothOrdersError, copy_what_follows_nms
from rfcn_lib.graph.rehearsal.measuring import BELOW, MEASURED
from rfcn_lib.graph.rehearsal.rehearsed import rehearsed_from_vendor
from rfcn_lib.records import Outputs
from tests.support import tiny
from tests.support.small_graphs import model_from, whole

PICTURES = [tiny.im_data_of(seed) for seed in (1, 2, 3)]


@pytest.fixture(scope="module", params=["Ascend310P3", "Ascend910A"])
def soc(request):
    return request.param


@pytest.fixture(scope="module")
def graphs(tiny_exported, tmp_path_factory, soc):
    """The graph of each order, of both, and of both with measures."""
    folder = tmp_path_factory.mktemp(soc)
    for ties in ("first", "last", "both"):
        rehearsed_from_vendor(folder / f"{ties}.onnx", tiny_exported, soc, ties=ties)
    rehearsed_from_vendor(folder / "measured.onnx", tiny_exported, soc, ties="both", measure=True)
    return folder


def of_one_order(path, im_data):
    return Outputs(*(array[0] for array in rehearsal.session(path).run(list(spec.OUTPUTS), {spec.INPUT: im_data})))


def same(got, want):
    return all(np.array_equal(getattr(got, name), getattr(want, name)) for name in spec.OUTPUTS)


@pytest.mark.parametrize("which", ["both", "measured"])
def test_either_half_is_the_graph_of_that_order(graphs, which):
    run, differ = rehearsal.load_model(graphs / f"{which}.onnx"), 0
    for im_data in PICTURES:
        found = run(im_data, tiny.picture_of())
        first, last = (of_one_order(graphs / f"{ties}.onnx", im_data) for ties in ("first", "last"))
        assert same(found, first)
        assert same(found.other, last)
        differ += not same(first, last)
    assert differ, "no picture has equal scores, so this test shows nothing"


def test_what_stands_before_nms_is_there_once(graphs):
    kinds = [[node.op_type for node in onnx.load(graphs / f"{name}.onnx").graph.node] for name in ("first", "both")]
    first, both = ({kind: found.count(kind) for kind in ("Conv", "TopK", "PSROIPooling", "Softmax")} for found in kinds)
    before, after = ("Conv", "TopK"), ("PSROIPooling",)
    assert {kind: both[kind] for kind in before} == {kind: first[kind] for kind in before}
    assert {kind: both[kind] for kind in after} == {kind: 2 * first[kind] for kind in after}


def before_rounding(path, im_data):
    """Name -> numbers of every tensor that the graph of one order rounds, fetched: the slow way."""
    model = onnx.load(path)
    names = [n.input[0] for n in model.graph.node if n.op_type == "Cast" and n.output[0].endswith("_fp16")]
    computed = [name for name in names if name != spec.INPUT]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in computed)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = dict(zip(computed, session.run(computed, {spec.INPUT: im_data}), strict=True))
    return {spec.INPUT: im_data, **{name.removesuffix("_float32"): numbers for name, numbers in found.items()}}


def test_every_rounded_tensor_is_measured_before_it_is_rounded(graphs):
    run = rehearsal.load_model(graphs / "measured.onnx")
    for im_data in PICTURES:
        measured = run(im_data, tiny.picture_of()).measured
        fetched = before_rounding(graphs / "first.onnx", im_data)
        read = {name for node in onnx.load(graphs / "first.onnx").graph.node for name in node.input}
        assert {name for name in measured if name.removeprefix(MEASURED) in read | {*spec.OUTPUTS}} == {
            f"{MEASURED}{name}" for name in fetched
        }
        for name, numbers in fetched.items():
            largest, least, *counts, size = measured[MEASURED + name]
            assert (largest, least, size) == (numbers.max(), numbers.min(), numbers.size), name
            assert counts == [(np.abs(numbers) < limit).sum() for limit in BELOW], name


@pytest.mark.parametrize("mode", ["must_keep_origin_dtype", "cube_fp16in_fp32out"])
def test_a_mode_that_rounds_not_everything_is_not_measured_and_has_both_orders(tiny_exported, tmp_path, mode):
    rehearsed_from_vendor(tmp_path / "g.onnx", tiny_exported, "Ascend910B1", mode, ties="both", measure=True)
    assert rehearsal.load_model(tmp_path / "g.onnx")(PICTURES[0], tiny.picture_of()).measured == {}


def test_an_output_that_nms_does_not_change_is_refused():
    model = ir.to_proto(whole())
    model.graph.output.append(onnx.helper.make_tensor_value_info("maps", onnx.TensorProto.FLOAT, [1, 98, 9, 9]))
    with pytest.raises(BothOrdersError, match="outputs maps should depend on the BatchMultiClassNMS"):
        copy_what_follows_nms(model)


def test_a_graph_inside_a_node_after_nms_is_refused():
    model = ir.to_proto(whole())
    inside = ir.to_proto(model_from("g (float[1] x) => (float[1] y) { y = Neg (x) }")).graph
    nms = next(node for node in model.graph.node if node.op_type == spec.NMS_OPERATOR)
    given = [nms.output[0]]
    model.graph.node.append(onnx.helper.make_node("If", given, ["chosen"], then_branch=inside, else_branch=inside))
    with pytest.raises(BothOrdersError, match="has a graph inside"):
        copy_what_follows_nms(model)


def test_the_copy_s_names_say_so(graphs):
    outputs = [output.name for output in onnx.load(graphs / "both.onnx").graph.output]
    assert outputs == [*spec.OUTPUTS, *(f"{name}{OTHER}" for name in spec.OUTPUTS)]
