"""Headroom: magnitudes and small numbers of every tensor, against all tensors fetched and numpy."""

from dataclasses import replace

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from rfcn_lib.graph.rehearsal.headroom import Headroom, overflowing, tensors_of, together, worst_first
from rfcn_lib.graph.rehearsal.measuring import COUNTED
from rfcn_lib.graph.values import GraphError
from tests.support import tiny
from tests.support.headroom import load, measure
from tests.support.small_graphs import model_from

PICTURES = [("000001", tiny.im_data_of(1)), ("000002", 3 * tiny.im_data_of(2)), ("000003", tiny.im_data_of(3))]


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    return tiny.twin_at(tmp_path_factory.mktemp("twin"))


def fetched(path, im_data):
    """Name -> numbers of every float tensor that the graph computes, all kept: the slow way."""
    model = onnx.load(path)
    names = [name for node in model.graph.node for name in node.output if node.op_type != "Constant"]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = dict(zip(names, session.run(names, {"im_data": im_data}), strict=True))
    return {"im_data": im_data, **{name: a for name, a in found.items() if a.dtype == np.float32}}


def constants(path):
    """Name -> numbers of every float initialiser and Constant node."""
    graph = onnx.load(path).graph
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    found |= {
        node.output[0]: onnx.numpy_helper.to_array(node.attribute[0].t)
        for node in graph.node
        if node.op_type == "Constant"
    }
    return {name: numbers for name, numbers in found.items() if numbers.dtype == np.float32}


def small_in_half(numbers):
    """(subnormal, zero though not zero before), by numpy's own conversion to float16."""
    with np.errstate(over="ignore"):
        half = numbers.astype(np.float16)
    subnormal = (half != 0) & (np.abs(half) < np.finfo(np.float16).smallest_normal)
    return int(subnormal.sum()), int(((half == 0) & (numbers != 0)).sum())


def test_it_equals_all_tensors_fetched(twin):
    rows = together(map(load(twin).__call__, *zip(*PICTURES, strict=True)))
    by_name = {row.tensor: row for row in rows}
    kept = [(id, fetched(twin, im_data)) for id, im_data in PICTURES]
    fixed = constants(twin)

    assert by_name.keys() == kept[0][1].keys() | fixed.keys()
    assert len(by_name) == len(rows)
    for name, row in by_name.items():
        of_picture = [("", fixed[name])] if row.weight else [(id, arrays[name]) for id, arrays in kept]
        largest, picture = max(
            ((float(np.abs(numbers).max()), id) for id, numbers in of_picture), key=lambda one: one[0]
        )
        assert row.largest == pytest.approx(largest, rel=1e-4), name  # other fusions round otherwise
        assert row.picture == picture, name
        assert row.numbers == sum(numbers.size for _, numbers in of_picture), name
        small = np.sum([small_in_half(numbers) for _, numbers in of_picture], axis=0)
        assert (row.subnormal, row.underflowed) == pytest.approx(small, abs=2), name


def test_the_order_is_that_of_the_graph_and_a_weight_comes_before_its_node(twin):
    rows = load(twin)(*PICTURES[0])
    nodes = list(onnx.load(twin).graph.node)
    assert (rows[0].tensor, rows[0].operator, rows[0].place) == ("im_data", "input", -1)
    places = [row.place for row in rows]
    assert places == sorted(places)
    for row in rows[1:]:
        node = nodes[row.place]
        assert (row.node, row.operator) == (node.name, node.op_type)
        assert row.tensor in (node.output if not row.weight or node.op_type == "Constant" else node.input)
    convolution = [row for row in rows if row.operator == "Conv"][:3]
    assert [row.weight for row in convolution] == [True, True, False]


def test_worst_first(twin):
    rows = measure(twin, PICTURES[::2])
    shares = [row.share for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert overflowing(rows) == ()
    assert rows[0].share == rows[0].largest / 65504


@pytest.mark.parametrize("at", [3, 20])
def test_one_scaled_convolution_overflows_and_is_the_first_named(twin, tmp_path, at):
    model = onnx.load(twin)
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    planted = convolutions[at]
    before = max(float(np.abs(fetched(twin, im_data)[planted.output[0]]).max()) for _, im_data in PICTURES)
    for tensor in model.graph.initializer:  # weight and bias: the output grows by the same factor
        if tensor.name in planted.input[1:]:
            numbers = onnx.numpy_helper.to_array(tensor) * np.float32(1.5 * 65504 / before)
            tensor.CopyFrom(onnx.numpy_helper.from_array(numbers, tensor.name))
    onnx.save(model, tmp_path / "planted.onnx")

    rows = measure(tmp_path / "planted.onnx", PICTURES)
    first = overflowing(rows)[0]
    assert (first.node, first.operator, first.tensor) == (planted.name, "Conv", planted.output[0])
    assert first.share == pytest.approx(1.5, rel=1e-3)
    assert first.picture == "000002"
    assert len(overflowing(rows)) > 1  # what follows from it


def a_graph(path, body, opset=11):
    ir.save(model_from(f"g (float[1,3,2,4] im_data) => (float[1,3,2,4] rois)\n{body}", f'"" : {opset}'), path)
    return path


def rows_of(path, im_data):
    return {row.tensor: row for row in load(path)("000007", np.asarray(im_data, np.float32))}


@pytest.mark.parametrize("opset", [9, 11, 13, 18])
def test_the_borders_of_fp16(tmp_path, opset):
    """Every border from both sides, as numpy's conversion has it, and 65504 itself is no overflow."""
    path = a_graph(tmp_path / "g.onnx", "{ rois = Identity (im_data) }", opset)
    borders = np.array([2.0**-14, 2.0**-14 - 2.0**-25, 2.0**-24, 2.0**-25, 2.0**-26, 1e-40, 0, 1], np.float32)
    beside = [np.nextafter(borders, np.float32(2)), borders, np.nextafter(borders, np.float32(-2))]
    numbers = np.stack([*beside]).reshape(1, 3, 2, 4) * np.array([[[[1, -1, 1, -1]]]], np.float32)
    row = rows_of(path, numbers)["rois"]
    assert (row.subnormal, row.underflowed) == small_in_half(numbers)
    assert row.numbers == 24
    assert row.largest == np.nextafter(np.float32(1), np.float32(2))

    for largest, named in ((65504.0, 0), (-65504.0, 0), (65504.01, 1), (-65536.0, 1), (np.inf, 1)):
        numbers[0, 1, 1, 1] = largest
        rows = rows_of(path, numbers)
        assert rows["rois"].largest == abs(np.float32(largest))
        assert len(overflowing([rows["rois"]])) == named


def test_weights_scalars_and_integers(tmp_path):
    body = """<float[4] w = {70000, 0.00001, 0.0000000001, 0}, float s = {2}, int64[1] one = {1}>
    {
      scaled = Mul (im_data, s)
      total = ReduceSum <keepdims = 0> (scaled)
      shape = Shape (scaled)
      fixed = Constant <value = float {-3.0}> ()
      moved = Add (total, fixed)
      again = Add (scaled, s)
      rois = Add (again, w)
    }"""
    rows = rows_of(a_graph(tmp_path / "g.onnx", body), np.full((1, 3, 2, 4), 5))
    assert list(rows) == ["im_data", "s", "scaled", "total", "fixed", "moved", "again", "w", "rois"]
    assert {name for name, row in rows.items() if row.weight} == {"s", "fixed", "w"}
    assert (rows["total"].largest, rows["total"].numbers, rows["moved"].largest) == (240, 1, 237)
    assert (rows["w"].subnormal, rows["w"].underflowed, rows["w"].numbers, rows["w"].picture) == (1, 1, 4, "")
    assert (rows["s"].node, rows["s"].place) == ("Mul making scaled", 0)
    assert [row.tensor for row in overflowing(rows.values())] == ["w", "rois"]
    assert (rows["w"].subnormal_share, rows["w"].underflowed_share) == (0.25, 0.25)


def test_names_like_its_own_do_no_harm(tmp_path):
    body = "{ headroom_0_0 = Abs (im_data)  headroom_zero = Neg (headroom_0_0)  rois = Abs (headroom_zero) }"
    rows = rows_of(a_graph(tmp_path / "g.onnx", body), np.full((1, 3, 2, 4), -7))
    assert {name: row.largest for name, row in rows.items()} == dict.fromkeys(
        ["im_data", "headroom_0_0", "headroom_zero", "rois"], 7
    )


def test_a_weight_that_is_no_number_overflows(tmp_path):
    path = tmp_path / "g.onnx"
    model = model_from(
        "g (float[1,3,2,4] im_data) => (float[1,3,2,4] rois) <float[1] w = {1}> { rois = Mul (im_data, w) }"
    )
    model.graph.initializers["w"].const_value = ir.tensor(np.array([np.nan], np.float32), name="w")
    ir.save(model, path)
    rows = load(path)("000007", np.ones((1, 3, 2, 4), np.float32))
    assert overflowing(rows)[0].tensor == "w"


def test_rows_of_several_pictures_are_put_together():
    made = Headroom("n", "Conv", "x", 4, False, 10.0, "000001", 100, 5, 2)
    weight = Headroom("n", "Conv", "w", 4, True, 3.0, "", 9, 1, 0)
    other = replace(made, largest=20.0, picture="000002", subnormal=7, underflowed=0)
    equal = replace(made, picture="000003", largest=20.0)
    one, two = together([[made, weight], [weight, other], [equal]])
    assert one == weight
    assert two == replace(made, largest=20.0, picture="000002", numbers=300, subnormal=17, underflowed=4)
    assert worst_first([weight, made]) == (made, weight)
    assert together([]) == ()


def test_a_file_that_is_no_graph_for_a_host_is_an_error_that_names_it(tiny_exported, tmp_path):
    with pytest.raises(GraphError, match="cannot read the graph"):
        tensors_of(tmp_path / "none.onnx")
    model, untyped = onnx.load(tiny_exported), tmp_path / "rfcn.onnx"
    del model.graph.value_info[:]
    onnx.save(model, untyped)
    with pytest.raises(
        GraphError, match=r"rfcn\.onnx: ONNX cannot infer the type of .*BatchMultiClassNMS.*is this the twin"
    ):
        tensors_of(untyped)


@pytest.mark.parametrize("opset", [11, 13, 18])
@pytest.mark.parametrize(("rows", "columns"), [(2, COUNTED // 4), (2, COUNTED // 4 + 1), (700, 401), (5, COUNTED)])
def test_of_a_large_tensor_every_kth_row_is_counted_and_its_ends_are_those_of_all_numbers(
    tmp_path, opset, rows, columns
):
    shape = f"float[1,2,{rows},{columns}]"
    path = tmp_path / "g.onnx"
    ir.save(model_from(f"g ({shape} im_data) => ({shape} rois) {{ rois = Neg (im_data) }}", f'"" : {opset}'), path)
    draws = np.random.default_rng(rows)
    numbers = (draws.normal(size=(1, 2, rows, columns)) * 2.0 ** draws.integers(-30, 3, (1, 2, rows, 1))).astype(
        np.float32
    )
    numbers[0, 1, rows - 1, 7] = -3e5
    row = {row.tensor: row for row in load(path)("000007", numbers)}["rois"]

    every = next(k for k in range(1, rows + 1) if k == rows or numbers.size <= COUNTED * k)
    counted = -numbers[:, :, ::every]
    assert row.largest == np.float32(3e5)
    assert row.numbers == counted.size
    assert (row.subnormal, row.underflowed) == small_in_half(counted)
    assert counted.size <= COUNTED + 2 * columns or every == rows, "a row more than a share of the rows"
