"""Without --protocols: detections are evaluated under the protocol of the criteria alone."""

import pytest


@pytest.fixture(scope="class")
def protocols() -> None:
    """Nothing to write."""
