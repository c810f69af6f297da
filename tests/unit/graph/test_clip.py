"""The clip of the proposals is read whatever operators make it, column by column."""

import numpy as np
import onnx_ir as ir
import pytest

from rfcn_lib.graph.clip import ProposalClip, proposal_clip
from rfcn_lib.graph.export import onnx_from_network
from rfcn_lib.graph.fold import fold
from rfcn_lib.graph.values import GraphError
from rfcn_lib.source.network import clip
from tests.support import published, tiny
from tests.support.small_graphs import model_from, whole

NONE = (None,) * 4
WIDE, EACH = (63.0,) * 4, (63.0, 31.0, 63.0, 31.0)
ZERO = (0.0,) * 4


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("clipped = Clip (moved, low, high)", ZERO, WIDE),
        ("above = Max (moved, low) clipped = Min (above, limits)", ZERO, EACH),
        ("clipped = Min (limits, moved)", NONE, EACH),
        (
            "once = Clip (moved, low, high) half = Constant <value = float {31.5}> () clipped = Clip (once, low, half)",
            ZERO,
            (31.5,) * 4,
        ),
        ("clipped = Identity (moved)", NONE, NONE),
        ("clipped = Clip (moved, low)", ZERO, NONE),
        ("clipped = Clip (moved, , high)", NONE, WIDE),
        ("clipped = Relu (moved)", ZERO, NONE),
        (
            "left, right = Split <axis = 2> (moved) kept = Clip (left, low, high) far = Abs (right) "
            "clipped = Concat <axis = 2> (kept, far)",
            (0.0, 0.0, None, None),
            (63.0, 63.0, None, None),
        ),
        (
            "once = Clip (moved, low, high) raw = Abs (moved) at = Cast <to = 7> (im_data) "
            "clipped = ScatterElements <axis = 2> (once, at, raw)",
            (None, 0.0, 0.0, 0.0),
            (None, 63.0, 63.0, 63.0),
        ),
        (
            "left, right = Split <axis = 2> (moved) far = Abs (right) joined = Concat <axis = 2> (left, far) "
            "clipped = Clip (joined, low, high)",
            ZERO,
            WIDE,
        ),
        ("out = Greater (moved, limits) clipped = Where (out, limits, moved)", NONE, EACH),
        ("clipped = Clip (im_data, low, high)", ZERO, WIDE),
        ("clipped = Min (moved, im_data)", NONE, NONE),
        ("limit = ReduceMax <keepdims = 0> (im_data) clipped = Clip (moved, low, limit)", NONE, NONE),
        ("good = Clip (moved, low, high) clipped = Mul (good, high)", NONE, NONE),
    ],
)
def test_limits_of_proposals(text, low, high):
    model = whole(clip=text, more="float[4] limits = {63, 31, 63, 31},")
    before = ir.to_proto(model).SerializeToString()

    assert proposal_clip(model) == ProposalClip(low, high)
    assert ir.to_proto(model).SerializeToString() == before


def test_rows_that_are_clipped_unlike_are_no_clip():
    text = "top, others = Split <axis = 1, split = [1, 7]> (moved) kept = Clip (top, low, high) far = Abs (others) "
    found = proposal_clip(whole(clip=text + "clipped = Concat <axis = 1> (kept, far)"))

    assert not found.even
    assert found.kind((64, 64)) == "frozen"


def test_without_nms_there_is_nothing_to_read():
    with pytest.raises(GraphError, match="has no BatchMultiClassNMS"):
        proposal_clip(model_from("g (float[1] x) => (float[1] y) { y = Abs (x) }"))


@pytest.mark.parametrize("size_wh", [tiny.CANVAS_WH, (100, 64), (64, 80)])
def test_each_column_clipped_in_place_as_a_newer_tracer_writes_it(size_wh, tmp_path):
    onnx_from_network(tmp_path / "rfcn.onnx", published.with_frozen_clip(tiny.network_of(), size_wh), tiny.CANVAS_WH)
    model = ir.load(tmp_path / "rfcn.onnx")
    assert "ScatterND" in {node.op_type for node in model.graph}
    fold(model)
    found = proposal_clip(model)

    assert found.size_wh == size_wh
    assert str(found) == f"{size_wh[0]} x {size_wh[1]} px"
    assert found.kind(tiny.CANVAS_WH) == ("canvas" if size_wh == tiny.CANVAS_WH else "frozen")


@pytest.mark.parametrize("how", ["canvas", "none"])
def test_the_export_s_own_clip_is_read_as_asked_for(how, tmp_path):
    onnx_from_network(tmp_path / "rfcn.onnx", tiny.network_of(), tiny.CANVAS_WH, how)

    found = proposal_clip(ir.load(tmp_path / "rfcn.onnx"))
    assert found.kind(tiny.CANVAS_WH) == how
    assert found.size_wh == (tiny.CANVAS_WH if how == "canvas" else None)


def test_a_size_means_what_the_source_model_s_clip_means():
    """The definition: what `clip` leaves of boxes far out."""
    import torch

    far = torch.tensor([[-1e6] * 4, [1e6] * 4])
    low, high = np.asarray(clip(far, (100, 64))).tolist()

    assert ProposalClip(tuple(low), tuple(high)).size_wh == (100, 64)


def test_a_limit_between_two_pixels_is_not_the_canvas():
    """The last pixel of a canvas of 512 is 511; a clip to 511.6 is another one."""
    half = ProposalClip(ZERO, (511.6,) * 4)

    assert half.size_wh is None
    assert half.kind((512, 512)) == "frozen"
    assert ProposalClip(ZERO, (511.0,) * 4).kind((512, 512)) == "canvas"
