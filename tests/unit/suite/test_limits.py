"""Limits that come from outside a run."""

import pytest

from rfcn_lib.suite.limits import too_good


@pytest.mark.parametrize(
    ("candidate", "reference", "found"),
    [
        (0.70, 0.70, False),
        (0.7069, 0.70, False),
        (0.7071, 0.70, True),
        (0.9970, 0.9142, True),
        (0.5, 0.70, False),
        (0.5, 0.0, False),
    ],
)
def test_above_the_reference_by_more_than_a_port_may_lose_is_too_good(candidate, reference, found):
    assert bool(too_good(candidate, reference, 0.01)) is found
