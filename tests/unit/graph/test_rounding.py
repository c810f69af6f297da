"""Rounding to fp16 is exactly numpy's, and ONNX Runtime's optimiser removes none of it."""

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rfcn_lib.graph.rehearsal.rounding import MODES, RehearsalError, round_to_fp16, rounds_in
from tests.support.small_graphs import model_from

LEVELS = ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"]
# a convolution of 1 x 1, a residual, things that move numbers, and the two functions that may overflow
GRAPH = """g (float[1,2,3,4] x) => (float[1,3,12] y, float[1,3,3,4] z)
<float[3,2,1,1] w = {0.1, 0.7, 300, -2.3, 0.0004, 1}, float[3] b = {0.3, -70000, 5}, int64[3] s = {1, 3, 12}>
{ c = Conv (x, w, b)  r = Relu (c)  a = Add (r, c)  m = Mul (a, r)  e = Exp (a)  z = Div (e, m)
  t = Reshape (m, s)  y = Softmax <axis = 2> (t) }"""


def half(array):
    with np.errstate(over="ignore"):
        return array.astype(np.float16).astype(np.float32)


def by_definition(x):
    """Every number as fp16, in loops; products are added in float32."""
    w = half(np.array([[0.1, 0.7], [300, -2.3], [0.0004, 1]], np.float32))
    b, x = half(np.array([0.3, -70000, 5], np.float32)), half(x)
    c = np.empty((1, 3, 3, 4), np.float32)
    with np.errstate(all="ignore"):
        for k in range(3):
            for i in range(3):
                for j in range(4):
                    c[0, k, i, j] = x[0, 0, i, j] * w[k, 0] + x[0, 1, i, j] * w[k, 1] + b[k]
        c = half(c)
        r = np.maximum(c, 0)
        a = half(r + c)
        m = half(a * r)
        e = half(np.exp(a))
        return c, a, m, e, half(e / m)


def session_of(model, level="ORT_ENABLE_ALL"):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def rounded_graph(text=GRAPH, rounds="everything"):
    model = model_from(text)
    return model, round_to_fp16(model, rounds)


@pytest.fixture(scope="module")
def sessions():
    return {level: session_of(rounded_graph()[0], level) for level in LEVELS}


# multiples of 1/8 below 64: then the sum of two products in float32 does not depend on its order
numbers = arrays(np.float32, (1, 2, 3, 4), elements=st.integers(-500, 500).map(lambda n: n / 8))


@given(x=numbers)
def test_it_is_numpy_s_float16_at_every_optimisation_level(x, sessions):
    *_, z = by_definition(x)
    for level, session in sessions.items():
        got = dict(zip(("y", "z"), session.run(None, {"x": x}), strict=True))["z"]
        near = np.isclose(got, z, rtol=2**-10, atol=2**-24, equal_nan=True)  # exp may differ by one float32 step
        assert near.all(), level
        assert np.array_equal(half(got), got, equal_nan=True), level


def test_every_level_gives_the_same_bits(sessions):
    x = np.random.default_rng(0).normal(scale=20, size=(1, 2, 3, 4)).astype(np.float32)
    first, *others = [session.run(None, {"x": x}) for session in sessions.values()]
    for other in others:
        assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("level", LEVELS)
@given(x=arrays(np.float32, (1, 64), elements=st.floats(width=32)))
def test_any_number_goes_through_fp16(level, x):
    """Infinity above 65504, subnormal numbers, zero, signs, NaN."""
    if level not in PAIRS:
        PAIRS[level] = session_of(rounded_graph("g (float[1,64] x) => (float[1,64] y) { y = Neg (x) }")[0], level)
    (got,) = PAIRS[level].run(None, {"x": x})
    with np.errstate(invalid="ignore"):
        assert np.array_equal(got, half(-half(x)), equal_nan=True)


PAIRS = {}


def test_the_outputs_keep_their_names_and_moved_numbers_are_not_rounded_twice():
    model, rounded = rounded_graph()

    assert [output.name for output in model.graph.outputs] == ["y", "z"]
    assert len(rounded) == 7  # x, c, a, m, e, z, y: neither Relu nor Reshape
    assert sum(node.op_type == "Cast" for node in model.graph) == 14


def test_only_products_inputs_are_rounded_when_the_mode_says_so():
    model, rounded = rounded_graph(rounds="products")
    x = np.full((1, 2, 3, 4), 0.1, np.float32)
    got = dict(zip(("y", "z"), session_of(model).run(None, {"x": x}), strict=True))["z"]

    assert len(rounded) == 1
    assert not np.array_equal(half(got), got, equal_nan=True)
    c = half(x[0, 0, 0, 0]) * half(np.float32(0.0004)) + half(x[0, 1, 0, 0]) * np.float32(1) + np.float32(5)
    assert np.isclose(got[0, 2, 0, 0], np.exp(2 * c) / (2 * c * c), rtol=1e-5)


def test_nothing_is_rounded_when_the_mode_says_so():
    model, rounded = rounded_graph(rounds="nothing")

    assert not rounded
    assert ir.to_proto(model) == ir.to_proto(model_from(GRAPH))


def test_each_mode_of_the_compiler_is_rehearsed_or_refused():
    from rfcn_lib.ascend.atc import PRECISION_MODES

    assert set(MODES) <= set(PRECISION_MODES)
    assert rounds_in(None) == rounds_in("force_fp16") == ("everything", "")
    assert rounds_in("allow_mix_precision")[1].startswith("assumed")
    for mode in set(PRECISION_MODES) - set(MODES):
        with pytest.raises(RehearsalError, match=rf"--precision-mode={mode} cannot be rehearsed"):
            rounds_in(mode)
