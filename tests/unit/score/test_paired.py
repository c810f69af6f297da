"""The paired view: against a set whose pictures are really written down several times, and on cases that can be counted."""

from dataclasses import replace

import numpy as np
import pytest

from rfcn_lib.records import Detections, Truth
from rfcn_lib.score import paired as module
from rfcn_lib.score.arrays import classes_with_truth
from rfcn_lib.score.average_precision import VOC10_AREA, evaluate
from rfcn_lib.score.paired import paired

CLASSES = ("cat", "dog", "cow")
BOXES = np.array([[0, 0, 99, 99], [200, 0, 299, 99], [0, 200, 99, 299]], np.float64)
F = np.float32


def detections_of(boxes, scores, labels):
    return Detections(np.array(boxes, F).reshape(-1, 4), np.array(scores, F), np.array(labels, np.int64))


def truth_of(labels, difficult=()):
    count = len(labels)
    return Truth(BOXES[:count], np.array(labels, np.int64), np.isin(np.arange(count), list(difficult)))


def random_set(seed, count=12):
    """Truth, and two models that find most of it and some more; scores often tie from picture to picture."""
    random = np.random.default_rng(seed)
    truth, sides = {}, ({}, {})
    for number in range(count):
        labels = random.integers(0, 3, random.integers(0, 4))
        truth[f"{number:03d}"] = truth_of(labels, [k for k in range(len(labels)) if random.random() < 0.15])
        for side in sides:
            near = BOXES[: len(labels)] + random.normal(0, 12, (len(labels), 4))
            far = random.uniform(0, 300, (3, 4)).cumsum(axis=1)
            scores = random.choice(10, len(labels) + 3, replace=False) / 10
            found = np.concatenate([labels, random.integers(0, 3, 3)])
            side[f"{number:03d}"] = detections_of(np.vstack([near, far]), scores, found)
    return truth, *sides


def written_down(weights, truth, side):
    """The same set, each picture as often as its weight says."""
    copies = [(id, copy) for id, weight in zip(truth, weights, strict=True) for copy in range(int(weight))]
    return {f"{id}_{copy}": side[id] for id, copy in copies}, {f"{id}_{copy}": truth[id] for id, copy in copies}


@pytest.mark.parametrize("seed", range(8))
def test_each_draw_has_the_mean_ap_of_the_set_written_down_so(seed, monkeypatch):
    truth, reference, candidate = random_set(seed)
    judged = classes_with_truth(truth, CLASSES)
    weights = np.random.default_rng(seed).multinomial(len(truth), np.ones(len(truth)) / len(truth), 4).astype(np.int32)
    monkeypatch.setattr(module, "_draws", lambda count, resamples: iter([weights.T]))
    monkeypatch.setattr(module, "INTERVAL", (0, 100))
    found = paired(reference, candidate, truth, CLASSES, judged, resamples=4)

    wanted = []
    for row in weights:
        of_reference, objects = written_down(row, truth, reference)
        classes = [name for name in classes_with_truth(objects, CLASSES) if name in judged]
        of_candidate = written_down(row, truth, candidate)[0]
        scores = [evaluate(side, objects, CLASSES, judged=classes).mean_ap for side in (of_reference, of_candidate)]
        wanted.append(scores[1] - scores[0])
    assert (found.low, found.high) == pytest.approx((min(wanted), max(wanted)), abs=1e-12)
    whole = [evaluate(side, truth, CLASSES, judged=judged).mean_ap for side in (reference, candidate)]
    assert found.difference == whole[1] - whole[0]


def test_the_same_detections_agree_everywhere():
    truth, reference, _ = random_set(3)
    found = paired(reference, reference, truth, CLASSES, classes_with_truth(truth, CLASSES), resamples=20)

    assert (found.lose, found.win, found.difference, found.low, found.high) == (0, 0, 0, 0, 0)
    assert found.agree == sum(bool((~one.difficult).any()) for one in truth.values())


def test_pictures_are_won_and_lost_one_by_one():
    truth = {"a": truth_of([0]), "b": truth_of([0, 1]), "c": truth_of([2]), "d": truth_of([]), "e": truth_of([0], [0])}
    right = {id: detections_of(one.boxes_xyxy, [0.9] * len(one.labels), one.labels) for id, one in truth.items()}
    nothing = detections_of([], [], [])
    found = paired({**right, "a": nothing}, {**right, "b": nothing}, truth, CLASSES, CLASSES, resamples=20)

    assert (found.agree, found.win, found.lose) == (1, 1, 1), "c; a; b. d and e have no object that counts"


def test_a_false_detection_counts_where_it_is_more_certain_than_the_object():
    truth = {"a": truth_of([0]), "b": truth_of([1]), "c": truth_of([2])}
    right = {id: detections_of(one.boxes_xyxy, [0.9], one.labels) for id, one in truth.items()}
    also = {
        id: detections_of(np.vstack([one.boxes_xyxy, [[400, 400, 450, 450]]]), [0.9, score], [*one.labels] * 2)
        for (id, one), score in zip(truth.items(), (0.95, 0.5, 0.9), strict=True)
    }
    found = paired(right, also, truth, CLASSES, CLASSES, resamples=5)

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
    found = paired(*sides, truth, CLASSES, classes_with_truth(truth, CLASSES), resamples=2)

    counts = change.count(0), sum(one < 0 for one in change), sum(one > 0 for one in change)
    assert (found.agree, found.lose, found.win) == counts


def test_the_interval_is_the_same_every_time_and_around_the_difference():
    truth, reference, candidate = random_set(5, 40)
    lost = {id: one if int(id) % 3 else replace(one, scores=one.scores * F(0.1)) for id, one in candidate.items()}
    first, again = (paired(reference, lost, truth, CLASSES, CLASSES, resamples=200) for _ in range(2))

    assert first == again
    assert first.low < first.difference < first.high
    assert first.low < first.high
    blocks = module.LARGEST_BLOCK
    assert blocks // (20 * 40) > 200
