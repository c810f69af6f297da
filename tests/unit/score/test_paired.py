"""The paired view: pictures that are won and lost, and the record as the verdict's file has it."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from rfcn_lib.score.arrays import classes_with_truth
from rfcn_lib.score.average_precision import VOC10_AREA, evaluate
from rfcn_lib.score.paired import paired, paired_of, ties
from tests.support.detector_pairs import CLASSES, detections_of, random_set, truth_of

MARGINS = {"margin": 0.01, "class_margin": 0.1}


def test_the_same_detections_agree_everywhere():
    truth, reference, _ = random_set(3)
    found = paired(reference, reference, truth, CLASSES, classes_with_truth(truth, CLASSES), **MARGINS)

    assert (found.lose, found.win, found.drop.drop, found.drop.resampled_drop) == (0, 0, 0, 0)
    assert found.agree == sum(bool((~one.difficult).any()) for one in truth.values())


def test_pictures_are_won_and_lost_one_by_one():
    truth = {"a": truth_of([0]), "b": truth_of([0, 1]), "c": truth_of([2]), "d": truth_of([]), "e": truth_of([0], [0])}
    right = {id: detections_of(one.boxes_xyxy, [0.9] * len(one.labels), one.labels) for id, one in truth.items()}
    nothing = detections_of([], [], [])
    found = paired({**right, "a": nothing}, {**right, "b": nothing}, truth, CLASSES, CLASSES, **MARGINS)

    assert (found.agree, found.win, found.lose) == (1, 1, 1), "c; a; b. d and e have no object that counts"


def test_a_false_detection_counts_where_it_is_more_certain_than_the_object():
    truth = {"a": truth_of([0]), "b": truth_of([1]), "c": truth_of([2])}
    right = {id: detections_of(one.boxes_xyxy, [0.9], one.labels) for id, one in truth.items()}
    also = {
        id: detections_of(np.vstack([one.boxes_xyxy, [[400, 400, 450, 450]]]), [0.9, score], [*one.labels] * 2)
        for (id, one), score in zip(truth.items(), (0.95, 0.5, 0.9), strict=True)
    }
    found = paired(right, also, truth, CLASSES, CLASSES, **MARGINS)

    assert (found.agree, found.lose, found.win) == (2, 1, 0)


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_s_own_score_is_its_area_ap(seed):
    truth, *sides = random_set(seed)
    judged = [classes_with_truth({id: one}, CLASSES) for id, one in truth.items()]
    scores = [
        [evaluate({id: side[id]}, {id: truth[id]}, CLASSES, VOC10_AREA, judged=names).mean_ap if names else 0.0
         for id, names in zip(truth, judged, strict=True)]
        for side in sides
    ]  # fmt: skip
    change = [round(new - old, 9) for old, new, names in zip(*scores, judged, strict=True) if names]
    found = paired(*sides, truth, CLASSES, classes_with_truth(truth, CLASSES), **MARGINS)

    counts = change.count(0), sum(one < 0 for one in change), sum(one > 0 for one in change)
    assert (found.agree, found.lose, found.win) == counts


def test_the_record_comes_back_from_the_verdict_s_file():
    truth, *sides = random_set(5, 40)
    found = paired(*sides, truth, CLASSES, CLASSES, **MARGINS)

    assert paired_of(asdict(found)) == found
    assert paired_of(json.loads(json.dumps(asdict(found)))) == found
    whole = [evaluate(side, truth, CLASSES).mean_ap for side in sides]
    assert found.drop.drop == 1 - whole[1] / whole[0]


@pytest.mark.parametrize("seed", range(6))
def test_the_bracket_of_ties_holds_every_order_of_equal_scores(seed):
    truth, side, _ = random_set(seed, 14)
    found = ties(side, truth, CLASSES, CLASSES)
    random = np.random.default_rng(seed)
    for _ in range(30):
        ids = list(truth)
        random.shuffle(ids)
        mean = evaluate(side, {id: truth[id] for id in ids}, CLASSES).mean_ap
        assert found.low - 1e-12 <= mean <= found.high + 1e-12
    assert found.low < found.high
    assert found.widest_class in CLASSES


def test_a_wrong_one_among_equals_moves_the_ap_and_different_scores_do_not():
    truth = {"a": truth_of([0]), "b": truth_of([1, 2])}
    cat, strange = truth["a"].boxes_xyxy[0], [400, 400, 450, 450]
    tie = {"a": detections_of([cat, strange], [0.5, 0.5], [0, 0]), "b": detections_of([], [], [])}
    found = ties(tie, truth, CLASSES, CLASSES)
    assert (found.low, found.high) == pytest.approx((0.5 / 3, 1 / 3))
    assert (found.widest_class, found.width) == ("cat", pytest.approx(0.5))

    apart = {**tie, "a": detections_of([cat, strange], [0.5, 0.4], [0, 0])}
    found = ties(apart, truth, CLASSES, CLASSES)
    assert found.low == found.high == pytest.approx(1 / 3)
