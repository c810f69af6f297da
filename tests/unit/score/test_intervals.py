"""The interval of the drop of mean AP: on repeated pictures, on cases that can be counted, and its three outcomes."""

import tracemalloc
from dataclasses import asdict

import numpy as np
import pytest

from rfcn_lib.score import intervals as module
from rfcn_lib.score import resampled
from rfcn_lib.score.arrays import EvaluationError, classes_with_truth, flatten
from rfcn_lib.score.average_precision import VOC07, VOC10_AREA, evaluate, ranked_by_class
from rfcn_lib.score.intervals import UNSEEN, UNSEEN_CLASS, intervals
from rfcn_lib.score.resampled import Side
from tests.support import drop_limits as slow
from tests.support.detector_pairs import CLASSES, detections_of, random_set, truth_of, written_down

MARGINS = {"margin": 0.01, "class_margin": 0.1}


def systems_of(truth, *detections):
    sides = []
    for one in detections:
        found, objects = flatten(one, truth)
        sides.append([resampled.side_of(ranked) for ranked in ranked_by_class(found, objects, range(3), VOC07)])
    return *sides, resampled.objects_by_picture(objects, range(3), len(truth))


def perfect(truth):
    return {id: detections_of(one.boxes_xyxy, [0.9] * len(one.labels), one.labels) for id, one in truth.items()}


def one_class(count):
    """`count` pictures with an object each; all found, and the first `lost` of them not."""
    truth = {f"{number:04d}": truth_of([number % 3]) for number in range(count)}
    return truth, perfect(truth)


def lose(detections, count):
    nothing = detections_of([], [], [])
    return {id: nothing if number < count else one for number, (id, one) in enumerate(detections.items())}


@pytest.mark.parametrize("seed", range(6))
def test_every_number_is_that_of_sets_written_down_and_evaluated(seed):
    truth, reference, candidate = random_set(seed, 30)
    judged = classes_with_truth(truth, CLASSES)
    assert judged == CLASSES
    many = 40
    found = intervals(*systems_of(truth, reference, candidate), CLASSES, **MARGINS, resamples=many)

    drops, by_class = [], {name: [] for name in CLASSES}
    whole = [evaluate(side, truth, CLASSES) for side in (reference, candidate)]
    for times in resampled.drawn(len(truth), many, np.random.PCG64(2007)).T:
        repeated = written_down(times, truth)
        there = classes_with_truth(repeated, CLASSES)
        old, new = (
            evaluate(written_down(times, side), repeated, CLASSES, judged=there) for side in (reference, candidate)
        )
        drops.append(1 - new.mean_ap / old.mean_ap)
        for name in CLASSES:
            before, after = (
                (one.ap if name in there else on_all.ap)[name] for one, on_all in zip((old, new), whole, strict=True)
            )
            by_class[name].append(1 - after / before if before else 0.0)

    assert found.drop == 1 - whole[1].mean_ap / whole[0].mean_ap
    assert found.resampled_drop == pytest.approx(np.mean(drops), abs=1e-12)
    for got, wanted in (
        (found.upper, slow.upper_limit(drops, 30, UNSEEN, 0.95)),
        (found.lower, slow.lower_limit(drops, 30, UNSEEN, 0.95)),
        (found.high_95, slow.upper_limit(drops, 30, UNSEEN, 0.975)),
        (found.low_95, slow.lower_limit(drops, 30, UNSEEN, 0.975)),
    ):
        assert got == pytest.approx(wanted, abs=2e-4)
    for name, one in found.classes.items():
        holding = sum(bool((~item.difficult & (item.labels == CLASSES.index(name))).any()) for item in truth.values())
        assert one.pictures == holding
        assert one.upper == pytest.approx(slow.upper_limit(by_class[name], holding, UNSEEN_CLASS, 0.95), abs=1e-3)
        plain = np.quantile(by_class[name], 0.05 / 3)
        few = slow.lower_limit(by_class[name], holding, UNSEEN_CLASS, 1 - 0.05 / 3)
        assert one.lower == pytest.approx(
            few if holding < module.FEW else plain, abs=5e-3 if holding < module.FEW else 1e-12
        )
    area = [evaluate(side, truth, CLASSES, VOC10_AREA).mean_ap for side in (reference, candidate)]
    assert found.area[0] == pytest.approx(1 - area[1] / area[0], abs=1e-12)
    assert found.area[1] < found.area[0] < found.area[2]


@pytest.mark.parametrize(("pictures", "decision"), [(140, "INCONCLUSIVE"), (399, "INCONCLUSIVE"), (400, "PASS")])
def test_no_difference_passes_from_400_pictures_on(pictures, decision):
    truth, found = one_class(pictures)
    same = intervals(*systems_of(truth, found, found), CLASSES, **MARGINS, resamples=50)

    assert same.upper == pytest.approx(2.995732273553991 * (4 / 3) / pictures, rel=1e-9)
    assert same.lower == -same.upper
    assert (same.drop, same.resampled_drop, same.decision) == (0, 0, decision)
    assert same.needed == (None if decision == "PASS" else 400)


def test_three_outcomes():
    """A tenth of the pictures lost costs one mark of eleven, or two in resamples that hold more of them."""
    truth, reference = one_class(1200)
    systems = [(truth, reference, lose(reference, lost)) for lost in (0, 120, 400)]
    found = [intervals(*systems_of(*one), CLASSES, margin=0.15, class_margin=0.3, resamples=200) for one in systems]

    assert [one.decision for one in found] == ["PASS", "INCONCLUSIVE", "FAIL"]
    assert found[0].needed is None
    assert found[2].needed is None
    assert found[2].lower > 0.15


def test_a_class_that_is_lost_fails_alone_and_a_class_of_few_pictures_is_undecided():
    truth, reference = one_class(240)
    dog = {id: detections_of([], [], []) if one.labels[0] == 1 else one for id, one in reference.items()}
    found = intervals(*systems_of(truth, reference, dog), CLASSES, **MARGINS, resamples=100).classes

    assert [found[name].decision for name in CLASSES] == ["PASS", "FAIL", "PASS"]
    assert (found["dog"].lower, found["dog"].drop) == (1, 1)

    truth, reference = one_class(60)
    found = intervals(*systems_of(truth, reference, reference), CLASSES, **MARGINS, resamples=100).classes
    assert {one.decision for one in found.values()} == {"INCONCLUSIVE"}
    assert {(one.pictures, one.needed) for one in found.values()} == {(20, 30)}


@pytest.mark.parametrize(
    ("pictures", "decision"), [(1, "INCONCLUSIVE"), (3, "INCONCLUSIVE"), (9, "FAIL"), (10, "FAIL")]
)
def test_a_class_in_one_picture_is_not_shown_to_be_lost(pictures, decision):
    truth, reference = one_class(3 * pictures)
    dog = {id: detections_of([], [], []) if one.labels[0] == 1 else one for id, one in reference.items()}
    found = intervals(*systems_of(truth, reference, dog), CLASSES, **MARGINS, resamples=100).classes["dog"]

    assert (found.drop, found.pictures, found.decision) == (1, pictures, decision)


def test_a_part_that_does_not_hold_every_class_in_each_resample_says_so():
    truth = {"a": truth_of([0]), "b": truth_of([1]), "c": truth_of([2]), "d": truth_of([])}
    found = intervals(*systems_of(truth, perfect(truth), perfect(truth)), CLASSES, **MARGINS, resamples=400)

    assert 0.7 < found.lost_a_class < 1
    assert found.decision == "INCONCLUSIVE"
    assert np.isfinite([found.lower, found.upper, *(one.upper for one in found.classes.values())]).all()


def test_a_margin_of_0_is_never_shown():
    truth, reference = one_class(30)
    found = intervals(*systems_of(truth, reference, reference), CLASSES, margin=0.0, class_margin=0.0, resamples=20)

    assert (found.decision, found.needed) == ("INCONCLUSIVE", None)
    assert {(one.decision, one.needed) for one in found.classes.values()} == {("INCONCLUSIVE", None)}


def test_a_reference_that_finds_nothing_is_refused():
    truth, _ = one_class(6)
    nothing = {id: detections_of([], [], []) for id in truth}
    with pytest.raises(EvaluationError, match="a relative drop is not defined"):
        intervals(*systems_of(truth, nothing, perfect(truth)), CLASSES, **MARGINS)


def test_near_the_margin_there_are_more_resamples_and_they_begin_with_the_same(monkeypatch):
    truth, reference = one_class(600)
    near = intervals(*systems_of(truth, reference, reference), CLASSES, margin=0.0067, class_margin=0.1)
    far = intervals(*systems_of(truth, reference, reference), CLASSES, **MARGINS)

    assert (near.resamples, far.resamples) == (module.RESAMPLES_NEAR_MARGIN, module.RESAMPLES) == (10_000, 2000)
    assert near.upper == pytest.approx(far.upper, rel=1e-9)


def test_the_same_bytes_twice():
    truth, *sides = random_set(8, 40)
    first, again = (repr(asdict(intervals(*systems_of(truth, *sides), CLASSES, **MARGINS))) for _ in range(2))

    assert first == again
    other = intervals(*systems_of(truth, *sides), CLASSES, **MARGINS, seed=1)
    assert repr(asdict(other)) != first


def test_memory_is_that_of_a_block_and_not_of_all_resamples():
    """Two sides of 4,000 detections over 2,000 pictures: twice as many resamples take next to nothing more."""
    random = np.random.default_rng(9)
    objects_cp = np.ones((1, 2000), np.int64)
    sides = [[Side(random.integers(0, 2000, 4000), random.random(4000) < 0.3)] for _ in range(2)]
    peaks = []
    for many in (1000, 2000, 4000):
        tracemalloc.start()
        intervals(sides[0], sides[1], objects_cp, ("cat",), **MARGINS, resamples=many)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert max(peaks) < 1.2 * min(peaks)
