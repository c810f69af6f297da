"""PyTorch's compiler makes a folder in the system's temporary folder as soon as an optimizer or a meta tensor is used."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def inductor_cache(tmp_path_factory):
    """Give it a folder of the tests, which pytest removes."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("inductor")))
