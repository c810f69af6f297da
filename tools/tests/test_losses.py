"""Targets on cases small enough to work out by hand, losses of a perfect and of a wrong answer, and a loss that falls."""

import math

import numpy as np
import pytest
import torch

from rfcn_lib import boxes
from rfcn_lib.records import Truth
from rfcn_lib.source.anchors import anchors
from tests.support import tiny
from tools import losses as module
from tools.losses import Losses, losses

F = np.float32
STDS = (0.1, 0.1, 0.2, 0.2)
PARTS = ("rpn_class", "rpn_box", "roi_class", "roi_box")
PRIOR = anchors(tiny.PORT.proposals, tiny.CANVAS_WH)


def draws(seed=0):
    return np.random.default_rng(seed)


def truth_of(*objects):
    """Objects are (x1, y1, x2, y2, label, difficult)."""
    table = np.array(objects, F).reshape(-1, 6)
    return Truth(table[:, :4], table[:, 4].astype(np.int64), table[:, 5].astype(bool))


def planes_of(pairs, deltas):
    """Per-anchor rows (N, 2), (N, 4) -> the RPN's planes (2A, h, w), (4A, h, w)."""
    grid = (5, 7, 9)
    scores = pairs.reshape(*grid, 2).transpose(3, 2, 0, 1).reshape(18, 5, 7)
    shifts = deltas.reshape(*grid, 4).transpose(2, 3, 0, 1).reshape(36, 5, 7)
    return torch.from_numpy(scores.astype(F)), torch.from_numpy(shifts.astype(F))


def rpn_losses(pairs, deltas, truth_xyxy, seed=0):
    found = module._rpn_losses(*planes_of(pairs, deltas), PRIOR, np.array(truth_xyxy, F).reshape(-1, 4), draws(seed))
    return tuple(part.item() for part in found)


# -- the region proposal network -------------------------------------------------------------------------------------

OBJECT = (30.0, 20.0, 61.0, 51.0)  # 32 x 32, as large as a middle anchor


def labels_by_definition(truth_xyxy):
    """anchor_target_layer.py: 1 above IoU 0.7 or best of an object, 0 below 0.3, else -1 (not judged)."""
    labels, owner = [], []
    best_of_object = [0.0] * len(truth_xyxy)
    table = [[boxes.iou(anchor, np.array(one, F)).item() for one in truth_xyxy] for anchor in PRIOR]
    for row in table:
        best_of_object = [max(best, iou) for best, iou in zip(best_of_object, row, strict=True)]
    for row in table:
        is_best = any(iou == best and iou > 0 for iou, best in zip(row, best_of_object, strict=True))
        labels.append(1 if max(row) >= 0.7 or is_best else 0 if max(row) < 0.3 else -1)
        owner.append(row.index(max(row)))
    return np.array(labels), np.array(owner)


def perfect(truth_xyxy):
    """What an RPN that knows the truth would say: sure of every label, every anchor on its object."""
    labels, owner = labels_by_definition(truth_xyxy)
    pairs = np.stack([-20.0 * (labels == 1), -20.0 * (labels != 1)], axis=1)
    return pairs, boxes.deltas_between(PRIOR, np.array(truth_xyxy, F)[owner]), labels


@pytest.mark.parametrize("objects", [[OBJECT], [OBJECT, (60.0, 5.0, 105.0, 30.0)], [(0.0, 0.0, 6.0, 6.0)]])
def test_a_perfect_rpn_has_no_loss_and_its_opposite_a_large_one(objects):
    pairs, deltas, labels = perfect(objects)
    assert (labels == 1).any()
    assert (labels == 0).any()
    class_loss, box_loss = rpn_losses(pairs, deltas, objects)
    assert class_loss < 1e-6
    assert box_loss < 1e-6
    class_loss, box_loss = rpn_losses(-pairs, deltas + 1, objects)
    assert class_loss == pytest.approx(20, abs=1e-3)
    assert box_loss > 0


def test_anchors_between_the_limits_are_not_judged():
    pairs, deltas, labels = perfect([OBJECT])
    assert (labels == -1).sum() > 5
    spoilt = np.where((labels == -1)[:, None], -pairs, pairs)
    assert rpn_losses(spoilt, deltas, [OBJECT])[0] < 1e-6


def test_the_rpn_s_losses_are_their_sums_written_out():
    """315 anchors, 256 judged: all objects (fewer than 128), the rest of the 256 drawn from the background."""
    _, _, labels = perfect([OBJECT])
    hits = int((labels == 1).sum())
    assert hits < 128 < 256 - hits < (labels == 0).sum()
    class_loss, box_loss = rpn_losses(np.zeros((315, 2)), np.zeros((315, 4)), [OBJECT])
    assert class_loss == pytest.approx(math.log(2), rel=1e-6)
    wanted = np.abs(boxes.deltas_between(PRIOR[labels == 1], np.tile(np.array(OBJECT, F), (hits, 1))))
    smooth = np.where(wanted < 1 / 9, 0.5 * 9 * wanted**2, wanted - 0.5 / 9)  # sigma 3
    assert box_loss == pytest.approx(smooth.sum() / 256, rel=1e-4)


def test_without_objects_background_is_learnt_and_no_box():
    sure = np.stack([np.full(315, 20.0), np.full(315, -20.0)], axis=1)
    assert rpn_losses(sure, np.ones((315, 4)), []) == (pytest.approx(0, abs=1e-6), 0)
    assert rpn_losses(-sure, np.ones((315, 4)), [])[0] == pytest.approx(40, abs=1e-3)


# -- the rois --------------------------------------------------------------------------------------------------------


def test_rois_get_the_class_and_the_shift_of_the_object_they_cover():
    proposed = np.array([(30, 20, 61, 51), (32, 20, 63, 51), (80, 0, 100, 15), (0, 0, 0, 0), (45, 20, 76, 51)], F)
    truth, labels = np.array([OBJECT], F), np.array([2])
    chosen, column, shifts = module._sample_rois(proposed, truth, labels, draws())
    assert chosen.tolist() == [[30, 20, 61, 51], [32, 20, 63, 51], list(OBJECT), [80, 0, 100, 15], [45, 20, 76, 51]]
    assert column.tolist() == [3, 3, 3, 0, 0], "background is column 0; the last one covers 0.36"
    assert shifts[0].tolist() == shifts[2].tolist() == [0, 0, 0, 0]
    assert shifts[1].tolist() == pytest.approx([-2 / 32, 0, 0, 0])
    decoded = boxes.apply_deltas(chosen[:2], shifts[:2])
    np.testing.assert_allclose(decoded, np.tile(np.add(truth, [0, 0, 1, 1]), (2, 1)), atol=1e-4)


def test_at_most_a_quarter_of_the_rois_are_objects():
    proposed = np.repeat(np.array([OBJECT, (80, 0, 100, 15)], F), 200, axis=0)
    chosen, column, _ = module._sample_rois(proposed, np.array([OBJECT], F), np.array([0]), draws())
    assert (len(chosen), int((column > 0).sum())) == (128, 32)


def test_without_objects_all_rois_are_background():
    proposed = np.tile(np.array([(80, 0, 100, 15)], F), (200, 1))
    chosen, column, shifts = module._sample_rois(proposed, np.zeros((0, 4), F), np.zeros(0, np.int64), draws())
    assert len(chosen) == 128
    assert not column.any()
    assert shifts.shape == (128, 4)


# -- the whole -------------------------------------------------------------------------------------------------------


def step(network, truths, seed=0):
    im_data = torch.from_numpy(np.concatenate([tiny.im_data_of(k) for k in range(len(truths))]))
    return losses(network, im_data, list(truths), STDS, draws(seed))


TRUTHS = {
    "objects": truth_of((*OBJECT, 0, 0), (70, 10, 105, 40, 2, 0)),
    "no object": truth_of(),
    "only difficult": truth_of((*OBJECT, 0, 1)),
    "some difficult": truth_of((*OBJECT, 0, 1), (70, 10, 105, 40, 2, 0)),
}


@pytest.mark.parametrize("names", [*((name,) for name in TRUTHS), tuple(TRUTHS), ("no object", "only difficult")])
def test_losses_and_gradients_are_numbers_whatever_is_annotated(names):
    network = tiny.network_of().train()
    found = step(network, [TRUTHS[name] for name in names])
    for part in PARTS:
        assert math.isfinite(getattr(found, part).item()), part
        assert getattr(found, part).item() >= 0, part
    found.total.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_difficult_objects_are_no_targets():
    with_difficult, without = (step(tiny.network_of(), [TRUTHS[name]]) for name in ("only difficult", "no object"))
    assert all(getattr(with_difficult, part).item() == getattr(without, part).item() for part in PARTS)
    assert with_difficult.rpn_box.item() == with_difficult.roi_box.item() == 0


def test_the_total_is_the_plain_sum():
    parts = [torch.tensor(value) for value in (1.0, 2.0, 4.0, 8.0)]
    assert Losses(*parts).total.item() == 15


def test_one_seed_one_loss():
    first, again, other = (step(tiny.network_of(), [TRUTHS["objects"]], seed).total.item() for seed in (1, 1, 2))
    assert first == again != other


def test_losses_fall_when_a_picture_is_shown_again_and_again():
    torch.manual_seed(0)
    network = tiny.network_of(tiny.port_of(kept=60)).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    totals = []
    for number in range(25):
        found = step(network, [TRUTHS["objects"]], seed=number)
        optimizer.zero_grad()
        found.total.backward()
        optimizer.step()
        totals.append(found.total.item())
    assert np.mean(totals[-3:]) < 0.6 * np.mean(totals[:3]), totals
