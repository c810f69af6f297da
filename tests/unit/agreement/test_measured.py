"""A run that differs in arithmetic only holds every limit; each fault goes beyond one, in the group where it belongs."""

from functools import cache

import numpy as np
import pytest

from rfcn_lib.agreement.figures import figures, of_group
from rfcn_lib.agreement.measured import outside_canvas, sums_of
from rfcn_lib.agreement.rows import ORDER
from tests.support import agreement_scenes as scenes
from tests.support import tiny
from tests.support.agreement_scenes import ROWS, boxes_changed, changed, logits_of, outputs_of, rows, softmax, source

NOISE = scenes.noisy(3)
floors = cache(lambda: [scenes.sums(scenes.noisy(1)), scenes.sums(scenes.noisy(2))])


def beyond(run):
    """The figures beyond their limits, worst first."""
    return [one for one in figures(scenes.sums(run), floors()) if one.times > 1]


def test_the_source_model_itself_is_0_everywhere():
    found = figures(scenes.sums(source), floors())

    for one in found:
        if "decimals" not in one.measure.name and "sum of a row" not in one.measure.name:
            assert one.got == one.times == 0, one
    assert max(one.times for one in found) < 0.6
    assert {one.measure.group for one in found} == {"proposals", "rows", "heads", "detections"}


@pytest.mark.parametrize("seed", [3, 4, 5, 6])
def test_another_run_of_the_same_arithmetic_holds_every_limit(seed):
    found = figures(scenes.sums(scenes.noisy(seed)), floors())

    assert found[0].times < 1, found[0]
    for group in ("proposals", "rows", "heads", "detections"):
        assert of_group(found, group), group


def test_noise_of_three_times_the_floor_is_beyond():
    assert beyond(scenes.noisy(3, px=0.06))[0].measure.group == "proposals"
    assert beyond(scenes.noisy(3, scores=5e-3))[0].measure.group == "heads"
    assert beyond(scenes.noisy(3, deltas=5e-3))[0].measure.group == "heads"


def moved(outputs):
    return outputs_of(boxes_changed(outputs, lambda xyxy: xyxy + 0.3).rois)


def wider(outputs):
    def change(xyxy):
        grown = 0.01 * (xyxy[:, 2] - xyxy[:, 0] + 1) / 2
        return xyxy + np.stack([-grown, 0 * grown, grown, 0 * grown], 1)

    return outputs_of(boxes_changed(outputs, change).rois)


def cut(outputs):
    return rows(
        outputs, np.where(np.arange(len(outputs.rois)) < ROWS - 5, np.arange(len(outputs.rois)), len(outputs.rois) - 1)
    )


def small_lost(outputs):
    side = np.sqrt(np.prod(outputs.rois[:, 3:] - outputs.rois[:, 1:3] + 1, axis=1))
    return rows(outputs, np.where(side < 35, len(outputs.rois) - 1, np.arange(len(outputs.rois))))


def left_lost(outputs):
    scores = outputs.cls_prob.copy()
    scores[(outputs.rois[:, 1] + outputs.rois[:, 3]) / 2 < 150] = np.eye(scenes.COLUMNS)[0]
    return changed(outputs, cls_prob=scores)


def rounded(name, digits):
    return lambda outputs: changed(outputs, **{name: np.round(getattr(outputs, name).astype(np.float64), digits)})


FAULTS = {
    "boxes moved": (moved, "proposals", "moved in"),
    "boxes wider": (wider, "proposals", "width"),
    "rows cut": (cut, "proposals", "proposals"),
    "small ones lost": (small_lost, "proposals", "small"),
    "rows shuffled": (lambda one: rows(one, np.random.default_rng(0).permutation(len(one.rois))), "rows", "order"),
    "a row repeated": (lambda one: rows(one, [0, 0, 0, *range(3, len(one.rois))]), "proposals", ""),
    "scores in two decimals": (rounded("cls_prob", 2), "rows", "scores with"),
    "corners in one decimal": (rounded("rois", 1), "rows", "corners with"),
    "deltas in three decimals": (rounded("bbox_pred", 3), "rows", "deltas with"),
    "a temperature": (
        lambda one: changed(one, cls_prob=softmax(logits_of(one.rois) / 1.1)), "heads", ""
    ),
    "deltas longer": (lambda one: changed(one, bbox_pred=one.bbox_pred * 1.05), "heads", "slope"),
    "deltas moved": (lambda one: changed(one, bbox_pred=one.bbox_pred + 0.02), "heads", "moved"),
    "nothing at the left": (left_lost, "heads", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_beyond_a_limit_of_its_group(name):
    fault, group, words = FAULTS[name]
    found = of_group(beyond(lambda id: fault(NOISE(id))), group)

    assert any(words in one.measure.name for one in found), name


def test_objects_lost_at_one_edge_are_seen_there():
    found = {one.measure.name: one for one in figures(scenes.sums(lambda id: left_lost(NOISE(id))), floors())}

    assert found["confident detections without a partner, at the left, share"].times > 1
    assert found["confident detections without a partner, at the right, share"].times <= 1


def test_rows_in_another_order_are_beyond_in_the_order_alone():
    assert [one.measure for one in beyond(lambda id: rows(NOISE(id), slice(None, None, -1)))] == [ORDER]


def test_only_the_chosen_pictures_have_figures_of_heads():
    found = scenes.sums(NOISE)

    assert [any(one.group == "heads" for one in sums) for sums in found] == [
        id in scenes.WITH_HEADS for id in scenes.IDS
    ]


def test_numbers_that_are_not_finite_are_an_error():
    bad = changed(source("1"), cls_prob=source("1").cls_prob * np.nan)
    with pytest.raises(ValueError, match="NaN"):
        sums_of({"1": scenes.picture_of("1")}, lambda id: bad, source, source, (), tiny.PORT)


@pytest.mark.parametrize(
    ("corner", "size_wh", "outside"), [(4, (640, 640), False), (3, (50, 640), True), (4, (640, 100), True)]
)
def test_a_proposal_outside_the_canvas_says_that_nothing_clipped_it(corner, size_wh, outside):
    assert outside_canvas([source("1")], size_wh) is outside
    negative = source("1").rois - np.array([0, 700, 0, 0, 0])
    assert outside_canvas([changed(source("1"), rois=negative)], (640, 640))
