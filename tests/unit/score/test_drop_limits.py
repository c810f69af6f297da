"""Limits of a drop: against quantiles that are counted, against the rule of three, and the number of pictures that decides."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.score.drop_limits import (
    MOST_PICTURES,
    ONE_SIDED,
    decided,
    lower_limit,
    needed_pictures,
    upper_limit,
)
from tests.support import drop_limits as slow

SHARES = [
    0.93,
    0.95,
    0.975,
]  # none is k / n with n <= 12: there the probability stays level, and a slice more or less is far off
DROPS = st.lists(st.floats(-0.2, 0.4), min_size=1, max_size=12).map(np.array)


@given(DROPS, st.integers(20, 5000), st.sampled_from([1.0, 4 / 3, 2.0]), st.sampled_from(SHARES))
def test_a_limit_is_the_quantile_of_the_drops_and_a_picture_not_seen(drops, pictures, unseen, share):
    near = 8 * unseen / pictures / slow.SLICES / (1 - share) + 1e-12
    wanted = slow.upper_limit(drops, pictures, unseen, share)

    assert upper_limit(drops, pictures, unseen, share) == pytest.approx(wanted, abs=near)
    wanted = slow.lower_limit(drops, pictures, unseen, share)
    assert lower_limit(drops, pictures, unseen, share) == pytest.approx(wanted, abs=near)


@pytest.mark.parametrize("pictures", [1, 140, 299, 300, 4952])
@pytest.mark.parametrize("unseen", [1.0, 4 / 3, 2.0])
def test_without_any_difference_it_is_the_rule_of_three(pictures, unseen):
    upper = upper_limit(np.zeros(2000), pictures, unseen)

    assert upper == pytest.approx(2.995732273553991 * unseen / pictures, rel=1e-9)
    assert lower_limit(np.zeros(2000), pictures, unseen) == -upper


def test_lost_pictures_get_the_limits_of_counting_them():
    """j of n pictures lost altogether: n x U for k = 1, near the exact limits of Poisson (3.00, 4.74, 6.30, 10.51, 16.96)."""
    pictures, random = 2000, np.random.default_rng(1)
    wanted = {0: 3.00, 1: 4.64, 2: 6.17, 5: 10.32, 10: 16.73}
    for lost, limit in wanted.items():
        drops = random.binomial(pictures, lost / pictures, 20_000) / pictures
        assert pictures * upper_limit(drops, pictures, 1.0) == pytest.approx(limit, abs=0.15)


@pytest.mark.parametrize(
    ("lower", "upper", "decision"),
    [
        (-0.01, 0.0099, "PASS"),
        (-0.01, 0.01, "INCONCLUSIVE"),
        (0.01, 0.02, "INCONCLUSIVE"),
        (0.0101, 0.02, "FAIL"),
        (math.nan, math.nan, "INCONCLUSIVE"),
    ],
)
def test_a_limit_at_the_margin_decides_nothing(lower, upper, decision):
    assert decided(lower, upper, 0.01) == decision


@pytest.mark.parametrize(("unseen", "margin", "least"), [(4 / 3, 0.01, 400), (1.0, 0.01, 300), (1.0, 0.1, 30)])
def test_so_many_pictures_are_needed_although_nothing_differs(unseen, margin, least):
    assert needed_pictures(np.zeros(500), 0.0, 10, margin, unseen) == least
    assert upper_limit(np.zeros(500), least, unseen) < margin <= upper_limit(np.zeros(500), least - 1, unseen)


@pytest.mark.parametrize("drop", [-0.004, 0.002, 0.006, 0.015, 0.03])
def test_with_the_needed_pictures_the_same_spread_decides(drop):
    random = np.random.default_rng(3)
    pictures, spread = 200, random.normal(0, 0.02, 4000)
    around = spread - spread.mean()
    needed = needed_pictures(drop + spread, drop, pictures, 0.01, 4 / 3)

    def decision(number):
        drops = drop + around * math.sqrt(pictures / number)
        return decided(lower_limit(drops, number, 4 / 3), upper_limit(drops, number, 4 / 3), 0.01)

    assert decision(needed) == ("PASS" if drop < 0.01 else "FAIL")
    assert decision(needed - 1) == "INCONCLUSIVE"


def test_a_class_fails_by_its_plain_quantile():
    random = np.random.default_rng(4)
    drops = 0.25 + random.normal(0, 0.2, 4000)
    needed = needed_pictures(drops, 0.25, 15, 0.1, 1.0, 0.05 / 20)
    scaled = 0.25 + (drops - drops.mean()) * math.sqrt(15 / needed)

    assert np.quantile(scaled, 0.05 / 20) > 0.1
    assert 15 < needed < 300


@pytest.mark.parametrize("drop", [0.01, 0.01 + 1e-9, 0.01 - 1e-9])
def test_a_drop_at_the_margin_is_decided_by_no_number_of_pictures(drop):
    drops = drop + np.random.default_rng(5).normal(0, 0.02, 500)

    assert needed_pictures(drops, drop, 100, 0.01, 4 / 3) is None


def test_the_number_is_always_above_what_there_is():
    """The resamples lie around a smoother drop: they may be undecided where the drop itself would be decided."""
    drops = 0.012 + np.random.default_rng(6).normal(0, 1e-5, 500)

    assert needed_pictures(drops, 0.001, 5000, 0.01, 4 / 3) == 5001
    assert MOST_PICTURES > 5001
    assert ONE_SIDED == 0.95
