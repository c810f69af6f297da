"""On the same proposals scores and deltas are compared row by row: nothing is matched."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.agreement import heads as of
from rfcn_lib.records import Outputs
from tests.support import agreement_definitions as slow
from tests.support.agreement_scenes import CLASSES, COLUMNS, ROWS, changed, noisy, outputs_of, rois_of, source

SEEDS = st.integers(1, 30)


def sums_of(got, forced):
    return of.head_sums(got, forced, CLASSES)


def test_a_run_against_itself_gives_0():
    found = sums_of(source("1"), source("1"))

    assert {(one[0], one[2]) for one in found.values()} == {(0.0, 0.0)}
    assert {one.group for one in found} == {"heads"}
    assert len(found) == 6 + COLUMNS + 8


@given(SEEDS)
def test_the_figures_are_those_of_the_definition(seed):
    got = noisy(seed, px=0.5, scores=0.05, deltas=0.05)(f"{seed:06}")
    forced = outputs_of(got.rois)
    pairs = [
        (float(g), float(w), k)
        for row in range(ROWS)
        for k, (g, w) in enumerate(zip(got.cls_prob[row], forced.cls_prob[row], strict=True))
        if max(g, w) > of.LEAST_SCORE
    ]
    apart = [abs(g - w) for g, w, _ in pairs]
    slopes = [slow.logit(g) / slow.logit(w) - 1 for g, w, _ in pairs if abs(slow.logit(w)) > of.LEAST_LOGIT]
    found = sums_of(got, forced)

    assert found[of.SCORES][0] == pytest.approx(np.median(apart))
    assert found[of.SCORES_95][0] == pytest.approx(np.percentile(apart, 95))
    assert found[of.SCORES_99][0] == pytest.approx(np.percentile(apart, 99))
    middle, scatter = slow.middle_and_scatter(slopes)
    assert found[of.TEMPERATURE] == pytest.approx((middle, 1, scatter))
    for column, name in enumerate(("background", *CLASSES)):
        mine = sorted(abs(g - w) for g, w, k in pairs if k == column)[:-1]
        of_class = next(one for one in found if f"cls_prob of {name}," in one.name)
        assert found[of_class][0] == pytest.approx(sum(mine) / len(mine) if mine else 0)
    deltas = [
        (float(got.bbox_pred[row, k]), float(forced.bbox_pred[row, k]), k % 4)
        for row in range(ROWS)
        for k in range(4 * COLUMNS)
    ]
    assert found[of.DELTAS][0] == pytest.approx(np.median([abs(g - w) for g, w, _ in deltas]))
    for k in range(4):
        middle, scatter = slow.middle_and_scatter([g - w for g, w, which in deltas if which == k])
        assert found[of.DELTA_OFFSETS[k]] == pytest.approx((middle, 1, scatter))
        slopes = [g / w - 1 for g, w, which in deltas if which == k and abs(w) > of.LEAST_DELTA]
        middle, scatter = slow.middle_and_scatter(slopes)
        assert found[of.DELTA_SLOPES[k]] == pytest.approx((middle, 1, scatter))


@given(SEEDS, st.floats(0.8, 1.25))
def test_another_temperature_gives_the_slope(seed, temperature):
    """Of two columns the logit of a score is the difference of the logits, so the slope is exact."""
    draws = np.random.default_rng(seed)
    rois = rois_of(seed)
    logit = draws.uniform(-6, 6, len(rois))

    def scores(values):
        positive = 1 / (1 + np.exp(-values))
        return np.stack([1 - positive, positive], 1)

    got, forced = (
        Outputs(rois, scores(values).astype(np.float32), np.zeros((len(rois), 8), np.float32))
        for values in (logit / temperature, logit)
    )
    found = of.head_sums(got, forced, ["cat"])
    assert found[of.TEMPERATURE][0] == pytest.approx(1 / temperature - 1, abs=1e-4)


@given(SEEDS, st.floats(-0.3, 0.3), st.sampled_from(range(4)))
def test_one_delta_moved_or_stretched_is_seen_in_its_own_figures(seed, by, which):
    forced = source(str(seed))
    moved, stretched = (forced.bbox_pred.astype(np.float64) for _ in range(2))
    moved[:, which::4] += by
    stretched[:, which::4] *= 1 + by
    offsets = sums_of(changed(forced, bbox_pred=moved), forced)
    slopes = sums_of(changed(forced, bbox_pred=stretched), forced)

    expected = [by if k == which else 0 for k in range(4)]
    assert [offsets[one][0] for one in of.DELTA_OFFSETS] == pytest.approx(expected, abs=1e-6)
    assert [slopes[one][0] for one in of.DELTA_SLOPES] == pytest.approx(expected, abs=1e-6)
    assert slopes[of.SCORES][0] == 0


def test_one_class_that_is_wrong_is_named():
    forced = source("4")
    scores = forced.cls_prob.copy()
    scores[:, 2] *= 0.5
    found = sums_of(changed(forced, cls_prob=scores), forced)
    wrong = {measure.name for measure, one in found.items() if "cls_prob of" in measure.name and one[0] > 0}
    assert wrong == {f"|difference| of cls_prob of {CLASSES[1]}, mean without the largest"}


def test_one_row_of_a_class_that_flips_is_not_the_class():
    forced = source("4")
    scores = forced.cls_prob.copy()
    scores[np.argmax(scores[:, 2]), 2] *= 0.5
    found = sums_of(changed(forced, cls_prob=scores), forced)

    assert [one for measure, one in found.items() if "cls_prob of" in measure.name and one[0] > 0] == []


def test_padding_is_not_compared():
    forced = source("5")
    scores = forced.cls_prob.copy()
    scores[ROWS:] = 1 / COLUMNS
    assert sums_of(changed(forced, cls_prob=scores), forced) == sums_of(forced, forced)


def test_a_class_that_scores_nothing_on_either_side_adds_nothing():
    scores = source("6").cls_prob.copy()
    scores[:, 3] = 0.009
    forced = changed(source("6"), cls_prob=scores)
    found = {measure.name: one for measure, one in sums_of(forced, forced).items()}
    assert found[f"|difference| of cls_prob of {CLASSES[2]}, mean without the largest"] == (0.0, 0.0, 0.0)
    assert found[f"|difference| of cls_prob of {CLASSES[1]}, mean without the largest"] == (0.0, 1.0, 0.0)
