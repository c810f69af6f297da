"""A figure is a ratio of sums, and its limit a multiple of what the arithmetic alone does, and chance."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rfcn_lib.agreement.figures import (
    DEVIATIONS,
    FACTOR,
    FEW,
    HALF,
    Figure,
    Measure,
    count_of,
    estimate,
    figures,
    limit_of,
    median_of,
    of_group,
    percentile_of,
    signed_median_of,
)
from tests.support import agreement_definitions as slow

EVENTS = Measure("lost", "proposals", "share", events=True)
MEAN = Measure("apart", "heads", least=1e-6)
SIGNED = Measure("moved", "proposals", "px", signed=True)

NUMBER = st.floats(-5, 5, allow_subnormal=False)
PICTURE = st.tuples(NUMBER, st.sampled_from([0.0, 1.0, 7.0]), st.floats(0, 2)).map(
    lambda one: one if one[1] else (0.0, 0.0, 0.0)
)
COUNTS = st.tuples(st.integers(0, 9), st.integers(0, 40)).map(lambda one: count_of(min(one), one[1]))


def test_the_frozen_numbers_are_as_they_were():
    """They were chosen before the faults that test them. To change one is another suite."""
    assert (FACTOR, DEVIATIONS, FEW, HALF) == (2.0, 4.0, 10.0, 0.5)


@given(st.lists(PICTURE, min_size=1, max_size=8))
def test_an_estimate_is_that_of_the_definition(sums):
    found = estimate(sums, MEAN)

    assert found.value == pytest.approx(slow.ratio(sums))
    assert found.error == pytest.approx(slow.standard_error(sums, events=False), abs=1e-12)
    assert found.whole == sum(one[1] for one in sums)
    assert found.pictures == sum(one[1] > 0 for one in sums)


@given(st.lists(COUNTS, min_size=1, max_size=8))
def test_an_estimate_of_events_is_that_of_the_definition(sums):
    found = estimate(sums, EVENTS)

    assert found.error == pytest.approx(slow.standard_error(sums, events=True), abs=1e-12)
    assert found.error * found.whole >= (1 - 1e-9 if found.whole else 0)


def test_known_answers_of_an_estimate():
    found = estimate([(1, 10, 0), (0, 10, 0), (2, 20, 0)], MEAN)
    assert found.value == 3 / 40
    # (1 - .75)**2 + .75**2 + (2 - 1.5)**2 = .875
    assert found.error == pytest.approx(math.sqrt(0.875) / 40 * math.sqrt(3 / 2))
    assert estimate([(0, 0, 0), (0, 0, 0)], EVENTS) == estimate([], EVENTS)
    assert estimate([], MEAN).whole == 0
    assert estimate([(0, 50, 0), (0, 50, 0)], EVENTS).error == 1 / 100, "an event that never happened may happen once"
    assert estimate([(3.0, 1, 0.5), (0, 0, 0)], SIGNED).scatter == 0.5


def test_of_one_picture_the_scatter_is_not_known_and_the_limit_is_wide():
    alone = estimate([(-0.25, 1, 0)], MEAN)

    assert alone.error == 0.25
    assert limit_of([alone], alone, MEAN) == 2 * 0.25 + 4 * (1 + 10 / 1) * 0.25


@given(
    st.lists(st.lists(PICTURE, min_size=1, max_size=6), min_size=1, max_size=3),
    st.lists(PICTURE, min_size=1, max_size=6),
    st.sampled_from([0.0, 0.5, 30.0]),
)
def test_a_limit_is_that_of_the_definition(floors, got, least):
    assume(all(sum(one[1] for one in run) for run in (*floors, got)))
    measure = Measure("m", "heads", least=least)
    found = limit_of([estimate(floor, measure) for floor in floors], estimate(got, measure), measure)

    assert found == pytest.approx(slow.limit(floors, got, events=False, least=least))
    assert found >= least


@given(
    st.lists(st.lists(COUNTS, min_size=1, max_size=6), min_size=1, max_size=3), st.lists(COUNTS, min_size=1, max_size=6)
)
def test_a_limit_of_events_is_that_of_the_definition(floors, got):
    assume(all(sum(one[1] for one in run) for run in (*floors, got)))
    found = limit_of([estimate(floor, EVENTS) for floor in floors], estimate(got, EVENTS), EVENTS)

    assert found == pytest.approx(slow.limit(floors, got, events=True, least=0.0))


def test_of_several_floors_the_one_that_allows_most_is_the_limit():
    small, large = [(0.1, 1, 0)] * 5, [(0.4, 1, 0)] * 5
    (found,) = figures([{MEAN: one} for one in small], [[{MEAN: one} for one in run] for run in (small, large)])

    assert found.limit == pytest.approx(2 * 0.4)
    assert found.floor == pytest.approx(0.4)
    assert found.times == pytest.approx(0.125)


def test_a_kernel_that_rounds_the_other_way_may_move_half_of_what_single_rows_are_apart():
    floor = [(0.0, 1, 0.5)] * 20

    assert limit_of([estimate(floor, SIGNED)], estimate(floor, SIGNED), SIGNED) == 0.25
    for got, holds in ((-0.25, True), (0.25, True), (-0.26, False), (0.26, False)):
        (found,) = figures([{SIGNED: (got, 1, 0.5)}] * 20, [[{SIGNED: one} for one in floor]])
        assert (found.times <= 1) is holds


def test_the_fewer_pictures_the_wider_is_chance():
    def limit(count):
        run = [(0.1 * (k % 2), 1, 0) for k in range(count)]
        return limit_of([estimate(run, MEAN)], estimate(run, MEAN), MEAN)

    widths = [limit(count) for count in (2, 4, 10, 100, 1000)]
    assert sorted(widths, reverse=True) == widths
    assert widths[-1] == pytest.approx(2 * 0.05, rel=0.1)


def test_events_that_no_floor_has_may_happen_a_few_times_and_another_measure_without_a_floor_is_left_out():
    other = Measure("class cat", "detections", "share", events=True)
    got = [{MEAN: (1.0, 1, 0), other: (0, 10, 0), EVENTS: (0, 10, 0)}] * 20
    floor = [{EVENTS: (0, 10, 0)}] * 20
    found = {one.measure: one for one in figures(got, [floor])}

    assert MEAN not in found
    assert found[other].floor == 0
    assert found[other].limit == pytest.approx(4 * (1 + 10 / 20) / 200)
    many = {one.measure: one for one in figures([{**got[0], other: (5, 10, 0)}] * 20, [floor])}
    assert many[other].times > 1


def test_figures_come_furthest_beyond_first_and_say_so():
    floor = [{MEAN: (0.1, 1, 0), SIGNED: (0.1, 1, 0)}] * 3
    found = figures([{MEAN: (0.1, 1, 0), SIGNED: (-1.0, 1, 0)}] * 3, [floor])

    assert [one.measure for one in found] == [SIGNED, MEAN]
    assert of_group(found, "heads") == found[1:]
    assert of_group(found, "rows") == ()
    assert [part in str(found[0]) for part in ("moved", "-1", "0.2", "0.1")] == [True] * 4


def test_times_of_a_limit_of_0():
    assert Figure(MEAN, 0.0, 0.0, 0.0, 1).times == 0
    assert Figure(MEAN, 1e-9, 0.0, 0.0, 1).times == math.inf


def test_a_picture_with_nothing_to_compare_adds_nothing():
    nothing = np.zeros(0)
    assert median_of(nothing) == percentile_of(nothing, 95) == signed_median_of(nothing) == (0.0, 0.0, 0.0)
    values = np.array([1.0, -4.0, 2.0, 10.0, 3.0])
    assert median_of(values) == (2.0, 1.0, 0.0)
    assert percentile_of(values, 100) == (10.0, 1.0, 0.0)
    assert signed_median_of(values)[::2] == slow.middle_and_scatter(values.tolist()) == (2.0, 1.0)


@pytest.mark.parametrize(("got", "limit"), [(math.nan, 1.0), (math.inf, 1.0), (0.0, math.nan)])
def test_a_figure_that_is_no_number_is_beyond_its_limit(got, limit):
    """NaN compares as false, so it would else be within every limit, and stand anywhere in the order."""
    assert Figure(Measure("m", "rows"), got, 0.0, limit, 9.0).times == math.inf
