"""Without --evidence: nothing is kept for another person."""

import pytest


@pytest.fixture(scope="class")
def kept_evidence() -> None:
    """Nothing to keep."""
