"""Every rewrite on graphs small enough to read, run before and after and compared bit for bit."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper, parser
from onnxruntime.capi import onnxruntime_pybind11_state as refusals

from rfcn_lib import spec
from rfcn_lib.graph import adapt
from rfcn_lib.graph.values import GraphError, infer_types

END = 2**63 - 1
BEGINNING = -(2**63)
INT32 = onnx.TensorProto.INT32
PICTURE = np.random.default_rng(7).permutation(24).astype(np.float32).reshape(4, 6) - 8.5


def model_from(text: str, opset: int = spec.OPSET) -> onnx.ModelProto:
    return parser.parse_model(f'<ir_version: 7, opset_import: ["" : {opset}]>\n{text}')


def int64_values(model: onnx.ModelProto) -> set[str]:
    """Names of all values that ONNX infers to be int64."""
    values = infer_types(ir.from_proto(model)).items()
    return {name for name, value in values if value.dtype == ir.DataType.INT64}


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(model: onnx.ModelProto) -> list[np.ndarray]:
    return session(model).run(None, {"x": PICTURE})


def adapted(model: onnx.ModelProto, folder: Path) -> tuple[onnx.ModelProto, adapt.AdaptReport]:
    source, target = folder / "exported.onnx", folder / "adapted.onnx"
    onnx.save(model, source)
    report = adapt.adapted_from_exported(target, source)
    return onnx.load(target), report


def fired(report: adapt.AdaptReport) -> dict[str, int]:
    return {name: count for name, count in report.counts.items() if count}


def expect_same(before: onnx.ModelProto, after: onnx.ModelProto) -> None:
    onnx.checker.check_model(after, full_check=True)
    assert [(o.name, o.type.tensor_type.elem_type) for o in before.graph.output] == [
        (o.name, o.type.tensor_type.elem_type) for o in after.graph.output
    ]
    first, second = run(before), run(after)
    assert len(first) == len(second) == len(before.graph.output)
    for one, other in zip(first, second, strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.tobytes() == other.tobytes()


GRAPHS = {
    "slices_to_the_end": (
        f"""g (float[4,6] x) => (float[N,M] y)
        <int64[1] begin = {{1}}, int64[1] end = {{{END}}}, int64[1] axis = {{1}}>
        {{ step = Constant <value = int64[1] {{2}}> ()  y = Slice (x, begin, end, axis, step) }}""",
        {"initialisers": 3, "constants": 1},
        {},
    ),
    "reversed": (
        f"""g (float[4,6] x) => (float[N,M] y)
        <int64[1] begin = {{{END}}}, int64[1] end = {{{BEGINNING}}}, int64[1] axis = {{-1}}, int64[1] step = {{-1}}>
        {{ y = Slice (x, begin, end, axis, step) }}""",
        {"initialisers": 4},
        {},
    ),
    "indices_of_topk": (
        """g (float[4,6] x) => (float[4,3] y)
        { k = Constant <value = int64[1] {3}> ()
          best, order = TopK <axis = 1> (x, k)
          y = GatherElements <axis = 1> (x, order) }""",
        {"cast_after_indices": 1},
        {"k": "TopK making best input 1: ONNX allows only int64 here", "order": "TopK making best gives only int64"},
    ),
    "indices_that_are_an_output_too": (
        """g (float[4,6] x) => (float[4] y, int64[4] rows)
        { rows = ArgMax <axis = 1, keepdims = 0> (x)
          order = Identity (rows)
          y = Cast <to = 1> (order) }""",
        {"cast_after_indices": 1},
        {"rows": "ArgMax making rows gives only int64"},
    ),
    "indices_only_a_cast_reads": (
        """g (float[4,6] x) => (float[4] y)
        { rows = ArgMax <axis = 1, keepdims = 0> (x)  y = Cast <to = 1> (rows) }""",
        {},
        {"rows": "ArgMax making rows gives only int64"},
    ),
    "shape_that_becomes_a_number": (
        """g (float[4,6] x) => (float[4,6] y)
        { sides = Shape (x)
          first = Constant <value = int64 {0}> ()
          rows = Gather (sides, first)
          number = Cast <to = 1> (rows)
          y = Div (x, number) }""",
        {"cast_after_shape": 1, "constants": 1},
        {"sides": "Shape making sides gives only int64"},
    ),
    "shape_that_becomes_a_shape": (
        """g (float[4,6] x) => (float[N,M] y)
        { sides = Shape (x)
          first = Constant <value = int64 {0}> ()
          rows = Gather (sides, first)
          rows_1d = Unsqueeze <axes = [0]> (rows)
          rest = Constant <value = int64[1] {-1}> ()
          shape = Concat <axis = 0> (rest, rows_1d)
          y = Reshape (x, shape) }""",
        {"constants": 1},  # the index 0; all else is bound to the Reshape
        dict.fromkeys(("rows", "rows_1d", "rest", "shape"), "Reshape making y input 1: ONNX allows only int64 here")
        | {"sides": "Shape making sides gives only int64"},
    ),
    "casts": (
        """g (float[4,6] x) => (float[4,6] y)
        { whole = Cast <to = 7> (x)
          two = Constant <value = int64 {2}> ()
          twice = Mul (whole, two)
          again = Cast <to = 7> (twice)
          y = Cast <to = 1> (again) }""",
        {"constants": 1, "casts_to_int64": 2},
        {},
    ),
    "cast_to_a_shape": (
        """g (float[4,6] x) => (float[N,M] y)
        <int32[2] turned = {6, 4}>
        { shape = Cast <to = 7> (turned)  y = Reshape (x, shape) }""",
        {},
        {"shape": "Reshape making y input 1: ONNX allows only int64 here"},
    ),
    "constant_of_shape": (
        """g (float[4,6] x) => (float[4,6] y)
        { sides = Shape (x)
          ones = ConstantOfShape <value = int64[1] {3}> (sides)
          threes = Cast <to = 1> (ones)
          y = Mul (x, threes) }""",
        {"constants_of_shape": 1},
        {"sides": "Shape making sides gives only int64"},
    ),
    "shared_constants": (
        """g (float[4,6] x) => (float[N,M] y, float[2,6] z, float[2,6] w)
        <int64[2] pair = {2, 12}, int64[2] rows = {1, 3}>
        { y = Reshape (x, pair)
          ones = Constant <value = int64[2] {1, 1}> ()
          z = Gather (x, rows)
          grown = Expand (x, ones)
          w = Gather (grown, ones) }""",
        {"split_shared_constants": 1, "initialisers": 1, "constants": 1},
        {
            "pair": "Reshape making y input 1: ONNX allows only int64 here",
            "ones": "Expand making grown input 1: ONNX allows only int64 here",
        },
    ),
    "shared_initialiser": (
        """g (float[4,6] x) => (float[N,M] y, float[2,6] z)
        <int64[2] pair = {3, 1}, float[6] f = {1, 2, 3, 4, 5, 6}>
        { z = Gather (x, pair)  tall = Unsqueeze <axes = [0]> (f)  y = Expand (tall, pair) }""",
        {"split_shared_constants": 1, "initialisers": 1},
        {"pair": "Expand making y input 1: ONNX allows only int64 here"},
    ),
    "output_stays": (
        """g (float[4,6] x) => (int64[4,6] y, float[2,6] z)
        <int64[2] rows = {0, 1}>
        { whole = Cast <to = 7> (x)
          one = Constant <value = int64 {1}> ()
          y = Add (whole, one)
          z = Gather (x, rows) }""",
        {"initialisers": 1},
        dict.fromkeys(("whole", "one", "y"), "graph output y keeps its declared type"),
    ),
    "constant_output": (
        """g (float[4,6] x) => (int64[2] rows, float[2,6] z)
        <int64[2] rows = {0, 1}> { z = Gather (x, rows) }""",
        {"split_shared_constants": 1, "initialisers": 1},
        {"rows": "graph output rows keeps its declared type"},
    ),
    "mixed_in_one_slice": (
        """g (float[4,6] x) => (float[N,M] y)
        <int64[2] begin = {0, 0}, int64[2] axes = {0, 1}>
        { small = Constant <value = float[2] {2, 3}> ()
          end = Cast <to = 7> (small)
          y = Slice (x, begin, end, axes) }""",
        {"initialisers": 2, "casts_to_int64": 1},
        {},
    ),
    "slice_tied_to_a_shape": (
        """g (float[4,6] x) => (float[N,M] y, float[P,Q] z)
        <int64[2] begin = {0, 0}>
        { two = Constant <value = int64[2] {2, 12}> ()
          size = Identity (two)
          y = Slice (x, begin, size)
          z = Reshape (x, size) }""",
        {},
        dict.fromkeys(("begin", "two", "size"), "Reshape making z input 1: ONNX allows only int64 here"),
    ),
    "branches_are_left_alone": (
        """g (float[4,6] x) => (float[N,M] y)
        <bool cond = {1}, int64[2] rows = {3, 1}>
        { y = If (cond) <then_branch = a () => (float[2,6] p) { p = Gather (x, rows) },
                         else_branch = b () => (float[4,6] q) { q = Identity (x) }> }""",
        {},
        {"rows": "Gather making p: part of a branch or a loop"},
    ),
    "loops_are_left_alone": (
        """g (float[4,6] x) => (float[4,6] y)
        <int64 times = {3}, bool go = {1}, int64 one = {1}>
        { n = Loop (times, go, one) <body = b (int64 i, bool c, int64 m) => (bool d, int64 k)
                                         { d = Identity (c)  k = Add (m, m) }>
          f = Cast <to = 1> (n)
          y = Mul (x, f) }""",
        {},
        dict.fromkeys(("times", "one", "n"), "Loop making n: part of a branch or a loop")
        | {"i": "graph input i keeps its declared type", "m": "graph input m keeps its declared type"}
        | {"k": "graph output k keeps its declared type"},
    ),
    "lists_are_left_alone": (
        """g (float[4,6] x) => (float[N,M] y)
        <int64[1] a = {1}, int64[1] b = {2}, int64 first = {0}>
        { both = SequenceConstruct (a, b)
          one = SequenceAt (both, first)
          y = Gather (x, one) }""",
        {},
        {
            "a": "SequenceConstruct making both: takes or gives lists of tensors",
            "both": "SequenceConstruct making both: takes or gives lists of tensors",
            "b": "SequenceConstruct making both: takes or gives lists of tensors",
            "first": "SequenceAt making one: takes or gives lists of tensors",
            "one": "SequenceAt making one: takes or gives lists of tensors",
        },
    ),
    "a_type_that_follows_its_input": (
        """g (float[4,6] x) => (int64[2,2] y)
        <int64[2,2] like = {1, 2, 3, 4}> { y = EyeLike (like) }""",
        {},
        dict.fromkeys(("like", "y"), "EyeLike making y: chooses its output's type itself")
        | {"y": "graph output y keeps its declared type"},
    ),
    "unread": (
        f"g (float[4,6] x) => (float[4,6] y) <int64[1] z = {{{END}}}> {{ y = Relu (x) }}",
        {},
        {"z": "no node reads it"},
    ),
    "nothing_to_do": ("g (float[4,6] x) => (float[4,6] y) { y = Relu (x) }", {}, {}),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_what_fires_and_what_is_left(name: str, tmp_path: Path) -> None:
    text, counts, left = GRAPHS[name]
    before = model_from(text)
    after, report = adapted(before, tmp_path)
    assert fired(report) == counts
    assert list(report.counts) == [rewrite.__name__ for rewrite in adapt.REWRITES]
    assert report.left == left
    assert int64_values(after) == set(left)
    expect_same(before, after)


@pytest.mark.parametrize("name", GRAPHS)
def test_a_second_pass_finds_nothing(name: str, tmp_path: Path) -> None:
    after, first = adapted(model_from(GRAPHS[name][0]), tmp_path)
    again, second = adapted(after, tmp_path)
    assert fired(second) == {}
    assert second.left == first.left
    assert again.graph == after.graph


def test_the_source_is_only_read(tmp_path: Path) -> None:
    source = tmp_path / "exported.onnx"
    onnx.save(model_from(GRAPHS["slices_to_the_end"][0]), source)
    source.chmod(0o444)
    before = source.read_bytes()
    adapt.adapted_from_exported(tmp_path / "adapted.onnx", source)
    assert source.read_bytes() == before
    assert (tmp_path / "adapted.onnx").read_bytes() != before


def test_everything_but_integers_is_as_it_was(tmp_path: Path) -> None:
    text = """g (float[4,6] x) => (float[4,2] y)
    <float[6,2] w = {1,2,3,4,5,6,7,8,9,10,11,12}, int64[1] k = {6}>
    { best, order = TopK <axis = 1, largest = 0> (x, k)
      sorted = GatherElements <axis = 1> (x, order)
      y = MatMul (sorted, w) }"""
    before = model_from(text)
    before.metadata_props.add(key="made_by", value="a test")
    after, _ = adapted(before, tmp_path)
    assert [n.op_type for n in after.graph.node] == ["TopK", "Cast", "GatherElements", "MatMul"]
    assert list(after.opset_import) == list(before.opset_import)
    assert after.graph.input == before.graph.input
    assert after.graph.output == before.graph.output
    assert {i.name: numpy_helper.to_array(i).tobytes() for i in after.graph.initializer} == {
        i.name: numpy_helper.to_array(i).tobytes() for i in before.graph.initializer
    }
    assert after.metadata_props[0].value == "a test"
    assert after.graph.node[2].input == ["x", "order_int32"]


def test_declared_types_follow(tmp_path: Path) -> None:
    before = model_from(
        """g (float[4,6] x) => (float[4,6] y)
        <int64[4,6] whole, int64[4,6] twice>
        { whole = Cast <to = 7> (x)  twice = Add (whole, whole)  y = Cast <to = 1> (twice) }"""
    )
    assert [v.type.tensor_type.elem_type for v in before.graph.value_info] == [onnx.TensorProto.INT64] * 2
    after, _ = adapted(before, tmp_path)
    assert {v.name: v.type.tensor_type.elem_type for v in after.graph.value_info} == {"whole": INT32, "twice": INT32}
    expect_same(before, after)


def test_a_new_name_is_a_new_name(tmp_path: Path) -> None:
    before = model_from(
        """g (float[4,6] x) => (float[4,2] y, float[4,2] z)
        <int64[1] k = {2}, float order_int32 = {3}>
        { best, order = TopK <axis = 1> (x, k)
          y = GatherElements <axis = 1> (x, order)
          z = Mul (best, order_int32) }"""
    )
    after, _ = adapted(before, tmp_path)
    assert [n.output[0] for n in after.graph.node if n.op_type == "Cast"] == ["order_int32_"]
    expect_same(before, after)


def test_vendor_operators_are_not_touched(tmp_path: Path) -> None:
    before = model_from(
        """g (float[1,8,4] x) => (float[1,3,4] y)
        <int64[3] given = {1, 2, 3}, int64[4] shape = {1, 8, 1, 4}, int64[1] k = {8}, int64 first = {0}>
        { four = Reshape (x, shape)
          column = Gather <axis = 2> (x, first)
          score, order = TopK <axis = 1> (column, k)
          row = Unsqueeze <axes = [2]> (score)
          y, s, c, n = BatchMultiClassNMS <iou_threshold = 0.7, max_size_per_class = 3> (four, row, given, order) }"""
    )
    after, report = adapted(before, tmp_path)
    why = "BatchMultiClassNMS making y: not an ONNX operator, so its types are unknown"
    assert fired(report) == {"initialisers": 1}
    assert report.left["given"] == why
    assert report.left["order"] == "TopK making score gives only int64"
    assert after.graph.node[-1].input == before.graph.node[-1].input
    assert after.graph.node[-1].attribute == before.graph.node[-1].attribute


# -- clamping -------------------------------------------------------------------------------------------------------


def test_each_clamp_comes_with_its_proof(tmp_path: Path) -> None:
    before = model_from(
        f"""g (float[4,6] x) => (float[N,M] y)
        {{ begin = Constant <value = int64[2] {{1, 2}}> ()
           three = Constant <value = int64[1] {{3}}> ()
           end = Constant <value = int64 {{{END}}}> ()
           end_1d = Unsqueeze <axes = [0]> (end)
           ends = Concat <axis = 0> (three, end_1d)
           y = Slice (x, begin, ends) }}"""
    )
    after, report = adapted(before, tmp_path)
    proof = "ends[1] of Slice making y: 2147483647 is beyond the end of axis 1, 6 long"
    assert report.clamped == (adapt.Clamp("end", 0, END, 2**31 - 1, proof),)
    expect_same(before, after)


def test_an_axis_int32_cannot_count(tmp_path: Path) -> None:
    before = model_from(
        f"""g (float[5000000000] x) => (float[N] y)
        <int64[1] begin = {{4999999990}}, int64[1] end = {{{END}}}> {{ y = Slice (x, begin, end) }}"""
    )
    with pytest.raises(adapt.AdaptError, match=r"constant begin\[0\] is 4999999990"):
        adapted(before, tmp_path)
    before.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array([1]), "begin"))
    with pytest.raises(adapt.AdaptError, match=r"constant end\[0\] is 9223372036854775807"):
        adapted(before, tmp_path)


def test_an_initialiser_that_is_listed_as_an_input_too_is_a_constant(tmp_path: Path) -> None:
    """Old exporters list every weight as an input; nobody feeds them, and atc would make them inputs of the om."""
    before = model_from("g (float[4,6] x) => (float[2,6] y) <int64[2] rows = {0, 1}> { y = Gather (x, rows) }")
    before.graph.input.append(onnx.helper.make_tensor_value_info("rows", onnx.TensorProto.INT64, [2]))
    after, report = adapted(before, tmp_path)
    assert fired(report) == {"initialisers": 1}
    assert report.left == {}
    assert [value.name for value in after.graph.input] == ["x"]
    expect_same(before, after)


def test_an_axis_of_unknown_length_is_said_to_be_unknown(tmp_path: Path) -> None:
    before = model_from(
        f"""g (float[4,L] x) => (float[4,M] y)
        <int64[1] begin = {{1}}, int64[1] end = {{{END}}}, int64[1] axis = {{1}}>
        {{ y = Slice (x, begin, end, axis) }}"""
    )
    after, report = adapted(before, tmp_path)
    assert report.clamped[0].why.endswith("is beyond the end of axis 1, whose length int32 can count")
    expect_same(before, after)


@pytest.mark.parametrize("number", [2**31, 2**40, END, -(2**31) - 1, BEGINNING])
@pytest.mark.parametrize("side", ["starts", "ends"])
@pytest.mark.parametrize("step", [1, -1])
def test_open_ends_and_nothing_else(number: int, side: str, step: int, tmp_path: Path) -> None:
    starts, ends = (number, 2) if side == "starts" else (2, number)
    before = model_from(
        f"""g (float[4,6] x) => (float[4,M] y)
        <int64[1] a = {{{starts}}}, int64[1] b = {{{ends}}}, int64[1] axis = {{1}}, int64[1] step = {{{step}}}>
        {{ y = Slice (x, a, b, axis, step) }}"""
    )
    is_open = {"starts": slice(number, None, step), "ends": slice(None, number, step)}[side].indices(6) == slice(
        None, None, step
    ).indices(6)  # Python slices by the same rule: an open end reads as if nothing were written there
    if is_open:
        after, report = adapted(before, tmp_path)
        assert len(report.clamped) == 1
        expect_same(before, after)
    else:
        with pytest.raises(adapt.AdaptError, match=rf"is {number}, but should be .* is not an open end; export"):
            adapted(before, tmp_path)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param(
            "w = Cast <to = 7> (x) v = Add (w, big) y = Cast <to = 1> (v)", r"Add making v \(Add\) reads it", id="added"
        ),
        pytest.param("y = Cast <to = 1> (big)", r"Cast making y \(Cast\) reads it", id="output"),
        pytest.param("v = Cast <to = 1> (big) y = Mul (x, v)", r"Mul making y \(Mul\) reads it", id="multiplied"),
        pytest.param(
            "y = Slice (x, zero, big, zero, step)", r"ends\[0\] of Slice making y is not an open end", id="any_step"
        ),
        pytest.param(
            "ends = Concat <axis = 0> (step, big) y = Slice (x, zeros, ends)",
            "its place in the output of Concat making ends is computed",
            id="place_computed",
        ),
        pytest.param(
            "y = Slice (x, zero, big) z = Gather (x, big)", r"Gather making z \(Gather\) reads it", id="read_twice"
        ),
    ],
)
def test_any_other_number_beyond_int32_is_refused(body: str, why: str, tmp_path: Path) -> None:
    before = model_from(
        f"""g (float[4,6] x) => (float[N,M] y)
        <int64[1] big = {{{2**40}}}, int64[1] zero = {{0}}, int64[2] zeros = {{0, 0}}, int64[1] one = {{1}}>
        {{ whole = Cast <to = 7> (x)
           least = ReduceMin <keepdims = 0> (whole)
           step = Unsqueeze <axes = [0]> (least)
           {body} }}"""
    )
    with pytest.raises(adapt.AdaptError, match=rf"constant big\[0\] is {2**40}, but should .*{why}; export the model"):
        adapted(before, tmp_path)
    assert not (tmp_path / "adapted.onnx").exists()


def test_a_rewrite_on_its_own_counts_and_refuses_too() -> None:
    text = """g (float[4,6] x) => (float[4,6] y) <int64 n = {{{number}}}>
    {{ whole = Cast <to = 7> (x)  sum = Add (whole, n)  y = Cast <to = 1> (sum) }}"""
    model = ir.from_proto(model_from(text.format(number=3)))
    assert [rewrite(model) for rewrite in adapt.REWRITES] == [0, 1, 0, 0, 1, 0, 0]
    with pytest.raises(adapt.AdaptError, match=r"constant n\[0\] is 2147483648"):
        adapt.initialisers(ir.from_proto(model_from(text.format(number=2**31))))


def test_a_large_number_that_stays_int64_is_nobodys_business(tmp_path: Path) -> None:
    before = model_from(
        f"""g (float[4,6] x) => (int64[4,6] y)
        <int64 big = {{{2**40}}}> {{ whole = Cast <to = 7> (x)  y = Add (whole, big) }}"""
    )
    after, report = adapted(before, tmp_path)
    assert report.clamped == ()
    expect_same(before, after)


def test_a_large_fill_is_refused(tmp_path: Path) -> None:
    before = model_from(
        f"""g (float[4,6] x) => (float[4,6] y)
        {{ sides = Shape (x)
           filled = ConstantOfShape <value = int64[1] {{{2**31}}}> (sides)
           y = Cast <to = 1> (filled) }}"""
    )
    with pytest.raises(adapt.AdaptError, match="ConstantOfShape making filled fills with 2147483648, but should"):
        adapted(before, tmp_path)


# -- what cannot be adapted -----------------------------------------------------------------------------------------


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"cannot read the graph .*none\.onnx: No such file"):
        adapt.adapted_from_exported(tmp_path / "out.onnx", tmp_path / "none.onnx")


@pytest.mark.parametrize("content", [b"\xff" * 64, b"not a model", b""], ids=["garbage", "text", "empty"])
def test_a_file_that_is_not_onnx(content: bytes, tmp_path: Path) -> None:
    source = tmp_path / "exported.onnx"
    source.write_bytes(content)
    with pytest.raises(GraphError, match=r"exported\.onnx (is damaged or not an ONNX model|holds no graph)"):
        adapt.adapted_from_exported(tmp_path / "out.onnx", source)


def test_a_damaged_file_is_said_to_be(tmp_path: Path) -> None:
    source, target = tmp_path / "exported.onnx", tmp_path / "out.onnx"
    whole = model_from(GRAPHS["shared_constants"][0]).SerializeToString()
    rng, said = np.random.default_rng(0), 0
    for _ in range(200):
        content = bytearray(whole)
        content[rng.integers(len(content))] = rng.integers(256)
        source.write_bytes(content)
        try:
            adapt.adapted_from_exported(target, source)
        except GraphError:  # anything else would be a traceback without a sentence
            said += 1
    assert said > 100


def test_a_file_too_large(tmp_path: Path) -> None:
    source = tmp_path / "exported.onnx"
    with source.open("wb") as file:
        file.truncate(2**31)  # a hole: takes no room
    with pytest.raises(GraphError, match="has 2,147,483,648 bytes, but should have at most 2,147,483,647"):
        adapt.adapted_from_exported(tmp_path / "out.onnx", source)


def test_another_opset(tmp_path: Path) -> None:
    with pytest.raises(adapt.AdaptError, match="has opset 13, but should have 11; export it with that opset"):
        adapted(model_from(GRAPHS["nothing_to_do"][0], opset=13), tmp_path)


def test_weights_in_another_file(tmp_path: Path) -> None:
    model = model_from("g (float[4,6] x) => (float[4,6] y) <float[6] w = {1,2,3,4,5,6}> { y = Mul (x, w) }")
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones(6, np.float32), "w"))  # raw bytes can move out
    onnx.save(model, tmp_path / "e.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    with pytest.raises(GraphError, match=r"e\.onnx keeps weights in other files \(w\.bin\), but should"):
        adapt.adapted_from_exported(tmp_path / "out.onnx", tmp_path / "e.onnx")


def test_the_target_may_not_be_the_source(tmp_path: Path) -> None:
    source = tmp_path / "exported.onnx"
    onnx.save(model_from(GRAPHS["casts"][0]), source)
    (tmp_path / "alias.onnx").symlink_to(source)
    for target in (source, tmp_path / "alias.onnx"):
        with pytest.raises(adapt.AdaptError, match="would replace the exported one"):
            adapt.adapted_from_exported(target, source)


# -- graphs nobody thought of ---------------------------------------------------------------------------------------


SOURCES_AND_MIXERS = {
    "node": "{v} = Constant <value = int64[2] {{{p}, {q}}}> ()",
    "initialiser": "",
    "cast": "f{v} = Slice (row, zero, two) {v} = Cast <to = 7> (f{v})",
    "topk": "t{v}, {v} = TopK (row, two)",
    "shape": "{v} = Shape (x)",
    "fill": "{v} = ConstantOfShape <value = int64[1] {{2}}> (two)",
    "again": "{v} = Cast <to = 7> ({a})",
    "identity": "{v} = Identity ({a})",
    "add": "{v} = Add ({a}, {b})",
    "sub": "{v} = Sub ({a}, {b})",
    "where": "e{v} = Equal ({a}, {b}) {v} = Where (e{v}, {a}, {b})",
    "pick": "l{v} = Concat <axis = 0> ({a}, {b}) {v} = Slice (l{v}, one, three)",
}
READERS = {
    "float[{n}]": "m{n} = Mod ({a}, sixes) {n} = Gather (row, m{n})",
    "float[{n}a, {n}b]": "m{n} = Mod ({a}, sixes) p{n} = Add (m{n}, ones) {n} = Expand (half, p{n})",
    "float[{n}c]": "s{n} = Slice ({a}, zero, one) {n} = Slice (row, zero, s{n})",
    "float[2]": "{n} = Cast <to = 1> ({a})",
    "int64[2]": "{n} = Mul ({a}, ones)",
}
GIVEN = """int64[2] base = {3, 2}, int64[1] zero = {0}, int64[1] one = {1}, int64[1] two = {2}, int64[1] three = {3},
int64[2] sixes = {6, 6}, int64[2] ones = {1, 1}, float half = {0.5}, int64 row_number = {1}"""


@st.composite
def integer_graphs(draw: st.DrawFn) -> str:
    """int64 pairs from every kind of source, mixed by every kind of operator, read by every kind of reader."""
    lines, initialisers, outputs, pairs = ["row = Gather (x, row_number)"], [GIVEN], [], ["base"]
    for at in range(draw(st.integers(2, 9))):
        kind, a, b = (draw(st.sampled_from(list(among))) for among in (SOURCES_AND_MIXERS, pairs, pairs))
        p, q = draw(st.integers(0, 3)), draw(st.integers(0, 3))
        if kind == "initialiser":
            initialisers.append(f"int64[2] v{at} = {{{p}, {q}}}")
        lines.append(SOURCES_AND_MIXERS[kind].format(v=f"v{at}", a=a, b=b, p=p, q=q))
        pairs.append(f"v{at}")
    for at in range(draw(st.integers(1, 4))):
        kind, a = draw(st.sampled_from(list(READERS))), draw(st.sampled_from(pairs))
        outputs.append(kind.format(n=f"y{at}") + f" y{at}")
        lines.append(READERS[kind].format(n=f"y{at}", a=a))
    body = "\n".join(lines)
    return f"g (float[4,6] x) => ({', '.join(outputs)}) <{', '.join(initialisers)}> {{ {body} }}"


def int32_readings_refused(model: onnx.ModelProto) -> Iterator[bool]:
    """For each reading of an int64 constant: does ONNX Runtime refuse it as int32?"""
    tensors = {i.name: i for i in model.graph.initializer}
    tensors |= {n.output[0]: n.attribute[0].t for n in model.graph.node if n.op_type == "Constant"}
    for at, node in enumerate(model.graph.node):
        for index, name in enumerate(node.input):
            if name in tensors and tensors[name].data_type == onnx.TensorProto.INT64:
                trial = onnx.ModelProto()
                trial.CopyFrom(model)
                numbers = numpy_helper.to_array(tensors[name]).astype(np.int32)
                trial.graph.initializer.append(numpy_helper.from_array(numbers, "trial"))
                trial.graph.node[at].input[index] = "trial"
                try:
                    session(trial)
                except (refusals.Fail, refusals.InvalidGraph) as error:
                    yield "Type" in str(error)
                else:
                    yield False


@given(text=integer_graphs())
def test_any_graph_computes_the_same_and_no_further_constant_could_change(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("graph")
    before = model_from(text)
    after, report = adapted(before, folder)
    expect_same(before, after)
    assert set(report.left) == int64_values(after)
    assert fired(adapted(after, folder)[1]) == {}
    assert all(int32_readings_refused(after))
