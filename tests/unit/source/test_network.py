"""The network is upstream's: its keys, its layers, and its numbers against a second, slower statement of them."""

import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from rfcn_lib import spec
from rfcn_lib.port import PUBLISHED, read_port
from rfcn_lib.source.anchors import anchors
from rfcn_lib.source.network import Bottleneck, Rfcn, apply_deltas, clip
from rfcn_lib.source.seeding import published_architecture
from tests.support import definitions, tiny
from tests.support.definitions import F
from tests.support.places import DATA

PUBLISHED_PORT = read_port(PUBLISHED)
UPSTREAM = json.loads((DATA / "upstream_state_dict.json").read_text())


def large(depth):
    """The published network of this depth on the meta device: shapes without numbers."""
    with torch.device("meta"):
        return Rfcn(published_architecture(depth, PUBLISHED_PORT), PUBLISHED_PORT.proposals).eval()


# -- structure -------------------------------------------------------------------------------------------------------


def test_resnet_101_has_the_634_keys_and_shapes_of_the_upstream_checkpoint():
    state = large(101).state_dict()
    assert {key: list(value.shape) for key, value in state.items()} == UPSTREAM
    assert len(UPSTREAM) == 634
    for key, value in state.items():
        assert value.dtype == (torch.int64 if key.endswith("num_batches_tracked") else torch.float32), key


@pytest.mark.parametrize(("depth", "blocks"), [(50, (3, 4, 6, 3)), (101, (3, 4, 23, 3)), (152, (3, 8, 36, 3))])
def test_the_depths_have_the_blocks_of_the_paper(depth, blocks):
    network = large(depth)
    layers = (*network.RCNN_base[4:], network.RCNN_conv_new[0])
    assert tuple(len(layer) for layer in layers) == blocks
    convolutions = sum(isinstance(m, nn.Conv2d) for layer in layers for m in layer.modules())
    assert convolutions - 4 + 2 == depth, "3 a block, without the 4 projections, with conv1 and the classifier"


def test_the_caffe_arrangement_strides_in_the_first_1x1_and_dilates_the_last_stage_after_its_first_block():
    network = large(101)
    layers = (*network.RCNN_base[4:], network.RCNN_conv_new[0])
    for layer, stride, dilation in zip(layers, (1, 2, 2, 1), (1, 1, 1, 2), strict=True):
        for index, block in enumerate(layer):
            assert isinstance(block, Bottleneck)
            own_stride = stride if index == 0 else 1
            own_dilation = 1 if index == 0 else dilation
            assert block.conv1.stride == (own_stride, own_stride)
            assert (block.conv2.stride, block.conv3.stride) == ((1, 1), (1, 1))
            assert block.conv2.dilation == block.conv2.padding == (own_dilation, own_dilation)
            assert (block.downsample is not None) == (index == 0)
            if block.downsample is not None:
                assert block.downsample[0].stride == (stride, stride)


def test_one_convolution_has_two_names():
    network = large(50)
    assert network.RCNN_conv_new[1] is network.RCNN_conv_1x1
    assert network.RCNN_conv_1x1.bias is None


def test_every_batch_norm_has_the_published_epsilon():
    assert {m.eps for m in large(101).modules() if isinstance(m, nn.BatchNorm2d)} == {1e-5}


@pytest.mark.parametrize("canvas_wh", [(1344, 1344), (688, 512), (512, 688)])
def test_the_trunk_s_map_has_the_anchors_cells(canvas_wh):
    width, height = canvas_wh
    base = large(101).RCNN_base(torch.empty(1, 3, height, width, device="meta"))
    assert base.shape[1] == 1024
    assert len(anchors(PUBLISHED_PORT.proposals, canvas_wh)) == base.shape[2] * base.shape[3] * 9


# -- the whole forward, stated a second time -------------------------------------------------------------------------


class Stated:
    """upstream.md, *Network*, with torch's functions on a state dict; proposals and pooling by the slow definitions."""

    def __init__(self, state, port):
        self.state, self.port = state, port

    def convolved(self, x, key, **numbers):
        return functional.conv2d(x, self.state[f"{key}.weight"], self.state.get(f"{key}.bias"), **numbers)

    def normed(self, x, key):
        names = ("running_mean", "running_var", "weight", "bias")
        mean, variance, weight, bias = (self.state[f"{key}.{name}"][:, None, None] for name in names)
        return (x - mean) / torch.sqrt(variance + 1e-5) * weight + bias

    def block(self, x, key, stride, dilation):
        out = functional.relu(self.normed(self.convolved(x, f"{key}.conv1", stride=stride), f"{key}.bn1"))
        out = self.convolved(out, f"{key}.conv2", padding=dilation, dilation=dilation)
        out = self.normed(self.convolved(functional.relu(self.normed(out, f"{key}.bn2")), f"{key}.conv3"), f"{key}.bn3")
        if f"{key}.downsample.0.weight" in self.state:
            x = self.normed(self.convolved(x, f"{key}.downsample.0", stride=stride), f"{key}.downsample.1")
        return functional.relu(out + x)

    def layer(self, x, key, count, stride, dilation=1):
        for index in range(count):
            x = self.block(x, f"{key}.{index}", stride if index == 0 else 1, 1 if index == 0 else dilation)
        return x

    def base(self, x):
        blocks = tiny.architecture().blocks
        x = functional.relu(self.normed(self.convolved(x, "RCNN_base.0", stride=2, padding=3), "RCNN_base.1"))
        x = functional.max_pool2d(x, 3, 2, ceil_mode=True)
        x = self.layer(x, "RCNN_base.4", blocks[0], 1)
        x = self.layer(x, "RCNN_base.5", blocks[1], 2)
        return self.layer(x, "RCNN_base.6", blocks[2], 2)

    def rpn(self, base):
        shared = functional.relu(self.convolved(base, "RCNN_rpn.RPN_Conv", padding=1))
        return self.convolved(shared, "RCNN_rpn.RPN_cls_score"), self.convolved(shared, "RCNN_rpn.RPN_bbox_pred")

    def heads(self, base, rois):
        """Rois (R, 5) -> class scores (R, C) and deltas (R, 4 * C)."""
        top = self.layer(base, "RCNN_conv_new.0", tiny.architecture().blocks[3], 1, dilation=2)
        top = functional.relu(self.convolved(top, "RCNN_conv_1x1"))
        by_row = rois.T[None]
        columns = tiny.architecture().columns
        score_maps, shift_maps = (self.convolved(top, f"RCNN_{name}_base").numpy() for name in ("cls", "bbox"))
        scores = definitions.pool(score_maps, by_row, columns).mean((2, 3))
        return scores, definitions.pool(shift_maps, by_row, 4 * columns).mean((2, 3))


def proposed_by_definition(scores, deltas, settings, clip_wh, canvas_wh):
    """upstream.md, Proposals: planes (2A, h, w), (4A, h, w) -> rois (kept, 5); how near an IoU came to the limit."""
    per_cell, height, width = len(scores) // 2, *scores.shape[1:]
    prior = anchors(settings, canvas_wh)
    found = []  # probability, box
    for row in range(height):
        for column in range(width):
            for anchor in range(per_cell):
                pair = np.exp([float(scores[anchor, row, column]), float(scores[per_cell + anchor, row, column])])
                dx, dy, dw, dh = deltas[4 * anchor : 4 * anchor + 4, row, column]
                x1, y1, x2, y2 = prior[(row * width + column) * per_cell + anchor]
                wide, tall = x2 - x1 + F(1), y2 - y1 + F(1)
                centre_x, centre_y = dx * wide + (x1 + F(0.5) * wide), dy * tall + (y1 + F(0.5) * tall)
                half_w, half_h = F(0.5) * (np.exp(dw) * wide), F(0.5) * (np.exp(dh) * tall)
                box = [centre_x - half_w, centre_y - half_h, centre_x + half_w, centre_y + half_h]
                box = [min(max(side, F(0)), F(clip_wh[k % 2] - 1)) for k, side in enumerate(box)]
                found.append((pair[1] / pair.sum(), box))
    order = sorted(range(len(found)), key=lambda row: (-found[row][0], row))[: settings.before_nms]
    boxes = np.array([found[row][1] for row in order], F)
    alive = np.ones(len(boxes), F)  # every probability is above 0 here
    rows, closest = definitions.nms_by_rows(boxes, alive, settings.nms_iou, settings.kept)
    rois = np.zeros((settings.kept, 5), F)
    rois[: len(rows), 1:] = boxes[rows]
    return rois, closest


def planes_of(seed, cells_wh, whole=True):
    """Scores and deltas of one picture. Whole score differences tie often; deltas in sixteenths keep boxes exact."""
    width, height = cells_wh
    draws = np.random.default_rng(seed)
    foreground = draws.integers(-3, 4, (9, height, width)).astype(F)
    scores = np.concatenate([np.zeros_like(foreground), foreground])
    if not whole:
        scores += draws.normal(size=scores.shape).astype(F)
    deltas = draws.integers(-16, 17, (9, 4, height, width)).astype(F) / F(16)
    sizes = deltas[:, 2:]
    sizes[:] = 0 if whole else draws.normal(size=sizes.shape) * 0.5
    return scores, deltas.reshape(36, height, width)


def propose(port, scores, deltas, clip_wh, canvas_wh=tiny.CANVAS_WH):
    network = tiny.network_of(port)
    return network.propose(torch.from_numpy(scores)[None], torch.from_numpy(deltas)[None], clip_wh, canvas_wh)


@pytest.mark.parametrize(
    ("before_nms", "kept"),
    [(6000, 300), (6000, 20), (50, 300), (50, 10), (1, 1)],
    ids=["all, few survive", "20 kept", "50 candidates", "50 candidates, 10 kept", "one"],
)
@pytest.mark.parametrize("clip_wh", [tiny.CANVAS_WH, (90, 64), (150, 70)], ids=["canvas", "inside", "cropped"])
def test_proposals_are_their_definition_to_the_last_bit_ties_included(before_nms, kept, clip_wh):
    port = tiny.port_of(before_nms=before_nms, kept=kept)
    for seed in range(2):
        scores, deltas = planes_of(seed, (7, 5))
        want, _ = proposed_by_definition(scores, deltas, port.proposals, clip_wh, tiny.CANVAS_WH)
        got = propose(port, scores, deltas, clip_wh)
        assert got.shape == (1, kept, 5)
        np.testing.assert_array_equal(got[0].numpy(), want)


def test_fewer_survivors_than_wanted_leave_zero_rows_below():
    port = tiny.port_of(before_nms=6000, kept=300)
    scores, deltas = planes_of(1, (7, 5))
    rois = propose(port, scores, deltas, (90, 64))[0]
    full = 1 + int(rois.any(1).nonzero().max())
    assert 20 < full < 300
    assert rois[:full].any(1).all()
    assert not rois[full:].any()
    assert not rois[:, 0].any(), "the batch index is 0"


@pytest.mark.parametrize("seed", range(4))
def test_proposals_of_any_numbers_are_their_definition(seed):
    """exp() of two libraries differs in the last digit, which moves a corner by less than a thousandth px."""
    port = tiny.port_of(before_nms=120, kept=60)
    scores, deltas = planes_of(seed, (7, 5), whole=False)
    want, closest = proposed_by_definition(scores, deltas, port.proposals, (90, 64), tiny.CANVAS_WH)
    assert closest > 1e-5, "take another seed: this one has an IoU on the limit, where a last digit decides"
    np.testing.assert_allclose(propose(port, scores, deltas, (90, 64))[0].numpy(), want, rtol=0, atol=1e-3)


def test_equal_scores_everywhere_propose_in_the_order_of_the_anchors():
    port = tiny.port_of(before_nms=6000, kept=300)
    scores, deltas = np.zeros((18, 5, 7), F), np.zeros((36, 5, 7), F)
    want, _ = proposed_by_definition(scores, deltas, port.proposals, tiny.CANVAS_WH, tiny.CANVAS_WH)
    got = propose(port, scores, deltas, tiny.CANVAS_WH)[0].numpy()
    np.testing.assert_array_equal(got, want)
    first = np.clip(anchors(port.proposals, tiny.CANVAS_WH)[0] + [0, 0, 1, 1], 0, 79)  # no shift: see below
    np.testing.assert_array_equal(got[0, 1:], first)


@pytest.mark.parametrize("seed", range(3))
def test_the_whole_forward_is_its_second_statement(seed):
    network, port = tiny.network_of(seed=seed), tiny.PORT
    im_data, clip_wh = torch.from_numpy(tiny.im_data_of(seed)), (100, 70)
    stated = Stated(network.state_dict(), port)
    with torch.no_grad():
        rois, cls_prob, bbox_pred = (found[0].numpy() for found in network(im_data, clip_wh, tiny.CANVAS_WH))
        base = network.RCNN_base(im_data)
        np.testing.assert_allclose(stated.base(im_data).numpy(), base.numpy(), rtol=0, atol=1e-4)
        planes = network.RCNN_rpn(base)
        for got, want in zip(planes, stated.rpn(base), strict=True):
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=0, atol=1e-5)
        scores, deltas = (plane[0].numpy() for plane in planes)
        wanted_rois, closest = proposed_by_definition(scores, deltas, port.proposals, clip_wh, tiny.CANVAS_WH)
        assert closest > 1e-5, "take another seed: this one has an IoU on the limit, where a last digit decides"
        np.testing.assert_allclose(rois, wanted_rois, rtol=0, atol=1e-3)
        score, shift = stated.heads(base, rois)
    exponent = np.exp(score - score.max(1, keepdims=True))
    np.testing.assert_allclose(cls_prob, exponent / exponent.sum(1, keepdims=True), rtol=0, atol=1e-5)
    np.testing.assert_allclose(bbox_pred, shift, rtol=0, atol=1e-4)
    assert np.ptp(cls_prob, 0).max() > 0.02, "a network that says the same of every box would pass any comparison"
    assert np.ptp(bbox_pred, 0).max() > 0.05


def test_outputs_have_the_port_s_rows_and_the_checkpoint_s_columns():
    network = tiny.network_of()
    rois, cls_prob, bbox_pred = network(torch.from_numpy(tiny.im_data_of(0)), (112, 80), (112, 80))
    assert (rois.shape, cls_prob.shape, bbox_pred.shape) == ((1, 40, 5), (1, 40, 4), (1, 40, 16))
    torch.testing.assert_close(cls_prob.sum(2), torch.ones(1, 40))


def test_a_network_that_ran_in_inference_mode_runs_outside_of_it_too():
    network, im_data = tiny.network_of(), torch.from_numpy(tiny.im_data_of(0))
    with torch.inference_mode():
        first = network(im_data, (100, 70), (112, 80))
    for got, want in zip(network(im_data, (100, 70), (112, 80)), first, strict=True):
        torch.testing.assert_close(got.detach(), want)


def test_the_picture_decides_the_outputs_and_nothing_else_does():
    network = tiny.network_of()
    with torch.no_grad():
        first, other = (network(torch.from_numpy(tiny.im_data_of(k)), (112, 80), (112, 80)) for k in (1, 2))
        again = network(torch.from_numpy(tiny.im_data_of(1)), (112, 80), (112, 80))
    for got, want, different in zip(again, first, other, strict=True):
        assert torch.equal(got, want)
        assert not torch.equal(want, different)


def test_canvases_of_one_area_do_not_share_their_anchors():
    """Anchors are remembered by canvas: a landscape and a portrait one have as many of them."""
    network = tiny.network_of()
    scores, deltas = planes_of(0, (7, 5))
    turned = np.ascontiguousarray(scores.transpose(0, 2, 1)), np.ascontiguousarray(deltas.transpose(0, 2, 1))
    propose(tiny.PORT, scores, deltas, (200, 200))
    with torch.no_grad():
        got = network.propose(
            torch.from_numpy(turned[0])[None], torch.from_numpy(turned[1])[None], (200, 200), (80, 112)
        )
    want, _ = proposed_by_definition(*turned, tiny.PORT.proposals, (200, 200), (80, 112))
    np.testing.assert_array_equal(got[0].numpy(), want)


# -- apply_deltas and clip -------------------------------------------------------------------------------------------


def test_no_shift_gives_the_anchor_with_one_more_column():
    """Upstream's bbox_transform_inv, to the letter: "+1" widths, corners at centre +- half, so 10 columns end at 10."""
    got = apply_deltas(torch.tensor([[0.0, 0.0, 9.0, 19.0]]), torch.zeros(1, 4))
    assert got.tolist() == [[0, 0, 10, 20]]


def test_clip_keeps_the_last_pixel():
    got = clip(torch.tensor([[-5.0, -5.0, 500.0, 500.0], [3.0, 4.0, 99.0, 63.5]]), (100, 64))
    assert got.tolist() == [[0, 0, 99, 63], [3, 4, 99, 63]]


def test_the_group_of_the_definitions_is_the_network_s():
    assert definitions.GROUP == spec.GROUP
