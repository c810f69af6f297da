"""Graphs as other exporters write them are judged on a copy that computes the same, bit for bit, and what was done is said."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from rfcn_lib import spec
from rfcn_lib.devices import onnx_runtime
from rfcn_lib.graph.adapt import adapted_from_exported
from rfcn_lib.graph.export import onnx_from_network
from rfcn_lib.graph.fold import fold
from rfcn_lib.graph.inspect import dynamic_parts, rois_layout_faults
from rfcn_lib.graph.judged import face_faults, faults_for_a_run, graph_to_judge
from rfcn_lib.graph.legal import legal_copy, read_graph
from rfcn_lib.graph.preflight import preflight
from rfcn_lib.graph.twin import twin_from_vendor
from rfcn_lib.graph.values import GraphError
from tests.support import published, tiny
from tests.support.small_graphs import model_from

SIZES, UNDECLARED, INT32 = published.sizes_at_run_time, published.undeclared, published.int32_everywhere
TRAITS = [(), (SIZES,), (UNDECLARED,), (INT32,), (SIZES, UNDECLARED, INT32)]
FOLDED, SORTED, FILLS, CAST = (
    "nodes compute fixed sizes",
    "not in the order of computation",
    "hold 8 bytes",
    "int32 stands in",
)
NOTES = {
    (): [],
    (SIZES,): [FOLDED],
    (UNDECLARED,): [],
    (INT32,): [CAST, FOLDED],
    (SIZES, UNDECLARED, INT32): [SORTED, FILLS, CAST, FOLDED],
}


@pytest.fixture(scope="module")
def not_clipped(tmp_path_factory):
    """The tiny network's export as published, without a clip."""
    path = tmp_path_factory.mktemp("published") / "rfcn.onnx"
    onnx_from_network(path, tiny.network_of(), tiny.CANVAS_WH, "none")
    return path


@pytest.fixture(scope="module")
def outputs(not_clipped, tmp_path_factory):
    """What its twin gives for one picture."""
    return run(not_clipped, tmp_path_factory.mktemp("twin"))


def run(vendor, folder):
    twin_from_vendor(folder / "twin.onnx", vendor)
    return onnx_runtime.run(onnx_runtime.session(folder / "twin.onnx"), tiny.im_data_of(1), tiny.picture_of())


def equal(got, want):
    return all(np.array_equal(getattr(got, name), getattr(want, name)) for name in spec.OUTPUTS)


@pytest.mark.parametrize("traits", TRAITS, ids=lambda traits: "+".join(trait.__name__ for trait in traits) or "own")
def test_each_published_trait_is_judged_and_costs_no_bit(traits, not_clipped, outputs, tmp_path):
    path = published.changed(not_clipped, tmp_path / "given.onnx", *traits)
    found = graph_to_judge(path)

    assert len(found.notes) == len(NOTES[traits])
    assert all(words in note for words, note in zip(NOTES[traits], found.notes, strict=True))
    assert faults_for_a_run(path, tiny.PORT) == ()
    assert rois_layout_faults(found.model, tiny.PORT.proposals.kept) == ()
    assert [str(finding) for finding in preflight(found.model, "Ascend310") if finding.severity == "refused"] == []
    assert equal(run(path, tmp_path), outputs)
    adapted_from_exported(tmp_path / "adapted.onnx", path)
    assert equal(run(tmp_path / "adapted.onnx", tmp_path), outputs)
    onnx.save(ir.to_proto(found.model), tmp_path / "judged.onnx")
    assert equal(run(tmp_path / "judged.onnx", tmp_path), outputs)


def test_before_the_copy_the_same_graph_has_faults(not_clipped, tmp_path):
    """So that the test above is not of graphs that need nothing."""
    path = published.changed(not_clipped, tmp_path / "given.onnx", SIZES, UNDECLARED)
    model = ir.load(path)

    assert dynamic_parts(model)
    assert face_faults(model, tiny.PORT)
    assert rois_layout_faults(model, tiny.PORT.proposals.kept)
    with pytest.raises(onnx.checker.ValidationError):
        onnx.checker.check_model(published.changed(path, tmp_path / "int32.onnx", INT32), full_check=True)


def test_what_the_input_decides_is_not_folded():
    model = model_from(
        """g (float[N,3] x) => (float[M] y) <int64[1] one = {1}>
        { s = Shape (x)  kept = Abs (one)  size = Mul (s, kept)  y = Expand (x, size) }"""
    )
    assert fold(model) == {"Abs": 1}
    assert {node.op_type for node in model.graph} == {"Constant", "Shape", "Mul", "Expand"}


def test_what_is_drawn_is_not_folded():
    model = model_from("g (float[2] x) => (float[2] y) { n = RandomNormal <shape = [2]> () y = Add (x, n) }")
    assert fold(model) == {}


def test_a_graph_output_may_be_a_constant():
    model = model_from("g (float[2] x) => (int64[1] y, float[2] z) { y = Shape (x) z = Abs (x) }")

    assert fold(model) == {"Shape": 1}
    assert [output.name for output in model.graph.outputs] == ["y", "z"]
    assert onnx.checker.check_model(ir.to_proto(model), full_check=True) is None


def test_a_circle_is_said():
    nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Abs", ["a"], ["b"])]
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])  # noqa: E731
    graph = helper.make_graph(nodes, "g", [value("x")], [value("b")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])

    with pytest.raises(GraphError, match="circle"):
        legal_copy(ir.from_proto(model))


@pytest.mark.parametrize("damage", ["cut short", "text", "empty", "weights elsewhere", "gone"])
def test_a_file_that_is_no_whole_graph_is_a_sentence(damage, tiny_exported, tmp_path):
    path = tmp_path / "given.onnx"
    data = tiny_exported.read_bytes()
    if damage == "weights elsewhere":
        onnx.save(onnx.load(tiny_exported), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    elif damage != "gone":
        path.write_bytes({"cut short": data[: len(data) // 2], "text": b"hello", "empty": b""}[damage])
    with pytest.raises(GraphError, match=r"given\.onnx.*; (export|is it)"):
        read_graph(path)


def outputs_swapped(model):
    outputs = list(model.graph.output)
    del model.graph.output[:]
    model.graph.output.extend([outputs[1], outputs[0], outputs[2]])
    return model


def batch_symbolic(model):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    return model


def own_domain(model):
    for node in model.graph.node:
        if node.op_type in spec.VENDOR_ATTRIBUTES:
            node.domain = "custom"
    model.opset_import.append(helper.make_opsetid("custom", 1))
    return model


def with_im_info(model):
    model.graph.input.append(helper.make_tensor_value_info("im_info", TensorProto.FLOAT, [1, 3]))
    return model


def with_im_info_read(model):
    model = with_im_info(model)
    first = next(node for node in model.graph.node if "im_data" in node.input)
    first.input[list(first.input).index("im_data")] = "im_data_moved"
    nodes = [
        helper.make_node("ReduceSum", ["im_info"], ["moved_by"], keepdims=0),
        helper.make_node("Add", ["im_data", "moved_by"], ["im_data_moved"]),
    ]
    for node in reversed(nodes):
        model.graph.node.insert(0, node)
    return model


def other_attribute(model):
    node = next(node for node in model.graph.node if node.op_type == spec.NMS_OPERATOR)
    node.attribute.append(helper.make_attribute("clip_window", 1))
    return model


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (outputs_swapped, "the dumps are numbered by their order"),
        (batch_symbolic, "im_data float32 ['batch', 3, 80, 112], but should be im_data float32 [1, 3, 80, 112]"),
        (own_domain, "is in domain 'custom', but should be in the default one"),
        (with_im_info, "no node reads its input im_info"),
        (with_im_info_read, "im_info float32 [1, 3], but should be im_data"),
        (other_attribute, "has attribute clip_window"),
    ],
)
def test_a_graph_that_no_picture_can_go_through_is_told_why(change, fault, tiny_exported, tmp_path):
    assert faults_for_a_run(tiny_exported, tiny.PORT) == ()

    found = faults_for_a_run(published.changed(tiny_exported, tmp_path / "given.onnx", change), tiny.PORT)
    assert any(fault in words for words in found), found


def test_a_graph_of_another_network_is_told_so(tmp_path):
    weights = numpy_helper.from_array(np.ones((10, 3), np.float32), "w")
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)  # noqa: E731
    node = helper.make_node("Gemm", ["input", "w"], ["logits"], transB=1)
    graph = helper.make_graph([node], "g", [value("input", [1, 3])], [value("logits", [1, 10])], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    onnx.save(model, tmp_path / "given.onnx")

    found = faults_for_a_run(tmp_path / "given.onnx", tiny.PORT)
    assert any("is it a graph of the port 'tiny'?" in words for words in found)
    assert any("its nodes of the vendor are none" in words for words in found)
    other = tiny.PORT.model_copy(update={"classes": (*tiny.PORT.classes, "boat")})
    assert any("float32" in words for words in faults_for_a_run(tmp_path / "given.onnx", other))


def test_weights_that_are_listed_as_inputs_too_are_constants(not_clipped, outputs, tmp_path):
    """Exporters before IR 4 list every initialiser as an input. ATC asks for no such input."""
    model = onnx.load(not_clipped)
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    onnx.save(model, tmp_path / "listed.onnx")
    judged = graph_to_judge(tmp_path / "listed.onnx")

    assert face_faults(judged.model, tiny.port_of()) == ()
    assert [value.name for value in judged.model.graph.inputs] == [spec.INPUT]
    assert len(judged.notes) == 1
    assert f"{len(model.graph.initializer)} weights are listed as inputs too" in judged.notes[0]
    equal(run(tmp_path / "listed.onnx", tmp_path), outputs)
    adapted_from_exported(tmp_path / "adapted.onnx", tmp_path / "listed.onnx")
    equal(run(tmp_path / "adapted.onnx", tmp_path), outputs)
