"""Figures of a sample (mean, quantiles, shares), each with an interval from a bootstrap over pictures.

A bootstrap draws as many pictures as there are, with replacement, and computes the figure again; this many times. The interval
reaches from the 5 % to the 95 % quantile of the figures so computed (Efron's percentile method). Whole pictures are drawn, not
single detections, because the detections of one picture move together. The seed is fixed: equal input, equal interval.
"""

from typing import Final, Literal

import numpy as np

from rfcn_lib.records import Floats, Ints

DRAWS: Final = 1000
SEED: Final = 2007
LOW_PERCENT: Final = 5
HIGH_PERCENT: Final = 95
Quantile = Literal["1 %", "5 %", "10 %", "50 %", "90 %", "95 %", "99 %"]
FigureName = Literal["mean", "least", Quantile, "largest"]
PERCENTS: Final[dict[Quantile, int]] = {
    "1 %": 1, "5 %": 5, "10 %": 10, "50 %": 50, "90 %": 90, "95 %": 95, "99 %": 99,
}  # fmt: skip
DIGITS: Final = 6  # significant digits of a figure: what lies below differs between processors

Interval = tuple[float, float]
ValueLowHigh = tuple[float, float | None, float | None]


def drawn_pictures(pictures: int) -> Ints:
    """(DRAWS, pictures) int32: how often each draw has each picture."""
    random = np.random.default_rng(SEED)
    draws = (random.integers(0, pictures, pictures) for _ in range(DRAWS))
    return np.stack([np.bincount(draw, minlength=pictures) for draw in draws]).astype(np.int32)


def distribution(values: Floats, picture_of: Ints, drawn: Ints) -> dict[FigureName, ValueLowHigh]:
    """Name of a figure -> the figure and its interval; {} if there is no value.

    The figures are "mean", "least", "largest" and the quantiles of PERCENTS. The p % quantile is the least value that p % of the
    values do not exceed, so it is one of the values. "least" and "largest" have no interval: a bootstrap never passes them.

    Args:
        values: (N,), finite.
        picture_of: (N,) the number of the picture that each value belongs to.
        drawn: of `drawn_pictures`.
    """
    if not len(values):
        return {}
    order = np.argsort(values, kind="stable")
    ascending, owner = values[order].astype(np.float64), picture_of[order]
    drawn_means, drawn_quantiles = [], []
    for times in drawn:
        weights = times[owner]
        if weights.any():
            drawn_means.append(float(weights @ ascending) / int(weights.sum()))
            drawn_quantiles.append(_quantiles(ascending, weights))
    means, quantiles = np.sort(drawn_means), np.sort(np.array(drawn_quantiles), axis=0)
    found: dict[FigureName, ValueLowHigh] = {"mean": (rounded(ascending.mean()), *_interval(means))}
    found["least"] = (rounded(ascending[0]), None, None)
    once = _quantiles(ascending, np.ones(len(ascending), np.int32))
    for name, value, column in zip(PERCENTS, once, quantiles.T, strict=True):
        found[name] = (rounded(value), *_interval(column))
    found["largest"] = (rounded(ascending[-1]), None, None)
    return found


def share(part: Ints, whole: Ints, drawn: Ints) -> tuple[float, Interval]:
    """sum(part) / sum(whole) and its interval, from counts by picture: two (P,). A draw without anything is left out.

    Raises:
        ValueError: `whole` is 0 everywhere.
    """
    if not whole.any():
        raise ValueError("a share of nothing; should have one detection at least")
    parts, wholes = drawn @ part, drawn @ whole
    shares = np.sort(parts[wholes > 0] / wholes[wholes > 0])
    return rounded(part.sum() / whole.sum()), _interval(shares)


def rounded(value: float) -> float:
    """The number with DIGITS significant digits."""
    return float(f"{value:.{DIGITS}g}") + 0.0  # -0.0 becomes 0.0


def quantile_rank(percent: int, count: int) -> int:
    """Of `count` values in ascending order, the rank (from 1) of the `percent` % quantile, in whole numbers."""
    return -(-percent * count // 100)


def _quantiles(ascending: Floats, weights: Ints) -> Floats:
    """The quantiles of PERCENTS of values that occur `weights` times."""
    up_to = weights.cumsum(dtype=np.int64)
    ranks = [quantile_rank(percent, int(up_to[-1])) for percent in PERCENTS.values()]
    found: Floats = ascending[np.searchsorted(up_to, ranks)]
    return found


def _interval(ascending: Floats) -> Interval:
    low, high = (ascending[quantile_rank(p, len(ascending)) - 1] for p in (LOW_PERCENT, HIGH_PERCENT))
    return rounded(low), rounded(high)
