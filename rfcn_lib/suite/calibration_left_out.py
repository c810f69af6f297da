"""Without --predicted: nothing is known that the measured figures could be compared with."""

import pytest


@pytest.fixture(scope="session")
def predicted() -> None:
    """Nothing was predicted."""


@pytest.fixture(scope="class")
def calibration() -> None:
    """Nothing to compare."""
