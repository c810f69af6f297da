"""AP on resamples: to the last bit the evaluator's, on sets whose pictures are really written down several times."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.score import resampled
from rfcn_lib.score.arrays import classes_with_truth, flatten
from rfcn_lib.score.average_precision import RECALL_MARKS, VOC07, VOC10_AREA, evaluate, ranked_by_class
from rfcn_lib.score.resampled import Side
from tests.support.detector_pairs import CLASSES, random_set, written_down


def sides_of(detections, truth):
    found, objects = flatten(detections, truth)
    sides = [resampled.side_of(one) for one in ranked_by_class(found, objects, range(3), VOC07)]
    return sides, resampled.objects_by_picture(objects, range(3), len(truth))


def expect_the_evaluators(truth, detections, times):
    sides, objects_cp = sides_of(detections, truth)
    marks, area = resampled.class_by_class([sides], objects_cp, times.astype(np.float32))
    for number, often in enumerate(times.T):
        repeated, found = written_down(often, truth), written_down(often, detections)
        judged = classes_with_truth(repeated, CLASSES)
        for label, name in enumerate(CLASSES):
            if name not in judged:
                assert np.isnan(marks[0, number, label])
                assert np.isnan(area[0, number, label])
                continue
            assert marks[0, number, label] == evaluate(found, repeated, CLASSES, judged=[name]).ap[name]
            wanted = evaluate(found, repeated, CLASSES, VOC10_AREA, judged=[name]).ap[name]
            assert area[0, number, label] == pytest.approx(wanted, abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(2, 25))
def test_each_ap_is_bit_equal_to_the_evaluators_on_repeated_pictures(seed, count):
    truth, detections, _ = random_set(seed, count)
    times = resampled.drawn(count, 6, np.random.PCG64(seed))

    expect_the_evaluators(truth, detections, times)
    expect_the_evaluators(truth, detections, np.ones((count, 1)))


def test_a_set_of_many_repeats_meets_every_mark(monkeypatch):
    """Recalls of 3/10, 6/10 and 7/10 lie a hair below their marks; so do 30/100 and so on."""
    truth, detections, _ = random_set(4, 10)
    expect_the_evaluators(truth, detections, np.random.default_rng(4).integers(0, 40, (10, 30)))


def test_the_least_number_of_right_ones_is_the_first_whose_recall_reaches_the_mark():
    totals = np.arange(1.0, 400.0)
    least = resampled._least_rights(totals)
    for total, marks in zip(totals, least, strict=True):
        recalls = np.arange(0, total + 2) / total
        assert marks.tolist() == [int(np.argmax(recalls >= mark)) for mark in RECALL_MARKS]


def test_a_draw_has_as_many_pictures_as_the_set_and_is_the_same_on_every_machine():
    times = resampled.drawn(40, 300, np.random.PCG64(resampled.SEED))
    bits = np.random.PCG64(resampled.SEED)
    index = [int(bits.random_raw()) * 40 // 2**64 for _ in range(40)]

    assert (times.sum(axis=0) == 40).all()
    assert times[:, 0].tolist() == [index.count(picture) for picture in range(40)]
    assert times[:12, 0].tolist() == [0, 0, 2, 0, 2, 0, 1, 2, 3, 1, 1, 3], (
        "numpy's stream is another, so verdicts change"
    )
    assert abs(times.mean(axis=1) - 1).max() < 0.3


def test_blocks_give_what_one_block_gives(monkeypatch):
    truth, *both = random_set(7, 9)
    systems, objects_cp = [sides_of(one, truth)[0] for one in both], sides_of(both[0], truth)[1]
    whole = [*resampled.resampled_ap(systems, objects_cp, 25, np.random.PCG64(1))]
    monkeypatch.setattr(resampled, "BLOCK", 10)
    parts = [*resampled.resampled_ap(systems, objects_cp, 25, np.random.PCG64(1))]

    assert (len(whole), len(parts)) == (1, 3)
    for kind in (0, 1):
        np.testing.assert_array_equal(np.concatenate([part[kind] for part in parts], axis=1), whole[0][kind])


def test_what_comes_after_the_last_right_one_is_cut(monkeypatch):
    truth, detections, _ = random_set(11, 30)
    found, objects = flatten(detections, truth)
    for ranked in ranked_by_class(found, objects, range(3), VOC07):
        side = resampled.side_of(ranked)
        assert side.right[-1]
        assert side.right.sum() == ranked.right.sum()
        assert len(side.right) <= int((ranked.right | ranked.wrong).sum())


def test_a_class_of_which_nothing_was_found_has_ap_0():
    nothing = Side(np.zeros(0, np.int64), np.zeros(0, bool))
    marks, area = resampled.class_by_class([[nothing]], np.array([[1, 0]]), np.array([[1, 0], [0, 2]], np.float32))

    assert marks[0, 0, 0] == area[0, 0, 0] == 0
    assert np.isnan(marks[0, 1, 0])


def test_counts_beyond_float32_are_counted_in_float64(monkeypatch):
    truth, detections, _ = random_set(5, 12)
    sides, objects_cp = sides_of(detections, truth)
    times = resampled.drawn(12, 20, np.random.PCG64(3))
    small = resampled.class_by_class([sides], objects_cp, times)
    monkeypatch.setattr(resampled, "FLOAT32_EXACT", 1)

    np.testing.assert_array_equal(resampled.class_by_class([sides], objects_cp, times), small)
    assert resampled._counts(sides[0], list(times), 20)[0].dtype == np.float64


def test_memory_does_not_grow_with_the_number_of_resamples():
    """A block is let go before the next one is made, so it is enough that no block is larger."""
    truth, *both = random_set(2, 9)
    systems, objects_cp = [sides_of(one, truth)[0] for one in both], sides_of(both[0], truth)[1]
    blocks = resampled.resampled_ap(systems, objects_cp, 10**9, np.random.PCG64(1))
    for marks, area in itertools.islice(blocks, 2):
        assert marks.shape == area.shape == (2, resampled.BLOCK, 3)
