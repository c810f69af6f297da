from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.score import resampling
from tests.support import partners as slow

NUMBERS = st.integers(-40, 40).map(lambda number: number / 8)  # exact, with ties


@st.composite
def samples(draw: st.DrawFn) -> tuple[Any, Any, int]:
    """Values, the picture of each, and the number of pictures; some pictures have no value."""
    pictures = draw(st.integers(1, 6))
    rows = draw(st.lists(st.tuples(NUMBERS, st.integers(0, pictures - 1)), min_size=1, max_size=25))
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows]), pictures


def by_hand(values: list[float], owner: list[int], drawn: list[list[int]], figure: Any) -> list[float]:
    """The figure of every draw that has a value, each drawn picture's values written down as often as it was drawn."""
    found = []
    for times in drawn:
        repeated = [value for value, at in zip(values, owner, strict=True) for _ in range(times[at])]
        if repeated:
            found.append(figure(repeated))
    return found


@given(samples())
def test_figures_and_intervals_equal_the_slow_definition(sample: Any) -> None:
    values, owner, pictures = sample
    drawn = resampling.drawn_pictures(pictures)[:60]
    seen = resampling.distribution(values, owner, drawn)

    figures: dict[str, Any] = {"mean": slow.mean}
    for name, percent in resampling.PERCENTS.items():
        figures[name] = lambda numbers, percent=percent: slow.quantile(numbers, percent)
    for name, figure in figures.items():
        drawn_figures = by_hand(values.tolist(), owner.tolist(), drawn.tolist(), figure)
        wanted = (figure(values.tolist()), slow.quantile(drawn_figures, 5), slow.quantile(drawn_figures, 95))
        assert seen[name] == pytest.approx(wanted, rel=1e-5, abs=1e-12)  # type: ignore[index]
    assert seen["least"] == (values.min(), None, None)
    assert seen["largest"] == (values.max(), None, None)


def test_every_draw_has_as_many_pictures_as_there_are_and_the_draws_differ() -> None:
    drawn = resampling.drawn_pictures(50)
    assert drawn.shape == (resampling.DRAWS, 50)
    assert (drawn.sum(axis=1) == 50).all()
    assert len(np.unique(drawn, axis=0)) == resampling.DRAWS
    assert (drawn == resampling.drawn_pictures(50)).all()


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    pictures = 400
    values = np.random.default_rng(1).normal(5, 2, pictures)
    mean, low, high = resampling.distribution(values, np.arange(pictures), resampling.drawn_pictures(pictures))["mean"]
    half = 1.645 * values.std() / np.sqrt(pictures)
    assert low is not None and high is not None
    assert (mean - low, high - mean) == pytest.approx((half, half), rel=0.15)


def test_whole_pictures_are_drawn() -> None:
    """One value a picture, written a hundred times, says no more than written once."""
    values, pictures = np.random.default_rng(2).normal(size=30), np.arange(30)
    drawn = resampling.drawn_pictures(30)
    once = resampling.distribution(values, pictures, drawn)
    often = resampling.distribution(values.repeat(100), pictures.repeat(100), drawn)
    assert often["50 %"] == once["50 %"]
    assert often["mean"] == pytest.approx(once["mean"], rel=1e-5)


def test_no_value_has_no_figure() -> None:
    assert resampling.distribution(np.zeros(0), np.zeros(0, int), resampling.drawn_pictures(3)) == {}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)).map(sorted), min_size=1, max_size=8))
def test_a_share_equals_the_slow_definition(counts: list[list[int]]) -> None:
    part, whole = np.array(counts).T
    drawn = resampling.drawn_pictures(len(counts))[:60]
    if not whole.sum():
        with pytest.raises(ValueError, match="a share of nothing"):
            resampling.share(part, whole, drawn)
        return
    shares = [(times @ part) / (times @ whole) for times in drawn if times @ whole]
    wanted = (part.sum() / whole.sum(), slow.quantile(shares, 5), slow.quantile(shares, 95))
    value, (low, high) = resampling.share(part, whole, drawn)
    assert (value, low, high) == pytest.approx(wanted, rel=1e-5)


def test_figures_have_six_digits() -> None:
    assert resampling.rounded(0.12345678) == 0.123457
    assert str(resampling.rounded(-0.0)) == "0.0"
