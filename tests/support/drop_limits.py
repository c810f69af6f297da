"""The limits of a drop once more: the exponential is cut into slices, and whole quantiles are counted."""

import math

import numpy as np

SLICES = 4000


def upper_limit(drops, pictures, unseen, share):
    """The quantile of every drop with every slice's middle value of unseen / pictures x E."""
    middles = [-math.log(1 - (number + 0.5) / SLICES) for number in range(SLICES)]
    every = np.sort(np.add.outer(np.asarray(drops, float), np.array(middles) * unseen / pictures).ravel())
    return float(every[math.ceil(share * len(every)) - 1])


def lower_limit(drops, pictures, unseen, share):
    return -upper_limit([-one for one in drops], pictures, unseen, share)
