"""Without --evidence: nothing is kept for another person."""

import pytest


@pytest.fixture(scope="class")
def kept_evidence() -> None:
    """Nothing to keep."""


@pytest.fixture(scope="class")
def kept_agreement() -> None:
    """Nothing to keep."""


@pytest.fixture(scope="session")
def kept_headroom() -> None:
    """Nothing to keep."""


@pytest.fixture(scope="session")
def kept_timings() -> None:
    """Nothing to keep."""
