"""Without --write-reference: the reference stays in the store."""

import pytest


@pytest.fixture(scope="session")
def packet_inputs() -> None:
    """Nothing is made of them."""


@pytest.fixture(scope="class")
def written_reference() -> None:
    """Nothing to write."""
