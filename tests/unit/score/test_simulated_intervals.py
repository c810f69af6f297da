"""The error rates of the interval on simulated pairs of detectors, in small; the whole: `make intervals`."""

import numpy as np
import pytest

from benchmarks import simulate_intervals as simulation
from benchmarks.synthetic_pairs import OBJECTS, PAIRS, TEST_PICTURES, Pair, sample
from rfcn_lib.score import resampled

PICTURES, SAMPLES = 300, 24
LOST = next(pair for pair in PAIRS if pair.name == "pictures lost")


def mean_aps(pair, seed, pictures=1000):
    drawn = sample(pair, pictures, np.random.default_rng(seed))
    ones = np.ones((pictures, 1), np.float32)
    return np.nanmean(resampled.class_by_class((drawn.reference, drawn.candidate), drawn.objects_cp, ones)[0, :, 0], 1)


@pytest.mark.parametrize("pair", [LOST, next(pair for pair in PAIRS if pair.boxes)], ids=lambda pair: pair.name)
def test_a_true_drop_at_the_margin_seldom_passes_and_lies_in_the_interval(pair):
    """The shares of few samples: no more errors than 5.5 % gives once in a thousand times."""
    cell = simulation.cell_of(pair, PICTURES, simulation.draw(pair, PICTURES, range(SAMPLES), 200))

    assert cell.samples == SAMPLES
    assert 0.004 < cell.true_drop < 0.018
    assert cell.size * SAMPLES <= 5
    assert cell.coverage * SAMPLES >= SAMPLES - 5
    assert cell.passes == 0, "300 pictures pass nothing"


def test_the_world_is_that_of_voc2007_test():
    drawn = sample(LOST, TEST_PICTURES, np.random.default_rng(1))
    reference, candidate = mean_aps(LOST, 2)

    np.testing.assert_allclose(drawn.objects_cp.sum(axis=1), OBJECTS, rtol=0.25)
    assert 0.68 < reference < 0.8
    assert candidate < reference


def test_equal_numbers_give_equal_samples_and_no_noise_gives_the_reference():
    same = Pair("the reference again")
    reference, candidate = mean_aps(same, 3)
    assert reference == candidate
    assert mean_aps(LOST, 3).tolist() == mean_aps(LOST, 3).tolist()
    assert simulation.draw(LOST, 60, [5], 20)[0] == simulation.draw(LOST, 60, [4, 5], 20)[2]


def test_a_cell_that_errs_too_often_is_named():
    drawn = [simulation.Drawn(0.01, 0.0, 0.005, 0.0, 0.02)] * 90 + [simulation.Drawn(0.01, 0.0, 0.05, 0.02, 0.05)] * 10
    cell = simulation.cell_of(LOST, 300, drawn)

    assert (cell.size, cell.coverage, cell.true_drop) == (0.9, 0.9, pytest.approx(0.01))
    assert [fault.split(", but")[0] for fault in cell.faults()] == [
        "pictures lost, 300 pictures: size 90.0%",
        "pictures lost, 300 pictures: coverage 90.0%",
    ]
    assert simulation.line_of(cell).startswith("| pictures lost | 300 | +1.00 % | 90.0 %")
