"""Each fact of a graph, on a graph that has it and on one that has not."""

import onnx
import onnx_ir as ir
import pytest

from rfcn_lib import spec
from rfcn_lib.graph import inspect as facts
from rfcn_lib.graph.values import GraphError, constant_numbers, infer_types
from tests.support.small_graphs import model_from, whole


def test_the_whole_has_no_fault() -> None:
    model = whole()
    assert facts.inputs_and_outputs(model) == (
        (("im_data", "float32", (1, 8, 4)),),
        (("rois", "float32", (1, 5, 5)), ("pooled", "float32", (5, 2, 7, 7))),
    )
    assert facts.unread_inputs(model) == ()
    assert facts.dynamic_parts(model) == ()
    assert facts.foreign_operators(model) == {spec.NMS_OPERATOR, spec.POOL_OPERATOR}
    assert facts.opset_imports(model) == {"": spec.OPSET}
    assert [node.operator for node in facts.vendor_nodes(model)] == [spec.NMS_OPERATOR, spec.POOL_OPERATOR]
    assert [node.faults for node in facts.vendor_nodes(model)] == [(), ()]
    assert facts.vendor_nodes(model)[0].attributes["max_total_size"] == 5
    assert facts.rois_layout_faults(model, kept=5) == ()
    int64 = {name for name, value in infer_types(model).items() if value.dtype == ir.DataType.INT64}
    assert int64 == {"first", "k", "four", "order", "order_1d", "maps_shape"}


def test_looking_changes_nothing() -> None:
    model = whole()
    before = ir.to_proto(model).SerializeToString()
    test_the_whole_has_no_fault()
    for look in (
        facts.inputs_and_outputs,
        facts.unread_inputs,
        facts.dynamic_parts,
        facts.vendor_nodes,
    ):
        look(model)
    facts.rois_layout_faults(model, 5)
    assert ir.to_proto(model).SerializeToString() == before


def test_a_face_with_what_is_not_known() -> None:
    model = model_from("g (float[N, 3] x, int64[2] i, bool[1] b) => (double[M, 3] y) { y = Cast <to = 11> (x) }")
    model.graph.outputs[0].shape = ir.Shape([None, 3])
    assert facts.inputs_and_outputs(model) == (
        (("x", "float32", ("N", 3)), ("i", "int64", (2,)), ("b", "bool", (1,))),
        (("y", "float64", (None, 3)),),
    )


def test_inputs_nobody_reads() -> None:
    model = model_from(
        "g (float[1] im_data, float[3] im_info, float[2] kept) => (float[1] y, float[2] kept) { y = Relu (im_data) }"
    )
    assert facts.unread_inputs(model) == ("im_info",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("g (float[N] x) => (float[3] y) { y = Relu (x) }", "x has ('N',), but should have a fixed shape"),
        ("g (float[3] x) => (float[M] y) { y = Relu (x) }", "y has ('M',), but should have a fixed shape"),
        (
            "g (float[3] x) => (float[3] y) <float[Q] z> { z = Relu (x) y = Relu (z) }",
            "z has ('Q',), but should have a fixed shape",
        ),
        (
            "g (float[3] x) => (int64[1] y) { y = Shape (x) }",
            "Shape making y is a Shape, but every shape and branch should be decided at export",
        ),
        (
            "g (float[3] x) => (float[3] y) <bool c = {1}> { y = If (c) <then_branch = a () => (float[3] p) "
            "{ p = Relu (x) }, else_branch = b () => (float[3] q) { q = Abs (x) }> }",
            "If making y is a If, but every shape and branch should be decided at export",
        ),
        (
            "g (float[3] x) => (float[3] y) <int64 to = {3}, int64 by = {1}> { i = Cast <to = 7> (x) "
            "at = ReduceMin <keepdims = 0> (i) n = Range (at, to, by) f = Cast <to = 1> (n) y = Abs (f) }",
            "Range making n (Range) reads a computed size or place, input 0, but should read a constant",
        ),
    ],
)
def test_what_would_keep_a_shape_open(text: str, found: str) -> None:
    assert facts.dynamic_parts(model_from(text)) == (found,)


def test_a_branch_is_looked_into() -> None:
    model = model_from(
        "g (float[3] x) => (float[3] y) <bool c = {1}> { y = If (c) <then_branch = a () => (float[3] p) "
        "{ n = NonZero (x) m = Cast <to = 1> (n) p = Abs (x) }, else_branch = b () => (float[3] q) { q = Abs (x) }> }"
    )
    assert any(fault.startswith("NonZero making n is a NonZero") for fault in facts.dynamic_parts(model))


def test_a_size_put_together_from_constants_is_fixed() -> None:
    model = model_from(
        """g (float[6] x) => (float[2,3] y) <int64 two = {2}>
        { a = Unsqueeze <axes = [0]> (two)  b = Constant <value = int64[1] {3}> ()
          shape = Concat <axis = 0> (a, b)  y = Reshape (x, shape) }"""
    )
    assert facts.dynamic_parts(model) == ()
    assert constant_numbers(model.graph.node(2).outputs[0]).tolist() == [2, 3]


@pytest.mark.parametrize(
    ("swap", "fault"),
    [
        (
            ("score_threshold = 0.0", "score_threshold = 0"),
            "BatchMultiClassNMS making boxes has score_threshold as an INT, but should have a FLOAT",
        ),
        (
            ("max_total_size = 5", "max_total_size = 5.0"),
            "BatchMultiClassNMS making boxes has max_total_size as a FLOAT, but should have an INT",
        ),
        (
            (", iou_threshold = 0.7", ""),
            "BatchMultiClassNMS making boxes lacks attribute iou_threshold, which should be a FLOAT",
        ),
        (
            ("group_size = 7,", "group_size = 7, outputs = 4,"),
            "PSROIPooling making pooled has attribute outputs, but should have only "
            "pooled_height, pooled_width, spatial_scale, group_size, output_dim",
        ),
    ],
)  # fmt: skip
def test_attributes_the_parser_would_drop_or_miss(swap: tuple[str, str], fault: str) -> None:
    assert [fault for node in facts.vendor_nodes(whole(swap=swap)) for fault in node.faults] == [fault]


def test_a_vendor_operator_in_a_domain_of_its_own() -> None:
    model = model_from(
        "g (float[1] x) => (float[1] y) { y = rfcn.host.PSROIPooling <pooled_height = 7, pooled_width = 7, "
        "spatial_scale = 0.5, group_size = 7, output_dim = 2> (x, x) }",
        '"" : 11, "rfcn.host" : 1',
    )
    fault = "PSROIPooling making y is in domain 'rfcn.host', but should be in the default one"
    assert facts.vendor_nodes(model)[0].faults == (fault,)
    assert facts.foreign_operators(model) == {"rfcn.host::PSROIPooling"}
    assert facts.opset_imports(model) == {"": 11, "rfcn.host": 1}


def test_an_operator_of_a_domain_nobody_imports() -> None:
    model = model_from("g (float[1] x) => (float[1] y) { y = elsewhere.Abs (x) }")
    assert facts.foreign_operators(model) == {"elsewhere::Abs"}


def test_an_operator_of_a_later_opset_is_foreign() -> None:
    model = model_from("g (float[1] x) => (float[1] y) { z = HardSwish (x) y = Abs (z) }")
    assert facts.foreign_operators(model) == {"HardSwish"}
    assert onnx.defs.has("HardSwish", 14)


def test_the_layout_of_rois() -> None:
    assert facts.rois_layout_faults(whole(rois="boxes"), kept=5) == (
        "PSROIPooling making pooled reads rois of shape (1, 5, 4), but should read (1, 5, 5)",
    )
    untransposed = model_from("g (float[1,300,5] r, float[1,98,9,9] m) => (float[1] y) { y = PSROIPooling (m, r) }")
    assert facts.rois_layout_faults(untransposed, kept=300) == (
        "PSROIPooling making y reads rois of shape (1, 300, 5), but should read (1, 5, 300)",
    )


def test_rois_of_unknown_shape_are_a_fault() -> None:
    """What the exporter leaves when the operator's own output has no shape: a side with a made-up name."""
    model = model_from("g (float[1] x) => (float[1] y) <float[1,N,5] z> { z = Foreign (x) y = PSROIPooling (x, z) }")
    assert facts.rois_layout_faults(model, kept=5) == (
        "PSROIPooling making y reads rois of shape (1, 'N', 5), but should read (1, 5, 5)",
    )
    model = model_from("g (float[1] x) => (float[1] y) { z = Foreign (x) y = PSROIPooling (x, z) }")
    assert facts.rois_layout_faults(model, kept=5) == (
        "PSROIPooling making y reads rois of unknown shape, but should read (1, 5, 5); declare it",
    )


def test_known_numbers_are_those_the_graph_would_compute() -> None:
    model = model_from(
        """g (float[1] x) => (float[1] y) <float[2] f = {1.5, -2.5}, int64[1,2] a = {1, 2}, int64[1,2] b = {3, 4}>
        { cut = Cast <to = 7> (f)  rows = Concat <axis = 0> (a, b)  columns = Concat <axis = 1> (a, b)
          more = Add (a, b)  y = Abs (x) }"""
    )
    value = {output.name: output for node in model.graph for output in node.outputs}
    assert constant_numbers(value["cut"]).tolist() == [1, -2]
    assert constant_numbers(value["rows"]).tolist() == [1, 2, 3, 4]
    assert [constant_numbers(value[name]) for name in ("columns", "more", "y")] == [None, None, None]
    assert constant_numbers(None) is None


def test_a_graph_that_contradicts_itself() -> None:
    model = model_from("g (float[3] x) => (float[N] y) <int64[1] a = {0}, int32[1] b = {1}> { y = Slice (x, a, b) }")
    with pytest.raises(GraphError, match=r"should give every value one type and shape, but .*; export it again"):
        infer_types(model)


def test_large_weights_are_not_shown_to_inference_and_stay_in_the_model() -> None:
    model = model_from("g (float[1,40] x) => (float[1,30] y) { y = MatMul (x, w) }".replace("(x, w)", "(x, x)"))
    weight = ir.Value(name="w", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape([40, 30]))
    weight.const_value = ir.tensor([[1.0] * 30] * 40, dtype=ir.DataType.FLOAT)
    model.graph.register_initializer(weight)
    model.graph.node(0).replace_input_with(1, weight)
    assert infer_types(model)["y"].shape == [1, 30]
    assert model.graph.initializers["w"].const_value is weight.const_value
    assert [value.name for value in model.graph.inputs] == ["x"]
