"""Without --report: nothing is drawn."""

import pytest


@pytest.fixture(scope="class")
def drawn() -> None:
    """Nothing to draw."""
